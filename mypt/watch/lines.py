"""From the bytes of a log to events, many lines at a time.

A log may hold a million lines, nearly all of which are measurements of the same few names. They are decoded in one
call, into records made for the names that this log has; whatever does not fit takes the patient way of
`mypt.events.decode`, chunk by chunk, so that nothing depends on the short one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import reduce
from operator import attrgetter, or_
from typing import Any, ClassVar, get_args

import msgspec

from mypt.events import (
    AnyEvent,
    BadLineError,
    Eval,
    GoldBlocked,
    KnownEvent,
    Number,
    Train,
    decode,
)
from mypt.events.records import Whole

_PREFIX = "eval_"
_DURATION = "eval_duration_s"
_MOST_NAMES = 64
_NUMBERS = (int, float, type(None))
# Every new set of names costs a decoder; a log that changes them all the time is read line by line.
_MOST_DECODERS = 50


class EvalRow(msgspec.Struct, kw_only=True, tag_field="event", tag="eval", gc=False):
    """An evaluation of a log whose eval sets are known: as `Eval`, without what no curve shows."""

    iter: Whole
    timestamp: str = ""
    elapsed_s: Number = None
    tokens_processed: Whole | None = None
    lr: Number = None
    phase: str = "default"
    val_loss: Number = None
    train_loss: Number = None

    eval_set_fields: ClassVar[dict[str, str]] = {}
    """By eval set the field that holds its loss."""


Measured = Train | Eval | EvalRow
"""The events that curves are made of."""


def eval_sets(event: Eval | EvalRow) -> dict[str, Number]:
    """The losses of the eval sets, by name."""
    if isinstance(event, Eval):
        return event.eval_sets
    return {name: getattr(event, field) for name, field in event.eval_set_fields.items()}


def eval_set_columns(evals: Sequence[Eval | EvalRow]) -> dict[str, list[Number]]:
    """The losses of the eval sets by name, one an event; None where an event has none of that name.

    Of many names that come and go only the first few are taken.
    """
    kind = type(evals[0])
    if issubclass(kind, EvalRow) and len(set(map(type, evals))) == 1:
        return {name: list(map(attrgetter(field), evals)) for name, field in kind.eval_set_fields.items()}
    rows = [eval_sets(event) for event in evals]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_as_float(row.get(name)) for row in rows] for name in list(names)[: 2 * _MOST_NAMES]}


def _as_float(value: Number) -> Number:
    try:
        return None if value is None else float(value)
    except OverflowError:
        # A whole number beyond every float.
        return math.inf


class LineDecoder:
    """Decodes whole lines; counts those that are no events (`bad`; `last_bad` says what was wrong last)."""

    # A line without an end must not eat the memory; no event of ours comes near it.
    max_line: int = 64 * 1024 * 1024

    def __init__(self) -> None:
        self.bad = 0
        self.last_bad = ""
        self._keys: tuple[str, ...] = ()
        self._kinds: dict[str, bool] = {}
        self._decoder = _decoder_for(self._keys, {})
        self._decoders = 0

    def feed(self, lines: bytes) -> list[AnyEvent | EvalRow]:
        """The events of `lines`, each of which ends here, in order."""
        # What is not finite is told beside the number that is missing, and put together line by line.
        if b'"nonfinite"' not in lines:
            try:
                events: list[AnyEvent | EvalRow] = self._decoder.decode_lines(lines)
            except (msgspec.DecodeError, ValueError, RecursionError):
                pass
            else:
                if self._is_all(lines, events):
                    return events
        return self._one_by_one(lines)

    def _is_all(self, lines: bytes, events: list[AnyEvent | EvalRow]) -> bool:
        """Whether the records hold every eval set that the lines name: each has all keys, so a count tells."""
        kinds = Counter(map(type, events))
        if kinds[GoldBlocked] and any(isinstance(e, GoldBlocked) and e.best_val_loss is None for e in events):
            return False  # the original has another name for it
        evals = sum(number for kind, number in kinds.items() if issubclass(kind, EvalRow))
        return lines.count(b'"' + _PREFIX.encode()) == evals * len(self._keys)

    def _one_by_one(self, lines: bytes) -> list[AnyEvent | EvalRow]:
        events: list[AnyEvent | EvalRow] = []
        last_eval = b""
        for line in lines.split(b"\n"):
            if len(line) > self.max_line:
                self._count(f"a line of more than {self.max_line} bytes")
                continue
            try:
                event = decode(line)
            except BadLineError as error:
                self._count(str(error))
                continue
            if event is not None:
                events.append(event)
                if isinstance(event, Eval):
                    last_eval = line
        if last_eval:
            self._learn(last_eval)
        return events

    def _learn(self, line: bytes) -> None:
        """Expect the names of this evaluation from now on."""
        try:
            fields = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return
        keys = tuple(key for key in fields if key.startswith(_PREFIX))
        kinds = {key: type(fields[key]) in _NUMBERS for key in keys}
        if kinds == self._kinds or len(keys) > _MOST_NAMES or self._decoders >= _MOST_DECODERS:
            return
        try:
            decoder = _decoder_for(keys, fields)
        except ValueError:
            # No field can be called so (a quote, a control character): such a log is read line by line.
            return
        self._keys, self._kinds, self._decoder = keys, kinds, decoder
        self._decoders += 1

    def _count(self, why: str) -> None:
        self.bad += 1
        self.last_bad = why


def _decoder_for(keys: Sequence[str], example: dict[str, Any]) -> msgspec.json.Decoder[Any]:
    """A decoder for lines whose evaluations have exactly these `eval_…` keys; other evaluations are an error."""
    fields = {f"set_{number}": key for number, key in enumerate(keys)}
    sets = {
        key[len(_PREFIX) :]: field
        for field, key in fields.items()
        if key != _DURATION and type(example[key]) in _NUMBERS
    }
    row = msgspec.defstruct(
        "LogEvalRow",
        # All are required, and of the kind that they were, so that a line with other ones is not taken.
        [
            (field, float | None if type(example[key]) in _NUMBERS else type(example[key]))
            for field, key in fields.items()
        ],
        bases=(EvalRow,),
        namespace={"eval_set_fields": sets},
        rename=fields,
        tag="eval",
        tag_field="event",
        kw_only=True,
        gc=False,
    )
    kinds: Any = reduce(or_, (kind for kind in get_args(KnownEvent) if kind is not Eval), row)
    return msgspec.json.Decoder(kinds)
