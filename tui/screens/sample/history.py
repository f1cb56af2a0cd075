"""What was asked and what was written, kept in a small file of the workspace. No Textual."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from mypt.files import open_regular
from mypt.fsio import append_line, end_torn_line, write_atomic
from mypt.sampling.settings import Settings
from mypt.text import printable
from tui.aside import Aside
from tui.screens.sample.talk import Answer

#: Texts that are kept, and the size of the file beyond which the older half is dropped.
MOST = 300
LARGEST = 2_000_000
# Of one prompt and of one text; a novel is somebody else's to keep.
_LONGEST = 40_000


class Kept(msgspec.Struct, kw_only=True):
    """One text: which checkpoint wrote it, from what, how, and how it ended ("end", "length", "cancelled", "failed")."""

    model: str
    prompt: str = ""
    text: str = ""
    step: int | None = None
    chat: bool = False
    system: str = ""
    settings: Settings = Settings()
    why: str = ""
    tokens: int = 0
    seconds: float = 0.0
    at: str = ""


def kept(answer: Answer) -> Kept:
    """A complete text as it is kept."""
    return Kept(
        model=answer.model,
        prompt=_sendable(answer.prompt[:_LONGEST]),
        text=_sendable(answer.text[:_LONGEST]),
        step=answer.step,
        chat=answer.chat,
        system=_sendable(answer.system[:_LONGEST]),
        settings=answer.settings,
        why=answer.why,
        tokens=answer.tokens,
        seconds=answer.seconds,
        at=time.strftime("%Y-%m-%dT%H:%M:%S"),
    )


def answer_of(text: Kept, number: int) -> Answer:
    """A kept text as the screen shows it."""
    return Answer(
        id=f"kept-{number}",
        model=text.model,
        prompt=text.prompt,
        settings=text.settings,
        chat=text.chat,
        system=text.system,
        step=text.step,
        text=text.text,
        shown=printable(text.text),
        tokens=text.tokens,
        seconds=text.seconds,
        why=text.why or "end",
        begun=True,
    )


class History:
    """The texts of one workspace, oldest first. What cannot be read or written is no error: then less is remembered.

    Several dashboards may add to one file: each text is a line, appended at once.
    """

    def __init__(self, workspace: Path, *, keep: bool = True) -> None:
        self.path = workspace / ".mypt" / "sample_history.jsonl"
        self._keep = keep
        self._aside = Aside()
        self.texts: list[Kept] = []
        self._forgotten = False
        self._aside.do(self._load, None)

    def _load(self) -> None:
        # Where the disk took its time, something may have been written meanwhile.
        kept = _read(self.path)
        if not self._forgotten:
            self.texts = [*kept, *self.texts][-MOST:]

    def add(self, text: Kept) -> None:
        """Remember this text."""
        self.texts = [*self.texts, text][-MOST:]
        if self._keep:
            self._aside.do(lambda: self._append(text), None)

    def _append(self, text: Kept) -> None:
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size > LARGEST:
                self._shorten()
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                end_torn_line(fd)
                append_line(fd, msgspec.json.encode(text))
            finally:
                os.close(fd)

    def forget(self) -> None:
        """Remember nothing."""
        self._forgotten = True
        self.texts = []
        self._aside.do(self._remove, None)

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def prompts(self) -> list[str]:
        """What was asked, oldest first, each once: where it was asked last."""
        return list(dict.fromkeys(text.prompt for text in reversed(self.texts) if text.prompt))[::-1]

    def of(self, model: str) -> list[Kept]:
        """The texts of one checkpoint."""
        return [text for text in self.texts if text.model == model]

    def _shorten(self) -> None:
        lines: list[bytes] = []
        size = 0
        for text in reversed(_read(self.path)):
            lines.append(msgspec.json.encode(text))
            size += len(lines[-1]) + 1
            if size > LARGEST // 2:
                break
        write_atomic(self.path, b"".join(line + b"\n" for line in reversed(lines)))


class Recall:
    """Goes back and forth in what was asked before; what was being typed waits at the end."""

    def __init__(self, prompts: Sequence[str] = ()) -> None:
        self._prompts = list(prompts)
        self._at = len(self._prompts)
        self._draft = ""

    def add(self, prompt: str) -> None:
        """This was asked; the next step back leads to it."""
        if prompt:
            self._prompts = [*(p for p in self._prompts if p != prompt), prompt]
        self._at, self._draft = len(self._prompts), ""

    def move(self, by: int, current: str) -> str | None:
        """The prompt `by` further (-1: the one before), with `current` in the field; None where there is none."""
        at = self._at + by
        if not 0 <= at <= len(self._prompts):
            return None
        if self._at == len(self._prompts):
            self._draft = current
        self._at = at
        return self._draft if at == len(self._prompts) else self._prompts[at]


def _read(path: Path) -> list[Kept]:
    try:
        with open_regular(path) as file:
            # Somebody else may have made it large: only its end is looked at.
            file.seek(max(file.seek(0, os.SEEK_END) - 2 * LARGEST, 0))
            lines = file.readall().split(b"\n")
    except OSError:
        return []
    return list(islice(_texts(reversed(lines)), MOST))[::-1]


def _texts(lines: Iterable[bytes]) -> Iterable[Kept]:
    for line in filter(None, lines):
        # A torn line, or one that a hand has changed, hides no other.
        with contextlib.suppress(msgspec.DecodeError, RecursionError, ValueError):
            yield msgspec.json.decode(line, type=Kept)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
