"""A process with torch in it, whose forked children read thousands of bad files each, with little memory and time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.asking import Asking


@dataclass
class Outcome:
    """What became of `inputs`: how many were refused, and what went wrong with which."""

    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    faults: list[dict[str, Any]] = field(default_factory=list)

    @property
    def speed(self) -> int:
        """Inputs a second."""
        return round(self.inputs / max(self.seconds, 1e-3))

    def __str__(self) -> str:
        """Everything that went wrong, for people."""
        told = "\n\n".join(f"{fault['reader']} {fault['number']}: {fault['what']}" for fault in self.faults)
        replay = "python -m tests.faults.bad.caged READER NUMBER reads one again (with the same seed)"
        return (
            f"{len(self.faults)} of {self.inputs} inputs were not told as they should be; {replay}\n\n{told}"
        )


class Cage(Asking):
    """The process, its working folder, and the folder in which inputs that broke a reader are kept."""

    def __init__(self, folder: Path, kept: Path) -> None:
        self.folder, self.kept = folder, kept
        super().__init__("-m", "tests.faults.bad.caged", MYPT_CONFIG_DIR=str(folder / "preferences"))

    def read(self, reader: str, first: int, count: int) -> Outcome:
        """Let `reader` read the spoiled files `first` to `first + count`."""
        return self._read(reader=reader, first=first, count=count)

    def read_odd(self, reader: str, stride: int = 1, offset: int = 0) -> Outcome:
        """Let `reader` find something that is no file in place of each file; every `stride`th of all cases."""
        return self._read(reader=reader, first=offset, count=stride, odd=True)

    def _read(self, **asked: Any) -> Outcome:
        return Outcome(**self.ask(**asked, folder=str(self.folder), kept=str(self.kept)))
