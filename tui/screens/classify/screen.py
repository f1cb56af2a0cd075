"""The dialogue that makes a classifier: it says what that would be, copies the command, and starts or queues it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Button, Static

from mypt.errors import Problem
from mypt.launch.start import CLASSIFY
from mypt.runs.record import RunRecord
from mypt.text import printable
from tui import starting
from tui.screens.classify.draft import Draft
from tui.screens.classify.filling import FillingScreen
from tui.screens.classify.look import plan_of
from tui.screens.launch.data_look import EXPECTED, problems_of


class ClassifyScreen(FillingScreen):
    """Filled in with a draft; begins with one of some bases. Dismissed with the record of the run, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel", tooltip="Close without a run", id="classify.escape"),
        Binding("ctrl+s,f5", "start", "Start", tooltip="Start what is shown", id="classify.ctrl-s"),
        Binding("f6", "queue", "Queue", tooltip="Start it when all before it have ended", id="classify.f6"),
        Binding(
            "ctrl+y", "copy", "Copy", tooltip="Copy the command that does the same", id="classify.ctrl-y"
        ),
    ]

    class Checked(Message):
        """The texts were read before a start: what is wrong with them; else where the log will be."""

        def __init__(self, draft: Draft, problems: tuple[Problem, ...], log: str, queue: bool) -> None:
            super().__init__()
            self.draft, self.problems, self.log, self.queue = draft, problems, log, queue

    def on_button_pressed(self, message: Button.Pressed) -> None:
        """A click does what its key does."""
        message.stop()
        {"start": self.action_start, "queue": self.action_queue}.get(
            message.button.id or "", self.action_leave
        )()

    def action_start(self) -> None:
        """Start it now."""
        if not self.query_one("#start", Button).disabled:
            self._check(queue=False)
        else:
            self.app.bell()

    def action_queue(self) -> None:
        """Start it when all before it have ended."""
        if not self.query_one("#queue", Button).disabled:
            self._check(queue=True)
        else:
            self.app.bell()

    def action_copy(self) -> None:
        """Copy the command."""
        self.app.copy(printable(self.draft.command(), newline=False), "the command line")

    def action_leave(self) -> None:
        """Close."""
        if self.busy:
            self.app.bell()
        else:
            self.dismiss(None)

    def _check(self, *, queue: bool) -> None:
        """Read all the texts, so that what is wrong with them is said here and not by a run that ends at once."""
        self.busy = True
        self.allow(False)
        self.query_one("#picture", Static).update("reading the texts …")
        draft, workspace = self.draft, self.app.workspace

        def work() -> None:
            try:
                log = plan_of(draft, workspace).run.log_path
            except EXPECTED as error:
                self.post_message(self.Checked(draft, problems_of(error), "", queue))
            else:
                self.post_message(self.Checked(draft, (), _relative(log, workspace), queue))

        self.run_worker(work, thread=True, group="check")

    def on_classify_screen_checked(self, message: Checked) -> None:
        """Start it, or say what is wrong."""
        if message.problems:
            self._refused(message.problems)
            return
        name = printable(message.draft.model_name, newline=False)
        starting.start(
            self.app,
            message.draft.arguments(),
            message.draft.model_name,
            said=f"{name} {'queued' if message.queue else 'started'}",
            log_file=message.log,
            done=self._started,
            refused=lambda why: self._refused((Problem(why),)),
            program=CLASSIFY,
            queue=message.queue,
        )

    def _started(self, record: RunRecord) -> None:
        self.dismiss(record)

    def _refused(self, problems: tuple[Problem, ...]) -> None:
        self.busy = False
        if self.seen is not None:
            self.seen = self.seen.but(problems)
            self.show(self.seen)


def _relative(path: Path, workspace: Path) -> str:
    return path.relative_to(workspace).as_posix() if path.is_relative_to(workspace) else str(path)
