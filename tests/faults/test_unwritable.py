"""Disks that break and folders that vanish: each time training goes on or stops with a sentence, and nothing is lost."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mypt.runs.filelock import is_locked
from tests.faults.ground import SAVING, TRAIN, age, assert_one_clean_history, assert_whole, leftovers, make
from tests.faults.rounds import ROUNDS, Report, draw, pick, times
from tests.faults.striker import Striker, Struck, kind
from tests.training.alike import assert_same_run
from tests.training.runs import row
from tests.workbench import events, listing, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="what befalls the disks here is POSIX"),
]
PARTS = 4 if ROUNDS > 1 else 1
ERRORS = (errno.EIO, errno.ESTALE, errno.EACCES, errno.EROFS, errno.EDQUOT)


@pytest.fixture(scope="module")
def whole(striker: Striker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an undisturbed run leaves."""
    root = make(tmp_path_factory.mktemp("whole"))
    assert striker.run(root, *TRAIN).status == 0
    return root


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    """A workspace in which nothing was trained yet."""
    return make(tmp_path / "ground")


def assert_ended_well(ended: Struck) -> None:
    """It went on to its end, or stopped with one line of one sentence or more."""
    assert ended.status in (0, 1), ended.output
    assert "Traceback" not in ended.output and "Exception ignored" not in ended.output, ended.output
    said = [line for line in ended.output.splitlines() if line.startswith("mypt: ")]
    assert len(said) == ended.status, ended.output
    if said:
        assert ";" in said[0] or "must be writable" in said[0], said


def assert_goes_on(striker: Striker, whole: Path, broken: Path, *, logged: bool = True) -> None:
    """The same command again leaves what an undisturbed run leaves."""
    assert not is_locked(broken / ".mypt" / "locks" / "m.lock")
    rest = striker.run(broken, *TRAIN)
    assert rest.status == 0, rest.output
    if logged:
        assert_same_run(whole, broken, "m")
        assert_one_clean_history(broken, "m")
    assert_whole(broken)


# ── operations that fail ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("what", ["operations", "writes"])
def test_operations_that_fail(
    tmp_path: Path, ground: Path, whole: Path, striker: Striker, report: Report, what: str, part: int
) -> None:
    if what == "writes" and not striker.can_fail_writes:
        pytest.skip("no compiler makes what lets writes fail")
    undisturbed = striker.run(
        Path(shutil.copytree(ground, tmp_path / "other")), *TRAIN, writes=(0, 0) if what == "writes" else None
    )
    stopped = went_on = 0
    for number in range(part, times(2), PARTS):
        chance, command = draw(what, number), (*TRAIN, *SAVING[number // PARTS % 2])
        broken = Path(shutil.copytree(ground, tmp_path / f"broken{number}"))
        error = chance.choice(ERRORS)
        # Once, a few times, or from then on.
        lasts = chance.choice([1, 1, 3, 10**6])
        if what == "writes":
            first = chance.randint(1, undisturbed.writes)
            ended = striker.run(broken, *command, writes=(first, first + lasts - 1), errno=error)
            where = f"{what} {first} of {undisturbed.writes}"
        else:
            first = pick(chance, map(kind, undisturbed.operations))
            last = min(first + lasts, len(undisturbed.operations) + 1)
            ended = striker.run(broken, *command, fail_at=range(first, last), errno=error)
            where = undisturbed.operations[first - 1]
        try:
            assert_ended_well(ended)
            assert_whole(broken)
            stopped, went_on = stopped + (ended.status > 0), went_on + (ended.status == 0)
            # Where cleaning up failed as well, whoever comes later does it.
            age(broken)
            assert_goes_on(striker, whole, broken)
            assert not leftovers(broken)
        except AssertionError as failed:
            said = f"round {number}, {os.strerror(error)} {lasts} times at {where}"
            raise AssertionError(f"{said}: {failed}\n{ended.output}") from failed
        shutil.rmtree(broken)
    report(stopped=stopped, went_on=went_on)


# ── what others do to its files ─────────────────────────────────────────────────────────────────────────────────

ANOTHER = '{"event": "train", "iter": 1, "train_loss": 1.0}\\n'
DEEDS = {
    "checkpoints removed": "import shutil; shutil.rmtree(workspace / 'checkpoints', ignore_errors=True)",
    # In one step: what is removed file by file, while something is written there, is not gone afterwards.
    "checkpoints a file": (
        "import shutil; (workspace / 'checkpoints').rename(workspace / '.away');"
        "(workspace / 'checkpoints').write_text('x'); shutil.rmtree(workspace / '.away', ignore_errors=True)"
    ),
    "log removed": "(workspace / 'logs/train/m_eval.jsonl').unlink()",
    "logs removed": "import shutil; shutil.rmtree(workspace / 'logs')",
    "logs a file": "import shutil; shutil.rmtree(workspace / 'logs'); (workspace / 'logs').write_text('x')",
    "log replaced": (
        "log = workspace / 'logs/train/m_eval.jsonl'; other = log.with_name('other');"
        "other.write_bytes(log.read_bytes()); other.replace(log)"
    ),
    "records removed": "import shutil; shutil.rmtree(workspace / '.mypt')",
    "workspace renamed": "workspace.rename(workspace.with_name('elsewhere'))",
    "read-only": "import subprocess; subprocess.run(['mount', '--bind', '-o', 'ro', workspace, workspace], check=True)",
}
GO_ON = {"checkpoints removed", "log removed", "logs removed", "log replaced", "records removed"}


@pytest.mark.parametrize("deed", sorted(DEEDS))
def test_what_others_do_to_its_files(
    tmp_path: Path, ground: Path, whole: Path, striker: Striker, deed: str
) -> None:
    if deed == "read-only" and not can_mount(tmp_path):
        pytest.skip("nothing may be mounted here")
    # Between two updates, in the middle of the run: when the second bundle of the run is begun.
    undisturbed = striker.run(Path(shutil.copytree(ground, tmp_path / "other")), *TRAIN)
    begun = [n for n, o in enumerate(undisturbed.operations, 1) if o.startswith("os.mkdir checkpoints/.tmp.")]
    for number in range(times(1, 20)):
        chance = draw(deed, number)
        broken = Path(shutil.copytree(ground, tmp_path / f"broken{number}"))
        place = chance.choice(begun[1:-1]) - 2 if number == 0 else chance.randint(begun[1], begun[-1])
        try:
            ended = striker.run(broken, *TRAIN, do_at=place, do=DEEDS[deed])
        finally:
            if deed == "read-only":
                subprocess.run(["umount", "-l", str(broken)], capture_output=True, check=False)
        where = f"round {number} at {undisturbed.operations[place - 1]}"
        try:
            assert_ended_well(ended)
            # In the middle of a save what is written there is lost, and that is said.
            within = number > 0 and deed == "checkpoints removed"
            assert within or (ended.status == 0) == (deed in GO_ON), ended.status
            if deed == "workspace renamed":
                assert "the workspace" in ended.output.lower() and "is gone" in ended.output
                assert not broken.exists(), listing(broken).keys()
                broken.with_name("elsewhere").rename(broken)
            for name in ("checkpoints", "logs"):
                if deed == f"{name} a file":
                    (broken / name).unlink()
            assert_whole(broken)
            # A log that was removed with its folder is the only thing that cannot be had again.
            assert_goes_on(
                striker,
                whole,
                broken,
                logged=deed not in ("logs a file", "checkpoints removed", "checkpoints a file"),
            )
            if deed in ("records removed", "logs a file"):
                # With these what there was to tell of it is gone.
                continue
            assert row(broken)["state"] == "finished"
        except AssertionError as failed:
            raise AssertionError(f"{where}: {failed}\n{ended.output}") from failed
        shutil.rmtree(broken)


HOLDER = """
import sys
from pathlib import Path
from mypt.runs.lock import ModelLock
from mypt.training.recorded import only_writer
workspace, model, log = Path(sys.argv[1]), sys.argv[2], "logs/train/m_eval.jsonl"
with ModelLock(workspace, model).acquire(command=["mypt", "train"]), only_writer(workspace, workspace / log, log):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("m", "another run has taken it since (pid "),
        (
            "other",
            "logs/train/m_eval.jsonl: the lock on this log was removed, and another run writes it since",
        ),
    ],
)
def test_a_model_or_log_that_another_run_took_is_left_to_it(
    tmp_path: Path, ground: Path, whole: Path, striker: Striker, model: str, why: str
) -> None:
    """All records are removed under a training, its locks with them; another one begins before it writes again."""
    undisturbed = striker.run(Path(shutil.copytree(ground, tmp_path / "other")), *TRAIN)
    # When a bundle is in its place, and what it has replaced goes.
    removed = [
        n for n, o in enumerate(undisturbed.operations) if o.startswith("shutil.rmtree checkpoints/.new.")
    ]
    copied = tmp_path / "copied"
    deed = (
        "import shutil, subprocess, sys; shutil.rmtree(workspace / '.mypt');"
        f"shutil.copytree(workspace / 'checkpoints', {str(copied)!r}, ignore=shutil.ignore_patterns('.*'));"
        f"words = [sys.executable, '-c', {HOLDER!r}, str(workspace), {model!r}];"
        "other = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE); other.stdout.readline();"
        f"shutil.copytree(workspace / 'logs', {str(copied)!r} + '.logs')"
    )
    # While the second bundle is begun: it is in its place already when the next one is refused.
    ended = striker.run(ground, *TRAIN, do_at=removed[1] + 1, do=deed)
    assert_ended_well(ended)
    assert ended.status == 1 and why in ended.output, ended.output
    assert listing(ground / "checkpoints") == listing(copied)
    # Not a line more, though no checkpoint was due.
    assert listing(ground / "logs") == listing(copied.with_name("copied.logs"))
    assert "training_stopped" not in {event["event"] for event in events(ground, "m")}
    assert wait_for(lambda: not is_locked(ground / ".mypt" / "locks" / f"{model}.lock"))
    assert_goes_on(striker, whole, ground)


def can_mount(folder: Path) -> bool:
    place = folder / "mount"
    place.mkdir()
    words = ["mount", "--bind", str(place), str(place)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
        return False
    return subprocess.run(["umount", str(place)], capture_output=True, check=False).returncode == 0


# ── permissions ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere root cannot give up its rights")
@pytest.mark.parametrize("place", ["checkpoints", "logs/train", ".mypt/runs", "."])
def test_folders_that_may_not_be_written(ground: Path, whole: Path, striker: Striker, place: str) -> None:
    folder = ground / place
    folder.mkdir(parents=True, exist_ok=True)
    before = listing(ground)
    folder.chmod(0o555)
    try:
        ended = striker.run(ground, *TRAIN, humble=True)
    finally:
        folder.chmod(0o755)
    if place in ("logs/train", "."):
        # Another log can be named.
        assert (ended.status, ended.output.count("mypt: ")) == (2, 1) and "can be written" in ended.output
    else:
        assert ended.status == 1
        assert_ended_well(ended)
        assert "Permission denied" in ended.output and "writable" in ended.output, ended.output
    if place != "checkpoints":
        assert not events(ground, "m") and not (ground / "checkpoints").exists()
    if place == ".":
        assert listing(ground) == before
    rest = striker.run(ground, *TRAIN, humble=True)
    assert rest.status == 0, rest.output
    assert_same_run(whole, ground, "m")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere root cannot give up its rights")
def test_a_workspace_that_may_not_be_read_is_not_said_to_be_empty(ground: Path, striker: Striker) -> None:
    (ground / "logs").mkdir(exist_ok=True)
    (ground / "logs").chmod(0)
    try:
        ended = striker.run(ground, "status", humble=True)
    finally:
        (ground / "logs").chmod(0o755)
    assert ended.status == 0 and "logs may not be read" in ended.output and "No runs in" not in ended.output
