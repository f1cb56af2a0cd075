"""What a person has set and wants to find again: a small JSON file in the user's configuration folder.

Two dashboards may write it at once: each brings in what it changed and leaves the rest as it finds it.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from platformdirs import user_config_dir

from mypt.files import read_file
from mypt.fsio import replace, write_json_atomic
from mypt.runs.filelock import locked
from mypt.text import printable
from tui.aside import Aside

VARIABLE = "MYPT_CONFIG_DIR"
"""Names another folder for the preferences."""

DEFAULTS: dict[str, Any] = {
    "theme": "mypt-dark",
    "plain_signs": False,
    "alert_finished": True,
    "alert_failed": True,
    "alert_stalled": True,
    "alert_nan": True,
    "alert_gold": True,
    "gold_aloud": False,
    "bell": False,
    "notification": False,
    "alert_command": [],
    "keys": {},
    "axis": "step",
    "log_y": False,
    "panel": "sample",
    "smoothing": 0.0,
    "hidden_curves": [],
    "metric": "",
    "log_metrics": [],
    "forecast": False,
    "overlays": {},
    "compare_only_differences": True,
    "compare_curves": True,
    "compare_details": False,
    "drafts": {},
    "sample": {},
    "runs": {},
    "slurm": {},
}

# Who holds the lock for longer is stuck.
_PATIENCE_S = 0.5


class Preferences:
    """Values by name. A broken or missing file means the defaults; a folder that cannot be written is no error.

    `problems` says what of the file was not taken, with the remedy, for a person to read.
    """

    def __init__(self, path: Path | None = None) -> None:
        folder = Path(os.environ.get(VARIABLE) or user_config_dir("mypt"))
        self.path = path or folder / "dashboard.json"
        self.problems: list[str] = []
        self._broken = False
        self._aside = Aside()
        self._lock = threading.Lock()
        self._unsaved: dict[str, Any] = {}
        self._values = self._read()
        self._judge()

    def __getitem__(self, name: str) -> Any:
        value = self._values.get(name, DEFAULTS[name])
        # A file edited by hand must not bring a value of another kind.
        return value if _is_like(value, DEFAULTS[name]) else DEFAULTS[name]

    def __setitem__(self, name: str, value: Any) -> None:
        before = self[name]
        if before == value and not self._unsaved:
            return
        with self._lock:
            self._values = {**self._values, name: value}
            # What found no room on the disk is brought in with what is set next.
            self._unsaved = {name: before, **self._unsaved}
        self._aside.do(self._keep, None)

    def _keep(self) -> None:
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._alone():
                there = self._read()
                if self._broken:
                    # What somebody wrote by hand is worth more than a missing comma.
                    replace(self.path, self.path.with_name(self.path.name + ".broken"))
                    self._broken = False
                with self._lock:
                    unsaved, values = self._unsaved, self._values
                for name, earlier in unsaved.items():
                    there[name] = _brought_in(there.get(name), earlier, values[name])
                write_json_atomic(self.path, there)
                with self._lock:
                    # What was set meanwhile is newer than what the file holds, and its turn comes.
                    if self._unsaved is unsaved:
                        self._unsaved, self._values = {}, there

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        return locked(self.path.with_name(f".{self.path.name}.lock"), patience_s=_PATIENCE_S)

    def _read(self) -> dict[str, Any]:
        self._broken = False
        try:
            read = json.loads(read_file(self.path).decode("utf-8-sig"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self._broken = not isinstance(error, OSError)
            self._complain(f"{printable(str(error), newline=False)}; the defaults are used")
            return {}
        if not isinstance(read, dict):
            self._broken = True
            self._complain("is not a JSON object ({…}); the defaults are used")
            return {}
        # JSON has no NaN and no infinity; one that a hand put there must not keep the rest from being saved.
        return {name: value for name, value in read.items() if _can_be_written(value)}

    def _judge(self) -> None:
        kinds = {
            bool: "true or false",
            str: "a text",
            float: "a number",
            dict: "an object {…}",
            list: "a list […]",
        }
        for name, default in DEFAULTS.items():
            value = self._values.get(name, default)
            if not _is_like(value, default):
                self._complain(
                    f"{name} is {printable(json.dumps(value), newline=False)[:80]}; it must be {kinds[type(default)]}, "
                    "and the default is used"
                )
        command = self["alert_command"]
        if not all(isinstance(part, str) for part in command):
            self._complain('alert_command must be a list of texts, such as ["notify-send", "{run}"]')
            self._values["alert_command"] = []

    def _complain(self, words: str) -> None:
        said = f"{self.path.name}: {words}"
        if said not in self.problems:
            self.problems.append(said)


def _can_be_written(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)


def _brought_in(there: Any, before: Any, after: Any) -> Any:
    """`after`, or where it is a dictionary, what is `there` with the entries that differ between `before` and `after`."""
    if not (isinstance(there, dict) and isinstance(before, dict) and isinstance(after, dict)):
        return after
    kept = {key: value for key, value in there.items() if key in after or key not in before}
    return kept | {key: value for key, value in after.items() if key not in before or before[key] != value}
