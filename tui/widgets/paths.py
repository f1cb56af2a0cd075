"""A line in which a path is typed: the file or folder that fits is shown behind the cursor, tab takes it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.suggester import Suggester

from tui.widgets.editors import Field

_MOST_ENTRIES = 20_000


def complete(typed: str, workspace: Path) -> str | None:
    """`typed` and the rest of the first entry that begins so; a folder ends with a slash. None where nothing fits.

    A relative path is below the workspace, `~` is home. Hidden entries come only where a dot was typed.
    """
    if not typed or "\0" in typed:
        return None
    head, _, start = typed.rpartition("/")
    folder = workspace / Path(f"{head}/" if head or typed.startswith("/") else ".").expanduser()
    found: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= _MOST_ENTRIES:
                    break
                name = entry.name
                hidden = name.startswith(".") and not start.startswith(".")
                if name.startswith(start) and not hidden and name.isprintable():
                    found.append(name + "/" * entry.is_dir())
    except (OSError, RuntimeError):
        return None
    # One that is typed in full needs no completion, and a longer one with the same beginning comes after it.
    found = [name for name in found if name != start]
    return typed[: len(typed) - len(start)] + min(found) if found else None


def place_of(typed: str) -> str:
    """A typed path with `~` as the home folder that it means."""
    try:
        return str(Path(typed).expanduser())
    except RuntimeError:
        # A ~ of somebody who does not exist: the command says that there is no such file.
        return typed


class PathSuggester(Suggester):
    """Asks the disk in a thread: it may be far away."""

    def __init__(self, workspace: Path) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._workspace = workspace

    async def get_suggestion(self, value: str) -> str | None:
        """The path with what fits."""
        return await asyncio.to_thread(complete, value, self._workspace)


class PathField(Field):
    """A path. Tab and → take the suggestion; tab goes on where there is none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "tab",
            "complete",
            "Complete",
            show=False,
            tooltip="Take what is suggested, else go on",
            id="path-field.tab",
        )
    ]

    def __init__(self, workspace: Path, *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(placeholder=placeholder, id=id)
        self._workspace = workspace
        self.suggester = PathSuggester(workspace)

    async def action_complete(self) -> None:
        """Take the suggestion."""
        found = await asyncio.to_thread(complete, self.value, self._workspace)
        if found is None:
            self.screen.focus_next()
        else:
            self.value = found
            self.cursor_position = len(found)
