from __future__ import annotations

import pytest
from rich.cells import cell_len

from tui.chart import ink
from tui.chart.legend import Legend, Style, legend, legend_lines
from tui.chart.model import ChartData, Column, Curve
from tui.chart.raster import Run

PLAIN = Style()
ADAM = "gpt2_openwebtext_150M_lr3e-4_bs64_seed1"


def column(*values: float) -> Column:
    made = Column()
    for number, value in enumerate(values):
        made.append(number, number, number, value)
    return made


DATA = ChartData(
    (
        Curve("val", "val", "series-1", column(4.0, 3.0, 2.0)),
        Curve("train", "train", "series-2", column(4.5, 3.5), dashed=True),
        Curve("lr", "lr", "series-3", column(0, 3e-4), visible=False),
    )
)


def words(runs: list[Run]) -> str:
    return "".join(text for text, _ in runs)


def overlaid(others: int) -> ChartData:
    names = [f"gpt2_openwebtext_150M_lr{n}e-4_bs64_seed1" for n in range(1, others + 1)]
    rest = (Curve(f"run:{name}", name, "series-3", column(2.0, 1.0)) for name in names)
    return ChartData((*DATA.curves[:2], *rest))


def told(found: Legend) -> list[str]:
    """What is said at each spot, without the sample."""
    return [words(found.lines[spot.line])[spot.start : spot.end].split()[-1] for spot in found.spots]


def test_each_curve_is_shown_in_its_ink_and_hidden_ones_faint() -> None:
    (runs,), spots = legend(DATA, 100, 5, Style("log"))
    assert words(runs).startswith("     ━━ val  ╍╍ train  ━━ lr  ")
    assert words(runs).endswith(" log")
    assert cell_len(words(runs)) == 100
    assert ("━━", ink.of_curve(0)) in runs
    assert ("━━", ink.FAINT) in runs
    assert [(words(runs)[start:end], key) for _, start, end, key in spots] == [
        ("━━ val", "val"),
        ("╍╍ train", "train"),
        ("━━ lr", "lr"),
    ]


def test_without_room_it_says_how_many_are_left_out() -> None:
    many = ChartData(tuple(Curve(f"c{i}", f"curve {i}", "series-1", column(1.0)) for i in range(30)))
    for width in range(12, 120):
        for lines in (1, 2, 3):
            found = legend(many, width, 5, PLAIN, lines)
            assert len(found.lines) <= lines
            assert all(cell_len(words(runs).rstrip()) <= width for runs in found.lines)
            assert words(found.lines[-1]).endswith(f"+{30 - len(found.spots)}")


@pytest.mark.parametrize(("others", "width"), [(1, 68), (3, 68), (1, 79), (3, 79), (6, 140)])
@pytest.mark.parametrize("state", ["", "smoothed 0.6 · log"])
def test_every_curve_is_named_unlike_the_others_the_run_in_view_first(
    others: int, width: int, state: str
) -> None:
    data, style = overlaid(others), Style(state, numbered=True)
    lines = legend_lines(data, width, 5, style, 3)
    names = told(legend(data, width, 5, style, lines))
    assert len(set(names)) == len(names) == others + 2
    assert names[:2] == ["val", "train"]
    # So does a chart that has one line only.
    alone = told(legend(data, width, 5, style))
    assert len(set(alone)) == len(alone) and alone[:2] == ["val", "train"]


def test_six_runs_have_lines_enough_at_any_width() -> None:
    data = overlaid(6)
    for width in range(70, 200):
        style = Style("log", numbered=True)
        lines = legend_lines(data, width, 5, style, 3)
        assert lines <= 3 and len(legend(data, width, 5, style, lines).spots) == 8


def test_one_line_stays_one_where_all_have_room() -> None:
    assert legend_lines(DATA, 79, 5, Style("log", numbered=True), 3) == 1
    assert legend_lines(overlaid(1), 79, 5, Style("log", numbered=True), 3) == 1


def test_a_long_note_gives_way_to_the_names_and_what_the_reader_chose_last() -> None:
    why = "no forecast: the learning rate follows a schedule that forecasts know nothing of"
    style = Style(f"{why} · smoothed 0.6 · log", numbered=True, brief="no forecast · smoothed 0.6 · log")
    found = legend(overlaid(2), 79, 5, style)
    assert len(found.spots) == 4
    assert words(found.lines[0]).endswith("  smoothed 0.6 · log")
    found = legend(overlaid(1), 79, 5, style)
    assert len(found.spots) == 3
    assert words(found.lines[0]).endswith(" no forecast · smoothed 0.6 · log")
    assert words(legend(overlaid(1), 200, 5, style).lines[0]).endswith(style.state)
    assert words(legend(overlaid(1), 60, 5, style).lines[0]).endswith(" smoothed 0.6 · log")


def test_names_hold_still_while_values_change() -> None:
    def named(value: float) -> list[str]:
        style = Style(value=lambda curve: f"{value:g}")
        found = legend(overlaid(3), 100, 5, style)
        return [words(found.lines[s.line])[s.start : s.end].split()[1] for s in found.spots]

    assert named(1) == named(10.5) == named(1234.5)


def test_control_characters_are_never_let_through() -> None:
    data = ChartData((Curve("x", "a\x1b[31mb", "series-1", column(1.0)),))
    shown = words(legend(data, 100, 5, PLAIN).lines[0])
    assert shown.isprintable() and "\\x1b" in shown
