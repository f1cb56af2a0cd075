"""A list of lines that may be long: draws only what is in view, and can follow its end."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.text import Text
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip


class LineView(ScrollView, can_focus=True):
    """Lines of text. With `follow` it stays at the end as lines come, until somebody scrolls up; End goes back."""

    DEFAULT_CSS = """
    LineView {
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        overflow-x: hidden;
        background: transparent;
    }
    """

    empty: reactive[str] = reactive("")

    class Scrolled(Message):
        """Other lines are in view, or the end is followed again, or no more."""

    def __init__(self, *, follow: bool = False, empty: str = "", id: str | None = None) -> None:
        super().__init__(id=id)
        self._follow = self.following = follow
        self._moving = False
        self._lines: list[Text] = []
        self.set_reactive(LineView.empty, empty)

    @property
    def lines(self) -> Sequence[Text]:
        """What is shown, styled."""
        return self._lines

    def show(self, lines: Sequence[Text]) -> None:
        """Show these lines. Whoever has scrolled away from the end keeps the place."""
        longer = len(lines) != len(self._lines)
        self._lines = list(lines)
        if longer:
            # Anything but this costs no new layout.
            self.virtual_size = Size(self.size.width, len(self._lines))
        if self.following:
            self.call_after_refresh(self._to_end)
        elif self.scroll_offset.y > self.max_scroll_y:
            self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True)
        self.refresh()

    def on_resize(self) -> None:
        """The end stays in view where it was."""
        if self.following:
            self.call_after_refresh(self._to_end)

    def watch_scroll_y(self, before: float, after: float) -> None:
        """Scrolling up leaves the end, coming back to it follows again."""
        super().watch_scroll_y(before, after)
        if self._follow and not self._moving:
            self.following = after >= self.max_scroll_y
            self.post_message(self.Scrolled())

    def look_at(self, row: int) -> None:
        """Bring a line into view, and leave the end unless it is there."""
        top, height = self.scroll_offset.y, max(self.size.height, 1)
        if not top <= row < top + height:
            self.scroll_to(y=max(row - height // 2, 0), animate=False, immediate=True)
        if self._follow:
            self.following = self.scroll_offset.y >= self.max_scroll_y and row >= len(self._lines) - height

    def _to_end(self) -> None:
        self._moving = True
        self.scroll_end(animate=False, immediate=True, force=True)
        self._moving = False

    def render_line(self, y: int) -> Strip:
        """One line in view, cut at the edge."""
        width = self.scrollable_content_region.width
        base = self.rich_style
        row = y + self.scroll_offset.y
        if row < len(self._lines):
            text = self._lines[row]
            if text.cell_len > width:
                text = text.copy()
                text.truncate(width, overflow="ellipsis")
        elif y == 0 and not self._lines and self.empty:
            text = Text(self.empty, "dim")
        else:
            return Strip.blank(width, base)
        own = self.app.console.get_style(text.style) if text.style else None
        segments = Segment.apply_style(
            (s for s in text.render(self.app.console) if s.text and s.text != "\n"), own
        )
        return Strip(Segment.apply_style(segments, base)).adjust_cell_length(width, base)
