"""Ranks that a real SLURM starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.slurm import Slurm, missing
from tests.workbench import TINY, environment, events, last_iter, story, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A cluster of one node."""
    made = Slurm(tmp_path_factory.mktemp("slurm"))
    yield made
    made.close()


def test_srun_trains_one_model_and_a_cancelled_job_is_saved(slurm: Slurm, tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text(story())
    command = [
        *("srun", "-n", "2", "--kill-on-bad-exit=1", sys.executable, "-P", "-m", "mypt", "train"),
        *(*TINY, "--model_name", "m", "--max_iters", "1000000", "--eval_interval", "100"),
    ]
    root = str(Path(__file__).parents[2])
    job = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**environment(PYTHONPATH=root), **slurm.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert wait_for(lambda: last_iter(tmp_path, "m") > 20, job)
        (number,) = slurm.call("squeue", "--noheader", "--format=%A").split()
        # What SLURM does before a time limit, to every process of the step.
        slurm.call("scancel", "--signal=TERM", f"{number}.0")
        said = job.communicate(timeout=60)[0]
    finally:
        if job.poll() is None:
            os.kill(job.pid, 9)
    (begun,), (stopped,) = events(tmp_path, "m", "training_start"), events(tmp_path, "m", "training_stopped")
    assert begun["config"]["tokens_per_step"] == 64 and stopped["reason"] == "signal", said
    assert "Training stopped by SIGTERM" in said and said.count("Training from step 0") == 1
