"""The run in view: charts, overlays, panels; over real files and the real thread that reads them."""

from __future__ import annotations

import csv
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from mypt import events
from mypt.events import LogWriter
from mypt.runs.record import create
from mypt.watch.system import Gpu, SystemSample
from tests.tui.logs import log_path, write_run
from tests.tui.painted import painted
from tests.tui.test_home import event_lines, facts, home
from tests.tui.toasts import said, toasts
from tests.tui.waiting import until
from tui.app import MyptApp
from tui.chart.curves import FEWEST_SMOOTHED
from tui.chart.look import DARK
from tui.overlay import MOST, Overlay
from tui.prefs import Preferences
from tui.screens.compare import CompareScreen
from tui.screens.home.monitor import Monitor
from tui.screens.home.panels.config import config_lines
from tui.screens.home.panels.console import ConsolePanel
from tui.screens.home.panels.machine import machine_lines
from tui.screens.home.panels.samples import SamplePanel
from tui.screens.home.widgets import RunList
from tui.widgets.saving import SaveScreen


@pytest.fixture(autouse=True)
def preferences(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path_factory.mktemp("prefs")))


@asynccontextmanager
async def looking(
    workspace: Path, *, size: tuple[int, int] = (140, 40)
) -> AsyncIterator[tuple[MyptApp, Monitor, Pilot[Any]]]:
    app = MyptApp(workspace)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: home(app).run_in_view is not None)
        monitor = home(app).monitor
        await until(pilot, lambda: bool(monitor.chart.data.curves))
        yield app, monitor, pilot


def keys(monitor: Monitor) -> list[str]:
    return [curve.key for curve in monitor.chart.data.curves if not curve.quiet]


def write_learning(
    workspace: Path, name: str, updates: int, *, samples: Sequence[int] = (), **config: Any
) -> Path:
    """A run with a train event for each update and an evaluation every tenth."""
    path = log_path(workspace, name)
    with LogWriter(path) as log:
        log.write(
            events.TrainingStart(
                config={
                    "max_iters": 2 * updates,
                    "start_step": 0,
                    "eval_interval": 10,
                    "tokens_per_step": 64,
                    **config,
                },
                settings={"learning_rate": 1e-3, "dropout": 0.1, "seed": 7},
                sources={"learning_rate": "command line", "dropout": "preset tiny"},
            )
        )
        for step in range(updates + 1):
            common: dict[str, Any] = {
                "iter": step,
                "elapsed_s": step / 10,
                "tokens_processed": 64 * step,
                "lr": 1e-3,
            }
            loss = 1 + 3 / (1 + step / 10)
            if step:
                log.write(
                    events.Train(**common, train_loss=loss, grad_norm=1.0, tokens_per_sec=640.0, memory=10**9)
                )
            if step % 10 == 0:
                log.write(events.Eval(**common, val_loss=loss, train_loss=loss))
            if step in samples:
                log.write(events.Sample(iter=step, prompt="Once", text=f" text of step {step}"))
    return path


async def test_other_runs_lie_over_the_one_in_view_in_colours_that_they_keep(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_run(tmp_path, name)
    async with looking(tmp_path) as (app, monitor, pilot):
        first = home(app).run_in_view
        assert first is not None
        await pilot.press("space", "down")
        await until(pilot, lambda: home(app).run_in_view is not first)
        await until(pilot, lambda: f"run:{first.key}" in keys(monitor))
        colour = next(c.color for c in monitor.chart.data.curves if c.key == f"run:{first.key}")
        assert colour == monitor.overlay.colour(first.key) == "series-3"
        assert any(DARK[2] in str(segment.style) for segment in home(app).query_one(RunList).render_line(0))
        await pilot.press("down")
        await until(pilot, lambda: f"run:{first.key}" in keys(monitor))
        assert [c.color for c in monitor.chart.data.curves if c.key.startswith("run:")] == [colour]
        home(app).select(first.key)
        await until(
            pilot, lambda: keys(monitor)[0] == "val" and not any(k.startswith("run:") for k in keys(monitor))
        )
        assert monitor.chart.data.curves[0].color == colour, "the same colour when it is looked at"
        await pilot.press("u")
        await until(pilot, lambda: monitor.overlay.keys == ())
        await until(pilot, lambda: monitor.chart.data.curves[0].color == "series-1")


def test_overlays_are_kept_and_every_run_has_its_own_colour(tmp_path: Path) -> None:
    prefs = Preferences(tmp_path / "prefs.json")
    overlay = Overlay(prefs, tmp_path)
    runs = [f"logs/{n}.jsonl" for n in range(MOST + 1)]
    assert all(overlay.toggle(key) for key in runs[:-1])
    assert not overlay.toggle(runs[-1])
    colours = [overlay.colour(key) for key in runs[:-1]]
    assert len(set(colours)) == MOST and "series-1" not in colours and "series-2" not in colours
    again = Overlay(Preferences(tmp_path / "prefs.json"), tmp_path)
    assert [again.colour(key) for key in runs[:-1]] == colours
    assert again.toggle(runs[2]) and again.toggle(runs[-1])
    assert again.colour(runs[-1]) == colours[2]
    again.forget_all_but([runs[0]])
    assert again.keys == (runs[0],)
    again.follow({runs[0]: "logs/renamed.jsonl"}.__getitem__)
    assert again.keys == ("logs/renamed.jsonl",) and again.colour("logs/renamed.jsonl") == colours[0]
    assert Overlay(Preferences(tmp_path / "prefs.json"), tmp_path).keys == again.keys
    assert Overlay(prefs, tmp_path / "elsewhere").keys == ()


async def test_a_curve_is_hidden_by_its_number_and_stays_so(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    async with looking(tmp_path) as (app, monitor, pilot):
        await pilot.press("2")
        assert monitor.chart.hidden == {"train"}
        assert [c.visible for c in monitor.chart.data.curves] == [True, False]
    async with looking(tmp_path) as (app, monitor, pilot):
        assert app.prefs["hidden_curves"] == ["train"]
        assert [c.visible for c in monitor.chart.data.curves] == [True, False]
        await pilot.press("2")
        assert monitor.chart.hidden == frozenset()


async def test_smoothing_draws_long_curves_smooth_and_leaves_evaluations_alone(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", FEWEST_SMOOTHED + 20)
    async with looking(tmp_path) as (app, monitor, pilot):
        await pilot.press("e")
        await until(pilot, lambda: any(c.quiet for c in monitor.chart.data.curves))
        by_key = {curve.key: curve for curve in monitor.chart.data.curves}
        assert set(by_key) == {"val", "train", "train~raw"}
        assert by_key["train"].raw is by_key["train~raw"].column
        assert by_key["val"].raw is None
        assert monitor.chart.data.note == "smoothed 0.6"
        last, smooth = (by_key[k].column.last() for k in ("train~raw", "train"))
        assert last is not None and smooth is not None and smooth.step == last.step and smooth.y > last.y
        await pilot.press("e", "e", "e")
        await until(pilot, lambda: not any(c.quiet for c in monitor.chart.data.curves))
        assert app.prefs["smoothing"] == 0.0


async def test_the_second_chart_shows_what_was_measured_and_stands_where_the_first_one_stands(
    tmp_path: Path,
) -> None:
    write_learning(tmp_path, "a", 60)
    async with looking(tmp_path) as (app, monitor, pilot):
        assert not monitor.second.display
        seen = []
        for _ in range(5):
            await pilot.press("m")
            await pilot.pause()
            seen.append(app.prefs["metric"])
        assert seen == ["lr", "grad_norm", "tokens_per_sec", "memory", ""]
        await pilot.press("m")
        await until(pilot, lambda: monitor.second.display and bool(monitor.second.data.curves))
        await pilot.press("left", "left", "left")
        assert monitor.chart.cursor is not None
        await until(pilot, lambda: monitor.second.cursor == monitor.chart.cursor)
        await pilot.press("plus")
        await until(pilot, lambda: monitor.second.window == monitor.chart.window is not None)
        one, two = monitor.chart.picture, monitor.second.picture
        assert one is not None and two is not None
        assert (one.gutter, one.x) == (two.gutter, two.x), "exactly below each other"
        await pilot.click(monitor.second, offset=(40, 3))
        await until(pilot, lambda: monitor.second.cursor == monitor.chart.cursor)


async def test_each_metric_of_the_second_chart_has_its_own_scale(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", 60)
    async with looking(tmp_path, size=(240, 50)) as (app, monitor, pilot):
        await pilot.press("Y")
        await until(pilot, lambda: said(app) == ["there is no second chart: m shows one"])
        assert "Log metric" not in painted(app)
        await pilot.press("m", "m")
        await until(pilot, lambda: app.prefs["metric"] == "grad_norm" and monitor.second.display)
        await until(pilot, lambda: "Y Log metric" in painted(app))
        await pilot.press("Y")
        await until(pilot, lambda: app.prefs["log_metrics"] == ["grad_norm"])
        assert monitor.second.log_y and not monitor.chart.log_y and not app.prefs["log_y"]
        await pilot.press("m")
        await until(pilot, lambda: not monitor.second.log_y)
        await pilot.press("m", "m", "m", "m")
        await until(pilot, lambda: app.prefs["metric"] == "grad_norm" and monitor.second.log_y)
        await pilot.press("Y")
        await until(pilot, lambda: app.prefs["log_metrics"] == [])
        # Where one chart has all the room, the key of the losses means the one that is seen.
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: monitor.in_sight is monitor.second)
        await pilot.press("y")
        await until(pilot, lambda: app.prefs["log_metrics"] == ["grad_norm"])
        assert not monitor.chart.log_y


async def test_a_low_terminal_shows_one_of_the_two_charts(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", 60)
    async with looking(tmp_path, size=(80, 24)) as (_, monitor, pilot):
        await pilot.press("m")
        await until(pilot, lambda: monitor.second.display and not monitor.chart.display)
        await until(pilot, lambda: monitor.second.size.height >= 8)
        await pilot.press("left")
        await until(pilot, lambda: monitor.second.cursor is not None)
        await pilot.press("m", "m", "m", "m")
        await until(pilot, lambda: monitor.chart.display and not monitor.second.display)


async def test_a_panel_has_all_the_room_of_a_low_terminal_too(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", 60)
    async with looking(tmp_path, size=(80, 24)) as (_, monitor, pilot):
        await pilot.press("z")
        await until(pilot, lambda: monitor.below.size.height >= 18)
        await pilot.press("z")
        await until(pilot, lambda: monitor.below.size.height <= 8 and monitor.chart.display)


async def test_a_second_chart_names_what_the_run_in_view_has_not_measured(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", 30)
    write_run(tmp_path, "b")
    async with looking(tmp_path) as (app, monitor, pilot):
        await until(pilot, lambda: all(run.known for run in app.live.workspace.runs))
        for name in ("b", "a"):
            home(app).select(app.live.workspace.find(name)[0].key)
            await pilot.press("space")
        app.prefs["metric"] = "memory"
        home(app).select(app.live.workspace.find("b")[0].key)
        await until(pilot, lambda: [curve.label for curve in monitor.second.data.curves] == ["a"])
        await until(pilot, lambda: "memory" in painted(app))
        home(app).select(app.live.workspace.find("a")[0].key)
        await until(pilot, lambda: not monitor.second.data.note)


async def test_a_zoom_that_holds_nothing_says_so(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", 60)
    write_learning(tmp_path, "b", 20)
    async with looking(tmp_path) as (app, monitor, pilot):
        await until(pilot, lambda: all(run.known for run in app.live.workspace.runs))
        for name in ("b", "a"):
            home(app).select(app.live.workspace.find(name)[0].key)
            await pilot.press("space")
        await until(pilot, lambda: any(curve.key.startswith("run:") for curve in monitor.chart.data.curves))
        monitor.chart.look_at(40, 60)
        await until(pilot, lambda: "40 – 60" in painted(app))
        assert "nothing there" not in painted(app)
        curves = monitor.chart.data.curves
        monitor.chart.hide({curve.key for curve in curves if not curve.key.startswith("run:")})
        await until(pilot, lambda: "nothing there, esc shows the whole run" in painted(app))


async def test_escape_leads_back_to_the_runs(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", 60)
    async with looking(tmp_path) as (app, monitor, pilot):
        await pilot.click(monitor.chart, offset=(40, 5))
        await until(pilot, lambda: app.focused is monitor.chart and monitor.chart.cursor is not None)
        await pilot.press("escape")
        await until(pilot, lambda: monitor.chart.cursor is None)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.focused, RunList))


async def test_escape_in_a_low_terminal_leads_to_the_chart_that_is_in_sight(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", 60)
    async with looking(tmp_path, size=(80, 24)) as (app, monitor, pilot):
        await pilot.press("m")
        await until(pilot, lambda: monitor.second.display and not monitor.chart.display)
        await pilot.press("escape")
        await until(pilot, lambda: app.focused is monitor.second)
        await pilot.press("left")
        await until(pilot, lambda: monitor.second.cursor is not None)


async def test_the_sample_is_the_one_of_the_step_that_the_cursor_stands_at(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", 60, samples=(0, 30, 60))
    async with looking(tmp_path) as (_, monitor, pilot):
        panel = monitor.query_one(SamplePanel)
        await until(pilot, lambda: panel.heading() == "Sample at step 60")
        assert panel.note() == "3 of 3, z shows all"
        monitor.chart.place_at_step(40)
        await until(pilot, lambda: panel.heading() == "Sample at step 30")
        assert panel.note() == "2 of 3, at the cursor"
        await pilot.press("z")
        await until(pilot, lambda: panel.note() == "3 samples, the latest first")
        assert not monitor.query_one("#view").display
        await pilot.press("escape")
        await until(
            pilot, lambda: monitor.query_one("#view").display and panel.heading() == "Sample at step 30"
        )
        await pilot.press("escape")
        await until(pilot, lambda: panel.heading() == "Sample at step 60")


async def test_choosing_an_event_puts_the_cursor_where_it_happened(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    async with looking(tmp_path) as (app, monitor, pilot):
        monitor.query_one("#event-lines").focus()
        await until(pilot, lambda: "gold" in event_lines(app))
        steps = []
        for _ in range(4):
            await pilot.press("down")
            await pilot.pause()
            steps.append(monitor.chart.cursor and monitor.chart.cursor.step)
        assert None not in steps and steps == sorted(steps, reverse=True, key=lambda s: s or 0)


async def test_settings_stand_there_with_where_they_came_from(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", 20)
    async with looking(tmp_path) as (_, monitor, pilot):
        monitor.below.choose("config")
        view = monitor.below.query_one("#config")
        await until(pilot, lambda: bool(getattr(view, "lines", ())))
        said = [line.plain.split() for line in getattr(view, "lines", ())]
        assert said[0] == ["Settings"]
        assert said[1][0] == "learning_rate" and said[1][2:] == ["command", "line"]
        assert said[2][0] == "dropout" and said[2][2:] == ["preset", "tiny"]
        assert said[3] == ["seed", "7", "default"]


def test_where_a_setting_came_from_has_room_before_its_value() -> None:
    settings = {"input_file": "a/very/long/path/" * 5, "seed": 7}
    lines = config_lines(settings, {"input_file": "command line"}, {}, {}, 60)
    assert lines[1].plain.endswith("…  command line") and lines[1].cell_len <= 60


def test_in_a_narrow_panel_sources_are_headings_and_names_differ_by_their_ends() -> None:
    guards = {"overfit_ratio": 5.0, "consecutive_rises": 2}
    settings = {"n_layer": 4, "max_iters": 60, "gold_selection": {"guards": guards}, "seed": 7}
    sources = {"n_layer": "preset tiny", "max_iters": "command line"}
    lines = [line.plain for line in config_lines(settings, sources, {}, {}, 33)]
    assert [line for line in lines if line.startswith("from ")] == [
        "from command line",
        "from preset tiny",
        "from default",
    ]
    assert lines[2].split() == ["max_iters", "60"]
    assert any(line.startswith("….overfit_ratio") for line in lines)
    assert any(line.startswith("….consecutive_rises") for line in lines)
    assert max(map(len, lines)) <= 33


def test_in_a_narrow_panel_no_number_of_the_machine_is_cut() -> None:
    gpu = Gpu(0, "NVIDIA H200", 0.87, 11 * 10**9, 150 * 10**9, 45, 300.0, 700.0)
    sample = SystemSample(1.0, 2, 6_460_000_000, 16_800_000_000, 68 * 10**9, 200 * 10**9, (gpu,), 1.9, 10**9)
    lines = [line.plain for line in machine_lines([sample] * 9, {}, 34)]
    assert max(map(len, lines)) <= 34
    text = "\n".join(lines)
    for words in (
        "100%",
        "2 cores",
        "6.46 GB of 16.8 GB",
        "11 GB of 150 GB",
        "300 of 700 W",
        "1.9 cores busy",
    ):
        assert words in text


async def test_a_run_that_waits_says_what_it_was_given(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", 20)
    create(
        tmp_path,
        model_name="b",
        log_file="logs/train/b_eval.jsonl",
        command=["mypt", "train"],
        origin="queue",
        queued=True,
        settings={"max_iters": 1234, "learning_rate": 0.01},
    )
    async with looking(tmp_path) as (app, monitor, pilot):
        await until(pilot, lambda: len(app.live.workspace.runs) == 2)
        home(app).select(app.live.workspace.find("b")[0].key)
        await until(pilot, lambda: "steps 1 234" in painted(app) or "steps 1234" in painted(app))
        monitor.below.choose("config")
        view = monitor.below.query_one("#config")
        await until(pilot, lambda: "max_iters" in "".join(line.plain for line in getattr(view, "lines", ())))


async def test_the_machine_is_looked_at_while_it_is_shown(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    async with looking(tmp_path) as (app, monitor, pilot):
        monitor.below.choose("machine")
        view = monitor.below.query_one("#machine")
        await until(pilot, lambda: any("memory" in line.plain for line in getattr(view, "lines", ())))
        assert app.live.system_wanted
        monitor.below.choose("sample")
        assert not app.live.system_wanted


async def test_the_console_is_searched_and_filtered(tmp_path: Path) -> None:
    write_run(tmp_path, "a", complete=False)
    record = create(
        tmp_path, model_name="a", log_file="logs/train/a_eval.jsonl", command=["mypt"], origin="shell"
    )
    lines = [f"line {n}" + (" with GOLD" if n % 40 == 7 else "") for n in range(200)]
    record.directory(tmp_path).console.write_text("\n".join(lines) + "\n")
    async with looking(tmp_path) as (app, monitor, pilot):
        await pilot.press("ctrl+f")
        panel = monitor.query_one(ConsolePanel)
        await until(pilot, lambda: isinstance(app.focused, Input))
        await until(pilot, lambda: len(panel.view.lines) == 200)
        await pilot.press(*"gold", "enter")
        await until(pilot, lambda: panel.note() == "5 of 5 found")
        assert not panel.view.following
        await pilot.press("N")
        assert panel.note() == "4 of 5 found"
        top = panel.view.scroll_offset.y
        assert top <= 127 < top + panel.view.size.height
        await pilot.press("ampersand")
        assert [line.plain for line in panel.view.lines] == [line for line in lines if "GOLD" in line]
        await pilot.press("escape")
        assert len(panel.view.lines) == 200 and "found" not in panel.note()
        await pilot.press("end")
        await until(pilot, lambda: panel.view.following)


async def test_a_long_line_of_the_console_is_folded_and_found(tmp_path: Path) -> None:
    write_run(tmp_path, "a", complete=False)
    record = create(
        tmp_path, model_name="a", log_file="logs/train/a_eval.jsonl", command=["mypt"], origin="shell"
    )
    lines = ["short", "dataset_dir: " + "no such folder " * 20 + "END", "last"]
    record.directory(tmp_path).console.write_text("\n".join(lines) + "\n")
    async with looking(tmp_path) as (_, monitor, pilot):
        await pilot.press("ctrl+f")
        panel = monitor.query_one(ConsolePanel)
        await until(pilot, lambda: len(panel.view.lines) > 4)
        width = panel.view.size.width
        assert all(line.cell_len <= width for line in panel.view.lines)
        assert "".join(line.plain for line in panel.view.lines).endswith("ENDlast")
        await pilot.press(*"last", "enter")
        await until(pilot, lambda: panel.note() == "1 of 1 found")
        reversed_ones = [line.plain for line in panel.view.lines if "reverse" in str(line.spans)]
        assert reversed_ones == ["last"]


async def test_a_forecast_says_what_it_is_or_why_there_is_none(tmp_path: Path) -> None:
    write_run(tmp_path, "young", evals=2, complete=False)
    async with looking(tmp_path) as (app, monitor, pilot):
        await pilot.press("f")
        assert app.prefs["forecast"]
        assert not any(mark.kind == "forecast" for mark in monitor.chart.data.marks)
        assert "at the end" not in facts(app)
        assert monitor.chart.data.note == "no forecast: too early: 1 of 5 evaluations since step 1"
        # Where that would take the room of names, its first words stand for all of it.
        assert monitor.chart.data.brief == "no forecast"
        await pilot.press("f")
        assert monitor.chart.data.note == ""


async def test_the_interval_of_a_forecast_says_how_often_it_holds(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", 80)
    async with looking(tmp_path) as (app, monitor, pilot):
        said = re.search(r"at the end ≈ ([\d.]+) \(4 in 5: ([\d.]+) to ([\d.]+)\)", facts(app))
        assert said and float(said[2]) < float(said[1]) < float(said[3])
        await pilot.press("f")
        (mark,) = (mark for mark in monitor.chart.data.marks if mark.kind == "forecast")
        assert mark.step == 160 and "4 in 5" in mark.text and monitor.chart.data.note == ""
        assert any("4 in 5 ended within" in toast.message for toast in toasts(app))


async def test_the_chart_is_written_as_a_picture_or_as_numbers(tmp_path: Path) -> None:
    write_learning(tmp_path, "a", 60)
    async with looking(tmp_path) as (app, _, pilot):
        await pilot.press("2", "w")
        await until(pilot, lambda: isinstance(app.screen, SaveScreen))
        await pilot.press("enter")
        picture = tmp_path / "charts" / "a.svg"
        await until(pilot, picture.exists)
        root = ElementTree.parse(picture).getroot()
        text = " ".join(root.itertext())
        assert "val" in text and "train" not in text, "what is hidden is not drawn"
        await until(pilot, lambda: app.screen is home(app))
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, SaveScreen))
        await pilot.press("shift+tab", "right", "tab", "enter")
        numbers = tmp_path / "charts" / "a.csv"
        await until(pilot, numbers.exists)
        rows = list(csv.DictReader(numbers.open()))
        assert {"run", "step", "val", "train", "lr", "memory"} <= set(rows[0])
        assert [row["step"] for row in rows if row["val"]] == [str(n) for n in range(0, 61, 10)]


async def test_overlaid_runs_are_put_side_by_side(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    write_run(tmp_path, "b")
    async with looking(tmp_path) as (app, monitor, pilot):
        await pilot.press("v")
        assert app.screen is home(app), "one run alone is no comparison"
        await pilot.press("space", "down")
        await until(pilot, lambda: any(key.startswith("run:") for key in keys(monitor)))
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        await until(pilot, lambda: {column.label for column in screen.columns} == {"a", "b"})
