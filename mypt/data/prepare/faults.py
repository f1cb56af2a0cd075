"""What is wrong with the lines of files: each kind of fault is said once, with where it is found first and how often."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mypt.data.prepare.inputs import Source, located
from mypt.data.prepare.jsonl import Fault
from mypt.data.prepare.request import PrepareRequest
from mypt.errors import Problem
from mypt.text import whole

_SHOWN = 20
# Lines, and files, that are named beside the first.
_NAMED = 3
_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+")


@dataclass
class Faults:
    """Those of a span of lines, which are numbered from 0."""

    kinds: dict[str, _Kind] = field(default_factory=dict)

    def add(self, line: int, faults: Iterable[Fault]) -> None:
        """Note what is wrong with a line."""
        seen: set[str] = set()
        for fault in faults:
            name = _name(fault)
            if name not in seen:
                seen.add(name)
                self.kinds.setdefault(name, _Kind(fault)).add(line)


@dataclass
class _Kind:
    """Faults that differ in numbers only: the first of them, the first few lines, and how many lines there are."""

    first: Fault
    lines: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.lines) <= _NAMED:
            self.lines.append(line)


class FaultReport:
    """Those of all files together, taken in their order."""

    def __init__(self, request: PrepareRequest) -> None:
        self._request = request
        self._found: dict[str, _Everywhere] = {}

    def take(self, file: Source, before: int, faults: Faults) -> None:
        """Add those of a span of `file` that has `before` lines in front of it."""
        for name, kind in sorted(faults.kinds.items(), key=lambda item: item[1].lines[0]):
            there = self._found.setdefault(name, _Everywhere(kind.first, file))
            there.count += kind.count
            if file is not there.file:
                there.others.setdefault(file.path)
            else:
                room = _NAMED + 1 - len(there.lines)
                there.lines += [before + line for line in kind.lines[: max(room, 0)]]

    def problems(self) -> list[Problem]:
        """A sentence a kind of fault."""
        said = [self._problem(found) for found in list(self._found.values())[:_SHOWN]]
        if len(self._found) > _SHOWN:
            said.append(Problem(f"{len(self._found) - _SHOWN} more things are wrong with the lines"))
        return said

    def _problem(self, found: _Everywhere) -> Problem:
        fault = found.first
        where = f"{self._shown(found.file.path)} line {found.lines[0] + 1}"
        remedy = "; ".join(part for part in (fault.remedy, self._likewise(found)) if part)
        return located(fault._replace(remedy=remedy), where)

    def _likewise(self, found: _Everywhere) -> str:
        more = found.count - 1
        if not more:
            return ""
        named = [str(line + 1) for line in found.lines[1:]]
        if named:
            rest = more - len(named)
            which = f"line{'s' if more > 1 else ''} {', '.join(named)}" + (
                f" and {whole(rest)} more" if rest else ""
            )
        else:
            which = f"{whole(more)} line{'s' if more > 1 else ''}"
        if not found.others:
            return f"likewise {which}"
        files = ", ".join(self._shown(path) for path in list(found.others)[:_NAMED])
        rest = len(found.others) - _NAMED
        further = f" and {whole(rest)} more file{'s' if rest > 1 else ''}" if rest > 0 else ""
        return f"likewise {which}, {'also ' if named else ''}in {files}{further}"

    def _shown(self, path: str) -> str:
        return self._request.shown(Path(path))


@dataclass
class _Everywhere:
    """A kind of fault in all files: `lines` are of the file in which it comes first."""

    first: Fault
    file: Source
    lines: list[int] = field(default_factory=list)
    count: int = 0
    others: dict[str, None] = field(default_factory=dict)


def _name(fault: Fault) -> str:
    """What it has in common with others of its kind: all but the numbers."""
    return _NUMBERS.sub("…", f"{fault.field}\0{fault.message}")
