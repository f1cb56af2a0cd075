"""Runs that a real SLURM queues, starts, takes back and cancels."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.slurm import Slurm, missing
from tests.workbench import begin, clean, environment, events, last_iter, story, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]

FLAGS = [
    *(
        "--input_file",
        "input.txt",
        "--tokenization",
        "char",
        "--n_layer",
        "1",
        "--n_head",
        "2",
        "--n_embd",
        "16",
    ),
    *("--block_size", "16", "--batch_size", "4", "--dropout", "0", "--precision", "fp32", "--device", "cpu"),
    *("--eval_iters", "2", "--eval_interval", "500", "--log_interval", "1", "--sample_interval", "0"),
]
ENDLESS = [*FLAGS, "--model_name", "long", "--max_iters", "1000000", "--warmup_iters", "100"]


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
    (tmp_path / "input.txt").write_text(story())
    return tmp_path


def submit(workspace: Path, *flags: str) -> str:
    """The number of the job."""
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mypt", "--workspace", str(workspace), "submit", *flags],
        env=environment(PYTHONPATH=root),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"as job (\d+): 2 processes on 1 node", done.stdout)
    assert found and f"scancel {found[1]}" in done.stdout, done.stdout
    return found[1]


def state_of(slurm: Slurm, job: str) -> str:
    return slurm.call("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T").strip()


def test_a_run_is_taken_back_and_goes_on_as_if_it_had_not_been(slurm: Slurm, cluster: Path) -> None:
    job = submit(cluster, *ENDLESS, "--ntasks-per-node", "2")
    assert wait_for(lambda: last_iter(cluster, "long") > 10)
    # What it gets before its time limit.
    slurm.call("scancel", "--signal=USR1", job)
    wait_for(lambda: state_of(slurm, job) == "PENDING")
    (stopped,) = events(cluster, "long", "training_stopped")
    assert stopped["message"].startswith("SIGUSR1")
    # SLURM lets two minutes pass before what queues again.
    slurm.call("scontrol", "update", f"jobid={job}", "starttime=now")
    wait_for(lambda: last_iter(cluster, "long") > stopped["iter"] + 10)
    slurm.call("scancel", "--signal=TERM", job)
    wait_for(lambda: len(events(cluster, "long", "training_stopped")) == 2)
    first, second = events(cluster, "long", "training_start")
    assert first["run_id"] == second["run_id"] and second["config"]["start_step"] == stopped["iter"]
    # One process that nobody stopped in between has the same losses.
    (cluster / "alone").mkdir()
    (cluster / "alone" / "input.txt").write_text(story())
    one = begin(cluster / "alone", "train", *ENDLESS)
    wait_for(lambda: last_iter(cluster / "alone", "long") > last_iter(cluster, "long"), one)
    os.kill(one.pid, signal.SIGTERM)
    one.wait()
    wanted, found = clean(cluster / "alone", "long"), clean(cluster, "long")
    steps = [key for key in found if key[0] == "train"]
    assert len(steps) > stopped["iter"] + 10
    for key in steps:
        assert found[key]["train_loss"] == pytest.approx(wanted[key]["train_loss"], abs=1e-5), key
