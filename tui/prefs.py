"""What a person has set and wants to find again: a small JSON file in the user's configuration folder."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from platformdirs import user_config_dir

from mypt.fsio import write_json_atomic

VARIABLE = "MYPT_CONFIG_DIR"
"""Names another folder for the preferences."""

DEFAULTS: dict[str, Any] = {
    "theme": "mypt-dark",
    "axis": "step",
    "log_y": False,
    "panel": "sample",
    "smoothing": 0.0,
    "hidden_curves": [],
    "metric": "",
    "forecast": False,
    "overlays": {},
    "compare_only_differences": True,
    "compare_curves": True,
    "compare_details": False,
    "drafts": {},
    "sample": {},
    "runs": {},
}


class Preferences:
    """Values by name. A broken or missing file means the defaults; a folder that cannot be written is no error."""

    def __init__(self, path: Path | None = None) -> None:
        folder = Path(os.environ.get(VARIABLE) or user_config_dir("mypt"))
        self.path = path or folder / "dashboard.json"
        self._values: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError, RecursionError):
            read = json.loads(self.path.read_text(encoding="utf-8"))
            if isinstance(read, dict):
                # JSON has no NaN; one that a hand put there must not keep the rest from being saved.
                self._values = {name: value for name, value in read.items() if value == value}

    def __getitem__(self, name: str) -> Any:
        value = self._values.get(name, DEFAULTS[name])
        # A file edited by hand must not bring a value of another kind.
        return value if isinstance(value, type(DEFAULTS[name])) else DEFAULTS[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if self[name] == value:
            return
        self._values[name] = value
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json_atomic(self.path, self._values)
