"""Below the table: what is to be known of the highlighted run, above all why it is in its state and what to press."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.text import Text
from textual.widget import Widget

from mypt.runs.record import RunRecord
from mypt.runs.state import RunState
from mypt.text import printable
from mypt.watch.run import Run
from tui.doing import queue_words
from tui.screens.home import words
from tui.widgets.states import SIGNS, Colours, state_style, state_word

HINTS = {
    RunState.RUNNING: "s asks it to save and stop",
    RunState.STARTING: "s asks it to stop",
    RunState.QUEUED: "K sooner, J later, S starts it now, s takes it out",
    RunState.STOPPED: "r resumes it",
    RunState.FAILED: "r tries again, E changes its settings first, ⏎ shows all it said",
    RunState.STALLED: "⏎ shows what it said, s asks it to stop",
    RunState.LAST_SEEN: "that machine knows more; if it is gone for good, r goes on here; ⏎ shows its curve",
    RunState.FINISHED: "c shows its checkpoints, r goes on with more steps",
}


class Detail(Widget):
    """Two lines or more: state and sentence with the next key, numbers, and of a failed run its last words."""

    DEFAULT_CSS = """
    Detail { height: 4; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._text = Text()

    @property
    def said(self) -> str:
        """What it shows, plain."""
        return self._text.plain

    def show(self, run: Run | None, line: Sequence[Run]) -> None:
        """Show this run; `line` is the queue."""
        text = self._of(run, line)
        if text != self._text:
            self._text = text
            self.refresh()

    def _of(self, run: Run | None, line: Sequence[Run]) -> Text:
        if run is None:
            return Text()
        colours, width, room = self.app.theme_variables, self.size.width, self.size.height
        wrapped = list(headline(run, line, colours).wrap(self.app.console, max(width, 1)))
        # A line of numbers yields to the end of the sentence, which is the next key.
        rows = wrapped[: room if len(wrapped) == room else max(1, room - 1)]
        if len(wrapped) > len(rows):
            rows[-1].append("…")
        left = room - len(rows)
        if run.state is RunState.FAILED and run.last_lines:
            # The very last one is in the sentence already, but what led to it is not.
            for said in [said for said in run.last_lines if said.strip()][-left:]:
                rows.append(Text(f"│ {said}", "dim", no_wrap=True, overflow="ellipsis", end=""))
        elif left and run.record is not None and not run.history.curves:
            # Nothing is measured yet: what was started says most.
            rows.append(Text(f"$ {_command(run.record)}", "dim", no_wrap=True, overflow="ellipsis", end=""))
        elif left:
            rows.append(words.flow(words.facts(run), width, left, colours))
        for row in rows:
            row.end = ""
        return Text("\n").join(rows)

    def on_resize(self) -> None:
        """There is more room, or less: whoever shows the run does so again."""
        self._text = Text()

    def render(self) -> Text:
        """The lines."""
        self._text.no_wrap, self._text.overflow = True, "ellipsis"
        return self._text


def _command(record: RunRecord) -> str:
    command = record.command
    words = command[command.index("train") :] if "train" in command else command
    return printable(shlex.join(["mypt", *words]), newline=False)


def headline(run: Run, line: Sequence[Run], colours: Colours) -> Text:
    """Name, state, why, and the next key."""
    text = Text(f"{run.label}  ", "bold")
    text.append(f"{SIGNS[run.state]} {state_word(run.state)}", state_style(run.state, colours))
    if run.sentence:
        text.append(f"  {run.sentence}", "not bold")
    if place := queue_words(run, line):
        text.append(f": {place}", "not bold")
    hint = HINTS[run.state]
    if run.state is RunState.QUEUED and run.record is not None and not run.record.queued:
        hint = words.QUEUED_IN_SLURM
    if run.record is None and not run.state.is_over:
        hint = "it was not started by mypt train, so only its own program can stop it"
    text.append(f"  ({hint})", "not bold dim")
    return text
