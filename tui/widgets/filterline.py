"""The line in which a filter is written: it filters as one types, and says below what it does not understand."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, Static


class FilterInput(Input):
    """The field; Enter and the arrow down leave it, Escape takes the filter away."""

    HELP_NAME = "the filter"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear_all", "Clear", tooltip="Show everything again", id="filter.clear"),
        Binding("enter,down", "leave", "Done", tooltip="Back to what matches", id="filter.leave"),
    ]

    class Left(Message):
        """Writing is over."""

    def action_clear_all(self) -> None:
        """No filter any more."""
        self.value = ""
        self.post_message(self.Left())

    def action_leave(self) -> None:
        """Keep the filter."""
        self.post_message(self.Left())


class FilterLine(Vertical):
    """A field and a line below it. Hidden until `open`."""

    DEFAULT_CSS = """
    FilterLine {
        height: 2;
        display: none;
        padding: 0 1;
        background: $panel;
        &.open { display: block; }
        & FilterInput { height: 1; border: none; padding: 0; background: transparent; }
        & FilterInput:focus { border: none; }
        & Static { height: 1; }
    }
    """

    class Changed(Message):
        """The filter reads differently now; `finished` when writing is over."""

        def __init__(self, text: str, *, finished: bool = False) -> None:
            super().__init__()
            self.text, self.finished = text, finished

    class Closed(Message):
        """The line is gone again; `elsewhere` where something else has the focus already."""

        def __init__(self, elsewhere: bool) -> None:
            super().__init__()
            self.elsewhere = elsewhere

    def __init__(
        self,
        placeholder: str = "filter: name, setting or result",
        hint: str = "dante  learning_rate>=1e-4  state:running,failed  val<2.5  -base:none",
        everything: str = "every run",
    ) -> None:
        """`hint` shows what one can write, `everything` is what there is without a filter."""
        super().__init__()
        self._placeholder, self._hint, self._everything = placeholder, hint, everything

    def compose(self) -> ComposeResult:
        """The field and what is said of it."""
        yield FilterInput(placeholder=self._placeholder, id="filter-input", compact=True)
        yield Static(id="filter-said", markup=False)

    def open(self, text: str) -> None:
        """Show the line with this filter and write in it."""
        field = self.query_one(FilterInput)
        self.add_class("open")
        with field.prevent(Input.Changed):
            field.value = text
        field.cursor_position = len(text)
        self.say("")
        field.focus()

    def say(self, problem: str, note: str = "") -> None:
        """What is wrong with the filter, else `note`, else what one can write."""
        colours = self.app.theme_variables
        said = Text(problem, colours.get("error", "red")) if problem else Text(note or self._hint, "dim")
        said.append(f"   ⏎ keeps it, esc shows {self._everything}", "dim")
        said.no_wrap, said.overflow = True, "ellipsis"
        self.query_one("#filter-said", Static).update(said)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as one types."""
        event.stop()
        self.post_message(self.Changed(event.value))

    def on_filter_input_left(self, event: FilterInput.Left) -> None:
        """Close."""
        event.stop()
        self._close()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """A click elsewhere closes it too."""
        self._close(elsewhere=True)

    def _close(self, *, elsewhere: bool = False) -> None:
        if not self.has_class("open"):
            return
        self.remove_class("open")
        self.post_message(self.Changed(self.query_one(FilterInput).value, finished=True))
        self.post_message(self.Closed(elsewhere))
