"""Expected errors: what a user can mend, said so that it can be mended.

`UserError` is bad input (exit status 2, nothing written); `RunError` is bad luck while running (exit status 1,
nothing lost). Neither is ever shown with a traceback. Programming errors stay ordinary exceptions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mypt.text import printable

_UNSET = object()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input, and what would be right.

    `where` names the file or flag group, `field` the setting, `value` what was found there,
    `message` what is wrong with it and `remedy` what to do instead. Empty parts are left out of the sentence.
    """

    message: str
    where: str = ""
    field: str = ""
    value: object = _UNSET
    remedy: str = ""

    def __str__(self) -> str:
        head = ": ".join(cut(part) for part in (self.where, self.field) if part)
        shown = "" if self.value is _UNSET else f" (got {_short(self.value)})"
        tail = f"; {self.remedy}" if self.remedy else ""
        sentence = f"{self.message}{shown}{tail}"
        return printable(f"{head}: {sentence}" if head else sentence)


class MyptError(Exception):
    """An expected error: shown as its text alone, with `exit_status`."""

    exit_status = 1


class UserError(MyptError):
    """Bad input. Carries every problem that was found, not just the first."""

    exit_status = 2

    def __init__(self, *problems: Problem | str) -> None:
        self.problems: tuple[Problem, ...] = tuple(
            p if isinstance(p, Problem) else Problem(message=p) for p in problems
        )
        super().__init__("\n".join(str(p) for p in self.problems))


class RunError(MyptError):
    """Something failed while running (memory, disk, a number that is not one); what was saved before is intact."""


def raise_for(problems: Iterable[Problem]) -> None:
    """Raise one `UserError` with all `problems`, or return when there are none."""
    found = tuple(problems)
    if found:
        raise UserError(*found)


def cut(text: str, limit: int = 400) -> str:
    """`text`, where it is longer than a person reads with its middle left out: the end of a path says most."""
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[-limit // 2 :]}"


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
