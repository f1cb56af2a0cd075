"""What the run in view was set to, and where each value came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from mypt.text import printable
from mypt.watch.run import Run
from tui.dashboard import Dashboard
from tui.widgets.lines import fit
from tui.widgets.lineview import LineView

_WIDEST_NAME = 24
_WIDEST_VALUE = 40
_NARROWEST_VALUE = 10
_BESIDE = _WIDEST_NAME + _NARROWEST_VALUE + 12
"""Below this many cells a third column would leave nothing readable of the other two."""
_BY_DEFAULT = "default"
_HEADINGS = (("settings", "Settings"), ("model", "Model"), ("runtime", "Machine"))


class ConfigPanel(LineView):
    """A line a setting: those that somebody decided first, then those by default."""

    HELP_NAME = "the settings"
    app: Dashboard

    def __init__(self) -> None:
        super().__init__(id="config", empty="its settings are not known")
        self._look: object = None
        self._run: Run | None = None
        self._settings = 0

    def show_run(self, run: Run) -> None:
        """Show what this run was set to at its last start."""
        self._run = run
        history = run.history
        # Before its log begins, its record has what it was asked for.
        given = run.record.settings if run.record is not None else {}
        settings = history.settings or history.config or given
        width = self.scrollable_content_region.width
        look = (run.key, history.last_start_at, len(settings), len(history.model), self.app.theme, width)
        if look == self._look:
            return
        self._look = look
        self._settings = len(settings)
        self.show(config_lines(settings, history.sources, history.model, history.runtime, width))

    def on_resize(self) -> None:
        """Other columns for another room."""
        if self._run is not None:
            self.show_run(self._run)

    def heading(self) -> str:
        """What it is."""
        return "Config"

    def note(self) -> str:
        """How many."""
        return f"{self._settings} settings" if self._settings else ""

    def set_large(self, large: bool) -> None:
        """It looks the same."""


def config_lines(
    settings: Mapping[str, Any],
    sources: Mapping[str, Any],
    model: Mapping[str, Any],
    runtime: Mapping[str, Any],
    width: int = 0,
) -> list[Text]:
    """Three columns (name, value, source) under headings; what was decided by somebody before what is by default.

    Where `width` cells have no room for all of it, values are cut before sources: these are short. Where there is
    hardly room for two columns, the sources become headings.
    """
    from mypt.diff import flatten, value_text

    lines: list[Text] = []
    for name, heading in _HEADINGS:
        values = {"settings": settings, "model": model, "runtime": runtime}[name]
        rows = [(key, value_text(key, value)) for key, value in flatten(values) if value is not None]
        if not rows:
            continue
        if name == "settings" and sources:
            rows.sort(key=lambda row: _first(row[0]) not in sources)
        if 0 < width < _BESIDE:
            lines += narrow_lines(heading, rows, sources if name == "settings" else {}, width)
            continue
        if lines:
            lines.append(Text())
        lines.append(Text().append(heading, "bold"))
        wide = min(max(cell_len(printable(key, newline=False)) for key, _ in rows), _WIDEST_NAME)
        room = min(max(cell_len(value) for _, value in rows), _WIDEST_VALUE)
        said = (
            [printable(str(said), newline=False) for said in sources.values()] if name == "settings" else []
        )
        if said and width:
            told = max(map(cell_len, said))
            room = min(room, max(width - wide - told - 4, _NARROWEST_VALUE))
        for key, value in rows:
            line = Text()
            line.append(fit(printable(key, newline=False), wide) + "  ", "dim")
            source = sources.get(_first(key)) if name == "settings" else None
            if source is None:
                by_default = name == "settings" and bool(sources)
                line.append(fit(value, room) if by_default else value, "dim" if by_default else "")
                if by_default:
                    line.append("  default", "dim")
            else:
                line.append(fit(value, room))
                line.append(f"  {printable(str(source), newline=False)}", "dim")
            lines.append(line)
    return lines


def narrow_lines(
    heading: str, rows: Sequence[tuple[str, str]], sources: Mapping[str, Any], width: int
) -> list[Text]:
    """Name and value alone, by where they came from: the command line first, since somebody typed that just then."""
    lines = [Text().append(heading, "bold")]
    groups: dict[str, list[tuple[str, str]]] = {"command line": []} if sources else {}
    for key, value in rows:
        source = str(sources.get(_first(key), _BY_DEFAULT)) if sources else ""
        groups.setdefault(source, []).append((key, value))
    longest = max(cell_len(value) for _, value in rows)
    wide = max(cell_len(printable(key, newline=False)) for key, _ in rows)
    wide = min(wide, max(width - 2 - min(longest, _NARROWEST_VALUE), _NARROWEST_VALUE))
    for source, group in groups.items():
        if source and group:
            lines.append(Text(f"from {printable(source, newline=False)}", "dim italic"))
        for key, value in group:
            line = Text()
            line.append(fit(_end_of(printable(key, newline=False), wide), wide) + "  ", "dim")
            line.append(value, "dim" if source == _BY_DEFAULT else "")
            lines.append(line)
    return lines


def _end_of(name: str, width: int) -> str:
    """What tells `gold_selection.guards.overfit_ratio` from its neighbours is the end of it."""
    if cell_len(name) <= width:
        return name
    _, dot, last = name.rpartition(".")
    end = f"…{dot}{last}"
    return end if dot and cell_len(end) <= width else name


def _first(key: str) -> str:
    """The setting that a flattened name belongs to."""
    return key.partition(".")[0].partition("[")[0]
