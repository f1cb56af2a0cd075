"""The parts of Home: the list of runs, the strip that stands in for it, and what is known of the one in view."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text
from textual.message import Message
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from mypt.runs.state import RunState
from mypt.watch.run import Run
from tui.screens.home import words


class RunList(OptionList):
    """Every run in two lines. The highlighted one is the one in view."""

    class Chosen(Message):
        """Another run is to be looked at."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._keys: list[str] = []
        self._shown: dict[str, object] = {}

    def show(self, runs: Sequence[Run], selected: str | None) -> None:
        """Show these runs; rows that look as before are not touched, and the selection stays."""
        width = max(self.scrollable_content_region.width - 2, 20)
        keys = [run.key for run in runs]
        colours = self.app.theme_variables
        if keys != self._keys:
            self._keys = keys
            self._shown = {}
            with self.prevent(OptionList.OptionHighlighted):
                self.clear_options()
                self.add_options(Option(words.run_row(run, width, colours)) for run in runs)
        for index, run in enumerate(runs):
            look = (
                width,
                run.history.revision,
                run.state,
                run.label,
                run.sentence,
                self.app.theme,
                _minute(run),
            )
            if self._shown.get(run.key) != look:
                self._shown[run.key] = look
                self.replace_option_prompt_at_index(index, words.run_row(run, width, colours))
        if selected in keys and self.highlighted != keys.index(selected):
            with self.prevent(OptionList.OptionHighlighted):
                self.highlighted = keys.index(selected)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Moving along the list looks at each run."""
        event.stop()
        if event.option_index < len(self._keys):
            self.post_message(self.Chosen(self._keys[event.option_index]))


def _minute(run: Run) -> int:
    # The time left counts down by itself; a new look every few seconds is plenty.
    return int((run.eta_s or 0) // 5) if run.state is RunState.RUNNING else 0


class RunStrip(Widget):
    """The runs in one line, for narrow terminals: the one in view, and its neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self._text = Text()

    def show(self, runs: Sequence[Run], selected: str | None) -> None:
        """Show these runs around the selected one."""
        keys = [run.key for run in runs]
        at = keys.index(selected) if selected in keys else 0
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        if runs:
            text.append(f"[{at + 1}/{len(runs)}] ", "dim")
        for place, run in enumerate(runs[at : at + 6]):
            chip = words.run_chip(run, self.app.theme_variables)
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

    def show(self, run: Run | None) -> None:
        """Show this run as it is now."""
        self._run = run
        self.refresh()

    def render(self) -> Text:
        """As many lines as the widget has."""
        run = self._run
        if run is None:
            return Text()
        colours, width = self.app.theme_variables, self.size.width
        over = run.state is not RunState.RUNNING
        lines = self.size.height - (1 if over else 0)
        text = words.flow(words.facts(run), width, max(lines, 1), colours)
        if over:
            note = words.next_step(run, colours)
            note.truncate(width, overflow="ellipsis")
            text = note + Text("\n") + text if text else note
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
