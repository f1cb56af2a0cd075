"""Texts broken into lines: the same whether they come at once or letter by letter, and nothing in them acts."""

from __future__ import annotations

import random

import pytest
from rich.console import Console

from mypt.text import printable
from tui.screens.sample.lines import AnswerLines, trouble_lines
from tui.screens.sample.talk import Answer

COLOURS = {"primary": "#58b6f5", "accent": "#35c2a1", "error": "#ff5d5d", "warning": "#ffc83d"}
CONSOLE = Console(width=200)
TEXTS = [
    "",
    "one word",
    "several words that do not fit into one line of this width",
    "lines\nof their\n\nown, and an empty one\n",
    "averyveryverylongwordthatmustbebrokensomewhere and more",
    "長い文章は幅が二倍です " * 4,
    "[bold]no markup[/] \x1b[31mand no colour",
    "    code that is\n        indented",
    "a paragraph that does not end, with  double spaces and averyveryverylongwordthatmustbebroken, " * 12,
    "長い文章は" * 300,
    " " * 700 + "end",
    ("line " * 150 + "\n") * 3,
]


def plain(answer: Answer, width: int = 20) -> list[str]:
    return [line.plain for line in AnswerLines(answer).at(width, COLOURS, CONSOLE)]


def written(text: str, prompt: str = "Once ", **more: object) -> Answer:
    return Answer(id="1", model="m", prompt=prompt, text=text, shown=printable(text), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("chat", [False, True])
def test_letter_by_letter_gives_the_same_lines_as_at_once(text: str, chat: bool) -> None:
    whole = plain(written(text, prompt="a prompt\nof two lines ", chat=chat, why="end"))
    growing = written("", prompt="a prompt\nof two lines ", chat=chat)
    lines = AnswerLines(growing)
    draw = random.Random(1)
    while growing.text != text:
        growing.text = text[: len(growing.text) + draw.randint(1, 3)]
        growing.shown = printable(growing.text)
        shown = lines.at(20, COLOURS, CONSOLE)
        assert shown[-1].plain.endswith("▌")
    growing.why = "end"
    assert [line.plain for line in lines.at(20, COLOURS, CONSOLE)] == whole


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("width", [1, 2, 9, 20, 80])
def test_no_line_is_wider_than_there_is_room(text: str, width: int) -> None:
    lines = AnswerLines(written(text, why="end", tokens=4)).at(width, COLOURS, CONSOLE)
    # A wide character needs two cells, which a width of one does not have.
    assert all(line.cell_len <= max(width, 2) for line in lines)
    assert not any("\x1b" in line.plain for line in lines)


def test_of_a_prompt_like_a_novel_its_end_is_shown() -> None:
    lines = plain(written("and on", prompt="once " * 200_000, why="end"), 80)
    assert len(lines) < 70
    assert lines[0].startswith("… once") and lines[-1].endswith("once and on")


def test_another_width_breaks_anew() -> None:
    answer = written("several words that do not fit", why="end")
    lines = AnswerLines(answer)
    narrow = [line.plain for line in lines.at(12, COLOURS, CONSOLE)]
    assert len(narrow) > 2
    assert [line.plain for line in lines.at(80, COLOURS, CONSOLE)] == ["Once several words that do not fit"]
    assert [line.plain for line in lines.at(12, COLOURS, CONSOLE)] == narrow


def test_the_prompt_stands_out_from_what_was_written() -> None:
    (line,) = AnswerLines(written("upon", why="end")).at(80, COLOURS, CONSOLE)
    assert line.plain == "Once upon"
    assert [(span.start, span.end) for span in line.spans] == [(0, 5)]


def test_an_answer_stands_below_what_was_said() -> None:
    assert plain(written("fine", prompt="how are you?", chat=True, why="end")) == ["› how are you?", "fine"]


def test_what_went_wrong_stands_below_what_there_is() -> None:
    answer = written("half a", why="failed", trouble="prompt: it\x1b broke", notes=["mind the gap"])
    assert plain(answer, 40) == ["Once half a", "! mind the gap", "✗ prompt: it\\x1b broke"]


def test_trouble_comes_with_its_last_lines_and_what_to_press() -> None:
    lines = trouble_lines("it ended", ("a line\x07",), "f4 starts it again.", 40, COLOURS, CONSOLE)
    assert [line.plain for line in lines] == ["✗ it ended", "  a line\\x07", "f4 starts it again."]
