"""Which files an input means: named ones as they are, folders recursively, in an order that is always the same."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import NamedTuple

from mypt.data.prepare import jsonl
from mypt.data.prepare.jsonl import Fault, Kind
from mypt.data.prepare.request import PrepareRequest
from mypt.errors import Problem, UserError, raise_for
from mypt.text import printable

PROSE = ("txt", "text", "md", "markdown", "rst", "tex", "org", "adoc")
CODE = (
    *("py", "pyi", "c", "h", "cc", "cpp", "cxx", "hpp", "hh", "cu", "cuh", "m", "mm", "rs", "go", "java", "kt", "scala"),
    *("js", "mjs", "jsx", "ts", "tsx", "rb", "php", "pl", "pm", "lua", "sh", "bash", "zsh", "ps1", "sql", "r", "jl"),
    *("swift", "cs", "fs", "hs", "ml", "mli", "ex", "exs", "erl", "clj", "lisp", "el", "scm", "dart", "zig", "nim", "v"),
    *("asm", "s", "f", "f90", "pas", "adb", "ads", "proto", "cmake", "mk", "css"),
)  # fmt: skip
FROM_FOLDERS = frozenset((*PROSE, *CODE))
"""Endings that are taken from a folder where no pattern is named."""
_ALSO_TEXT = frozenset(
    ("json", "csv", "tsv", "html", "htm", "xml", "yaml", "yml", "toml", "ini", "cfg", "conf", "log", "srt", "vtt")
)  # fmt: skip
_NO_TEXT = {
    **dict.fromkeys(("gz", "bz2", "xz", "zst", "zip", "tar", "7z", "rar"), "unpack it first"),
    **dict.fromkeys(
        ("pdf", "doc", "docx", "odt", "rtf", "epub", "parquet", "arrow", "xlsx"),
        "convert it to plain text first",
    ),
}
_SHOWN = 20


class Source(NamedTuple):
    """A file that is read, as it was when the work began."""

    path: str
    name: str
    """From the input that it was found in; the same wherever the data lies."""
    size: int
    modified: int
    """In nanoseconds."""
    val: bool
    """Whether it was named for validation."""
    field: str = ""
    """Of a file of lines of JSON the field with the text; empty for plain text."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a dataset, in order."""

    files: list[Source]
    notices: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


def find(request: PrepareRequest, *, folder_output: bool = True) -> Sources:
    """The text files that `request` names. Raises `UserError` with all that is wrong with them.

    With `folder_output` the output is a folder, which must not lie in an input, nor hold one.
    """
    problems = _crossings(request) if folder_output else []
    if not request.inputs:
        problems.append(
            Problem("nothing was named to prepare", field="inputs", remedy="name text files or folders")
        )
    raise_for(problems)
    search = _Search(request)
    for val, inputs in ((False, request.inputs), (True, request.val_files)):
        for path in inputs:
            search.take(path, val=val)
    raise_for(search.problems[:_SHOWN])
    if not any(not file.val for file in search.files):
        raise UserError(Problem("hold no text", field="inputs", remedy="name files with something in them"))
    if request.val_files and not any(file.val for file in search.files):
        raise UserError(Problem("holds no text", field="val_file", remedy="name a file with something in it"))
    return Sources(search.files, search.notices())


def conversations(request: PrepareRequest) -> bool:
    """Whether `request` is about conversations: the first lines of its first JSONL file decide.

    Raises `UserError` where that file does not say what it is, or where plain text is named beside conversations.
    """
    lines, plain = _of_each_kind(request)
    for named, path in lines:
        try:
            told = jsonl.told(path, request.text_field)
        except OSError:
            return False  # whoever reads it will say so
        if told.kind is None and told.fault is not None:
            raise UserError(located(told.fault, f"{request.shown(path)} line {told.line}"))
        if told.kind is Kind.CONVERSATIONS and plain is not None:
            names = f"{request.shown(named)} holds conversations, {request.shown(plain)} plain text"
            raise UserError(
                Problem(names, field="inputs", remedy="prepare one kind at a time, in two datasets")
            )
        if told.kind is not None:
            return told.kind is Kind.CONVERSATIONS
    return False


def located(fault: Fault, where: str) -> Problem:
    """What is wrong with a line, which is called `where` in the message."""
    problem = Problem(fault.message, where=where, field=fault.field, remedy=fault.remedy)
    return replace(problem, value=fault.value[0]) if fault.value else problem


def _of_each_kind(request: PrepareRequest) -> tuple[list[tuple[Path, Path]], Path | None]:
    """All JSONL files, each behind the input that it was found in, and the first input of plain text."""
    lines: list[tuple[Path, Path]] = []
    plain: Path | None = None
    for path in (*request.inputs, *request.val_files):
        if path.is_dir():
            files = list(_walk(path, request.patterns))
            taken = _taken(request.patterns, {_ending(file.name) for file in files})
            files = [file for file in files if taken is None or _ending(file.name) in taken]
        else:
            files = [path]
        for file in files:
            if _ending(file.name) == jsonl.ENDING:
                lines.append((path, file))
            else:
                plain = plain or path
    return lines, plain


def _taken(patterns: Iterable[str], endings: set[str]) -> Collection[str] | None:
    """Which of the endings in a folder are read; None for all.

    JSONL beside prose and source code is seldom a corpus.
    """
    if patterns:
        return None
    if jsonl.ENDING in endings and not endings & FROM_FOLDERS:
        return (jsonl.ENDING,)
    return FROM_FOLDERS


class _Search:
    """Collects files, each once, and what is wrong."""

    def __init__(self, request: PrepareRequest) -> None:
        self.request = request
        self.files: list[Source] = []
        self.problems: list[Problem] = []
        self._seen: set[tuple[int, int]] = set()
        self._empty = 0
        self._twice = 0
        self._left: Counter[str] = Counter()

    def take(self, path: Path, *, val: bool) -> None:
        """Add the file, or all matching files of the folder."""
        if path.is_dir():
            self._folder(path, val=val)
        else:
            problem = self._named(path) or self._add(path, path.name, val=val, named=True)
            if problem is not None:
                self.problems.append(problem)

    def notices(self) -> list[str]:
        """What was left out."""
        said = []
        if self._empty:
            said.append(f"{self._empty} empty file{'s were' if self._empty > 1 else ' was'} left out")
        if self._twice:
            said.append(
                f"{self._twice} file{'s were' if self._twice > 1 else ' was'} named twice and taken once"
            )
        said += [
            f"{number} *.{jsonl.ENDING} file{'s' if number > 1 else ''} in {folder} beside texts "
            f"{'were' if number > 1 else 'was'} left out; --pattern says which files to take"
            for folder, number in self._left.items()
        ]
        return said

    def _folder(self, folder: Path, *, val: bool) -> None:
        before, refused = len(self.files) + self._empty + self._twice, len(self.problems)
        paths = list(_walk(folder, self.request.patterns))
        endings = {_ending(path.name) for path in paths}
        taken = _taken(self.request.patterns, endings)
        for path in paths:
            if taken is not None and (ending := _ending(path.name)) not in taken:
                if ending == jsonl.ENDING:
                    self._left[self.request.shown(folder)] += 1
                continue
            name = path.relative_to(folder).as_posix()
            problem = self._add(path, name, val=val, named=False)
            if problem is not None:
                self.problems.append(problem)
        if len(self.files) + self._empty + self._twice == before and len(self.problems) == refused:
            self.problems.append(self._nothing_in(folder, sorted(filter(None, endings))))

    def _nothing_in(self, folder: Path, endings: list[str]) -> Problem:
        shown = self.request.shown(folder)
        if self.request.patterns:
            wanted = " or ".join(self.request.patterns)
            return Problem(f"no file in this folder matches {wanted}", field="inputs", value=shown)
        there = ", ".join(f"*.{ending}" for ending in endings[:8])
        remedy = f"there are {there}; say which with --pattern" if there else "name a folder with text files"
        return Problem("no text files in this folder", field="inputs", value=shown, remedy=remedy)

    def _named(self, path: Path) -> Problem | None:
        """What is wrong with the name of a file that the user named."""
        ending = _ending(path.name)
        shown = self.request.shown(path)
        if not path.exists():
            remedy = f"looked in {self.request.workspace}"
            return Problem("no such file or folder", field="inputs", value=shown, remedy=remedy)
        if ending in _NO_TEXT:
            return Problem("is no plain text", field="inputs", value=shown, remedy=_NO_TEXT[ending])
        known = not ending or ending in FROM_FOLDERS or ending in _ALSO_TEXT or ending == jsonl.ENDING
        if not known and not _matches(path.name, path.name, self.request.patterns):
            remedy = f"if it is text, say --pattern '*.{ending}'"
            return Problem(f"*.{ending} is not known to be text", field="inputs", value=shown, remedy=remedy)
        return None

    def _add(self, path: Path, name: str, *, val: bool, named: bool) -> Problem | None:
        shown = self.request.shown(path)
        try:
            stat = path.stat()
        except OSError as error:
            return Problem(f"cannot be read: {error.strerror}", where=shown)
        if not S_ISREG(stat.st_mode):
            return Problem("is no ordinary file", where=shown) if named else None
        if not os.access(path, os.R_OK):
            return Problem("cannot be read: permission denied", where=shown)
        if (stat.st_dev, stat.st_ino) in self._seen:
            self._twice += 1
            return None
        if stat.st_size == 0:
            if named:
                return Problem("is empty", field="inputs", value=shown)
            self._empty += 1
            return None
        if stat.st_ino:
            self._seen.add((stat.st_dev, stat.st_ino))
        field = (self.request.text_field or jsonl.TEXT) if _ending(path.name) == jsonl.ENDING else ""
        self.files.append(Source(str(path), name, stat.st_size, stat.st_mtime_ns, val, field))
        return None


def _crossings(request: PrepareRequest) -> list[Problem]:
    """The output must not be read, and what is read must not be replaced."""
    output = Path(os.path.realpath(request.output))
    problems = []
    for path in (*request.inputs, *request.val_files):
        real = Path(os.path.realpath(path))
        shown = request.shown(path)
        if path.is_dir() and output.is_relative_to(real):
            message = f"lies in the input {shown}, whose files would then include the dataset's"
            problems.append(
                Problem(
                    message, field="output_dir", value=request.shown(request.output), remedy="name another"
                )
            )
        elif real.is_relative_to(output):
            message = f"holds the input {shown}"
            problems.append(
                Problem(
                    message, field="output_dir", value=request.shown(request.output), remedy="name another"
                )
            )
    return problems


def _walk(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    """The files below `folder`, hidden ones and hidden folders left out, sorted by name folder by folder."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root, name)
            inside = path.relative_to(folder).as_posix()
            if not name.startswith(".") and (not patterns or _matches(name, inside, patterns)):
                yield path


def _matches(name: str, inside: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(inside if "/" in pattern else name, pattern) for pattern in patterns)


def _ending(name: str) -> str:
    return printable(PurePosixPath(name).suffix[1:].lower())
