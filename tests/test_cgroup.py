from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mypt.cgroup import Kills, Room, killed_since, kills, room

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has control groups")
GB = 1 << 30


def write(root: Path, **files: str) -> Path:
    """Files of the system below `root`, by their paths with `__` for `/`."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def group(root: Path, place: str, **files: str) -> Path:
    """A control group's folder."""
    for name, text in {"cgroup.procs": "", **files}.items():
        path = root / "sys/fs/cgroup" / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A machine with version 2: a service of 8 GB, of which 3 GB are held, within a slice of 6 GB."""
    mount = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
    write(
        tmp_path,
        proc__self__cgroup="0::/user.slice/job.service\n",
        proc__self__mountinfo=mount,
        proc__vmstat="nr_free_pages 5\noom_kill 4\n",
    )
    held = {"memory.current": f"{4 * GB}\n", "memory.stat": f"anon 1\ninactive_file {GB}\n"}
    group(tmp_path, "user.slice", **{"memory.max": f"{6 * GB}\n"}, **held)
    job = {"memory.max": f"{8 * GB}\n", "memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 0\n"}
    group(tmp_path, "user.slice/job.service", **job, **held)
    return tmp_path


def test_the_tightest_limit_around_a_process_is_its_room(second: Path) -> None:
    assert room(second) == Room(limit=6 * GB, free=3 * GB)
    assert kills(second) == Kills(str(second / "sys/fs/cgroup/user.slice/job.service"), 2, 4)
    for place in ("user.slice", "user.slice/job.service"):
        group(second, place, **{"memory.max": "max\n"})
    assert room(second) is None


def test_the_first_version_says_the_same_in_other_words(tmp_path: Path) -> None:
    mounts = (
        "30 31 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        "31 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
        "35 31 0:33 /docker/ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    )
    # Seen from within a container, whose own group is the top of what is mounted.
    groups = "9:memory:/docker/ab/job\n1:cpu:/\n0::/\n"
    write(tmp_path, proc__self__cgroup=groups, proc__self__mountinfo=mounts)
    stat = {"memory.stat": f"inactive_file 7\ntotal_inactive_file {GB}\n"}
    used = {"memory.usage_in_bytes": f"{2 * GB}\n"}
    group(tmp_path, "memory", **{"memory.limit_in_bytes": f"{4 * GB}\n"}, **stat, **used)
    killed = {"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"}
    group(tmp_path, "memory/job", **{"memory.limit_in_bytes": "9223372036854771712\n"}, **killed)
    assert room(tmp_path) == Room(limit=4 * GB, free=3 * GB)
    found = kills(tmp_path)
    assert (found.in_group, found.in_all) == (1, None)
    assert Kills.from_json(found.to_json()) == found


def test_who_was_killed_for_memory_is_known_by_counters_that_rose(second: Path) -> None:
    before = kills(second)
    assert killed_since(before, second) == ""
    write(second, proc__vmstat="oom_kill 5\n")
    assert killed_since(before, second) == "perhaps by the system, which killed for lack of memory meanwhile"
    group(second, "user.slice/job.service", **{"memory.events": "oom_kill 3\n"})
    what = "most likely by the system, for lack of memory; what its container or job may hold is 6.44 GB"
    assert killed_since(before, second) == what
    # The group went with its job, and a machine without counters says nothing.
    assert killed_since(Kills("/nowhere", 2, None), second) == ""


@pytest.mark.parametrize("value", [None, 3, {}, {"group": 1}, {"group": "", "in_group": True, "in_all": "x"}])
def test_what_a_record_may_hold_instead_is_nothing(value: object, tmp_path: Path) -> None:
    found = Kills.from_json(value)
    assert found is None or found == Kills("", None, None)
    assert room(tmp_path) is None and kills(tmp_path) == Kills("", None, None)


def test_odd_files_of_the_system_are_no_error(second: Path) -> None:
    for text in ("", "x", "a:b", "0::", "5:memory", "::::", "0::/../../etc\n", "1:memory:/gone\n0::/x"):
        write(second, proc__self__cgroup=text)
        room(second)
        kills(second)
    write(second, proc__self__cgroup="0::/user.slice\n", proc__self__mountinfo="1 2 - cgroup2\n - \n")
    assert room(second) is None
