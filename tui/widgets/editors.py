"""What values are typed into and chosen with: one line high, and nothing in them is read as markup."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input
from textual.widgets.input import Selection

from mypt.text import printable


class Field(Input):
    """A line of text. While `held` it takes no typing, and says so instead of staying mute.

    Whoever comes by a key finds what is in it selected, so that typing replaces it; a click puts the cursor where it is.
    """

    class Refused(Message):
        """Something was typed into a field that is held."""

        def __init__(self, field: Field) -> None:
            super().__init__()
            self.field = field

    held: reactive[bool] = reactive(False, toggle_class="-held")

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(value, placeholder=placeholder, id=id, compact=True, select_on_focus=True)

    def watch_held(self, held: bool) -> None:
        """Only emptiness fits into a held field."""
        self.restrict = r"(?!)" if held else None

    def restricted(self) -> None:
        """A key was refused."""
        self.post_message(self.Refused(self))


class FileField(Field):
    """The name of a file, of which folder and ending mostly stay: only what is between them is selected."""

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(value, placeholder=placeholder, id=id)
        self.select_on_focus = False

    def on_focus(self, event: events.Focus) -> None:
        """Select the name; a window that comes to the front again changes nothing."""
        if not event.from_app_focus:
            path = PurePath(self.value)
            end = len(self.value) - len(path.suffix)
            self.selection = Selection(end - len(path.stem), end)


class Choice(Widget, can_focus=True):
    """One of a few words, or none of them (`""`). Left, right and space change it, a first letter jumps, so does a click."""

    class Changed(Message):
        """Another word was chosen."""

        def __init__(self, choice: Choice, value: str) -> None:
            super().__init__()
            self.choice, self.value = choice, value

        @property
        def control(self) -> Choice:
            """The choice."""
            return self.choice

    class Refused(Message):
        """A choice that is held was to be changed."""

        def __init__(self, choice: Choice) -> None:
            super().__init__()
            self.choice = choice

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "right,space", "turn(1)", "Next value", show=False, tooltip="The next value", id="choice.next"
        ),
        Binding(
            "left", "turn(-1)", "Previous value", show=False, tooltip="The value before", id="choice.before"
        ),
        Binding(
            "backspace,delete",
            "choose('')",
            "Unset",
            show=False,
            tooltip="Leave it to preset and default",
            id="choice.unset",
        ),
    ]

    value: reactive[str] = reactive("")
    placeholder: reactive[str] = reactive("")
    held: reactive[bool] = reactive(False, toggle_class="-held")

    def __init__(
        self, choices: Sequence[str], value: str = "", *, may_be_unset: bool = True, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._choices = (*([""] if may_be_unset else []), *choices)
        self.set_reactive(Choice.value, value)
        self.set_class(not value, "-unset")

    def offer(self, choices: Sequence[str], value: str) -> None:
        """Let these be the words from now on and `value` the chosen one, silently."""
        self._choices = (*([""] if self._choices[:1] == ("",) else []), *choices)
        self.value = value
        self.refresh()

    def watch_value(self, value: str) -> None:
        """What was not chosen looks like a field's placeholder."""
        self.set_class(not value, "-unset")

    def render(self) -> Text:
        """The word, and arrows where keys would change it."""
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        text.append(printable(self.value or self.placeholder, newline=False))
        if not self.held:
            text.append(" ◂▸")
        return text

    def action_turn(self, by: int) -> None:
        """Go to the next word, or back."""
        if not self._choices:
            return
        at = self._choices.index(self.value) if self.value in self._choices else 0
        self.action_choose(self._choices[(at + by) % len(self._choices)])

    def action_choose(self, value: str) -> None:
        """Take this word."""
        if self.held and value:
            self.post_message(self.Refused(self))
        elif value in self._choices and value != self.value:
            self.value = value
            self.post_message(self.Changed(self, value))

    def on_key(self, event: events.Key) -> None:
        """A letter takes the next word that begins with it."""
        letter = (event.character or "").lower()
        if not letter.strip() or not letter.isalnum():
            return
        at = self._choices.index(self.value) if self.value in self._choices else 0
        later = [*self._choices[at + 1 :], *self._choices[: at + 1]]
        found = next((word for word in later if word.lower().startswith(letter)), None)
        if found is not None:
            event.stop()
            event.prevent_default()
            self.action_choose(found)

    def on_click(self) -> None:
        """A click is the next word."""
        self.action_turn(1)
