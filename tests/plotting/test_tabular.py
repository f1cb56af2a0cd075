from __future__ import annotations

import csv
import io
import math

from mypt.plotting.tabular import csv_lines, csv_text
from mypt.watch.column import Column
from tests.plotting.curves import column


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_a_step_and_a_column_a_curve() -> None:
    val, train = column([(0, 4.0), (20, 2.123456)]), column([(10, 3.5), (20, math.nan), (30, math.inf)])
    assert csv_text({"dante": {"val": val, "train": train}}) == (
        "run,step,tokens,time_s,val,train\n"
        "dante,0,0,0,4,\n"
        "dante,10,1000,20,,3.5\n"
        "dante,20,2000,40,2.123456,nan\n"
        "dante,30,3000,60,,inf\n"
    )


def test_several_runs_are_below_each_other_with_every_column() -> None:
    text = csv_text(
        {"a": {"val": column([(0, 1.5)])}, "b": {"lr": column([(0, 1e-4)]), "val": column([(5, 0.1 + 0.2)])}}
    )
    assert [(row["run"], row["step"], row["val"], row["lr"]) for row in rows(text)] == [
        ("a", "0", "1.5", ""),
        ("b", "0", "", "0.0001"),
        ("b", "5", "0.30000000000000004", ""),
    ]


def test_a_window_cuts_along_its_axis() -> None:
    val = column((step, 1.0) for step in range(0, 100, 10))
    for axis, window in (("step", (20, 40)), ("tokens", (2000, 4000)), ("time", (40, 80))):
        text = csv_text({"a": {"val": val}}, axis, window)  # type: ignore[arg-type]
        assert [row["step"] for row in rows(text)] == ["20", "30", "40"]
    assert rows(csv_text({"a": {"val": val}}, "step", (500, math.inf))) == []


def test_many_points_come_in_their_order_and_twice_at_one_step_is_two_rows() -> None:
    val = column((step, float(step)) for step in range(25_000))
    found = rows(csv_text({"a": {"val": val}}))
    assert [int(row["step"]) for row in found] == list(range(25_000))
    twice = Column()
    twice.extend([(5, 0.0, 0.0, 1.5), (5, 0.0, 0.0, 2.5)])
    assert [row["val"] for row in rows(csv_text({"a": {"val": twice, "lr": column([(5, 0.1)])}}))] == [
        "1.5",
        "2.5",
    ]


def test_names_from_files_are_words_and_no_formulas() -> None:
    text = csv_text({'=cmd|"x"!A1': {"a,b\x1b": column([(0, 1.0)])}})
    assert "\x1b" not in text
    (row,) = rows(text)
    assert row["run"] == '\'=cmd|"x"!A1' and row["a,b\\x1b"] == "1"


def test_lines_come_one_by_one() -> None:
    lines = csv_lines({"a": {"val": column((step, 1.0) for step in range(10))}})
    assert next(lines).startswith("run,") and next(lines) == "a,0,0,0,1\n"
