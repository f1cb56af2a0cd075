"""The table in a headless terminal, over real files, real processes and the real thread that reads them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.strip import Strip

from mypt import events
from mypt.events import LogWriter
from mypt.runs.directory import ExitRecord, write_exit
from mypt.runs.record import create
from mypt.runs.state import RunState
from tests.launch.launch_bench import Bench
from tests.launch.test_supervisor import UNTIL_GO
from tests.tui.logs import log_path, write_run
from tests.tui.waiting import until
from tui.app import MyptApp
from tui.screens.home import HomeScreen
from tui.screens.home.widgets import RunList
from tui.screens.launch import LaunchScreen
from tui.screens.runs import RunsScreen
from tui.screens.runs.detail import Detail
from tui.screens.runs.table import RunsTable
from tui.widgets.filterline import FilterInput, FilterLine
from tui.widgets.lines import KeyLine


@pytest.fixture(autouse=True)
def preferences(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path_factory.mktemp("prefs")))


class Desk:
    """An app that shows the table, and what is to be seen of it."""

    def __init__(self, app: MyptApp, pilot: Pilot[Any]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def screen(self) -> RunsScreen:
        assert isinstance(self.app.screen, RunsScreen)
        return self.app.screen

    @property
    def home(self) -> HomeScreen:
        home = self.app.screen_stack[0]
        assert isinstance(home, HomeScreen)
        return home

    @property
    def table(self) -> RunsTable:
        return self.screen.query_one(RunsTable)

    @property
    def names(self) -> list[str]:
        runs = self.app.live.workspace
        return [run.name for key in self.table.keys if (run := runs.get(key))]

    @property
    def lines(self) -> list[str]:
        return [self.table.render_line(y).text.rstrip() for y in range(self.table.size.height)]

    @property
    def detail(self) -> str:
        return self.screen.query_one(Detail).said

    @property
    def chosen(self) -> str:
        run = self.screen.run_in_view
        return run.name if run else ""

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, holds: Callable[[], bool]) -> None:
        await until(self.pilot, holds)


@asynccontextmanager
async def table(
    workspace: Path, size: tuple[int, int] = (120, 36), *, readonly: bool = False, runs: int = 1
) -> AsyncIterator[Desk]:
    app = MyptApp(workspace, readonly=readonly)
    async with app.run_test(size=size) as pilot:
        desk = Desk(app, pilot)
        await until(pilot, lambda: len(app.live.workspace.runs) >= runs)
        await until(pilot, lambda: all(run.known for run in app.live.workspace.runs))
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await desk.until(lambda: len(desk.table.keys) == runs)
        yield desk


def some_runs(workspace: Path) -> None:
    for number, name in enumerate(("dante", "beatrice", "virgil")):
        write_run(workspace, name, evals=number + 2)


async def test_every_run_has_a_line_with_its_numbers(tmp_path: Path) -> None:
    some_runs(tmp_path)
    write_run(tmp_path, "live", complete=False)
    async with table(tmp_path, runs=4) as desk:
        head, *lines = desk.lines
        assert head.split()[:5] == ["state", "name", "step", "%", "val"]
        live = next(line for line in lines if " live " in line)
        assert live.split()[:4] == ["●", "running", "live", "30"]
        assert "★" in live
        assert "30%" in live
        done = next(line for line in lines if " dante " in line)
        assert "✓ finished" in done
        assert "1.0000  ★ 2.0000" in done
        # Right-aligned: all values of a column end at the same place.
        ends = {line.index("%") for line in lines if "%" in line}
        assert len(ends) == 1


async def test_enter_goes_back_with_that_run_in_view(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with table(tmp_path, runs=3) as desk:
        before = desk.home.selected
        await desk.press("end")
        await desk.until(lambda: desk.screen.selected == desk.table.keys[-1])
        wanted = desk.screen.selected
        assert wanted != before
        await desk.press("enter")
        await desk.until(lambda: desk.app.screen is desk.home)
        await desk.until(lambda: desk.home.selected == wanted)


async def test_escape_leaves_the_view_as_it_was(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with table(tmp_path, runs=3) as desk:
        before = desk.home.selected
        await desk.press("end", "escape")
        await desk.until(lambda: desk.app.screen is desk.home)
        assert desk.home.selected == before


async def test_filtering_as_one_types(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with table(tmp_path, runs=3) as desk:
        await desk.press("slash", *"dan")
        await desk.until(lambda: desk.names == ["dante"])
        assert desk.chosen == "dante"
        line = desk.screen.query_one(FilterLine)
        said = line.query_one("#filter-said")
        await desk.until(lambda: "1 of 3 runs match" in str(said.render()))
        # What is wrong stands beside it, and the list stays.
        await desk.press(*" learning_rat>1")
        await desk.until(lambda: "did you mean learning_rate?" in str(said.render()))
        assert desk.names == ["dante"]
        await desk.press("enter")
        assert not line.has_class("open")
        assert desk.app.focused is desk.table
        assert desk.app.runview.filter == "dan"
        assert desk.table.border_title == "Runs 1 of 3"


async def test_escape_takes_the_filter_away(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with table(tmp_path, runs=3) as desk:
        await desk.press("slash", *"nobody", "enter")
        await desk.until(lambda: desk.names == [])
        assert "No run matches nobody" in "\n".join(desk.lines)
        assert "esc" in "\n".join(desk.lines)
        assert desk.screen.run_in_view is None
        await desk.press("escape")
        await desk.until(lambda: len(desk.names) == 3)
        await desk.press("slash", *"val<0", "escape")
        await desk.until(lambda: len(desk.names) == 3)
        assert desk.app.runview.filter == ""
        assert isinstance(desk.app.screen, RunsScreen)


async def test_letters_in_the_filter_are_no_keys(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with table(tmp_path, runs=3) as desk:
        await desk.press("slash", *"stophn")
        assert desk.screen.query_one(FilterInput).value == "stophn"
        assert desk.app.runview.hidden == frozenset()
        assert isinstance(desk.app.screen, RunsScreen)


async def test_sorting_by_key_and_by_the_head(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with table(tmp_path, runs=3) as desk:
        while desk.app.runview.sort != "name":
            await desk.press("o")
        await desk.until(lambda: desk.names == ["beatrice", "dante", "virgil"])
        await desk.press("O")
        await desk.until(lambda: desk.names == ["virgil", "dante", "beatrice"])
        head = desk.table.render_line(0).text
        at = head.index("best") + 1
        left = desk.table.content_region.x
        await desk.pilot.click(RunsTable, offset=(at + left - desk.table.region.x, 1))
        await desk.until(lambda: desk.app.runview.sort == "best")
        assert desk.names == ["virgil", "beatrice", "dante"]
        assert "▴" in desk.table.render_line(0).text
        await desk.pilot.click(RunsTable, offset=(at + left - desk.table.region.x, 1))
        await desk.until(lambda: desk.names == ["dante", "beatrice", "virgil"])
        assert "▾" in desk.table.render_line(0).text


async def test_pinned_runs_stay_on_top_and_hidden_ones_are_gone(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with table(tmp_path, runs=3) as desk:
        await desk.press("end")
        pinned = desk.names[-1]
        await desk.until(lambda: desk.chosen == pinned)
        await desk.press("p")
        await desk.until(lambda: desk.names[0] == pinned)
        assert desk.lines[1].startswith("▴")
        await desk.press("end")
        hidden = desk.names[-1]
        await desk.until(lambda: desk.chosen == hidden)
        await desk.press("h")
        await desk.until(lambda: hidden not in desk.names)
        assert desk.chosen in desk.names
        await desk.press("H")
        await desk.until(lambda: hidden in desk.names)
        assert "1 hidden" in str(desk.table.border_subtitle)


async def test_home_has_the_same_order_and_what_was_set_is_there_again(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with table(tmp_path, runs=3) as desk:
        await desk.press("slash", *"-virgil", "enter", "end", "p")
        await desk.until(lambda: desk.names == [desk.chosen, *(n for n in desk.names if n != desk.chosen)])
        wanted = desk.table.keys
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        home = app.screen_stack[0]
        assert isinstance(home, HomeScreen)
        await until(pilot, lambda: [run.key for run in home.listed] == wanted)
        await until(pilot, lambda: str(home.query_one(RunList).border_title) == "Runs 2 of 3")


async def test_home_filters_pins_and_hides_as_well(tmp_path: Path) -> None:
    some_runs(tmp_path)
    app = MyptApp(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        home = app.screen_stack[0]
        assert isinstance(home, HomeScreen)
        await until(pilot, lambda: len(home.listed) == 3 and home.run_in_view is not None)
        await pilot.press("slash", *"virgil", "enter")
        await until(pilot, lambda: home.run_in_view is not None and home.run_in_view.name == "virgil")
        assert isinstance(app.focused, RunList)
        await pilot.press("p")
        await until(pilot, lambda: len(app.runview.pinned) == 1)
        await pilot.press("slash", "escape")
        await until(pilot, lambda: home.listed[0].name == "virgil")
        await pilot.press("h")
        await until(pilot, lambda: "virgil" not in [run.name for run in home.listed])
        assert home.run_in_view is not None
        assert home.run_in_view.name != "virgil"


async def test_a_run_that_grows_is_drawn_anew_and_a_new_one_appears(tmp_path: Path) -> None:
    some_runs(tmp_path)
    write_run(tmp_path, "live", complete=False)
    async with table(tmp_path, runs=4) as desk:
        with LogWriter(log_path(tmp_path, "live")) as log:
            log.write(events.Eval(iter=40, elapsed_s=4.0, val_loss=0.1234))
        await desk.until(lambda: any("0.1234" in line for line in desk.lines))
        chosen = desk.chosen
        write_run(tmp_path, "later")
        await desk.until(lambda: "later" in desk.names)
        assert desk.chosen == chosen, "what is highlighted must not move on its own"


async def test_a_failed_run_says_its_last_words_and_the_next_key(tmp_path: Path) -> None:
    some_runs(tmp_path)
    command = ["python", "-m", "mypt", "train", "--config_file", "tiny_char", "--learning_rate=1e-2"]
    record = create(
        tmp_path, model_name="exp", log_file="logs/train/exp_eval.jsonl", command=command, origin="dashboard"
    )
    last = ("reading data", "\x1b[31mRuntimeError: the disk is full")
    write_exit(record.directory(tmp_path), ExitRecord(code=1, last_lines=last))
    async with table(tmp_path, runs=4) as desk:
        await desk.press("slash", *"exp", "enter")
        await desk.until(lambda: desk.chosen == "exp")
        await desk.until(lambda: "✗ failed  ended with status 1" in desk.detail)
        assert "│ reading data" in desk.detail
        assert "\\x1b[31mRuntimeError: the disk is full" in desk.detail
        assert "E changes its settings first" in desk.detail.replace(" \n", " ")
        await desk.press("E")
        await desk.until(lambda: isinstance(desk.app.screen, LaunchScreen))
        form = desk.app.screen
        assert isinstance(form, LaunchScreen)
        await desk.until(lambda: form.review is not None)
        draft = form.draft()
        assert (draft.model_name, draft.preset) == ("exp", "tiny_char")
        assert draft.given == {"learning_rate": "1e-2"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals and sessions are POSIX")
async def test_the_queue_is_seen_and_changed(tmp_path: Path) -> None:
    bench = Bench(tmp_path.resolve())
    try:
        for name, waits in (("first", False), ("second", True), ("third", True)):
            code = "print('done')" if waits else UNTIL_GO
            log = f"logs/train/{name}_eval.jsonl"
            bench.launch_into(log, code, name=name, queue=waits)
        async with table(tmp_path, runs=3) as desk:
            await desk.until(lambda: desk.names[:2] == ["second", "third"])
            assert "queued 1st" in desk.lines[1]
            assert "queued 2nd" in desk.lines[2]
            await desk.press("home", "down")
            await desk.until(lambda: "2nd, after second" in desk.detail)
            await desk.press("K")
            await desk.until(lambda: desk.names[:2] == ["third", "second"])
            await desk.until(lambda: "next" in desk.detail)
            await desk.press("S")
            third = desk.screen.run_in_view
            assert third is not None
            await desk.until(lambda: third.state is RunState.FINISHED)
            await desk.press("slash", *"second", "enter", "s")
            second = next(run for run in desk.app.live.workspace.runs if run.name == "second")
            await desk.until(lambda: second.state is RunState.STOPPED)
            assert second.sentence == "taken from the queue before it started"
    finally:
        bench.clear()


async def test_readonly_changes_nothing(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with table(tmp_path, runs=3, readonly=True) as desk:
        for key in ("n", "s", "r", "E", "K", "J", "S", "d"):
            await desk.press(key)
        assert isinstance(desk.app.screen, RunsScreen)
        assert not (tmp_path / ".mypt").exists()


async def test_an_empty_workspace_says_how_to_begin(tmp_path: Path) -> None:
    async with table(tmp_path, runs=0) as desk:
        await desk.until(lambda: "No runs here yet" in "\n".join(desk.lines))
        assert "n chooses a preset" in "\n".join(desk.lines)
        last = desk.app.screen.query_one(KeyLine).render().plain
        assert "n New run" in last and "d Demo" in last and "p Pin" not in last
        await desk.press("s", "r", "E", "p", "h", "K", "S", "enter")


@pytest.mark.parametrize("size", [(80, 24), (99, 29), (120, 36), (200, 50), (300, 80), (40, 12), (20, 6)])
async def test_no_size_breaks_it(tmp_path: Path, size: tuple[int, int]) -> None:
    some_runs(tmp_path)
    write_run(tmp_path, "wide_" + "字" * 60)
    async with table(tmp_path, size, runs=4) as desk:
        await desk.press("slash", "x", "escape", "o", "end")
        await desk.pilot.resize_terminal(*size[::-1])
        await desk.pilot.pause()
        width = desk.table.size.width
        assert all(desk.table.render_line(y).cell_length == width for y in range(desk.table.size.height))


async def test_names_that_begin_alike_look_different_in_list_and_table(tmp_path: Path) -> None:
    family = [
        f"gpt2_openwebtext_150M_{end}"
        for end in ("lr3e-4_bs64_seed1", "lr1e-3_bs64_seed1", "lr1e-3_bs64_seed2")
    ]
    for name in family:
        write_run(tmp_path, name, evals=2)
    async with table(tmp_path, runs=3) as desk:
        runs = desk.home.query_one(RunList)
        listed = "".join(runs.render_line(y).text for y in range(6))
        for short in ("lr3e-4…seed1", "lr1e-3…seed1", "lr1e-3…seed2"):
            assert short in listed
        for end in ("lr3e-4_bs64_seed1", "lr1e-3_bs64_seed1", "lr1e-3_bs64_seed2"):
            assert sum(end in line for line in desk.lines) == 1


async def test_hundreds_of_runs_draw_only_what_is_in_view(tmp_path: Path) -> None:
    for number in range(300):
        write_run(tmp_path, f"run{number}", evals=2)
    async with table(tmp_path, runs=300) as desk:
        await desk.press("end")
        await desk.until(lambda: desk.table.scroll_offset.y > 200)
        last = desk.names[-1]
        assert any(f" {last} " in line for line in desk.lines)
        await desk.press("pageup", "home")
        await desk.until(lambda: desk.table.scroll_offset.y == 0)
        name = desk.names[3]
        with LogWriter(log_path(tmp_path, name)) as log:
            # It runs again, for which there is a column more.
            log.write(events.Eval(iter=90, elapsed_s=9.0, val_loss=0.4321))
            await desk.until(lambda: any("0.4321" in line for line in desk.lines))
            drawn: list[int] = []
            real = desk.table.render_line

            def seen(y: int) -> Strip:
                drawn.append(y)
                return real(y)

            desk.table.render_line = seen  # type: ignore[method-assign]
            for step in range(91, 99):
                # A time that takes more room than before moves the columns, which is seldom.
                await desk.pilot.pause()
                drawn.clear()
                log.write(events.Eval(iter=step, elapsed_s=step / 10, val_loss=step / 200))
                await desk.until(lambda: bool(drawn))
                if set(drawn) == {4}:
                    return
            pytest.fail("a change of one run has drawn others every time")


async def test_hostile_names_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    write_run(tmp_path, "[red]x[bold] \x1b]0;evil\x07 \u202eabc" + "n" * 100)
    async with table(tmp_path, (200, 50)) as desk:
        painted = "\n".join(desk.lines) + desk.detail
        assert not set("\x1b\x07\u202e") & set(painted)
        assert "[red]x[bold] \\x1b]0;evil" in painted
