"""From what one checkpoint says of itself to its cells in each group of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from mypt.diff.names import DETAILS, group_of_config, group_of_result, group_of_setting, group_of_state
from mypt.diff.sides import Side, mapping
from mypt.diff.values import MISSING, Cell, flatten, same
from mypt.errors import MyptError
from mypt.settings.model_config import GPTConfig
from mypt.text import printable

# What is shown under a name of its own among the results.
_TOLD = {
    "step": "step",
    "gold.best": "gold_loss",
    "gold.gold_step": "gold_step",
    "gold.lowest": "lowest_loss",
    "progress.val_loss": "val_loss",
    "progress.val_step": "val_step",
    "progress.train_loss": "train_loss",
    "progress.tokens_processed": "tokens",
    "progress.elapsed_s": "trained_s",
}
_ONLY_OF_RUNS = ("state", "lowest_step", "tokens_per_sec")
_KEY_OF = {"mlp_hidden_size": "mlp_hidden"}

_DEFAULTS: Final[dict[str, Any]] = {
    _KEY_OF.get(spec.name, spec.name): spec.default for spec in fields(GPTConfig) if spec.name != "extra"
}
_WITH_SOURCE = ("Model", "Training", "Data", "Machine")
# Facts that are kept among the settings.
_NO_SETTINGS = ("config_file", "start_step")

Groups = dict[str, dict[str, Cell]]


def cells_of(side: Side, sides: Sequence[Side]) -> Groups:
    """The cells of `side` by group and name; fields that another side has are filled in where a default is known."""
    found: Groups = {}

    def put(group: str, name: str, value: Any) -> None:
        cell = value if isinstance(value, Cell) else Cell(value)
        if group in _WITH_SOURCE and not cell.source:
            cell = replace(cell, source=_source(side, name, cell))
        found.setdefault(group, {})[name] = cell

    config = _config_values(side, sides)
    for name, value in config.items():
        put(group_of_config(name), name, value)
    for name, value in flatten(side.results):
        put(group_of_result(name), name, value)
    for name in _ONLY_OF_RUNS:
        # A checkpoint has none of these, which makes it no other than a run.
        if name not in side.results and any(name in other.results for other in sides):
            put("Results", name, Cell(unread=True))
    for name, value in _training_values(side, config):
        where = DETAILS if name.startswith("training_config.") else group_of_setting(name)
        put(where, name, value)
    for name, value in _state_values(side):
        # The device that a run asked for and the one that it got are mostly said twice.
        if name != "numerics.device" or not same(_value(config.get("device")), value):
            put(group_of_state(name), name, value)
    for name, value in flatten(side.tokenizer):
        put("Tokenizer", name, value)
    for name, number in sorted(side.files.items()):
        put(DETAILS, f"files.{name}", number)
    return found


def cell_of(cells: Mapping[str, Cell] | None, name: str, *, partial: bool = False) -> Cell:
    """The cell of that name; null where the object above it is null, unread where nothing is known of it.

    Of a side that is `partial` nothing is known of what it does not name.
    """
    if not cells:
        return Cell(unread=True)
    if name in cells:
        return cells[name]
    null = any(up in cells and cells[up].value is None for up in ancestors(name))
    return Cell(None) if null else Cell(unread=partial)


def ancestors(name: str) -> Iterator[str]:
    """The dotted names above a dotted name."""
    # A name nested deeper than people read has none that matter, and would cost its length squared.
    for place, sign in enumerate(name[:200]):
        if sign in ".[" and place:
            yield name[:place]


def _source(side: Side, name: str, cell: Cell) -> str:
    """Where a setting came from, as far as the checkpoint says."""
    if cell.default:
        return "default"
    first = name.partition(".")[0].partition("[")[0]
    recorded = first in mapping(side.training_state, "training_config")
    if side.sources is None or not recorded or first in _NO_SETTINGS:
        return ""
    return printable(side.sources.get(first, "" if side.partial else "default"), newline=False)


def _config_values(side: Side, sides: Sequence[Side]) -> dict[str, Any]:
    """The side's config, with the defaults of those fields that another side has."""
    if not side.config:
        # Nothing could be read: a default would be a guess.
        return {}
    values: dict[str, Any] = {}
    defaults = _defaults(side.config)
    for name in dict.fromkeys(name for other in sides for name in other.config):
        if side.config.get(name) is not None:
            values[name] = side.config[name]
        elif name in defaults and not side.partial:
            # Null in a file means the default as well.
            values[name] = Cell(defaults[name], default=True)
        elif name in side.config:
            values[name] = None
    return dict(flatten(values))


def _defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """What absent fields mean in this config; those that follow from others are worked out."""
    defaults = dict(_DEFAULTS)
    try:
        read = GPTConfig.from_dict(config)
        implied = {"gelu": "gelu", "swiglu": "silu"}.get(read.mlp_type)
        derived = {
            "n_kv_head": read.kv_heads,
            "head_dim": read.head_size,
            "head_rows": read.logit_rows,
            "mlp_hidden": read.mlp_hidden,
            "norm_eps": read.eps,
            "activation": implied,
        }
    except (MyptError, ArithmeticError):
        derived = dict.fromkeys(
            ("n_kv_head", "head_dim", "head_rows", "mlp_hidden", "norm_eps", "activation")
        )
    return defaults | derived


def _training_values(side: Side, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The training settings, without what config and results say alike; what they say otherwise is named in full."""
    saved = mapping(side.training_state, "training_config")
    for name, value in flatten(saved):
        plain = name.removeprefix("model_params.")
        known = config.get(plain, MISSING)
        total = plain == "total_params" and same(side.results.get("parameters"), value)
        if total or (known is not MISSING and same(_value(known), value)):
            continue
        if name == "config_file" and value is None and side.sources is None and saved.get("start_step"):
            # Earlier versions forgot the preset when a run was resumed.
            yield name, Cell(unread=True)
        elif plain != name or name in config or name in _DEFAULTS:
            yield f"training_config.{name}", value
        else:
            yield name, value


def _state_values(side: Side) -> Iterator[tuple[str, Any]]:
    """The rest of training_state.json, without what the results say."""
    for name, value in flatten(side.training_state):
        told = name in _TOLD and same(side.results.get(_TOLD[name]), value)
        if not told and not name.startswith(("training_config.", "sources.", "recent_loss.")):
            yield name, value


def _value(value: Any) -> Any:
    return value.value if isinstance(value, Cell) else value
