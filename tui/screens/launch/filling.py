"""The form as a person fills it in: what there is to choose from, what is typed, and the look at all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message
from textual.widgets import Static

from mypt.errors import Problem
from mypt.runs.record import RunRecord
from mypt.slurm.ask import HELP, Ask
from mypt.text import printable
from tui.actions import Action
from tui.dashboard import Dashboard, shown_path
from tui.screens.launch import choices, past
from tui.screens.launch import draft as drafts
from tui.screens.launch.choices import Found
from tui.screens.launch.draft import Draft
from tui.screens.launch.form import ELSEWHERE, FIRST_ASKED, SettingRow, SettingsForm
from tui.screens.launch.keep import Kept, KeptPlace
from tui.screens.launch.look import Review, is_of_form
from tui.screens.launch.looking import Looking, Reviewed
from tui.screens.launch.machine import most_processes
from tui.screens.launch.panes import AUTOMATIC, NO_PRESET, DataPane, Edited, PresetPane
from tui.screens.launch.review import ReviewPane
from tui.screens.launch.steps import DATA, PRESET, REVIEW, SETTINGS, StepLine, SteppedScreen
from tui.widgets.lines import KeyLine, TopLine

_FIRST_PRESET = "tiny_char"


class FillingScreen(SteppedScreen[RunRecord | None]):
    """Panes in which a run is chosen and described, and a review that follows every change. Starts nothing."""

    ACTIONS: ClassVar[tuple[Action, ...]] = SteppedScreen.STEP_ACTIONS

    class Prepared(Message):
        """What there is to choose from is known; `kept` is what was left here before, `most` are the processes that fit.

        `absent`: SLURM cannot be asked from here.
        """

        def __init__(self, found: Found, kept: Draft | None, most: int, absent: bool) -> None:
            super().__init__()
            self.found, self.kept, self.most, self.absent = found, kept, most, absent

    class Settled(Message):
        """What is shown is the review of all that is chosen and typed."""

        def __init__(self, review: Review) -> None:
            super().__init__()
            self.review = review

    def __init__(
        self,
        preset: str | None = None,
        base: str | None = None,
        model_name: str | None = None,
        given: Mapping[str, Any] | None = None,
        resume_from: str = "last",
        processes: int | None = None,
        slurm: Ask | None = None,
    ) -> None:
        super().__init__()
        self._processes, self._slurm = processes, slurm
        self._wanted = (preset, base, model_name, dict(given or {}), resume_from)
        self._taken: frozenset[str] = frozenset()
        self._name_is_own = model_name is not None
        self._looking: Looking
        self._kept: Kept
        self._kept_place: KeptPlace
        self._begun_with: Draft | None = None
        self._prepared = self._starting = False
        self.review: Review | None = None
        """The last look."""

    @property
    def _app(self) -> Dashboard:
        assert isinstance(self.app, Dashboard)
        return self.app

    @property
    def takes_keys(self) -> bool:
        """Whether there is something to choose from and to type into."""
        return self._prepared

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
        self._looking = Looking(self, self._app.workspace, self.draft)
        preset, base, name, given, _ = self._wanted
        going_on = f"{name} once more" if name and (preset or given) else f"go on with {name}"
        title = going_on if name else f"fine-tune {base}" if base else "new run"
        self.query_one(TopLine).stand_at(shown_path(self._app.workspace), printable(title, newline=False))
        purpose = (
            f"model {name}" if name else f"base {base}" if base else f"preset {preset}" if preset else "new"
        )
        self._kept = Kept(self._app.prefs, self._app.workspace, purpose)
        self._kept_place = KeptPlace(self._app.prefs, self._app.workspace)
        self.show_step()
        self.run_worker(self._prepare, thread=True, group="prepare")

    def _prepare(self) -> None:
        preset, _, _, given, _ = self._wanted
        kept = self._kept.load()
        if kept is not None:
            preset, given = kept.preset, dict([kept.data] if kept.data else []) | kept.given
        found = choices.find_all(self._app.workspace, preset, given)
        from mypt.slurm.submit import absent

        self.post_message(self.Prepared(found, kept, most_processes(), absent() is not None))

    def on_filling_screen_prepared(self, message: Prepared) -> None:
        """Fill the lists and the form, choose what was asked for or left here, and look."""
        found, kept, (preset, base, name, _, resume_from) = message.found, message.kept, self._wanted
        self.query_one("#panes").disabled = False
        self._taken = found.taken
        if kept is not None:
            preset, base, resume_from = kept.preset or "", kept.base, kept.resume_from
            name = name or kept.model_name or None
            self._name_is_own = bool(name)
        left, data, form = self.query_one(PresetPane), self.query_one(DataPane), self.query_one(SettingsForm)
        left.fill(found.presets, found.bases, base)
        if preset:
            left.choose(choices.find(found.presets, preset) or NO_PRESET)
        elif base or name or kept is not None:
            left.choose(NO_PRESET)
        else:
            left.choose(choices.find(found.presets, _FIRST_PRESET) or (found.presets or [NO_PRESET])[0])
        left.resume_from.value = resume_from
        typed = left.name_field.value.strip() if self._name_is_own else ""
        left.set_name(name or typed or self._suggestion())
        data.fill(found.data, next(((n, found.given[n]) for n in ELSEWHERE if n in found.given), None))
        form.fill(found.given)
        self._offer_places(message)
        self._prepared = True
        self._begun_with = None if kept is not None else self._to_keep()
        self.query_one(TopLine).right = (
            "filled in as you left it · f4 begins afresh" if kept is not None else ""
        )
        if base and data.chosen is AUTOMATIC and not data.path:
            # All else has a value; what to fine-tune on, only a person knows.
            self.action_step(DATA)
        elif self._wanted[2]:
            # How far it is to go on is the first of the settings.
            self.action_step(SETTINGS)
        elif self.focused is None:
            self.focus_step()
        self._looking.changed(at_once=True)

    def _offer_places(self, message: Prepared) -> None:
        """What was left here is there again; else the place that was asked for; else that of the run before."""
        kept, (before, last) = message.kept, self._kept_place.load()
        asked = kept.slurm if kept is not None else self._slurm
        processes = kept.processes if kept is not None else self._processes
        as_before = processes is None and asked is None and last and not message.absent
        self.query_one(ReviewPane).where.offer(
            message.most,
            processes or 1,
            asked or before,
            slurm=asked is not None or as_before,
            absent=message.absent,
        )

    def _suggestion(self) -> str:
        left = self.query_one(PresetPane)
        preset, base = left.preset, left.base
        if base:
            from mypt.watch.checkpoints import base_model

            stem = f"{base_model(base)}_ft"
        else:
            stem = "my_model" if preset is NO_PRESET else preset.label
        live = self._app.live.names
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
            processes=self.query_one(ReviewPane).where.processes,
            slurm=self.query_one(ReviewPane).where.slurm,
        )

    def _to_keep(self) -> Draft:
        # A name that was only suggested is suggested anew, since it may be taken by then.
        draft = self.draft()
        return draft if self._name_is_own else replace(draft, model_name="")

    def on_reviewed(self, message: Reviewed) -> None:
        """Show it, unless something was typed since: then the next one is on its way."""
        message.stop()
        if self._looking.done(message) and not self._starting:
            self._show(message.review)
            if message.final:
                self.post_message(self.Settled(message.review))

    def _show(self, review: Review) -> None:
        self.review = review
        time = past.foreseen(review, self._app.live.workspace.runs)
        self.query_one(PresetPane).update(review, time)
        self.query_one(DataPane).update(review)
        self.query_one(SettingsForm).update(review)
        self.query_one(ReviewPane).show(review, time)
        self.query_one(StepLine).wrong = frozenset(self._step_of(p, review) for p in review.problems)
        self.step_changed()

    def _step_of(self, problem: Problem, review: Review) -> int:
        name = problem.field.partition(".")[0]
        if problem in review.data_problems():
            return DATA
        named_here = ("model_name", "config_file", "init_from_model", "resume_from")
        if name in ("nproc", "where", *HELP):
            return REVIEW
        if name in named_here or not is_of_form(problem):
            return PRESET
        return SETTINGS if name in (review.values or {}) else REVIEW

    def step_changed(self) -> None:
        """Explain what has the focus."""
        row = self.query_one(SettingsForm).row_in_focus()
        said = row.help() if row else Text("an empty field leaves the value as shown", "dim")
        self.query_one("#help", Static).update(said)

    def focus_step(self) -> None:
        """Focus the first thing of the step, and of the settings what nearly every run is told."""
        row = self.query_one(SettingsForm).row(FIRST_ASKED) if self.step == SETTINGS else None
        super().focus_step()
        if row is not None:
            row.editor.focus()

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

    def on_resize(self, message: events.Resize) -> None:
        """Another width may show other panes."""
        self.call_after_refresh(self.show_step)
