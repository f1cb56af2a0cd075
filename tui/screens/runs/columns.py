"""The columns of the table: what each says of a run, and which of them a terminal has room for. No widgets here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from mypt.runs.state import RunState
from mypt.text import count, duration, printable, rate, whole
from mypt.text import loss as loss_text
from mypt.watch.facts import RESULTS
from mypt.watch.run import Run
from tui.screens.home import words
from tui.widgets.lines import fit as fitted
from tui.widgets.states import SIGNS, state_word

GAP = 2
SPARK = 12
_NAME_AT_LEAST = 14
_NAME_AT_FIRST = 32


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `sort` is the name that a click on its head sorts by; the smaller `rank`, the sooner it is shown.

    `rest` marks the one that takes what room is left over, as far as it needs it.
    """

    head: str
    sort: str
    rank: int
    of: Callable[[Run, str], str]
    right: bool = True
    rest: bool = False


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}" if 10 <= value < 1e9 else loss_text(value)


def _state(run: Run, place: str) -> str:
    return f"{SIGNS[run.state]} {state_word(run.state)}" + (f" {place}" if place else "")


def _step(run: Run, place: str) -> str:
    step, goal = run.history.step, run.history.max_iters
    if not step and not goal:
        return ""
    return count(step) + (f" / {count(goal)}" if goal else "")


def _best(run: Run, place: str) -> str:
    gold, best = run.history.gold, run.history.best
    if gold is not None:
        return f"★ {_loss(gold.value)}"
    return _loss(best.value) if best else ""


def _best_at(run: Run, place: str) -> str:
    found = run.history.gold or run.history.best
    return whole(found.step) if found else ""


def _speed(run: Run, place: str) -> str:
    speed = run.history.tokens_per_sec
    return count(speed) if speed else ""


def _eta(run: Run, place: str) -> str:
    if run.state is not RunState.RUNNING:
        return ""
    return duration(run.eta_s) if run.eta_s is not None else "–"


def _age(run: Run, place: str) -> str:
    return "" if run.age_s is None else duration(run.age_s).split()[0]


def _spark(run: Run, place: str) -> str:
    return words.bars(run.sparkline(SPARK), SPARK)


def _batch(run: Run, place: str) -> str:
    return _loss(run.history.latest("train"))


def _learning_rate(run: Run, place: str) -> str:
    value = run.history.config.get("learning_rate")
    return rate(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _params(run: Run, place: str) -> str:
    params = RESULTS["params"].of(run)
    return count(params) if isinstance(params, int | float) else ""


def _phase(run: Run, place: str) -> str:
    return "" if run.history.phase == "default" else run.history.phase


def _text(name: str) -> Callable[[Run, str], str]:
    def of(run: Run, place: str) -> str:
        value = RESULTS[name].of(run)
        return printable(str(value), newline=False) if value else ""

    return of


COLUMNS = (
    Column("state", "state", 2, _state, right=False),
    Column("name", "name", 0, lambda run, place: run.label, right=False, rest=True),
    Column("phase", "phase", 10, _phase, right=False),
    Column("step", "step", 5, _step),
    Column("%", "progress", 3, lambda run, place: words.percent(run.history.progress)),
    Column("val", "val", 1, lambda run, place: _loss(run.history.latest("val"))),
    Column("best", "best", 4, _best),
    Column("at", "gold_step", 13, _best_at),
    Column("batch", "batch", 12, _batch),
    Column("tok/s", "tokens_per_sec", 7, _speed),
    Column("ETA", "eta", 6, _eta),
    Column("curve", "val", 8, _spark, right=False),
    Column("age", "age", 9, _age),
    Column("peak lr", "learning_rate", 11, _learning_rate),
    Column("params", "params", 14, _params),
    Column("elapsed", "elapsed", 15, lambda run, place: duration(run.history.elapsed_s) if run.history.elapsed_s else ""),
    Column("preset", "preset", 16, _text("preset"), right=False),
    Column("base", "base", 17, _text("base"), right=False),
    Column("data", "data", 18, _text("data"), right=False),
)  # fmt: skip
NAME = next(index for index, column in enumerate(COLUMNS) if column.rest)


def cells_of(run: Run, place: str) -> tuple[str, ...]:
    """What every column says of a run; `place` is its place in the queue (`2nd`), empty for one that does not wait."""
    return tuple(column.of(run, place) for column in COLUMNS)


def fit(needed: Mapping[int, int], width: int) -> list[tuple[int, int]]:
    """Columns (by index, in their order) with their widths in `width` cells, most important first.

    `needed` is the width of what is in each; one with nothing in it needs 0 and is left out. The name is cut where it
    must be, and never below what tells names apart.
    """
    name = needed.get(NAME, 0)
    least = min(name, _NAME_AT_LEAST)
    taken: dict[int, int] = {NAME: min(least, width)}
    left = width - taken[NAME]
    for index in sorted(needed, key=lambda index: COLUMNS[index].rank):
        if index == NAME or not needed[index]:
            continue
        # Before less important columns come, names of usual length are whole.
        spare = min(name, _NAME_AT_FIRST) - taken[NAME] if COLUMNS[index].rank > 9 else 0
        if needed[index] + GAP <= left - max(spare, 0):
            taken[index] = needed[index]
            left -= needed[index] + GAP
    taken[NAME] += max(0, min(left, name - taken[NAME]))
    return [(index, taken[index]) for index in range(len(COLUMNS)) if index in taken]


def aligned(text: str, column: Column, width: int) -> str:
    """`text` in exactly `width` cells, at the side where the column has it."""
    if column.right and (room := width - cell_len(text)) > 0:
        return " " * room + text
    return fitted(text, width)


def widths(rows: Sequence[Sequence[str]]) -> dict[int, int]:
    """The width of what is in each column, its head included; 0 where no run has anything there."""
    needed = {}
    for index, column in enumerate(COLUMNS):
        widest = max((cell_len(row[index]) for row in rows), default=0)
        needed[index] = max(widest, cell_len(column.head)) if widest else 0
    return needed
