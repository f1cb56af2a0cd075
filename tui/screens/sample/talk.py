"""What goes on between the screen and the process that samples, as plain values: reports go in, sides change.

No Textual and no process here: whoever holds both hands reports to `Talk.hear` and draws what has changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from mypt.bundle import BundleInfo
from mypt.sampling.process import Gone, Said
from mypt.sampling.protocol import Begun, Ended, Failed, Loading, Piece, Ready, Started, Told
from mypt.sampling.settings import Settings
from mypt.text import printable


class Phase(Enum):
    """How far a checkpoint is."""

    WAITING = "waiting"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(eq=False)
class Answer:
    """One text: asked for, being written (`why` is empty), or complete. `shown` is `text` as a terminal may have it."""

    id: str
    model: str
    prompt: str
    settings: Settings = field(default_factory=Settings)
    chat: bool = False
    system: str = ""
    step: int | None = None
    text: str = ""
    shown: str = ""
    notes: list[str] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0
    why: str = ""
    trouble: str = ""
    begun: bool = False
    stopping: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.why)

    @property
    def whole(self) -> str:
        """What `mypt generate` would have printed: an answer alone, or the prompt and what follows it."""
        return self.text if self.chat else self.prompt + self.text


@dataclass(eq=False)
class Side:
    """One checkpoint on the screen, by its folder's name, with its texts."""

    name: str
    phase: Phase = Phase.WAITING
    ready: Ready | None = None
    parameters: int | None = None
    trouble: str = ""
    answers: list[Answer] = field(default_factory=list)
    earlier: int = 0
    """How many of its texts, the first ones, were written before the screen was opened."""
    newer: BundleInfo | None = None
    missing: bool = False
    """Whether it is not on disk any more; what is in memory goes on to write."""

    @property
    def writing(self) -> Answer | None:
        """The text that is being written."""
        last = self.answers[-1] if self.answers else None
        return last if last is not None and not last.is_over else None

    def look_at(self, info: BundleInfo | None) -> bool:
        """Take notice of the bundle of this name as it is on disk now; True where that is news."""
        if self.ready is None:
            return False
        stale = info is not None and not info.problem and info.modified != self.ready.modified
        before = (self.missing, self.newer.modified if self.newer else None)
        self.missing, self.newer = info is None, info if stale else None
        return before != (self.missing, self.newer.modified if self.newer else None)


class Talk:
    """One process and up to two checkpoints."""

    def __init__(self) -> None:
        self.sides: list[Side] = []
        self.started: Started | None = None
        self.gone: Gone | None = None
        self.said = ""

    def side(self, name: str) -> Side | None:
        """The one of that name."""
        return next((side for side in self.sides if side.name == name), None)

    @property
    def is_writing(self) -> bool:
        """Whether any text is being written."""
        return any(side.writing for side in self.sides)

    def begin_anew(self) -> None:
        """Another process takes the place of the one that is gone."""
        self.started = self.gone = None
        for side in self.sides:
            side.phase, side.ready, side.trouble, side.newer = Phase.WAITING, None, "", None

    def hear(self, report: Told | Said | Gone) -> list[Side]:
        """Take a report in; the sides that look different now."""
        match report:
            case Started():
                self.started = report
                return list(self.sides)
            case Said():
                # Such as that a vocabulary is downloaded, which takes a while.
                self.said = report.line
                return [side for side in self.sides if side.phase is Phase.LOADING]
            case Gone():
                return self._gone(report)
            case Loading() | Ready():
                return self._checkpoint(report)
            case Failed(id=""):
                return self._refused(report)
            case Begun() | Piece() | Ended() | Failed():
                return self._text(report)

    def _checkpoint(self, report: Loading | Ready) -> list[Side]:
        side = self.side(report.model)
        if side is None:
            return []
        side.parameters, side.trouble, self.said = report.parameters, "", ""
        if isinstance(report, Ready):
            side.phase, side.ready, side.newer, side.missing = Phase.READY, report, None, False
        else:
            side.phase = Phase.LOADING
        return [side]

    def _refused(self, report: Failed) -> list[Side]:
        side = self.side(report.model)
        if side is None:
            return []
        side.phase, side.ready, side.trouble = Phase.FAILED, None, report.message
        return [side]

    def _text(self, report: Begun | Piece | Ended | Failed) -> list[Side]:
        for side in self.sides:
            answer = side.writing
            if answer is None or answer.id != report.id:
                continue
            match report:
                case Begun():
                    answer.begun, answer.step = True, report.step
                    answer.chat, answer.notes = report.chat, list(report.notes)
                case Piece():
                    answer.text += report.text
                    answer.shown += printable(report.text)
                    answer.tokens, answer.seconds = report.tokens, report.seconds
                case Ended():
                    answer.why, answer.tokens, answer.seconds = report.why, report.tokens, report.seconds
                case Failed():
                    answer.why, answer.trouble = "failed", report.message
            return [side]
        return []

    def _gone(self, report: Gone) -> list[Side]:
        self.gone, self.started = report, None
        for side in self.sides:
            side.phase, side.ready, side.newer = Phase.WAITING, None, None
            if side.writing is not None:
                side.writing.trouble = "the model process ended"
                side.writing.why = "failed"
        return list(self.sides)
