"""Asks before checkpoints are deleted: which, how large, and who began with them. Enter alone deletes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Button, Static

from mypt import housekeeping
from mypt.errors import MyptError
from mypt.housekeeping import Deletion
from mypt.housekeeping.guard import why_in_use
from mypt.text import printable, size
from tui.screens.checkpoints.rows import TreeRow
from tui.widgets.dialogue import Dialogue
from tui.widgets.lines import fit

_MOST_LINES = 12


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that may be deleted: names as `mypt.housekeeping.delete` takes them, and words for it."""

    words: str
    names: tuple[str, ...]
    exact: bool = False


class DeleteScreen(Dialogue[Deletion | None]):
    """Of several wishes the first is meant until another is chosen. Dismissed with what was deleted, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "delete", "Delete", tooltip="Delete for good", id="delete.y"),
        Binding("n,escape", "keep", "Keep", tooltip="Delete nothing", id="delete.n"),
        Binding(
            "right,space",
            "turn(1)",
            "What",
            tooltip="This checkpoint alone, or the whole model",
            id="delete.right",
        ),
        Binding("left", "turn(-1)", "What", show=False, id="delete.left"),
    ]

    class Looked(Message):
        """What a wish means: what goes, or why it cannot."""

        def __init__(self, wish: Wish, deletion: Deletion | None, why: str, *, final: bool = False) -> None:
            super().__init__()
            self.wish, self.deletion, self.why, self.final = wish, deletion, why, final

    class Deleted(Message):
        """It is done."""

        def __init__(self, done: Deletion) -> None:
            super().__init__()
            self.done = done

    def __init__(self, workspace: Path, wishes: Sequence[Wish]) -> None:
        super().__init__()
        self._workspace, self._wishes = workspace, list(wishes)
        self._at = 0
        self._allowed = self._busy = False

    def compose(self) -> ComposeResult:
        """What goes, what that means, and two answers of which the harmless one is in focus."""
        with Vertical(classes="pane box") as box:
            box.border_title = "Delete for good"
            box.border_subtitle = "←→ what · y deletes · esc keeps" if len(self._wishes) > 1 else ""
            yield Static("", id="wishes", markup=False)
            yield Static("…", id="what", markup=False)
            yield Static("", id="delete-note", classes="note", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Delete y", id="delete", variant="error", compact=True)
                yield Button("Keep esc", id="keep", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Look at what is meant."""
        self.query_one("#keep").focus()
        self._look()

    @property
    def wish(self) -> Wish:
        """What is meant now."""
        return self._wishes[self._at]

    def action_turn(self, by: int) -> None:
        """Mean something else."""
        if not self._busy and len(self._wishes) > 1:
            self._at = (self._at + by) % len(self._wishes)
            self._look()

    def _look(self) -> None:
        self._allow(False)
        text = Text()
        for number, wish in enumerate(self._wishes if len(self._wishes) > 1 else ()):
            text.append("● " if number == self._at else "○ ", "bold" if number == self._at else "dim")
            text.append(f"{printable(wish.words, newline=False)}\n", "bold" if number == self._at else "dim")
        self.query_one("#wishes", Static).update(text)
        wish = self.wish
        self.run_worker(lambda: self._judge(wish), thread=True, group="look", exclusive=True)

    def _judge(self, wish: Wish) -> None:
        try:
            deletion = housekeeping.look(self._workspace, wish.names, exact=wish.exact)
            refused = why_in_use(self._workspace, deletion.models)
        except (MyptError, OSError) as error:
            self.post_message(self.Looked(wish, None, printable(f"✗ {error}")))
            return
        why = "\n".join(f"✗ {problem}" for problem in refused)
        self.post_message(self.Looked(wish, deletion, why))

    def on_delete_screen_looked(self, message: Looked) -> None:
        """Show it, unless something else is meant by now."""
        if message.final:
            self._busy = False
        if message.wish != self.wish:
            return
        self.query_one("#delete-note", Static).update(Text(message.why))
        if message.deletion is not None:
            self.query_one("#what", Static).update(described(message.deletion))
        self._allow(message.deletion is not None and not message.why)

    def _allow(self, allowed: bool) -> None:
        self._allowed = allowed
        self.query_one("#delete", Button).disabled = not allowed

    def on_button_pressed(self, message: Button.Pressed) -> None:
        """A click answers."""
        message.stop()
        if message.button.id == "delete":
            self.action_delete()
        else:
            self.action_keep()

    def action_keep(self) -> None:
        """Nothing is deleted."""
        if not self._busy:
            self.dismiss(None)

    def action_delete(self) -> None:
        """Delete what is shown."""
        if self._allowed and not self._busy:
            self._busy = True
            self._allow(False)
            self.query_one("#delete-note", Static).update("deleting …")
            wish = self.wish
            self.run_worker(lambda: self._delete(wish), thread=True, group="delete")

    def _delete(self, wish: Wish) -> None:
        try:
            done = housekeeping.delete(self._workspace, wish.names, exact=wish.exact)
        except (MyptError, OSError) as error:
            self.post_message(self.Looked(wish, None, printable(f"✗ {error}"), final=True))
        else:
            self.post_message(self.Deleted(done))

    def on_delete_screen_deleted(self, message: Deleted) -> None:
        """It is done."""
        self.dismiss(message.done)


def described(deletion: Deletion) -> Text:
    """Every checkpoint that goes with its size, the sum, and what becomes of fine-tunes and logs."""
    text = Text()
    width = min(max((len(part.name) for part in deletion.parts), default=0), 50)
    for part in deletion.parts[:_MOST_LINES]:
        text.append(f"{fit(printable(part.name, newline=False), width)}  {size(part.size):>8}\n")
    if len(deletion.parts) > _MOST_LINES:
        text.append(f"… and {len(deletion.parts) - _MOST_LINES} more\n", "dim")
    number = len(deletion.parts)
    text.append(f"{number} checkpoint{'s' * (number != 1)}, {size(deletion.size)}", "bold")
    text.append(" on the disk\n")
    if deletion.fine_tunes:
        names = ", ".join(printable(name, newline=False) for name in deletion.fine_tunes)
        text.append(f"fine-tuned from it: {names}. They stay, and have all that they need.\n", "dim")
    return text.append("Its log and run records stay.", "dim")


def wishes_for(row: TreeRow, marked: Sequence[TreeRow]) -> list[Wish]:
    """What may be meant on a line: those that are marked where it is one of several, else it alone, or its whole model."""
    if len(marked) > 1 and row in marked:
        names = tuple(other.key for other in marked)
        return [Wish(f"the {len(names)} marked checkpoints", names, exact=True)]
    found = []
    if row.info is not None:
        found.append(Wish(f"the {row.kind} checkpoint alone", (row.key,), exact=True))
    if len(row.model.bundles) > 1 or not found:
        shown = printable(row.model.name, newline=False)
        found.append(Wish(f"{shown} with all its checkpoints", (row.model.name,)))
    return found
