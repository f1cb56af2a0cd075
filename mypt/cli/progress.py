"""How far a long piece of work is: a line with a bar where somebody watches, now and then a plain line where not."""

from __future__ import annotations

import time

from mypt.text import duration, size
from mypt.training.console import Console, bar

_PLAIN_EVERY_S = 10.0


class Steps:
    """The `Progress` of a preparation, in bytes of input."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._what = ""
        self._total = self._done = 0
        self._began = self._said = time.monotonic()

    def begin(self, what: str, total: int) -> None:
        """A step begins."""
        self._what, self._total, self._done = what, total, 0
        self._began = self._said = time.monotonic()
        self._show()

    def advance(self, amount: int) -> None:
        """That many bytes more are done."""
        self._done += amount
        self._show()

    def say(self, what: str) -> None:
        """Something goes on of which nobody knows how long it takes."""
        self._console.progress(f"{what}  {duration(time.monotonic() - self._began)}")

    def _show(self) -> None:
        now = time.monotonic()
        share = self._done / self._total if self._total else 1.0
        spent = now - self._began
        rate = self._done / spent if spent > 0 else 0.0
        left = duration((self._total - self._done) / rate) if rate else "–"
        said = f"{share:4.0%} of {size(self._total)}  {size(rate)}/s  {left} left"
        self._console.progress(f"{bar(share)} {self._what}  {said.strip()}")
        if not self._console.is_terminal and now - self._said >= _PLAIN_EVERY_S:
            self._said = now
            self._console.line(f"{self._what}: {said.strip()}")
