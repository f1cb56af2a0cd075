"""What the model wrote while it learned: the sample at the chart's cursor, or all of them from sense back to noise."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from mypt.text import loss, whole
from mypt.watch.marks import SampleText
from mypt.watch.run import Run
from tui.dashboard import Dashboard

# All of a long run at once would be slow to lay out, and nobody reads them all.
_MOST = 60


class SamplePanel(VerticalScroll):
    """One sample where there is little room, and where there is much all of them, the latest first."""

    HELP_NAME = "the samples"
    app: Dashboard

    def __init__(self) -> None:
        super().__init__(id="sample-scroll")
        self._run: Run | None = None
        self._step: int | None = None
        self._large = False
        self._look: object = None
        self._shown: tuple[SampleText, int, int] | None = None

    def compose(self) -> ComposeResult:
        """The text."""
        yield Static(id="sample", markup=False)

    def show_run(self, run: Run) -> None:
        """Show this run's samples."""
        if self._run is None or run.key != self._run.key:
            self._step = None
        self._run = run
        self._refresh_text()

    def look_at_step(self, step: int | None) -> None:
        """Show the sample that was the latest at this step; None is the end of the run."""
        self._step = step
        self._refresh_text()

    def set_large(self, large: bool) -> None:
        """Room for all of them, or for one."""
        if large != self._large:
            self._large = large
            self._refresh_text()
            self.scroll_home(animate=False)

    def heading(self) -> str:
        """Which sample it is."""
        if self._large or self._shown is None:
            return "Samples" if self._large else "Sample"
        return f"Sample at step {whole(self._shown[0].step)}"

    def note(self) -> str:
        """Which of how many, and how to see others."""
        if self._run is None or not self._run.history.samples:
            return ""
        if self._large:
            return f"{len(self._run.history.samples)} samples, the latest first"
        if self._shown is None:
            return ""
        _, number, total = self._shown
        if total < 2:
            return ""
        return f"{number} of {total}" + (", z shows all" if self._step is None else ", at the cursor")

    def _refresh_text(self) -> None:
        run = self._run
        if run is None or not self.is_mounted:
            return
        samples = run.history.samples
        chosen = _at(samples, self._step)
        look = (
            run.key,
            run.state,
            len(samples),
            samples[-1] if samples else None,
            chosen,
            self._large,
            self.app.theme,
        )
        if look == self._look:
            return
        # A new text lays the whole screen out anew, since it may be of another height.
        self._look = look
        self._shown = None if chosen is None else (samples[chosen], chosen + 1, len(samples))
        if chosen is None:
            text = Text(_why_none(run), "dim")
        elif self._large:
            text = self._all(run, samples)
        else:
            text = Text.assemble((samples[chosen].prompt, "dim"), samples[chosen].text)
        self.query_one("#sample", Static).update(text)

    def _all(self, run: Run, samples: Sequence[SampleText]) -> Text:
        val = run.history.curves.get("val")
        primary = self.app.theme_variables.get("primary", "")
        text = Text()
        for sample in reversed(samples[-_MOST:]):
            point = val.at_or_before("step", sample.step) if val else None
            text.append(f"step {whole(sample.step)}", f"bold {primary}".strip())
            text.append(f"  val {loss(point.y)}\n" if point else "\n", "dim")
            text.append(sample.prompt, "dim")
            text.append(f"{sample.text}\n\n")
        if len(samples) > _MOST:
            text.append(f"… and {len(samples) - _MOST} before these: they are in the log", "dim")
        return text


def _why_none(run: Run) -> str:
    if run.history.settings.get("sample_interval") == 0:
        return "this run draws no samples: its sample_interval is 0"
    if run.state.is_over:
        return "no sample was drawn in this run; g lets its model write"
    return "no sample yet: one is drawn at each evaluation"


def _at(samples: Sequence[SampleText], step: int | None) -> int | None:
    """The number of the sample that was the latest at `step`; before the first one the first."""
    if not samples:
        return None
    if step is None:
        return len(samples) - 1
    return max((n for n, sample in enumerate(samples) if sample.step <= step), default=0)
