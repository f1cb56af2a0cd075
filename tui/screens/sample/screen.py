"""Sample: composition and routing. Texts come from a process of their own, started once and ended with the screen."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from mypt.errors import UserError
from mypt.runs.state import RunState
from mypt.sampling.process import Gone
from mypt.sampling.protocol import Ended, Failed, Piece, Ready, Told
from mypt.text import printable
from tui.actions import Action, bindings
from tui.dashboard import Dashboard, shown_path
from tui.live import Live
from tui.screens.checkpoints.rows import step_and_loss
from tui.screens.checkpoints.runs import Runs
from tui.screens.sample.choose import ChooseScreen, suggestion
from tui.screens.sample.desk import Desk
from tui.screens.sample.pane import OutputPane
from tui.screens.sample.panel import SettingsPanel
from tui.screens.sample.prompt import PromptField
from tui.screens.sample.talk import Phase, Side, process_words, summary, title
from tui.widgets.confirm import Confirm
from tui.widgets.lines import KeyLine, TopLine

_AREA = "Sample"
_PREFERENCE = "sample"
_DRAFT = "prompt"
_TRAINS = (RunState.RUNNING, RunState.STARTING)
_FORGET = Action(
    "forget", "f8", "Forget", "Delete all kept prompts and texts of this workspace", _AREA, False, True
)


class SampleScreen(Screen[None]):
    """One or two checkpoints, by their folders' names, and what they write."""

    CSS_PATH = "sample.tcss"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action(
            "write",
            "f5,ctrl+s",
            "Write",
            "Let the model go on from the prompt, as ⏎ does there",
            _AREA,
            False,
        ),
        Action(
            "again", "ctrl+r", "Again", "The last prompt once more: another text, unless a seed is set", _AREA
        ),
        Action("choose", "ctrl+o", "Checkpoint", "Choose another checkpoint to write", _AREA),
        Action(
            "beside", "ctrl+b", "Beside", "A second checkpoint beside the first, or one alone again", _AREA
        ),
        Action("settings", "f2", "Settings", "Temperature, length, seed and the like", _AREA),
        Action("copy", "ctrl+y", "Copy", "Copy the last text", _AREA),
        Action("clear", "ctrl+l", "Clear", "Put the texts away; prompts stay within reach", _AREA),
        Action("newer", "ctrl+n", "Newer", "Load what has been saved since", _AREA, False),
        Action("swap", "f3", "Swap", "Left becomes right", _AREA, False),
        Action(
            "start", "f4", "Start again", "Start the model process again after it has ended", _AREA, False
        ),
        _FORGET,
        Action(
            "back", "escape", "Back", "Stop what is being written; then back to where you came from", _AREA
        ),
    )
    EMPTY_ACTIONS: ClassVar[tuple[Action, ...]] = (ACTIONS[-1],)
    WRITING_ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("back", "escape", "Stop", "Write no more; what is there stays", _AREA),
        *ACTIONS[2:-1],
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(ACTIONS)
    app: Dashboard

    class Heard(Message):
        """The process of that number reported something."""

        def __init__(self, number: int, report: Told | Gone) -> None:
            super().__init__()
            self.number, self.report = number, report

    class Written(Message):
        """A text is complete, or came to nothing."""

        def __init__(self, side: Side) -> None:
            super().__init__()
            self.side = side

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
        self.query_one(TopLine).left = f"MyPT  {shown_path(self.app.workspace)}  ›  sample"
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

    def _tell(self, number: int, report: Told | Gone) -> None:
        # From a thread that may outlive the program's loop.
        with contextlib.suppress(RuntimeError):
            self.post_message(self.Heard(number, report))

    def on_sample_screen_heard(self, message: Heard) -> None:
        """Take the report in, and draw what looks different."""
        for side in self.desk.hear(message.number, message.report):
            self._show(side)
            if isinstance(message.report, Ended | Failed | Gone):
                self.post_message(self.Written(side))
        if not isinstance(message.report, Piece):
            # Many pieces come each second, and they change nothing but the text.
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
            value = step_and_loss(info, run.history if run else None)[1] if info else None
            known = self._losses[side.name] = (side.ready, value)
        return known[1]

    def _show_around(self) -> None:
        """The lines above and below the texts."""
        talk = self.desk.talk
        right = [process_words(talk)]
        if self.app.readonly:
            right.append("read-only")
        self.query_one(TopLine).right = " · ".join(right) if talk.sides else ""
        keys = self.WRITING_ACTIONS if talk.is_writing else self.ACTIONS
        self.query_one(KeyLine).show(keys if talk.sides else self.EMPTY_ACTIONS)
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

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def on_prompt_field_sent(self, message: PromptField.Sent) -> None:
        """Enter in the prompt."""
        if self._write(message.text):
            self.prompt.take("")

    def action_write(self) -> None:
        """Go on from what is typed."""
        self.on_prompt_field_sent(PromptField.Sent(self.prompt.text))

    def action_again(self) -> None:
        """The last prompt once more."""
        prompt = self.desk.last_prompt
        if prompt is None:
            self._warn("Nothing was asked yet: type a prompt and press ⏎")
        else:
            self._write(prompt)

    def _write(self, prompt: str) -> bool:
        """Let every side write; False, and the reason said, where that cannot be."""
        panel = self.panel
        if not self.desk.talk.sides:
            return False
        if self.desk.talk.is_writing:
            self._warn("It is still writing: esc stops it")
            return False
        try:
            settings = panel.settings()
        except UserError as error:
            self._warn(str(error))
            self._go_to_settings(wrong=True)
            return False
        self._choose_device()
        self.desk.write(
            prompt, settings, chat=panel.chat, system=panel["system"], same_seed=panel["same_seed"] == "yes"
        )
        for pane in self.query(OutputPane):
            pane.follow()
        self._show_all()
        return True

    def _warn(self, words: str) -> None:
        self.notify(words, severity="warning", markup=False)

    # ── actions ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _place_in_focus(self) -> int:
        """The pane that one is in; from elsewhere the one that one was in last."""
        focused = self.focused
        for pane in self.query(OutputPane):
            if focused is not None and pane in focused.ancestors:
                self._place = pane.number
        return min(self._place, max(len(self.desk.talk.sides) - 1, 0))

    def action_choose(self) -> None:
        """Choose another checkpoint for the pane in focus."""
        self._choose(self._place_in_focus)

    def on_output_pane_name_clicked(self, message: OutputPane.NameClicked) -> None:
        """A title was clicked."""
        self._choose(message.pane.number)

    def action_beside(self) -> None:
        """Choose a second checkpoint, or put the second away."""
        sides = self.desk.talk.sides
        if len(sides) == 2:
            self.desk.take_away(1)
            self._show_all()
        elif sides:
            self._choose(1)

    def _choose(self, place: int) -> None:
        sides = self.desk.talk.sides
        if not self.app.live.bundles:
            self._warn("There is no checkpoint to choose yet")
            return
        others = [side.name for number, side in enumerate(sides) if number != place]
        present = sides[place].name if place < len(sides) else None
        near = present or next(iter(others), None)
        what = "A checkpoint beside it" if present is None else "Another checkpoint"

        def chosen(name: str | None) -> None:
            if name is not None and name != present:
                self._put(place, name)
                self.desk.start()
                self._show_all()

        self.app.push_screen(ChooseScreen(what, others, near), chosen)

    def action_swap(self) -> None:
        """Left becomes right."""
        self.desk.talk.sides.reverse()
        self._show_all()

    def action_newer(self) -> None:
        """Load what is on disk now, where that is another one or could not be loaded before."""
        sides = [s for s in self.desk.talk.sides if s.newer is not None or s.phase is Phase.FAILED]
        if not sides:
            self.notify("What is in memory is what is on disk", markup=False)
        self._choose_device()
        for side in sides:
            self.desk.load(side)
        self._show_all()

    def action_start(self) -> None:
        """Start the process again."""
        if self.desk.pid is not None:
            self.notify("The model process is there", markup=False)
            return
        self._choose_device()
        self.desk.start()
        self._show_all()

    def action_copy(self) -> None:
        """Copy the last text of the pane in focus."""
        sides = self.desk.talk.sides
        side = sides[self._place_in_focus] if sides else None
        answer = next((a for a in reversed(side.answers) if a.text), None) if side else None
        if side is None or answer is None:
            self._warn("There is no text to copy yet")
            return
        self.app.copy_to_clipboard(answer.whole)
        what = "answer" if answer.chat else "text, with its prompt"
        self.notify(f"The {what} of {title(side.name)} is in the clipboard", markup=False)

    def action_clear(self) -> None:
        """Put the texts away."""
        self.desk.clear()
        self._show_all()

    def action_forget(self) -> None:
        """Delete the kept prompts and texts, if that is meant."""
        if not self.app.allow(_FORGET):
            return
        kept = len(self.desk.history.texts)
        question = f"Delete {kept} kept text{'s' * (kept != 1)} and all prompts of this workspace?"

        def answered(yes: bool | None) -> None:
            if yes:
                self.desk.forget()
                self.prompt.recall = self.desk.recall
                self._show_all()

        self.app.push_screen(Confirm(question, "Delete"), answered)

    def action_settings(self) -> None:
        """Into the settings, and back."""
        panel = self.panel
        if panel.has_focus_within:
            self._leave_settings()
        else:
            self._go_to_settings()

    def _go_to_settings(self, *, wrong: bool = False) -> None:
        # At once, and not with the next look at the style sheet: only what is shown takes the focus.
        self.panel.display = True
        self.set_focus(self.panel.first(wrong=wrong))

    def on_settings_panel_done(self) -> None:
        """Enter in the settings."""
        self._leave_settings()

    def on_settings_panel_edited(self, message: SettingsPanel.Edited) -> None:
        """What is drawn next is drawn so; another device needs the weights there."""
        before = self.desk.device
        self._choose_device()
        if message.setting == "device" and self.desk.device != before:
            for side in self.desk.talk.sides:
                self.desk.load(side)
        self._show_around()

    def _leave_settings(self) -> None:
        self.panel.styles.clear_rule("display")
        self.set_focus(self.prompt)

    def action_back(self) -> None:
        """One layer: the settings, what is being written, the texts, the screen."""
        prompt = self.prompt
        if self.panel.has_focus_within:
            self._leave_settings()
        elif self.desk.stop():
            pass
        elif self.focused is not None and self.focused is not prompt and self.desk.talk.sides:
            prompt.focus()
        else:
            self.dismiss()


def sample_of(app: Dashboard, model_name: str | None) -> SampleScreen:
    """The screen for a model: its gold, else what there is of it; of none, what was saved last."""
    name = suggestion(app.live.bundles, model_name)
    if name is None and model_name is not None:
        app.notify(
            f"{printable(model_name, newline=False)} has no checkpoint yet: one is saved at each evaluation",
            severity="warning",
        )
    return SampleScreen([name] if name else [])
