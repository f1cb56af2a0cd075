"""What asks for something: a box in the middle with lines to fill in, a place for what is wrong, and buttons."""

from __future__ import annotations

from typing import TypeVar

from rich.text import Text
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from mypt.text import printable
from tui.widgets.editors import Field

Answer = TypeVar("Answer")


class Dialogue(ModalScreen[Answer]):
    """The look that dialogues share. The box has the class `box`, its lines `line`, `label`, `note` and `buttons`."""

    DEFAULT_CSS = """
    Dialogue {
        align: center middle;
        background: $background 60%;
        & .box { width: 84; max-width: 95%; height: auto; max-height: 95%; background: $surface; padding: 1 2; }
        & .box Static { height: auto; }
        & .line { height: 1; margin-bottom: 1; }
        & .label { width: 10; color: $secondary; }
        & .line Field { width: 1fr; height: 1; border: none; padding: 0 1; background: $panel; }
        & .line Field:focus { background: $primary 20%; border: none; }
        & Choice { width: 1fr; height: 1; padding: 0 1; background: $panel; }
        & Choice:focus { background: $primary 20%; }
        & .note { color: $error; max-height: 6; }
        & .quiet { color: $foreground 60%; }
        & .buttons { height: 1; margin-top: 1; align-horizontal: right; }
        & .buttons Button { margin-left: 2; }
    }
    """


class Trial(Dialogue[Answer]):
    """A dialogue that tries what is filled in, with Enter or the button `save`, and says in its note what came of it.

    Whatever else is typed is another try; any other button, and escape, leave without one.
    """

    def try_it(self) -> None:
        """Do what the dialogue is for with what is filled in."""
        raise NotImplementedError

    def edited(self) -> None:
        """Something else is filled in."""
        self.say("")

    def pressed(self, button: str) -> None:
        """A button was pressed that tries nothing."""
        self.action_cancel()

    def say(self, words: str) -> None:
        """What is wrong, or to be known; nothing where `words` are empty."""
        self.query_one(".note", Static).update(Text(printable(words)))

    def on_input_changed(self, message: Field.Changed) -> None:
        """Another word."""
        message.stop()
        self.edited()

    def on_input_submitted(self, message: Field.Submitted) -> None:
        """Enter tries."""
        message.stop()
        self.try_it()

    def on_button_pressed(self, message: Button.Pressed) -> None:
        """A click answers."""
        message.stop()
        if message.button.id == "save":
            self.try_it()
        else:
            self.pressed(message.button.id or "")

    def action_cancel(self) -> None:
        """Nothing is done."""
        self.dismiss(None)
