from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.plotting.drawing import Line, Sign, View
from mypt.plotting.svg import Ground, svg
from tests.plotting.curves import column, line

NAME = "{http://www.w3.org/2000/svg}"


def read(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text.encode())


def words(root: ElementTree.Element) -> list[str]:
    return [e.text or "" for e in root.iter(f"{NAME}text")]


def paths(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [e for e in root.iter(f"{NAME}path") if kind in (e.get("class") or "").split()]


MARKS = [
    Sign("phase", 15, 1500, 30, text="prose"),
    Sign("gold", 10, 1000, 20, 3.0, "gold 3.0000"),
    Sign("gold", 30, 3000, 60, 1.0, "gold 1.0000 (was 3.0000)"),
    Sign("blocked", 20, 2000, 40, 2.0, "trend: 3 rises"),
    Sign("resume", 20, 2000, 40, text="goes on from step 20"),
    Sign("notice", 25, 2500, 50, 99.0, "batch loss jumped"),
    Sign("notice", 5, 500, 10, None, "an eval set"),
    Sign("forecast", 30, 3000, 60, 1.0, "expected 1.0", low=0.5, high=1.5),
    Sign("best", 30, 3000, 60, 1.0, "best 1.0"),
]


def test_curves_axes_legend_and_marks_with_their_words() -> None:
    root = read(
        svg([line(4, 3, 2, 1), line(4, 2, 2, 2, label="train", color="series-2")], MARKS, title="dante")
    )
    assert root.get("viewBox") == "0 0 960 540"
    assert {"dante", "val", "train", "steps", "prose", "0", "30", "2.0"} <= set(words(root))
    assert len(paths(root, "curve")) == 4
    assert len(paths(root, "gold")) == len(paths(root, "gold-past")) == len(paths(root, "blocked")) == 1
    titles = [e.text for e in root.iter(f"{NAME}title")]
    assert "gold 1.0000 (was 3.0000)" in titles and "blocked: trend: 3 rises" in titles
    assert len(paths(root, "notice")) == 2 and {"batch loss jumped", "an eval set"} <= set(titles)
    assert "val: 1.0000 at step 30" in titles and "goes on from step 20" in titles


def test_the_first_curve_is_on_top_and_a_quiet_one_is_not_in_the_legend() -> None:
    quiet = Line("raw", "series-1", column([(0, 1.0), (10, 3.0)]), dim=True, quiet=True)
    root = read(svg([line(1, 2), line(1, 3, label="b", color="series-2"), quiet]))
    drawn = [path.get("class") for path in paths(root, "curve") if path.find(f"{NAME}title") is not None]
    assert drawn == ["curve s1 dim", "curve s2", "curve s1"]
    assert "raw" not in words(root)


def test_places_agree_with_the_ticks() -> None:
    root = read(svg([line(0, 100)], width=500, height=300))
    labels = {e.text: e for e in root.iter(f"{NAME}text")}
    (path,) = [p for p in paths(root, "curve") if p.find(f"{NAME}title") is not None]
    first, last = (point.split() for point in (path.get("d") or "").removeprefix("M").split("L"))
    assert float(first[0]) == pytest.approx(float(labels["0"].get("x") or 0), abs=0.2) or first[0] == "64.0"
    assert float(last[0]) == pytest.approx(482, abs=0.2)
    at_100 = float(labels["100"].get("y") or 0) - 4
    assert float(last[1]) == pytest.approx(at_100, abs=0.2)


@pytest.mark.parametrize(
    ("ground", "has", "lacks"),
    [
        ("light", "#fbfaf7", "#0f1318"),
        ("dark", "#0f1318", "#fbfaf7"),
        ("auto", "prefers-color-scheme:dark", "\0"),
    ],
)
def test_it_is_drawn_on_a_light_or_a_dark_ground(ground: Ground, has: str, lacks: str) -> None:
    text = svg([line(1, 2)], ground=ground)
    assert has in text and lacks not in text
    read(text)


def test_a_log_axis_and_a_gap() -> None:
    root = read(svg([line(100, 10, math.nan, 1, 0.1, -1)], view=View("tokens", log_y=True)))
    assert {"0.1", "1", "10", "100", "tokens"} <= set(words(root))
    (path,) = [p for p in paths(root, "curve") if p.find(f"{NAME}title") is not None]
    assert (path.get("d") or "").count("M") == 2


def test_nothing_to_draw_says_so() -> None:
    assert "no point to draw" in words(read(svg([], title="empty")))
    assert "no point to draw" in words(read(svg([Line("val", "series-1", column([]))])))


@given(st.text(max_size=30), st.lists(st.floats(), max_size=8), st.booleans())
def test_it_is_valid_xml_whatever_is_in_it(text: str, ys: list[float], log_y: bool) -> None:
    marks = [
        Sign(kind, 10, 0, 0, 1.0, text)
        for kind in ("gold", "blocked", "notice", "phase", "resume", "best", "forecast")
    ]
    root = read(svg([line(*ys, label=text, color=text)], marks, View(log_y=log_y), title=text))
    assert "nan" not in " ".join(path.get("d") or "" for path in root.iter(f"{NAME}path"))


def test_a_name_cannot_bring_elements_of_its_own() -> None:
    text = '</text><script>alert(1)</script>"\x1b\ufffe'
    root = read(svg([line(1, 2, label=text)], title=text))
    assert not list(root.iter(f"{NAME}script")) and "\\x1b" in (root.get("aria-label") or "")


def test_a_long_legend_goes_on_in_another_row_and_a_million_points_are_a_small_file() -> None:
    curves = [line(1, 2, label=f"a run with a rather long name {n}") for n in range(8)]
    root = read(svg(curves))
    rows = {e.get("y") for e in root.iter(f"{NAME}text") if (e.text or "").startswith("a run")}
    assert len(rows) >= 2
    long = Line("val", "series-1", column((n, (n * 7919 % 1000) / 1000) for n in range(200_000)))
    assert len(svg([long])) < 100_000
