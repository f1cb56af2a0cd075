"""Tells a person what happened to a run: by a toast, and where it is wanted by bell, notification and a command."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from textual.app import App

from mypt.text import printable
from mypt.watch.alerts import Alert, AlertKind, Alerts, Notice, notices, snapshot
from mypt.watch.run import Run
from tui import command, wire
from tui.prefs import Preferences

# What happens at once is said at once; golds of a fast run are said now and then.
_TOGETHER_S = 0.4
_GOLDS_EVERY_S = 20.0
_TROUBLE_S = 12.0
# Both are about losses.
_PREFERENCES = {AlertKind.NOTICE: "alert_nan"}


class Herald:
    """Watches the runs of a workspace and tells, through `app` and in its own thread; only commands run beside it.

    With `readonly` no command runs.
    """

    def __init__(
        self,
        app: App[Any],
        prefs: Preferences,
        workspace: Path,
        *,
        readonly: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._prefs, self._workspace, self._readonly = app, prefs, workspace, readonly
        self._clock = clock
        self._alerts = Alerts(time.time())
        self._met: set[str] = set()
        self._waiting: list[Alert] = []
        self._golds_at: dict[str, float] = {}
        self._due = False
        self._blamed: tuple[str, ...] | None = None

    def hear(self, runs: Sequence[Run], changed: Iterable[str], *, first: bool) -> None:
        """Look at the runs that changed, and at those that have not been read to their end before."""
        if first:
            self._alerts.begin(run.key for run in runs)
        named = set(changed)
        looked = [run for run in runs if run.known and (run.key in named or run.key not in self._met)]
        self._met.update(run.key for run in looked)
        self._take(self._alerts.look(map(snapshot, looked)))

    def try_out(self) -> None:
        """Tell something that did not happen, by every way that is set."""
        from mypt.runs.state import RunState
        from mypt.watch.alerts import Snapshot

        words = "this is how an alert arrives"
        run = Snapshot("", "a run", True, RunState.FINISHED, words)
        alert = Alert(AlertKind.FINISHED, run, words, (f"trial {time.time()}",))
        self._say(Notice(alert.kind, "A run finished", words, (alert,)))
        self._sound([alert])

    def _take(self, alerts: Iterable[Alert]) -> None:
        wanted = [
            alert
            for alert in alerts
            if self._prefs[_PREFERENCES.get(alert.kind, f"alert_{alert.kind.value}")]
        ]
        ended = {alert.run.key for alert in wanted if alert.kind is not AlertKind.GOLD}
        # The end of a run tells its gold, too.
        self._waiting = [
            alert
            for alert in (*self._waiting, *wanted)
            if alert.kind is not AlertKind.GOLD or alert.run.key not in ended
        ]
        self._plan()

    def _plan(self) -> None:
        if not self._waiting or self._due:
            return
        wait = min(max(_TOGETHER_S, self._not_before(alert) - self._clock()) for alert in self._waiting)
        self._due = True
        self._app.set_timer(wait, self._deliver)

    def _not_before(self, alert: Alert) -> float:
        if alert.kind is not AlertKind.GOLD:
            return 0.0
        return self._golds_at.get(alert.run.key, -_GOLDS_EVERY_S) + _GOLDS_EVERY_S

    def _deliver(self) -> None:
        self._due = False
        now = self._clock()
        ripe = [alert for alert in self._waiting if self._not_before(alert) <= now + _TOGETHER_S]
        self._waiting = [alert for alert in self._waiting if alert not in ripe]
        self._golds_at.update({alert.run.key: now for alert in ripe if alert.kind is AlertKind.GOLD})
        for notice in notices(ripe):
            self._say(notice)
        aloud = self._prefs["gold_aloud"]
        self._sound([alert for alert in ripe if aloud or alert.kind is not AlertKind.GOLD])
        self._plan()

    def _say(self, notice: Notice) -> None:
        kind = notice.kind
        self._app.notify(
            notice.text,
            title=printable(notice.title, newline=False),
            severity="error" if kind.is_trouble else "warning" if kind is AlertKind.NOTICE else "information",
            timeout=_TROUBLE_S if kind.is_trouble or kind is AlertKind.NOTICE else None,
        )

    def _sound(self, alerts: list[Alert]) -> None:
        prefs, app = self._prefs, self._app
        told = notices(alerts)
        if told and prefs["bell"]:
            wire.send(app, wire.BELL)
        for notice in told:
            if prefs["notification"]:
                wire.send(app, wire.through(wire.notification(f"MyPT: {notice.title}: {notice.text}")))
        argv = tuple(prefs["alert_command"])
        # A read-only dashboard starts nothing, and writes nothing by which others would know.
        if told and argv and not self._readonly:
            app.run_worker(lambda: self._call(argv, told), thread=True, group="alerts", exit_on_error=False)

    def _call(self, argv: tuple[str, ...], told: list[Notice]) -> None:
        for notice in told:
            if command.claim(self._workspace, notice, argv):
                failed = command.run(argv, notice, self._workspace)
                if failed and self._app.is_running:
                    self._app.call_from_thread(self._blame, argv, failed)

    def _blame(self, argv: tuple[str, ...], failed: str) -> None:
        """Say once that a command fails, not at every event."""
        if argv != self._blamed:
            self._blamed = argv
            self._app.notify(
                f"{failed}. It is set in the preferences (^g), and this is said once",
                title="The alert command failed",
                severity="warning",
                timeout=_TROUBLE_S,
            )
