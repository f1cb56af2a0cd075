"""Asks for a name and saves what is chosen and typed as a preset of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Button, Static

from mypt.text import printable
from tui.screens.launch.data_look import EXPECTED, problems_of
from tui.screens.launch.draft import Draft
from tui.screens.launch.look import Review, sentence
from tui.widgets.dialogue import Trial
from tui.widgets.editors import Field

Answer = Path | Literal["without"]
"""The preset that was saved, or the wish to start without it."""


def save(draft: Draft, review: Review, workspace: Path, name: str) -> Path:
    """Write `configs/<name>.json` with what the draft asks for; raises `UserError` and `RunError`."""
    from mypt.settings import fields
    from mypt.settings.presets import save_preset
    from mypt.settings.resolve import preset_values

    values = preset_values(draft.request(), workspace)
    run = review.shown
    if run is not None and (run.checkpoint or run.base):
        # What decides the shape is the model that is there.
        shape = {name for name in fields.names() if fields.rule(name) is fields.Rule.SHAPE}
        values |= {name: run.values[name].value for name in shape | set(fields.REQUIRED_IN_PRESET)}
    return save_preset(workspace, name, values)


def question(draft: Draft, review: Review, *, starting: bool) -> str:
    """What is saved, and where a run is to be started, why it is asked."""
    words = ""
    if starting:
        names = ", ".join(f"{name}={text}" for name, text in review.overruled.items())
        source = review.values[next(iter(review.overruled))].source if review.values else "the preset"
        words = f"{names} would be ignored: {source} is used whole. A preset of your own can have it otherwise.\n\n"
    given = {**dict([draft.data] if draft.data else []), **draft.given}
    changes = ", ".join(f"{name}={text}" for name, text in given.items())
    base = draft.preset or "the defaults"
    return printable(f"{words}Saves {base}{f' with {changes}' if changes else ' as it is'}, and chooses it.")


class SavePresetScreen(Trial[Answer | None]):
    """A name, what will be saved under it, and what is wrong with that. Dismissed with None where nothing was done."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Save nothing", id="save-preset.cancel")
    ]

    class Refused(Message):
        """It could not be saved."""

        def __init__(self, why: str) -> None:
            super().__init__()
            self.why = why

    class Saved(Message):
        """It was saved."""

        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

    def __init__(
        self, suggestion: str, what: str, save: Callable[[str], Path], *, starting: bool = False
    ) -> None:
        super().__init__()
        self._suggestion, self._what, self._save, self._starting = suggestion, what, save, starting
        self._busy = False

    def compose(self) -> ComposeResult:
        """What, under which name, and the buttons."""
        with Vertical(classes="pane box") as box:
            box.border_title = "A preset of your own"
            yield Static(Text(f"{self._what}\n"))
            with Horizontal(classes="line"):
                yield Static("configs/", classes="label")
                yield Field(self._suggestion, id="preset-name")
            yield Static("", classes="note", markup=False)
            with Horizontal(classes="buttons"):
                yield Button(
                    "Save and start ⏎" if self._starting else "Save ⏎",
                    id="save",
                    variant="primary",
                    compact=True,
                )
                if self._starting:
                    yield Button("Start without", id="without", compact=True)
                yield Button("Cancel esc", id="cancel", compact=True)

    def pressed(self, button: str) -> None:
        """Start without saving, or do neither."""
        self.dismiss("without" if button == "without" else None)

    def try_it(self) -> None:
        """Save it under the name that is typed."""
        name = self.query_one("#preset-name", Field).value.strip()
        if not self._busy:
            self._busy = True
            self.run_worker(lambda: self._in_thread(name), thread=True, group="save")

    def _in_thread(self, name: str) -> None:
        try:
            path = self._save(name)
        except EXPECTED as error:
            said = (
                f"{p.field}: {sentence(p)}" if p.field != "save_preset" else sentence(p)
                for p in problems_of(error)
            )
            self.post_message(self.Refused("\n".join(f"✗ {printable(words)}" for words in said)))
        else:
            self.post_message(self.Saved(path))

    def on_save_preset_screen_refused(self, message: Refused) -> None:
        """Say why; another name may do."""
        self._busy = False
        self.say(message.why)

    def on_save_preset_screen_saved(self, message: Saved) -> None:
        """It is there."""
        self.dismiss(message.path)
