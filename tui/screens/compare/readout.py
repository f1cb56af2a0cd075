"""The lines below the table: what the chosen setting is, and each checkpoint's value with where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static

from mypt.diff import Row
from mypt.text import printable
from tui.names import shortened

_GAP = 3
_SHORTEST, _WIDEST = 8, 48

# What is no setting of a run, and so has no help among the settings.
_MEANINGS = {
    "step": "updates done when it was saved",
    "val_loss": "loss on the validation data at the last evaluation before it was saved",
    "val_step": "the update after which the validation loss was measured",
    "gold_loss": "the lowest validation loss that was accepted as gold",
    "gold_step": "the update at which gold was saved",
    "train_loss": "loss of the last update on the tokens of its own batch, dropout included",
    "tokens": "tokens of all updates together, over every resume",
    "trained_s": "time spent in training, over every resume",
    "parameters": "trainable numbers of the model",
    "config_file": "the preset that the run was begun with",
    "base.name": "the model whose weights it began with",
    "base.step": "the update of the base that it began from",
    "data_fingerprint": "tells data apart: equal where two runs saw the same",
    "checkpoint_dtype": "fp32 can be resumed exactly, fp16 is for use",
    "device": "where it was trained",
    "numerics.precision": "arithmetic of the matrix products, as it was done",
    "numerics.attention": "the attention kernel, as it was used",
    "numerics.compile": "whether torch.compile was used",
}


def meaning(name: str, helps: Mapping[str, str]) -> str:
    """A sentence on what a row is; empty where nobody knows."""
    return _MEANINGS.get(name) or helps.get(name, "")


def text_of(row: Row | None, names: Sequence[str], helps: Mapping[str, str], width: int = 0) -> Text:
    """Two lines for the chosen row; in so many cells, if any, names are cut before values are."""
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    if row is None:
        return text.append(
            "⏎ shows or hides what checkpoints keep for themselves: files, versions, bookkeeping", "dim"
        )
    text.append(printable(row.label, newline=False), "bold")
    what = meaning(row.name, helps)
    text.append(f"  {what}" if what else "", "dim")
    text.append("\n")
    notes = [f" ({printable(note, newline=False)})" if note else "" for note in row.notes]
    taken = sum(cell_len(f"{value}{note}") + 1 + _GAP for value, note in zip(row.texts, notes, strict=True))
    told = _names(names, width - taken + _GAP if width else None)
    for number, (name, value, note) in enumerate(zip(told, row.texts, notes, strict=True)):
        text.append(" " * _GAP if number else "")
        text.append(f"{name} ", "dim")
        text.append(value, "bold" if row.differs else "")
        text.append(note, "dim")
    return text


def _names(names: Sequence[str], room: int | None) -> list[str]:
    """The names, of which all have so many cells: as much of each as tells them apart."""
    safe = [printable(name, newline=False) for name in names]
    longest = max(map(cell_len, safe), default=0)
    narrower = range(min(longest - 1, _WIDEST), _SHORTEST - 1, -1)
    for width in (longest, *narrower) if room is not None else ():
        told = shortened(safe, width)
        if sum(cell_len(told[name]) for name in safe) <= (room or 0):
            return [told[name] for name in safe]
    short = shortened(safe, longest if room is None else _SHORTEST)
    return [short[name] for name in safe]


class Readout(Static):
    """Shows `text_of` the chosen row."""

    def __init__(self) -> None:
        super().__init__("", markup=False)
        self._said: tuple[Row | None, Sequence[str], Mapping[str, str]] = (None, (), {})

    def show(self, row: Row | None, names: Sequence[str], helps: Mapping[str, str]) -> None:
        """Speak of this row."""
        self._said = (row, names, helps)
        self.on_resize()

    def on_resize(self) -> None:
        """Names have as much room as there is."""
        self.update(text_of(*self._said, self.content_size.width))
