"""What asks for something: a box in the middle with lines to fill in, a place for what is wrong, and buttons."""

from __future__ import annotations

from typing import TypeVar

from textual.screen import ModalScreen

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
        & Field { width: 1fr; height: 1; border: none; padding: 0 1; background: $panel; }
        & Field:focus { background: $primary 20%; border: none; }
        & Choice { width: 1fr; height: 1; padding: 0 1; background: $panel; }
        & Choice:focus { background: $primary 20%; }
        & .note { color: $error; max-height: 6; }
        & .quiet { color: $foreground 60%; }
        & .buttons { height: 1; margin-top: 1; align-horizontal: right; }
        & .buttons Button { margin-left: 2; }
    }
    """
