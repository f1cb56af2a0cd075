"""Launch: what one can do with what is filled in: start, queue, save as a preset, copy, leave. It routes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button

from mypt.text import printable, size
from tui.actions import Action, bindings
from tui.screens.launch import choices, preset_copy
from tui.screens.launch.batch_file import BatchFileScreen
from tui.screens.launch.data_look import DataFacts
from tui.screens.launch.draft import Draft
from tui.screens.launch.filling import FillingScreen
from tui.screens.launch.form import SettingsForm
from tui.screens.launch.look import Review
from tui.screens.launch.panes import NO_PRESET, DataPane, PresetPane
from tui.screens.launch.preset_copy import Answer, SavePresetScreen
from tui.screens.launch.review import ReviewPane
from tui.screens.launch.start import start
from tui.screens.launch.steps import PRESET, REVIEW, SETTINGS
from tui.widgets.confirm import Confirm
from tui.widgets.lines import KeyLine, TopLine

if TYPE_CHECKING:
    from mypt.runs.record import RunRecord

_AREA = "Launch"

_START = Action("start", "ctrl+s,f5", "Start", "Check everything and start the run", _AREA, changes=True)
_QUEUE = Action(
    "queue",
    "f6",
    "Queue",
    "Start it when the runs before it have ended; SLURM does so by itself",
    _AREA,
    changes=True,
)
_SUBMIT = replace(_START, label="Submit")
_SAVE = Action(
    "save_preset",
    "f2",
    "Save preset",
    "Save what is chosen and typed as a preset of your own",
    _AREA,
    changes=True,
)


class LaunchScreen(FillingScreen):
    """Choose, fill, review, start. Dismissed with the record of the run that was started, or with None."""

    CSS_PATH = "launch.tcss"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        _START,
        FillingScreen.STEP_ACTIONS[0],
        Action("leave", "escape", "Back", "Leave; what is filled in will be here again", _AREA),
        _QUEUE,
        _SAVE,
        Action("all_settings", "ctrl+l", "All settings", "Show every setting, or the common ones", _AREA),
        Action("copy_command", "ctrl+y", "Copy command", "Copy the equivalent command line", _AREA),
        Action(
            "all_values", "ctrl+r", "All values", "Review every value, or those that are not defaults", _AREA
        ),
        Action("afresh", "f4", "Begin afresh", "Forget what is filled in", _AREA, shown=False),
        *FillingScreen.STEP_ACTIONS[1:],
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *(b for b in bindings(ACTIONS) if b not in FillingScreen.BINDINGS),
        Binding(
            "down", "app.focus_next", "Next field", show=False, tooltip="The next field", id="launch.down"
        ),
        Binding(
            "up",
            "app.focus_previous",
            "Previous field",
            show=False,
            tooltip="The field before",
            id="launch.up",
        ),
    ]

    class Launched(Message):
        """A run was started or queued."""

        def __init__(self, record: RunRecord) -> None:
            super().__init__()
            self.record = record

    class Refused(Message):
        """The run was not started; the review says why."""

        def __init__(self, review: Review) -> None:
            super().__init__()
            self.review = review

    class Written(Message):
        """All is right, and the review has the batch file that SLURM is to get."""

        def __init__(self, review: Review) -> None:
            super().__init__()
            self.review = review

    class Started(Message):
        """The run was started."""

        def __init__(self, record: RunRecord) -> None:
            super().__init__()
            self.record = record

    def __init__(self, *wanted: Any, **by_name: Any) -> None:
        super().__init__(*wanted, **by_name)
        self._cancelled = threading.Event()

    def on_unmount(self) -> None:
        """A start that is still being checked is called off."""
        self._cancelled.set()

    def _show(self, review: Review) -> None:
        super()._show(review)
        actions = self.ACTIONS
        if review.draft.slurm is not None:
            # A queue itself: a run is submitted, and there is nothing to queue it behind.
            actions = tuple(_SUBMIT if a is _START else a for a in actions if a is not _QUEUE)
        self.query_one(KeyLine).show(actions)

    # ── actions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def action_all_settings(self) -> None:
        """Show every setting in the form, or the common ones."""
        if self._prepared:
            shown = self.query_one(SettingsForm).toggle_all()
            self.query_one("#settings").border_title = "3 Settings: all" if shown else "3 Settings"

    def action_all_values(self) -> None:
        """Show every value in the review, or those that are not defaults."""
        self.query_one(ReviewPane).toggle_all()

    def action_copy_command(self) -> None:
        """Copy the command line of the review."""
        command = self.review.command if self.review else ""
        if command:
            self._app.copy(command, "the command line")
        else:
            self.notify("There is no command line yet: something is wrong", severity="warning", markup=False)

    def action_leave(self) -> None:
        """Leave; what is filled in is kept. A start that is being checked is called off."""
        self._cancelled.set()
        if self._prepared:
            draft = self._to_keep()
            if draft == self._begun_with:
                self._kept.drop()
            else:
                self._kept.save(draft)
                self.notify("What you filled in is kept for the next time", markup=False)
        self.dismiss(None)

    def action_afresh(self) -> None:
        """Forget what was kept and typed."""
        if not self._prepared or self._starting:
            return
        self._kept.drop()
        self._name_is_own = self._wanted[2] is not None
        # What is typed before all of it has been read would be overwritten without a word.
        self._prepared = False
        self.query_one("#panes").disabled = True
        self.query_one(TopLine).right = "reading what there is …"
        self.run_worker(self._prepare, thread=True, group="prepare")

    # ── presets of one's own ────────────────────────────────────────────────────────────────────────────────────

    def action_save_preset(self) -> None:
        """Ask for a name and save."""
        if self._prepared and self._app.allow(_SAVE):
            self._ask_for_preset()

    def _ask_for_preset(self, *, queue: bool | None = None) -> None:
        """The question; with `queue` the run is to be started afterwards, or queued."""
        draft, review = self.draft(), self.review
        if review is None:
            return
        own = {choice.label for choice in self.query_one(PresetPane).presets}
        stem = f"{self.query_one(PresetPane).preset.label if draft.preset else 'my'}_own"
        name = choices.suggest_name(stem, own.__contains__)
        workspace = self._app.workspace

        def save(name: str) -> Path:
            return preset_copy.save(draft, review, workspace, name)

        def answered(answer: Answer | None) -> None:
            if isinstance(answer, Path):
                self._list_presets(answer, queue)
            elif answer == "without" and queue is not None:
                self._begin(queue=queue)

        words = preset_copy.question(draft, review, starting=queue is not None)
        self.app.push_screen(SavePresetScreen(name, words, save, starting=queue is not None), answered)

    def _list_presets(self, path: Path, queue: bool | None) -> None:
        """Choose the preset that was saved, in which now stands all that was typed."""
        workspace = self._app.workspace

        def look() -> None:
            found = choices.order(choices.presets(workspace)), choices.data(workspace)
            self._app.call_from_thread(self._show_presets, path, queue, *found)

        self.run_worker(look, thread=True, group="prepare")

    def _show_presets(
        self,
        path: Path,
        queue: bool | None,
        presets: Sequence[choices.PresetChoice],
        data: Sequence[choices.DataChoice],
    ) -> None:
        left = self.query_one(PresetPane)
        key = path.relative_to(self._app.workspace).as_posix()
        left.list_presets(presets)
        left.choose(choices.find(left.presets, key) or NO_PRESET)
        self.query_one(SettingsForm).fill({})
        self.query_one(DataPane).fill(data, None)
        if not self._name_is_own:
            left.set_name(self._suggestion())
        self.notify(f"{printable(key, newline=False)} saved and chosen", markup=False)
        self._looking.changed(at_once=True)
        if queue is not None:
            self._begin(queue=queue)

    # ── starting ────────────────────────────────────────────────────────────────────────────────────────────────

    def on_button_pressed(self, message: Button.Pressed) -> None:
        """A button does what its key does."""
        message.stop()
        if message.button.id == "queue":
            self.action_queue()
        else:
            self.action_start()

    def action_start(self) -> None:
        """Start it now."""
        if self._app.allow(_START):
            self._ask_or_begin(queue=False)

    def action_queue(self) -> None:
        """Start it when all before it have ended."""
        if self._prepared and self.draft().slurm is not None:
            self.notify("SLURM is a queue itself: ^s submits", severity="warning", markup=False)
        elif self._app.allow(_QUEUE):
            self._ask_or_begin(queue=True)

    def _ask_or_begin(self, *, queue: bool) -> None:
        """What was typed is not dropped without a word, although the preset wins; what cannot fit is asked about."""
        review = self.review
        if review is None or not review.ready or review.draft != self.draft():
            self._begin(queue=queue)
        elif review.overruled:
            self._ask_for_preset(queue=queue)
        elif review.memory and review.room and review.needed > review.room.total:
            needed, there = size(review.needed), size(review.room.total)
            words = f"It needs about {needed}, and there are {there} in all ({review.room.name}): it would most likely fail."
            self.app.push_screen(
                Confirm(f"{words} Start it all the same?", "Start"),
                lambda yes: self._begin(queue=queue) if yes else None,
            )
        else:
            self._begin(queue=queue)

    def _begin(self, *, queue: bool, seen: str = "") -> None:
        if self._starting or not self._prepared:
            return
        self._starting = True
        draft, known = self.draft(), self.review.data if self.review else None
        self.query_one(ReviewPane).busy("submitting to SLURM …" if seen else "checking the data …")
        self.run_worker(lambda: self._start(draft, queue, seen, known), thread=True, group="start")

    def _start(self, draft: Draft, queue: bool, seen: str, known: DataFacts | None) -> None:
        result = start(
            draft,
            self._app.workspace,
            queue=queue,
            seen=seen,
            known=known,
            cancelled=self._cancelled.is_set,
        )
        if isinstance(result, Review) and result.batch and not result.problems:
            self.post_message(self.Written(result))
        elif isinstance(result, Review):
            self.post_message(self.Refused(result))
        elif result is not None:
            self.post_message(self.Started(result))

    def on_launch_screen_written(self, message: Written) -> None:
        """Nothing is handed to SLURM that was not to be seen first."""
        self._starting = False
        review = message.review
        self.query_one(ReviewPane).rest()
        self._show(review)

        def answered(yes: bool | None) -> None:
            if yes:
                self._begin(queue=False, seen=review.batch)

        self.app.push_screen(BatchFileScreen(review.batch), answered)

    def on_launch_screen_refused(self, message: Refused) -> None:
        """Show what is wrong, where it is."""
        self._starting = False
        review = message.review
        self.query_one(ReviewPane).rest()
        self._show(review)
        if not review.problems:
            return
        first = min(review.problems, key=lambda p: self._step_of(p, review))
        step = self._step_of(first, review)
        if self.has_class("-narrow") or step == REVIEW:
            # Only the review has room for all of them.
            self.action_step(REVIEW)
            return
        self.step = step
        self.show_step()
        row = self.query_one(SettingsForm).row(first.field.partition(".")[0]) if step == SETTINGS else None
        target: Widget | None = row.editor if row else None
        if step == PRESET and first.field == "model_name":
            target = self.query_one(PresetPane).name_field
        # Its row may only now have been built.
        self.call_after_refresh(target.focus if target is not None else self.focus_step)

    def on_launch_screen_started(self, message: Started) -> None:
        """Leave, with the record."""
        record = message.record
        where = self.query_one(ReviewPane).where
        self._kept.drop()
        self._kept_place.save(where.asked, last=record.origin == "slurm")
        word = (
            f"waits in SLURM as job {record.job}" if record.job else "queued" if record.queued else "started"
        )
        self.notify(f"{printable(record.model_name, newline=False)} {word}", markup=False)
        self.app.post_message(self.Launched(record))
        while self.app.screen is not self and self in self.app.screen_stack:
            self.app.pop_screen()
        self.dismiss(record)
