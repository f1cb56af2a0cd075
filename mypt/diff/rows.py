"""Checkpoints side by side: one row a setting, with each side's value and whether they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from mypt.diff.sides import Side, mapping
from mypt.diff.values import MISSING, Cell, flatten, same, value_text
from mypt.errors import MyptError
from mypt.settings.model_config import GPTConfig

GROUPS = ("Architecture", "Training", "Results", "Tokenizer", "Files", "Other")

_ARCHITECTURE = [
    "arch",
    "n_layer",
    "n_head",
    "n_kv_head",
    "n_embd",
    "mlp_hidden",
    "block_size",
    "vocab_size",
    "dropout",
    "tie_weights",
    "pos_encoding",
    "mlp_type",
    "norm_type",
    "activation",
    "bias",
    "head_bias",
    "mlp_bias",
    "norm_bias",
    "rope_theta",
    "rope_scale",
    "norm_eps",
]

_TRAINING = [
    "base.name",
    "base.step",
    "use_loss_mask",
    "learning_rate",
    "max_iters",
    "warmup_iters",
    "batch_size",
    "grad_accum_steps",
    "weight_decay",
    "grad_clip",
    "input_file",
    "dataset_dir",
    "data_fingerprint",
    "eval_dataset_dir",
    "tokenization",
    "seed",
    "precision",
    "eval_interval",
    "eval_iters",
    "eval_seed",
]

_RESULTS = [
    "step",
    "val_loss",
    "gold_loss",
    "gold_step",
    "train_loss",
    "parameters",
    "tokens",
    "trained_s",
    "size",
]

_TOKENIZER = ["token_kind", "vocabulary", "characters", "special_tokens", "content"]

# Fields of config.json that say how the model was trained, not what it is.
_TRAINED_BY = frozenset(
    [
        "batch_size",
        "device",
        "use_loss_mask",
        "use_checkpoint",
        "neftune_alpha",
        "segment_position_reset",
        "save_dtype",
        "pad_token_id",
        "batch_sampling_mode",
        "episode_min_tokens",
        "epoch_seed",
        "epoch_shuffle",
        "epoch_drop_last",
    ]
)

# What is shown under a name of its own among the results.
_TOLD = {
    "step": "step",
    "gold.best": "gold_loss",
    "gold.gold_step": "gold_step",
    "progress.val_loss": "val_loss",
    "progress.train_loss": "train_loss",
    "progress.tokens_processed": "tokens",
    "progress.elapsed_s": "trained_s",
}
_KEY_OF = {"mlp_hidden_size": "mlp_hidden"}

_DEFAULTS: Final[dict[str, Any]] = {
    _KEY_OF.get(spec.name, spec.name): spec.default for spec in fields(GPTConfig) if spec.name != "extra"
}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting of all sides, in their order."""

    group: str
    name: str
    cells: tuple[Cell, ...]

    @property
    def unlike_first(self) -> tuple[bool, ...]:
        """For each side, whether its value is another than that of the first one of which anything is known."""
        read = [cell for cell in self.cells if not cell.unread]
        return tuple(not cell.unread and not same(read[0].value, cell.value) for cell in self.cells)

    @property
    def differs(self) -> bool:
        """Whether not all values are the same."""
        return any(self.unlike_first)

    @property
    def texts(self) -> tuple[str, ...]:
        """What to show for each side; two values that differ never read the same. Safe for a terminal."""
        name = "size" if self.group == "Files" else self.name
        shown = tuple(_cell_text(name, cell) for cell in self.cells)
        if self.differs and self._ambiguous(shown):
            shown = tuple(_cell_text(name, cell, exact=True) for cell in self.cells)
            if self._ambiguous(shown):
                return self._numbered(shown)
        return shown

    def _ambiguous(self, texts: Sequence[str]) -> bool:
        first: dict[str, Any] = {}
        return any(
            not same(first.setdefault(text, cell.value), cell.value)
            for text, cell in zip(texts, self.cells, strict=True)
        )

    def _numbered(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Large tables of the same size, say: a number tells which are the same."""
        kinds: list[Any] = []
        shown = []
        for text, cell in zip(texts, self.cells, strict=True):
            number = next((n for n, value in enumerate(kinds) if same(value, cell.value)), len(kinds))
            if number == len(kinds):
                kinds.append(cell.value)
            shown.append(f"{text} ({number + 1})")
        return tuple(shown)


def compare(sides: Sequence[Side]) -> list[Row]:
    """All settings of all sides, grouped as `GROUPS` and the important ones first."""
    architecture = [_config_cells(side, sides) for side in sides]
    trained = [{k: c for k, c in cells.items() if k in _TRAINED_BY} for cells in architecture]
    other: list[dict[str, Any]] = []
    for number, side in enumerate(sides):
        training, rest = _state_cells(side, architecture[number])
        trained[number] |= training
        other.append(rest)
    shapes = [{k: c for k, c in cells.items() if k not in _TRAINED_BY} for cells in architecture]
    results = [dict(flatten(side.results)) for side in sides]
    tokenizers = [dict(flatten(side.tokenizer)) for side in sides]
    files = [dict(side.files) for side in sides]
    return [
        *_rows("Architecture", shapes, _ARCHITECTURE),
        *_rows("Training", trained, _TRAINING),
        *_rows("Results", results, _RESULTS),
        *_rows("Tokenizer", tokenizers, _TOKENIZER),
        *_rows("Files", files, sorted({name for side in files for name in side})),
        *_rows("Other", other, ()),
    ]


def by_group(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """The rows under their groups, in order; groups without rows are left out."""
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.group, []).append(row)
    return list(grouped.items())


def _config_cells(side: Side, sides: Sequence[Side]) -> dict[str, Any]:
    """The side's config, with the defaults of those fields that another side has."""
    if not side.config:
        # Nothing could be read: a default would be a guess.
        return {}
    cells: dict[str, Any] = {}
    defaults = _defaults(side.config)
    for name in dict.fromkeys(name for other in sides for name in other.config):
        if side.config.get(name) is not None:
            cells[name] = side.config[name]
        elif name in defaults:
            # Null in a file means the default as well.
            cells[name] = Cell(defaults[name], default=True)
        elif name in side.config:
            cells[name] = None
    return dict(flatten(cells))


def _defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """What absent fields mean in this config; those that follow from others are worked out."""
    defaults = dict(_DEFAULTS)
    try:
        read = GPTConfig.from_dict(config)
        implied = {"gelu": "gelu", "swiglu": "silu"}.get(read.mlp_type)
        derived = {
            "n_kv_head": read.kv_heads,
            "mlp_hidden": read.mlp_hidden,
            "norm_eps": read.eps,
            "activation": implied,
        }
    except (MyptError, ArithmeticError):
        derived = dict.fromkeys(("n_kv_head", "mlp_hidden", "norm_eps", "activation"))
    return defaults | derived


def _state_cells(side: Side, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """training_state.json as (settings of the training, all the rest), without what is said elsewhere."""
    training: dict[str, Any] = {}
    rest: dict[str, Any] = {}

    def repeats(name: str, value: Any) -> bool:
        known = config.get(name, MISSING)
        return known is not MISSING and same(_value(known), value)

    for name, value in flatten(mapping(side.training_state, "training_config")):
        plain = name.removeprefix("model_params.")
        total = plain == "total_params" and same(side.results.get("parameters"), value)
        if total or repeats(plain, value):
            continue
        if plain != name or name in config or name in _ARCHITECTURE:
            rest[f"training_config.{name}"] = value
        else:
            training[name] = value
    for name, value in flatten(side.training_state):
        told = name in _TOLD and same(side.results.get(_TOLD[name]), value)
        if told or name.startswith("training_config."):
            continue
        belongs = name.startswith(("base.", "numerics.")) or name in ("base", "data_fingerprint")
        (training if belongs else rest)[name] = value
    return training, rest


def _rows(group: str, sides: Sequence[Mapping[str, Any]], first: Sequence[str]) -> list[Row]:
    there = dict.fromkeys(name for cells in sides for name in cells)
    known = set(first)
    names = [*(name for name in first if name in there), *(name for name in there if name not in known)]
    above = {up for name in there for up in _ancestors(name)}
    rows = []
    for name in names:
        cells = tuple(_cell(cells, name) for cells in sides)
        if name in above and all(c.missing or c.value is None for c in cells):
            # The object that is null here has fields on another side: each of them says null.
            continue
        rows.append(Row(group, name, cells))
    return rows


def _cell(cells: Mapping[str, Any], name: str) -> Cell:
    if not cells:
        return Cell(unread=True)
    if name in cells:
        value = cells[name]
        return value if isinstance(value, Cell) else Cell(value)
    null = any(_value(cells.get(up, MISSING)) is None for up in _ancestors(name))
    return Cell(None) if null else Cell()


def _ancestors(name: str) -> Iterator[str]:
    # A name nested deeper than people read has none that matter, and would cost its length squared.
    for place, sign in enumerate(name[:200]):
        if sign in ".[" and place:
            yield name[:place]


def _value(value: Any) -> Any:
    return value.value if isinstance(value, Cell) else value


def _cell_text(name: str, cell: Cell, *, exact: bool = False) -> str:
    text = cell.text or value_text(name, cell.value, exact=exact)
    return f"{text} (default)" if cell.default else text
