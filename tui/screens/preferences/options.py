"""What can be set in the preferences: each with its name in the file, its words and its help. No widgets here."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from typing import Any

from mypt.text import printable
from tui import themes
from tui.command import PLACEHOLDERS, TIMEOUT_S

YES, NO = "yes", "no"
_TEXT_HELP = (
    f"A program of yours that is run when something happened, such as: notify-send MyPT. {', '.join(PLACEHOLDERS)} are filled "
    "in; without them event, run and sentence come last. No shell reads it; MYPT_* variables tell more. It runs once an "
    f"event, however many dashboards are open, at most {TIMEOUT_S:.0f} s, and never with --readonly."
)


@dataclass(frozen=True, slots=True)
class Option:
    """One preference. `name` is its key in the file; `words` are what it can be, empty for a line of text."""

    name: str
    group: str
    label: str
    help: str
    words: tuple[str, ...] = (YES, NO)


OPTIONS = (
    Option(
        "theme",
        "Look",
        "Theme",
        "Colours. mypt-ansi uses the terminal's own sixteen and is readable on dark and on light grounds; ^t goes between "
        "mypt-dark and mypt-light.",
        (),
    ),
    Option(
        "plain_signs",
        "Look",
        "Plain signs",
        "Draw with plain ASCII: no braille, no boxes, no signs that some fonts lack or draw too wide. Letters of any "
        "script stay.",
    ),
    Option("alert_finished", "Alerts", "Finished", "Say when a run has reached its last step."),
    Option("alert_failed", "Alerts", "Failed", "Say when a run failed or was killed, and why."),
    Option("alert_stalled", "Alerts", "Stalled", "Say when a run has been silent for ten minutes."),
    Option(
        "alert_nan",
        "Alerts",
        "Loss trouble",
        "Say when a loss stops being a finite number or jumps, and when fp16 overflows again and again.",
    ),
    Option(
        "alert_gold",
        "Alerts",
        "New gold",
        "Say when a run has a new gold checkpoint; of a fast run at most every 20 s.",
    ),
    Option(
        "bell", "Aloud", "Bell", "Ring the terminal's bell, too. Each open dashboard rings its own terminal."
    ),
    Option(
        "notification",
        "Aloud",
        "Notification",
        "Send the terminal a notification, too (OSC 9: iTerm2, WezTerm, kitty, Ghostty, Windows Terminal and others). In "
        "tmux it needs: set -g allow-passthrough on.",
    ),
    Option("gold_aloud", "Aloud", "Gold aloud", "A new gold also rings, notifies and runs the command."),
    Option("alert_command", "Aloud", "Command", _TEXT_HELP, ()),
)
"""In the order in which they are shown."""


def theme_words(available: dict[str, Any]) -> tuple[str, ...]:
    """The names of all themes, our own first."""
    own = [theme.name for theme in themes.OURS]
    return (*own, *sorted(name for name in available if name not in own))


def command_of(text: str) -> tuple[list[str], str]:
    """A typed command as arguments, and what is wrong with it (an empty string: nothing)."""
    try:
        argv = shlex.split(text)
    except ValueError as error:
        return [], f"not a command line: {error}; close the quotation mark"
    if argv and shutil.which(argv[0]) is None:
        return argv, f"{printable(argv[0], newline=False)}: no such program here; name it with its whole path"
    return argv, ""
