"""A small language that picks runs: `learning_rate>=1e-4 state:running dante -name:old`.

Every word must hold. `setting>=value` compares (`= != < <= > >=`), `name:text` asks whether it is a part of the value
(of a state: its beginning), `a,b` means either, a bare word is a part of the run's name, `-` or `!` in front turns a
word round, quotes hold spaces together, `*` stands for anything. `none` is a value that a run does not have.
Pure: nothing here knows files or screens.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Collection
from dataclasses import dataclass

from mypt.errors import UserError
from mypt.runs.state import RunState
from mypt.settings import fields
from mypt.settings.problems import nearest
from mypt.text import printable
from mypt.watch import facts
from mypt.watch.facts import Kind, Look

HINT = "dante  learning_rate>=1e-4  state:running  val<2.5  -state:finished"
"""Words that a filter may have, for whoever is about to write one."""

_OPERATOR = re.compile(r"\s*(<=|>=|!=|==|=|<|>|:)\s*")
_WORD = re.compile(r"[^\s=<>!:]+")
_VALUE = re.compile(r"[^\s,]+")
_QUOTES = "\"'"
_TRUE = frozenset({"true", "yes", "on", "y", "t", "1"})
_FALSE = frozenset({"false", "no", "off", "n", "f", "0"})
_SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_SPAN = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([smhdw])")
# Printed numbers are rounded to four digits and more; what is written by hand in full must still be found.
_CLOSE = 1e-9


class QueryError(UserError):
    """A filter that cannot be understood: a sentence, and the characters from `start` to `end` that it is about."""

    def __init__(self, sentence: str, start: int, end: int) -> None:
        self.start, self.end = start, end
        super().__init__(f"{printable(sentence, newline=False)} (character {start + 1})")


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a filter: `name` `operator` one of `values`, the other way round where `negated`."""

    name: str
    kind: Kind
    operator: str
    values: tuple[object, ...]
    negated: bool = False

    def holds(self, look: Look) -> bool:
        """Whether a run whose values are `look` is meant by this word."""
        actual = look(self.name)
        if self.operator == "!=":
            found = not any(_same(actual, value, self.kind) for value in self.values)
        elif self.operator in ("=", ":"):
            test = _contains if self.operator == ":" else _same
            found = any(test(actual, value, self.kind) for value in self.values)
        else:
            found = any(_ordered(actual, self.operator, value, self.kind) for value in self.values)
        return found is not self.negated


@dataclass(frozen=True, slots=True)
class Query:
    """A filter that was understood. An empty one is met by every run."""

    text: str
    terms: tuple[Term, ...] = ()

    def holds(self, look: Look) -> bool:
        """Whether every word holds for a run whose values are `look`."""
        return all(term.holds(look) for term in self.terms)

    def __bool__(self) -> bool:
        return bool(self.terms)


def parse(text: str, more: Collection[str] | None = ()) -> Query:
    """Understand a filter. `more` are names that the logs have beside settings and results; with None any will do.

    Raises QueryError with a sentence that says what is wrong, where, and what may have been meant.
    """
    return Query(text.strip(), tuple(_Reader(text, more).terms()))


def begins_a_name(text: str) -> bool:
    """Whether the last word of `text` may be the beginning of a setting's or a result's name."""
    word = re.split(r"\s", text)[-1].lstrip("-!").lower()
    return bool(word) and any(name.startswith(word) for name in (*facts.names(), *facts.ALIASES))


class _Reader:
    def __init__(self, text: str, more: Collection[str] | None) -> None:
        self.text, self.more, self.at = text, more, 0

    def terms(self) -> list[Term]:
        found: list[Term] = []
        while True:
            self._skip()
            if self.at >= len(self.text):
                return found
            found.append(self._term())

    def _term(self) -> Term:
        start = self.at
        negated = self.text[self.at] in "-!"
        if negated:
            self.at += 1
            if self.at >= len(self.text) or self.text[self.at].isspace():
                raise self._error("nothing follows that is to be left out", start)
        if self.text[self.at : self.at + 1] in tuple(_QUOTES):
            return Term("name", Kind.TEXT, ":", (self._quoted(),), negated)
        word = _WORD.match(self.text, self.at)
        if word is None:
            raise self._error("a name is missing before it", start, self._end_of_word(start))
        self.at = word.end()
        operator = _OPERATOR.match(self.text, self.at)
        if operator is None:
            return Term("name", Kind.TEXT, ":", (word[0],), negated)
        name, kind = self._name(word)
        self.at = operator.end()
        sign = "=" if operator[1] == "==" else operator[1]
        if sign in ("<", "<=", ">", ">=") and kind in (Kind.TEXT, Kind.SWITCH, Kind.STATE):
            said = "is a text" if kind is Kind.TEXT else "has no order"
            raise self._error(f"{name} {said}: compare it with = or :", start, self.at)
        values = [self._value(name, kind, start)]
        while self.text[self.at : self.at + 1] == ",":
            self.at += 1
            values.append(self._value(name, kind, start))
        return Term(name, kind, sign, tuple(values), negated)

    def _name(self, word: re.Match[str]) -> tuple[str, Kind]:
        name = facts.canonical(word[0])
        if not facts.is_known(name):
            if self.more is None or name in self.more:
                return name, Kind.ANY
            if word[0] in self.more:
                return word[0], Kind.ANY
            meant = nearest(name, [*facts.names(), *facts.ALIASES, *self.more])
            meant = meant or "a word with : or = after it names a setting or a result; quotes make it a text"
            raise self._error(f"{word[0]}: no such setting or result; {meant}", word.start(), word.end())
        if name.startswith("eval.") and self.more and name not in self.more:
            sets = sorted(n for n in self.more if n.startswith("eval."))
            known = f"there are {', '.join(sets)}" if sets else "no run has one"
            raise self._error(f"{name}: no such eval set; {known}", word.start(), word.end())
        return name, facts.kind_of(name)

    def _value(self, name: str, kind: Kind, start: int) -> object:
        before = self.at
        quoted = self.text[self.at : self.at + 1] in tuple(_QUOTES)
        if quoted:
            written = self._quoted()
        elif (found := _VALUE.match(self.text, self.at)) is not None:
            written, self.at = found[0], found.end()
        else:
            raise self._error(f"a value is missing after {self.text[start : self.at].strip()}", start)
        value = None if written.lower() == "none" and not quoted else _read(written, name, kind)
        if isinstance(value, _Wrong):
            raise self._error(value.sentence, before, self.at)
        return value

    def _quoted(self) -> str:
        start, quote = self.at, self.text[self.at]
        end = self.text.find(quote, start + 1)
        if end < 0:
            raise self._error("the quotation is not closed", start)
        self.at = end + 1
        return self.text[start + 1 : end]

    def _skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _end_of_word(self, start: int) -> int:
        end = start
        while end < len(self.text) and not self.text[end].isspace():
            end += 1
        return end

    def _error(self, sentence: str, start: int, end: int | None = None) -> QueryError:
        end = len(self.text) if end is None else end
        piece = self.text[start:end].strip()
        said = sentence if piece.partition(":")[0] in sentence else f"{piece}: {sentence}"
        return QueryError(said, start, end)


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Wrong:
    sentence: str


def number(text: str) -> float | None:
    """A number as people write it: 1e-4, 50_000, 50 000, 10%, 12.5k, 1.2M, 0.7B; None for what is none."""
    compact = re.sub(r"[_\s\u202f]", "", text)
    try:
        if compact.endswith("%"):
            return float(compact[:-1]) / 100
        factor = _SUFFIXES.get(compact[-1:].lower())
        # `inf` and `nan` have no suffix, and a bare suffix is no number.
        if factor and compact[-2:-1].isdigit() | (compact[-2:-1] == "."):
            return float(compact[:-1]) * factor
        return float(compact)
    except ValueError:
        return None


def span(text: str) -> float | None:
    """Seconds of a time as people write it: 90, 90s, 5m, 3h 12m, 1.5d; None for what is none."""
    compact = re.sub(r"[\s\u202f]", "", text.lower())
    if compact and not _SPAN.sub("", compact):
        return sum(float(count) * _UNITS[unit] for count, unit in _SPAN.findall(compact))
    plain = number(compact)
    return plain if plain is None or plain >= 0 else None


def switch(text: str) -> bool | None:
    """True or false in the words that settings take; None for others."""
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def states(text: str) -> tuple[RunState, ...]:
    """The states whose names begin so; `_`, `-` and a space are one sign."""
    word = re.sub(r"[\s-]", "_", text.strip().lower())
    return tuple(state for state in RunState if state.value.startswith(word)) if word else ()


def _read(text: str, name: str, kind: Kind) -> object:
    """The value that is written there, or what is wrong with it."""
    if kind in (Kind.NUMBER, Kind.SHARE):
        value = number(text)
        return _Wrong(f"{name}: {text} is not a number") if value is None else value
    if kind is Kind.SPAN:
        seconds = span(text)
        return _Wrong(f"{name}: {text} is no time; write 90s, 5m, 2h or 3d") if seconds is None else seconds
    if kind is Kind.SWITCH:
        truth = switch(text)
        return _Wrong(f"{name}: {text} is neither true nor false") if truth is None else truth
    if kind is Kind.STATE:
        if not states(text):
            words = [state.value for state in RunState]
            return _Wrong(f"no such state: {text}; {nearest(text, words) or 'there are ' + ', '.join(words)}")
        return text
    return _word(text, name)


def _word(text: str, name: str) -> object:
    known = fields.choices(name) if name in fields.Settings.model_fields else []
    if known and "*" not in text and not any(text.lower() in word.lower() for word in known):
        return _Wrong(f"{name}: {text} is none of {', '.join(known)}")
    return text


# ── comparisons ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _same(actual: object, wanted: object, kind: Kind) -> bool:
    if wanted is None or actual is None:
        return wanted is actual
    if kind is Kind.STATE:
        return actual in states(str(wanted))
    if kind is Kind.ANY:
        return _same_as_any(actual, str(wanted))
    if isinstance(wanted, bool):
        return actual is wanted
    if isinstance(wanted, float):
        return _is_number(actual) and _equal(float(actual), wanted)  # type: ignore[arg-type]
    return _matches(str(actual), str(wanted))


def _same_as_any(actual: object, wanted: str) -> bool:
    if isinstance(actual, bool):
        return actual is switch(wanted)
    if _is_number(actual):
        value = number(wanted)
        return value is not None and _equal(float(actual), value)  # type: ignore[arg-type]
    return _matches(str(actual), wanted)


def _contains(actual: object, wanted: object, kind: Kind) -> bool:
    if isinstance(actual, str) and isinstance(wanted, str) and "*" not in wanted:
        return wanted.casefold() in actual.casefold()
    return _same(actual, wanted, kind)


def _ordered(actual: object, operator: str, wanted: object, kind: Kind) -> bool:
    value = number(wanted) if isinstance(wanted, str) else wanted
    if not _is_number(actual) or not isinstance(value, float):
        return False
    have = float(actual)  # type: ignore[arg-type]
    if _equal(have, value):
        return operator in ("<=", ">=")
    return have < value if operator in ("<", "<=") else have > value


def _equal(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_CLOSE) or (math.isnan(a) and math.isnan(b))


def _matches(actual: str, wanted: str) -> bool:
    have, pattern = actual.casefold(), wanted.casefold()
    if "*" not in pattern:
        return have == pattern
    # Only `*` has a meaning of its own here; brackets and question marks occur in names.
    return fnmatch.fnmatchcase(have, re.sub(r"[\[?]", lambda sign: f"[{sign[0]}]", pattern))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
