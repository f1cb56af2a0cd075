"""What can be done with the run in view, the same on every screen that has one: start, stop, resume, the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, TypeVar

from textual import work
from textual.screen import Screen

from mypt.runs.directory import stop_requested
from mypt.runs.record import RunRecord
from mypt.runs.state import RunState
from mypt.watch.run import Run
from tui import further, starting
from tui.actions import Action
from tui.dashboard import Dashboard
from tui.on_checkpoints import CHECKPOINT
from tui.widgets.confirm import Confirm
from tui.widgets.states import state_word

START = (
    Action("new", "n", "New run", "Choose a preset, data and settings, and launch a run", "Runs", changes=True),
    Action("stop", "s", "Stop", "Ask the run to save a checkpoint and stop; take it from the queue", "Runs", changes=True),
    Action("edit", "E", "Edit", "The form with what this run was started with, to change it and start", "Runs", False, True),
    Action(
        "resume", "r", "Resume", "Go on with a stopped run from its last checkpoint", "Runs", changes=True
    ),
)  # fmt: skip
QUEUE = (
    Action("move(-1)", "K,shift+up", "Sooner", "In the queue: before the run before it", "Queue", False, True),
    Action("move(1)", "J,shift+down", "Later", "In the queue: after the run after it", "Queue", False, True),
    Action("start_now", "S", "Start now", "Start a queued run at once, beside what runs", "Queue", False, True),
)  # fmt: skip


Result = TypeVar("Result")


class Doing(Screen[Result]):
    """A screen with a run in view. It says which with `run_in_view`, and looks at a new one with `launched`."""

    app: Dashboard
    AWAY: ClassVar[tuple[str, tuple[Action, ...]]] = ("checkpoints", CHECKPOINT)
    """An action, and what can be done where it leads: the palette has that as well."""

    @property
    def run_in_view(self) -> Run | None:
        """The run that is looked at."""
        raise NotImplementedError

    def launched(self, record: RunRecord | None) -> None:
        """A run was started: look at it as soon as it is there."""
        raise NotImplementedError

    # ── start ───────────────────────────────────────────────────────────────────────────────────────────────────

    def action_new(self) -> None:
        """Open the form."""
        if self.app.allow("New run"):
            from tui.screens.launch import LaunchScreen

            self.app.push_screen(LaunchScreen(), self.launched)

    def action_demo(self) -> None:
        """Start the demo: generated stories, a small model, a minute or two."""
        if self.app.allow("Demo"):
            name = self._free_name("demo")
            arguments = ["--config_file", "tiny_char", "--model_name", name]
            starting.start(self.app, arguments, name, said=f"the demo begins: {name}", done=self.launched)

    def action_resume(self) -> None:
        """Go on from the last checkpoint; with one that has done all its steps, ask how far."""
        run = self.run_in_view
        if run is None or not self.app.allow("Resume"):
            return
        last = starting.last_bundle(self.app, run.name)
        refused = starting.refuse_resume(run.name, run, last)
        over = run.state in (RunState.FAILED, RunState.STOPPED)
        if last is None and over and starting.again(self.app, run, done=self.launched):
            return
        if refused:
            self.notify(f"{refused}; n starts a new run", severity="warning")
        else:
            further.go_on(self.app, run.name, run, last, self.launched)

    def action_edit(self) -> None:
        """Open the form with what the run was started with; where it has a checkpoint, to go on from it."""
        run = self.run_in_view
        if run is None or not self.app.allow("Edit"):
            return
        if not run.state.is_over:
            self.notify(f"{run.label} is {state_word(run.state)}: stop it first", severity="warning")
            return
        from tui.screens.classify import opening
        from tui.screens.launch import LaunchScreen

        filled = starting.filled_in(run.record) if run.record else None
        last = starting.last_bundle(self.app, run.name)
        if last is not None and last.is_classifier:
            opening.go_on(self.app, last, self.launched)
        elif last is not None:
            place = starting.place_of(self.app, run.record)
            self.app.push_screen(LaunchScreen(model_name=run.name, **place), self.launched)
        elif filled is not None:
            form = LaunchScreen(
                filled.preset,
                filled.base,
                filled.model_name,
                filled.given,
                filled.resume_from,
                **starting.place_of(self.app, run.record),
            )
            self.app.push_screen(form, self.launched)
        elif run.record is not None and opening.as_started(self.app, run.record, self.launched):
            return
        else:
            self.notify(f"Nobody knows how {run.label} was started; n starts a new run", severity="warning")

    def _free_name(self, wanted: str) -> str:
        taken = self.app.live.names
        names = [wanted, *(f"{wanted}-{number}" for number in range(2, 1000))]
        return next(name for name in names if name not in taken)

    # ── stop ────────────────────────────────────────────────────────────────────────────────────────────────────

    def action_stop(self) -> None:
        """Ask the run to save and stop; where it was asked before, offer a signal."""
        run = self.run_in_view
        if run is None or not self.app.allow("Stop"):
            return
        if run.state.is_over:
            self.notify(f"{run.label} is not running", severity="warning")
        elif run.record is None:
            self.notify(
                f"{run.label} was not started by MyPT's own train command, so it cannot be stopped from here",
                severity="warning",
            )
        elif run.record.origin == "slurm":
            self._offer_scancel(run.record, run)
        else:
            self._stop(run.record, run.label)

    @work(thread=True, group="stop")
    def _stop(self, record: RunRecord, label: str) -> None:
        if stop_requested(record.directory(self.app.workspace)) is not None:
            self.app.call_from_thread(self._offer_a_signal, record, label)
        else:
            self._send(record, "request")

    def _offer_scancel(self, record: RunRecord, run: Run) -> None:
        waits = run.state is RunState.QUEUED
        what = (
            "It waits in SLURM; scancel takes it from the queue. What it has saved stays."
            if waits
            else "It is SLURM's; scancel --signal=TERM tells it to save a checkpoint and stop, and it does not queue again."
        )

        def answered(yes: bool | None) -> None:
            if yes:
                self.run_worker(lambda: self._send(record, "request"), thread=True, group="stop")

        question = f"Cancel job {record.job} of {run.label}? {what}"
        self.app.push_screen(Confirm(question, "Cancel it" if waits else "Save and stop"), answered)

    def _offer_a_signal(self, record: RunRecord, label: str) -> None:
        question = (
            f"{label} was asked to stop and will, after the update or the evaluation that it is busy with. "
            "Send it SIGTERM as well?"
        )

        def answered(yes: bool | None) -> None:
            if yes:
                self.run_worker(lambda: self._send(record, "terminate"), thread=True, group="stop")

        self.app.push_screen(Confirm(question, "Send SIGTERM"), answered)

    def _send(self, record: RunRecord, how: Literal["request", "terminate"]) -> None:
        """In a thread: stop, and say what was done."""
        from mypt.launch.stop import stop

        result = stop(self.app.workspace, record, how=how)
        self._tell(record, result.sentence, done=result.done)

    # ── the queue ───────────────────────────────────────────────────────────────────────────────────────────────

    def action_move(self, by: int) -> None:
        """Let the waiting run in view change places with a neighbour in the queue."""
        from mypt.launch import queue

        self._queue("Queue", lambda record: queue.move(self.app.workspace, record, by))

    def action_start_now(self) -> None:
        """Start the waiting run in view without waiting any longer."""
        from mypt.launch import queue

        self._queue("Start now", lambda record: queue.start_now(self.app.workspace, record))

    def _queue(self, name: str, change: Callable[[RunRecord], object]) -> None:
        run = self.run_in_view
        if run is None or not self.app.allow(name):
            return
        if run.state is not RunState.QUEUED or run.record is None:
            self.notify(f"{run.label} does not wait in the queue", severity="warning")
        else:
            self._change_queue(run.record, change)

    @work(thread=True, group="queue")
    def _change_queue(self, record: RunRecord, change: Callable[[RunRecord], object]) -> None:
        from mypt.launch.queue import Moved

        result = change(record)
        assert isinstance(result, Moved)
        self._tell(record, result.sentence, done=result.done)

    def _tell(self, record: RunRecord, sentence: str, *, done: bool) -> None:
        from mypt.text import printable

        name = printable(record.model_name, newline=False)
        severity = "information" if done else "warning"
        self.app.call_from_thread(
            self.notify, printable(sentence, newline=False), title=name, severity=severity
        )
        self.app.live.hint()


def queue_words(run: Run, line: Sequence[Run]) -> str:
    """The place of a waiting run: `next, when dante has ended`, `3rd, after dante`; empty for one that does not wait."""
    at = next((place for place, other in enumerate(line) if other.key == run.key), None)
    if at is None:
        return ""
    if at == 0:
        return "next"
    return f"{ordinal(at + 1)}, after {line[at - 1].label}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number // 10 % 10 != 1 else "th"
    return f"{number}{ending}"
