"""The settings of a run as a form: a line each, grouped, with what is wrong right below its field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from mypt.text import printable, rate, size, whole
from tui.screens.launch.draft import GIVEN_BY
from tui.screens.launch.look import Review
from tui.widgets.editors import Choice, Field

if TYPE_CHECKING:
    from mypt.settings.resolve import Effective

COMMON = (
    "block_size",
    "dropout",
    "tokenization",
    "max_iters",
    "learning_rate",
    "warmup_iters",
    "batch_size",
    "grad_accum_steps",
    "seed",
    "eval_interval",
    "eval_iters",
    "device",
    "precision",
)
"""What most runs are told; the others are one key away."""
ELSEWHERE = frozenset({"input_file", "dataset_dir"})
"""Settings that have a place of their own on the screen."""
_SHORT = {"checkpoint": "saved", "base model": "base"}
_ORDER = ("model", "data", "schedule", "evaluation", "fine-tuning", "machine", "advanced")
# Model and data come first, as people think, and are mostly decided by then; this is what nearly every run is told.
FIRST_ASKED = "max_iters"


def shown_value(value: object) -> str:
    """A setting's value as a person writes it, safe to show."""
    from mypt.settings.resolve import as_text

    if value is None:
        return "not set"
    if value == "":
        return "empty"
    if isinstance(value, bool):
        return as_text(value)
    if isinstance(value, int):
        return whole(value)
    if isinstance(value, float) and 0 < abs(value) < 0.001:
        return rate(value)
    return printable(as_text(value), newline=False)


def shown_source(effective: Effective) -> str:
    """Where a value comes from, safe to show; what was typed here comes from who reads it."""
    return "you" if effective.source.kind == GIVEN_BY else printable(str(effective.source), newline=False)


def _origin(effective: Effective) -> str:
    words = {"default": "by default", GIVEN_BY: "as you typed"}
    return words.get(effective.source.kind) or f"from {shown_source(effective)}"


class SettingRow(Vertical):
    """One setting: its name, its editor, and below them what is wrong with it or what will become of it."""

    class Edited(Message):
        """A person changed the value; an empty one means that nothing is said."""

        def __init__(self, name: str, value: str) -> None:
            super().__init__()
            self.setting, self.value = name, value

    def __init__(self, setting: str, choices: list[str], value: str) -> None:
        super().__init__(id=f"row-{setting}")
        self.setting = setting
        self.editor: Field | Choice = Choice(choices, value) if choices else Field(value)
        self._note = Static("", classes="note", markup=False)
        self._effective: Effective | None = None
        self._decided = False

    def compose(self) -> ComposeResult:
        """A line, and the note."""
        with Horizontal(classes="line"):
            yield Static(self.setting, classes="label", markup=False)
            yield self.editor
        yield self._note

    @property
    def value(self) -> str:
        """What was typed or chosen."""
        return self.editor.value.strip()

    def update(self, review: Review) -> None:
        """Show what came of the value, and what stands there where nothing was typed."""
        self._effective = effective = (review.values or {}).get(self.setting)
        self._decided = self.setting in review.held
        self.editor.held = self.setting in review.locked and not self.value
        self.set_class(self._decided, "-held")
        if effective is not None and not (self.value and effective.source.kind == GIVEN_BY):
            # The kind of source fits beside the value; which preset or checkpoint it is stands in help and review.
            kind = _SHORT.get(effective.source.kind, effective.source.kind)
            self.editor.placeholder = f"{shown_value(effective.value)} · {kind}"
        problem = review.problem_of(self.setting)
        warning = "" if problem else self._warning(review)
        self.note(problem or warning, error=bool(problem))

    def begin_with(self, value: str) -> None:
        """Take this value, silently."""
        with self.editor.prevent(Field.Changed):
            self.editor.value = value

    def note(self, text: str, *, error: bool = False) -> None:
        """Say `text` below the field."""
        self._note.update(Text(("✗ " if error else "! ") + text if text else ""))
        self._note.display = bool(text)
        self.set_class(error, "-wrong")

    def held_because(self) -> str:
        """Who decides the value here, and how to have another one all the same."""
        if self._effective is None:
            return ""
        source = shown_source(self._effective)
        if self._effective.source.kind == "preset":
            return f"decided by {source}, which is used whole; type another value, then f2 saves a preset of your own"
        return f"decided by {source}: a model that exists keeps it"

    def help(self) -> Text:
        """What the setting does, what stands there, and where that comes from."""
        from mypt.settings import fields

        text = Text(fields.help_text(self.setting))
        if self._effective is not None:
            text.append(f"\n{shown_value(self._effective.value)}, ", "bold")
            text.append(self.held_because() if self._decided else _origin(self._effective), "dim")
        return text

    def on_field_refused(self, message: Field.Refused) -> None:
        """Typing came to nothing: say why."""
        message.stop()
        self.note(self.held_because())

    def on_choice_refused(self, message: Choice.Refused) -> None:
        """Turning came to nothing: say why."""
        message.stop()
        self.note(self.held_because())

    def on_input_changed(self, message: Field.Changed) -> None:
        """Tell the screen."""
        message.stop()
        self.post_message(self.Edited(self.setting, message.value))

    def on_choice_changed(self, message: Choice.Changed) -> None:
        """Tell the screen."""
        message.stop()
        self.post_message(self.Edited(self.setting, message.value))

    def _warning(self, review: Review) -> str:
        effective = self._effective
        if effective is not None and effective.ignored and self.value:
            said = f"ignored: {shown_source(effective)} has {shown_value(effective.value)}"
            return f"{said}; f2 saves a preset of your own" if effective.source.kind == "preset" else said
        if (
            self.setting == "batch_size"
            and review.memory
            and review.room
            and review.needed > review.room.free
        ):
            needed, free = size(review.needed), size(review.room.free)
            return f"needs {needed}, free are {free} ({review.room.name})"
        return ""


class SettingsForm(VerticalScroll, can_focus=False):
    """All rows. What is not common is built when first asked for."""

    # What scrolls would take these keys for itself, and the cursor would stay behind.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "down",
            "app.focus_next",
            "Next field",
            show=False,
            tooltip="The next field",
            id="launch-form.down",
        ),
        Binding(
            "up",
            "app.focus_previous",
            "Previous field",
            show=False,
            tooltip="The field before",
            id="launch-form.up",
        ),
    ]

    def __init__(self) -> None:
        super().__init__(id="form")
        self.show_all = False
        self._rows: dict[str, SettingRow] = {}
        self._given: dict[str, str] = {}
        self._review: Review | None = None

    def compose(self) -> ComposeResult:
        """A box for each group; the rows come when the settings are known."""
        for group in _ORDER:
            box = Vertical(Static(group, classes="group", markup=False), id=group)
            box.display = False
            yield box

    def fill(self, given: Mapping[str, str]) -> None:
        """Begin with `given`, silently, whatever was typed. Settings that are given are shown, common or not."""
        self._given = {name: text for name, text in given.items() if name not in ELSEWHERE}
        for row in self._rows.values():
            row.begin_with(self._given.get(row.setting, ""))
        self._show(set(COMMON) | set(self._given))

    def toggle_all(self) -> bool:
        """Show every setting, or only the common and the given ones; returns whether all are shown now."""
        from mypt.settings import fields

        self.show_all = not self.show_all
        everything = set(fields.names()) if self.show_all else set(COMMON)
        self._show(everything | {name for name, row in self._rows.items() if row.value})
        return self.show_all

    def _show(self, wanted: set[str]) -> None:
        """Show these settings and no others; their rows are built when they are first wanted."""
        from mypt.settings import fields

        for group in _ORDER:
            box = self.query_one(f"#{group}")
            names = [n for n in fields.names() if fields.group(n) == group and n not in ELSEWHERE]
            fresh = [self._make(n) for n in self._sorted(names) if n in wanted and n not in self._rows]
            box.mount_all(fresh)
            for row in fresh:
                if self._review is not None:
                    row.update(self._review)
            for name in names:
                if name in self._rows:
                    self._rows[name].display = name in wanted
            box.display = any(name in wanted for name in names)

    def given(self) -> dict[str, str]:
        """What was typed, by setting."""
        return {name: row.value for name, row in self._rows.items() if row.value}

    def update(self, review: Review) -> None:
        """Show what came of everything."""
        self._review = review
        for row in self._rows.values():
            row.update(review)

    def row(self, setting: str) -> SettingRow | None:
        """The row of a setting, shown if need be; None where it has none."""
        if setting not in self._rows and setting in (self._review.values or {} if self._review else {}):
            self.toggle_all()
        row = self._rows.get(setting)
        if row is not None and not row.display:
            self.toggle_all()
        return row

    def row_in_focus(self) -> SettingRow | None:
        """The row that the cursor is in."""
        focused = self.screen.focused
        return next((row for row in self._rows.values() if row.editor is focused), None)

    def _make(self, name: str) -> SettingRow:
        from mypt.settings import fields

        row = self._rows[name] = SettingRow(name, fields.choices(name), self._given.get(name, ""))
        return row

    @staticmethod
    def _sorted(names: Iterable[str]) -> list[str]:
        """The common ones in the order in which people think of them, then the rest as declared."""
        found = list(names)
        return sorted(found, key=lambda n: COMMON.index(n) if n in COMMON else len(COMMON))
