"""One checkpoint and what it writes: the texts, newest below, with its name above and its state beneath."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message

from mypt.text import loss, whole
from tui.screens.sample.lines import AnswerLines, trouble_lines
from tui.screens.sample.talk import Answer, Phase, Side, Talk
from tui.screens.sample.words import state_words, title
from tui.widgets.lineview import LineView

# Corners, the spaces beside the title and one line of the border.
_BORDER = 6

Colours = Mapping[str, str]

# What a person reads again is near the end; all of it is in the file.
MOST_SHOWN = 40
START_AGAIN = "f4 starts the model process again."


class TextView(LineView):
    """The texts; scrolls by keys and wheel, stays at the end until somebody scrolls up."""

    HELP_NAME = "the texts"


class OutputPane(Vertical):
    """Shows a side as it is. It keeps the laid-out lines of what is complete."""

    class NameClicked(Message):
        """Its title was clicked: another checkpoint is wanted here."""

        def __init__(self, pane: OutputPane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, number: int) -> None:
        super().__init__(id=f"pane-{number}", classes="pane")
        self.number = number
        self._laid: dict[Answer, AnswerLines] = {}
        self._titles: tuple[object, ...] = ()
        self._shown: tuple[Side, Talk, float | None] | None = None

    def compose(self) -> ComposeResult:
        """The view; title and state are in the border."""
        yield TextView(follow=True, id=f"texts-{self.number}")

    @property
    def view(self) -> TextView:
        """The texts."""
        return self.query_one(TextView)

    def show(self, side: Side, talk: Talk, val_loss: float | None) -> None:
        """Show this side."""
        self._shown = (side, talk, val_loss)
        width = max(self.view.scrollable_content_region.width, 8)
        colours, console = self.app.theme_variables, self.app.console
        shown = side.answers[-MOST_SHOWN:]
        self._laid = {answer: self._laid.get(answer) or AnswerLines(answer) for answer in shown}
        lines: list[Text] = []
        before = side.earlier - (len(side.answers) - len(shown))
        for number, answer in enumerate(shown):
            if number and number == before:
                lines.append(Text(" ↑ written before ".center(width, "─"), "dim"))
            elif number:
                lines.append(Text())
            lines += self._laid[answer].at(width, colours, console)
        lines += self._below(side, talk, width, colours, console, spaced=bool(lines))
        self.view.show(lines)
        self._say(side, talk, val_loss)

    def on_resize(self) -> None:
        """Texts are broken for the width that there is."""
        self.call_after_refresh(self._show_again)

    def _show_again(self) -> None:
        if self._shown is not None:
            self.show(*self._shown)

    def follow(self) -> None:
        """Be at the end: something was asked for."""
        self.view.following = True

    def _below(
        self, side: Side, talk: Talk, width: int, colours: Colours, console: Console, *, spaced: bool
    ) -> list[Text]:
        if talk.gone is not None:
            gone = talk.gone
            found = trouble_lines(
                f"The model process is gone: {gone.sentence}",
                gone.lines[-4:],
                START_AGAIN,
                width,
                colours,
                console,
            )
        elif side.phase is Phase.FAILED and not (side.answers and side.answers[-1].trouble == side.trouble):
            found = trouble_lines(
                side.trouble, (), "^o chooses another checkpoint, ^n tries again.", width, colours, console
            )
        elif not side.answers:
            words = "Type below what the text shall go on from, and press ⏎."
            if side.ready is not None and side.ready.answers:
                words = "It was trained to answer. Type below what you say to it, and press ⏎."
            found = list(Text(words, "dim").wrap(console, width))
        else:
            return []
        return [Text(), *found] if spaced else found

    def _say(self, side: Side, talk: Talk, val_loss: float | None) -> None:
        step = side.ready.step if side.ready is not None else None
        said = [] if step is None else [f"step {whole(step)}"]
        said += [] if val_loss is None else [f"val {loss(val_loss)}"]
        room = self.size.width - _BORDER - sum(3 + len(part) for part in said)
        said.insert(0, title(side.name, [each.name for each in talk.sides], room))
        state = state_words(side, talk)
        newer = side.newer
        if newer is not None and side.writing is None:
            which = "" if newer.step is None else f": step {whole(newer.step)}"
            state = f"a newer one is on disk{which}, ^n loads it"
        alive = side.writing is not None or side.phase is Phase.LOADING
        look = (*said, state, alive, newer is not None, side.phase, self.app.theme)
        if look == self._titles:
            return
        self._titles = look
        colours = self.app.theme_variables
        head = Text(said[0], colours.get("warning", "") if "★" in said[0] else "")
        head.append("".join(f" ─ {part}" for part in said[1:]), "not bold")
        self.border_title = Content.from_rich_text(head)
        trouble = side.phase is Phase.FAILED or talk.gone is not None
        ink = "error" if trouble else "accent" if alive else "warning" if newer is not None else ""
        self.border_subtitle = Content.from_rich_text(Text(state, colours.get(ink, "") if ink else ""))

    def on_click(self, event: events.Click) -> None:
        """A click on the title asks for another checkpoint."""
        if event.widget is self and event.y == 0:
            self.post_message(self.NameClicked(self))
