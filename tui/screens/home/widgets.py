"""The parts of Home: the list of runs, the strip that stands in for it, and what is known of the one in view."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from rich.containers import Lines
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from mypt.runs.state import RunState
from mypt.watch.forecast import Forecast, NoForecast
from mypt.watch.run import Run
from tui.chart.look import palette_style
from tui.doing import ordinal
from tui.overlay import Overlay
from tui.screens.home import words


class RunList(ScrollView, can_focus=True):
    """Every run in two lines. The highlighted one is the one in view; only rows that look different are drawn."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False, tooltip="The run above", id="runs.up"),
        Binding("down", "move(1)", "Down", show=False, tooltip="The run below", id="runs.down"),
        Binding("pageup", "move(-10)", "Page up", show=False, tooltip="Ten runs up", id="runs.page-up"),
        Binding(
            "pagedown", "move(10)", "Page down", show=False, tooltip="Ten runs down", id="runs.page-down"
        ),
        Binding("home", "move(-1000000)", "First", show=False, tooltip="The first run", id="runs.first"),
        Binding("end", "move(1000000)", "Last", show=False, tooltip="The last run", id="runs.last"),
    ]
    HELP_NAME = "the list of runs"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"runs--chosen"}
    empty: reactive[str] = reactive("")
    """What an empty list says."""
    _HEIGHT = 2

    class Chosen(Message):
        """Another run is to be looked at."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__()
        self._runs: list[Run] = []
        self._keys: list[str] = []
        self._looks: list[object] = []
        self._labels: frozenset[str] = frozenset()
        self._chosen: int | None = None
        self._colours: dict[str, str | None] = {}
        self._places: dict[str, str] = {}
        self._pinned: Collection[str] = ()
        self._hidden: Collection[str] = ()

    def show(
        self,
        runs: Sequence[Run],
        selected: str | None,
        overlay: Overlay,
        *,
        line: Sequence[Run] = (),
        pinned: Collection[str] = (),
        hidden: Collection[str] = (),
    ) -> None:
        """Show these runs; the selection stays in view when it moves. Those on the chart wear its colour.

        `line` is the whole queue, whose turn is next first: places are counted in it, also where not all are listed.
        """
        self._colours = {key: overlay.colour(key) for key in overlay.keys}
        self._places = {run.key: ordinal(at + 1) for at, run in enumerate(line)}
        self._pinned, self._hidden = pinned, hidden
        keys = [run.key for run in runs]
        labels = frozenset(run.label for run in runs)
        looks = [self._look(run) for run in runs]
        chosen = keys.index(selected) if selected in keys else None
        if keys != self._keys or labels != self._labels:
            self._runs, self._keys, self._looks, self._labels = list(runs), keys, looks, labels
            self.virtual_size = Size(self.scrollable_content_region.width, self._HEIGHT * len(keys))
            self.refresh()
        else:
            for index, (before, now) in enumerate(zip(self._looks, looks, strict=True)):
                if before != now:
                    self._refresh_row(index)
            self._looks = looks
        if chosen != self._chosen:
            for place in (self._chosen, chosen):
                if place is not None:
                    self._refresh_row(place)
            self._chosen = chosen
            if chosen is not None:
                row = Region(0, self._HEIGHT * chosen, 1, self._HEIGHT)
                self.scroll_to_region(row, animate=False, force=True, immediate=True)

    def _look(self, run: Run) -> object:
        """Everything that a row depends on, in one value."""
        history = run.history
        val = history.latest("val")
        shown = val if val is not None else history.latest("train")
        return (
            self.app.theme,
            run.state,
            run.label,
            run.sentence,
            words.percent(history.progress),
            repr(shown),
            history.gold,
            _countdown(run),
            self._colours.get(run.key),
            self._places.get(run.key),
            run.key in self._pinned,
            run.key in self._hidden,
        )

    def _refresh_row(self, index: int) -> None:
        top = self._HEIGHT * index - self.scroll_offset.y
        if -self._HEIGHT < top < self.size.height:
            self.refresh(Region(0, max(top, 0), self.size.width, self._HEIGHT))

    def render_line(self, y: int) -> Strip:
        """One of the two lines of a row."""
        width, row = self.size.width, y + self.scroll_offset.y
        index, line = divmod(row, self._HEIGHT)
        chosen = index == self._chosen
        style = self.get_component_rich_style("runs--chosen") if chosen else self.rich_style
        if index >= len(self._runs):
            said = self.empty.split("\n") if not self._runs else []
            words_here = said[y] if y < len(said) else ""
            return Strip([Segment(f" {words_here}")]).adjust_cell_length(width).apply_style(style)
        segments = [s for s in self._row(index)[line].render(self.app.console) if s.text != "\n"]
        colour = self._colours.get(self._runs[index].key)
        edge = Segment("▌", palette_style(self, colour)) if colour else Segment(" ")
        strip = Strip([edge, *segments]).adjust_cell_length(width)
        return strip.apply_style(style) if chosen else Strip(Segment.apply_style(strip, style))

    def _row(self, index: int) -> Lines:
        run = self._runs[index]
        return words.run_row(
            run,
            self.size.width - 2,
            self.app.theme_variables,
            among=self._labels,
            place=self._places.get(run.key, ""),
            pinned=run.key in self._pinned,
            hidden=run.key in self._hidden,
        ).split("\n")

    def on_click(self, event: events.Click) -> None:
        """A click looks at a run."""
        if (offset := event.get_content_offset(self)) is not None:
            self._choose((offset.y + self.scroll_offset.y) // self._HEIGHT)

    def action_move(self, by: int) -> None:
        """Look at the run so many rows further."""
        if self._keys:
            at = 0 if self._chosen is None else self._chosen + by
            self._choose(min(max(at, 0), len(self._keys) - 1))

    def _choose(self, index: int) -> None:
        if 0 <= index < len(self._keys) and index != self._chosen:
            self.post_message(self.Chosen(self._keys[index]))


def _countdown(run: Run) -> str:
    # The time left counts down by itself; a new look every few seconds is plenty.
    if run.state is not RunState.RUNNING or run.eta_s is None:
        return ""
    return str(int(run.eta_s // 5))


class RunStrip(Widget):
    """The runs in one line, for narrow terminals: the one in view, and its neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self._text = Text()

    def show(
        self,
        runs: Sequence[Run],
        selected: str | None,
        empty: str = "",
        *,
        pinned: Collection[str] = (),
        hidden: Collection[str] = (),
    ) -> None:
        """Show these runs around the selected one; `empty` where there is none."""
        keys = [run.key for run in runs]
        at = keys.index(selected) if selected in keys else 0
        text = Text(empty.replace("\n", ": "), no_wrap=True, overflow="ellipsis", end="")
        if runs:
            text = Text(no_wrap=True, overflow="ellipsis", end="")
            text.append(f"[{at + 1}/{len(runs)}] ", "dim")
        labels = frozenset(run.label for run in runs)
        for place, run in enumerate(runs[at : at + 6]):
            chip = words.run_chip(
                run,
                self.app.theme_variables,
                among=labels,
                pinned=run.key in pinned,
                hidden=run.key in hidden,
            )
            if place == 0:
                chip.stylize("reverse")
            chip.stylize(Style(meta={"@click": f"screen.choose({at + place})"}))
            text.append(chip)
            text.append("  ")
        if text != self._text:
            self._text = text
            self.refresh()

    def render(self) -> Text:
        """The line."""
        return self._text


class Facts(Widget):
    """What is known of the run in view: labelled numbers, and for a run that has ended why."""

    def __init__(self) -> None:
        super().__init__()
        self._run: Run | None = None
        self._expected: Forecast | NoForecast | None = None

    def show(self, run: Run | None, expected: Forecast | NoForecast | None = None) -> None:
        """Show this run as it is now, and what its end is expected to be."""
        self._run, self._expected = run, expected
        self.set_class(run is not None and not words.speaks_for_itself(run), "over")
        self.refresh()

    def render(self) -> Text:
        """As many lines as the widget has."""
        run = self._run
        if run is None:
            return Text()
        colours, width, room = self.app.theme_variables, self.size.width, self.size.height
        if words.speaks_for_itself(run):
            return words.flow(words.facts(run, self._expected), width, max(room, 1), colours)
        note = words.next_step(run, colours).wrap(self.app.console, max(width, 1))
        # Why a run ended comes before its numbers, but one line of these stays, where there are any.
        shown = note[: max(room - 1, 1) if run.history.curves else max(room, 1)]
        if len(note) > len(shown):
            shown[-1].truncate(width - 1)
            shown[-1].append("…")
        text = Text("\n").join(shown)
        if (left := room - len(shown)) > 0:
            text = text + Text("\n") + words.flow(words.facts(run, self._expected), width, left, colours)
        return text


class Welcome(Widget):
    """What an empty workspace shows: where one is and the two ways to begin."""

    def render(self) -> Text:
        """A few lines, in the middle."""
        colours = self.app.theme_variables
        key = f"bold {colours.get('primary', '')}"
        text = Text(justify="center")
        text.append("No runs here yet\n\n", "bold")
        text.append(" d ", key + " reverse")
        text.append("  Try the demo\n", "bold")
        text.append(
            "A small model learns to tell little stories before your eyes.\n"
            "It takes a minute or two, on any machine, with no network.\n\n",
            "dim",
        )
        text.append(" n ", key + " reverse")
        text.append("  New run\n", "bold")
        text.append("Choose a preset and a text of your own.\n\n", "dim")
        text.append("A run that is started in a shell with `mypt train` appears here by itself.", "dim")
        return text
