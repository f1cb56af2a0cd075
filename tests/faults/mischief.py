"""What can become of a workspace's files under who looks at them: each is done to any file or folder of its kind."""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from mypt.runs.directory import ExitRecord, write_exit
from mypt.runs.record import create
from mypt.watch.renames import Renamed, remember
from tests.faults.busy import write_bundle
from tests.tui.logs import log_path, write_run

NAMES = ("dante", "virgil", "beatrice")
Deed = Callable[[Path, random.Random], None]


def make(workspace: Path) -> Path:
    """Three runs with records, console output and checkpoints."""
    workspace.mkdir()
    for number, name in enumerate(NAMES):
        write_run(workspace, name, evals=4 + number, complete=number != 1)
        record = create(
            workspace,
            model_name=name,
            log_file=log_path(workspace, name),
            command=["python", "-m", "mypt", "train", "--config_file", "tiny_char", "--model_name", name],
            origin="dashboard",
        )
        run = record.directory(workspace)
        run.console.write_text("reads its data\nbegins to train\n" * 20)
        write_exit(run, ExitRecord(code=0 if number != 1 else 1, last_lines=("it failed",)))
        write_bundle(workspace / "checkpoints", name, 100)
        write_bundle(workspace / "checkpoints", f"{name}_gold", 90)
    remember(workspace, Renamed("homer", "dante", 1.0))
    return workspace


def together(laps: int, chance: random.Random) -> Iterator[list[tuple[str, Deed]]]:
    """Every deed, so many times, by its name: some at once, none of which undoes another."""
    for lap in range(laps):
        files = list(_TO_FILES.items())
        chance.shuffle(files)
        for begin in range(0, len(files), 4):
            yield [(f"a file {what}", _to_a_file(done)) for what, done in files[begin : begin + 4]]
        columns = []
        for name in ("logs", "checkpoints", (".mypt", ".mypt/runs")[lap % 2]):
            column = [(f"{name} {what}", _to(name, done)) for what, done in _TO_FOLDERS.items()]
            chance.shuffle(column)
            columns.append(column)
        yield from map(list, zip(*columns, strict=True))


def _to_a_file(done: Deed) -> Deed:
    return lambda root, chance: done(_a_file(root, chance), chance)


def _to(name: str, done: Deed) -> Deed:
    return lambda root, chance: done(root / name, chance)


def _a_file(root: Path, chance: random.Random) -> Path:
    """Each kind of file as often as another."""
    kinds: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            kinds.setdefault("log" if path.suffix == ".jsonl" else path.name, []).append(path)
    return chance.choice(kinds[chance.choice(sorted(kinds))]) if kinds else root / "logs" / "none.jsonl"


def _append(data: Callable[[random.Random], bytes]) -> Deed:
    def done(path: Path, chance: random.Random) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data(chance))

    return done


def _instead(put: Callable[[Path], object]) -> Deed:
    def done(path: Path, chance: random.Random) -> None:
        remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path)

    return done


def remove(path: Path, chance: random.Random | None = None) -> None:
    if path.is_dir() and not path.is_symlink():
        path.chmod(0o700)
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _truncate(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randint(0, path.stat().st_size))


def _replace(path: Path, chance: random.Random) -> None:
    other = path.with_name(".other")
    other.write_bytes(chance.choice([path.read_bytes()[::-1], path.read_bytes() * 2, chance.randbytes(3000)]))
    other.replace(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        # Its own name may be too long for one.
        where = os.open(path.parent, os.O_RDONLY)
        try:
            listener.bind(f"/proc/self/fd/{where}/{path.name}")
        finally:
            os.close(where)


def _locked(path: Path, chance: random.Random) -> None:
    path.chmod(0)


_TO_FILES: dict[str, Deed] = {
    "gets megabytes of garbage": _append(lambda chance: chance.randbytes(2 << 20)),
    "gets a line of ten megabytes": _append(lambda chance: b'{"event": "' + b"x" * (10 << 20)),
    "gets lines that are no UTF-8": _append(
        lambda chance: b'{"event": "train", "iter": 1}\xff\xfe\xc3\n' * 900
    ),
    "gets numbers that are none": _append(
        lambda chance: b'\n{"event":"train","iter":-7}\n{"event":"eval","iter":1e999,"val_loss":NaN}\n' * 500
    ),
    "gets deep nesting": _append(lambda chance: b"\n" + b"[" * 200_000 + b"\n"),
    "is cut off": _truncate,
    "is emptied": lambda path, chance: os.truncate(path, 0),
    "is replaced": _replace,
    "is deleted": remove,
    "becomes a pipe without a writer": _instead(os.mkfifo),
    "becomes a folder": _instead(Path.mkdir),
    "becomes a socket": _instead(_socket),
    "becomes a device that never ends": _instead(lambda path: path.symlink_to("/dev/zero")),
    "becomes a terminal": _instead(lambda path: path.symlink_to("/dev/tty")),
    "becomes a link to itself": _instead(lambda path: path.symlink_to(path.name)),
    "becomes a link to nothing": _instead(lambda path: path.symlink_to("nowhere")),
    "may not be read": _locked,
}
_TO_FOLDERS: dict[str, Deed] = {
    "is deleted": remove,
    "becomes a file": _instead(lambda path: path.write_bytes(b"\0" * 100)),
    "becomes a pipe": _instead(os.mkfifo),
    "becomes a link to itself": _instead(lambda path: path.symlink_to(path.name)),
    "becomes a link to its own parent": _instead(lambda path: path.symlink_to(path.parent)),
    "is moved away": lambda path, chance: _moved(path),
    "may not be read": _locked,
    "has nothing but pipes": lambda path, chance: _each(path, os.mkfifo),
    "has nothing but devices": lambda path, chance: _each(path, lambda file: file.symlink_to("/dev/zero")),
    "is full of strangers": lambda path, chance: _strangers(path, chance),
}


def _moved(path: Path) -> None:
    if path.exists():
        path.rename(path.with_name(f"{path.name}.away"))


def _each(folder: Path, put: Callable[[Path], object]) -> None:
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        remove(path)
        put(path)


def _strangers(path: Path, chance: random.Random) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for number in range(200):
        name = chance.choice(["a", "run.json", "\x1b[2J", "x.jsonl", "config.json", "é" * 40]) + str(number)
        made = path / name
        if chance.random() < 0.5:
            made.mkdir(exist_ok=True)
            (made / "run.json").write_bytes(chance.randbytes(50))
        else:
            made.write_bytes(chance.randbytes(50))
