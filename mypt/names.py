"""Names that become files: plain on every system, and not to be mistaken for anything else. Standard library only."""

from __future__ import annotations

import os
import unicodedata

#: With what MyPT adds (`.tmp.<pid>.`, `_gold`, `_eval.jsonl`) a name stays below the 255 bytes that file systems take.
LONGEST = 200
# Windows keeps these for devices, with any ending, in every folder.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10))}
)


def why_no_name(name: str) -> str:
    """Why `name` cannot be the name of something that MyPT makes; empty where it can."""
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name):
        return "the name holds control characters"
    if any(c in name for c in '/\\:*?"<>|') or ".." in name or name == ".":
        return "the name would leave its folder, or is not a file name everywhere"
    if not name or name.startswith((".", "-")) or name != name.strip() or name.endswith("."):
        return "the name is empty, or begins or ends with a sign that gets it mistaken for something else"
    if name.partition(".")[0].strip().lower() in _DEVICES:
        return "the name is that of a device on Windows"
    if len(os.fsencode(name)) > LONGEST:
        return f"the name is longer than {LONGEST} bytes"
    return ""
