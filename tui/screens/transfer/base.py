"""What export and import have in common: fill in, see what would be done, start, watch, and read why it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Button, Static

from mypt.text import printable
from tui.screens.transfer.preview import Preview, pictured, read
from tui.screens.transfer.process import Outcome, run_mypt
from tui.widgets.dialogue import Dialogue
from tui.widgets.editors import Choice, Field

_PAUSE_S = 0.4
_LAST_LINES = 8


class TransferScreen(Dialogue[str | None]):
    """Subclasses give the fields and the command. Dismissed with the name of what was made, or None."""

    TITLE_WORDS: ClassVar[str] = ""
    START: ClassVar[str] = "Start"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "leave", "Cancel", tooltip="Close; a run that goes on is stopped", id="transfer.escape"
        ),
        Binding("ctrl+s,f5", "start", "Start", tooltip="Do what the preview shows", id="transfer.ctrl-s"),
    ]
    DEFAULT_CSS = """
    TransferScreen {
        & .box { width: 100; }
        & #preview { height: auto; max-height: 16; margin-top: 1; scrollbar-size-vertical: 1; }
        & #output { color: $foreground 60%; max-height: 8; }
        & .-none { display: none; }
        &.-short .line { margin-bottom: 0; }
        &.-short #preview { max-height: 10; }
    }
    """

    class Looked(Message):
        """A dry run is over."""

        def __init__(self, arguments: tuple[str, ...], preview: Preview) -> None:
            super().__init__()
            self.arguments, self.preview = arguments, preview

    class Ended(Message):
        """The command itself is over."""

        def __init__(self, outcome: Outcome, preview: Preview) -> None:
            super().__init__()
            self.outcome, self.preview = outcome, preview

    class Done(Message):
        """It succeeded, and the person has seen it."""

    def __init__(self, workspace: Path) -> None:
        super().__init__()
        self.workspace = workspace
        self.preview: Preview | None = None
        self._seen: tuple[str, ...] | None = None
        self._timer: Timer | None = None
        self._command: asyncio.Task[Outcome] | None = None
        self.running = self.finished = False

    # ── for subclasses ──────────────────────────────────────────────────────────────────────────────────────────

    def fields(self) -> Iterator[tuple[str, Widget]]:
        """The lines: a label and an editor each."""
        yield from ()

    def arguments(self) -> tuple[str, ...] | None:
        """The command without `--dry_run --json`; None while something is missing, which `missing` says."""
        raise NotImplementedError

    def missing(self) -> str:
        """What is to be filled in first."""
        return ""

    def looked(self, preview: Preview) -> None:
        """A preview came: what it suggests may be filled in."""

    def succeeded(self, preview: Preview) -> None:
        """The command has done it."""

    # ── the box ─────────────────────────────────────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """Lines, the preview, what is wrong, what is going on, buttons."""
        with Vertical(classes="pane box") as box:
            box.border_title = self.TITLE_WORDS
            for label, editor in self.fields():
                with Horizontal(classes="line"):
                    yield Static(label, classes="label")
                    yield editor
            yield Static("", id="transfer-note", classes="note -none", markup=False)
            with VerticalScroll(id="preview"):
                yield Static("", id="preview-body", markup=False)
            yield Static("", id="output", classes="-none", markup=False)
            with Horizontal(classes="buttons"):
                yield Button(f"{self.START} ^s", id="start", variant="primary", compact=True)
                yield Button("Close esc", id="close", compact=True)

    def on_mount(self) -> None:
        """Look at once where there is something to look at."""
        self.look()

    def on_unmount(self) -> None:
        """Nothing goes on behind a closed dialogue."""
        if self._command is not None:
            self._command.cancel()

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def on_input_changed(self, message: Field.Changed) -> None:
        """Look again when typing pauses."""
        message.stop()
        self.changed()

    def on_choice_changed(self, message: Choice.Changed) -> None:
        """Look again."""
        message.stop()
        self.changed()

    def changed(self) -> None:
        """Something else is filled in."""
        if self.running or self.finished:
            return
        self._seen = None
        self._allow(False)
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE_S, self.look)

    def look(self) -> None:
        """See what would be done."""
        if self.running or self.finished:
            return
        arguments = self.arguments()
        self._allow(False)
        if arguments is None:
            self.workers.cancel_group(self, "look")
            self._note("")
            self._body(Text(self.missing(), "dim"))
            return
        self._body(Text("looking …", "dim"))
        self.run_worker(self._look(arguments), group="look", exclusive=True)

    async def _look(self, arguments: tuple[str, ...]) -> None:
        outcome = await run_mypt(self.workspace, [*arguments, "--dry_run", "--json"])
        self.post_message(self.Looked(arguments, read(outcome)))

    def on_transfer_screen_looked(self, message: Looked) -> None:
        """Show it, unless something else is filled in by now."""
        if self.running or self.finished or message.arguments != self.arguments():
            return
        self.preview, self._seen = message.preview, message.arguments
        self._show(message.preview)
        self._allow(message.preview.ready)
        self.looked(message.preview)

    def _show(self, preview: Preview) -> None:
        self._note("\n".join(f"✗ {problem}" for problem in preview.problems))
        self._body(pictured(preview, self.app.theme_variables))

    # ── doing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def on_input_submitted(self, message: Field.Submitted) -> None:
        """Enter goes to the next line."""
        message.stop()
        self.focus_next()

    def on_button_pressed(self, message: Button.Pressed) -> None:
        """A click does what its key does."""
        message.stop()
        if message.button.id == "start":
            self.action_start()
        else:
            self.action_leave()

    def action_start(self) -> None:
        """Do what the preview shows."""
        arguments = self.arguments()
        if self.running or self.finished or arguments is None:
            return
        if arguments != self._seen or self.preview is None or not self.preview.ready:
            self.app.bell()
            return
        self.running = True
        self._allow(False)
        self.query_one("#close", Button).label = "Stop esc"
        self._output(["working …"])
        self.run_worker(self._go(arguments), group="go")

    async def _go(self, arguments: tuple[str, ...]) -> None:
        lines: list[str] = []

        def said(line: str) -> None:
            lines.append(line)
            del lines[:-_LAST_LINES]
            self._output(lines[-1:])

        self._command = asyncio.create_task(run_mypt(self.workspace, [*arguments, "--json"], said))
        try:
            outcome = await self._command
        except asyncio.CancelledError:
            # Stopped by a person: the screen is on its way out.
            return
        self.post_message(self.Ended(outcome, read(outcome)))

    def on_transfer_screen_ended(self, message: Ended) -> None:
        """Say how it went, where one looks."""
        self.running = False
        self.query_one("#close", Button).label = "Close esc"
        if message.outcome.code == 0:
            self.finished = True
            self._output([])
            self._show(message.preview)
            self.succeeded(message.preview)
            return
        self._show(message.preview)
        status = f"it failed with status {message.outcome.code}; the last lines:"
        shown = [*message.outcome.errors[-_LAST_LINES:]]
        self._output([status, *shown] if shown else [])
        self._seen = None
        self._allow(False)

    def action_leave(self) -> None:
        """Close; what is going on is stopped, and leaves nothing half done."""
        if self.running and self._command is not None:
            self._command.cancel()
            self.notify(f"{self.TITLE_WORDS}: stopped", severity="warning", markup=False)
        self.dismiss(None)

    # ── words ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _allow(self, allowed: bool) -> None:
        self.query_one("#start", Button).disabled = not allowed

    def _note(self, words: str) -> None:
        self._fill("#transfer-note", printable(words))

    def _body(self, picture: RenderableType) -> None:
        self.query_one("#preview-body", Static).update(picture)

    def _output(self, lines: list[str]) -> None:
        self._fill("#output", "\n".join(lines))

    def _fill(self, where: str, words: str) -> None:
        place = self.query_one(where, Static)
        place.update(Text(words))
        place.set_class(not words, "-none")
