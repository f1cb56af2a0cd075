"""The first look at the files: is every byte of them text, and where do documents begin and end."""

from __future__ import annotations

from pathlib import Path

from mypt.data.prepare import documents as split
from mypt.data.prepare.documents import Documents, Lines, Numbers
from mypt.data.prepare.faults import FaultReport
from mypt.data.prepare.inputs import Source
from mypt.data.prepare.jsonl import TEXT
from mypt.data.prepare.plan import Piece
from mypt.data.prepare.request import PrepareRequest
from mypt.data.prepare.steps import Checked, CheckedLines
from mypt.errors import Problem, UserError, raise_for
from mypt.text import whole

# Files with something wrong, after which nobody reads on.
_SHOWN = 20


class Checking:
    """Takes what `steps.check` found, in order, and makes documents of it."""

    def __init__(self, request: PrepareRequest, files: list[Source], separator: bytes) -> None:
        self._request, self._files, self._separator = request, files, separator
        self._numbers = {file.path: number for number, file in enumerate(files)}
        self._problems: dict[str, Problem] = {}
        self._faults = FaultReport(request)
        self._with_returns: set[str] = set()
        self._places: dict[int, list[Numbers]] = {}
        self._lines: dict[int, list[Lines]] = {}
        self._before: dict[str, int] = {}
        self._empty = 0

    def take(self, piece: Piece, found: Checked | CheckedLines) -> None:
        """What was found in a piece of work."""
        file = piece.span.file
        number = self._numbers[file.path]
        if found.carriage_returns:
            self._with_returns.add(file.path)
        if isinstance(found, CheckedLines):
            before = self._before.get(file.path, 0)
            self._faults.take(file, before, found.faults)
            self._before[file.path] = before + found.number
            self._lines.setdefault(number, []).append(found.lines)
            self._empty += found.empty
            return
        if found.invalid is not None and file.path not in self._problems:
            self._problems[file.path] = found.invalid.problem(self._request.shown(Path(file.path)))
        if len(found.separators):
            self._places.setdefault(number, []).append(found.separators)

    @property
    def enough(self) -> bool:
        """Whether so much is wrong that nobody reads on."""
        return len(self._problems) >= _SHOWN

    def documents(self) -> Documents:
        """All of them. Raises `UserError` with what is wrong, or where there is none."""
        raise_for([*self._problems.values(), *self._faults.problems()])
        of_lines = any(file.field for file in self._files)
        if not self._separator and not of_lines:
            return split.whole_files(self._files)
        found = split.separated(self._files, self._places, len(self._separator), self._lines)
        if not len(found):
            if self._separator and not of_lines:
                raise UserError(
                    Problem("leaves no text at all", field="split_on", value=self._request.split_on)
                )
            raise UserError(_no_text("inputs", "hold"))
        for val, field, verb in ((False, "inputs", "hold"), (True, "val_file", "holds")):
            named = any(file.val is val for file in self._files)
            if named and not (found.named_for_validation == val).any():
                raise UserError(_no_text(field, verb))
        return found

    def notices(self) -> list[str]:
        """What a user should know of the files."""
        said = []
        if self._with_returns:
            number = len(self._with_returns)
            has = "files have" if number > 1 else "file has"
            said.append(f"{number} {has} line ends of Windows (\\r\\n), which are kept as they are")
        if self._empty:
            said.append(
                f"{whole(self._empty)} line{'s have' if self._empty > 1 else ' has'} an empty text, left out"
            )
        plain = any(not file.field for file in self._files)
        if self._separator and plain and not self._places:
            said.append(f"no file holds {self._request.split_on!r}: each is one document")
        if self._separator and not plain:
            said.append("--split_on is about plain text, and was ignored: each line is one document")
        if self._request.text_field not in (None, TEXT) and all(not file.field for file in self._files):
            said.append("--text_field is about lines of JSON, and was ignored")
        return said


def _no_text(field: str, verb: str) -> Problem:
    return Problem(f"{verb} no text", field=field, remedy="there is nothing but empty lines and texts")
