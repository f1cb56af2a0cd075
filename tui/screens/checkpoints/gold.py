"""What is said of gold: whether a checkpoint is it, since when, what the guards ask, and what they decided so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from mypt.bundle import BundleInfo, Kind
from mypt.diff import value_text
from mypt.text import loss, printable, whole
from mypt.watch.checkpoints import Model
from mypt.watch.marks import Mark, is_number
from mypt.watch.run import Run
from tui.screens.checkpoints.details import Writer
from tui.widgets.states import Colours

Guards = Mapping[str, Any]
_MOST_DECISIONS = 500


def default_guards() -> dict[str, Any]:
    """The thresholds where a run has named none. Imports the settings, which takes a moment."""
    from mypt.settings import fields

    return fields.Guards().model_dump()


def lines(
    model: Model, info: BundleInfo, run: Run | None, guards: Guards, width: int, colours: Colours
) -> list[Text]:
    """The lines of the section for one checkpoint of a model; `guards` are those by default."""
    writer = Writer(width, colours)
    _decision(model, info, run, writer, colours)
    _guards(info, run, guards, writer)
    _history(run, writer, colours)
    return writer.lines


def _decision(model: Model, info: BundleInfo, run: Run | None, writer: Writer, colours: Colours) -> None:
    gold, ink = model.bundles.get(Kind.GOLD), f"bold {colours.get('warning', '')}".strip()
    marks = run.history.golds if run is not None else ()
    writer.heading("Is this gold?")
    if info.kind is Kind.GOLD:
        writer.note("★ yes: evaluation and deployment use it", ink)
        step = info.step
    elif gold is None:
        writer.note("no, and this model has no gold checkpoint here")
        step = _state(info).get("gold_step")
    else:
        step = gold.step
        later = info.step - step if info.step is not None and step is not None else 0
        which = f"no: gold is {printable(gold.name, newline=False)}"
        if later > 0:
            which += f", {whole(later)} update{'s' * (later != 1)} earlier"
        same = later == 0 and info.step is not None and step is not None
        writer.note(f"★ the weights of this step are gold, in {gold.name}" if same else which, ink * same)
    if not is_number(step):
        return
    writer.value("gold at step", whole(int(step)))
    accepted = next((mark for mark in reversed(marks) if mark.step == step), None)
    best = _state(info if info.kind is Kind.GOLD or gold is None else gold).get("best")
    value = accepted.value if accepted is not None else best if is_number(best) else None
    if value is not None:
        writer.value("validation loss", loss(value))
    if accepted is not None:
        writer.value("accepted", _when(accepted))
        writer.value("in the log", accepted.text)


def _guards(info: BundleInfo, run: Run | None, defaults: Guards, writer: Writer) -> None:
    chosen = info.training_config.get("gold_selection")
    own = chosen.get("guards") if isinstance(chosen, dict) else None
    thresholds = {**defaults, **(own if isinstance(own, dict) else {})}
    if not thresholds:
        return
    off = isinstance(chosen, dict) and chosen.get("apply_loss_guards") is False
    writer.heading("Guards" + (": all off" if off else "") + ("" if own else ", as they are by default"))
    state = _state(info)
    for name, limit in thresholds.items():
        asked, now = _guard(name, limit, state, _overfit(info, run))
        writer.value(name, asked, "dim" if limit is None or off else "", now)
    _first_values(state, run, thresholds.get("eval_regression"), writer)


def _guard(name: str, limit: Any, state: Mapping[str, Any], overfit: float | None) -> tuple[str, str]:
    """What a guard asks, and how things stood with it when the checkpoint was saved."""
    if limit is None:
        return "off", ""
    if not is_number(limit):
        return value_text(name, limit), ""
    if name == "overfit_ratio":
        return f"blocks above {limit:g}x val/train", "" if overfit is None else f"now {overfit:.2f}x"
    if name == "consecutive_rises":
        rises = state.get("rises")
        return f"blocks after {limit:g} rises in a row", f"now {rises}" if is_number(rises) else ""
    if name == "eval_regression":
        return f"blocks +{100 * limit:g}% over an eval set's first value", ""
    return value_text(name, limit), ""


def _overfit(info: BundleInfo, run: Run | None) -> float | None:
    """What the guard compares, both of one evaluation: the loss of a batch that a bundle has is another one."""
    curves = run.history.curves if run is not None else {}
    if info.step is None or "val" not in curves or "train_eval" not in curves:
        return None
    val, train = (curves[name].at_or_before("step", info.step) for name in ("val", "train_eval"))
    if val is None or train is None or val.step != train.step or not train.y > 0 or not math.isfinite(val.y):
        return None
    return val.y / train.y


def _first_values(state: Mapping[str, Any], run: Run | None, limit: Any, writer: Writer) -> None:
    first = state.get("first")
    for name, value in (first if isinstance(first, dict) else {}).items():
        if not is_number(value):
            continue
        latest = run.history.latest(f"eval:{name}") if run is not None else None
        note = ""
        if latest is not None and math.isfinite(latest) and value > 0:
            note = f"now {loss(latest)} ({latest / value - 1:+.0%})"
        writer.value(f"  {name}", f"first {loss(float(value))}", "", note)


def _history(run: Run | None, writer: Writer, colours: Colours) -> None:
    """Every decision of the log, the latest first."""
    if run is None:
        writer.heading("Decisions")
        writer.note("there is no log of this model in logs/, so nothing is known of how it came")
        return
    golds, blocked = run.history.golds, run.history.blocked
    writer.heading(f"Decisions: {len(golds)} accepted, {len(blocked)} blocked")
    if not golds and not blocked:
        writer.note("none in its log")
    made = sorted([*golds, *blocked], key=lambda mark: (mark.step, mark.kind), reverse=True)
    for mark in made[:_MOST_DECISIONS]:
        good = mark.kind == "gold"
        value = loss(mark.value)
        ink = colours.get("warning" if good else "error", "")
        said = f"★ {value}" if good else f"✕ {value}  {mark.text}"
        writer.value(f"step {whole(mark.step)}", said, ink, _when(mark))
    if len(made) > _MOST_DECISIONS:
        writer.note(f"… and {whole(len(made) - _MOST_DECISIONS)} more in the log")


def _state(info: BundleInfo) -> dict[str, Any]:
    state = info.training_state.get("gold")
    return state if isinstance(state, dict) else {}


def _when(mark: Mark) -> str:
    """A log's time stamp without what nobody reads."""
    return printable(mark.timestamp.replace("T", " ").partition(".")[0], newline=False)
