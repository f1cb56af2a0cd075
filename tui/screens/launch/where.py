"""Where a run is to train: on this machine in one process or in several, or wherever SLURM puts it, and what is asked of it."""

from __future__ import annotations

from dataclasses import fields

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Static

from mypt.slurm.ask import HELP, Ask
from tui.widgets.editors import Choice, Field

_HERE = "this machine, one process"
_SLURM = "SLURM"
_LABELS = {
    "nodes": "nodes",
    "ntasks_per_node": "tasks/node",
    "gpus_per_node": "gpus/node",
    "cpus_per_task": "cpus/task",
    "time": "time",
    "partition": "partition",
    "account": "account",
    "qos": "qos",
}
_USUAL = {
    "nodes": "1",
    "ntasks_per_node": "1/GPU",
    "gpus_per_node": "none",
    "cpus_per_task": "1",
}
# How a person is to write it, where that is not plain.
_WRITTEN = {"time": "HH:MM:SS, D-HH:MM:SS or minutes: "}


class Where(Vertical):
    """A choice of places, and below it a field for each thing that SLURM is asked, where SLURM is the place."""

    class Changed(Message):
        """Another place, or something else is asked of SLURM."""

    def __init__(self) -> None:
        super().__init__(id="where-lines")
        self.choice = Choice([_HERE], _HERE, may_be_unset=False, id="where")
        self._fields = {
            name: Field(placeholder=_USUAL.get(name, "usual"), id=f"slurm-{name}") for name in _LABELS
        }
        self._absent = False
        self._help = Static("", id="slurm-help", markup=False)

    def compose(self) -> ComposeResult:
        """The choice, and the fields in two columns."""
        with Horizontal(id="where-line", classes="line"):
            yield Static("where", classes="label")
            yield self.choice
        with Vertical(id="slurm"):
            for name, label in _LABELS.items():
                with Horizontal(classes="line"):
                    yield Static(label, classes="label")
                    yield self._fields[name]
        yield self._help

    def offer(self, most: int, processes: int, asked: Ask, *, slurm: bool, absent: bool) -> None:
        """Let a person choose up to `most` processes here, or SLURM; first stands what is given.

        `asked` fills the fields; with `absent` nothing can be submitted from here.
        """
        numbers = {1, most, processes, *(2**n for n in range(most.bit_length()) if 2**n <= most)}
        self._absent = absent
        places = [*(_named(number) for number in sorted(numbers)), self._slurm]
        self.choice.offer(places, self._slurm if slurm else _named(processes))
        for part in fields(Ask):
            with self._fields[part.name].prevent(Field.Changed):
                text = getattr(asked, part.name)
                self._fields[part.name].value = "" if text == part.default else text
        self._show()

    @property
    def _slurm(self) -> str:
        return f"{_SLURM} (not on this machine)" if self._absent else _SLURM

    @property
    def processes(self) -> int:
        """How many processes are to train here."""
        named = self.choice.value
        return 1 if named in (_HERE, self._slurm) else int(named.partition(" ")[0])

    @property
    def slurm(self) -> Ask | None:
        """What is asked of SLURM; None where it is to train here."""
        return self.asked if self.choice.value == self._slurm else None

    @property
    def asked(self) -> Ask:
        """What stands in the fields, seen or not."""
        typed = {name: field.value.strip() for name, field in self._fields.items()}
        return Ask(**{name: text for name, text in typed.items() if text})

    def on_descendant_focus(self) -> None:
        """What the field with the cursor is for stands below the fields: in a low terminal nothing else is in sight."""
        name = next((name for name, field in self._fields.items() if field.has_focus), "")
        self._help.update(f"{_WRITTEN.get(name, '')}{HELP[name]}" if name else "")
        self._help.display = bool(name)

    def on_descendant_blur(self) -> None:
        """The cursor is elsewhere."""
        self._help.display = False

    def mark(self, wrong: frozenset[str]) -> None:
        """Show which of the fields are wrong; why stands in the list of what keeps the run from starting."""
        for name, field in self._fields.items():
            field.set_class(name in wrong, "-wrong")

    def on_choice_changed(self, message: Choice.Changed) -> None:
        """Another place."""
        message.stop()
        self._show()
        self.post_message(self.Changed())

    def on_input_changed(self, message: Field.Changed) -> None:
        """Another wish."""
        message.stop()
        self.post_message(self.Changed())

    def _show(self) -> None:
        self.query_one("#slurm").display = self.slurm is not None


def _named(processes: int) -> str:
    return _HERE if processes == 1 else f"{processes} processes here"
