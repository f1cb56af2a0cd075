from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tui.chart.cursor import Cursor
from tui.chart.model import AXES, ChartData, Column, Curve, Mark, series_color
from tui.chart.view import Window
from tui.chart.widget import Chart


class ChartApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[Chart.CursorMoved | Chart.ViewChanged | Chart.CurvesChosen] = []
        self.escaped = 0

    BINDINGS = [("escape", "escaped")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        yield Chart()

    def on_chart_cursor_moved(self, message: Chart.CursorMoved) -> None:
        self.said.append(message)

    def on_chart_view_changed(self, message: Chart.ViewChanged) -> None:
        self.said.append(message)

    def on_chart_curves_chosen(self, message: Chart.CurvesChosen) -> None:
        self.said.append(message)

    def action_escaped(self) -> None:
        self.escaped += 1

    def steps(self) -> list[int | None]:
        return [m.step for m in self.said if isinstance(m, Chart.CursorMoved)]


def column(*values: float, every: int = 100) -> Column:
    made = Column()
    for number, value in enumerate(values):
        step = number * every
        made.append(step, step * 1000.0, step * 0.7, value)
    return made


def losses(points: int = 21) -> ChartData:
    val = column(*(4 - 0.1 * i for i in range(points)))
    train = column(*(3.9 - 0.1 * i for i in range(points)))
    blocked = Mark(1900, 1.9e6, 1330, 2.1, "blocked", "blocked: overfit: val/train=6.2x, threshold=5.0x")
    return ChartData(
        (Curve("val", "val", "series-1", val), Curve("train", "train", "series-4", train, dim=True)),
        (blocked,),
    )


def lines(chart: Chart) -> list[str]:
    return [chart.render_line(y).text for y in range(chart.size.height)]


def colors(chart: Chart) -> set[str]:
    return {
        segment.style.color.name
        for y in range(chart.size.height)
        for segment in chart.render_line(y)
        if segment.style and segment.style.color and segment.text.strip()
    }


def window(chart: Chart) -> Window | None:
    """The window now: a property read anew, which a type checker takes for the same."""
    return chart.window


def cursor(chart: Chart) -> Cursor | None:
    return chart.cursor


@asynccontextmanager
async def running(
    data: ChartData | None = None, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[tuple[ChartApp, Chart, Pilot[None]]]:
    app = ChartApp()
    async with app.run_test(size=size) as pilot:
        chart = app.query_one(Chart)
        chart.show(losses() if data is None else data)
        chart.focus()
        await pilot.pause()
        yield app, chart, pilot


async def test_without_data_the_empty_text_stands_in_the_middle() -> None:
    async with running(ChartData(), (60, 11)) as (_, chart, pilot):
        assert lines(chart)[5].strip() == "No points yet"
        chart.empty_text = (
            "Waiting for the first evaluation, which takes place before the first update of the weights"
        )
        await pilot.pause()
        shown = [line.strip() for line in lines(chart) if line.strip()]
        assert len(shown) == 2
        assert " ".join(shown) == chart.empty_text


async def test_hidden_curves_say_why_nothing_is_seen() -> None:
    made = Curve("val", "val", "series-1", column(1.0, 2.0), visible=False)
    async with running(ChartData((made,))) as (_, chart, _):
        assert any("Every curve is hidden" in line for line in lines(chart))
        assert "val" in lines(chart)[0]


async def test_the_latest_values_are_read_out_until_there_is_a_cursor() -> None:
    async with running() as (app, chart, pilot):
        assert lines(chart)[-1].startswith("  step 2000 │ val 2.0000  train 1.9000")
        await pilot.press("left", "left")
        assert app.steps() == [2000, 1900]
        assert lines(chart)[-1].startswith("┃ step 1900 │ val 2.1000  train 2.0000 │ ✕ blocked: overfit")
        assert any("●" in line for line in lines(chart))
        await pilot.press("escape")
        assert app.steps()[-1] is None
        assert lines(chart)[-1].startswith("  step 2000")


async def test_keys_move_the_cursor_from_point_to_point() -> None:
    async with running() as (app, chart, pilot):
        await pilot.press("left", "shift+left", "right")
        assert app.steps() == [2000, 1800, 1900]
        await pilot.press("right", "right", "right")
        assert app.steps() == [2000, 1800, 1900, 2000]
        assert cursor(chart) == Cursor(2000.0, 2000)


async def test_a_click_places_the_cursor_and_a_drag_takes_it_along() -> None:
    async with running() as (app, chart, pilot):
        await pilot.mouse_down(chart, offset=(52, 10))
        await pilot.hover(chart, offset=(70, 10))
        await pilot.mouse_up(chart, offset=(70, 10))
        await pilot.hover(chart, offset=(20, 10))
        first, second = app.steps()
        assert first == 1000
        assert second == 1400
        column = lines(chart)[10].find("│", 10)
        assert abs(column - 70) <= 3


async def test_a_click_on_the_legend_hides_the_curve_and_shows_it_again() -> None:
    async with running() as (app, chart, pilot):
        at = lines(chart)[0].index("train")
        await pilot.click(chart, offset=(at, 0))
        assert [m.hidden for m in app.said if isinstance(m, Chart.CurvesChosen)] == [frozenset({"train"})]
        assert [curve.visible for curve in chart.data.curves if curve.key == "train"] == [False]
        await pilot.click(chart, offset=(at, 0))
        assert chart.hidden == frozenset()
        assert cursor(chart) is None


async def test_zoom_and_pan_change_the_window_and_say_so() -> None:
    async with running() as (app, chart, pilot):
        await pilot.press("plus")
        assert window(chart) == (1000, 2000)
        assert "1k – 2k" in lines(chart)[0]
        await pilot.press("less_than_sign", "comma")
        assert window(chart) == (500, 1500)
        await pilot.press("full_stop")
        assert window(chart) == (750, 1750)
        await pilot.press("minus")
        assert window(chart) is None
        await pilot.press("plus", "0")
        views = [m.window for m in app.said if isinstance(m, Chart.ViewChanged)]
        assert [views[0], *views[-2:]] == [(1000, 2000), (1000, 2000), None]


async def test_zoom_goes_around_the_cursor() -> None:
    async with running() as (_, chart, pilot):
        chart.action_cursor(-1)
        chart.action_cursor(-10)
        here = chart.cursor
        await pilot.press("plus", "plus")
        seen = chart.window
        assert here is not None
        assert seen is not None
        assert seen.lo + seen.width * here.x / 2000 == pytest.approx(here.x)


async def test_the_window_follows_the_cursor_out_of_sight() -> None:
    async with running() as (_, chart, pilot):
        await pilot.press("plus", "plus", "left", *["shift+left"] * 6)
        assert chart.cursor is not None
        assert chart.window is not None
        assert chart.window.lo <= chart.cursor.x <= chart.window.hi
        assert chart.cursor.x < 1500


async def test_the_wheel_zooms_around_the_pointer() -> None:
    async with running() as (_, chart, pilot):
        await pilot._post_mouse_events([events.MouseScrollUp], chart, offset=(30, 10))
        assert chart.window is not None
        assert chart.window.lo > 0
        assert chart.window.hi < 2000


async def test_escape_peels_one_layer_at_a_time_and_then_lets_go() -> None:
    async with running() as (app, chart, pilot):
        await pilot.press("plus", "left", "escape")
        assert cursor(chart) is None
        assert window(chart) is not None
        await pilot.press("escape")
        assert window(chart) is None
        assert app.escaped == 0
        await pilot.press("escape")
        assert app.escaped == 1


async def test_y_goes_logarithmic_and_back() -> None:
    async with running() as (_, chart, pilot):
        plain = lines(chart)
        await pilot.press("y")
        assert chart.log_y
        assert lines(chart)[0].rstrip().endswith("log")
        assert lines(chart) != plain
        await pilot.press("y")
        assert lines(chart) == plain


async def test_another_axis_keeps_cursor_and_window_in_the_run() -> None:
    async with running() as (_, chart, pilot):
        await pilot.press("plus", "left", "left")
        chart.axis = "time"
        await pilot.pause()
        assert cursor(chart) == Cursor(1330.0, 1900)
        assert window(chart) == (700.0, 1400.0)
        # What is too long for one line has two, the mark the last one.
        assert "step 1900 · 22m 10s" in lines(chart)[-2] and "✕ blocked" in lines(chart)[-1]
        chart.action_next_axis()
        assert (str(chart.axis), cursor(chart)) == ("clock", Cursor(1330.0, 1900)), "at the same place"
        chart.action_next_axis()
        assert str(chart.axis) == "step"
        assert cursor(chart) == Cursor(1900.0, 1900)


async def test_growth_is_followed_and_a_window_stays() -> None:
    data = losses()
    async with running(data) as (_, chart, pilot):
        chart.look_at(500, 1000)
        data.curves[0].column.append(8000, 8e6, 5600, 1.0)
        chart.show(data)
        await pilot.pause()
        assert window(chart) == (500, 1000)
        await pilot.press("0")
        assert "8k" in lines(chart)[-2]
        assert lines(chart)[-1].startswith("  step 8000 │ val 1.0000")


async def test_the_same_data_are_not_drawn_again() -> None:
    data = losses()
    async with running(data) as (_, chart, pilot):
        strip = chart.render_line(3)
        chart.show(data)
        await pilot.pause()
        assert chart.render_line(3) is strip
        data.curves[0].column.append(2100, 2.1e6, 1470, 1.0)
        chart.show(data)
        await pilot.pause()
        assert chart.render_line(3) is not strip


async def test_a_rewound_run_is_drawn_as_it_is_now() -> None:
    data = losses()
    async with running(data) as (_, chart, pilot):
        await pilot.press("left")
        for curve in data.curves:
            curve.column.rewind(1000)
        chart.show(data)
        await pilot.press("left", "right")
        assert chart.cursor is not None
        assert chart.cursor.step <= 900


async def test_the_data_may_set_the_axis() -> None:
    data = losses()
    async with running(ChartData(data.curves, axis="tokens")) as (_, chart, _):
        assert chart.axis == "tokens"
        assert "tokens" in lines(chart)[-2]


async def test_themes_change_the_colours() -> None:
    async with running() as (app, chart, pilot):
        app.theme = "textual-dark"
        await pilot.pause()
        dark = colors(chart)
        app.theme = "textual-light"
        await pilot.pause()
        light = colors(chart)
        assert "#58b6f5" in dark
        assert "#0067b0" in light
        assert not dark & light
        strip_background = chart.render_line(1)._segments[0].style
        assert strip_background is not None
        assert strip_background.bgcolor is not None
        assert strip_background.bgcolor.name == app.screen.styles.background.hex.lower()


async def test_any_colour_is_taken_and_a_wrong_one_forgiven() -> None:
    curves = tuple(
        Curve(color, color, color, column(number + 1.0, number + 2.0))
        for number, color in enumerate(("#123456", "no such colour"))
    )
    async with running(ChartData(curves)) as (_, chart, _):
        assert "#123456" in colors(chart)


async def test_ascii_only_is_ascii() -> None:
    async with running() as (_, chart, pilot):
        chart.ascii_only = True
        await pilot.press("left", "left", "y", "plus")
        shown = "".join(lines(chart))
        assert shown.isascii()
        assert "x blocked: overfit" in shown


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (20, 6), (40, 3), (80, 24), (300, 80), (5, 40)])
async def test_every_size_is_filled_exactly(size: tuple[int, int]) -> None:
    async with running(size=size) as (_, chart, pilot):
        await pilot.press("left", "left")
        for y in range(size[1]):
            assert chart.render_line(y).cell_length == size[0]


async def test_a_resize_draws_anew() -> None:
    async with running(size=(80, 24)) as (_, chart, pilot):
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert chart.size == (120, 40)
        assert all(chart.render_line(y).cell_length == 120 for y in range(40))
        assert "step 2000" in lines(chart)[-1]


HOSTILE = [
    [math.nan] * 5,
    [math.inf, -math.inf, math.nan],
    [1e308, -1e308],
    [-1.0, -2.0, 0.0],
    [0.0],
    [5e-324, 1e-310],
    [2.0, math.nan, 3.0, math.inf, 1.0],
]


@pytest.mark.parametrize("values", HOSTILE)
async def test_hostile_values_never_raise(values: list[float]) -> None:
    marks = (
        Mark(math.nan, math.nan, math.nan, 1.0, "gold", "gold"),
        Mark(0, math.inf, math.nan, math.inf, "gold", "a\x1b[2Jb"),
        Mark(100, 1.0, 1.0, math.nan, "blocked", "漢字\n\x07"),
        Mark(100, 1.0, 1.0, None, "phase", "漢字" * 99),
    )
    data = ChartData((Curve("v", "v\x1b", "series-1", column(*values)),), marks)
    async with running(data, (60, 16)) as (app, chart, pilot):
        for axis in AXES:
            chart.axis = axis
            await pilot.press(
                "left", "left", "right", "y", "plus", "plus", "shift+left", "less_than_sign", "minus"
            )
            for y in range(16):
                strip = chart.render_line(y)
                assert strip.cell_length == 60
                assert strip.text.isprintable()
        assert app.is_running


async def test_every_binding_can_be_remapped_and_explains_itself() -> None:
    ids = [binding.id for binding in Chart.BINDINGS]  # type: ignore[union-attr]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert all(binding.tooltip for binding in Chart.BINDINGS)  # type: ignore[union-attr]


async def test_drawing_only_changed_lines_gives_the_same_picture_as_drawing_all() -> None:
    column = Column()
    for step in range(50):
        column.append(step, step, step, 4 / (1 + step / 9))
    data = ChartData((Curve("val", "val", series_color(0), column),))

    class Two(App[None]):
        def compose(self) -> ComposeResult:
            yield Chart(id="grown")
            yield Chart(id="fresh")

    app = Two()
    async with app.run_test(size=(80, 40)) as pilot:
        grown, fresh = app.query_one("#grown", Chart), app.query_one("#fresh", Chart)
        grown.show(data)
        await pilot.pause()
        for step in range(50, 80):
            column.append(step, step, step, 4 / (1 + step / 9) + (step == 60) * 3)
            grown.show(data)
            await pilot.pause()
        fresh.show(data)
        await pilot.pause()
        lines = range(grown.size.height)
        assert [grown.render_line(y).text for y in lines] == [fresh.render_line(y).text for y in lines]
        # What is on the screen, not only what the widget would draw.
        painted = [strip.text for strip in app.screen._compositor.render_strips()]
        assert painted[: grown.size.height] == painted[grown.size.height : 2 * grown.size.height]
