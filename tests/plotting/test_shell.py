from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.plotting.drawing import Line, Sign, View
from mypt.plotting.palette import colour, of_256
from mypt.plotting.shell import chart
from mypt.text import cells
from tests.plotting.curves import column, line

ESCAPE = re.compile(r"\x1b\[[\d;]*m")
MARKS = [
    Sign("phase", 15, 1500, 30, text="prose"),
    Sign("gold", 30, 3000, 60, 1.0, "gold 1.0000"),
    Sign("blocked", 20, 2000, 40, 2.0, "trend"),
    Sign("resume", 10, 1000, 20),
    Sign("notice", 25, 2500, 50, 99.0, "batch loss jumped"),
    Sign("notice", 5, 500, 10, None, "an eval set"),
]


def test_it_fills_its_size_with_round_ticks_and_marks() -> None:
    lines = chart([line(4, 3, 2, 1)], MARKS, width=90, height=20)
    assert len(lines) == 20 and all(len(text) <= 90 for text in lines) and max(map(len, lines)) >= 88
    assert lines[0].startswith("━━ val") and lines[0].endswith("steps")
    assert lines[-1].split() == ["0", "5", "10", "15", "20", "25", "30"]
    text = "\n".join(lines)
    assert (
        all(sign in text for sign in "★✕↻│")
        and text.count("▲") == 2
        and "4.0┤" in text
        and "\x1b" not in text
    )
    # A size beyond that of the terminal is one too.
    assert max(map(len, chart([line(4, 1)], width=300, height=60))) >= 295


def test_stars_are_where_they_belong() -> None:
    lines = chart([line(4, 3, 2, 1)], MARKS, width=90, height=20)
    row = next(n for n, text in enumerate(lines) if "★" in text)
    assert lines[row].index("★") == max(map(len, lines[1:])) - 1
    assert any(text.startswith("1.0┤") and n == row for n, text in enumerate(lines))


def test_colours_are_the_palettes_and_only_where_asked_for() -> None:
    curves = [line(4, 3, 2, 1), line(3, 3, 3, 3, label="train", color="series-2")]
    text = "\n".join(chart(curves, MARKS, width=80, height=20, colours=True))
    for name in ("series-1", "series-2", "gold", "trouble"):
        assert f"\x1b[38;5;{of_256(colour(name))}m" in text
    light = "\n".join(chart(curves, MARKS, width=80, height=20, colours=True, light=True))
    assert f"\x1b[38;5;{of_256(colour('series-1', light=True))}m" in light
    plain = "\n".join(chart(curves, MARKS, width=80, height=20))
    assert ESCAPE.sub("", text).split() == plain.split()


def test_ascii_is_ascii_and_its_legend_tells_the_curves_apart() -> None:
    curves = [line(4, 3, 2, 1, label="välidation"), line(3, 3, 3, 3, label="train", color="series-2")]
    lines = chart(curves, MARKS, width=80, height=20, ascii_only=True)
    text = "\n".join(lines)
    assert text.isascii() and lines[0].startswith(".. v?lidation  :: train")
    assert "::::" in text and "...." in text and "*" in text


def test_a_log_axis_has_decades() -> None:
    lines = chart([line(1000, 10, 1, 0.1, 0, -3)], view=View("time", log_y=True), width=80, height=24)
    labels = [text.split("┤")[0].strip() for text in lines if "┤" in text]
    assert labels == ["1k", "100", "10", "1", "0.1"]
    assert lines[0].endswith("time, log y") and "1m" in lines[-1]


@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize(
    "ys",
    [
        [math.inf, 1.0, -math.inf],
        [1e308, -1e308, 1.0],
        [0.0, 0.0],
        [-1.0, -2.0],
        [math.nan],
        [5.0],
        [1e-320, 1.0],
        [2.0, math.nan] * 500,
    ],
)
def test_what_plotext_cannot_draw_is_no_error(ys: list[float], log_y: bool) -> None:
    lines = chart(
        [line(*ys)], [Sign("gold", 10, 0, 0, y) for y in ys[:3]], View(log_y=log_y), width=60, height=12
    )
    assert lines and "cannot be drawn" not in "\n".join(lines)


@given(
    st.lists(st.floats(), max_size=6),
    st.integers(-5, 40),
    st.integers(-5, 12),
    st.booleans(),
    st.sampled_from([None, (0.0, 15.0), (30.0, 31.0), (500.0, math.inf)]),
)
def test_it_never_fails_and_never_is_wider_than_asked(
    ys: list[float], width: int, height: int, log_y: bool, window: tuple[float, float] | None
) -> None:
    lines = chart([line(*ys)], MARKS, View(log_y=log_y, window=window), width=width, height=height)
    assert len(lines) <= max(height, 8) and all(cells(text) <= max(width, 30) for text in lines)
    assert "cannot be drawn" not in "\n".join(lines)


def test_names_are_printable_and_the_legend_has_room_for_long_ones() -> None:
    curves = [
        Line("evil\x1b]0;x\x07", "series-1", column([(0, 1.0), (10, 2.0)])),
        Line("日本語のモデル" * 12, "series-2", column([(0, 2.0), (10, 1.0)])),
        Line("quiet", "series-1", column([(0, 2.0), (10, 1.0)]), quiet=True),
    ]
    lines = chart(curves, width=60, height=20)
    text = "\n".join(lines)
    assert "evil\\x1b" in text and "\x1b" not in text and "quiet" not in text
    assert all(cells(each) <= 60 for each in lines) and "日本語" in text and "…" in text


def test_a_point_alone_is_seen_and_nothing_at_all_is_said() -> None:
    dots = "".join(chart([line(2.0)], width=40, height=10)[1:])
    assert any(0x2800 < ord(char) < 0x2900 for char in dots)
    assert chart([], width=40, height=10)[-1] == "no point to draw"
