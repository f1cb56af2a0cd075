"""Drafts that were left: what was filled in is there again when the form is opened for the same purpose. No Textual."""

from __future__ import annotations

from collections.abc import Mapping
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
        self._prefs[_PREFERENCE] = _with(self._prefs[_PREFERENCE], self._key, asdict(draft))

    def drop(self) -> None:
        """Keep none."""
        self._prefs[_PREFERENCE] = _without(self._prefs[_PREFERENCE], self._key)


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
        kept = self._prefs[_PLACES]
        if last or ask != Ask():
            self._prefs[_PLACES] = _with(kept, self._key, {**asdict(ask), "last": last})
        else:
            self._prefs[_PLACES] = _without(kept, self._key)


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


def _without(kept: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {other: value for other, value in kept.items() if other != key}


def _with(kept: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """With `value` as the newest, and the oldest dropped where there are too many."""
    return dict(list(_without(kept, key).items())[1 - _MOST :]) | {key: value}
