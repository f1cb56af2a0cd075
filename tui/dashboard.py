"""What every screen may ask of the program: the workspace, the living picture, preferences, toasts. No routes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.events import Event, InputEvent
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.signal import Signal

from mypt.runs.state import RunState
from mypt.text import printable
from tui import themes
from tui.actions import GLOBAL, Action, Actions, bindings
from tui.live import Live
from tui.prefs import Preferences
from tui.runview import RunView


class Dashboard(App[None]):
    """The program as its screens see it; `tui.app.MyptApp` adds where one can go."""

    COMMANDS: ClassVar = {Actions}
    BINDINGS: ClassVar[list[BindingType]] = bindings(GLOBAL)
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-huge")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012

    def __init__(self, workspace: Path, *, readonly: bool = False, prefs: Preferences | None = None) -> None:
        super().__init__()
        self.workspace = workspace.resolve()
        self.readonly = readonly
        self.prefs = prefs or Preferences()
        self.live = Live(self.workspace, self.post_message)
        self.changed: Signal[Live.Changed] = Signal(self, "workspace-changed")
        self.sampled: Signal[Live.SystemSampled] = Signal(self, "machine-sampled")
        self.view_changed: Signal[RunView] = Signal(self, "run-view-changed")
        self.runview = RunView(
            self.prefs, self.workspace, tell=lambda: self.view_changed.publish(self.runview)
        )
        self.started_at = time.monotonic()

    class Settled(Message):
        """The first look at the workspace is complete and on the screen."""

    def on_mount(self) -> None:
        """Begin with the runs."""
        for theme in (themes.DARK, themes.LIGHT):
            self.register_theme(theme)
        wanted = self.prefs["theme"]
        self.theme = wanted if wanted in self.available_themes else themes.DARK.name
        self.theme_changed_signal.subscribe(self, lambda theme: self._keep_theme(theme.name))

    def on_unmount(self) -> None:
        """Look no more; what trains goes on."""
        self.live.stop()

    async def on_event(self, event: Event) -> None:
        """Let keys and the mouse go before whatever is being read."""
        if isinstance(event, InputEvent):
            self.live.give_way()
        await super().on_event(event)

    def on_live_changed(self, message: Live.Changed) -> None:
        """Tell the screens, and a person where something ended."""
        self.changed.publish(message)
        for change in message.changes.states:
            run = self.live.workspace.get(change.key)
            if run is None:
                continue
            name = printable(run.label, newline=False)
            if change.after is RunState.FINISHED:
                self.notify(run.sentence, title=f"{name} finished")
            elif change.after in (RunState.FAILED, RunState.STALLED):
                self.notify(run.sentence, title=f"{name} {change.after.value}", severity="error", timeout=10)

    def on_live_system_sampled(self, message: Live.SystemSampled) -> None:
        """Tell the screens."""
        self.sampled.publish(message)

    def on_live_failed(self, message: Live.Failed) -> None:
        """Say, and go on saying, that what is on the screen is not the present any more."""
        said = f"{type(message.error).__name__}: {printable(str(message.error), newline=False)}"
        self.notify(
            f"{said}. Quit and open it again; what trains goes on, and `mypt status` shows it",
            title="This picture stands still",
            severity="error",
            timeout=86_400,
        )

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """A toast. What it says may come from files, so it is never markup."""
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    def copy_to_clipboard(self, text: str) -> None:
        """Copy `text`; a terminal takes UTF-8 alone, so of a file name that is none the odd bytes are spelled out."""
        super().copy_to_clipboard(text.encode("utf-8", "backslashreplace").decode())

    # ── actions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def allow(self, action: Action | str) -> bool:
        """Whether something that starts, stops or deletes may be done; says so where it may not."""
        if self.readonly:
            name = action if isinstance(action, str) else action.label
            self.notify(f"{name}: this dashboard was opened with --readonly", severity="warning")
            return False
        return True

    def action_toggle_dark(self) -> None:
        """Light or dark."""
        self.theme = themes.LIGHT.name if self.current_theme.dark else themes.DARK.name

    def _keep_theme(self, name: str) -> None:
        self.prefs["theme"] = name


def shown_path(path: Path) -> str:
    """A path as people write it: with ~ for the home folder, escaped."""
    home = Path.home()
    text = f"~/{path.relative_to(home)}" if path != home and path.is_relative_to(home) else str(path)
    return printable(text, newline=False)
