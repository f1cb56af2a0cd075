"""What a run can be asked for by name: its settings and its results, for filters, for sorting and for tables."""

from __future__ import annotations

import json
import time
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from mypt.runs.state import RunState
from mypt.watch.run import Run

Look = Callable[[str], object]
"""The value of a run by name, None where it has none: a number, a text, true or false."""


class Kind(StrEnum):
    """What values a name has, which decides how they are written and compared."""

    NUMBER = "number"
    SHARE = "share"
    """A part from 0 to 1, written as a percentage too."""
    SPAN = "span"
    """Seconds, written with units too."""
    TEXT = "text"
    SWITCH = "switch"
    STATE = "state"
    ANY = "any"
    """A field that only logs know: its value tells."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A result of a run. `high_first` says which end a person who sorts by it wants to see first."""

    name: str
    kind: Kind
    help: str
    of: Callable[[Run], object]
    high_first: bool = False


STATE_ORDER = (
    RunState.RUNNING,
    RunState.STARTING,
    RunState.STALLED,
    RunState.QUEUED,
    RunState.LAST_SEEN,
    RunState.FAILED,
    RunState.STOPPED,
    RunState.FINISHED,
)
"""States as a list sorts them: what lives, what waits, what went wrong, what is done."""


def _best(run: Run) -> float | None:
    gold, best = run.history.gold, run.history.best
    return gold.value if gold else best.value if best else None


def _recorded(run: Run, name: str) -> object:
    return run.record.settings.get(name) if run.record else None


def _data(run: Run) -> object:
    config = run.history.config
    return config.get("input_file") or config.get("dataset_dir") or _recorded(run, "data")


def _host(run: Run) -> object:
    process = (run.record.trainer or run.record.supervisor) if run.record else None
    return process.host if process else None


def _gold(run: Run) -> float | None:
    gold = run.history.gold
    return gold.value if gold else None


def _gold_step(run: Run) -> int | None:
    gold = run.history.gold
    return gold.step if gold else None


def _preset(run: Run) -> object:
    return run.history.config.get("config_file") or _recorded(run, "preset")


def _base(run: Run) -> object:
    return run.history.config.get("base") or _recorded(run, "base")


def _latest(curve: str) -> Callable[[Run], object]:
    return lambda run: run.history.latest(curve)


_N, _T = Kind.NUMBER, Kind.TEXT
RESULTS: dict[str, Fact] = {
    fact.name: fact
    for fact in (
        Fact("name", _T, "the model's name", lambda run: run.label),
        Fact("state", Kind.STATE, "running, queued, finished …", lambda run: run.state),
        Fact("phase", _T, "the phase of the curriculum", lambda run: run.history.phase),
        Fact("step", _N, "updates done", lambda run: run.history.step, True),
        Fact(
            "progress",
            Kind.SHARE,
            "the part of max_iters that is done",
            lambda run: run.history.progress,
            True,
        ),
        Fact("val", _N, "the latest validation loss", _latest("val")),
        Fact("batch", _N, "the loss of the latest update on its own batch", _latest("train")),
        Fact("train_eval", _N, "the loss on training data at the latest evaluation", _latest("train_eval")),
        Fact("best", _N, "gold, or the best validation loss without one", _best),
        Fact("gold", _N, "the loss of the gold checkpoint", _gold),
        Fact("gold_step", _N, "where gold was found", _gold_step, True),
        Fact("tokens_per_sec", _N, "tokens a second", lambda run: run.history.tokens_per_sec, True),
        Fact("tokens", _N, "tokens trained on", lambda run: run.history.tokens or None, True),
        Fact("eta", Kind.SPAN, "time to the end, while it runs", lambda run: run.eta_s),
        Fact("elapsed", Kind.SPAN, "time spent training", lambda run: run.history.elapsed_s or None, True),
        Fact("age", Kind.SPAN, "time since it last wrote to its log", lambda run: run.age_s),
        Fact("started", Kind.SPAN, "time since it was started", lambda run: _since(run.born)),
        Fact("params", _N, "parameters of the model", lambda run: _number(run, "total_params"), True),
        Fact("lr", _N, "the learning rate at present", _latest("lr"), True),
        Fact("grad_norm", _N, "the latest gradient norm", _latest("grad_norm"), True),
        Fact("mfu", Kind.SHARE, "model FLOPs utilisation", _latest("mfu"), True),
        Fact("memory", _N, "bytes that training holds", _latest("memory"), True),
        Fact("resumes", _N, "how often it was resumed", lambda run: len(run.history.resumes), True),
        Fact("attempts", _N, "recorded starts", lambda run: len(run.attempts), True),
        Fact("bad_lines", _N, "lines of its log that are no events", lambda run: run.history.bad_lines, True),
        Fact("preset", _T, "the preset", _preset),
        Fact("base", _T, "the model that it fine-tunes", _base),
        Fact("data", _T, "what it is trained on", _data),
        Fact("host", _T, "the machine that trains it", _host),
        Fact("why", _T, "the sentence that says why it is in its state", lambda run: run.sentence),
    )
}

ALIASES = {
    "loss": "val",
    "val_loss": "val",
    "train": "batch",
    "train_loss": "batch",
    "batch_loss": "batch",
    "best_val": "best",
    "tok/s": "tokens_per_sec",
    "speed": "tokens_per_sec",
    "parameters": "params",
    "total_params": "params",
    "label": "name",
    "model": "name",
    "model_name": "name",
}
"""Other words that people use for a result."""


def canonical(name: str) -> str:
    """The name that a word means: lower case, `-` as `_`, aliases resolved; eval sets keep theirs."""
    if name.lower().startswith("eval."):
        return "eval." + name[5:]
    plain = name.lower().replace("-", "_")
    return ALIASES.get(plain, plain)


def kind_of(name: str) -> Kind:
    """The kind of a canonical name; `ANY` for one that neither results nor settings have."""
    if name in RESULTS:
        return RESULTS[name].kind
    if name.startswith("eval."):
        return Kind.NUMBER
    field = _settings().get(name)
    return _kind_of(field.annotation) if field else Kind.ANY


def is_known(name: str) -> bool:
    """Whether every run can be asked for this canonical name."""
    return name in RESULTS or name.startswith("eval.") or name in _settings()


def names() -> list[str]:
    """Every name that a run can be asked for, results first."""
    return [*RESULTS, *_settings()]


def names_in(runs: Iterable[Run]) -> set[str]:
    """Names that the logs and records of these runs have of their own."""
    found: set[str] = set()
    for run in runs:
        history = run.history
        for told in (history.settings, history.config, history.model, history.runtime):
            found.update(told)
        if run.record:
            found.update(run.record.settings)
        found.update(f"eval.{c.removeprefix('eval:')}" for c in history.curves if c.startswith("eval:"))
    return found


def looks_at(run: Run) -> Look:
    """The values of `run` by canonical name."""

    def look(name: str) -> object:
        fact = RESULTS.get(name)
        if fact is not None:
            return fact.of(run)
        history = run.history
        if name.startswith("eval."):
            return history.latest(f"eval:{name[5:]}")
        record = run.record.settings if run.record else {}
        for told in (history.settings, history.config, history.model, record, history.runtime):
            if (value := told.get(name)) is not None:
                return plain(value)
        return None

    return look


def plain(value: object) -> object:
    """A value of a log as a number, a text or a truth value: what has parts becomes its JSON."""
    if value is None or isinstance(value, str | int | float | bool | RunState):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return str(value)


def _settings() -> dict[str, Any]:
    # What is asked for most are results, and a list that is sorted by one need not wait for pydantic.
    from mypt.settings.fields import Settings

    return dict(Settings.model_fields)


def _since(moment: float) -> float | None:
    return max(0.0, time.time() - moment) if moment else None


def _number(run: Run, name: str) -> object:
    value = run.history.model.get(name)
    if value is None:
        value = _recorded(run, "parameters")
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _kind_of(annotation: Any) -> Kind:
    kinds = set(_leaves(annotation))
    if bool in kinds:
        return Kind.SWITCH
    if kinds & {int, float}:
        return Kind.NUMBER
    return Kind.TEXT


def _leaves(annotation: Any) -> Iterable[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _leaves(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _leaves(member)
    elif origin is Literal:
        yield str
    else:
        yield annotation
