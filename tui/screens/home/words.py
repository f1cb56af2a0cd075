"""What Home says about a run, as styled text; no widgets here."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len
from rich.text import Text

from mypt.runs.state import USUAL, RunState
from mypt.text import count, duration, loss, printable, rate, whole
from mypt.watch.forecast import Forecast, NoForecast
from mypt.watch.marks import Mark
from mypt.watch.run import Run
from tui.names import shortened
from tui.widgets.lines import fit
from tui.widgets.states import PIN, SIGNS, Colours, state_style, state_word

_BARS = "▁▂▃▄▅▆▇█"
_LEAST_BARS, _MOST_BARS = 6, 14
# A log that names more was written by nobody who has so many.
_MOST_RANKS = 4096
# Less than this is chance.
_EVEN = 0.03
_MARK_SIGNS = {
    "gold": "★",
    "blocked": "✕",
    "notice": "▲",
    "phase": "┊",
    "sample": "“",
    "nan": "✗",
    "stopped": "■",
    "complete": "✓",
    "start": "▸",
    "resume": "↻",
    "eval": "·",
    "other": "·",
}


def bars(values: Sequence[float], width: int) -> str:
    """A sparkline of at most `width` characters; values that are not finite are gaps."""
    values = list(values)[-width:]
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((v - low) * scale)] if math.isfinite(v) else " " for v in values)


def percent(progress: float | None) -> str:
    """A share as a person writes it."""
    return "" if progress is None else f"{math.floor(progress * 100)}%"


def short_why(run: Run, place: str = "") -> str:
    """In a few words, what the second line of a run that is not running says; `place` is its place in the queue."""
    history = run.history
    if run.state is RunState.QUEUED:
        if run.record is not None and run.record.job is not None:
            return f"queued in SLURM, job {run.record.job}"
        return f"queued, {place}" if place else "queued"
    if run.state is RunState.STARTING:
        return "starting"
    if run.state is RunState.FINISHED:
        gold = history.gold
        return f"★ {loss(gold.value)} at {whole(gold.step)}" if gold else "finished"
    if run.state is RunState.FAILED and history.nan_step is not None:
        return f"nan at {whole(history.nan_step)}"
    if run.state is RunState.FAILED and history.ended is not None and history.ended.reason == "nan":
        return f"nan after {whole(history.ended.step)}"
    if run.state is RunState.LAST_SEEN and run.age_s is not None:
        return f"last seen {duration(run.age_s).split()[0]} ago"
    if run.state is RunState.STOPPED and history.step:
        return f"stopped at {whole(history.step)}"
    return run.sentence or state_word(run.state)


def run_row(
    run: Run,
    width: int,
    colours: Colours,
    *,
    among: Collection[str] = (),
    place: str = "",
    pinned: bool = False,
    hidden: bool = False,
) -> Text:
    """A run in two lines of `width` cells: what it is and how far; how it goes.

    `among` are the labels of all runs that are listed, from which its own is told apart; `place` is its place in the
    queue. A pinned run has a sign of its own, a hidden one is grey and says so.
    """
    history = run.history
    value = history.latest("val")
    if value is None:
        value = history.latest("train")
    right = f"{percent(history.progress):>4} {loss(value) if value is not None else '':>7}"
    style = state_style(run.state, colours)
    text = Text(no_wrap=True, overflow="crop", end="")
    text.append(f"{SIGNS[run.state]} ", style)
    told = _told(run, among, width - 2 - cell_len(right) - 1)
    text.append(told, "bold" if not run.state.is_over else "")
    text.append(" " + right, "" if not run.state.is_over else "dim")
    if run.state is RunState.RUNNING:
        note = f"ETA {duration(run.eta_s)}" if run.eta_s is not None else "ETA –"
    else:
        note = short_why(run, place)
    left, room = "hidden", width - 3
    if not hidden:
        # Why a run is as it is says more than the shape of its curve.
        most = max(_LEAST_BARS, min(_MOST_BARS, room - cell_len(note) - 1))
        left = bars(run.sparkline(most), most)
    text.append("\n")
    text.append(f"{PIN if pinned else ' '} ", colours.get("primary", ""))
    text.append(left, colours.get("primary", "") if not run.state.is_over else "dim")
    text.append(" ")
    room -= cell_len(left)
    note = fit(note, room) if cell_len(note) > room else note.rjust(room)
    text.append(note, style if run.state in (RunState.FAILED, RunState.STALLED) else "dim")
    return _greyed(text) if hidden else text


def _told(run: Run, among: Collection[str], room: int) -> str:
    return fit(shortened(among or (run.label,), room).get(run.label, run.label), room)


def _greyed(text: Text) -> Text:
    """The same words without their colours."""
    grey = Text(text.plain, no_wrap=True, overflow="crop", end="")
    # A span, since Rich leaves out the style of a text that has none.
    grey.stylize("dim italic")
    return grey


def run_chip(
    run: Run, colours: Colours, *, among: Collection[str] = (), pinned: bool = False, hidden: bool = False
) -> Text:
    """A run in a word, unlike those `among` which it is, for the strip that stands in for the list where there is no room."""
    text = Text(no_wrap=True, end="")
    if pinned:
        text.append(f"{PIN} ", colours.get("primary", ""))
    text.append(f"{SIGNS[run.state]} ", state_style(run.state, colours))
    text.append(_told(run, among, min(cell_len(run.label), 24)))
    if run.state is RunState.RUNNING:
        text.append(f" {percent(run.history.progress)}", "dim")
    if hidden:
        text.append(" hidden")
    return _greyed(text) if hidden else text


def expected_loss(expected: Forecast) -> str:
    """`2.31 (4 in 5: 2.27 to 2.38)`: the value, and between what four runs of five ended; no digit that means nothing."""
    wide = max(expected.high - expected.low, 1e-4)
    digits = min(max(1 - math.floor(math.log10(wide)), 0), 4)
    value, low, high = (f"{y:.{digits}f}" for y in (expected.value, expected.low, expected.high))
    return f"{value} (4 in 5: {low} to {high})"


def ranks(seconds: Sequence[float], tokens_per_sec: float | None) -> str | None:
    """Of several processes: how many, what each does, and which is the slowest by how much; None of one."""
    number = len(seconds)
    if not 1 < number <= _MOST_RANKS or not all(0 < each < math.inf for each in seconds):
        return None
    slowest = max(range(number), key=lambda rank: seconds[rank])
    behind = seconds[slowest] / sorted(seconds)[(number - 1) // 2] - 1
    speed = f" × {count(tokens_per_sec / number)} tok/s" if tokens_per_sec else ""
    if behind < _EVEN:
        return f"{number}{speed}, evenly"
    return f"{number}{speed}, rank {slowest} slowest by {percent(min(behind, 99.0))}"


def facts(run: Run, expected: Forecast | NoForecast | None = None) -> list[tuple[str, str]]:
    """The present of a run as (label, value), most important first."""
    s, history = run.summary, run.history
    found: list[tuple[str, str]] = []

    def add(label: str, value: str | None) -> None:
        if value and value != "–":
            found.append((label, value))

    if s.max_iters or s.step:
        total = f" of {whole(s.max_iters)}" if s.max_iters else ""
        share = f" ({percent(s.progress)})" if s.progress is not None else ""
        add("step", f"{whole(s.step)}{total}{share}")
    if not history.curves and run.record is not None:
        asked = run.record.settings
        add("steps", whole(asked["max_iters"]) if isinstance(asked.get("max_iters"), int) else None)
        for name in ("learning_rate", "batch_size", "preset", "dataset_dir", "input_file"):
            add(name, printable(str(asked[name]), newline=False) if asked.get(name) is not None else None)
    if run.state is RunState.RUNNING:
        eta = run.eta_s
        clock = (
            time.strftime("%H:%M", time.localtime(time.time() + eta))
            if eta is not None and eta < 86_400
            else ""
        )
        add("ETA", duration(eta) + (f" ({clock})" if clock else ""))
    add("elapsed", duration(s.elapsed_s) if s.elapsed_s else None)
    add("speed", f"{count(s.tokens_per_sec)} tok/s" if s.tokens_per_sec else None)
    add("ranks", ranks(history.rank_seconds, s.tokens_per_sec))
    add("val", loss(s.val_loss))
    # Of a log without the updates there is only what the evaluations found on the training data.
    add("batch loss" if "train" in history.curves else "train eval", loss(s.train_loss))
    if s.gold_val is not None:
        add("gold ★", f"{loss(s.gold_val)} at {whole(s.gold_step or 0)}")
    elif s.best_val is not None:
        add("best", f"{loss(s.best_val)} at {whole(s.best_step or 0)}")
    if isinstance(expected, Forecast):
        add("at the end ≈", expected_loss(expected))
    for name in history.curves:
        if name.startswith("eval:"):
            add(name.removeprefix("eval:"), loss(history.latest(name)))
    add("lr", rate(s.lr))
    add("phase", s.phase)
    add("tokens", count(s.tokens) if s.tokens else None)
    add("grad norm", f"{s.grad_norm:.3g}" if s.grad_norm is not None else None)
    if s.mfu is not None:
        add("MFU", f"{100 * s.mfu:.0f}%")
    add("parameters", count(s.total_params) if s.total_params else None)
    if s.resumes:
        add("resumed", f"{s.resumes}×")
    if s.bad_lines:
        # Near the front, since what has no room at the end is left out.
        found.insert(1, ("unreadable lines", str(s.bad_lines)))
    return found


def flow(pairs: Iterable[tuple[str, str]], width: int, lines: int, colours: Colours) -> Text:
    """Label and value pairs set one after the other over at most `lines` lines; what has no room is left out."""
    text = Text(no_wrap=True, overflow="crop", end="")
    used = row = 0
    for label, value in pairs:
        needed = cell_len(label) + 1 + cell_len(value)
        gap = 3 if used else 0
        if used + gap + needed > width:
            if row + 1 >= lines:
                continue
            text.append("\n")
            row, used, gap = row + 1, 0, 0
        text.append(" " * gap)
        text.append(f"{label} ", "dim")
        gold = label.startswith("gold")
        text.append(value, f"bold {colours.get('warning', '')}" if gold else "bold")
        used += gap + needed
    return text


def event_line(mark: Mark, clock: str, colours: Colours, step_width: int = 7) -> Text:
    """One line of the list of events: when, as `clock` says it, at which step, what."""
    text = Text(no_wrap=True, overflow="crop", end="")
    text.append(f"{clock} ", "dim")
    text.append(f"{whole(mark.step):>{step_width}} ", "dim")
    style = {
        "gold": f"bold {colours.get('warning', '')}",
        "blocked": colours.get("error", ""),
        "notice": colours.get("error", ""),
        "nan": colours.get("error", ""),
        "phase": f"bold {colours.get('primary', '')}",
        "stopped": "bold",
        "complete": f"bold {colours.get('accent', '')}",
    }.get(mark.kind, "dim" if mark.kind == "eval" else "")
    sign = _MARK_SIGNS.get(mark.kind, "·")
    text.append(f"{sign} {mark.text}", style)
    return text


QUEUED_IN_SLURM = "s cancels its job"


def speaks_for_itself(run: Run) -> bool:
    """Whether a run simply trains, so that its numbers say all there is to say."""
    return run.state is RunState.RUNNING and run.sentence in USUAL


def next_step(run: Run, colours: Colours) -> Text:
    """For a run that does not simply train: what it does or why it ended, and what to press."""
    text = Text(end="")
    text.append(f"{SIGNS[run.state]} {state_word(run.state)}", state_style(run.state, colours))
    if run.sentence:
        text.append(f"  {run.sentence}")
    hints = {
        RunState.STARTING: "l shows what it says, s asks it to stop",
        RunState.STOPPED: "r resumes it",
        RunState.FAILED: "r tries again, E changes its settings first, l shows what it said",
        RunState.STALLED: "l shows what it said, s asks it to stop",
        RunState.LAST_SEEN: "that machine knows more; if it is gone for good, r goes on here",
        RunState.QUEUED: "K sooner, J later, S starts it now, s takes it out",
        RunState.FINISHED: "c shows its checkpoints",
    }
    if run.state is RunState.QUEUED and run.record is not None and not run.record.queued:
        hints[run.state] = QUEUED_IN_SLURM
    ended_at = run.history.latest("val")
    if run.state is RunState.FINISHED and ended_at is not None and not math.isfinite(ended_at):
        text.append(f"  its last val loss is {loss(ended_at)}", colours.get("error", ""))
    if run.state in hints:
        text.append(f"  ({hints[run.state]})", "dim")
    return text
