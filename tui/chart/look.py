"""How the chart looks: its style sheet and the style of each ink."""

from __future__ import annotations

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.widget import Widget

from tui.chart import ink
from tui.chart.model import PALETTE_SIZE, Curve

COMPONENTS = frozenset(
    [
        *(f"chart--{name}" for name in ink.NAMES),
        *(f"chart--series-{number + 1}" for number in range(PALETTE_SIZE)),
    ]
)

# The series are told apart by the colour-blind as well, and none is close to gold or to the red of trouble.
DARK = ("#58b6f5", "#d98cc3", "#35c2a1", "#ee9148", "#9f94f5", "#c6d06b", "#93a9b8", "#d8b59b")
LIGHT = ("#0067b0", "#a93f8d", "#00806a", "#bd5400", "#5a49c8", "#6c7400", "#546b7a", "#8a6143")


def _series(colors: tuple[str, ...], indent: str) -> str:
    return "\n".join(
        f"{indent}& .chart--series-{n + 1} {{ color: {color}; }}" for n, color in enumerate(colors)
    )


CSS = f"""
    Drawn {{
        width: 1fr;
        height: 1fr;
        & .chart--axis {{ color: $foreground 35%; }}
        & .chart--label {{ color: $foreground 70%; }}
        & .chart--faint {{ color: $foreground 35%; }}
        & .chart--strong {{ color: $foreground; text-style: bold; }}
        & .chart--gold {{ color: #ffc83d; text-style: bold; }}
        & .chart--gold-past {{ color: #b8923a; }}
        & .chart--trouble {{ color: #ff5d5d; text-style: bold; }}
        & .chart--cursor {{ color: $foreground 60%; }}
{_series(DARK, " " * 8)}
        &:light {{
            & .chart--gold {{ color: #b07800; }}
            & .chart--gold-past {{ color: #cfa850; }}
            & .chart--trouble {{ color: #c81e1e; }}
{_series(LIGHT, " " * 12)}
        }}
    }}
    """


def style_of(widget: Widget, number: int, curves: tuple[Curve, ...]) -> Style:
    """The style of an ink under the widget's theme, on the widget's background."""
    base = Style(bgcolor=widget.rich_style.bgcolor)
    if number == ink.BLANK:
        return base
    if number < ink.FIRST_CURVE:
        return widget.get_component_rich_style(f"chart--{ink.NAMES[number]}")
    index = number - ink.FIRST_CURVE
    if index >= len(curves):
        return base
    color = _color(widget, curves[index].color)
    if curves[index].dim or curves[index].quiet:
        _, background = widget.background_colors
        color = background.blend(color, 0.42 if curves[index].quiet else 0.78)
    return base + Style(color=color.rich_color)


def palette_style(widget: Widget, name: str) -> Style:
    """The style of a palette colour under the theme, for what stands outside of a chart and means one of its curves."""
    light = not widget.app.current_theme.dark
    number = int(name.rpartition("-")[2]) - 1
    return Style(color=(LIGHT if light else DARK)[number])


def _color(widget: Widget, name: str) -> Color:
    component = f"chart--{name}"
    if component in COMPONENTS:
        return widget.get_component_styles(component).color
    try:
        return Color.parse(name)
    except ColorParseError:
        return widget.get_component_styles("chart--series-1").color
