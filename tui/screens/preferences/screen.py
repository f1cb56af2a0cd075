"""Preferences: composition and routing. Every change holds at once and is kept."""

from __future__ import annotations

import shlex
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import DescendantBlur, DescendantFocus
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from mypt.text import printable
from tui.actions import Action, bindings
from tui.dashboard import Dashboard, shown_path
from tui.screens.preferences.options import NO, OPTIONS, YES, Option, command_of, theme_words
from tui.widgets.editors import Choice, Field
from tui.widgets.lines import KeyLine, TopLine

_AREA = "Preferences"


class Row(Horizontal):
    """One preference: what it is called and what it is."""

    def __init__(self, option: Option, editor: Widget) -> None:
        super().__init__(classes="row")
        self.option, self.editor = option, editor

    def compose(self) -> ComposeResult:
        """Label and value."""
        yield Static(self.option.label, classes="label", markup=False)
        yield self.editor


class PreferencesScreen(Screen[None]):
    """Theme, signs, alerts; the keys have a screen of their own behind this one."""

    CSS_PATH = "preferences.tcss"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("keys", "f2", "Your keys", "Give actions keys of your own", _AREA),
        Action("try_out", "f5", "Try alerts", "Send an alert by every way that is set", _AREA),
        Action("back", "escape", "Back", "Back to where you were", _AREA),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(ACTIONS),
        Binding(
            "down", "app.focus_next", "Down", show=False, tooltip="The next preference", id="preferences.down"
        ),
        Binding(
            "up", "app.focus_previous", "Up", show=False, tooltip="The preference before", id="preferences.up"
        ),
    ]
    app: Dashboard

    def compose(self) -> ComposeResult:
        """The groups one below the other, and the help of the one in focus."""
        yield TopLine()
        with VerticalScroll(id="options", can_focus=False):
            for group in dict.fromkeys(option.group for option in OPTIONS):
                with Vertical(classes="pane") as pane:
                    pane.border_title = group
                    for option in OPTIONS:
                        if option.group == group:
                            yield Row(option, self._editor(option))
        yield Static(id="help", markup=False)
        yield KeyLine(self.ACTIONS)

    def on_mount(self) -> None:
        """Begin with the first one."""
        self.query_one(TopLine).stand_at(shown_path(self.app.workspace), "preferences")
        self.query_one(TopLine).right = f"kept in {shown_path(self.app.prefs.path)} "
        self.query(Row).first().editor.focus()
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._show_theme(theme.name))

    def _editor(self, option: Option) -> Widget:
        value = self.app.prefs[option.name]
        if option.name == "theme":
            return Choice(theme_words(self.app.available_themes), self.app.theme, may_be_unset=False)
        if option.words:
            return Choice(option.words, YES if value else NO, may_be_unset=False)
        return Field(shlex.join(value), placeholder="none")

    # ── changing ────────────────────────────────────────────────────────────────────────────────────────────────

    def on_choice_changed(self, message: Choice.Changed) -> None:
        """It holds from now on."""
        message.stop()
        row = message.choice.parent
        if not isinstance(row, Row):
            return
        if row.option.name == "theme":
            self.app.theme = message.value
        elif row.option.name == "plain_signs":
            self.app.use_plain_signs(message.value == YES)
        else:
            self.app.prefs[row.option.name] = message.value == YES

    def on_input_changed(self, message: Field.Changed) -> None:
        """Say what is wrong while one types."""
        message.stop()
        self._help(message.input)

    def on_input_submitted(self, message: Field.Submitted) -> None:
        """Keep it, or say why not."""
        message.stop()
        self._keep(message.input, aloud=True)

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        """What was typed is kept when one goes on."""
        self._keep(event.widget, aloud=False)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Help for the one in focus."""
        self._help(event.widget)

    def _keep(self, editor: Widget, *, aloud: bool) -> None:
        row = editor.parent
        if not isinstance(editor, Field) or not isinstance(row, Row):
            return
        argv, wrong = command_of(editor.value)
        if wrong and not argv:
            self.notify(wrong, title=f"{row.option.label}: not kept", severity="warning")
            return
        self.app.prefs[row.option.name] = argv
        if aloud:
            self.notify(wrong or "f5 tries it", title=f"{row.option.label}: kept")

    def _help(self, editor: Widget) -> None:
        row = editor.parent
        if not isinstance(row, Row):
            return
        text = Text(row.option.help)
        if isinstance(editor, Field) and (wrong := command_of(editor.value)[1]):
            text = Text.assemble((f"{printable(wrong)}\n", self.app.theme_variables.get("error", "")), text)
        self.query_one("#help", Static).update(text)

    def _show_theme(self, name: str) -> None:
        editor = next(row.editor for row in self.query(Row) if row.option.name == "theme")
        if isinstance(editor, Choice):
            editor.value = name

    # ── actions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def action_keys(self) -> None:
        """Go to the keys."""
        from tui.screens.preferences.keys import KeysScreen

        self.app.push_screen(KeysScreen())

    def action_try_out(self) -> None:
        """An alert that means nothing, by every way."""
        if self.focused is not None:
            self._keep(self.focused, aloud=False)
        self.app.herald.try_out()

    def action_back(self) -> None:
        """Everything is kept already."""
        if self.focused is not None:
            self._keep(self.focused, aloud=False)
        self.dismiss(None)
