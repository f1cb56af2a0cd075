"""The checkpoints as lines of a tree: every model below its base, its other bundles below it. No Textual here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mypt.bundle import BundleInfo, Kind
from mypt.text import loss
from mypt.watch.checkpoints import Model

# Deeper than this the tree says that there is more above, since its names need the room.
_DEEPEST_GUIDE = 12


EARLIER = "* of an earlier step"
"""What the sign of `loss_of` means."""


def loss_of(value: float, at: int | None) -> str:
    """A loss, with a sign in front of it where it is of an earlier step than the checkpoint, for a narrow column."""
    return loss(value) if at is None else f"*{loss(value)}"


@dataclass(frozen=True, slots=True)
class TreeRow:
    """One line. `key` is the bundle's folder name (that of the last bundle where a model has none).

    `info` is None for a model whose last bundle is not there; then `gone` tells whether it has no bundle at all.
    """

    key: str
    model: Model
    kind: Kind
    info: BundleInfo | None
    guide: str = ""

    @property
    def gone(self) -> bool:
        """Whether others descend from it, but nothing of it is here."""
        return not self.model.bundles


def tree_rows(models: Iterable[Model]) -> list[TreeRow]:
    """All lines from top to bottom."""
    rows: list[TreeRow] = []
    # Without recursion, since a chain of fine-tunes may be longer than a stack.
    waiting = [(model, "", "") for model in reversed(list(models))]
    while waiting:
        model, guide, below = waiting.pop()
        rows.append(TreeRow(model.name, model, Kind.LAST, model.bundles.get(Kind.LAST), guide))
        others = [model.bundles[kind] for kind in (Kind.GOLD, Kind.FP16) if kind in model.bundles]
        for number, info in enumerate(others):
            last = number == len(others) - 1 and not model.children
            rows.append(TreeRow(info.name, model, info.kind, info, _short(f"{below}{'└' if last else '├'} ")))
        for number, child in enumerate(reversed(model.children)):
            sign, bar = ("└ ", "  ") if number == 0 else ("├ ", "│ ")
            waiting.append((child, _short(below + sign), _short(below + bar)))
    return rows


def _short(guide: str) -> str:
    return guide if len(guide) <= _DEEPEST_GUIDE else "… " + guide[2 - _DEEPEST_GUIDE :]
