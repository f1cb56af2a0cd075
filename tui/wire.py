"""What goes to the terminal beside the picture: the bell, notifications, the clipboard. Nothing else does."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any

from textual.app import App

from mypt.text import printable

BELL = "\x07"
_LONGEST_NOTE = 240
# tmux and screen drop what they do not know unless it is wrapped; the latter takes no more than this in one piece.
_SCREEN_PIECE = 700


def send(app: App[Any], sequence: str) -> bool:
    """Write `sequence` to the terminal of `app`; False where there is none."""
    driver = app._driver
    if driver is None or app.is_headless:
        return False
    driver.write(sequence)
    driver.flush()
    return True


def notification(text: str) -> str:
    """The sequence (OSC 9) by which terminals show `text` as a notification of the desktop."""
    words = printable(" ".join(text.split()), newline=False)
    words = words if len(words) <= _LONGEST_NOTE else words[: _LONGEST_NOTE - 1] + "…"
    # A number and a semicolon in front would be another command of some terminals.
    return f"\x1b]9;{' ' if words[:1].isdigit() else ''}{words}{BELL}"


def clipboard(text: str) -> str:
    """The sequence (OSC 52) by which terminals take `text` into the clipboard of whoever sits in front of them."""
    return f"\x1b]52;c;{base64.b64encode(text.encode('utf-8', 'backslashreplace')).decode()}{BELL}"


def through(sequence: str, environment: Mapping[str, str] = os.environ) -> str:
    """`sequence` wrapped for the multiplexer that the program runs in, if it does.

    tmux (3.3 and later) lets it pass only with `set -g allow-passthrough on`.
    """
    if environment.get("TMUX"):
        return f"\x1bPtmux;{sequence.replace(chr(27), chr(27) * 2)}\x1b\\"
    if environment.get("STY"):
        pieces = [sequence[at : at + _SCREEN_PIECE] for at in range(0, len(sequence), _SCREEN_PIECE)]
        return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    return sequence
