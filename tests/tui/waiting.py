"""Letting a headless dashboard work until something is true."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot

from tests.tui.painted import painted
from tests.tui.toasts import said


async def until(
    pilot: Pilot[Any], holds: Callable[[], object], seconds: float = 90.0, what: str = ""
) -> None:
    """Let the app work until something is true; what never comes is told with what the screen shows instead."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(
                f"after {seconds:g} s not true: {what or inspect.getsource(holds).strip()}\n"
                f"on {pilot.app.screen}, told {said(pilot.app)}\n{painted(pilot.app)}"
            )
        await pilot.pause(0.02)
