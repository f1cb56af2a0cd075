"""A fine-tune beside its base: what it inherits, what is otherwise and why, and what that means. No Textual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mypt.diff import same
from mypt.text import printable, whole
from tui.screens.launch.draft import GIVEN_BY
from tui.screens.launch.form import shown_source, shown_value

if TYPE_CHECKING:
    from mypt.settings.resolve import Effective, Resolved

Kind = Literal["new", "inherited", "same"]
_UNKNOWN = "–"
# Decided where a run starts, or named after the run: no setting that a base could hand down.
_OF_THE_RUN = frozenset({"device", "log_file"})


@dataclass(frozen=True, slots=True)
class Beside:
    """One setting: what the base has, what the run will have, and where that comes from.

    "inherited" is what the base decides, "new" what is otherwise than there, "same" what comes from elsewhere and is
    the same. `ignored` says what was asked for and loses, in words.
    """

    name: str
    base: str
    run: str
    source: str
    kind: Kind
    typed: bool = False
    ignored: str = ""


@dataclass(frozen=True, slots=True)
class Inheritance:
    """`rows` in the order of the settings; `said` are sentences on what changes in the model itself."""

    base: str
    rows: tuple[Beside, ...]
    said: tuple[str, ...]

    def of(self, kind: Kind) -> list[Beside]:
        """The rows of one kind; of the new ones those that were typed come first."""
        rows = [row for row in self.rows if row.kind == kind]
        return sorted(rows, key=lambda row: not row.typed) if kind == "new" else rows


def inheritance(run: Resolved) -> Inheritance | None:
    """A fine-tune beside its base; None for a run that is none."""
    if run.base is None or run.checkpoint is not None:
        return None
    from mypt.settings.model_config import GPTConfig

    base = run.base
    config = GPTConfig.from_dict(base.config, where=f"{base.name}/config.json").to_dict()
    theirs = {**base.training_config, **config}
    kind = base.tokenizer.get("token_kind")
    if isinstance(kind, str):
        theirs["tokenization"] = kind
    found = [
        row
        for name, effective in run.values.items()
        if name not in _OF_THE_RUN and (row := _row(effective, theirs)) is not None
    ]
    step = f" step {whole(base.step)}" if base.step is not None else ""
    name = printable(base.name, newline=False)
    return Inheritance(f"{name}{step}", tuple(found), tuple(_said(run, config)))


def _row(effective: Effective, theirs: dict[str, Any]) -> Beside | None:
    name, value, source = effective.name, _plain(effective.value), effective.source
    known = name in theirs
    before = theirs.get(name)
    inherited = source.kind == "base model"
    alike = known and (same(before, value) or (before is None and value is None))
    if not known and source.kind == "default":
        return None
    kind: Kind = "inherited" if inherited else "same" if alike else "new"
    lost = [f"{shown_value(v)} from {_asked(s.kind, str(s))}" for v, s in effective.ignored]
    return Beside(
        name=name,
        base=shown_value(before) if known else _UNKNOWN,
        run=shown_value(effective.value),
        source="inherited" if inherited else shown_source(effective),
        kind=kind,
        typed=source.kind == GIVEN_BY,
        ignored=f"{' and '.join(lost)} ignored" if lost else "",
    )


def _asked(kind: str, source: str) -> str:
    return "you" if kind == GIVEN_BY else printable(source, newline=False)


def _plain(value: Any) -> Any:
    """A setting as JSON has it, which is how the base kept its own."""
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _said(run: Resolved, theirs: dict[str, Any]) -> list[str]:
    """What becomes of the model where the fine-tune is otherwise than its base."""
    own, said = run.config, []
    before, after = theirs.get("block_size"), own.block_size
    if isinstance(before, int) and after != before:
        words = f"context {whole(before)} → {whole(after)} tokens"
        if own.pos_encoding != "learned":
            words += ": rotary positions go on, and the model has to get used to it"
        elif after > before:
            words += f": positions {whole(before)} to {whole(after - 1)} begin untrained"
        else:
            words += f": positions from {whole(after)} on are left away"
        said.append(words)
    if theirs.get("rope_scale", 1.0) != own.rope_scale:
        said.append(
            f"rope_scale {theirs.get('rope_scale', 1.0):g} → {own.rope_scale:g}: positions are squeezed"
        )
    dropout = theirs.get("dropout")
    if isinstance(dropout, int | float) and dropout != own.dropout:
        said.append(f"dropout {dropout:g} → {own.dropout:g} in every layer")
    if own.use_loss_mask and not theirs.get("use_loss_mask"):
        said.append("only the tokens that the data's mask marks count from now on")
    if run.settings.freeze_layers:
        number = run.settings.freeze_layers
        said.append(f"the first {number} layer{'s' * (number != 1)} stay{'s' * (number == 1)} as in the base")
    if run.settings.freeze_embeddings:
        said.append("the embeddings stay as in the base")
    return said
