"""Asks for a model's name from now on, says at once what is wrong with it, and renames."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Button, Static

from mypt import housekeeping
from mypt.errors import MyptError, UserError
from mypt.housekeeping import Renaming
from mypt.text import printable
from tui.widgets.dialogue import Trial
from tui.widgets.editors import Field


class RenameScreen(Trial[Renaming | None]):
    """Dismissed with what was done, or with None where nothing was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Leave its name", id="rename.escape")
    ]

    class Judged(Message):
        """What is wrong with what is typed; empty where nothing is. `final`: the rename itself was refused."""

        def __init__(self, name: str, why: str, *, final: bool = False) -> None:
            super().__init__()
            self.name, self.why, self.final = name, why, final

    class Renamed(Message):
        """It is done."""

        def __init__(self, done: Renaming) -> None:
            super().__init__()
            self.done = done

    def __init__(self, workspace: Path, model: str) -> None:
        super().__init__()
        self._workspace, self._model = workspace, model
        self.busy = False
        """Whether it is being renamed."""

    def compose(self) -> ComposeResult:
        """The name of today, the field, what goes along."""
        with Vertical(classes="pane box") as box:
            box.border_title = "Rename"
            words = "Last, gold and fp16, the log and the run records go along; fine-tunes still find it."
            yield Static(
                Text(printable(self._model, newline=False), "bold").append(f"\n{words}\n", "dim not bold")
            )
            with Horizontal(classes="line"):
                yield Static("new name", classes="label")
                yield Field(printable(self._model, newline=False), id="new-name")
            yield Static("", id="rename-note", classes="note", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Rename ⏎", id="save", variant="primary", compact=True)
                yield Button("Cancel esc", id="cancel", compact=True)

    @property
    def name_typed(self) -> str:
        """What is typed now."""
        return self.query_one("#new-name", Field).value.strip()

    def edited(self) -> None:
        """Judge every name as it is typed."""
        name = self.name_typed
        if name == self._model:
            self.say("")
        else:
            self.run_worker(lambda: self._judge(name), thread=True, group="judge", exclusive=True)

    def _judge(self, name: str) -> None:
        try:
            problems = housekeeping.rename_problems(self._workspace, self._model, name)
        except OSError as error:
            self.post_message(self.Judged(name, f"✗ {error}"))
            return
        self.post_message(self.Judged(name, _told(UserError(*problems)) if problems else ""))

    def on_rename_screen_judged(self, message: Judged) -> None:
        """Say it, unless something else is typed by now."""
        if message.final:
            self.busy = False
        if message.final or message.name == self.name_typed:
            self.say(message.why)

    def action_cancel(self) -> None:
        """It keeps its name."""
        if not self.busy:
            self.dismiss(None)

    def try_it(self) -> None:
        """Rename it, unless that is under way."""
        if not self.busy:
            self.busy = True
            self.say("renaming …")
            name = self.name_typed
            self.run_worker(lambda: self._rename(name), thread=True, group="rename")

    def _rename(self, name: str) -> None:
        try:
            done = housekeeping.rename(self._workspace, self._model, name)
        except (MyptError, OSError) as error:
            self.post_message(self.Judged(name, _told(error), final=True))
        else:
            self.post_message(self.Renamed(done))

    def on_rename_screen_renamed(self, message: Renamed) -> None:
        """It is done."""
        self.dismiss(message.done)


def _told(error: Exception) -> str:
    """A problem beside its field: without the name of the argument, and without the value that stands there."""
    if not isinstance(error, UserError):
        return printable(f"✗ {error}")
    parts = []
    for problem in error.problems:
        said = "; ".join(part for part in (problem.message, problem.remedy) if part)
        parts.append(f"✗ {problem.where}: {said}" if problem.where else f"✗ {said}")
    return printable("\n".join(parts))
