"""Launch: the screen itself. It routes; what is chosen, checked and shown is the business of its neighbours."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from mypt.errors import Problem
from mypt.text import printable
from tui.actions import Action, bindings
from tui.dashboard import Dashboard, shown_path
from tui.screens.launch import choices
from tui.screens.launch import draft as drafts
from tui.screens.launch.choices import Found
from tui.screens.launch.draft import Draft
from tui.screens.launch.form import ELSEWHERE, SettingRow, SettingsForm
from tui.screens.launch.look import Review, is_of_form
from tui.screens.launch.looking import Looking, Reviewed
from tui.screens.launch.panes import NO_PRESET, DataPane, Edited, PresetPane
from tui.screens.launch.review import ReviewPane
from tui.screens.launch.start import start
from tui.screens.launch.steps import StepLine
from tui.widgets.lines import KeyLine, TopLine

if TYPE_CHECKING:
    from mypt.runs.record import RunRecord

_STEPS = ("preset", "data-step", "settings", "review")
_FIRST_PRESET = "tiny_char"

_START = Action("start", "ctrl+s,f5", "Start", "Check everything and start the run", "Launch", changes=True)
_QUEUE = Action("queue", "f6", "Queue", "Start it when the runs before it have ended", "Launch", changes=True)


class LaunchScreen(Screen["RunRecord | None"]):
    """Choose, fill, review, start. Dismissed with the record of the run that was started, or with None."""

    CSS_PATH = "launch.tcss"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        _START,
        Action("next_step", "ctrl+n", "Next step", "Go on to the next step", "Launch"),
        Action("leave", "escape", "Back", "Leave without starting", "Launch"),
        _QUEUE,
        Action("all_settings", "ctrl+l", "All settings", "Show every setting, or the common ones", "Launch"),
        Action("copy_command", "ctrl+y", "Copy command", "Copy the equivalent command line", "Launch"),
        Action(
            "all_values",
            "ctrl+r",
            "All values",
            "Review every value, or those that are not defaults",
            "Launch",
        ),
        Action("previous_step", "ctrl+o", "Step before", "Go back to the step before", "Launch", shown=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(ACTIONS),
        *(Binding(str(n + 1), f"step({n})", f"Step {n + 1}", show=False) for n in range(4)),
        Binding("down", "app.focus_next", "Next field", show=False),
        Binding("up", "app.focus_previous", "Previous field", show=False),
    ]

    class Launched(Message):
        """A run was started or queued."""

        def __init__(self, record: RunRecord) -> None:
            super().__init__()
            self.record = record

    class Prepared(Message):
        """What there is to choose from is known."""

        def __init__(self, found: Found) -> None:
            super().__init__()
            self.found = found

    class Settled(Message):
        """What is shown is the review of all that is chosen and typed."""

        def __init__(self, review: Review) -> None:
            super().__init__()
            self.review = review

    class Refused(Message):
        """The run was not started; the review says why."""

        def __init__(self, review: Review) -> None:
            super().__init__()
            self.review = review

    class Started(Message):
        """The run was started."""

        def __init__(self, record: RunRecord) -> None:
            super().__init__()
            self.record = record

    def __init__(
        self,
        preset: str | None = None,
        base: str | None = None,
        model_name: str | None = None,
        given: Mapping[str, Any] | None = None,
        resume_from: str = "last",
    ) -> None:
        super().__init__()
        self._wanted = (preset, base, model_name, dict(given or {}), resume_from)
        self._taken: frozenset[str] = frozenset()
        self._name_is_own = model_name is not None
        self._looking: Looking
        self._prepared = self._starting = self._going = False
        self._cancelled = threading.Event()
        self.review: Review | None = None
        """The last look."""
        self.step = 0
        """The step that is looked at, 0 to 3."""

    @property
    def _app(self) -> Dashboard:
        assert isinstance(self.app, Dashboard)
        return self.app

    # ── building ────────────────────────────────────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """Panes side by side, or one at a time with the line of steps above."""
        yield TopLine()
        yield StepLine(id="steps")
        with Container(id="panes"):
            with Container(id="left"):
                yield PresetPane()
                yield DataPane()
            with Vertical(id="settings", classes="pane step"):
                yield SettingsForm()
                yield Static("", id="help", markup=False)
            yield ReviewPane()
        yield KeyLine(self.ACTIONS)

    def on_mount(self) -> None:
        """Show the frame at once and read the workspace aside."""

        self.query_one("#settings").border_title = "3 Settings"
        self.query_one(TopLine).left = f"New run  {shown_path(self._app.workspace)}"
        self._looking = Looking(self, self._app.workspace, self.draft)
        self._show_step()
        self.run_worker(self._prepare, thread=True, group="prepare")

    def on_unmount(self) -> None:
        """A start that is still being checked is called off."""
        self._cancelled.set()

    def _prepare(self) -> None:
        preset, _, _, given, _ = self._wanted
        self.post_message(self.Prepared(choices.find_all(self._app.workspace, preset, given)))

    def on_launch_screen_prepared(self, message: Prepared) -> None:
        """Fill the lists and the form, choose what was asked for, and look."""
        found, (preset, base, name, _, resume_from) = message.found, self._wanted
        self._taken = found.taken
        panes = self.query_one(PresetPane), self.query_one(DataPane), self.query_one(SettingsForm)
        left, data, form = panes
        left.fill(found.presets, found.bases, base)
        if preset:
            left.choose(choices.find(found.presets, preset) or NO_PRESET)
        elif base or name:
            left.choose(NO_PRESET)
        else:
            left.choose(choices.find(found.presets, _FIRST_PRESET) or (found.presets or [NO_PRESET])[0])
        left.resume_from.value = resume_from
        typed = left.name_field.value.strip() if self._name_is_own else ""
        left.set_name(name or typed or self._suggestion())
        chosen = next(((n, found.given[n]) for n in ELSEWHERE if n in found.given), None)
        data.fill(found.data, chosen)
        form.fill(found.given)
        self._prepared = True
        if self.focused is None:
            self._focus_step()
        self._looking.changed(at_once=True)

    def _suggestion(self) -> str:
        left = self.query_one(PresetPane)
        preset, base = left.preset, left.base
        if base:
            from mypt.watch.checkpoints import base_model

            stem = f"{base_model(base)}_ft"
        else:
            stem = "my_model" if preset is NO_PRESET else preset.label
        live = {b.model_name for b in self._app.live.bundles} | {
            r.name for r in self._app.live.workspace.runs
        }
        return choices.suggest_name(stem, lambda name: name in self._taken or name in live)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def draft(self) -> Draft:
        """What is chosen and typed now."""
        left, data = self.query_one(PresetPane), self.query_one(DataPane)
        chosen = data.chosen
        if data.path:
            named: tuple[str, str] | None = drafts.data_of(data.path, self._app.workspace)
        else:
            named = (chosen.field, chosen.value) if chosen and chosen.field else None
        return Draft(
            model_name=left.name_field.value.strip(),
            preset=left.preset.key or None,
            base=left.base,
            resume_from=left.resume_from.value,
            data=named,
            given=self.query_one(SettingsForm).given(),
        )

    def on_reviewed(self, message: Reviewed) -> None:
        """Show it, unless something was typed since: then the next one is on its way."""
        message.stop()
        if self._looking.done(message) and not self._starting:
            self._show(message.review)
            if message.final:
                self.post_message(self.Settled(message.review))

    def _show(self, review: Review) -> None:
        self.review = review
        self.query_one(PresetPane).update(review)
        self.query_one(DataPane).update(review)
        self.query_one(SettingsForm).update(review)
        self.query_one(ReviewPane).show(review)
        self.query_one(StepLine).wrong = frozenset(self._step_of(p, review) for p in review.problems)
        self._show_help()

    def _step_of(self, problem: Problem, review: Review) -> int:
        name = problem.field.partition(".")[0]
        if problem in review.data_problems():
            return 1
        named_here = ("model_name", "config_file", "init_from_model", "resume_from")
        if name in named_here or not is_of_form(problem):
            return 0
        return 2 if name in (review.values or {}) else 3

    def _show_help(self) -> None:
        row = self.query_one(SettingsForm).row_in_focus()
        self.query_one("#help", Static).update(
            row.help() if row else Text("an empty field leaves the value as shown", "dim")
        )

    # ── what panes say ──────────────────────────────────────────────────────────────────────────────────────────

    def on_edited(self, message: Edited) -> None:
        """A choice or a name was changed."""
        message.stop()
        left = self.query_one(PresetPane)
        if message.what == "done":
            self.action_next_step()
            return
        if message.what == "name":
            self._name_is_own = bool(left.name_field.value.strip())
        elif message.what in ("preset", "base") and not self._name_is_own:
            left.set_name(self._suggestion())
        self._looking.changed()

    def on_setting_row_edited(self, message: SettingRow.Edited) -> None:
        """A setting was changed; what is wrong with it alone is said with the next look."""
        message.stop()
        self._looking.changed()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Enter goes on to the next field, and after the last of a step to the next step."""
        message.stop()
        here = self._step_around(message.input)
        focusable = [w for w in self.focus_chain if self._step_around(w) == here]
        if focusable and focusable[-1] is message.input:
            self.action_next_step()
        else:
            self.focus_next()

    def on_button_pressed(self, message: Button.Pressed) -> None:
        """A button does what its key does."""
        message.stop()
        if message.button.id == "queue":
            self.action_queue()
        else:
            self.action_start()

    def on_descendant_focus(self, message: events.DescendantFocus) -> None:
        """The step with the focus is the one that is looked at."""
        step = self._step_around(message.widget)
        # On the way to another step the focus may pass through what is about to be hidden.
        if step is not None and step != self.step and not self._going and message.widget is self.focused:
            self.step = step
            self._show_step()
        self._show_help()

    # ── actions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def action_step(self, number: int) -> None:
        """Go to a step, 0 to 3."""
        self.step = number % len(_STEPS)
        self._going = True
        self._show_step()
        self.call_after_refresh(self._focus_step)

    def action_next_step(self) -> None:
        """Go on."""
        self.action_step(self.step + 1)

    def action_previous_step(self) -> None:
        """Go back."""
        self.action_step(self.step - 1)

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
            self.app.copy_to_clipboard(command)
            self.notify("The command line is in the clipboard", markup=False)
        else:
            self.notify("There is no command line yet: something is wrong", severity="warning", markup=False)

    def action_leave(self) -> None:
        """Leave; a start that is being checked is called off."""
        self._cancelled.set()
        self.dismiss(None)

    def action_start(self) -> None:
        """Start it now."""
        if self._app.allow(_START):
            self._begin(queue=False)

    def action_queue(self) -> None:
        """Start it when all before it have ended."""
        if self._app.allow(_QUEUE):
            self._begin(queue=True)

    # ── starting ────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, *, queue: bool) -> None:
        if self._starting or not self._prepared:
            return
        self._starting = True
        draft = self.draft()
        self.query_one(ReviewPane).busy("checking the data …")
        self.run_worker(lambda: self._start(draft, queue), thread=True, group="start")

    def _start(self, draft: Draft, queue: bool) -> None:
        """In a thread: check everything once more, then start."""
        came = start(draft, self._app.workspace, queue=queue, cancelled=self._cancelled.is_set)
        if isinstance(came, Review):
            self.post_message(self.Refused(came))
        elif came is not None:
            self._app.live.hint()
            self.post_message(self.Started(came))

    def on_launch_screen_refused(self, message: Refused) -> None:
        """Say everything that is wrong, and put the cursor where the first of it can be mended."""
        self._starting = False
        review = message.review
        self.query_one(ReviewPane).rest()
        self._show(review)
        if not review.problems:
            return
        first = min(review.problems, key=lambda p: self._step_of(p, review))
        step = self._step_of(first, review)
        if self.has_class("-narrow") or step == 3:
            # Only the review has room for all of them.
            self.action_step(3)
            return
        self.step = step
        self._show_step()
        row = self.query_one(SettingsForm).row(first.field.partition(".")[0]) if step == 2 else None
        target: Widget | None = row.editor if row else None
        if step == 0 and first.field == "model_name":
            target = self.query_one(PresetPane).name_field
        if target is not None:
            target.focus()
        else:
            self._focus_step()

    def on_launch_screen_started(self, message: Started) -> None:
        """Leave, with the record."""
        record = message.record
        word = "queued" if record.queued else "started"
        self.notify(f"{printable(record.model_name, newline=False)} {word}", markup=False)
        self.app.post_message(self.Launched(record))
        while self.app.screen is not self and self in self.app.screen_stack:
            self.app.pop_screen()
        self.dismiss(record)

    # ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _step_around(self, widget: Widget) -> int | None:
        for node in widget.ancestors_with_self:
            if node.id in _STEPS:
                return _STEPS.index(node.id)
        return None

    def _show_step(self) -> None:
        for number, name in enumerate(_STEPS):
            self.query_one(f"#{name}").set_class(number == self.step, "-on")
        self.query_one("#left").set_class(self.step < 2, "-on")
        self.query_one(StepLine).at = self.step

    def _focus_step(self) -> None:
        """Focus the first thing of the step that is looked at; in the review that is what starts."""
        self._going = False
        pane = self.query_one(f"#{_STEPS[self.step]}")
        if self.step == 3:
            start = self.query_one("#start", Button)
            (self.query_one("#review-scroll") if start.disabled else start).focus()
            return
        wanted: Callable[[Widget], bool] = lambda w: pane in w.ancestors  # noqa: E731
        first = next((w for w in self.focus_chain if wanted(w)), None)
        if first is not None:
            first.focus()
