"""What a kill in the middle of a rename or a delete leaves behind is brought to its end."""

from __future__ import annotations

import os
from pathlib import Path

from mypt.errors import MyptError, RunError, UserError
from mypt.housekeeping import guard
from mypt.housekeeping.aside import GONE, sweep
from mypt.housekeeping.journal import finish, journal, read_journal
from mypt.text import printable


def recover(workspace: Path) -> list[str]:
    """End what was cut off, where there is something and nobody is at it; says in sentences what was done.

    Writes nothing where nothing was cut off. Never raises for what it finds: the next one tries again.
    """
    if not os.path.lexists(journal(workspace)) and not _left_aside(workspace / "checkpoints"):
        return []
    try:
        with guard.one_at_a_time(workspace):
            return finish_what_was_cut_off(workspace)
    except MyptError as error:
        return [str(error)]


def finish_what_was_cut_off(workspace: Path) -> list[str]:
    """`recover` for the holder of the room's lock. Raises RunError where it cannot be ended."""
    done = []
    plan = read_journal(workspace)
    if plan is not None:
        try:
            with guard.held(workspace, (plan.old, plan.new)):
                finish(workspace, plan)
        except UserError as error:
            raise RunError(f"a rename of {plan.old} to {plan.new} was cut off: {error}") from error
        except OSError as error:
            raise RunError(f"a rename of {plan.old} to {plan.new} was cut off: {error}") from error
        done.append(f"{plan.old} is called {plan.new} now: a rename that was cut off is complete")
    if number := sweep(workspace / "checkpoints"):
        what = "checkpoint" if number == 1 else f"{number} checkpoints"
        done.append(
            f"removed what was left of {'a' if number == 1 else ''} deleted {what}".replace("  ", " ")
        )
    return [printable(sentence, newline=False) for sentence in done]


def _left_aside(checkpoints: Path) -> bool:
    try:
        return any(entry.name.startswith(GONE) for entry in os.scandir(checkpoints))
    except OSError:
        return False
