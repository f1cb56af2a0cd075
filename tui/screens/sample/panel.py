"""The settings of a text as a form: a line each, and below them what the one in focus means or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from mypt.sampling import settings
from mypt.sampling.settings import FIELDS, Settings
from tui.widgets.editors import Choice, Field

CHOICES: dict[str, tuple[tuple[str, ...], str]] = {
    "same_seed": (("yes", "no"), "Two checkpoints draw with the same seed, or the second with the next one"),
    "chat": (
        ("auto", "on", "off"),
        "The prompt is what a user says; auto: where the model was trained to answer",
    ),
    "device": (
        ("auto", "cpu", "cuda", "mps"),
        "Where the model computes; auto is the CPU while a run trains here",
    ),
}
"""What is chosen and not typed: the words, and what they mean. The first is the default."""
_SYSTEM_HELP = "What a model that answers is told before what you say"
_HINT = "f2 goes in here, ⏎ back to the prompt. An empty field means what it shows."
_NAMES = (*(field.name for field in FIELDS), "same_seed", "chat", "system", "device")


class SettingsPanel(Vertical):
    """All settings of a text. Empty fields have their defaults, which are shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "down", "move(1)", "Next field", show=False, tooltip="The next field", id="sample-settings.next"
        ),
        Binding(
            "up",
            "move(-1)",
            "Previous field",
            show=False,
            tooltip="The field before",
            id="sample-settings.before",
        ),
        Binding("enter", "done", "Done", show=False, tooltip="Back to the prompt", id="sample-settings.done"),
    ]

    class Edited(Message):
        """A value is another one now."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.setting = name

    class Done(Message):
        """Somebody pressed Enter: back to the prompt."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(id="settings", classes="pane")
        self.border_title = "Settings"
        typed = {name: value for name, value in given.items() if isinstance(value, str)}
        self._editors = {name: _editor(name, typed.get(name, "")) for name in _NAMES}

    def compose(self) -> ComposeResult:
        """A line each, and the help."""
        with VerticalScroll(id="fields", can_focus=False):
            for name in _NAMES:
                with Horizontal(classes="line"):
                    yield Static(name, classes="label", markup=False)
                    yield self._editors[name]
        yield Static(_HINT, id="settings-help", markup=False)

    def on_mount(self) -> None:
        """Say what is wrong from the beginning, where it is."""
        for name in self._editors:
            self._judge(name)

    @property
    def given(self) -> dict[str, str]:
        """What is typed and chosen, by setting."""
        return {name: editor.value for name, editor in self._editors.items() if editor.value}

    def __getitem__(self, name: str) -> str:
        return self._editors[name].value

    def settings(self) -> Settings:
        """The values. Raises `UserError` with all that is wrong."""
        return settings.parse(self.given)

    @property
    def chat(self) -> bool | None:
        """Whether the prompt is what a user says; None where the model decides."""
        return {"on": True, "off": False}.get(self["chat"])

    def first(self, *, wrong: bool = False) -> Field | Choice:
        """The first field, or the first that is wrong."""
        editors = list(self._editors.values())
        return next((editor for editor in editors if wrong and editor.has_class("-wrong")), editors[0])

    def action_move(self, by: int) -> None:
        """Go to a neighbour, and from the last to the first."""
        editors = list(self._editors.values())
        focused = self.screen.focused
        at = next((number for number, editor in enumerate(editors) if editor is focused), 0)
        self.screen.set_focus(editors[(at + by) % len(editors)])

    def action_done(self) -> None:
        """Back to the prompt."""
        self.post_message(self.Done())

    def on_input_submitted(self, message: Field.Submitted) -> None:
        """Enter in a field."""
        message.stop()
        self.action_done()

    def on_input_changed(self, message: Field.Changed) -> None:
        """Judge what was typed."""
        message.stop()
        self._edited(message.input.id or "")

    def on_choice_changed(self, message: Choice.Changed) -> None:
        """Take what was chosen."""
        message.stop()
        self._edited(message.choice.id or "")

    def on_descendant_focus(self, message: events.DescendantFocus) -> None:
        """Another field is spoken of."""
        self._explain(message.widget.id or "" if message.widget is not None else "")

    def _edited(self, name: str) -> None:
        self._judge(name)
        self._explain(name)
        self.post_message(self.Edited(name))

    def _judge(self, name: str) -> None:
        self._editors[name].set_class(bool(_problem(name, self[name])), "-wrong")

    def _explain(self, name: str) -> None:
        if name not in self._editors:
            return
        problem = _problem(name, self[name])
        text = Text(f"✗ {problem}" if problem else _help(name))
        if problem:
            text.stylize(self.app.theme_variables.get("error", ""))
        self.query_one("#settings-help", Static).update(text)


def _editor(name: str, value: str) -> Field | Choice:
    if name in CHOICES:
        words = CHOICES[name][0]
        return Choice(words, value if value in words else words[0], may_be_unset=False, id=name)
    shown = next((field.unset for field in FIELDS if field.name == name), "none")
    return Field(value, placeholder=shown, id=name)


def _problem(name: str, text: str) -> str:
    return settings.problem_of(name, text) if any(field.name == name for field in FIELDS) else ""


def _help(name: str) -> str:
    if name == "system":
        return _SYSTEM_HELP
    if name in CHOICES:
        return CHOICES[name][1]
    return next(field.help for field in FIELDS if field.name == name)
