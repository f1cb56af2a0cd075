"""What a checkpoint holds, as lines of text: a section for each of its files. No widgets here."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from rich.cells import cell_len, chop_cells
from rich.text import Text

from mypt.bundle import CONFIG, STATE, TOKENIZER, BundleInfo, Kind
from mypt.diff import Cell, flatten, reached, real_parameters, spelled, tokenizer_of, value_text
from mypt.settings.model_config import GPTConfig
from mypt.text import count, duration, loss, printable, size, whole
from mypt.watch.checkpoints import base_model
from mypt.watch.run import Run
from tui.screens.checkpoints.rows import TreeRow
from tui.widgets.lines import fit
from tui.widgets.states import SIGNS, Colours, state_style, state_word

TABS = ("config", "training state", "tokenizer", "files", "gold", "curve")

_FIRST = ("n_layer", "n_head", "n_embd", "block_size", "vocab_size", "dropout", "bias", "tie_weights")
# A file can be large beyond sense; nobody reads more lines than these.
_MOST_LINES = 2000
_NAME_WIDTH = 24
_FOREIGN = (
    *("n_kv_head", "head_dim", "mlp_hidden_size", "norm_eps", "activation", "arch", "extra"),
    *("head_rows", "document_token", "window_long", "window_short"),
)


class Writer:
    """Gathers lines for one width: headings, and names with values that go on below themselves."""

    def __init__(self, width: int, colours: Colours) -> None:
        self.lines: list[Text] = []
        self._width, self._colours = max(width, 20), colours

    def heading(self, words: str) -> None:
        """A heading, with an empty line before it."""
        if self.lines:
            self.lines.append(Text())
        self.lines.append(_styled(words, f"bold {self._colours.get('primary', '')}".strip()))

    def note(self, words: str, style: str = "dim") -> None:
        """A sentence, over as many lines as it needs."""
        self.lines += [_styled(part, style) for part in _wrapped(words, self._width)]

    def value(self, name: str, text: str, style: str = "", note: str = "") -> None:
        """A name and its value, and beside it a quieter word."""
        if len(self.lines) >= _MOST_LINES:
            return
        wide = min(_NAME_WIDTH, self._width // 2)
        label = printable(name, newline=False)
        if cell_len(label) >= wide and cell_len(label) + 2 + cell_len(text) <= self._width:
            wide = cell_len(label) + 2
        parts = chop_cells(text, self._width - wide) or [""]
        for number, part in enumerate(parts[:200]):
            line = Text()
            line.append(fit(label, wide - 1) + " " if number == 0 else " " * wide, "dim")
            line.append(part, style)
            if note and number == len(parts) - 1:
                line.append(f"  {printable(note, newline=False)}", "dim")
            self.lines.append(line)

    def values(self, values: Iterable[tuple[str, Any]], notes: Mapping[str, str] | None = None) -> None:
        """Every name with its value, and what is noted of it; null and empty ones quieter."""
        for name, value in values:
            if len(self.lines) >= _MOST_LINES:
                self.note("… and more: the rest is in the file")
                return
            if isinstance(value, Cell):
                self.value(name, value.text or value_text(name, value.value))
            else:
                quiet = value is None or value == {} or value == []
                note = (notes or {}).get(name.partition(".")[0].partition("[")[0], "")
                self.value(name, value_text(name, value), "dim" if quiet else "", note)


def head(row: TreeRow, run: Run | None, colours: Colours, now: float | None = None) -> Text:
    """Three lines that say which checkpoint this is and how good; of a broken one what is wrong, and what to do."""
    info = row.info
    name = printable(info.name if info else row.model.name, newline=False)
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    text.append(name, "bold")
    if info is None:
        text.append("\n")
        if row.gone:
            text.append("not here: only its fine-tunes are. Their own files have all that they need.", "dim")
        else:
            text.append("its last checkpoint is not here, so it cannot be resumed; see those below it", "dim")
        return text
    if info.kind is Kind.GOLD:
        text.append("  ★ best validation", f"bold {colours.get('warning', '')}".strip())
    elif info.kind is Kind.FP16:
        text.append("  weights in fp16, for use", "dim")
    if run is not None and not run.state.is_over:
        text.append(f"  {SIGNS[run.state]} {state_word(run.state)}", state_style(run.state, colours))
    if info.problem:
        trouble = colours.get("error", "red")
        text.append(f"\n✗ {info.problem}", f"bold {trouble}")
        text.append(f"\n{info.remedy}", trouble)
        if not info.was_read:
            return text
    step, value, of_step = reached(info, run.history if run else None)
    number = real_parameters(info.config)
    said = [
        "" if step is None else f"step {whole(step)}",
        "" if value is None else f"val {loss(value)}" + ("" if of_step is None else f" at {whole(of_step)}"),
        "" if number is None else f"{count(number)} parameters",
        size(info.size),
    ]
    text.append("\n" + " · ".join(part for part in said if part))
    if info.problem:
        return text
    age = (time.time() if now is None else now) - info.modified
    third = [f"saved {duration(max(age, 0.0))} ago"] if info.modified else []
    base = info.training_state.get("base")
    if info.base and isinstance(base, dict):
        at = f" at step {value_text('step', base['step'])}" if base.get("step") is not None else ""
        present = row.model.base or ""
        renamed = (
            "" if present in ("", base_model(info.base)) else f" (now {printable(present, newline=False)})"
        )
        third.append(f"fine-tuned from {printable(info.base, newline=False)}{renamed}{at}")
    text.append("\n" + " · ".join(third), "dim")
    return text


def section(tab: str, info: BundleInfo, width: int, colours: Colours) -> list[Text]:
    """The lines of a tab for a checkpoint."""
    writer = Writer(width, colours)
    write = {
        "config": _config,
        "training state": _state,
        "tokenizer": _tokenizer,
        "files": _files,
    }.get(tab)
    if write is not None:
        write(info, writer)
    return writer.lines


def _absent(info: BundleInfo, name: str, writer: Writer) -> None:
    if name in info.problem:
        # What is wrong and what to do stands above, once.
        writer.note("nothing to show")
    elif name not in info.files:
        writer.note(f"there is no {name} in this checkpoint")
    else:
        writer.note(f"{name} is empty")


def _config(info: BundleInfo, writer: Writer) -> None:
    config = info.config
    if not config:
        _absent(info, CONFIG, writer)
        return
    writer.heading("Model")
    number = real_parameters(config)
    if number is not None:
        writer.value("parameters", f"{whole(number)}  ({count(number)})")
    else:
        writer.value("parameters", "cannot be counted for this architecture or shape", "dim")
    first = {name: config[name] for name in _FIRST if name in config}
    writer.values(flatten(first))
    rest = {name: value for name, value in config.items() if name not in first}
    known = {spec.name for spec in fields(GPTConfig)} | {"mlp_hidden"}
    writer.values(flatten({name: value for name, value in rest.items() if name in known}))
    unknown = {name: value for name, value in rest.items() if name not in known}
    if unknown:
        writer.heading("Other fields of the file")
        writer.values(flatten(unknown))
    absent = [s for s in fields(GPTConfig) if s.name not in config and s.name not in _FOREIGN]
    if absent:
        writer.heading("Not in the file, so the default holds")
        for spec in absent:
            writer.value(spec.name, value_text(spec.name, spec.default), "dim")


def _state(info: BundleInfo, writer: Writer) -> None:
    state = dict(info.training_state)
    if not state:
        _absent(info, STATE, writer)
        return
    writer.heading("Progress")
    if "step" in state:
        writer.value("step", value_text("step", state.pop("step")))
    if isinstance(progress := state.get("progress"), dict):
        state["progress"] = _health(progress)
    for name in ("progress", "base"):
        _part(state, name, writer, prefix=name == "base")
    # What the next losses are measured by: nobody reads fifty of them one by one.
    state.pop("recent_loss", None)
    if isinstance(state.get("gold"), dict):
        writer.heading("Gold")
        _part(state, "gold", writer)
    if isinstance(state.get("training_config"), dict):
        told = state.pop("sources", None)
        writer.heading("Settings" + (", and where they came from" if isinstance(told, dict) else ""))
        notes = {k: str(v) for k, v in told.items()} if isinstance(told, dict) else None
        writer.values(flatten(state.pop("training_config")), notes)
    if any(isinstance(state.get(name), dict) for name in ("numerics", "versions")):
        writer.heading("Machine and versions")
        for name in ("numerics", "versions"):
            _part(state, name, writer)
    if state:
        writer.heading("Other fields of the file")
        writer.values(flatten(state))


_HEALTH = {
    "untimed": "updates of unknown time",
    "skipped": "last updates skipped",
    "broken_sets": "eval sets not a number",
}
"""What a checkpoint keeps of its run's health, as people say it; where there is nothing, nothing is said."""


def _health(progress: dict[str, Any]) -> dict[str, Any]:
    return {
        _HEALTH.get(name, name): value for name, value in progress.items() if value or name not in _HEALTH
    }


def _part(state: dict[str, Any], name: str, writer: Writer, *, prefix: bool = False) -> None:
    """An object of the state, taken out of it; what is none stays for the rest."""
    value = state.get(name)
    if isinstance(value, dict):
        del state[name]
        writer.values(flatten(value, name if prefix else ""))


def _tokenizer(info: BundleInfo, writer: Writer) -> None:
    if not info.tokenizer:
        _absent(info, TOKENIZER, writer)
        return
    told = tokenizer_of(info.tokenizer)
    characters = told.pop("characters", None)
    specials = info.tokenizer.get("special_token_encoder")
    writer.heading("Tokenizer")
    if "token_kind" in told:
        writer.value("kind", value_text("", told.pop("token_kind")))
    writer.values(flatten(told))
    if isinstance(characters, Cell):
        writer.heading("Characters")
        writer.note(spelled(characters.value, " "), "")
    elif characters is not None:
        writer.values(flatten({"chars": characters}))
    if isinstance(specials, dict) and specials:
        writer.heading("Special tokens")
        writer.values(flatten(specials))


def _files(info: BundleInfo, writer: Writer) -> None:
    writer.heading("Files")
    width = max((cell_len(size(length)) for length in [*info.files.values(), info.size]), default=0)
    for name in sorted(info.files, key=lambda name: (-info.files[name], name)):
        writer.value(name, size(info.files[name]).rjust(width))
    writer.value("together", size(info.size).rjust(width), "bold")
    writer.heading("Place")
    writer.note(printable(str(info.path), newline=False), "")
    if info.modified:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(info.modified))
        writer.note(f"last written {stamp}")


def _styled(words: str, style: str) -> Text:
    # As a span: a line view draws what is within a line, not what the line is made of.
    return Text().append(words, style)


def _wrapped(words: str, width: int) -> list[str]:
    """`words` in lines of at most `width` cells, broken at spaces where there are some."""
    lines: list[str] = []
    line = ""
    for word in words.split(" "):
        if line and cell_len(line) + 1 + cell_len(word) <= width:
            line += " " + word
            continue
        if line:
            lines.append(line)
        *full, line = chop_cells(word, width) or [""]
        lines += full
    return [*lines, line]
