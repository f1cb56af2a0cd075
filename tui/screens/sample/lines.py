"""Texts as lines of a width: what was asked is quiet, what was written is not, and below it stands how it came."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from mypt.text import printable
from tui.screens.sample.talk import Answer
from tui.screens.sample.words import ending_words

_CURSOR = "▌"
# A paragraph longer than this many characters is broken for good as far as it can be.
_LONG = 500
_LONGEST_LEAD = 4000


class AnswerLines:
    """The lines of one text. What cannot change any more is broken into lines once, so that a long text costs no more."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self._look: object = None
        self._lead = ""
        self._done: list[Text] = []
        self._upto = 0
        self._final: list[Text] | None = None

    def at(self, width: int, colours: Mapping[str, str], console: Console) -> list[Text]:
        """The lines of `width` cells, in these colours."""
        answer = self.answer
        look = (width, colours.get("primary"), answer.chat)
        if look != self._look:
            self._look, self._done, self._upto, self._final = look, [], 0, None
            self._lead = _lead(answer)
        if self._final is not None:
            return self._final
        paragraphs = self._rest.split("\n")
        for paragraph in paragraphs[:-1]:
            self._done += self._broken(paragraph, width, colours, console)
            self._upto += len(paragraph) + 1
        lines = [*self._done]
        if paragraphs[-1] or not answer.is_over:
            tail = self._broken(paragraphs[-1], width, colours, console)
            if len(paragraphs[-1]) > _LONG:
                self._settle(paragraphs[-1], tail)
            if not answer.is_over:
                tail[-1].append(_CURSOR, colours.get("accent", ""))
            lines += tail
        if answer.is_over:
            lines += _ending(answer, width, colours, console)
            self._final = lines
        return lines

    @property
    def _rest(self) -> str:
        """What is not settled yet."""
        beyond = self._upto - len(self._lead)
        return self.answer.shown[beyond:] if beyond >= 0 else self._lead[self._upto :] + self.answer.shown

    def _settle(self, paragraph: str, lines: list[Text]) -> None:
        """Of a paragraph that grows long, all lines but the last are as they will stay: words only come behind it."""
        last = lines[-1].plain.rstrip()
        if len(lines) > 1 and last and paragraph.endswith(last):
            self._done += lines[:-1]
            self._upto += len(paragraph) - len(last)

    def _broken(self, paragraph: str, width: int, colours: Mapping[str, str], console: Console) -> list[Text]:
        text = Text(paragraph, end="")
        if self._upto < len(self._lead):
            text.stylize(colours.get("primary", "dim"), 0, len(self._lead) - self._upto)
        return list(text.wrap(console, max(width, 1))) or [Text(end="")]


def _lead(answer: Answer) -> str:
    """What stands before the text: the prompt, which it goes on from, or which it answers; of a novel its end."""
    prompt = answer.prompt
    if len(prompt) > _LONGEST_LEAD:
        prompt = "… " + prompt[-_LONGEST_LEAD:]
    prompt = printable(prompt)
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
