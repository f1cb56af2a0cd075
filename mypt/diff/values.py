"""The values that are compared: what they mean, when they are the same, and how people read them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from mypt.text import count, duration, loss, printable, size, whole

# Names under which losses stand in a training state without being called so.
_LOSSES = frozenset(("best", "lowest", "previous"))
_SECONDS = frozenset(("trained_s", "elapsed_s", "duration_s"))
_COUNTED = frozenset(("parameters", "total_params", "tokens", "tokens_processed", "tokens_per_sec"))
# No model has more; beyond it a number comes from a broken file and is not worth its digits.
MOST = 10**15
_LONGEST = 2000


class Missing(Enum):
    """A side has no such field, which is not the same as null."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of one side. `default` says that the file does not have it and readers take this; `text` is how it
    is shown, where that is not its value. `unread`: nothing at all is known of that part of the side, so that it
    neither agrees nor differs. `source` says where a setting came from, where the checkpoint does.
    """

    value: Any = MISSING
    default: bool = False
    text: str = ""
    unread: bool = False
    source: str = ""

    @property
    def missing(self) -> bool:
        """Whether the side has no such field."""
        return self.value is MISSING


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of everything in nested JSON, in its order: `gold.first.general`, `phases[0].name`.

    Lists of plain values stay one value, as do empty objects. However deep the nesting, there is no recursion.
    """
    waiting: list[tuple[str, Any]] = [(prefix, values)] if values else []
    while waiting:
        name, value = waiting.pop()
        below: list[tuple[str, Any]]
        if isinstance(value, Mapping) and value:
            below = [(f"{name}.{_part(key)}" if name else _part(key), item) for key, item in value.items()]
        elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
            below = [(f"{name}[{index}]", item) for index, item in enumerate(value)]
        else:
            yield name, value
            continue
        waiting.extend(reversed(below))


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values mean the same: numbers by value (1 and 1.0), nan like nan, true unlike 1."""
    if a is b:
        return True
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b):
        return True
    try:
        if isinstance(a, list) and isinstance(b, list):
            return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
        return bool(a == b)
    except RecursionError:
        # Nested deeper than anything that a person wrote: shown as different rather than not at all.
        return False


def value_text(name: str, value: Any, *, exact: bool = False) -> str:
    """A value as people read it, on one line and safe for a terminal; `exact` gives every digit.

    `name` tells what is counted: losses, bytes (`size`), seconds, parameters, tokens.
    """
    if value is MISSING:
        return "–"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number_text(name, value, exact)
    if isinstance(value, str):
        if name == "data_fingerprint" and not exact:
            value = cut(value, 13)
        return printable(cut(value), newline=False) if value else '""'
    if isinstance(value, list):
        inside = ", ".join(value_text("", item, exact=exact) for item in value[:100])
        return cut(f"[{inside}{', …' if len(value) > 100 else ''}]")
    return "{…}" if value else "{}"


def spelled(chars: Sequence[Any], between: str = "") -> str:
    """Characters of a vocabulary, those that cannot be seen spelled out."""
    names = {"\n": "\\n", "\t": "\\t", "\r": "\\r", " ": "␣"}
    # What is no character at all is a broken vocabulary, which others report; here it must only not harm.
    shown = [
        names.get(c) or printable(cut(c, 20), newline=False) if isinstance(c, str) else "?"
        for c in chars[:_LONGEST]
    ]
    more = f" … and {whole(len(chars) - _LONGEST)} more" if len(chars) > _LONGEST else ""
    return between.join(shown) + more


def _part(key: str) -> str:
    plain = key and not any(sign in key for sign in '.["')
    return key if plain else json.dumps(key, ensure_ascii=False)


def _number_text(name: str, value: float, exact: bool) -> str:
    last = name.rpartition(".")[2]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if abs(value) >= MOST:
        return cut(str(value), 40)
    if name == "size" or name.startswith("files."):
        return f"{whole(int(value))} B" if exact else size(value)
    if last in _SECONDS:
        return f"{value:.6g} s" if exact else duration(value)
    if exact:
        return whole(value) if isinstance(value, int) else str(value)
    if "loss" in last or last in _LOSSES:
        return loss(value)
    if last in _COUNTED:
        return count(value, 4)
    if last == "learning_rate" and 0 < abs(value) < 0.1:
        return _scientific(value)
    if isinstance(value, int):
        return str(value) if "seed" in last else whole(value)
    return _scientific(value) if 0 < abs(value) < 1e-3 or abs(value) >= 1e6 else f"{value:.6g}"


def _scientific(value: float) -> str:
    """0.0003 as 3e-4, the way learning rates are written."""
    mantissa, _, exponent = f"{value:.5e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def cut(text: str, limit: int = _LONGEST) -> str:
    """`text`, not longer than anybody reads."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
