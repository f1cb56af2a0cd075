"""The lines below the table: what the chosen setting is, and each checkpoint's value with where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.widgets import Static

from mypt.diff import Row
from mypt.text import printable

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


def text_of(row: Row | None, names: Sequence[str], helps: Mapping[str, str]) -> Text:
    """Two lines for the chosen row."""
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    if row is None:
        return text.append(
            "⏎ shows or hides what checkpoints keep for themselves: files, versions, bookkeeping", "dim"
        )
    text.append(printable(row.label, newline=False), "bold")
    what = meaning(row.name, helps)
    text.append(f"  {what}" if what else "", "dim")
    text.append("\n")
    for number, (name, value, note) in enumerate(zip(names, row.texts, row.notes, strict=True)):
        text.append("   " if number else "")
        text.append(f"{printable(name, newline=False)} ", "dim")
        text.append(value, "bold" if row.differs else "")
        text.append(f" ({printable(note, newline=False)})" if note else "", "dim")
    return text


class Readout(Static):
    """Shows `text_of` the chosen row."""

    def __init__(self) -> None:
        super().__init__("", markup=False)

    def show(self, row: Row | None, names: Sequence[str], helps: Mapping[str, str]) -> None:
        """Speak of this row."""
        self.update(text_of(row, names, helps))
