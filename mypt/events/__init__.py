"""What a run says: one record type an event, one writer, one tolerant reader.

A log is JSON Lines. `records` has what can be said, `line` how a line says it, `writer` and `reader` the file. A kind of
event that a version does not know is kept as `Unknown`.
"""

from __future__ import annotations

from mypt.events.line import BadLineError, decode, encode, from_fields, now
from mypt.events.reader import LineReader, read_log
from mypt.events.records import (
    NAMES,
    AnyEvent,
    Eval,
    Event,
    GoldBlocked,
    GoldCheckpoint,
    KnownEvent,
    Notice,
    Number,
    PhaseSwitch,
    Sample,
    Train,
    TrainingComplete,
    TrainingStart,
    TrainingStopped,
    Unknown,
)
from mypt.events.writer import LogWriter

__all__ = [
    "NAMES",
    "AnyEvent",
    "BadLineError",
    "Eval",
    "Event",
    "GoldBlocked",
    "GoldCheckpoint",
    "KnownEvent",
    "LineReader",
    "LogWriter",
    "Notice",
    "Number",
    "PhaseSwitch",
    "Sample",
    "Train",
    "TrainingComplete",
    "TrainingStart",
    "TrainingStopped",
    "Unknown",
    "decode",
    "encode",
    "from_fields",
    "now",
    "read_log",
]
