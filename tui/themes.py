"""Our themes: calm grounds, one accent for what is alive, one gold, one for trouble; and one of the terminal's own."""

from __future__ import annotations

import colorsys
from functools import lru_cache

from rich.color import Color as RichColor
from rich.color import ColorType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

# A focused button is underlined: its words alone turned round would be a hole in it.
_FOCUSED = {"button-focus-text-style": "bold underline"}

DARK = Theme(
    name="mypt-dark",
    primary="#58b6f5",
    secondary="#7f93a5",
    accent="#35c2a1",
    warning="#ffc83d",
    error="#ff5d5d",
    success="#35c2a1",
    foreground="#d6dde4",
    background="#0f1318",
    surface="#141a21",
    panel="#1c242d",
    dark=True,
    variables={
        "border": "#2b3641",
        "border-blurred": "#2b3641",
        "footer-key-foreground": "#58b6f5",
        **_FOCUSED,
    },
)

LIGHT = Theme(
    name="mypt-light",
    primary="#0067b0",
    secondary="#5d6b78",
    accent="#00806a",
    warning="#946500",
    error="#c81e1e",
    success="#00806a",
    foreground="#20272e",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#e8e5de",
    dark=False,
    variables={
        "border": "#cfcac0",
        "border-blurred": "#cfcac0",
        "footer-key-foreground": "#0067b0",
        **_FOCUSED,
    },
)

# Of the sixteen colours magenta is the one that is readable on black and on white in every palette; of the reds the
# bright one is, where plain red on black is hard to see.
ANSI = Theme(
    name="mypt-ansi",
    ansi=True,
    primary="ansi_magenta",
    secondary="ansi_default",
    accent="ansi_green",
    warning="ansi_yellow",
    error="ansi_bright_red",
    success="ansi_green",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    dark=True,
    variables={
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "border": "ansi_default",
        "border-blurred": "ansi_default",
        "footer-key-foreground": "ansi_magenta",
        "block-cursor-foreground": "ansi_default",
        "block-cursor-background": "ansi_magenta",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-background": "ansi_default",
        "input-cursor-text-style": "reverse",
        "input-selection-foreground": "ansi_default",
        "input-selection-background": "ansi_default",
        "screen-selection-foreground": "ansi_default",
        "screen-selection-background": "ansi_default",
    },
)

OURS = (DARK, LIGHT, ANSI)


def for_text(variables: dict[str, str]) -> dict[str, str]:
    """A theme's variables as Rich's styles take them, which call the terminal's own colours `green`, not `ansi_green`."""
    return {
        name: value.removeprefix("ansi_").partition(" ")[0] if value.startswith("ansi_") else value
        for name, value in variables.items()
    }


class SixteenColours(LineFilter):
    """Leaves only the terminal's own colours: what is highlighted by a ground of its own is reversed instead."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments in the terminal's own colours."""
        return [
            segment
            if segment.control or segment.style is None
            else Segment(segment.text, _own_colours(segment.style))
            for segment in segments
        ]


@lru_cache(maxsize=4096)
def _own_colours(style: Style) -> Style:
    if _is_mixed(style.bgcolor) or style.reverse:
        return style + _MARKED
    if not _is_mixed(style.color):
        return style
    return style + Style(color=_nearest(style.color))


def _is_mixed(color: RichColor | None) -> bool:
    return color is not None and color.type in (ColorType.TRUECOLOR, ColorType.EIGHT_BIT)


_MARKED = Style(color="default", bgcolor="default", reverse=True, dim=False)
# Up to which hue in degrees which of the terminal's colours stands for it. Orange is not gold, and of the blues only the
# bright one can be read on black.
_HUES = (
    (15, "red"),
    (35, "bright_red"),
    (58, "yellow"),
    (100, "bright_green"),
    (180, "green"),
    (220, "cyan"),
    (265, "bright_blue"),
    (345, "magenta"),
    (361, "red"),
)
_GREY = 0.3


def _nearest(color: RichColor | None) -> RichColor | str:
    if color is None or not _is_mixed(color):
        return color or "default"
    red, green, blue = (part / 255 for part in color.get_truecolor())
    hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
    if saturation < _GREY:
        return "default"
    return next(name for limit, name in _HUES if 360 * hue < limit)
