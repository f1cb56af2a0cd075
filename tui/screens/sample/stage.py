"""Sample: what is on the screen and who speaks to it. The process reports, the workspace changes, and it is drawn."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from mypt.diff import reached
from mypt.errors import UserError
from mypt.runs.state import RunState
from mypt.sampling.process import Gone, Said
from mypt.sampling.protocol import Piece, Ready, Told
from tui.actions import Action
from tui.dashboard import Dashboard, shown_path
from tui.live import Live
from tui.screens.checkpoints.runs import Runs
from tui.screens.sample.actions import ACTIONS, EMPTY_ACTIONS, WRITING_ACTIONS
from tui.screens.sample.choose import suggestion
from tui.screens.sample.desk import Desk
from tui.screens.sample.pane import OutputPane
from tui.screens.sample.panel import SettingsPanel
from tui.screens.sample.prompt import PromptField
from tui.screens.sample.talk import Side
from tui.screens.sample.words import process_words, summary
from tui.widgets.lines import KeyLine, TopLine

_PREFERENCE = "sample"
_DRAFT = "prompt"
_TRAINS = (RunState.RUNNING, RunState.STARTING)


class Stage(Screen[None]):
    """One or two checkpoints, by their folders' names, and what they write."""

    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    app: Dashboard

    class Heard(Message):
        """The process of that number reported something."""

        def __init__(self, number: int, report: Told | Said | Gone) -> None:
            super().__init__()
            self.number, self.report = number, report

    def __init__(self, names: Sequence[str] = ()) -> None:
        super().__init__()
        self._wanted = list(dict.fromkeys(names))[:2]
        self._place = 0
        self._losses: dict[str, tuple[Ready, float | None]] = {}
        self.desk: Desk
        self.panel: SettingsPanel
        self.prompt: PromptField

    def compose(self) -> ComposeResult:
        """The texts, the prompt below, the settings at the right."""
        given = self.app.prefs[_PREFERENCE]
        draft = given.get(_DRAFT)
        self.desk = Desk(self.app.workspace, self._tell, keep=not self.app.readonly)
        # Held here, since on the way out they are read when they are no longer found.
        self.panel = SettingsPanel(given)
        self.prompt = PromptField(draft if isinstance(draft, str) else "", recall=self.desk.recall)
        yield TopLine()
        yield Static(id="empty", markup=False)
        with Horizontal(id="body"):
            with Vertical(id="talk"):
                with Vertical(id="panes"):
                    yield OutputPane(0)
                    yield OutputPane(1)
                yield Static(id="summary", markup=False)
                with Vertical(id="prompt-box", classes="pane") as box:
                    box.border_title = "Prompt"
                    box.border_subtitle = "⏎ write · ^j new line · ↑ earlier prompts"
                    yield self.prompt
            yield self.panel
        yield KeyLine(self.ACTIONS)

    def on_mount(self) -> None:
        """Start the process, and show every change from now on."""
        self.query_one(TopLine).stand_at(shown_path(self.app.workspace), "sample")
        self.app.changed.subscribe(self, self._on_changed)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._show_all())
        self.prompt.focus()
        for name in self._wanted:
            self._put(len(self.desk.talk.sides), name)
        if not self._wanted:
            self._begin_with_something()
        else:
            self.desk.start()
        self._show_all()

    def on_unmount(self) -> None:
        """The process ends with the screen; settings and what was typed are here the next time."""
        self.desk.close()
        self.app.prefs[_PREFERENCE] = self.panel.given | {_DRAFT: self.prompt.text}

    def on_screen_resume(self) -> None:
        """Back from another screen: what was missed is shown at once."""
        self._look_at_disk()
        self._show_all()

    # ── what is heard ───────────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, number: int, report: Told | Said | Gone) -> None:
        # From a thread that may outlive the program's loop.
        with contextlib.suppress(RuntimeError):
            self.post_message(self.Heard(number, report))

    def on_stage_heard(self, message: Heard) -> None:
        """Take the report in, and draw what looks different."""
        for side in self.desk.hear(message.number, message.report):
            self._show(side)
        if not isinstance(message.report, Piece | Said):
            # These change nothing around the texts, and many pieces come each second.
            self._show_around()

    def _on_changed(self, message: Live.Changed) -> None:
        if not self.desk.talk.sides and (message.bundles or message.first):
            self._begin_with_something()
            self._show_all()
        elif message.bundles:
            self._losses.clear()
            if self._look_at_disk():
                self._show_all()

    def _look_at_disk(self) -> bool:
        there = {info.name: info for info in self.app.live.bundles}
        news = [side.look_at(there.get(side.name)) for side in self.desk.talk.sides]
        return any(news)

    def _begin_with_something(self) -> None:
        """With nothing named, the checkpoint that was saved last; with none there, wait for the first."""
        name = suggestion(self.app.live.bundles, None)
        if name is not None:
            self._put(0, name)
            self.desk.start()

    def _put(self, place: int, name: str) -> None:
        self._choose_device()
        self.desk.put(place, name)

    def _choose_device(self) -> None:
        """Where nobody has chosen, a GPU belongs to the run that trains on it."""
        chosen = self.panel["device"]
        trains = any(run.state in _TRAINS for run in self.app.live.workspace.runs)
        self.desk.device = "cpu" if chosen == "auto" and trains else chosen

    # ── the picture ─────────────────────────────────────────────────────────────────────────────────────────────

    def _show_all(self) -> None:
        sides = self.desk.talk.sides
        self.set_class(len(sides) > 1, "-two")
        self.set_class(not sides, "-empty")
        # Out of sight it must take no keys.
        if self.prompt.disabled != (not sides):
            self.prompt.disabled = not sides
            if sides:
                self.prompt.focus()
        if not sides:
            self.query_one("#empty", Static).update(self._teach())
        for side in sides:
            self._show(side)
        self._show_around()

    def _show(self, side: Side) -> None:
        pane = self.query_one(f"#pane-{self.desk.talk.sides.index(side)}", OutputPane)
        pane.show(side, self.desk.talk, self._val_loss(side))

    def _val_loss(self, side: Side) -> float | None:
        """The validation loss of what is in memory: as it says itself, else as the log of its run does."""
        if side.ready is None or side.ready.val_loss is not None:
            return side.ready.val_loss if side.ready is not None else None
        if side.newer is not None:
            return None
        known = self._losses.get(side.name)
        if known is None or known[0] is not side.ready:
            info = next((info for info in self.app.live.bundles if info.name == side.name), None)
            run = Runs(self.app.live.workspace.runs).of(info.model_name) if info else None
            value = reached(info, run.history if run else None).loss if info else None
            known = self._losses[side.name] = (side.ready, value)
        return known[1]

    def _show_around(self) -> None:
        """The lines above and below the texts."""
        talk = self.desk.talk
        right = [process_words(talk)]
        if self.app.readonly:
            right.append("read-only")
        self.query_one(TopLine).right = " · ".join(right) if talk.sides else ""
        keys = WRITING_ACTIONS if talk.is_writing else ACTIONS
        self.query_one(KeyLine).show(keys if talk.sides else EMPTY_ACTIONS)
        panel = self.panel
        said = ""
        with contextlib.suppress(UserError):
            said = summary(
                panel.settings(),
                chat=panel["chat"],
                same_seed=panel["same_seed"] == "yes",
                sides=len(talk.sides),
            )
        self.query_one("#summary", Static).update(f"f2 {said}" if said else "a setting is wrong: f2 shows it")

    def _teach(self) -> Text:
        key = f"bold {self.app.theme_variables.get('primary', '')}".strip()
        text = Text("No checkpoint to write with yet\n\n", "bold", justify="center")
        text.append(
            "A run saves one at each evaluation, and then it can be asked here while it trains on.\n",
            "not bold dim",
        )
        text.append("Press ", "not bold dim")
        text.append("esc", key)
        text.append(" and then ", "not bold dim")
        text.append("d", key)
        text.append(" for the demo, or ", "not bold dim")
        text.append("n", key)
        text.append(" to train a model of your own.", "not bold dim")
        return text
