"""SLURM's own commands, run without a shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

from mypt.text import printable

# So much of what SLURM says is enough for a sentence.
_SAID = 1000


def run(*words: str, limit_s: float, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What became of a command. Raises OSError where there is none, `subprocess.TimeoutExpired` after `limit_s`."""
    return subprocess.run(
        words,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=limit_s,
        check=False,
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """A sentence with what it said when it did not do what it was asked; safe to show."""
    said = " ".join((done.stderr or done.stdout).split()) or f"status {done.returncode}"
    return printable(f"{done.args[0]} did not take it: {said[:_SAID]}", newline=False)
