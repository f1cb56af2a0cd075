"""Texts as lines of a width: what was asked is quiet, what was written is not, and below it stands how it came."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from mypt.text import printable
from tui.screens.sample.talk import Answer, ending_words

_CURSOR = "▌"


class AnswerLines:
    """The lines of one text. While it grows, only its last paragraph is broken anew."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self._look: object = None
        self._done: list[Text] = []
        self._upto = 0
        self._final: list[Text] | None = None

    def at(self, width: int, colours: Mapping[str, str], console: Console) -> list[Text]:
        """The lines of `width` cells, in these colours."""
        answer = self.answer
        look = (width, colours.get("primary"), answer.chat)
        if look != self._look:
            self._look, self._done, self._upto, self._final = look, [], 0, None
        if self._final is not None:
            return self._final
        lead = _lead(answer)
        text = lead + answer.shown
        end = text.rfind("\n")
        if end >= self._upto:
            for paragraph in text[self._upto : end].split("\n"):
                self._done += self._paragraph(paragraph, len(lead), width, colours, console)
                self._upto += len(paragraph) + 1
        lines = [*self._done]
        tail = text[self._upto :]
        if tail or not answer.is_over:
            last = self._paragraph(tail, len(lead), width, colours, console)
            if not answer.is_over:
                last[-1].append(_CURSOR, colours.get("accent", ""))
            lines += last
        if answer.is_over:
            lines += _ending(answer, width, colours, console)
            self._final = lines
        return lines

    def _paragraph(
        self, paragraph: str, lead: int, width: int, colours: Mapping[str, str], console: Console
    ) -> list[Text]:
        text = Text(paragraph, end="")
        if self._upto < lead:
            text.stylize(colours.get("primary", "dim"), 0, lead - self._upto)
        return list(text.wrap(console, max(width, 1))) or [Text(end="")]


def _lead(answer: Answer) -> str:
    """What stands before the text: the prompt, which it goes on from, or which it answers."""
    prompt = printable(answer.prompt)
    return f"› {prompt}\n" if answer.chat else prompt


def _ending(answer: Answer, width: int, colours: Mapping[str, str], console: Console) -> list[Text]:
    lines: list[Text] = []
    for note in answer.notes:
        lines += Text(f"! {printable(note, newline=False)}", colours.get("warning", "")).wrap(console, width)
    if answer.trouble:
        lines += Text(f"✗ {printable(answer.trouble)}", colours.get("error", "")).wrap(console, width)
    if answer.tokens:
        lines += Text(ending_words(answer), "dim").wrap(console, width)
    return lines


def trouble_lines(
    sentence: str,
    more: tuple[str, ...],
    remedy: str,
    width: int,
    colours: Mapping[str, str],
    console: Console,
) -> list[Text]:
    """What went wrong, the last lines that somebody wrote about it, and what to press."""
    lines = list(Text(f"✗ {printable(sentence)}", colours.get("error", "")).wrap(console, width))
    for line in more:
        lines += Text(f"  {printable(line, newline=False)}", "dim").wrap(console, width)
    lines += Text(remedy).wrap(console, width)
    return lines
