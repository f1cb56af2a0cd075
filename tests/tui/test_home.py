"""Home in a headless terminal, over real files and the real thread that reads them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mypt import events
from mypt.events import LogWriter
from mypt.housekeeping import rename
from mypt.runs.state import RunState
from tests.tui.logs import log_path, write_run
from tests.tui.test_checkpoints_screen import save
from tests.tui.toasts import toasts
from tests.tui.waiting import until
from tui.app import MyptApp
from tui.chart.widget import Chart
from tui.screens.home import HomeScreen
from tui.screens.home.widgets import Facts, RunList, RunStrip, Welcome
from tui.widgets.lineview import LineView
from tui.widgets.states import PIN


@pytest.fixture(autouse=True)
def preferences(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path_factory.mktemp("prefs")))


def home(app: MyptApp) -> HomeScreen:
    screen = app.screen_stack[0]
    assert isinstance(screen, HomeScreen)
    return screen


def facts(app: MyptApp) -> str:
    return home(app).query_one(Facts).render().plain


def event_lines(app: MyptApp) -> str:
    return "\n".join(line.plain for line in home(app).query_one("#event-lines", LineView).lines)


async def test_an_empty_workspace_says_how_to_begin(tmp_path: Path) -> None:
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: home(app).has_class("empty"))
        welcome = home(app).query_one(Welcome)
        assert welcome.display
        assert not home(app).query_one("#body").display
        said = welcome.render().plain
        assert "Try the demo" in said
        assert "New run" in said


async def test_runs_are_listed_and_the_youngest_is_in_view(tmp_path: Path) -> None:
    write_run(tmp_path, "first")
    write_run(tmp_path, "second", complete=False)
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: home(app).run_in_view is not None)
        assert {run.label for run in app.live.workspace.runs} == {"first", "second"}
        run = home(app).run_in_view
        assert run is not None
        await until(pilot, lambda: "step" in facts(app))
        assert "of 100" in facts(app)
        assert "gold" in event_lines(app)
        chart = home(app).query_one(Chart)
        await until(pilot, lambda: {curve.key for curve in chart.data.curves} >= {"val", "train"})
        assert {mark.kind for mark in chart.data.marks} == {"gold", "best"}


async def test_an_appended_event_and_a_new_run_appear_by_themselves(tmp_path: Path) -> None:
    write_run(tmp_path, "first", complete=False)
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "step" in facts(app))
        with LogWriter(log_path(tmp_path, "first")) as log:
            log.write(events.Eval(iter=40, elapsed_s=4.0, val_loss=0.1234))
            log.write(
                events.GoldBlocked(
                    iter=40, val_loss=0.1234, best_val_loss=1.0, reason="trend: 2 consecutive val rises"
                )
            )
        await until(pilot, lambda: "0.1234" in facts(app))
        await until(pilot, lambda: "trend: 2 consecutive val rises" in event_lines(app))
        write_run(tmp_path, "later")
        await until(pilot, lambda: len(app.live.workspace.runs) == 2)
        current = home(app).run_in_view
        assert current is not None
        assert current.label == "first", "what is in view must not move on its own"


async def test_moving_in_the_list_looks_at_another_run(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_run(tmp_path, name)
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: home(app).run_in_view is not None)
        await until(pilot, lambda: isinstance(app.focused, RunList))
        order = [run.key for run in app.live.workspace.runs]
        assert home(app).selected == order[0]
        await pilot.press("down")
        await until(pilot, lambda: home(app).selected == order[1])
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: home(app).selected == order[2])
        # Below the border a run has two lines, and each of them is it.
        for line, run in ((1, 0), (3, 1), (2, 0), (4, 1)):
            await pilot.click(RunList, offset=(5, line))
            await until(pilot, lambda wanted=order[run]: home(app).selected == wanted)  # type: ignore[misc]


async def test_a_narrow_terminal_has_a_strip_and_one_panel(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    write_run(tmp_path, "b")
    app = MyptApp(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: home(app).run_in_view is not None)
        assert not home(app).query_one(RunList).display
        strip = home(app).query_one(RunStrip)
        assert strip.display
        await until(pilot, lambda: "[1/2]" in strip.render().plain)
        shown = []
        panels = ("#events", "#sample-scroll", "#console-panel", "#config", "#machine")
        for _ in range(5):
            shown.append(tuple(home(app).query_one(p).has_class("gone") for p in panels))
            await pilot.press("l")
        assert len(set(shown)) == 5
        assert home(app).query_one(Chart).size.height >= 8


@pytest.mark.parametrize("size", [(80, 24), (99, 29), (120, 36), (200, 50), (300, 80), (40, 12)])
async def test_no_size_breaks_it(tmp_path: Path, size: tuple[int, int]) -> None:
    write_run(tmp_path, "a")
    app = MyptApp(tmp_path)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: home(app).run_in_view is not None)
        await pilot.resize_terminal(*size[::-1])
        await pilot.pause()


async def test_axis_log_scale_and_theme_are_there_again(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: home(app).run_in_view is not None)
        await pilot.press("x", "y", "ctrl+t", "l")
        await pilot.pause()
    again = MyptApp(tmp_path)
    async with again.run_test(size=(120, 36)) as pilot:
        chart = home(again).query_one(Chart)
        await until(pilot, lambda: chart.axis == "tokens")
        assert chart.log_y
        assert again.theme == "mypt-light"
        assert home(again).query_one("#sample-scroll").has_class("gone")


async def test_the_cursor_reads_off_values(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        chart = home(app).query_one(Chart)
        await until(pilot, lambda: bool(chart.data.curves))
        await pilot.press("left", "left")
        assert chart.cursor is not None
        await pilot.press("escape")
        assert chart.cursor is None


async def test_readonly_starts_and_stops_nothing(tmp_path: Path) -> None:
    write_run(tmp_path, "a", complete=False)
    app = MyptApp(tmp_path, readonly=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: home(app).run_in_view is not None)
        for key in ("d", "n", "s", "r"):
            await pilot.press(key)
            await pilot.pause()
        assert app.screen is home(app)
        assert not (tmp_path / ".mypt").exists()
        assert any("readonly" in toast.message for toast in toasts(app))


async def test_hostile_names_and_texts_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    path = write_run(tmp_path, "[red]x[bold] \x1b]0;evil\x07 " + "n" * 150, complete=False)
    with LogWriter(path) as log:
        log.write(events.Sample(iter=31, prompt="\x1b[31m", text="[bold]\x07 \u202eabc [/nope]"))
        log.write(events.GoldBlocked(iter=31, val_loss=1.0, reason="[link=x]\x1b[2J"))
        log.write(events.PhaseSwitch(iter=31, new_phase="[/] \x9b31m"))
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: home(app).run_in_view is not None)
        await until(pilot, lambda: "blocked" in event_lines(app))
        await pilot.pause(1.2)
        strips = app.screen._compositor.render_strips()
        painted = "\n".join(strip.text for strip in strips)
        assert "\x1b" not in painted
        assert "\x07" not in painted
        assert "\x9b" not in painted
        assert "\u202e" not in painted
        assert "[red]x[bold]" in painted
        assert "\\x1b" in painted


async def test_a_log_that_is_cut_replaced_and_removed_does_no_harm(tmp_path: Path) -> None:
    path = write_run(tmp_path, "a", evals=6, complete=False)
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "step 50" in facts(app))
        path.write_bytes(path.read_bytes()[:700] + b'\n{"event": "ev\xff\xfe garbage\n')
        await until(pilot, lambda: "unreadable" in facts(app))
        path.unlink()
        write_run(tmp_path, "a", evals=3, complete=False)
        await until(pilot, lambda: "step 20" in facts(app))


async def test_states_of_runs_have_their_words(tmp_path: Path) -> None:
    path = write_run(tmp_path, "broken", complete=False)
    with LogWriter(path) as log:
        log.write(events.TrainingStopped(iter=30, reason="nan", message="the loss is nan at step 31"))
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: home(app).run_in_view is not None)
        run = home(app).run_in_view
        assert run is not None
        await until(pilot, lambda: run.state is RunState.FAILED)
        await until(pilot, lambda: "the loss is nan at step 31" in facts(app))


async def test_the_run_in_view_is_the_one_that_began_last_whichever_log_was_touched_last(
    tmp_path: Path,
) -> None:
    began = {"old": "2026-01-01T10:00:00.000000", "young": "2026-01-02T10:00:00.000000"}
    for number, (name, stamp) in enumerate(began.items()):
        path = write_run(tmp_path, name)
        lines = path.read_text().splitlines()
        start = json.loads(lines[0]) | {"timestamp": stamp}
        # So long that the first picture comes before both are read; and the older one was copied here later.
        rest = [line for line in lines[1:-1] if '"train"' in line][-1:] * (60_000 if name == "old" else 1)
        path.write_text("\n".join([json.dumps(start), *rest, lines[-1]]) + "\n")
        os.utime(path, (1_800_000_000 - number, 1_800_000_000 - number))
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: home(app)._settled)
        run = home(app).run_in_view
        assert run is not None and run.label == "young"


async def test_pinned_and_hidden_runs_say_so(tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        write_run(tmp_path, name)
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.live.workspace.runs) == 3 and home(app)._settled)
        home(app).select(home(app).listed[1].key)
        hidden = home(app).listed[1]
        below = home(app).listed[2]
        await pilot.press("h")
        await until(pilot, lambda: home(app).run_in_view is below)
        await pilot.press("p")
        await pilot.press("H")
        await until(pilot, lambda: hidden in home(app).listed)
        runs = home(app).query_one(RunList)
        rows = {
            run.key: [runs.render_line(2 * at + line) for line in (0, 1)]
            for at, run in enumerate(home(app).listed)
        }
        plain = next(run for run in home(app).listed if run not in (below, hidden))
        assert home(app).listed[0] is below and rows[below.key][1].text.lstrip().startswith(PIN)
        assert "hidden" in rows[hidden.key][1].text
        assert all(s.style and s.style.dim and s.style.italic for s in rows[hidden.key][0] if s.text.strip())
        assert not any(PIN in row.text or "hidden" in row.text for row in rows[plain.key])
        await pilot.resize_terminal(80, 24)
        home(app).select(hidden.key)
        await until(pilot, lambda: f"{hidden.label} hidden" in home(app).query_one(RunStrip).render().plain)


async def test_a_renamed_run_keeps_its_colour_its_pin_and_the_eye(tmp_path: Path) -> None:
    for name in ("dante", "virgil", "beatrice"):
        write_run(tmp_path, name)
        save(tmp_path, name)
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: home(app)._settled and len(app.live.bundles) == 3)
        old, virgil = (app.live.workspace.find(name)[0].key for name in ("dante", "virgil"))
        home(app).select(old)
        await pilot.press("space", "p")
        colour = home(app).monitor.overlay.colour(old)
        app.runview.hide(virgil)
        rename(tmp_path, "dante", "alighieri")
        rename(tmp_path, "virgil", "maro")
        app.live.hint()
        new, maro = (log_path(Path(), name).as_posix() for name in ("alighieri", "maro"))
        await until(pilot, lambda: home(app).selected == new)
        await until(pilot, lambda: app.runview.pinned == (new,) and app.runview.hidden == {maro})
        await pilot.pause()
        assert home(app).selected == new
        assert colour and home(app).monitor.overlay.colour(new) == colour
        kept = json.loads(app.prefs.path.read_text())
        assert kept["runs"][str(tmp_path)]["pinned"] == [new]
        assert list(kept["overlays"][str(tmp_path)]) == [new]
