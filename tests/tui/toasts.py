"""What a dashboard has told in toasts, also in those that went away before a busy machine came to look."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import pytest
from textual.app import App
from textual.notifications import Notification, Notifications

_TOLD: WeakKeyDictionary[Notifications, list[Notification]] = WeakKeyDictionary()


def keep_toasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write down every toast that comes until the test ends; those that an app clears are forgotten."""
    add, clear = Notifications.add, Notifications.clear

    def added(self: Notifications, notification: Notification) -> Notifications:
        _TOLD.setdefault(self, []).append(notification)
        return add(self, notification)

    def cleared(self: Notifications) -> Notifications:
        _TOLD.pop(self, None)
        return clear(self)

    monkeypatch.setattr(Notifications, "add", added)
    monkeypatch.setattr(Notifications, "clear", cleared)


def toasts(app: App[Any]) -> list[Notification]:
    """Every toast, in the order in which they came."""
    return list(_TOLD.get(app._notifications, ()))


def said(app: App[Any]) -> list[str]:
    """Their messages."""
    return [toast.message for toast in toasts(app)]
