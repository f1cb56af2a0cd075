"""The first two steps: which model, on which data."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import OptionList, Select, Static
from textual.widgets.option_list import Option

from mypt.bundle import BundleInfo, check_model_name
from mypt.text import printable, size, whole
from tui.screens.launch.choices import DataChoice, PresetChoice, describe_base, describe_parameters
from tui.screens.launch.look import Review, in_list, sentence
from tui.widgets.editors import Choice, Field

NO_PRESET = PresetChoice("", "no preset", about="defaults; a checkpoint or a base model brings its own shape")
AUTOMATIC = DataChoice("", "", "automatic")


class Edited(Message):
    """A person chose or typed something; `what` is "preset", "data", "name", "base", "resume_from" or "where"."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what


class Listing(OptionList):
    """A list in which the highlighted line is the chosen one."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id, markup=False, compact=True)

    def choose(self, index: int | None) -> None:
        """Highlight a line without telling anybody."""
        with self.prevent(OptionList.OptionHighlighted):
            self.highlighted = index


def _line(left: str, right: str) -> Table:
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(no_wrap=True, justify="right")
    table.add_row(Text(printable(left, newline=False)), Text(printable(right, newline=False)))
    return table


def _broken_line(choice: PresetChoice, ink: str) -> Text:
    """A preset that cannot be used, and why, on a line each."""
    text = Text(f"✗ {printable(choice.label, newline=False)}", ink, no_wrap=True, overflow="ellipsis")
    reason = choice.problem.splitlines()[0] if choice.problem else ""
    # The file's name stands above.
    return text.append(f"\n  {reason.partition(': ')[2] or reason}", "dim")


class PresetPane(Vertical):
    """Preset, model name, base model."""

    def __init__(self) -> None:
        super().__init__(id="preset", classes="pane step")
        self.border_title = "1 Preset"
        self.presets: list[PresetChoice] = []
        self.bases: list[BundleInfo] = []
        self._list = Listing("presets")
        self._about = Static("", classes="about", markup=False)
        self._cost = Static("", id="cost", markup=False)
        self.name_field = Field(id="name")
        self._name_note = Static("", id="name-note", classes="note", markup=False)
        self._base: Select[str] = Select([], prompt="none", id="base", compact=True)
        self.resume_from = Choice(["last", "gold"], "last", may_be_unset=False, id="resume-from")

    def compose(self) -> ComposeResult:
        """The list, what is chosen in it, and the names."""
        yield self._list
        yield self._about
        yield self._cost
        with Horizontal(classes="line"):
            yield Static("name", classes="label")
            yield self.name_field
        yield self._name_note
        with Horizontal(classes="line"):
            yield Static("base", classes="label")
            yield self._base
        with Horizontal(classes="line", id="resume-line"):
            yield Static("resume", classes="label")
            yield self.resume_from

    def fill(self, presets: Sequence[PresetChoice], bases: Sequence[BundleInfo], base: str | None) -> None:
        """Show what there is; `base` is chosen, also where it is a path."""
        self.bases = list(bases)
        self.list_presets(presets)
        options = [(Text(describe_base(b), no_wrap=True), b.name) for b in self.bases]
        if base and base not in (b.name for b in self.bases):
            options.append((Text(printable(base, newline=False), no_wrap=True), base))
        with self.prevent(Select.Changed):
            self._base.set_options(options)
            if base:
                self._base.value = base

    def list_presets(self, presets: Sequence[PresetChoice]) -> None:
        """Show these; those that cannot be used come last, with the reason."""
        usable = [p for p in presets if not p.problem]
        self.presets = [*usable, NO_PRESET, *(p for p in presets if p.problem)]
        ink = self.app.theme_variables.get("error", "")
        with self._list.prevent(OptionList.OptionHighlighted):
            self._list.set_options(
                Option(_broken_line(p, ink))
                if p.problem
                else Option(_line(p.label, "" if p is NO_PRESET else describe_parameters(p)))
                for p in self.presets
            )

    @property
    def preset(self) -> PresetChoice:
        """The chosen preset."""
        at = self._list.highlighted
        return self.presets[at] if at is not None and at < len(self.presets) else NO_PRESET

    @property
    def base(self) -> str | None:
        """The base model to fine-tune, if any."""
        return self._base.selection

    def choose(self, preset: PresetChoice) -> None:
        """Make this preset the chosen one, silently."""
        self._list.choose(self.presets.index(preset))
        self._tell()

    def set_name(self, name: str) -> None:
        """Suggest a name, silently."""
        with self.name_field.prevent(Field.Changed):
            self.name_field.value = name

    def update(self, review: Review, time: str) -> None:
        """Show what the name means, what it will cost (`time` in words, empty where it is unknown), and whether gold can be resumed."""
        self._tell_name(review)
        self._tell_cost(review, time)
        resolved = review.resolved
        resuming = resolved is not None and resolved.checkpoint is not None
        self.query_one("#resume-line").display = resuming or self.resume_from.value == "gold"

    def _tell(self) -> None:
        preset = self.preset
        text = Text()
        if preset.problem:
            text.append(preset.problem, self.app.theme_variables.get("error", ""))
        else:
            text.append(printable(preset.about, newline=False))
            if preset.shape:
                text.append(("\n" if preset.about else "") + preset.shape, "dim")
        self._about.update(text)

    def _tell_cost(self, review: Review, time: str) -> None:
        # The review has all of it; where that is out of sight, this is what presets are chosen by.
        text = Text()
        if review.memory is not None and review.room is not None:
            fits = review.needed <= review.room.free
            text.append(
                f"{'fits' if fits else 'does not fit'}: {size(review.needed)} of {size(review.room.free)} free",
                "" if fits else self.app.theme_variables.get("error", ""),
            )
            text.append(f", {whole(review.tokens_per_step)} tokens a step")
            text.append(f"\n{time or 'time: nothing like it has run here yet'}", "dim")
        self._cost.update(text)

    def _tell_name(self, review: Review | None) -> None:
        wrong = [sentence(p) for p in check_model_name(self.name_field.value.strip())]
        if review is not None:
            wrong = wrong or [in_list(p) for p in review.problems if p.field in ("model_name", "resume_from")]
            wrong += [in_list(p) for p in review.problems if p.field == "init_from_model"]
        said = "\n".join(f"✗ {words}" for words in wrong) or (review.name_note if review else "")
        self._name_note.set_class(bool(wrong), "-wrong")
        self._name_note.update(Text(said))

    def on_option_list_option_highlighted(self, message: OptionList.OptionHighlighted) -> None:
        """Another preset."""
        message.stop()
        self._tell()
        self.post_message(Edited("preset"))

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Enter goes on to what comes next."""
        message.stop()
        self.screen.focus_next()

    def on_input_changed(self, message: Field.Changed) -> None:
        """Another name; what is wrong with it is said at once."""
        message.stop()
        self._tell_name(None)
        self.post_message(Edited("name"))

    def on_select_changed(self, message: Select.Changed) -> None:
        """Another base."""
        message.stop()
        self.post_message(Edited("base"))

    def on_choice_changed(self, message: Choice.Changed) -> None:
        """Last or gold."""
        message.stop()
        self.post_message(Edited("resume_from"))


class DataPane(Vertical):
    """What to train on: one of the list, or a path."""

    def __init__(self) -> None:
        super().__init__(id="data-step", classes="pane step")
        self.border_title = "2 Data"
        self.choices: list[DataChoice] = []
        self._list = Listing("data")
        self._about = Static("", classes="about", markup=False)
        self.path_field = Field(placeholder="or type a path", id="path")
        self._note = Static("", id="data-note", classes="note", markup=False)

    def compose(self) -> ComposeResult:
        """The list, the path, and what is wrong with them."""
        yield self._list
        yield self._about
        with Horizontal(classes="line"):
            yield Static("path", classes="label")
            yield self.path_field
        yield self._note

    def fill(self, choices: Sequence[DataChoice], chosen: tuple[str, str] | None) -> None:
        """Show what there is; `chosen` is (setting, value), or None."""
        self.choices = [AUTOMATIC, *choices]
        self._list.set_options(Option(_line(c.label, c.detail)) for c in self.choices)
        at = next((i for i, c in enumerate(self.choices) if (c.field, c.value) == chosen), 0)
        self._list.choose(at)
        if chosen and not at:
            with self.path_field.prevent(Field.Changed):
                self.path_field.value = chosen[1]
        self._tell("")

    @property
    def chosen(self) -> DataChoice | None:
        """The chosen line; None where a path was typed."""
        at = self._list.highlighted
        return None if self.path or at is None or at >= len(self.choices) else self.choices[at]

    @property
    def path(self) -> str:
        """What was typed."""
        return self.path_field.value.strip()

    def update(self, review: Review) -> None:
        """Show what is automatic here, and what is wrong with the data."""
        problems = review.data_problems()
        text = "\n".join("✗ " + in_list(p) for p in problems)
        self._note.set_class(bool(problems), "-wrong")
        self._note.update(Text(text))
        self._note.display = bool(text)
        self._tell(self._automatic(review))

    @staticmethod
    def _automatic(review: Review) -> str:
        values = review.values or {}
        for name in ("curriculum", "dataset_dir", "input_file"):
            effective = values.get(name)
            if effective is not None and effective.value is not None:
                if name == "curriculum":
                    what = ", ".join(f"{p.name}: {p.dataset_dir}" for p in effective.value.phases)
                else:
                    what = str(effective.value)
                why = (
                    "nothing names other data"
                    if effective.source.kind == "default"
                    else str(effective.source)
                )
                return f"{what} ({why})"
        return ""

    def _tell(self, automatic: str) -> None:
        chosen = self.chosen
        self._list.set_class(chosen is None, "-unused")
        about = "" if chosen is None else automatic if chosen is AUTOMATIC else chosen.about
        self._about.update(Text(printable(about, newline=False)))

    def on_option_list_option_highlighted(self, message: OptionList.OptionHighlighted) -> None:
        """Another line; it takes the place of a path."""
        message.stop()
        self._use_list()

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Enter takes the line and goes on."""
        message.stop()
        self._use_list()
        self.post_message(Edited("done"))

    def on_input_changed(self, message: Field.Changed) -> None:
        """Another path."""
        message.stop()
        self._tell("")
        self.post_message(Edited("data"))

    def _use_list(self) -> None:
        with self.path_field.prevent(Field.Changed):
            self.path_field.value = ""
        self._tell("")
        self.post_message(Edited("data"))
