"""What one can do at home, by key, in the palette and in `?`; the most important first, since not all fit the last line."""

from __future__ import annotations

from tui.actions import Action
from tui.chart.keys import CURVES
from tui.doing import QUEUE, START
from tui.listing import LIST

ACTIONS: tuple[Action, ...] = (
    *START,
    Action("overlay", "space", "Overlay", "Lay this run's curve over the others, or take it away", "Chart"),
    Action("panel(1)", "l", "Panel", "Sample, console, config, machine", "View"),
    Action("table", "t", "Table", "Every run in a line, with its numbers; the queue", "Go to"),
    Action("checkpoints", "c", "Checkpoints", "The tree of checkpoints", "Go to"),
    Action("sample", "g", "Sample", "Let the model of this run write", "Go to"),
    Action("axis", "x", "Axis", "The chart over steps, tokens, time of training, or the clock", "Chart"),
    Action(
        "cursor(-1)",
        "left",
        "Cursor",
        "Read the chart's values off, point by point",
        "Chart",
        key_display="←→",
    ),
    Action("smooth", "e", "Smooth", "Smooth the curves: not, a little, more, much", "Chart"),
    Action("metric", "m", "Metric", "A second chart: learning rate, grad norm, speed, memory", "Chart"),
    Action("log_y", "y", "Log y", "Logarithmic losses, or linear", "Chart"),
    Action(
        "log_metric",
        "Y",
        "Log metric",
        "The second chart logarithmic, or linear; kept for each metric",
        "Chart",
    ),
    Action("next_run(1)", "right_square_bracket", "Next run", "Look at the run below", "Runs"),
    Action("enlarge", "z", "Enlarge", "All the room for what is below the chart, or back", "View"),
    Action("forecast", "f", "Forecast", "Where the validation loss will end, on the chart", "Chart"),
    Action("next_run(-1)", "left_square_bracket", "Run before", "Look at the run above", "Runs", False),
    Action(
        "only_this",
        "u",
        "Only this run",
        "Take all runs off the chart but the one in view",
        "Chart",
        False,
    ),
    Action("compare", "v", "Compare", "Put this run beside the overlaid ones, with their settings", "Go to"),
    Action("write_chart", "w", "Write", "Save the chart as SVG, or its numbers as CSV", "Chart", False),
    Action("panel(-1)", "L", "Panel before", "The panel before", "View", False),
    Action("find", "ctrl+f", "Search output", "Search what the run has printed", "View", False),
    Action("demo", "d", "Demo", "Watch a small model learn to tell stories", "Runs", False, changes=True),
    Action("cursor(1)", "right", "Cursor right", "Read the chart's values to the right", "Chart", False),
    Action("zoom(1)", "plus,equals_sign", "Zoom in", "Show less of the run, larger", "Chart", False),
    Action("zoom(-1)", "minus", "Zoom out", "Show more of the run", "Chart", False),
    *(
        Action(
            f"curve({n})", str(n), f"Curve {n}", CURVES, "Chart", False, key_display="1-9" if n == 1 else None
        )
        for n in range(1, 10)
    ),
    *LIST,
    *QUEUE,
    Action(
        "back",
        "escape",
        "Back",
        "Put the chart's cursor away, show the whole run; then back to the runs",
        "View",
        False,
    ),
)

EMPTY_ACTIONS: tuple[Action, ...] = (
    Action("demo", "d", "Demo", "Watch a small model learn to tell stories", "Runs"),
    Action("new", "n", "New run", "Choose a preset, data and settings, and launch a run", "Runs"),
    Action("checkpoints", "c", "Checkpoints", "The tree of checkpoints", "Go to"),
)
"""Where there is no run yet."""
