"""Runs that a real SLURM queues, starts, takes back and cancels."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from mypt.cli import main
from mypt.errors import UserError
from mypt.housekeeping.guard import why_in_use
from mypt.launch.stop import stop
from mypt.runs.record import RunRecord, list_records
from mypt.runs.state import RunState
from mypt.slurm.ask import Ask
from mypt.slurm.squeue import Squeue
from mypt.slurm.standing import refuse_second
from mypt.watch.inventory import Workspace
from tests.launch.slurm import Slurm, missing
from tests.tui import waiting
from tests.tui.painted import painted
from tests.workbench import TINY, begin, clean, events, last_iter, story, wait_for
from tui.app import MyptApp
from tui.prefs import Preferences
from tui.screens.launch import LaunchScreen
from tui.screens.launch.batch_file import BatchFileScreen
from tui.screens.launch.where import Where
from tui.widgets.confirm import Confirm
from tui.widgets.editors import Field

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]

FLAGS = [*TINY, "--dropout", "0", "--precision", "fp32", "--eval_interval", "500"]
ENDLESS = ["--model_name", "long", "--max_iters", "1000000", "--warmup_iters", "100"]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A cluster of one node with two cores."""
    made = Slurm(tmp_path_factory.mktemp("slurm"))
    yield made
    made.close()


@pytest.fixture
def cluster(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace from which the cluster is asked."""
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    (tmp_path / "input.txt").write_text(story())
    return tmp_path


def submit(workspace: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """The number of the job, which asks for both cores."""
    command = ["--workspace", str(workspace), "submit", *FLAGS, "--ntasks-per-node", "2", *flags]
    assert main(command) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    found = re.search(r"as job (\d+): 2 processes on 1 node", said)
    assert found and f"scancel {found[1]}" in said, said
    return found[1]


def seen(workspace: Path, model: str) -> tuple[RunState, str]:
    """The state of a run as one who has just come sees it."""
    picture = Workspace(workspace)
    picture.load()
    (run,) = picture.find(model)
    return run.state, run.sentence


def until(workspace: Path, model: str, state: RunState, words: str = "") -> str:
    """Look until a run is in that state for that reason, as one who stays sees it; the sentence."""
    # The cluster of a test may be asked more often.
    picture = Workspace(workspace, rescan_s=0.2, squeue=Squeue(every_s=0.2))
    told = ""

    def is_there() -> bool:
        nonlocal told
        picture.poll()
        run = next(iter(picture.find(model)), None)
        told = run.sentence if run is not None and run.known and run.state is state else ""
        return bool(told) and words in told

    wait_for(is_there)
    return told


def test_a_run_is_taken_back_and_goes_on_as_if_it_had_not_been(
    slurm: Slurm, cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = submit(cluster, capsys, *ENDLESS)
    assert f"(SLURM job {job})" in until(cluster, "long", RunState.RUNNING)
    wait_for(lambda: last_iter(cluster, "long") > 10)
    # There are two cores, so the next one waits.
    third = submit(cluster, capsys, "--model_name", "third", "--max_iters", "5")
    told = until(cluster, "third", RunState.QUEUED, "no node is free")
    assert told.startswith(f"waits in SLURM (job {third})")
    slurm.call("scancel", third)
    told = until(cluster, "third", RunState.STOPPED)
    assert told == f"its SLURM job {third} was cancelled before it trained"
    # What it gets before its time limit.
    slurm.call("scancel", "--signal=USR1", job)
    # SLURM's reason comes a moment after the state.
    told = until(cluster, "long", RunState.QUEUED, "SLURM lets a while pass; expected to start")
    assert told.startswith(f"saved, and queued again in SLURM (job {job})")
    state, told = seen(cluster, "long")
    # When it is expected to start, SLURM may have thought over.
    assert state is RunState.QUEUED and told.startswith(f"saved, and queued again in SLURM (job {job})")
    (stopped,) = events(cluster, "long", "training_stopped")
    assert stopped["message"].startswith("SIGUSR1")
    # SLURM lets two minutes pass before what queues again.
    wait_for(lambda: last_iter(cluster, "long") > stopped["iter"] + 10 or start_now(slurm, job))
    assert until(cluster, "long", RunState.RUNNING)
    # A job of those that go before takes its place: it gets SIGTERM, and a while to save.
    submit(cluster, capsys, "--model_name", "short", "--max_iters", "5", "--partition", "urgent")
    told = until(cluster, "long", RunState.QUEUED, "SLURM lets a while pass; expected to start")
    assert told.startswith(f"saved, and queued again in SLURM (job {job})")
    _, taken = events(cluster, "long", "training_stopped")
    assert taken["message"].startswith("SIGTERM") and taken["iter"] > stopped["iter"]
    assert until(cluster, "short", RunState.FINISHED)
    wait_for(lambda: last_iter(cluster, "long") > taken["iter"] + 10 or start_now(slurm, job))
    assert until(cluster, "long", RunState.RUNNING)
    record = next(record for record in list_records(cluster).records if record.job == job)
    result = stop(cluster, record)
    assert result.done and "told to save and stop" in result.sentence
    ended = until(cluster, "long", RunState.STOPPED)
    assert ended.startswith(("stopped by SIGTERM", "stopped on request"))
    starts = events(cluster, "long", "training_start")
    assert len({start["run_id"] for start in starts}) == 1
    assert [start["config"]["start_step"] for start in starts] == [0, stopped["iter"], taken["iter"]]
    # One process that nobody stopped in between has the same losses.
    (cluster / "alone").mkdir()
    (cluster / "alone" / "input.txt").write_text(story())
    one = begin(cluster / "alone", "train", *FLAGS, *ENDLESS)
    wait_for(lambda: last_iter(cluster / "alone", "long") > last_iter(cluster, "long"), one)
    os.kill(one.pid, signal.SIGTERM)
    one.wait()
    wanted, found = clean(cluster / "alone", "long"), clean(cluster, "long")
    steps = [key for key in found if key[0] == "train"]
    assert len(steps) > stopped["iter"] + 10
    for key in steps:
        assert found[key]["train_loss"] == pytest.approx(wanted[key]["train_loss"], abs=1e-5), key


async def test_the_form_submits_and_the_dashboard_cancels_and_submits_again(
    slurm: Slurm, cluster: Path
) -> None:
    # A partition that starts nothing: so the job waits for as long as it takes to look.
    slurm.call("scontrol", "update", "partitionname=p", "state=DOWN")
    given = dict(zip((flag[2:] for flag in FLAGS[::2]), FLAGS[1::2], strict=True))
    prefs = Preferences(cluster / "prefs.json")
    try:
        app = MyptApp(cluster, prefs=prefs)
        async with app.run_test(size=(120, 36)) as pilot:
            runs = app.live.workspace
            form = LaunchScreen(model_name="m", given=given, slurm=Ask(ntasks_per_node="2", partition="q"))
            await app.push_screen(form)
            await waiting.until(pilot, lambda: "✓ ready" in painted(app))
            assert "SLURM: 2 processes on" in painted(app)
            await submit_by_keys(app, pilot, "#SBATCH --partition=q")
            # What sbatch says stands where one looks, and what was filled in is still there.
            await waiting.until(pilot, lambda: "sbatch did not take it" in painted(app))
            assert app.screen is form and not list_records(cluster).records
            form.query_one("#slurm-partition", Field).value = ""
            await waiting.until(pilot, lambda: "✓ ready" in painted(app))
            await submit_by_keys(app, pilot, "#SBATCH --ntasks-per-node=2")
            await waiting.until(pilot, lambda: [run.state for run in runs.find("m")] == [RunState.QUEUED])
            (record,) = list_records(cluster).records
            assert record.job and said_in_file(cluster, record) == Ask(ntasks_per_node="2")
            await waiting.until(pilot, lambda: f"waits in SLURM (job {record.job})" in painted(app))
            # What waits there is not to be submitted once more, nor to be touched.
            second = ["--workspace", str(cluster), "submit", *FLAGS, "--model_name", "m"]
            assert main(second) == 2
            with pytest.raises(
                UserError, match=f"m: waits in SLURM as job {record.job}.*scancel {record.job}"
            ):
                refuse_second(cluster, "m")
            (problem,) = why_in_use(cluster, ["m"])
            assert f"waits in SLURM as job {record.job}" in str(problem)
            await cancel_by_keys(app, pilot, record)
            assert state_of(slurm, record.job) == "CANCELLED" and not why_in_use(cluster, ["m"])
            # A second time there is nothing to stop.
            assert not stop(cluster, record).done
            # The same file goes there again, and it is the same run.
            await pilot.press("r")
            await waiting.until(pilot, lambda: [run.state for run in runs.find("m")] == [RunState.QUEUED])
            (again,) = list_records(cluster).records
            assert again.run_id == record.run_id and again.job not in (None, record.job)
            await cancel_by_keys(app, pilot, again)
            # The next run begins where this one was.
            await pilot.press("n")
            await waiting.until(pilot, lambda: "where   SLURM" in painted(app))
            where = app.screen.query_one(Where)
            assert where.slurm == Ask(ntasks_per_node="2")
    finally:
        slurm.call("scontrol", "update", "partitionname=p", "state=UP")


def start_now(slurm: Slurm, job: str) -> bool:
    """Ask SLURM not to wait any longer with a job; False. It may put the time off once more as its last start ends."""
    time.sleep(0.5)
    if state_of(slurm, job) == "PENDING":
        with contextlib.suppress(subprocess.CalledProcessError, AssertionError):
            slurm.call("scontrol", "update", f"jobid={job}", "starttime=now")
    return False


async def submit_by_keys(app: MyptApp, pilot: Pilot[None], part: str) -> None:
    """Press for the batch file, read `part` in it, and press again."""
    await pilot.press("ctrl+s")
    await waiting.until(pilot, lambda: isinstance(app.screen, BatchFileScreen) and part in painted(app))
    await pilot.press("ctrl+s")
    await waiting.until(pilot, lambda: not isinstance(app.screen, BatchFileScreen))


async def cancel_by_keys(app: MyptApp, pilot: Pilot[None], record: RunRecord) -> None:
    await waiting.until(pilot, lambda: "s cancels its" in painted(app))
    await pilot.press("s")
    await waiting.until(pilot, lambda: f"Cancel job {record.job} of m?" in painted(app))
    assert isinstance(app.screen, Confirm) and "scancel" in painted(app)
    await pilot.press("y")
    runs = app.live.workspace
    await waiting.until(pilot, lambda: [run.state for run in runs.find("m")] == [RunState.STOPPED])


def said_in_file(workspace: Path, record: RunRecord) -> Ask:
    return Ask.of_file(record.directory(workspace).job_file.read_text())


def state_of(slurm: Slurm, job: str) -> str:
    return slurm.call("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T").strip()
