"""The lines of the dialogue: what is typed and chosen, looked at when typing pauses, and what came of that. Starts nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Button, Static

from mypt.runs.record import RunRecord
from tui.dashboard import Dashboard
from tui.screens.classify.draft import SETTINGS, Draft
from tui.screens.classify.look import Look, files, look, sibling
from tui.screens.classify.words import help_of, picture
from tui.widgets.dialogue import Dialogue
from tui.widgets.editors import Choice, Field
from tui.widgets.paths import PathField, place_of

if TYPE_CHECKING:
    from textual.app import ComposeResult

_PAUSE_S = 0.3


class FillingScreen(Dialogue[RunRecord | None]):
    """Filled in with `draft`; begins with one of `bases`. Dismissed with the record of the run, or None."""

    app: Dashboard

    DEFAULT_CSS = """
    FillingScreen {
        & .box { width: 100; }
        & .line { margin-bottom: 0; }
        & .line.-last { margin-bottom: 1; }
        & .label { width: 15; }
        & .beside { width: 13; padding-left: 2; color: $secondary; }
        & .line .-wrong { background: $error 20%; }
        & .line Field.-held, & .line Choice.-held { background: transparent; }
        & .line Field > .input--placeholder { color: $foreground 60%; }
        & .line Choice.-unset { color: $foreground 60%; }
        & #help { height: 2; color: $foreground 80%; }
        & #seen { height: auto; scrollbar-size-vertical: 1; }
        & #name-note { width: auto; margin-left: 2; color: $foreground 60%; }
        &.-short .line.-last { margin-bottom: 0; }
        &.-short .box { padding: 0 2; }
        &.-short .buttons { margin-top: 0; }
    }
    """

    class Looked(Message):
        """What is filled in was looked at. `here` are files that could be meant, where none is named yet."""

        def __init__(self, seen: Look, here: list[str], beside: str) -> None:
            super().__init__()
            self.seen, self.here, self.beside = seen, here, beside

    def __init__(self, bases: Iterable[str], draft: Draft) -> None:
        super().__init__()
        self._bases = list(dict.fromkeys([name for name in (draft.base, *bases) if name]))
        self._begun = draft
        self._columns: tuple[str, ...] = ()
        self._here: list[str] = []
        self._timer: Timer | None = None
        self._looking = self._again = False
        self.seen: Look | None = None
        """The last look at what is filled in."""
        self.busy = False
        """Whether it is being started."""

    def compose(self) -> ComposeResult:
        """Lines, help for the one in focus, what it would be, buttons."""
        draft, workspace = self._begun, self.app.workspace
        first, second, *_ = (*draft.text, "", "")
        with Vertical(classes="pane box") as box:
            box.border_title = "Classifier"
            with Horizontal(classes="line"):
                yield Static("name", classes="label")
                yield Field(draft.model_name, id="model_name")
                yield Static("", id="name-note", markup=False)
            with Horizontal(classes="line -last"):
                yield Static("begins with", classes="label")
                yield Choice(self._bases, draft.base, may_be_unset=False, id="init_from_model")
            for name in ("data", "eval_data"):
                with Horizontal(classes="line" if name == "data" else "line -last"):
                    yield Static(name.replace("_", " "), classes="label")
                    field = PathField(workspace, placeholder="a .jsonl, .csv or .tsv file", id=name)
                    field.value = getattr(draft, name)
                    yield field
            with Horizontal(classes="line"):
                yield Static("text", classes="label")
                yield Choice([first] * bool(first), first, id="text")
                yield Static("and", classes="beside")
                yield Choice([second] * bool(second), second, id="second")
            with Horizontal(classes="line -last"):
                yield Static("class", classes="label")
                yield Choice([draft.label] * bool(draft.label), draft.label, id="label")
                yield Static("epochs", classes="beside")
                yield Field(draft.num_epochs, id="num_epochs")
            with Horizontal(classes="line -last"):
                for name in SETTINGS:
                    where = "label" if name == SETTINGS[0] else "beside"
                    yield Static(name.replace("_", " "), classes=where)
                    yield Field(draft.given.get(name, ""), id=name)
            yield Static("", id="help", markup=False)
            with VerticalScroll(id="seen", can_focus=False):
                yield Static("looking …", id="picture", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Start ^s", id="start", variant="primary", compact=True)
                yield Button("Queue F6", id="queue", compact=True)
                yield Button("Close esc", id="close", compact=True)

    def on_mount(self) -> None:
        """Begin where something is to be filled in."""
        box = self.query_one(".box")
        box.border_subtitle = "tab next · ←→ columns · ^s starts · ^y copies the command"
        self.query_one("#num_epochs" if self._begun.data or self._begun.num_epochs else "#data").focus()
        self.allow(False)
        self.look()

    def on_resize(self) -> None:
        """What came of it gets a third of the height, so that lines and buttons are always there."""
        self.query_one("#seen").styles.max_height = max(self.app.size.height // 3, 6)
        if self.seen is not None and not self.busy:
            self.show(self.seen)

    # ── what is filled in ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def draft(self) -> Draft:
        """What is filled in now; of a classifier that goes on, what it keeps by itself is left out."""
        names = ("model_name", "num_epochs", "data", "eval_data", *SETTINGS)
        typed = {name: self.query_one(f"#{name}", Field).value.strip() for name in names}
        lines = {name: value for name in SETTINGS if (value := typed.pop(name))}
        for name in ("data", "eval_data"):
            typed[name] = place_of(typed[name]) if typed[name] else ""
        columns = [self.query_one(f"#{name}", Choice).value for name in ("text", "second")]
        others = {name: value for name, value in self._begun.given.items() if name not in SETTINGS}
        goes_on = self._goes_on(typed["model_name"])
        return Draft(
            base="" if goes_on else self.query_one("#init_from_model", Choice).value,
            text=() if goes_on else tuple(name for name in columns if name),
            label="" if goes_on else self.query_one("#label", Choice).value,
            given=others | lines,
            **typed,
        )

    def _goes_on(self, name: str) -> bool:
        return self.seen is not None and self.seen.resumed is not None and self.seen.draft.model_name == name

    def on_input_changed(self, message: Field.Changed) -> None:
        """Look again when typing pauses."""
        message.stop()
        self._changed()

    def on_choice_changed(self, message: Choice.Changed) -> None:
        """Look again."""
        message.stop()
        self._changed()

    def on_choice_refused(self, message: Choice.Refused) -> None:
        """A column of a classifier that goes on."""
        message.stop()
        self.app.bell()

    def on_descendant_focus(self) -> None:
        """Say what the line in focus means."""
        name = self.focused.id if self.focused is not None else None
        self.query_one("#help", Static).update(help_of(name or ""))

    def on_input_submitted(self, message: Field.Submitted) -> None:
        """Enter goes to the next line."""
        message.stop()
        self.focus_next()

    def _changed(self) -> None:
        if self.busy:
            return
        self.allow(False)
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE_S, self.look)

    def look(self) -> None:
        """See what it would be; one look at a time, since each may read a megabyte."""
        if self._looking:
            self._again = True
            return
        self._looking = True
        draft, workspace = self.draft, self.app.workspace

        def work() -> None:
            seen = look(draft, workspace)
            here = files(workspace) if not draft.data else []
            beside = sibling(draft.data, workspace) if draft.data and not draft.eval_data else ""
            self.post_message(self.Looked(seen, here, beside))

        self.run_worker(work, thread=True, group="look")

    def on_filling_screen_looked(self, message: Looked) -> None:
        """Show it, unless something else is filled in by now."""
        self._looking = False
        if self._again:
            self._again = False
            self.look()
            return
        seen, before = message.seen, self.draft
        if self.busy or seen.draft != before:
            return
        self.seen, self._here = seen, message.here
        self._offer(seen, message.beside)
        if self.draft != before:
            # What was told by the file, or is kept by a classifier that goes on, is another draft.
            self.look()
            return
        self.show(seen)

    def _offer(self, seen: Look, beside: str) -> None:
        """Let the columns of the data be chosen, and choose those that are probably meant."""
        from mypt.classify.columns import likely

        keeps = seen.resumed is not None
        kept = seen.columns
        for name, column in zip(("text", "second", "label"), kept, strict=True):
            choice = self.query_one(f"#{name}", Choice)
            choice.held, choice.placeholder = (
                keeps,
                column if keeps else "columns of the data" if not seen.row else "",
            )
        columns = tuple(name for name in seen.row if name == name.strip() and name and "," not in name)
        if columns and columns != self._columns and not keeps:
            self._columns = columns
            texts, label = likely(seen.row)
            now = [self.query_one(f"#{name}", Choice).value for name in ("text", "second", "label")]
            if not now[0] or not set(filter(None, now)) <= set(columns):
                now = [*(*texts, "", "")[:2], label]
            for name, value in zip(("text", "second", "label"), now, strict=True):
                self.query_one(f"#{name}", Choice).offer(columns, value)
        field = self.query_one("#eval_data", Field)
        if beside and not field.value and not keeps:
            with field.prevent(Field.Changed):
                field.value = beside

    def show(self, seen: Look) -> None:
        """Say what came of what is filled in."""
        for name, text in seen.stands.items():
            # Three in a narrow line have room for the value alone.
            shown = text.partition(" · ")[0] if name in SETTINGS and self.has_class("-narrow") else text
            self.query_one(f"#{name}", Field).placeholder = shown
        self.query_one("#init_from_model", Choice).held = seen.resumed is not None
        # A model that exists keeps the length that it reads.
        self.query_one("#block_size", Field).held = seen.resumed is not None
        for name in (
            "model_name",
            "init_from_model",
            "data",
            "eval_data",
            "text",
            "label",
            "num_epochs",
            *SETTINGS,
        ):
            self.query_one(f"#{name}").set_class(name in seen.wrong, "-wrong")
        self.query_one("#name-note", Static).update(Content(seen.name_note))
        self.query_one("#picture", Static).update(picture(seen, self._here, self.app.theme_variables))
        self.allow(seen.ready)

    def allow(self, allowed: bool) -> None:
        """Whether it can be started as far as is known."""
        allowed = allowed and not self.busy
        self.query_one("#start", Button).disabled = not allowed or bool(self.seen and self.seen.busy)
        self.query_one("#queue", Button).disabled = not allowed
