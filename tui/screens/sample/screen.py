"""Sample: what one can do. Texts come from a process of their own, started once and ended with the screen."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from mypt.errors import UserError
from mypt.text import printable
from tui.actions import bindings
from tui.dashboard import Dashboard
from tui.screens.sample.actions import ACTIONS, FORGET
from tui.screens.sample.choose import ChooseScreen, suggestion
from tui.screens.sample.pane import OutputPane
from tui.screens.sample.panel import SettingsPanel
from tui.screens.sample.prompt import PromptField
from tui.screens.sample.stage import Stage
from tui.screens.sample.talk import Phase
from tui.screens.sample.words import title
from tui.widgets.confirm import Confirm


class SampleScreen(Stage):
    """Prompt, write, stop, choose, compare; nothing here changes a checkpoint."""

    CSS_PATH = "sample.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(ACTIONS)

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
        missing = [title(side.name) for side in self.desk.talk.sides if side.missing]
        if missing:
            self._warn(f"{' and '.join(missing)}: no longer on disk, so what is in memory is all there is")
        elif not sides:
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
        if not self.app.allow(FORGET):
            return
        kept = len(self.desk.history.texts)
        question = f"Delete {kept} kept text{'s' * (kept != 1)} and all prompts of this workspace?"

        def answered(yes: bool | None) -> None:
            if yes:
                self.desk.forget()
                self.prompt.recall = self.desk.recall
                self._show_all()

        self.app.push_screen(Confirm(question, "Delete"), answered)

    def action_page(self, way: int) -> None:
        """Scroll the texts, from the prompt."""
        for pane in self.query(OutputPane):
            by = way * max(pane.view.size.height - 1, 1)
            pane.view.scroll_relative(y=by, animate=False, immediate=True)

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
            self._show_all()
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
