"""An event as a line of a log, and a line of a log as an event: JSON in our words, and in those of the original."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

import msgspec

from mypt.events.records import NAMES, AnyEvent, Eval, Event, GoldBlocked, KnownEvent, Number, Train, Unknown
from mypt.fsio import finite

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
    first: dict[str, Any] = {key: fields.pop(key) for key in ("event", "iter", "timestamp") if key in fields}
    line: dict[str, Any] = {}
    for name, value in {**first, **fields}.items():
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


_typed = msgspec.json.Decoder(KnownEvent, strict=False)
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
        except (RecursionError, ValueError):
            pass
    try:
        fields = _untyped.decode(line)
    except (RecursionError, ValueError):
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
    elif name not in NAMES:
        stamp = fields.get("timestamp")
        rest = {key: value for key, value in fields.items() if key not in ("event", "timestamp")}
        return Unknown(timestamp=stamp if isinstance(stamp, str) else "", name=name, fields=rest)
    try:
        event: AnyEvent = msgspec.convert(_whole_steps(fields), KnownEvent, strict=False)
    except (OverflowError, ValueError) as error:
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
