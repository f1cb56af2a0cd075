"""Drafts that were left: what was filled in is there again when the form is opened for the same purpose. No Textual."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from mypt.slurm.ask import Ask
from tui.prefs import Preferences
from tui.screens.launch.draft import MOST_PROCESSES, Draft

_PREFERENCE, _PLACES = "drafts", "slurm"
# Drafts of workspaces that are long gone need not be kept for ever.
_MOST = 20


class Kept:
    """The draft of one purpose ("new", "base dante", "model dante") in one workspace."""

    def __init__(self, prefs: Preferences, workspace: Path, purpose: str) -> None:
        self._prefs = prefs
        self._key = f"{workspace}: {purpose}"

    def load(self) -> Draft | None:
        """What was left, if anything was."""
        return _read(self._prefs[_PREFERENCE].get(self._key))

    def save(self, draft: Draft) -> None:
        """Keep this one."""
        others = {key: value for key, value in self._prefs[_PREFERENCE].items() if key != self._key}
        newest = list(others.items())[1 - _MOST :]
        self._prefs[_PREFERENCE] = dict(newest) | {self._key: asdict(draft)}

    def drop(self) -> None:
        """Keep none."""
        drafts = self._prefs[_PREFERENCE]
        self._prefs[_PREFERENCE] = {key: value for key, value in drafts.items() if key != self._key}


class KeptPlace:
    """Where a workspace's last run was started, and what was asked of SLURM there the last time."""

    def __init__(self, prefs: Preferences, workspace: Path) -> None:
        self._prefs, self._key = prefs, str(workspace)

    def load(self) -> tuple[Ask, bool]:
        """What to begin with, and whether the last run was SLURM's."""
        value = self._prefs[_PLACES].get(self._key)
        ask = Ask.from_json(value)
        return (ask, value.get("last") is True) if ask is not None else (Ask(), False)

    def save(self, ask: Ask, *, last: bool) -> None:
        """Keep what is asked; `last` says whether a run was started so."""
        others = {key: value for key, value in self._prefs[_PLACES].items() if key != self._key}
        if last or ask != Ask():
            others = dict(list(others.items())[1 - _MOST :]) | {self._key: {**asdict(ask), "last": last}}
        self._prefs[_PLACES] = others


def _read(value: Any) -> Draft | None:
    """The draft in a JSON value; None where it is none, since the file may be edited by hand."""
    if not isinstance(value, dict):
        return None
    given, data = value.get("given"), value.get("data")
    name, preset, base = (value.get(key) for key in ("model_name", "preset", "base"))
    texts = (
        isinstance(name, str)
        and all(text is None or isinstance(text, str) for text in (preset, base))
        and isinstance(given, dict)
        and all(isinstance(text, str) for text in given.values())
    )
    named = isinstance(data, list | tuple) and len(data) == 2 and all(isinstance(t, str) for t in data)
    if not texts or not (named or data is None):
        return None
    processes = value.get("processes")
    resume_from = "gold" if value.get("resume_from") == "gold" else "last"
    return Draft(
        str(name),
        preset,
        base,
        resume_from,
        (data[0], data[1]) if named and data else None,
        dict(given or {}),
        processes if isinstance(processes, int) and 1 <= processes <= MOST_PROCESSES else 1,
        Ask.from_json(value.get("slurm")),
    )
