"""What the run in view has printed: followed, searched, filtered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from mypt.text import printable, whole
from mypt.watch.run import Run
from tui.dashboard import Dashboard
from tui.widgets.lineview import LineView


class ConsolePanel(Vertical):
    """The lines, and below them what is searched for. `/` searches, `&` shows only what is found."""

    HELP_NAME = "the console output"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", False, id="console.search", tooltip="Search the output"),
        Binding("n", "found(1)", "Next", False, id="console.next", tooltip="The next line that was found"),
        Binding("N", "found(-1)", "Before", False, id="console.before", tooltip="The one before it"),
        Binding(
            "ampersand",
            "only_found",
            "Filter",
            False,
            id="console.filter",
            tooltip="Only what was found, or all",
        ),
        Binding("escape", "leave", "Leave", False, id="console.leave", tooltip="End the search"),
    ]
    app: Dashboard

    def __init__(self) -> None:
        super().__init__(id="console-panel")
        self._lines: Sequence[str] = ()
        self._wanted = ""
        self._only = False
        self._found: list[int] = []
        self._row_of: dict[int, int] = {}
        # Lines as they stand at this width: of thousands only a few are new each time.
        self._width = 0
        self._folds: dict[str, list[Text]] = {}
        self._at = -1

    def compose(self) -> ComposeResult:
        """Lines and search field."""
        yield LineView(id="console", follow=True, empty="no output is kept of this run")
        yield Input(placeholder="search the output; enter: next, esc: end", id="console-search", compact=True)

    def on_mount(self) -> None:
        """The field comes when it is asked for."""
        self.query_one(Input).display = False

    @property
    def view(self) -> LineView:
        """The lines."""
        return self.query_one("#console", LineView)

    @property
    def only(self) -> bool:
        """Whether only what was found is shown."""
        return self._only and bool(self._wanted)

    def show_run(self, run: Run) -> None:
        """The console comes by itself: see `show_console`."""

    def show_console(self) -> None:
        """Show what was printed."""
        if self.is_mounted:
            self._lines = self.app.live.console.lines
            self._show()

    def set_large(self, large: bool) -> None:
        """It looks the same."""

    def heading(self) -> str:
        """What it is, and whether it follows."""
        return "Console"

    def note(self) -> str:
        """What was found, or what is out of sight; else the file."""
        if self._wanted:
            total = len(self._found)
            place = f"{self._at + 1} of " if self._at >= 0 else ""
            shown = ", only these are shown" if self.only else ""
            return f"{place}{whole(total)} found{shown}" if total else "not found"
        view = self.view
        below = len(view.lines) - view.scroll_offset.y - view.size.height
        if not view.following and below > 0:
            return f"{whole(below)} lines below, end follows"
        path = self.app.live.console.path
        if path is not None and path.is_relative_to(self.app.workspace):
            return printable(str(path.relative_to(self.app.workspace)), newline=False)
        return ""

    # ── searching ───────────────────────────────────────────────────────────────────────────────────────────────

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of a search are others' while nothing is searched for."""
        if action in ("found", "only_found"):
            return bool(self._wanted)
        if action == "leave":
            return bool(self._wanted) or self.query_one(Input).display
        return True

    def action_search(self) -> None:
        """Ask what to search for."""
        field = self.query_one(Input)
        field.display = True
        field.focus()

    def action_leave(self) -> None:
        """Forget what was searched for, and show everything."""
        field = self.query_one(Input)
        field.value, self._wanted, self._only, self._at = "", "", False, -1
        field.display = False
        self.view.focus()
        self._show()

    def action_only_found(self) -> None:
        """Only what was found, or everything."""
        self._only = not self._only
        self._show()

    def action_found(self, by: int) -> None:
        """Go to the next line that was found."""
        if not self._found:
            return
        at = self._at if self._at >= 0 else (len(self._found) if by < 0 else -1)
        self._at = (at + by) % len(self._found)
        self._show()
        self.view.look_at(self._row_of[self._found[self._at]])

    def on_input_changed(self, message: Input.Changed) -> None:
        """What is typed is found at once, the last place first."""
        message.stop()
        self._wanted, self._at = message.value, -1
        self._find()
        if self._found:
            self.action_found(-1)
        else:
            self._show()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """On to the place before, with the keys of the lines."""
        message.stop()
        if not self._wanted:
            self.action_leave()
            return
        self.view.focus()

    def _find(self) -> None:
        wanted = self._wanted.casefold()
        self._found = [n for n, line in enumerate(self._lines) if wanted in line.casefold()] if wanted else []
        self._at = min(self._at, len(self._found) - 1)

    def _show(self) -> None:
        self._find()
        numbers: Sequence[int] = self._found if self.only else range(len(self._lines))
        chosen = self._found[self._at] if self._at >= 0 else -1
        hits = set(self._found)
        width = self.view.scrollable_content_region.width
        before = self._folds if width == self._width else {}
        # What is out of sight for a while is not folded anew when it is back; what is gone is forgotten.
        self._folds = dict(before) if self.only else {}
        self._width, self._row_of = width, {}
        rows: list[Text] = []
        for number in numbers:
            self._row_of[number] = len(rows)
            if number in hits:
                rows += self._folded(self._hit(number, number == chosen))
            else:
                line = self._lines[number]
                plain = before.get(line) or self._folds.get(line) or self._folded(Text(line, end=""))
                self._folds[line] = plain
                rows += plain
        self.view.show(rows)
        # What was found is told in the frame.
        self.post_message(LineView.Scrolled())

    def on_resize(self) -> None:
        """Long lines are folded elsewhere."""
        self._show()

    def _folded(self, line: Text) -> list[Text]:
        """Why something failed stands at the end of a long line as often as not."""
        if line.cell_len <= self._width or not self._width:
            return [line]
        return list(line.wrap(self.app.console, self._width))

    def _hit(self, number: int, chosen: bool) -> Text:
        text = Text(self._lines[number], end="")
        colour = self.app.theme_variables.get("warning", "yellow")
        text.highlight_words([self._wanted], f"bold {colour}", case_sensitive=False)
        if chosen:
            text.stylize("reverse")
        return text
