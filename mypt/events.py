"""What a run says: one record type an event, one writer, one tolerant reader.

A log is JSON Lines. The writer appends each line in one write, so that a reader sees whole lines or a torn last one;
the reader keeps what it does not know to itself, counts the lines that it cannot read, and never raises for content.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import UNSET, UnsetType

from mypt.fsio import append_line, end_torn_line, finite, fsync_file

Number = float | None
"""A loss or another measured number: None where it was not measured, nan or inf where it was and is not finite."""


class Event(msgspec.Struct, kw_only=True, tag_field="event"):
    """What every event has: a naive local ISO `timestamp` with microseconds, as the original MyPT writes it."""

    timestamp: str = ""


class TrainingStart(Event, tag="training_start"):
    """A process begins to train: at step 0, or, where `config["resumed"]`, at `config["start_step"]`.

    `settings` are all effective settings, of which `config` has the promised ones; `sources` says where those come from
    that are no defaults.
    """

    config: dict[str, Any] = {}
    model: dict[str, Any] = {}
    run_id: str | UnsetType | None = UNSET
    runtime: dict[str, Any] | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET
    sources: dict[str, Any] | UnsetType = UNSET


class Train(Event, tag="train"):
    """One optimizer step, every `log_interval` steps. `train_loss` is that step's own, over all its tokens.

    `memory` is what training holds at that moment: on a GPU the most that was allocated on it since the last such event,
    on a CPU the memory of the process; in bytes.
    """

    iter: int
    elapsed_s: Number = None
    tokens_processed: int | None = None
    lr: Number = None
    train_loss: Number = None
    grad_norm: Number = None
    tokens_per_sec: Number = None
    mfu: float | UnsetType | None = UNSET
    memory: int | UnsetType | None = UNSET


class Eval(Event, tag="eval"):
    """One evaluation after `iter` updates. `eval_sets` holds the losses that a line spells `eval_<name>`."""

    iter: int
    elapsed_s: Number = None
    tokens_processed: int | None = None
    progress_pct: Number = None
    lr: Number = None
    phase: str = "default"
    val_loss: Number = None
    train_loss: Number = None
    eval_duration_s: Number = None
    eval_sets: dict[str, Number] = {}


class PhaseSwitch(Event, tag="phase_switch"):
    """The curriculum goes on to `new_phase`: training and validation data change after `iter` updates."""

    iter: int
    elapsed_s: Number = None
    tokens_processed: int | None = None
    new_phase: str = ""


class GoldCheckpoint(Event, tag="gold_checkpoint"):
    """A new best validation loss was accepted and saved; `prev_best` is None for the first."""

    iter: int
    val_loss: Number = None
    prev_best: Number = None


class GoldBlocked(Event, tag="gold_blocked"):
    """A new best validation loss was refused by a guard, whose `reason` is text for people."""

    iter: int
    val_loss: Number = None
    best_val_loss: Number = None
    reason: str = ""


class Notice(Event, tag="notice"):
    """Something that a person should know of, and that does not stop the run.

    `kind` is "loss_spike" (`train_loss` is that update's own), "eval_set" (its loss is no finite number) or
    "fp16_overflow" (updates are skipped); `message` is text for people.
    """

    iter: int
    elapsed_s: Number = None
    tokens_processed: int | None = None
    kind: str = ""
    message: str = ""
    train_loss: float | UnsetType | None = UNSET


class Sample(Event, tag="sample"):
    """Text that the model wrote after `iter` updates, going on from `prompt` (which is not part of `text`)."""

    iter: int
    prompt: str = ""
    text: str = ""


class TrainingStopped(Event, tag="training_stopped"):
    """The run ended before `max_iters`; `reason` is "signal", "request", "nan" or "error"."""

    iter: int
    reason: str = ""
    message: str = ""


class TrainingComplete(Event, tag="training_complete"):
    """The run reached `max_iters`. Totals are of the whole run, over every resume."""

    started_at: str = ""
    total_elapsed_s: Number = None
    total_elapsed_h: Number = None
    total_steps: int | None = None
    total_tokens: int | None = None
    steps_per_sec: Number = None
    tokens_per_sec: Number = None
    final_train_loss: Number = None
    final_val_loss: Number = None
    best_val_loss: Number = None
    gold_step: int | None = None
    config_file: str | None = None
    dataset_dir: str | None = None


class Unknown(Event, tag="?"):
    """An event of a kind that this version does not know; kept so that a list of events can still show it."""

    name: str = ""
    fields: dict[str, Any] = {}


AnyEvent = (
    TrainingStart
    | Train
    | Eval
    | PhaseSwitch
    | GoldCheckpoint
    | GoldBlocked
    | Notice
    | Sample
    | TrainingStopped
    | TrainingComplete
    | Unknown
)
_KNOWN = (
    TrainingStart
    | Train
    | Eval
    | PhaseSwitch
    | GoldCheckpoint
    | GoldBlocked
    | Notice
    | Sample
    | TrainingStopped
    | TrainingComplete
)
_NAMES = frozenset(
    {
        "training_start",
        "train",
        "eval",
        "phase_switch",
        "gold_checkpoint",
        "gold_blocked",
        "notice",
        "sample",
        "training_stopped",
        "training_complete",
    }
)

# Rounding as the seeds' log has it, by field name; a name that is not here is written as it is.
_DECIMALS = {
    "train_loss": 6,
    "val_loss": 6,
    "prev_best": 6,
    "best_val_loss": 6,
    "final_train_loss": 6,
    "final_val_loss": 6,
    "grad_norm": 6,
    "elapsed_s": 1,
    "eval_duration_s": 1,
    "total_elapsed_s": 1,
    "total_elapsed_h": 2,
    "steps_per_sec": 2,
    "progress_pct": 2,
    "mfu": 4,
}
_EVAL_PREFIX = "eval_"
_NOT_EVAL_SETS = frozenset({"eval_duration_s"})


class BadLineError(ValueError):
    """A line of a log that is not an event; its text says why."""


def now() -> str:
    """The present local time as logs write it: naive ISO with microseconds."""
    return datetime.now().isoformat(timespec="microseconds")


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────


def encode(event: Event) -> bytes:
    """One line of valid JSON with its newline. A number that is not finite becomes null, named in `nonfinite`."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    if isinstance(event, Unknown):
        fields = {"event": event.name, "timestamp": event.timestamp, **event.fields}
    sets: dict[str, Number] = fields.pop("eval_sets", {}) if isinstance(event, Eval) else {}
    if sets:
        # The seeds write the eval sets between the losses and the duration.
        duration = fields.pop("eval_duration_s")
        fields.update({f"{_EVAL_PREFIX}{name}": value for name, value in sets.items()})
        fields["eval_duration_s"] = duration
    nonfinite: dict[str, str] = {}
    # The seeds begin every line with what happened, where and when.
    line: dict[str, Any] = {key: fields.pop(key) for key in ("event", "iter", "timestamp") if key in fields}
    for name, value in fields.items():
        if isinstance(value, float) and not math.isfinite(value):
            nonfinite[name] = "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
            line[name] = None
        elif isinstance(value, float):
            digits = _DECIMALS.get(name, 6 if name[len(_EVAL_PREFIX) :] in sets else None)
            if isinstance(event, Train) and name in ("elapsed_s", "tokens_per_sec"):
                digits = 3  # steps of small models are milliseconds apart
            line[name] = value if digits is None else round(value, digits)
        else:
            line[name] = finite(value)
    if nonfinite:
        line["nonfinite"] = nonfinite
    return json.dumps(line, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace") + b"\n"


# Of a log that is copied.
_CHUNK = 1 << 20


class LogWriter:
    """Appends events to one log file, a line a write. Opening it repairs nothing but a torn last line's lack of `\\n`.

    Raises `OSError` where the file cannot be opened or written; a line is then either whole or not there. Folders below
    `root` are made where they are missing; where `root` itself is, that is an error.
    """

    def __init__(self, path: Path, root: Path | None = None) -> None:
        self.path, self.root = path, root
        self._fd = self._opened()

    def _opened(self) -> int:
        if self.root is not None and not self.root.is_dir():
            # Made again, it would be another one than the one that everybody looks at (renamed, unmounted).
            raise FileNotFoundError(errno.ENOENT, "The workspace is gone", str(self.path))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        try:
            # A killed writer's torn line must not swallow our first one.
            end_torn_line(fd)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def write(self, event: Event) -> None:
        """Append `event`, giving it the present time where it has none."""
        if not event.timestamp:
            event.timestamp = now()
        if not self._is_there():
            self._begin_again()
        append_line(self._fd, encode(event))

    def _begin_again(self) -> None:
        """Somebody moved the file or its folder away: what follows belongs where everybody looks for it.

        Where it was deleted, what it held is only ours any longer, and is written once more.
        """
        fd, before = self._opened(), self._fd
        self._fd = fd
        try:
            if before >= 0 and os.fstat(before).st_nlink == 0 and os.fstat(fd).st_size == 0:
                os.lseek(before, 0, os.SEEK_SET)
                while chunk := os.read(before, _CHUNK):
                    with memoryview(chunk) as rest:
                        written = 0
                        while written < len(chunk):
                            written += os.write(fd, rest[written:])
        finally:
            if before >= 0:
                os.close(before)

    def _is_there(self) -> bool:
        try:
            there, mine = self.path.stat(), os.fstat(self._fd)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            # A share that does not answer now is no reason to leave the file that is open.
            return True
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def sync(self) -> None:
        """Force what was written onto the disk (done when a checkpoint is saved)."""
        fsync_file(self._fd)

    def close(self) -> None:
        """Close the file; the writer is not to be used afterwards."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

_typed = msgspec.json.Decoder(_KNOWN, strict=False)
_untyped = msgspec.json.Decoder()


def decode(line: bytes) -> AnyEvent | None:
    """The event that a line holds; None for an empty line. Raises `BadLineError`, and nothing else, for the rest."""
    line = line.strip(b" \t\r\n\x00\xef\xbb\xbf")
    if not line:
        return None
    # The typed decoder takes nearly every line; what it refuses gets the slow and patient way below.
    if b'"nonfinite"' not in line:
        try:
            event: AnyEvent = _typed.decode(line)
            if isinstance(event, Eval) and line.count(b'"eval_') > (b'"eval_duration_s"' in line):
                # Names that only the line knows cost a second look, which most lines can do without.
                event.eval_sets = _eval_sets(_untyped.decode(line))
            if not (isinstance(event, GoldBlocked) and event.best_val_loss is None):
                return event
        except (msgspec.DecodeError, RecursionError, ValueError):
            pass
    try:
        fields = _untyped.decode(line)
    except (msgspec.DecodeError, RecursionError, ValueError):
        try:
            fields = json.loads(line)  # accepts the bare NaN and Infinity of other loggers
        except (ValueError, RecursionError) as error:
            raise BadLineError(f"not JSON: {error}") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("event"), str):
        raise BadLineError("not an object with an `event`")
    return from_fields(fields)


def from_fields(fields: dict[str, Any]) -> AnyEvent:
    """The typed record of a decoded line. Raises `BadLineError` where a field has a type that its event cannot have."""
    name: str = fields["event"]
    marks = fields.get("nonfinite")
    if isinstance(marks, dict):
        for key, word in marks.items():
            if fields.get(key) is None and word in ("nan", "inf", "-inf"):
                fields[key] = float(word)
    if name == "gold_checkpoint_final_eval":
        fields = {**fields, "event": "gold_checkpoint"}
    elif name == "gold_blocked" and "best_val_loss" not in fields and "best_gold_val_loss" in fields:
        fields["best_val_loss"] = fields["best_gold_val_loss"]
    elif name not in _NAMES:
        stamp = fields.get("timestamp")
        rest = {key: value for key, value in fields.items() if key not in ("event", "timestamp")}
        return Unknown(timestamp=stamp if isinstance(stamp, str) else "", name=name, fields=rest)
    try:
        event: AnyEvent = msgspec.convert(_whole_steps(fields), _KNOWN, strict=False)
    except (msgspec.ValidationError, OverflowError, ValueError) as error:
        # A name with half a surrogate pair is one that the library cannot spell (UnicodeEncodeError).
        raise BadLineError(str(error)) from None
    if isinstance(event, Eval):
        event.eval_sets = _eval_sets(fields)
    return event


def _eval_sets(fields: dict[str, Any]) -> dict[str, Number]:
    return {
        key[len(_EVAL_PREFIX) :]: _as_float(value)
        for key, value in fields.items()
        if key.startswith(_EVAL_PREFIX)
        and key not in _NOT_EVAL_SETS
        and (value is None or (isinstance(value, int | float) and not isinstance(value, bool)))
    }


def _as_float(value: Number) -> Number:
    try:
        return None if value is None else float(value)
    except OverflowError:
        # A whole number beyond every float.
        return math.inf if value is not None and value > 0 else -math.inf


def _whole_steps(fields: dict[str, Any]) -> dict[str, Any]:
    for key in ("iter", "tokens_processed", "total_steps", "total_tokens", "gold_step"):
        value = fields.get(key)
        if isinstance(value, float) and value.is_integer():
            fields = {**fields, key: int(value)}
    return fields


@dataclass(slots=True)
class LineReader:
    """Bytes in, events out: keeps a torn last line until the rest of it comes, and counts lines that are no events.

    `feed` may be given any cut of the bytes. `bad` counts unreadable lines, `last_bad` says what was wrong last.
    """

    bad: int = 0
    last_bad: str = ""
    # Grown in place: a long line that comes in a thousand pieces must not be copied a thousand times.
    _tail: bytearray = field(default_factory=bytearray)
    # A line without an end must not eat the memory; no event of ours comes near it.
    max_line: int = 64 * 1024 * 1024

    def feed(self, chunk: bytes) -> Iterator[AnyEvent]:
        """The events whose lines end within `chunk`, in order."""
        first, newline, rest = chunk.partition(b"\n")
        self._tail += first
        lines: list[bytes] = []
        if newline:
            *lines, last = [bytes(self._tail), *rest.split(b"\n")]
            self._tail = bytearray(last)
        if len(self._tail) > self.max_line:
            self._tail.clear()
            self._count(f"a line of more than {self.max_line} bytes")
        for line in lines:
            event = self._decode(line)
            if event is not None:
                yield event

    def finish(self) -> Iterator[AnyEvent]:
        """What a last line without a newline holds, when no more will come; a torn one counts as bad."""
        line, self._tail = bytes(self._tail), bytearray()
        event = self._decode(line)
        if event is not None:
            yield event

    @property
    def pending(self) -> int:
        """Bytes of an unfinished last line that are held back."""
        return len(self._tail)

    def _decode(self, line: bytes) -> AnyEvent | None:
        try:
            return decode(line)
        except BadLineError as error:
            self._count(str(error))
            return None

    def _count(self, why: str) -> None:
        self.bad += 1
        self.last_bad = why


def read_log(path: Path) -> tuple[list[AnyEvent], int]:
    """All events of a log and the number of lines that could not be read. Raises `OSError` for the file itself."""
    reader = LineReader()
    events: list[AnyEvent] = []
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            events.extend(reader.feed(chunk))
    events.extend(reader.finish())
    return events, reader.bad
