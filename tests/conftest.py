"""What tests of several packages share: a workspace with a text, and a tiny model that is trained once."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Tiny tensors are slower on several threads, and far slower beside other programs; before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from mypt.cli import main
from tests.training.killer import Killer
from tests.workbench import SAMPLES, TINY, story

# How long an example takes depends on what else the machine does, and no test measures time.
# The same examples every time: whoever changes one thing shall not be stopped by another. Only the properties of
# `tests/faults` are tried on others: their seed is that of the round.
settings.register_profile(
    "mypt",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
settings.load_profile("mypt")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace with a text in it."""
    (tmp_path / "input.txt").write_text(story())
    return tmp_path


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the model `dante`, 8 steps old, with gold and fp16; to be read only."""
    root = tmp_path_factory.mktemp("trained")
    (root / "input.txt").write_text(story())
    flags = [*TINY, "--max_iters", "8", "--eval_interval", "4", "--dropout", "0.2"]
    assert main(["--workspace", str(root), "train", "--model_name", "dante", *flags]) == 0
    return root


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """A copy of `trained_once` to do anything with."""
    return Path(shutil.copytree(trained_once, tmp_path / "workspace"))


@pytest.fixture(scope="session")
def samples() -> Path:
    """Files that other programs wrote."""
    if not SAMPLES.is_dir():
        pytest.skip("the samples of other programs' files are not here")
    return SAMPLES


@pytest.fixture(scope="session")
def killer() -> Iterator[Killer]:
    """A process whose children are killed where it hurts."""
    if sys.platform == "win32":
        pytest.skip("there is no SIGKILL")
    made = Killer()
    yield made
    made.close()
