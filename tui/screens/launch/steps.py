"""The four steps of the form: which one is looked at, the ways between them, and the line that names them."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Button, Input

from tui.actions import Action, bindings

NAMES = ("Preset", "Data", "Settings", "Review")
PRESET, DATA, SETTINGS, REVIEW = range(4)
_PANES = ("preset", "data-step", "settings", "review")

Result = TypeVar("Result")


class StepLine(Widget):
    """The four steps, for terminals that have no room for all of them; a click goes to one."""

    at: reactive[int] = reactive(0)
    wrong: reactive[frozenset[int]] = reactive(frozenset())

    def render(self) -> Text:
        """` 1 Preset  2 Data …`, what is wrong marked."""
        text = Text(no_wrap=True, overflow="crop", end="")
        for number, name in enumerate(NAMES):
            style = Style(meta={"@click": f"screen.step({number})"})
            if number == self.at:
                style += Style(reverse=True, bold=True)
            mark = "✗" if number in self.wrong else " "
            text.append(f" {number + 1} {name}{mark}", style)
            text.append("  ")
        return text


class SteppedScreen(Screen[Result], Generic[Result]):
    """A screen of four panes, of which small terminals show one, or one beside the review.

    The step with the focus is the one that is looked at.
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium"), (120, "-wide"), (160, "-huge")]  # noqa: RUF012
    STEP_ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("next_step", "ctrl+n", "Next step", "Go on to the next step", "Steps"),
        Action("previous_step", "ctrl+o", "Step before", "Go back to the step before", "Steps", shown=False),
        *(
            Action(
                f"step({n})", str(n + 1), name, f"Go to step {n + 1}, {name.lower()}", "Steps", shown=False
            )
            for n, name in enumerate(NAMES)
        ),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(STEP_ACTIONS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.step = PRESET
        """The step that is looked at, 0 to 3."""
        self._going = False

    def step_changed(self) -> None:
        """For the screen to know that the focus is elsewhere."""

    @property
    def one_at_a_time(self) -> bool:
        """Whether not all panes are on the screen."""
        return self.has_class("-narrow") or self.has_class("-medium")

    def action_step(self, number: int) -> None:
        """Go to a step, 0 to 3."""
        self.step = number % len(_PANES)
        self._going = True
        self.show_step()
        self.call_after_refresh(self.focus_step)

    def action_next_step(self) -> None:
        """Go on."""
        self.action_step(self.step + 1)

    def action_previous_step(self) -> None:
        """Go back."""
        self.action_step(self.step - 1)

    def on_descendant_focus(self, message: events.DescendantFocus) -> None:
        """The step with the focus is the one that is looked at."""
        step = self.step_around(message.widget)
        # On the way to another step the focus may pass through what is about to be hidden.
        if step is not None and step != self.step and not self._going and message.widget is self.focused:
            self.step = step
            self.show_step()
        self.step_changed()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Enter goes on to the next field, and after the last of a step to the next step."""
        message.stop()
        here = self.step_around(message.input)
        focusable = [w for w in self.focus_chain if self.step_around(w) == here]
        if focusable and focusable[-1] is message.input:
            self.action_next_step()
        else:
            self.focus_next()

    def step_around(self, widget: Widget) -> int | None:
        """The step that a widget belongs to."""
        return next((_PANES.index(n.id) for n in widget.ancestors_with_self if n.id in _PANES), None)

    def show_step(self) -> None:
        """Show what belongs to the step."""
        for number, name in enumerate(_PANES):
            self.query_one(f"#{name}").set_class(number == self.step, "-on")
        self.query_one("#left").set_class(self.step in (PRESET, DATA), "-on")
        # Beside the review there is room for one more, and settings are what one goes back to.
        self.query_one("#settings").set_class(self.step in (SETTINGS, REVIEW), "-beside")
        self.query_one(StepLine).at = self.step

    def focus_step(self) -> None:
        """Focus the first thing of the step that is looked at; in the review that is what starts."""
        self._going = False
        pane = self.query_one(f"#{_PANES[self.step]}")
        if self.step == REVIEW:
            start = self.query_one("#start", Button)
            (self.query_one("#review-scroll") if start.disabled else start).focus()
            return
        first = next((w for w in self.focus_chain if pane in w.ancestors), None)
        if first is not None:
            first.focus()
