from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mypt.watch.system import KEPT, SystemProbe


def test_a_look_tells_what_the_machine_has(tmp_path: Path) -> None:
    probe = SystemProbe(tmp_path)
    look = probe.sample()
    assert look.cores == os.cpu_count()
    assert 0 <= look.cpu <= 1
    assert 0 < look.memory_used < look.memory_total
    assert look.disk_free is not None and look.disk_total is not None and look.disk_free <= look.disk_total
    assert look.trainer_memory is None
    assert list(probe.history) == [look]


def test_the_process_in_view_is_told_apart_from_the_rest(tmp_path: Path) -> None:
    probe = SystemProbe(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", "print(1, flush=True)\nwhile True: pass"], stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert (probe.sample(child.pid).trainer_memory or 0) > 1_000_000
        while not (probe.sample(child.pid).trainer_cpu or 0) > 0.1:
            pass
    finally:
        child.kill()
        child.communicate()
    gone = probe.sample(child.pid)
    assert gone.trainer_cpu is gone.trainer_memory is None


def test_a_workspace_that_is_gone_has_no_disk(tmp_path: Path) -> None:
    look = SystemProbe(tmp_path / "gone").sample()
    assert look.disk_free is look.disk_total is None


def test_only_the_latest_looks_are_kept(tmp_path: Path) -> None:
    probe = SystemProbe(tmp_path)
    for _ in range(KEPT + 5):
        probe.sample()
    assert len(probe.history) == KEPT
