from __future__ import annotations

import math
from typing import Any

import pytest
from rich.cells import cell_len

from tui.chart import ink
from tui.chart.brief import brief
from tui.chart.cursor import Cursor
from tui.chart.model import Axis, ChartData, Column, Curve, Mark
from tui.chart.raster import Run
from tui.chart.readout import readout, readout_lines


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


def told(*args: Any, **kwargs: Any) -> str:
    return "\n".join(words(line) for line in readout(*args, **kwargs))


def test_without_a_cursor_the_latest_values_and_the_last_gold_are_told() -> None:
    assert told(DATA, "step", None, 1.0, 120) == (
        "  step 20 │ val 2.0000  train 3.5000 at 10 │ ★ gold 3.000 at 10"
    )


def test_the_cursor_tells_the_values_and_the_mark_there() -> None:
    (runs,) = readout(DATA, "step", Cursor(20.0, 20), 1.0, 120)
    assert words(runs) == (
        "┃ step 20 │ val 2.0000  train – │ ✕ blocked: overfit: val/train=6.2x, threshold=5.0x"
    )
    assert ("2.0000", ink.of_curve(0)) in runs
    assert runs[-1][1] == ink.TROUBLE


def test_between_two_points_the_value_is_the_one_known_then_with_its_step() -> None:
    dense = Curve("dense", "dense", "series-2", column(*(5 - n / 10 for n in range(21)), every=1))
    data = ChartData((DATA.curves[0], dense))
    # Nearer to the evaluation at 20, which was still to come.
    assert told(data, "step", Cursor(17.0, 17), 0.5, 120) == ("┃ step 17 │ val 3.0000 at 10  dense 3.3000")
    # Within a cell of a point it is that one's.
    assert "val 2.0000  " in told(data, "step", Cursor(19.4, 19), 0.5, 120)


@pytest.mark.parametrize(
    ("axis", "x", "place"), [("tokens", 1e6, "step 10 · 1M tokens"), ("time", 65.0, "step 10 · 1m 05s")]
)
def test_on_another_axis_the_place_is_told_in_both(axis: Axis, x: float, place: str) -> None:
    assert place in told(DATA, axis, Cursor(x, 10), 0.1, 120)


def test_phase_and_resume_are_named() -> None:
    data = ChartData(
        DATA.curves, (Mark(10, 1e6, 65, None, "phase", "balanced"), Mark(20, 2e6, 130, None, "resume"))
    )
    assert told(data, "step", Cursor(10.0, 10), 1.0, 120).endswith("┊ phase balanced")
    assert told(data, "step", Cursor(20.0, 20), 1.0, 120).endswith("↻ resume")


def test_a_sign_in_the_text_is_not_said_twice() -> None:
    data = ChartData(DATA.curves, (Mark(10, 1e6, 65, 3.0, "gold", "★ gold 3.000"),))
    assert told(data, "step", Cursor(10.0, 10), 1.0, 120).endswith("│ ★ gold 3.000")


def test_what_is_no_number_is_said_so() -> None:
    data = ChartData(
        (Curve("a", "a", "series-1", column(1.0, math.nan)), Curve("b", "b", "series-1", column(math.inf)))
    )
    assert told(data, "step", None, 1.0, 80) == "  step 10 │ a nan  b inf at 0"


def test_a_curve_may_write_its_own_values() -> None:
    data = ChartData(
        (Curve("acc", "accuracy", "series-1", column(0.5), format=lambda value: f"{value:.0%}"),)
    )
    assert told(data, "step", None, 1.0, 80) == "  step 0 │ accuracy 50%"


@pytest.mark.parametrize("width", range(1, 100))
def test_the_readout_fits_or_loses_values_before_the_mark(width: int) -> None:
    said = told(DATA, "step", Cursor(20.0, 20), 1.0, width)
    assert cell_len(said) <= max(width, len("┃ step 20"))
    if width >= 24:
        assert "✕ blocked" in said


@pytest.mark.parametrize("width", range(10, 100))
def test_without_a_cursor_values_stay_and_the_gold_goes(width: int) -> None:
    said = told(DATA, "step", None, 1.0, width)
    assert cell_len(said) <= width
    if width >= len("  step 20 │ val 2.0000  train 3.5000"):
        assert "train 3.5000" in said


def test_control_characters_are_never_let_through() -> None:
    data = ChartData(
        (Curve("x", "a\x1b[31mb", "series-1", column(1.0)),), (Mark(0, 0, 0, 1.0, "gold", "x\x07y"),)
    )
    shown = told(data, "step", None, 1.0, 120)
    assert shown.isprintable()
    assert "\\x1b" in shown


REASON = "eval regression: general 3.1000→3.9000 (+26%, threshold=20%)"
REGRESSION = ChartData(DATA.curves, (Mark(20, 2e6, 130, 2.0, "blocked", REASON, brief=brief(REASON)),))


@pytest.mark.parametrize("axis", ["step", "tokens", "time"])
def test_why_a_loss_was_not_taken_keeps_its_figures_where_cells_are_few(axis: Axis) -> None:
    cursor = Cursor({"step": 20.0, "tokens": 2e6, "time": 130.0}[axis], 20)
    assert REASON in told(REGRESSION, axis, cursor, 0.1, 120)
    for width in range(74, 120):
        said = told(REGRESSION, axis, cursor, 0.1, width)
        assert "val 2.0000" in said and "general 3.1000→3.9000 (+26%" in said and "20%)" in said


def test_a_mark_has_a_line_of_its_own_where_there_are_two() -> None:
    cursor = Cursor(2e6, 20)
    assert told(REGRESSION, "tokens", cursor, 0.1, 79, 2) == (
        f"┃ step 20 · 2M tokens │ val 2.0000  train –\n  ✕ {REASON}"
    )
    assert readout_lines(REGRESSION, "tokens", 79) == 2
    assert readout_lines(REGRESSION, "tokens", 200) == 1
    assert readout_lines(ChartData(DATA.curves, (GOLD,)), "step", 79) == 1


def test_where_a_run_goes_on_is_told_in_fewer_words_rather_than_cut() -> None:
    text = "goes on from step 20; 10 later steps are trained again"
    data = ChartData(DATA.curves, (Mark(20, 2e6, 130, None, "resume", text, brief=brief(text)),))
    assert told(data, "step", Cursor(20.0, 20), 1.0, 100).endswith(f"│ ↻ {text}")
    assert told(data, "step", Cursor(20.0, 20), 1.0, 74).endswith("│ ↻ from step 20, 10 steps again")


def overlaid(others: int) -> ChartData:
    names = [f"gpt2_openwebtext_150M_lr{n}e-4_bs64_seed1" for n in range(1, others + 1)]
    rest = (Curve(f"run:{n}", n, "series-3", column(2.0, 1.0, every=220)) for n in names)
    return ChartData((*DATA.curves[:2], *rest), (GOLD,))


@pytest.mark.parametrize("others", [1, 3, 6])
@pytest.mark.parametrize("lines", [1, 2])
def test_no_latest_value_is_told_as_that_of_a_later_step(others: int, lines: int) -> None:
    data = overlaid(others)
    for width in range(30, 200):
        said = told(data, "step", None, 1.0, width, lines)
        # The run in view ended at 20 long before the others.
        assert "val 2.0000 at 20" in said if "step 220" in said else said.startswith("  latest │ val 2.0000")
        assert all(cell_len(line) <= width for line in said.split("\n")) and said.count("\n") < lines
        shown = said.count("1.0000")
        assert shown == others or f"+{others - shown}" in said or "train" not in said


def test_the_names_in_the_readout_do_not_change_with_the_cursor() -> None:
    data = overlaid(3)
    seen = {
        word
        for x in range(0, 221, 5)
        for word in told(data, "step", Cursor(float(x), x), 1.0, 110, 2).split()
        if "…" in word
    }
    assert len(seen) == 3


def test_words_of_others_are_not_made_shorter() -> None:
    for words_of_others in ("trend: 3 consecutive val rises", "gold 3.000", "a, b; c", ""):
        assert brief(words_of_others) == words_of_others
    assert brief("overfit: val/train=6.2x, threshold=5.0x") == "overfit: val/train 6.2x > 5.0x"
    assert brief("gold 1.5000 (was 2.0000)") == "gold 1.5000"
    assert brief("goes on from step 9 (was stopped at 9: request)") == "from step 9 (stopped: request)"
    assert brief("batch loss jumped to 0.26 from 0.20 (mean of 50)") == "loss jumped to 0.26 from 0.20"
