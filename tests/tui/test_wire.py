"""What goes to a terminal beside the picture: nothing in it can be another command."""

from __future__ import annotations

import base64

import pytest

from tui import wire


def test_a_notification_is_one_sequence_whatever_its_text_holds() -> None:
    sent = wire.notification("MyPT: \x1b]0;evil\x07 \x9c\u202e\nrun failed; x")
    assert sent.startswith("\x1b]9;MyPT: ") and sent.endswith("\x07")
    inside = sent[4:-1]
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in inside)
    assert "\u202e" not in inside and "\\x1b]0;evil\\x07" in inside


def test_a_notification_is_no_progress_bar_and_no_novel() -> None:
    assert wire.notification("4;1;50").startswith("\x1b]9; 4;")
    assert len(wire.notification("x" * 5000)) < 300


def test_the_clipboard_takes_any_text() -> None:
    sent = wire.clipboard("mypt train \x1b t\udcff é")
    assert (
        base64.b64decode(sent.removeprefix("\x1b]52;c;").removesuffix("\x07")).decode()
        == "mypt train \x1b t\\udcff é"
    )


@pytest.mark.parametrize(
    ("environment", "wrapped"),
    [
        ({}, "\x1b]9;hi\x07"),
        ({"TMUX": "/tmp/tmux-0/default,1,0"}, "\x1bPtmux;\x1b\x1b]9;hi\x07\x1b\\"),
        ({"STY": "1.pts"}, "\x1bP\x1b]9;hi\x07\x1b\\"),
    ],
)
def test_multiplexers_let_it_through(environment: dict[str, str], wrapped: str) -> None:
    assert wire.through(wire.notification("hi"), environment) == wrapped


def test_screen_takes_long_ones_in_pieces() -> None:
    sequence = wire.clipboard("x" * 3000)
    pieces = wire.through(sequence, {"STY": "1"}).split("\x1b\\")[:-1]
    assert all(len(piece) < 768 for piece in pieces)
    assert "".join(piece.removeprefix("\x1bP") for piece in pieces) == sequence
