"""What every screen may ask of the program: the workspace, the living picture, preferences, toasts. No routes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.events import Event, InputEvent
from textual.filter import LineFilter
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.reactive import var
from textual.signal import Signal
from textual.worker import WorkerFailed

from mypt.text import printable
from tui import clipboard, themes
from tui.actions import GLOBAL, Action, Actions, bindings
from tui.alerts import Herald
from tui.aside import Aside
from tui.live import Live
from tui.prefs import Preferences
from tui.runview import RunView
from tui.signs import PlainSigns
from tui.typeahead import Passed, TypeAhead

_MOST_COMPLAINTS = 4
_LOOK_AT_DISK_S = 1.0
_SLOW_DISK_TOAST_S = 15.0


class Dashboard(App[None]):
    """The program as its screens see it; `tui.app.MyptApp` adds where one can go."""

    COMMANDS: ClassVar = {Actions}
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(GLOBAL),
        # `q` closes small windows; this leaves from everywhere.
        Binding("ctrl+q", "app.quit", "Quit", False, priority=True, id="general.quit", tooltip="Leave"),
    ]
    ENABLE_COMMAND_PALETTE = True
    unanswered: var[str] = var("")
    """Since when the disk of the workspace has not answered, in words; empty while it does."""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-huge")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012

    def __init__(self, workspace: Path, *, readonly: bool = False, prefs: Preferences | None = None) -> None:
        # Before the base class, which asks for filters and colours.
        self.prefs = prefs or Preferences()
        self.keys: dict[str, str] = {}
        """What of the user's key map was taken: keys by the id of the binding."""
        self._plain_signs = PlainSigns(enabled=self.prefs["plain_signs"])
        self._sixteen_colours = themes.SixteenColours()
        super().__init__()
        self.workspace = workspace.resolve()
        self.readonly = readonly
        self.live = Live(self.workspace, self.post_message)
        self.changed: Signal[Live.Changed] = Signal(self, "workspace-changed")
        self.sampled: Signal[Live.SystemSampled] = Signal(self, "machine-sampled")
        self.view_changed: Signal[RunView] = Signal(self, "run-view-changed")
        self.runview = RunView(
            self.prefs, self.workspace, tell=lambda: self.view_changed.publish(self.runview)
        )
        self.herald = Herald(self, self.prefs, self.workspace, readonly=self.readonly)
        self._ahead = TypeAhead(self)
        self.started_at = time.monotonic()
        self._aside = Aside()
        self.left = threading.Event()
        """Set when the screen has gone and nothing but threads that wait for a disk may be left."""
        self.disk_answers = True
        """Once it was left: whether the threads that look at the workspace could end."""

    class Settled(Message):
        """The first look at the workspace is complete and on the screen."""

    def on_mount(self) -> None:
        """Begin with the runs."""
        self.screen_change_signal.subscribe(self, self._ahead.opened, immediate=True)
        for theme in themes.OURS:
            self.register_theme(theme)
        wanted = self.prefs["theme"]
        self.theme = wanted if wanted in self.available_themes else themes.DARK.name
        self.theme_changed_signal.subscribe(self, lambda theme: self._keep_theme(theme.name))
        problems = list(self.prefs.problems)
        if wanted not in self.available_themes:
            problems.append(
                f"{self.prefs.path.name}: theme: there is none called {printable(wanted, newline=False)}; "
                "^g shows those there are"
            )
        self._complain(problems)
        self.set_interval(_LOOK_AT_DISK_S, self._look_at_disk)
        if self.prefs["keys"]:
            self.run_worker(self._learn_keys, thread=True, group="keys", exit_on_error=False)

    def on_unmount(self) -> None:
        """Look no more; what trains goes on."""
        self.disk_answers = self.live.stop()
        self.left.set()

    async def on_event(self, event: Event) -> None:
        """Let keys and the mouse go before whatever is being read, and none of them to a screen that has gone."""
        if isinstance(event, InputEvent):
            self.live.give_way()
        if self._ahead.keeps(event):
            event.stop()
            return
        await super().on_event(event)

    def on_passed(self, message: Passed) -> None:
        """A key has gone all its way."""
        message.reached.set()

    def on_live_changed(self, message: Live.Changed) -> None:
        """Tell the screens, and a person where something happened."""
        # First what follows the run in view to its new key, then what looks whether that is listed.
        self.changed.publish(message)
        if message.changes.added or message.changes.removed or message.bundles:
            self.runview.follow(self.live.present_key)
        changes = message.changes
        ended = (change.key for change in changes.states)
        changed = (*changes.added, *changes.updated, *ended)
        self.herald.hear(self.live.workspace.runs, changed, first=message.first)

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

    def _look_at_disk(self) -> None:
        """Say, in the first line and at its beginning and end aloud, that the disk keeps the picture waiting."""
        since = self.live.unanswered_since
        words = f"disk does not answer since {datetime.fromtimestamp(since):%H:%M:%S}" if since else ""
        before, self.unanswered = self.unanswered, words
        if words and not before:
            self.notify(
                f"{shown_path(self.workspace)}: what is shown is from then, and moves on by itself as soon as the disk "
                "answers. What trains on it may have to wait as well; q leaves and stops nothing",
                title=f"The {words}",
                severity="warning",
                timeout=_SLOW_DISK_TOAST_S,
            )
        elif before and not words:
            self.notify("The disk answers again")

    def _handle_exception(self, error: Exception) -> None:
        """What a thread could not do because of the disk is said, and the dashboard goes on; all else is a mistake of ours."""
        failed = error.error if isinstance(error, WorkerFailed) else None
        if not isinstance(failed, OSError):
            super()._handle_exception(error)
            return
        named = failed.filename
        path = shown_path(Path(os.fsdecode(named))) if isinstance(named, str | bytes) else "the disk"
        why = printable(failed.strerror or str(failed), newline=False)
        self.notify(
            f"{path}: {why}. Nothing was lost; try again once it can be read and written",
            title="That could not be done",
            severity="error",
            timeout=_SLOW_DISK_TOAST_S,
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
        plain = text.encode("utf-8", "backslashreplace").decode()
        super().copy_to_clipboard(plain)
        clipboard.also(self, plain)

    def copy(self, text: str, what: str) -> None:
        """Copy `text`, which people call `what`, and say where it went: no terminal tells whether it took it."""
        self.copy_to_clipboard(text)
        self.notify(clipboard.where_to(self), title=f"Copied: {what}")

    # ── how everything looks ────────────────────────────────────────────────────────────────────────────────────

    @property
    def plain_signs(self) -> bool:
        """Whether nothing but plain signs is to be painted."""
        return self._plain_signs.enabled

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What every line passes on its way to the terminal."""
        own = [self._sixteen_colours] if self.theme == themes.ANSI.name else []
        signs = [self._plain_signs] if self._plain_signs.enabled else []
        return [*super().get_line_filters(), *own, *signs]

    def get_css_variables(self) -> dict[str, str]:
        """The theme's variables; `theme_variables` has them as styles of text take them."""
        variables = super().get_css_variables()
        self.theme_variables = themes.for_text(variables)
        return variables

    def use_plain_signs(self, plain: bool) -> None:
        """Paint with plain signs from now on, or with all of them."""
        self._plain_signs.enabled = plain
        self.prefs["plain_signs"] = plain
        for screen in self.screen_stack:
            for chart in screen.query("Drawn"):
                # Braille has better likes than one sign for another.
                chart.ascii_only = plain  # type: ignore[attr-defined]
        self.repaint()

    def repaint(self) -> None:
        """Draw everything anew: how signs, colours or keys look is not a part of any widget's state."""
        for screen in self.screen_stack:
            for widget in (screen, *screen.query("*")):
                widget._styles_cache.clear()
                widget.refresh()

    # ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────

    def use_keys(self, wanted: dict[str, str], problems: Sequence[str] = ()) -> None:
        """Take a key map that was judged, and say what of the user's was left out."""
        self.keys = dict(wanted)
        self.set_keymap(self.keys)
        self._complain([f"{self.prefs.path.name}: {problem}" for problem in problems])
        self.repaint()

    def _learn_keys(self) -> None:
        from tui.keys import catalogue, judge

        judged = judge(self.prefs["keys"], catalogue())
        self.call_from_thread(self.use_keys, judged.taken, judged.problems)

    def _complain(self, problems: Sequence[str]) -> None:
        if problems:
            shown = [*problems[:_MOST_COMPLAINTS]]
            if len(problems) > len(shown):
                shown.append(f"and {len(problems) - len(shown)} more")
            self.notify(
                "\n".join(shown),
                title=f"Not taken from {shown_path(self.prefs.path)}",
                severity="warning",
                timeout=20,
            )

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

    def action_picture(self) -> None:
        """Save a picture of the screen, once what asked for it has gone."""
        self.call_after_refresh(self._save_picture)

    def _save_picture(self) -> None:
        from tui.picture import picture, save

        taken = picture(self, self.workspace)

        def write() -> Path | OSError:
            try:
                return save(taken, self.workspace)
            except OSError as error:
                return error

        found = self._aside.do(write, None)
        if found is None:
            self.notify("It is saved as soon as the disk answers", title="Picture")
        elif isinstance(found, OSError):
            why = printable(f"{found.strerror or found}: {found.filename or self.workspace}", newline=False)
            self.notify(
                f"{why}. Make room there, or make the folder writable", title="No picture", severity="error"
            )
        else:
            self.notify(shown_path(found), title="Picture saved")

    def _keep_theme(self, name: str) -> None:
        self.prefs["theme"] = name


def shown_path(path: Path) -> str:
    """A path as people write it: with ~ for the home folder, escaped."""
    home = Path.home()
    text = f"~/{path.relative_to(home)}" if path != home and path.is_relative_to(home) else str(path)
    return printable(text, newline=False)
