"""`mypt train --nproc`: torchrun started, watched, and put into words."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import psutil
import pytest

from mypt.errors import UserError
from mypt.launch.place import Place, here
from tests.processes import children_of
from tests.training.runs import train
from tests.workbench import TINY, clean, events, last_iter, mypt, start, story, wait_for

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds ranks by their environment")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A text."""
    (tmp_path / "input.txt").write_text(story())
    return tmp_path


FLAGS = [*TINY, "--model_name", "m", "--precision", "fp32", "--dropout", "0", "--eval_interval", "20"]


def rank_of(parent: int, rank: int) -> psutil.Process:
    """The process of a rank below `parent`."""
    (only,) = children_of(parent, lambda child: child.environ().get("RANK") == str(rank))
    return only


@pytest.mark.slow
def test_several_processes_are_one_run(workspace: Path) -> None:
    several = mypt(workspace, "train", *FLAGS, "--max_iters", "30", "--nproc", "2")
    assert several.returncode == 0, several.stderr
    assert several.stderr == "" and several.stdout.count("Training finished!") == 1
    assert train(workspace, *FLAGS, "--model_name", "alone", "--max_iters", "30") == 0
    one, two = clean(workspace, "alone"), clean(workspace, "m")
    assert one.keys() == two.keys()
    for key, event in one.items():
        assert two[key].get("train_loss") == pytest.approx(event.get("train_loss"), abs=1e-5), key


@linux
@pytest.mark.slow
def test_a_signal_saves_and_a_dead_rank_is_named(workspace: Path) -> None:
    flags = [*FLAGS, "--max_iters", "1000000", "--nproc", "2"]
    process = start(workspace, "train", *flags)
    assert wait_for(lambda: last_iter(workspace, "m") > 25, process)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert "Training stopped by SIGINT" in said and "rank 1" not in said

    stopped = last_iter(workspace, "m")
    process = start(workspace, "train", *flags)
    assert wait_for(lambda: last_iter(workspace, "m") > stopped + 5, process)
    rank_of(process.pid, 1).kill()
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "rank 1 of 2 was killed by SIGKILL" in said and "Traceback" not in said
    assert events(workspace, "m")[-1]["reason"] == "error"


@linux
@pytest.mark.slow
def test_ranks_are_started_again_where_that_is_asked_for(workspace: Path) -> None:
    flags = [*FLAGS, "--max_iters", "400", "--nproc", "2", "--max_restarts", "1"]
    process = start(workspace, "train", *flags)
    try:
        assert wait_for(lambda: last_iter(workspace, "m") > 45, process)
        rank_of(process.pid, 1).kill()
        said = process.communicate(timeout=120)[0]
    finally:
        if process.poll() is None:
            process.terminate()
    assert process.returncode == 0, said
    begun = events(workspace, "m", "training_start")
    assert len(begun) == 2 and begun[1]["config"]["start_step"] >= 40
    assert events(workspace, "m")[-1]["event"] == "training_complete"


@linux
@pytest.mark.slow
def test_a_stop_is_no_failure_to_start_again_after(workspace: Path) -> None:
    flags = [*FLAGS, "--max_iters", "1000000", "--nproc", "2", "--max_restarts", "1"]
    process = start(workspace, "train", *flags)
    try:
        assert wait_for(lambda: last_iter(workspace, "m") > 5, process)
        process.send_signal(signal.SIGUSR2)
        said = process.communicate(timeout=120)[0]
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == 128 + signal.SIGUSR2, said
    assert len(events(workspace, "m", "training_start")) == 1
    assert "SIGUSR2" in events(workspace, "m")[-1]["message"]


@linux
@pytest.mark.slow
def test_a_signal_before_they_train_is_one_line(workspace: Path) -> None:
    process = start(workspace, "train", *FLAGS, "--nproc", "2", "--max_restarts", "1")
    try:
        # From here on the launcher listens, and no rank has come to anything yet.
        assert wait_for(lambda: bool(psutil.Process(process.pid).children()), process)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[0]
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == 130, said
    assert "Traceback" not in said and "rank 0" not in said
    assert not events(workspace, "m", "train")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--nproc", "5", "--batch_size", "4"], "nproc: an update has 4 sequences"),
        (["--nproc", "0"], "nproc: must be a whole number"),
        (["--nproc", "two"], "nproc: must be a whole number"),
        (["--max_restarts", "1"], "max_restarts"),
        (["--nproc", "2", "--max_restarts", "-1"], "max_restarts: must be a whole number"),
        (["--nproc", "2", "--n_head", "3"], "n_head"),
    ],
)
def test_what_cannot_be_is_told_before_anything_starts(
    workspace: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert train(workspace, *FLAGS, *flags) == 2
    assert said in capsys.readouterr().err
    assert not (workspace / "checkpoints").exists()


def test_places() -> None:
    assert here({}) == Place() and here({}).alone
    torchrun = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    torchrun |= {"MASTER_ADDR": "gpu1", "MASTER_PORT": "29500"}
    assert here(torchrun) == Place(3, 4, 1, "gpu1", 29500)
    # The batch script of a job has a rank too, and trains alone.
    assert here({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"}).alone
    step = {
        "SLURM_STEP_ID": "0",
        "SLURM_PROCID": "5",
        "SLURM_STEP_NUM_TASKS": "7",
        "SLURM_LOCALID": "1",
        "SLURM_STEP_NODELIST": "gpu[03-05,9],login",
        "SLURM_JOB_ID": "24007",
    }
    assert here(step) == Place(5, 7, 1, "gpu03", 20007)
    assert here({**step, "SLURM_STEP_NODELIST": "node1"}).address == "node1"
    assert here({**step, "SLURM_STEP_NODELIST": "a[1,7]-ib,b2"}).address == "a1-ib"


@pytest.mark.parametrize("bad", [{"RANK": "4", "WORLD_SIZE": "4"}, {"RANK": "x", "WORLD_SIZE": "4"}])
def test_places_that_contradict_themselves(bad: dict[str, str]) -> None:
    with pytest.raises(UserError):
        here(bad)
