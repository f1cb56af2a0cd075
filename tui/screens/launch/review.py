"""The review: what would run, where each value comes from, what it needs, and the command that does the same."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Static

from mypt.slurm.ask import Ask
from mypt.text import count, printable, size, whole
from tui.screens.launch import tables
from tui.screens.launch.beside import Beside, Inheritance, inheritance
from tui.screens.launch.draft import GIVEN_BY
from tui.screens.launch.form import shown_source, shown_value
from tui.screens.launch.look import Review, in_list
from tui.screens.launch.panes import Edited
from tui.screens.launch.past import UNKNOWN, UNKNOWN_IN_SLURM
from tui.screens.launch.where import Where

if TYPE_CHECKING:
    from mypt.estimate import Memory
    from mypt.settings.resolve import Resolved

# Parts of the memory that are told by name.
_NAMED = 3
_EMPTY_ROW = ("", "", "", "", "")
_PARTS = {"optimizer": "AdamW", "process": "PyTorch itself", "copy": "a copy to save from"}


def parts_of(memory: Memory) -> str:
    """What the memory is of, the largest parts by name: `activations 92 MB, AdamW 6.9 MB, …`."""
    apart = ("total", "aside")
    named = [(f.name, getattr(memory, f.name)) for f in fields(memory) if f.name not in apart]
    parts = sorted((part for part in named if part[1]), key=lambda part: -part[1])
    told = [f"{_PARTS.get(name, name.replace('_', ' '))} {size(number)}" for name, number in parts[:_NAMED]]
    rest = sum(number for _, number in parts[_NAMED:])
    return ", ".join([*told, f"others {size(rest)}"] if rest else told)


class ReviewPane(Vertical):
    """Shows a `Review`; the buttons start what it shows."""

    def __init__(self) -> None:
        super().__init__(id="review", classes="pane step")
        self.border_title = "4 Review"
        self.all_values = False
        self.review: Review | None = None
        self._time = ""
        self._body = Static("reading …", id="review-body", markup=False)
        self._state = Static("", id="review-state", markup=False)
        self.where = Where()

    def compose(self) -> ComposeResult:
        """State and buttons on top, where no toast lies over them; the picture below scrolls."""
        yield self._state
        yield self.where
        with Horizontal(id="buttons"):
            yield Button("Start ^s", id="start", variant="primary", compact=True)
            yield Button("Queue F6", id="queue", compact=True)
        with VerticalScroll(id="review-scroll", can_focus=True):
            yield self._body

    def on_where_changed(self, message: Where.Changed) -> None:
        """Another place, or another wish."""
        message.stop()
        self.post_message(Edited("where"))

    def on_resize(self) -> None:
        """Another width, other columns."""
        if self.review is not None:
            self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        if self.review is not None:
            self._body.update(self._picture(self.review))

    def show(self, review: Review, time: str = "") -> None:
        """Show this one from now on; `time` says how long it would take, empty where nobody knows."""
        self.review, self._time = review, time
        self._fit_buttons(review)
        self._draw()
        number = len(review.problems)
        if number:
            what = "problem keeps" if number == 1 else "problems keep"
            self.say(f"✗ {number} {what} it from starting", "error")
        elif review.busy:
            self.say("! being trained now: queue it", "warning")
        elif review.memory and review.room and review.needed > review.room.free:
            self.say("! needs more memory than is free", "warning")
        elif review.overruled:
            self.say("! the preset overrules what you typed", "warning")
        elif review.data is None:
            self.say("looking at the data …")
        else:
            self.say("✓ ready" if not review.data.later else "✓ ready, as far as looked at", "success")
        self.query_one("#start", Button).disabled = not review.ready or bool(review.busy)
        self.query_one("#queue", Button).disabled = not review.ready

    def _fit_buttons(self, review: Review) -> None:
        """SLURM is a queue itself; what it is asked is right or wrong field by field."""
        ask = review.draft.slurm
        self.query_one("#queue", Button).display = ask is None
        self.query_one("#start", Button).label = "Start ^s" if ask is None else "Submit ^s"
        self.where.mark(frozenset(p.field for p in ask.problems()) if ask is not None else frozenset())

    def busy(self, text: str) -> None:
        """Something is under way that a second press would only repeat."""
        self.say(text, "accent")
        for button in self.query(Button):
            button.disabled = True

    def rest(self) -> None:
        """It is over."""
        for button in self.query(Button):
            button.disabled = False

    def say(self, text: str, colour: str = "") -> None:
        """The words above the buttons."""
        self._state.update(Text(text, self._ink(colour)))

    def toggle_all(self) -> bool:
        """Every value, or those that are not defaults; returns which."""
        self.all_values = not self.all_values
        self._draw()
        return self.all_values

    def _ink(self, name: str) -> str:
        return self.app.theme_variables.get(name, "") if name else ""

    def _picture(self, review: Review) -> RenderableType:
        parts: list[RenderableType] = []
        parts += [self._marked("✗", in_list(p), "error") for p in review.problems]
        if review.busy:
            parts.append(self._marked("!", review.busy, "warning"))
        # In a form the command that saves a preset is a key.
        notices = [n for n in review.notices if not (review.overruled and "--save_preset" in n)]
        if review.overruled:
            notices.append("a preset is used whole: f2 saves one of your own that has what you typed")
        parts += [self._marked("!", printable(n, newline=False), "warning") for n in notices]
        if parts:
            parts.append(Text(""))
        if review.shown is not None and review.is_sized:
            parts += [self._facts(review, review.shown), Text("")]
        beside = inheritance(review.shown) if review.shown is not None else None
        if beside is not None:
            parts += [*self._beside(beside), Text("")]
        elif review.values is not None:
            rows = self._values(review)
            parts += [
                *([tables.sourced(rows, self._body.size.width)] if rows else []),
                self._rest(review),
                Text(""),
            ]
        if review.command:
            head = Text("the same in a shell", "bold")
            head.append("  ^y copies it", "dim not bold")
            parts += [
                head,
                Text(printable(review.command, newline=False), self._ink("secondary"), overflow="fold"),
            ]
        return Group(*parts)

    def _marked(self, mark: str, text: str, colour: str) -> Table:
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(width=1)
        table.add_column(overflow="fold")
        table.add_row(Text(mark, self._ink(colour)), Text(text, self._ink(colour)))
        return table

    def _facts(self, review: Review, run: Resolved) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style=self._ink("secondary"))
        table.add_column(overflow="fold")
        name = Text(printable(review.draft.model_name, newline=False), "bold")
        name.append(f"  {review.name_note}", "not bold")
        table.add_row("model", name)
        exact = "" if review.parameters < 1000 else f"  ({whole(review.parameters)})"
        table.add_row("parameters", Text(count(review.parameters)).append(exact, "dim"))
        s = run.settings
        steps = max(s.max_iters - run.start_step, 0)
        if review.draft.slurm is not None:
            table.add_row("where", self._place(review.draft.slurm))
        table.add_row("tokens a step", self._tokens(review, run))
        after = f" from step {whole(run.start_step)}" if run.start_step else ""
        table.add_row("updates", f"{whole(steps)}{after}, {count(steps * review.tokens_per_step)} tokens")
        unknown = UNKNOWN if review.draft.slurm is None else UNKNOWN_IN_SLURM
        table.add_row("time", Text(self._time) if self._time else Text(unknown, "dim"))
        table.add_row("memory", self._memory(review))
        table.add_row("data", self._data(review))
        table.add_row("log", Text(printable(s.log_file or "", newline=False)))
        return table

    def _tokens(self, review: Review, run: Resolved) -> Text:
        s = run.settings
        parts = [f"{s.batch_size} sequences", f"{s.block_size} tokens"]
        parts += [f"{s.grad_accum_steps} batches"] if s.grad_accum_steps > 1 else []
        return Text(whole(review.tokens_per_step)).append(f"  ({' × '.join(parts)})", "dim")

    def _place(self, ask: Ask) -> str:
        if ask.problems():
            return "SLURM"
        nodes = "one node" if ask.nodes == "1" else f"{ask.nodes} nodes"
        of_each = "one a GPU" if ask.gpus_per_node and ask.tasks == ask.gpus_per_node else ""
        number = "one process" if ask.ranks == 1 else f"{ask.ranks} processes"
        return ", ".join(["SLURM: " + number + f" on {nodes}", *([of_each] if of_each else [])])

    def _memory(self, review: Review) -> Text:
        if review.memory is None:
            return Text("–")
        if review.room is None:
            text, each = Text(f"about {size(review.memory.total)} for each process"), ""
        else:
            fits = review.needed <= review.room.free
            text = Text(f"about {size(review.needed)}", "" if fits else self._ink("error"))
            text.append(f" of {size(review.room.free)} free ({review.room.name})", "not bold")
            number = review.draft.processes
            each = "each process: " if number > 1 and review.room.kind == "cpu" else ""
        text.append(f"\n{each}{parts_of(review.memory)}", "dim")
        if aside := review.memory.aside:
            text.append(f"\nand {size(aside)} of main memory: a copy to save checkpoints from", "dim")
        return text

    def _data(self, review: Review) -> Text:
        facts = review.data
        if facts is None:
            return Text("…", "dim")
        if facts.problems:
            return Text("see above", self._ink("error"))
        return Text("\n".join(facts.lines) or facts.later)

    def _rest(self, review: Review) -> Text:
        number = sum(e.source.kind == "default" for e in (review.values or {}).values())
        return Text("^r hides the defaults" if self.all_values else f"{number} more by default: ^r", "dim")

    def _values(self, review: Review) -> list[tuple[str, str, str, str]]:
        """What is said, and all that is by default where that is asked for: name, value, source, colour."""
        values = list((review.values or {}).values())
        said = [e for e in values if e.source.kind != "default"]
        silent = [e for e in values if e.source.kind == "default"]
        # What a person just said is what they look for first.
        said.sort(key=lambda e: e.source.kind != GIVEN_BY)
        rows = []
        for effective in (*said, *(silent if self.all_values else ())):
            kind = effective.source.kind
            colour = self._ink("accent") if kind == GIVEN_BY else "dim" if kind == "default" else ""
            value, source = shown_value(effective.value), shown_source(effective)
            exact = review.data.rows if review.data else None
            if effective.name == "vocab_size" and exact not in (None, effective.value):
                value, source = str(exact), "the text's characters"
            rows.append((effective.name, value, source, colour))
        return rows

    def _beside(self, beside: Inheritance) -> list[RenderableType]:
        """The base and the run side by side: what is new, then what is inherited."""
        parts: list[RenderableType] = [self._marked("!", words, "warning") for words in beside.said]
        rows = [("new in this run", "base", "this run", "from", "bold")]
        rows += [self._row(row) for row in beside.of("new")] or [("nothing", "", "", "", "dim")]
        rows += [_EMPTY_ROW, ("inherited", "base", "this run", "", "bold")]
        rows += [self._row(row, "dim") for row in beside.of("inherited")]
        alike = beside.of("same")
        if self.all_values and alike:
            rows += [_EMPTY_ROW, ("as the base had it", "base", "this run", "from", "bold")]
            rows += [self._row(row, "dim") for row in alike]
        words = (
            "^r hides what is as the base had it" if self.all_values else f"{len(alike)} more as there: ^r"
        )
        return [
            *parts,
            *([Text("")] if parts else []),
            tables.beside(rows, self._body.size.width),
            Text(words, "dim"),
        ]

    def _row(self, row: Beside, ink: str = "") -> tuple[str, str, str, str, str]:
        """A setting; what was asked for and loses stands where it would say where it comes from."""
        colour = self._ink("warning" if row.ignored else "accent") if row.ignored or row.typed else ink
        return (row.name, row.base, row.run, f"✗ {row.ignored}" if row.ignored else row.source, colour)
