"""Where one types what a model goes on from: several lines, sent by Enter, with what was asked before at hand."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from tui.screens.sample.history import Recall


class PromptField(TextArea):
    """A few lines of text. Enter sends; terminals do not tell Ctrl+Enter from it, so a new line is Ctrl+J."""

    HELP_NAME = "the prompt"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter,ctrl+enter",
            "send",
            "Write",
            show=False,
            tooltip="Let the model go on from this",
            id="sample-prompt.write",
        ),
        Binding(
            "ctrl+j,shift+enter",
            "new_line",
            "New line",
            show=False,
            tooltip="A new line; so is \\ before Enter",
            id="sample-prompt.new-line",
        ),
        Binding(
            "up",
            "older",
            "Older",
            show=False,
            tooltip="In the first line: the prompt before",
            id="sample-prompt.older",
        ),
        Binding(
            "down",
            "newer",
            "Newer",
            show=False,
            tooltip="In the last line: the prompt after it",
            id="sample-prompt.newer",
        ),
        Binding(
            "pageup",
            "screen.page(-1)",
            "Texts up",
            show=False,
            tooltip="Scroll the texts up",
            id="sample-prompt.texts-up",
        ),
        Binding(
            "pagedown",
            "screen.page(1)",
            "Texts down",
            show=False,
            tooltip="Scroll the texts down",
            id="sample-prompt.texts-down",
        ),
        # A text field takes this for redo, and here it is worth more.
        Binding(
            "ctrl+y",
            "screen.copy",
            "Copy",
            show=False,
            tooltip="Copy what was written last",
            id="sample-prompt.copy",
        ),
    ]

    class Sent(Message):
        """What was typed is to be gone on from."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, text: str = "", *, recall: Recall) -> None:
        super().__init__(text, id="prompt", compact=True, highlight_cursor_line=False, tab_behavior="focus")
        self.recall = recall
        self.placeholder = "What the text goes on from. Empty: the model begins by itself"

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            # The field itself would break the line; not stopped here, the key comes to its binding.
            event.prevent_default()

    def action_send(self) -> None:
        r"""Send, unless the line ends with a backslash: then it is broken there."""
        row, column = self.cursor_location
        if column and self.document[row][column - 1 : column] == "\\":
            self.action_delete_left()
            self.action_new_line()
        else:
            self.post_message(self.Sent(self.text))

    def action_new_line(self) -> None:
        """Break the line."""
        self.insert("\n")

    def action_older(self) -> None:
        """Up, and from the first line to the prompt before."""
        if self.navigator.is_first_wrapped_line(self.cursor_location):
            self._recall(-1)
        else:
            self.action_cursor_up()

    def action_newer(self) -> None:
        """Down, and from the last line to the prompt after."""
        if self.navigator.is_last_wrapped_line(self.cursor_location):
            self._recall(1)
        else:
            self.action_cursor_down()

    def take(self, text: str) -> None:
        """Have this text, with the cursor behind it."""
        self.text = text
        self.move_cursor(self.document.end)

    def _recall(self, by: int) -> None:
        found = self.recall.move(by, self.text)
        if found is not None:
            self.take(found)
            if by < 0:
                # From here the next step up leads further back, however many lines this one has.
                self.move_cursor((0, len(self.document[0])))
