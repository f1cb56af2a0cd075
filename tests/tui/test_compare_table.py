"""The table of a comparison: which lines, how wide."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from mypt.diff import Side, compare
from tui.screens.compare.items import Compared, numbers
from tui.screens.compare.lines import Line, column_widths, table_lines
from tui.screens.compare.readout import text_of


def words(lines: Iterable[Line]) -> list[str]:
    return [line.heading or (line.row.label if line.row else "") for line in lines]


def test_only_differences_leaves_out_what_is_the_same_and_headings_without_rows() -> None:
    config = {"n_layer": 2, "n_head": 2}
    rows = compare([Side("a", config, files={"m": 1}), Side("b", config | {"n_head": 4}, files={"m": 1})])
    every = table_lines(rows, only_differences=False)
    assert words(every) == ["Model", "n_layer", "n_head", "Details ▾ 1 value", "m"]
    lines = table_lines(rows, only_differences=True)
    assert words(lines) == ["Model", "n_head"]
    assert lines[1].differs == (False, True)


def test_details_are_folded_away_and_counted() -> None:
    rows = compare([Side("a", files={"m": 1, "n": 2}), Side("b", files={"m": 1, "n": 3})])
    folded = table_lines(rows, only_differences=True, details=False)
    said = "No setting differs: d shows them all"
    assert words(folded) == [said, "Details ▸ 1 differ"]
    opened = table_lines(rows, only_differences=True, details=True)
    assert words(opened) == [said, "Details ▾ 1 differ", "n"]
    # Opened or not, it is the same line.
    assert folded[1].key == opened[1].key and folded[1].folds
    assert words(table_lines(rows, only_differences=False, details=False)) == ["Details ▸ 2 values"]


def test_the_chosen_row_is_told_with_what_it_is_and_where_values_came_from() -> None:
    state = {"training_config": {"learning_rate": 3e-5}}
    sides = [
        Side("a", {"n_layer": 2}, state, sources={"learning_rate": "preset mini"}),
        Side("b\x1b", {"n_layer": 2}, {"training_config": {"learning_rate": 1e-3}}),
    ]
    row = next(row for row in compare(sides) if row.name == "learning_rate")
    said = text_of(row, ["a", "b\x1b"], {"learning_rate": "Peak learning rate of AdamW."}).plain
    assert said.splitlines() == [
        "learning_rate  Peak learning rate of AdamW.",
        "a 3e-5 (preset mini)   b\\x1b 1e-3",
    ]


def test_names_are_cut_before_values_so_that_all_of_them_are_told_apart() -> None:
    names = [f"gpt2_openwebtext_150M_lr{lr}_bs64_seed1" for lr in ("3e-4", "1e-3", "1e-4")]
    row = next(
        row for row in compare([Side(name, {"n_layer": 2}) for name in names]) if row.name == "n_layer"
    )
    said = text_of(row, names, {}, 70).plain.splitlines()[-1]
    assert len(said) <= 70
    assert all(f"lr{lr}…seed1 2" in said for lr in ("3e-4", "1e-3", "1e-4"))
    assert all(name in text_of(row, names, {}, 200).plain for name in names)


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


def test_what_shares_a_curve_shares_its_colour() -> None:
    columns = [Compared(name, Side(name), name[0]) for name in ("a", "b_gold", "a_gold", "b", "c_fp16")]
    assert numbers(columns) == {"a": 0, "b": 1, "c": 2}
