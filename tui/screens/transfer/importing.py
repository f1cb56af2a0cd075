"""Import: which file or folder, under which name, and what it was recognised as."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from textual.widget import Widget

from mypt.bundle import check_model_name, split_name
from mypt.text import printable
from tui.screens.transfer.base import TransferScreen
from tui.screens.transfer.preview import Preview
from tui.widgets.editors import Field
from tui.widgets.paths import PathField, place_of

_NAMELESS = frozenset({"ckpt", "model", "latest", "final", "pytorch_model", "checkpoint", "weights"})


def name_for(path: str) -> str:
    """A model's name for what lies at `path`: the file's, or its folder's where every such file is called alike."""
    place = Path(place_of(path.rstrip("/")))
    parts = [place.stem if place.suffix and not place.is_dir() else place.name, place.parent.name]
    known = [part for part in parts if part and part.lower() not in _NAMELESS] or parts
    plain = re.sub(r"[^\w.-]+", "_", known[0], flags=re.ASCII).strip("._-")
    name = split_name(plain)[0]
    return name if name and not check_model_name(name) else "imported"


class ImportScreen(TransferScreen):
    """Makes a MyPT checkpoint of another program's. Dismissed with the model's name, or None."""

    TITLE_WORDS = "Import a checkpoint"
    START = "Import"

    def __init__(self, workspace: Path) -> None:
        super().__init__(workspace)
        self._suggested = ""

    def fields(self) -> Iterator[tuple[str, Widget]]:
        """The path, and the name that it gets."""
        yield (
            "from",
            PathField(
                self.workspace, placeholder="a file or folder: ckpt.pt, model.safetensors …", id="path"
            ),
        )
        yield "name", Field(placeholder="the model's name here", id="model-name")
        yield (
            "tokenizer",
            PathField(
                self.workspace,
                placeholder="what comes along; else a tokenizer.json, meta.pkl, or gpt2",
                id="tokenizer",
            ),
        )
        yield "heads", Field(placeholder="where shapes cannot tell", id="heads")

    def on_mount(self) -> None:
        """The path comes first."""
        box = self.query_one(".box")
        box.border_subtitle = "tab completes · ^s imports · nanoGPT, modded-nanogpt, Hugging Face, MyPT"
        self.query_one("#path").focus()

    def on_input_changed(self, message: Field.Changed) -> None:
        """A name that nobody typed follows the path."""
        path, name = self._path, self.query_one("#model-name", Field)
        if message.input is path and name.value in ("", self._suggested):
            self._suggested = name_for(path.value.strip()) if path.value.strip() else ""
            with name.prevent(Field.Changed):
                name.value = self._suggested
            name.cursor_position = len(name.value)

    def missing(self) -> str:
        """What is to be filled in."""
        if not self._path.value.strip():
            return "Type where the checkpoint lies; its format is told from its content."
        if not self.query_one("#model-name", Field).value.strip():
            return "Give it a name."
        return f"✗ heads: must be a whole number, 1 or more (got '{printable(self._heads, newline=False)}')"

    def arguments(self) -> tuple[str, ...] | None:
        """`mypt import …`."""
        path = self._path.value.strip()
        name = self.query_one("#model-name", Field).value.strip()
        heads = self._heads
        if not path or not name or (heads and not (heads.isascii() and heads.isdecimal() and int(heads[:9]))):
            return None
        place = place_of(path)
        # What begins like a flag would be taken for one.
        words = ["import", f"./{place}" if place.startswith("-") else place, f"--model_name={name}"]
        if tokenizer := self.query_one("#tokenizer", PathField).value.strip():
            words.append(f"--tokenizer={place_of(tokenizer)}")
        if heads:
            words.append(f"--n_head={heads}")
        return tuple(words)

    @property
    def _heads(self) -> str:
        return self.query_one("#heads", Field).value.strip()

    @property
    def _path(self) -> PathField:
        return self.query_one("#path", PathField)

    def succeeded(self, preview: Preview) -> None:
        """It is in the tree now."""
        name = self.query_one("#model-name", Field).value.strip()
        self.notify(f"{printable(name, newline=False)} is in checkpoints/", title="Imported", markup=False)
        self.dismiss(name)
