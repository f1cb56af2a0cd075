from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.plotting.scale import (
    Scale,
    Tick,
    number_label,
    text_of_log,
    time_label,
    value_label,
    x_scale,
    x_ticks,
    y_scale,
    y_ticks,
)

anything = st.floats(allow_nan=True, allow_infinity=True)


def labels(ticks: list[Tick]) -> list[str]:
    return [tick.label for tick in ticks]


@pytest.mark.parametrize(
    ("hi", "width", "expected"),
    [
        (50_000, 60, ["0", "10k", "20k", "30k", "40k", "50k"]),
        (4.9e9, 60, ["0", "1B", "2B", "3B", "4B"]),
        (3, 190, ["0", "1", "2", "3"]),
        (400, 60, ["0", "100", "200", "300", "400"]),
        (2_000_000, 60, ["0", "500k", "1M", "1.5M", "2M"]),
    ],
)
def test_steps_along_x_are_round(hi: float, width: int, expected: list[str]) -> None:
    assert labels(x_ticks(x_scale(0, hi), width)) == expected


def test_a_zoomed_window_writes_whole_steps() -> None:
    assert labels(x_ticks(x_scale(20_000, 20_200), 60)) == [
        "20\u202f000",
        "20\u202f050",
        "20\u202f100",
        "20\u202f150",
        "20\u202f200",
    ]


@pytest.mark.parametrize(
    ("hi", "expected"),
    [
        (70, ["0", "10s", "20s", "30s", "40s", "50s", "1m", "1m10s"]),
        (400, ["0", "1m", "2m", "3m", "4m", "5m", "6m"]),
        (4000, ["0", "10m", "20m", "30m", "40m", "50m", "1h"]),
        (12_000, ["0", "30m", "1h", "1h30m", "2h", "2h30m", "3h"]),
        (150_000, ["0", "6h", "12h", "18h", "1d", "1d6h", "1d12h"]),
        (900_000, ["0", "1d", "2d", "3d", "4d", "5d", "6d", "7d", "8d", "9d", "10d"]),
    ],
)
def test_time_goes_by_round_seconds_minutes_hours_and_days(hi: float, expected: list[str]) -> None:
    assert labels(x_ticks(x_scale(0, hi), 110, time=True)) == expected


@pytest.mark.parametrize(
    ("lo", "hi", "log", "expected"),
    [
        (2.1, 4.3, False, ["2.0", "2.5", "3.0", "3.5", "4.0"]),
        (2.31, 2.33, False, ["2.310", "2.315", "2.320", "2.325", "2.330"]),
        (0, 1, False, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (1e-6, 3e-4, False, ["0", "5e-5", "1e-4", "1.5e-4", "2e-4", "2.5e-4", "3e-4"]),
        (0.01, 9, True, ["0.01", "0.1", "1", "10"]),
        (1.6, 10.9, True, ["2", "3", "5", "7", "10"]),
        (2.1, 4.3, True, ["2.5", "3.0", "3.5", "4.0"]),
        (1e-6, 3e-4, True, ["1e-6", "1e-5", "1e-4"]),
        (1000, 1e9, True, ["1k", "10k", "100k", "1M", "10M", "100M", "1B"]),
        (1e-5, 1e5, True, ["1e-4", "0.01", "1", "100", "10k"]),
    ],
)
def test_values_up_y_are_round(lo: float, hi: float, log: bool, expected: list[str]) -> None:
    assert labels(y_ticks(y_scale([lo, hi], log), 28, 4)) == expected


@pytest.mark.parametrize(
    ("value", "step", "expected"),
    [
        (0.5, 0.1, "0.5"),
        (2, 0.5, "2.0"),
        (10_000, 5000, "10k"),
        (1_200_000, 200_000, "1.2M"),
        (0, 0.1, "0"),
        (-2.5, 0.5, "-2.5"),
        (1e300, 1e300, "1e300"),
        (999_950, 50, "999\u202f950"),
    ],
)
def test_a_tick_is_written_as_a_person_would(value: float, step: float, expected: str) -> None:
    assert number_label(value, step) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.002, "0.002"), (0.5, "0.5"), (20, "20"), (5000, "5k"), (1e-7, "1e-7"), (1e20, "1e20")],
)
def test_a_log_tick_is_written_short(value: float, expected: str) -> None:
    assert text_of_log(value) == expected


@pytest.mark.parametrize(
    ("value", "step", "expected"),
    [
        (0, 60, "0"),
        (90, 30, "1m30s"),
        (90, 60, "1m"),
        (3600, 3600, "1h"),
        (130_000, 3600, "1d12h"),
        (0.5, 0.1, "0.5s"),
    ],
)
def test_a_time_is_written_in_two_units_at_most(value: float, step: float, expected: str) -> None:
    assert time_label(value, step) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2.33101, "2.3310"),
        (3e-4, "3e-4"),
        (41_234.0, "41.23k"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (0, "0.0000"),
        (-5.0, "-5.0000"),
        (1e308, "1e308"),
    ],
)
def test_a_value_is_read_off_in_few_digits(value: float, expected: str) -> None:
    assert value_label(value) == expected


def test_nothing_finite_still_gives_a_scale() -> None:
    assert y_scale([]) == Scale(0.0, 1.0)
    assert y_scale([math.nan, math.inf]) == Scale(0.0, 1.0)
    assert y_scale([-1.0, 0.0], log=True) == Scale(0.1, 10.0, True)


def test_one_value_stands_in_the_middle() -> None:
    for value in (0.0, 5.0, -3e-9, 1e308):
        scale = y_scale([value])
        assert scale.lo < min(value, 1e300) < scale.hi
    log = y_scale([5.0], log=True)
    assert log.cell(5.0, 11) == 5


def test_headroom_keeps_values_off_the_frame() -> None:
    scale = y_scale([0.0, 100.0])
    assert (scale.lo, scale.hi) == (-5.0, 105.0)


def test_a_log_scale_leaves_out_what_is_not_positive() -> None:
    scale = y_scale([-5.0, 0.0, 1.0, 100.0], log=True)
    assert 0 < scale.lo < 1
    assert scale.cell(0.0, 10) is None
    assert scale.cell(-5.0, 10) is None


@given(anything, anything, st.integers(1, 400))
def test_x_never_raises_and_labels_never_touch(a: float, b: float, width: int) -> None:
    scale = x_scale(a, b)
    assert scale.lo < scale.hi
    for time in (False, True):
        ticks = x_ticks(scale, width, time)
        assert all(0 <= tick.cell < width for tick in ticks)
        for left, right in pairwise(ticks):
            assert right.cell - left.cell > (len(left.label) + 1) // 2 + (len(right.label) + 1) // 2


@given(st.lists(anything, max_size=6), st.booleans(), st.integers(1, 100), st.integers(1, 6))
def test_y_never_raises_and_ticks_keep_their_distance(
    values: list[float], log: bool, rows: int, spacing: int
) -> None:
    scale = y_scale(values, log)
    assert scale.lo < scale.hi
    ticks = y_ticks(scale, rows, spacing)
    assert all(0 <= tick.cell < rows and len(tick.label) < 24 for tick in ticks)
    assert all(above.cell - below.cell >= spacing for below, above in pairwise(ticks))
    for value in values:
        if math.isfinite(value) and abs(value) < 1e300 and (value > 1e-300 or not log):
            assert scale.cell(value, rows) is not None
        assert isinstance(value_label(value), str)


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9), st.integers(1, 300), st.data())
def test_a_cell_and_its_value_agree(lo: float, width: float, cells: int, data: st.DataObject) -> None:
    scale = x_scale(lo, lo + width)
    cell = data.draw(st.integers(0, cells - 1))
    assert scale.cell(scale.value(cell, cells), cells) == cell
    assert (scale.cell(scale.lo, cells), scale.cell(scale.hi, cells)) == (0, cells - 1)
