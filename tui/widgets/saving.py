"""Asks where something is to be saved, and in which format; never replaces a file without being told twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Button, Static

from mypt.fsio import write_atomic
from tui.widgets.dialogue import Trial
from tui.widgets.editors import Choice, Field, FileField

_LONGEST = 80


def suggested(folder: str, names: Sequence[str], otherwise: str) -> str:
    """A file without its ending for what these are called, below the workspace: plain signs alone, whatever they are."""
    plain = (re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("._") for name in names)
    joined = "-".join(part for part in plain if part) or otherwise
    return f"{folder}/{joined[:_LONGEST]}"


class SaveScreen(Trial[Path | None]):
    """A format and a file. Dismissed with the file that was written, or None.

    `formats` are their names with the endings of their files; `stem` is the file to suggest, without its ending, and
    `write` gives the content in a format (in a thread).
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Write nothing", id="save.escape")
    ]

    class Written(Message):
        """The file is there."""

        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

    class Refused(Message):
        """It could not be written, or would replace a file."""

        def __init__(self, why: str, taken: Path | None = None) -> None:
            super().__init__()
            self.why, self.taken = why, taken

    def __init__(
        self,
        title: str,
        what: str,
        formats: Mapping[str, str],
        stem: str,
        workspace: Path,
        write: Callable[[str], str],
    ) -> None:
        super().__init__()
        self._title, self._what, self._formats, self._stem = title, what, formats, stem
        self._workspace, self._write = workspace, write
        self._taken: Path | None = None

    def compose(self) -> ComposeResult:
        """What is saved, how, where."""
        first = next(iter(self._formats))
        with Vertical(classes="pane box") as box:
            box.border_title = self._title
            box.border_subtitle = "←→ format · tab next · ⏎ saves"
            yield Static(Text(f"{self._what}\n"), classes="quiet")
            with Horizontal(classes="line"):
                yield Static("format", classes="label")
                yield Choice(list(self._formats), first, may_be_unset=False, id="format")
            with Horizontal(classes="line"):
                yield Static("file", classes="label")
                yield FileField(f"{self._stem}{self._formats[first]}", id="file")
            yield Static("", id="save-note", classes="note", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Save ⏎", id="save", variant="primary", compact=True)
                yield Button("Cancel esc", id="cancel", compact=True)

    def on_mount(self) -> None:
        """The file's name is what one most likely changes."""
        self.query_one("#file", Field).focus()

    @property
    def how(self) -> str:
        """The chosen format."""
        return self.query_one("#format", Choice).value

    def on_choice_changed(self, message: Choice.Changed) -> None:
        """Another format, another ending."""
        message.stop()
        field = self.query_one("#file", Field)
        path = Path(field.value)
        if path.suffix in self._formats.values():
            field.value = str(path.with_suffix(self._formats[message.value]))
        self.say("")

    def edited(self) -> None:
        """Another name is no answer to whether a file is to be replaced."""
        self._taken = None
        super().edited()

    def try_it(self) -> None:
        """Save it, unless that would replace a file that nobody was asked about."""
        name = self.query_one("#file", Field).value.strip()
        if not name:
            self.say("✗ name a file")
            return
        if "\0" in name:
            self.say("✗ no file can be called so")
            return
        path = self._workspace / Path(name).expanduser()
        how, sure = self.how, self._taken == path
        self.run_worker(lambda: self._save(path, how, sure), thread=True, group="save", exclusive=True)

    def _save(self, path: Path, how: str, sure: bool) -> None:
        try:
            if path.is_dir():
                self.post_message(self.Refused(f"✗ {path} is a folder: name a file in it"))
                return
            if path.exists() and not sure:
                self.post_message(
                    self.Refused(f"{path.name} is there already: ⏎ once more replaces it", path)
                )
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, self._write(how).rstrip("\n") + "\n")
        except (OSError, ValueError) as error:
            self.post_message(self.Refused(f"✗ cannot be written: {getattr(error, 'strerror', '') or error}"))
        else:
            self.post_message(self.Written(path))

    def on_save_screen_refused(self, message: Refused) -> None:
        """Say why."""
        self._taken = message.taken
        self.say(message.why)

    def on_save_screen_written(self, message: Written) -> None:
        """It is there."""
        self.dismiss(message.path)
