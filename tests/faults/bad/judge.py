"""What a reader may answer to a bad file: that all is well, or a sentence of ours that names the file."""

from __future__ import annotations

import contextlib
import io
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mypt.errors import MyptError
from tests.faults.bad.odd import KINDS
from tests.faults.bad.spoil import spoiled

Read = Callable[[Path, random.Random], None]


@dataclass(frozen=True)
class Reader:
    """Somebody who reads files: how a folder with good ones is made, which of them are spoiled, and how they are read.

    `also` are words that name the file as well as its own name does. `writes` says that reading changes the folder,
    `at_rest` that files
    must not change meanwhile: they are mapped, or what is written is looked for in them.
    """

    make: Callable[[Path], None]
    patterns: tuple[str, ...]
    read: Read
    also: tuple[str, ...] = ()
    writes: bool = False
    at_rest: bool = False

    def files(self, folder: Path) -> list[Path]:
        """What is spoiled."""
        return sorted({file for pattern in self.patterns for file in folder.glob(pattern) if file.is_file()})

    def oddities(self, folder: Path) -> list[tuple[Path, str]]:
        """Every kind of thing that is no file, in place of every file."""
        return [
            (file.relative_to(folder), kind)
            for file in self.files(folder)
            for kind in KINDS
            if kind != "restless" or not self.at_rest
        ]

    def spoil(self, held: Mapping[Path, bytes], chance: random.Random) -> dict[Path, bytes]:
        """One or two of the files, spoiled."""
        names = chance.sample(sorted(held), min(chance.choice((1, 1, 1, 2)), len(held)))
        return {name: spoiled(name.name, held[name], chance) for name in names}


def judged(how: Reader, place: Path, names: tuple[Path, ...], chance: random.Random) -> str | None:
    """What is wrong with how the files in `place`, of which `names` are bad, were read; "" nothing, None: refused."""
    try:
        with contextlib.chdir(place):
            how.read(place, chance)
    except MyptError as error:
        return _said(str(error), names, how.also)
    except Refused as refused:
        return _said(refused.said, names, how.also)
    except BaseException as error:
        frames = traceback.format_exception(error)
        return f"{names}: {''.join(frames[-6:])[-1800:]}"
    return ""


class Refused(Exception):  # noqa: N818 - it is no error that a command refuses
    """A command of the command line said why it will not."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


def _said(text: str, names: tuple[Path, ...], also: tuple[str, ...]) -> str | None:
    # A name of one letter stands in every sentence.
    parts = {word for name in names for word in (name.name, name.stem, *name.parts[-2:-1])}
    wanted = {word for word in parts if len(word) > 1} | {*also}
    if not names or not any(word in text for word in wanted):
        return f"{names}: the message does not name the file: {text[-500:]!r}"
    if wrong := hostile(text):
        return f"{names}: the message obeys the file: {wrong}: {text[:500]!r}"
    if "out of memory while reading it (" in text:
        return f"{names}: believed a size: {text[:500]!r}"
    if len(text) > 200_000:
        return f"{names}: {len(text)} characters of message"
    return None


def hostile(text: str) -> str:
    """A character of `text` that a terminal would obey; empty where there is none."""
    for char in text:
        code = ord(char)
        if (
            (code < 32 and char != "\n")
            or 0x7F <= code < 0xA0
            or char in "\u202e\u2066"
            or 0xD800 <= code < 0xE000
        ):
            return hex(code)
    return ""


def command(*words: str, fine: tuple[int, ...] = (0, 1, 2)) -> str:
    """Run `mypt` with these words here; what it printed. Raises `Refused` with its complaint where it refused."""
    from mypt import cli

    with _caught() as (out, err):
        code = cli.main(words)
    text, said = out.getvalue(), err.getvalue()
    assert code in fine, f"exit status {code}: {said[:500]}"
    assert "Traceback" not in said, said[-1500:]
    for printed in (text, said):
        assert not (wrong := hostile(printed)), f"prints {wrong}: {printed[:800]!r}"
    if code:
        raise Refused(text + said)
    return text


def refusal(*words: str) -> str:
    """What `mypt` says that refuses these words; empty where it does not refuse."""
    try:
        command(*words)
    except Refused as refused:
        return refused.said
    return ""


@contextlib.contextmanager
def _caught() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    before, out, err = (sys.stdout, sys.stderr), io.StringIO(), io.StringIO()
    sys.stdout, sys.stderr = out, err
    try:
        yield out, err
    finally:
        sys.stdout, sys.stderr = before
