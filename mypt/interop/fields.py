"""The config of another program, field by field: every value is of its type, and every problem is told at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mypt.errors import Problem, raise_for

_LARGEST = 10**9


class Fields:
    """Reads `values`, and collects what is wrong with them until `done`."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values, self._where = values, where
        self._problems: list[Problem] = []

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number from 1; absent or null means `default`, and without one it is a problem."""
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST:
            return value
        self.refuse(name, "must be a whole number from 1 up")
        return 1

    def number(self, name: str, default: float) -> float:
        """A number above 0; absent or null means `default`."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
            return float(value)
        self.refuse(name, "must be a number from 0 up")
        return default

    def flag(self, name: str, default: bool) -> bool:
        """True or false; absent or null means `default`."""
        value = self._values.get(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.refuse(name, "must be true or false")
        return default

    def text(self, name: str, default: str) -> str:
        """A word; absent or null means `default`."""
        value = self._values.get(name)
        if value is None or isinstance(value, str):
            return value or default
        self.refuse(name, "must be a string")
        return default

    def only(self, name: str, allowed: Sequence[object], why: str) -> None:
        """A problem unless the value is absent, null or one of `allowed`."""
        if (value := self._values.get(name)) is not None and value not in allowed:
            self.refuse(name, why)

    def refuse(self, name: str, message: str, remedy: str = "") -> None:
        """Note a problem with a field."""
        value = self._values.get(name)
        self._problems.append(Problem(message, where=self._where, field=name, value=value, remedy=remedy))

    def done(self) -> None:
        """Raise `UserError` with everything that was wrong."""
        raise_for(self._problems)
