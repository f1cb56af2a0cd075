from __future__ import annotations

import re

from mypt.plotting import palette
from tui.chart import ink
from tui.chart.look import CSS


def test_the_dashboard_draws_in_the_same_colours() -> None:
    dark, light = CSS.split("&:light")
    for css, colours in ((dark, palette.DARK), (light, palette.LIGHT)):
        found = dict(re.findall(r"\.chart--([\w-]+) \{ color: (#[0-9a-f]{6})", css))
        assert found == dict(colours)
    assert all(ink.SIGNS[kind] == sign for kind, sign in palette.SIGNS.items())  # type: ignore[index]


def test_a_colour_is_found_by_name_and_what_is_none_is_the_first() -> None:
    assert palette.colour("series-2") == "#d98cc3" and palette.colour("gold", light=True) == "#b07800"
    assert palette.colour("hotpink") == palette.colour("series-1")
    assert [palette.series(n) for n in (0, 7, 8)] == ["series-1", "series-8", "series-1"]


def test_terminals_of_256_colours_tell_all_series_apart() -> None:
    assert (
        palette.of_256("#000000") == 16
        and palette.of_256("#ff0000") == 196
        and palette.of_256("#808080") == 244
    )
    for colours in (palette.DARK, palette.LIGHT):
        assert len({palette.of_256(rgb) for rgb in colours.values()}) == len(colours)
