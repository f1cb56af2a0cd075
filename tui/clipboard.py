"""Where a copied text goes beside the terminal's own clipboard, of which no terminal says whether it took anything."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir
from textual.app import App

from mypt.fsio import replace
from mypt.text import printable
from tui import wire

VARIABLE = "MYPT_CACHE_DIR"
"""Names another folder for the copy."""
_TIMEOUT_S = 2.0


def copy_file() -> Path:
    """The file that holds what was copied last."""
    return Path(os.environ.get(VARIABLE) or user_cache_dir("mypt")) / "clipboard.txt"


def also(app: App[Any], text: str) -> None:
    """Bring `text` to where OSC 52 alone does not: through a multiplexer, to a local macOS, into a file."""
    sequence = wire.clipboard(text)
    if (wrapped := wire.through(sequence)) != sequence:
        wire.send(app, wrapped)
    if not app.is_headless and _has_pasteboard():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["pbcopy"], input=text.encode(), timeout=_TIMEOUT_S, check=True)
    with contextlib.suppress(OSError):
        _keep(copy_file(), text)


def where_to(app: App[Any]) -> str:
    """In a sentence, where to look for what was copied just now."""
    places = [
        "this Mac's clipboard" if _has_pasteboard() else "your terminal's clipboard (where it takes OSC 52)"
    ]
    if copy_file().is_file():
        places.append(printable(str(copy_file()), newline=False).replace(str(Path.home()), "~", 1))
    return " and ".join(places)


def _has_pasteboard() -> bool:
    local = not any(os.environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY"))
    return sys.platform == "darwin" and local and shutil.which("pbcopy") is not None


def _keep(path: Path, text: str) -> None:
    """For its owner's eyes: a command line may name what others need not know."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    replace(temporary, path)
