"""The table of a comparison: which lines, how wide."""

from __future__ import annotations

import pytest

from mypt.diff import Side, compare
from tui.screens.compare.curves import model_numbers
from tui.screens.compare.table import column_widths, table_lines


def test_only_differences_leaves_out_what_is_the_same_and_headings_without_rows() -> None:
    config = {"n_layer": 2, "n_head": 2}
    rows = compare([Side("a", config, files={"m": 1}), Side("b", config | {"n_head": 4}, files={"m": 1})])
    every = table_lines(rows, only_differences=False)
    assert [line.heading or (line.row and line.row.name) for line in every] == [
        "Architecture",
        "n_layer",
        "n_head",
        "Files",
        "m",
    ]
    lines = table_lines(rows, only_differences=True)
    assert [line.heading or (line.row and line.row.name) for line in lines] == ["Architecture", "n_head"]
    assert lines[1].differs == (False, True)


@pytest.mark.parametrize(
    ("natural", "room", "widths"),
    [
        ([20, 20], 80, [20, 20]),
        ([3, 20], 80, [16, 20]),
        ([100, 20], 80, [44, 20]),
        ([40, 20], 50, [30, 20]),
        ([40, 40], 50, [25, 25]),
        ([40, 40, 40], 40, [16, 16, 16]),
        ([], 40, []),
    ],
)
def test_the_widest_columns_give_way_until_the_table_scrolls(
    natural: list[int], room: int, widths: list[int]
) -> None:
    assert column_widths(natural, room) == widths


def test_a_model_s_bundles_share_a_colour() -> None:
    assert model_numbers(["a", "b_gold", "a_gold", "b", "c_fp16"]) == {"a": 0, "b": 1, "c": 2}
