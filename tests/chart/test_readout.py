from __future__ import annotations

import math

import pytest
from rich.cells import cell_len

from tui.chart import ink
from tui.chart.cursor import Cursor
from tui.chart.model import ChartData, Column, Curve, Mark
from tui.chart.raster import Run
from tui.chart.readout import legend, readout


def column(*values: float, every: int = 10) -> Column:
    made = Column()
    for number, value in enumerate(values):
        made.append(number * every, number * 1_000_000.0, number * 65.0, value)
    return made


BLOCKED = Mark(20, 2e6, 130, 2.0, "blocked", "blocked: overfit: val/train=6.2x, threshold=5.0x")
GOLD = Mark(10, 1e6, 65, 3.0, "gold", "gold 3.000")
DATA = ChartData(
    (
        Curve("val", "val", "series-1", column(4.0, 3.0, 2.0)),
        Curve("train", "train", "series-2", column(4.5, 3.5), dashed=True),
        Curve("lr", "lr", "series-3", column(0, 3e-4, 1.5e-4), visible=False),
    ),
    (GOLD, BLOCKED),
)


def words(runs: list[Run]) -> str:
    return "".join(text for text, _ in runs)


def test_without_a_cursor_the_latest_values_and_the_last_gold_are_told() -> None:
    assert words(readout(DATA, "step", None, 1.0, 120)) == (
        "  step 20 │ val 2.0000  train 3.5000 at 10 │ ★ gold 3.000 at 10"
    )


def test_the_cursor_tells_the_values_and_the_mark_there() -> None:
    runs = readout(DATA, "step", Cursor(20.0, 20), 1.0, 120)
    assert words(runs) == (
        "┃ step 20 │ val 2.0000  train – │ ✕ blocked: overfit: val/train=6.2x, threshold=5.0x"
    )
    assert ("2.0000", ink.of_curve(0)) in runs
    assert runs[-1][1] == ink.TROUBLE


def test_between_two_points_the_value_is_the_one_known_then_with_its_step() -> None:
    dense = Curve("dense", "dense", "series-2", column(*(5 - n / 10 for n in range(21)), every=1))
    data = ChartData((DATA.curves[0], dense))
    # Nearer to the evaluation at 20, which was still to come.
    assert words(readout(data, "step", Cursor(17.0, 17), 0.5, 120)) == (
        "┃ step 17 │ val 3.0000 at 10  dense 3.3000"
    )
    # Within a cell of a point it is that one's.
    assert "val 2.0000  " in words(readout(data, "step", Cursor(19.4, 19), 0.5, 120))


@pytest.mark.parametrize(
    ("axis", "x", "place"), [("tokens", 1e6, "step 10 · 1M tokens"), ("time", 65.0, "step 10 · 1m 05s")]
)
def test_on_another_axis_the_place_is_told_in_both(axis: str, x: float, place: str) -> None:
    assert place in words(readout(DATA, axis, Cursor(x, 10), 0.1, 120))  # type: ignore[arg-type]


def test_phase_and_resume_are_named() -> None:
    data = ChartData(
        DATA.curves, (Mark(10, 1e6, 65, None, "phase", "balanced"), Mark(20, 2e6, 130, None, "resume"))
    )
    assert words(readout(data, "step", Cursor(10.0, 10), 1.0, 120)).endswith("┊ phase balanced")
    assert words(readout(data, "step", Cursor(20.0, 20), 1.0, 120)).endswith("↻ resume")


def test_a_sign_in_the_text_is_not_said_twice() -> None:
    data = ChartData(DATA.curves, (Mark(10, 1e6, 65, 3.0, "gold", "★ gold 3.000"),))
    assert words(readout(data, "step", Cursor(10.0, 10), 1.0, 120)).endswith("│ ★ gold 3.000")


def test_what_is_no_number_is_said_so() -> None:
    data = ChartData(
        (Curve("a", "a", "series-1", column(1.0, math.nan)), Curve("b", "b", "series-1", column(math.inf)))
    )
    assert words(readout(data, "step", None, 1.0, 80)) == "  step 10 │ a nan  b inf at 0"


def test_a_curve_may_write_its_own_values() -> None:
    data = ChartData(
        (Curve("acc", "accuracy", "series-1", column(0.5), format=lambda value: f"{value:.0%}"),)
    )
    assert words(readout(data, "step", None, 1.0, 80)) == "  step 0 │ accuracy 50%"


@pytest.mark.parametrize("width", range(1, 100))
def test_the_readout_fits_or_loses_values_before_the_mark(width: int) -> None:
    said = words(readout(DATA, "step", Cursor(20.0, 20), 1.0, width))
    assert cell_len(said) <= max(width, len("┃ step 20"))
    if width >= 24:
        assert "✕ blocked" in said


@pytest.mark.parametrize("width", range(10, 100))
def test_without_a_cursor_values_stay_and_the_gold_goes(width: int) -> None:
    said = words(readout(DATA, "step", None, 1.0, width))
    assert cell_len(said) <= width
    if width >= len("  step 20 │ val 2.0000  train 3.5000"):
        assert "train 3.5000" in said


def test_control_characters_are_never_let_through() -> None:
    data = ChartData(
        (Curve("x", "a\x1b[31mb", "series-1", column(1.0)),), (Mark(0, 0, 0, 1.0, "gold", "x\x07y"),)
    )
    shown = words(readout(data, "step", None, 1.0, 120)) + words(legend(data, 100, 5, "", False).runs)
    assert shown.isprintable()
    assert "\\x1b" in shown


def test_the_legend_shows_each_curve_in_its_ink_and_hidden_ones_faint() -> None:
    runs, spots = legend(DATA, 100, 5, "log", False)
    assert words(runs).startswith("     ━━ val  ╍╍ train  ━━ lr  ")
    assert words(runs).endswith(" log")
    assert cell_len(words(runs)) == 100
    assert ("━━", ink.of_curve(0)) in runs
    assert ("━━", ink.FAINT) in runs
    assert [(words(runs)[start:end], key) for start, end, key in spots] == [
        ("━━ val", "val"),
        ("╍╍ train", "train"),
        ("━━ lr", "lr"),
    ]


def test_a_legend_without_room_says_how_many_are_left_out() -> None:
    many = ChartData(tuple(Curve(f"c{i}", f"curve {i}", "series-1", column(1.0)) for i in range(30)))
    for width in range(12, 120):
        runs, spots = legend(many, width, 5, "", False)
        assert cell_len(words(runs).rstrip()) <= width
        assert words(runs).endswith(f"+{30 - len(spots)}")
