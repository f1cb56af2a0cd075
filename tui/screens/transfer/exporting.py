"""Export: in which format, to where, and what that would make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button

from mypt.text import printable
from tui.screens.transfer.base import TransferScreen
from tui.screens.transfer.preview import Preview
from tui.widgets.editors import Choice
from tui.widgets.paths import PathField, place_of

FORMATS = ("hf", "fp16", "bf16")


class ExportScreen(TransferScreen):
    """Writes one checkpoint, by its folder's name, for other programs."""

    TITLE_WORDS = "Export"
    START = "Export"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+y", "copy", "Copy", tooltip="Copy how to load it", id="export.ctrl-y"),
    ]

    def __init__(self, workspace: Path, name: str) -> None:
        super().__init__(workspace)
        self._export = name

    def fields(self) -> Iterator[tuple[str, Widget]]:
        """Format, place, and what becomes of what is there."""
        yield "format", Choice(FORMATS, FORMATS[0], may_be_unset=False, id="format")
        yield "folder", PathField(self.workspace, placeholder="where it belongs by itself", id="folder")
        yield "if there", Choice(("refuse", "replace"), "refuse", may_be_unset=False, id="there")

    def on_mount(self) -> None:
        """Name what is exported."""
        box = self.query_one(".box")
        # As content, since a plain title would be read as markup.
        box.border_title = Content(f"Export {printable(self._export, newline=False)}")
        box.border_subtitle = "←→ changes · tab next · ^s exports"
        self.query_one("#format").focus()

    def arguments(self) -> tuple[str, ...]:
        """`mypt export …`."""
        folder = self.query_one("#folder", PathField).value.strip()
        words = [
            "export",
            f"--model_name={self._export}",
            "--format",
            self.query_one("#format", Choice).value,
        ]
        if folder:
            words.append(f"--output_dir={place_of(folder)}")
        if self.query_one("#there", Choice).value == "replace":
            words.append("--overwrite")
        return tuple(words)

    def looked(self, preview: Preview) -> None:
        """Where it goes by itself stands in the empty field."""
        place = preview.values.get("output_dir")
        field = self.query_one("#folder", PathField)
        if isinstance(place, str) and not field.value:
            field.placeholder = printable(place, newline=False)

    def succeeded(self, preview: Preview) -> None:
        """Stay, so that one can read where it is and how it is loaded."""
        self.query_one("#start", Button).display = False
        box = self.query_one(".box")
        box.border_title = "✓ Exported"
        box.border_subtitle = "^y copies how to load it · esc closes" if preview.values.get("load") else ""
        place = preview.values.get("output_dir")
        self.notify(printable(str(place or ""), newline=False), title="Exported", markup=False)
        self.query_one("#close").focus()

    def action_copy(self) -> None:
        """Copy the line that loads it."""
        load = self.preview.values.get("load") if self.preview else None
        if isinstance(load, str):
            self.app.copy_to_clipboard(load)
            self.notify("How to load it is in the clipboard", markup=False)
