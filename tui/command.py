"""A user's own command, run when something happened to a run: once an event, however many dashboards look. No Textual.

It is a list of arguments and never a line for a shell, since what it is told comes from files.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mypt.text import printable
from mypt.watch.alerts import Alert, Notice

TIMEOUT_S = 30.0
"""A command that takes longer is ended: it is there to call somebody, not to work."""
PLACEHOLDERS = ("{event}", "{run}", "{sentence}")
_LONGEST = 500
_KEEP_S = 30 * 86_400.0


def claim(workspace: Path, notice: Notice, command: Sequence[str]) -> bool:
    """Whether nobody else has run this command for this notice yet; then nobody else will.

    An empty file in `.mypt/alerts/` stands for each event, each user and each command. Where none can be written the
    answer is yes: two calls are better than none.
    """
    folder = workspace / ".mypt" / "alerts"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return True
    _tidy(folder)
    owner = f"{_user()}\n{json.dumps(list(command))}"
    fresh = False
    for alert in notice.alerts:
        for id in alert.ids:
            name = hashlib.sha256(f"{owner}\n{id}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
            try:
                (folder / name).open("x").close()
            except FileExistsError:
                continue
            except OSError:
                return True
            fresh = True
    return fresh


def run(command: Sequence[str], notice: Notice, workspace: Path, *, timeout_s: float = TIMEOUT_S) -> str:
    """Run it and wait; an empty string, or what went wrong in a sentence (printable)."""
    argv = arguments(command, notice)
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=workspace,
            env={**os.environ, **facts(notice, workspace)},
            start_new_session=sys.platform != "win32",
        )
    except (OSError, ValueError) as error:
        return printable(f"{argv[0]}: {getattr(error, 'strerror', None) or error}", newline=False)
    try:
        said, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _end(process)
        return printable(f"{argv[0]} was still busy after {timeout_s:.0f} s and was ended", newline=False)
    if process.returncode == 0:
        return ""
    lines = said.decode("utf-8", "replace").strip().splitlines()
    last = f": {lines[-1][:200]}" if lines else ""
    return printable(f"{argv[0]} ended with status {process.returncode}{last}", newline=False)


def arguments(command: Sequence[str], notice: Notice) -> list[str]:
    """The command with its placeholders filled; where it has none, event, run and sentence come after it."""
    told = {
        "{event}": notice.kind.value,
        "{run}": _argument(", ".join(alert.run.label for alert in notice.alerts)),
        "{sentence}": _argument(notice.text),
    }
    if not any(name in part for part in command for name in PLACEHOLDERS):
        return [*command, *told.values()]
    filled = []
    for part in command:
        # In one pass, so that a run called {sentence} stays what it is.
        at = 0
        out = ""
        while at < len(part):
            name = next((name for name in PLACEHOLDERS if part.startswith(name, at)), "")
            out += told[name] if name else part[at]
            at += len(name) or 1
        filled.append(out)
    return filled


def facts(notice: Notice, workspace: Path) -> dict[str, str]:
    """What the command is told by its environment; of several runs at once the first one's numbers."""
    alert: Alert = notice.alerts[0]
    run = alert.run
    gold = run.golds[-1] if run.golds else None
    told: dict[str, object] = {
        "MYPT_EVENT": notice.kind.value,
        "MYPT_RUN": ", ".join(alert.run.label for alert in notice.alerts),
        "MYPT_STATE": run.state.value,
        "MYPT_TITLE": notice.title,
        "MYPT_SENTENCE": notice.text,
        "MYPT_STEP": run.step,
        "MYPT_MAX_ITERS": run.max_iters,
        "MYPT_VAL_LOSS": run.val_loss,
        "MYPT_GOLD_STEP": gold.step if gold else None,
        "MYPT_GOLD_LOSS": gold.value if gold else None,
        "MYPT_LOG": run.key,
        "MYPT_WORKSPACE": workspace,
    }
    return {name: _fact(value) for name, value in told.items()}


def _fact(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "" if value is None else "nan"
    return str(value).replace("\0", "")[:4096]


def _argument(text: str) -> str:
    words = printable(text, newline=False)[:_LONGEST]
    # A run that is called like an option shall not be one.
    return f" {words}" if words.startswith("-") else words


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=2.0)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "?"


def _tidy(folder: Path) -> None:
    oldest = time.time() - _KEEP_S
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.stat().st_mtime < oldest:
                Path(entry.path).unlink()
