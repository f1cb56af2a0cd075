"""Plain signs: ASCII for what we draw, as many cells as before, and letters left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from tui.chart import ink
from tui.screens.home import words
from tui.signs import PlainSigns, key_words, plain
from tui.themes import SixteenColours, for_text
from tui.widgets.states import SIGNS


@given(st.text())
def test_no_text_changes_its_width(text: str) -> None:
    assert sum(map(cell_len, plain(text))) == sum(map(cell_len, text))


def test_every_sign_of_ours_becomes_ascii() -> None:
    ours = "".join([*SIGNS.values(), *ink.SIGNS.values(), *words._MARK_SIGNS.values(), words._BARS])
    drawn = "╭─╮│╰╯┌┐└┘├┤┬┴┼━┃╌█▔▁▎▊⣿⠁⠒ ⏎←→↑↓◂▸…–·×›"
    assert plain(ours + drawn).isascii()
    assert len({plain(sign) for sign in words._BARS}) == len(words._BARS), "a sparkline keeps its shape"
    assert len({plain(sign) for state, sign in SIGNS.items() if state.is_over}) == 3


def test_letters_stay_and_what_breaks_columns_does_not() -> None:
    assert plain("Nel mezzo dél cammín 物語 ملف é") == "Nel mezzo dél cammín 物語 ملف é"
    assert plain("🚀x⭐") == "??x??"


def test_what_was_cut_off_does_not_look_like_a_part_of_the_name() -> None:
    assert plain("gpt2_openwebtext_…") == "gpt2_openwebtext_~"
    assert plain("~/…/poems …/a ….c …x…") == "~/*/poems */a *.c *x~"
    assert plain("reading …") == "reading ."


def test_keys_are_words() -> None:
    assert key_words("←→, ⏎") == "left/right, enter"


def test_segments_keep_their_styles() -> None:
    bold = Style.parse("bold")
    (first, second) = PlainSigns().apply([Segment("★ a", bold), Segment("b")], Color(0, 0, 0))
    assert (first.text, first.style, second.text) == ("* a", bold, "b")


@pytest.mark.parametrize(
    "style", ["#58b6f5 on #0f1318", "bold #ff5d5d", "#93a9b8", "dim on #1c242d", "bright_red", "reverse"]
)
def test_only_the_terminals_own_colours_are_left(style: str) -> None:
    (segment,) = SixteenColours().apply([Segment("x", Style.parse(style))], Color(0, 0, 0))
    assert segment.style is not None
    for color in (segment.style.color, segment.style.bgcolor):
        assert color is None or color.type.name in ("DEFAULT", "STANDARD")
    if "on" in style.split() or style == "reverse":
        assert segment.style.reverse and not segment.style.dim, "what is marked stays marked"


def test_series_gold_and_trouble_are_told_apart() -> None:
    colours = ["#58b6f5", "#35c2a1", "#d98cc3", "#ee9148", "#ffc83d", "#ff5d5d"]
    segments = SixteenColours().apply([Segment("x", Style(color=c)) for c in colours], Color(0, 0, 0))
    assert len({s.style.color.name for s in segments if s.style and s.style.color}) == len(colours)


def test_styles_of_text_understand_every_variable() -> None:
    told = for_text({"primary": "ansi_bright_blue", "text": "ansi_default 50%", "error": "#ff0000"})
    assert told == {"primary": "bright_blue", "text": "default", "error": "#ff0000"}
    for value in told.values():
        Style(color=value)
