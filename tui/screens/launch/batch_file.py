"""The batch file of a run, whole, before it is handed to SLURM."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Static

from mypt.text import printable
from tui.widgets.dialogue import Dialogue

if TYPE_CHECKING:
    from tui.dashboard import Dashboard


class BatchFileScreen(Dialogue[bool]):
    """Shows the file; dismissed with whether it is to be submitted."""

    app: Dashboard

    DEFAULT_CSS = """
    BatchFileScreen {
        & .box { width: 112; height: 95%; }
        & VerticalScroll > Static { padding: 0 1 0 0; }
        & VerticalScroll { height: 1fr; margin-bottom: 1; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f5", "answer(True)", "Submit", tooltip="Hand it to SLURM", id="batch-file.submit"),
        Binding("escape", "answer(False)", "Back", tooltip="Back to the form", id="batch-file.back"),
        Binding("ctrl+y", "copy", "Copy", tooltip="Copy the batch file", id="batch-file.copy"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The file scrolls; what can be done with it stays in sight."""
        with Vertical(classes="pane box") as box:
            box.border_title = "What SLURM gets"
            with VerticalScroll():
                yield Static(self._picture())
            yield Static("RUN is named when it is submitted; the file stays in that folder", classes="quiet")
            with Horizontal(classes="buttons"):
                yield Button("Submit ^s", id="submit", variant="primary", compact=True)
                yield Button("Copy ^y", id="copy", compact=True)
                yield Button("Back esc", id="back", compact=True)

    def on_mount(self) -> None:
        """Up and down read on at once."""
        self.query_one(VerticalScroll).focus()

    def on_button_pressed(self, message: Button.Pressed) -> None:
        """A click does what the key does."""
        message.stop()
        if message.button.id == "copy":
            self.action_copy()
        else:
            self.dismiss(message.button.id == "submit")

    def action_answer(self, yes: bool) -> None:
        """Submit it, or go back."""
        self.dismiss(yes)

    def action_copy(self) -> None:
        """Copy the whole file."""
        self.app.copy(self._text, "the batch file")

    def _picture(self) -> Text:
        ink = self.app.theme_variables
        text = Text(overflow="fold")
        for line in self._text.splitlines(keepends=True):
            style = (
                ink.get("accent", "") if line.startswith("#SBATCH") else "dim" if line.startswith("#") else ""
            )
            text.append(printable(line), style)
        return text
