"""How long a run will take, judged by those that have run here. No Textual."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mypt.bundle import BundleInfo
from mypt.launch.start import CLASSIFY, program_of
from mypt.runs.state import RunState
from mypt.text import count, duration, printable, whole
from mypt.watch.history import RunHistory
from mypt.watch.run import Run
from tui.names import clipped
from tui.screens.launch.look import Review

if TYPE_CHECKING:
    from mypt.settings.model_config import GPTConfig

# A model so many times as costly, or as cheap, says nothing on this one.
_FAR = 8.0
# The first seconds are not like the rest: who ran no longer is asked only where nobody did.
_SHORTEST_S = 2.0
_SETTLED_S = 30.0
# A name that is longer says no more.
_NAME = 40


@dataclass(frozen=True, slots=True)
class Judged:
    """Seconds that the run will take, the run that this is judged by, and whether it was of the same shape."""

    seconds: float
    like: str
    same: bool
    #: Parameters of that run, where they are others.
    parameters: float | None = None

    def __str__(self) -> str:
        """`about 3h 12m, as dante_base ran`."""
        if self.same:
            return f"about {duration(self.seconds)}, as {self.like} ran"
        size = f" ({count(self.parameters)} parameters)" if self.parameters else ""
        return f"about {duration(self.seconds)}, reckoned from {self.like}{size}"


UNKNOWN = "not known: nothing like it has run here yet"
UNKNOWN_IN_SLURM = "not known: nothing like it has run in SLURM yet"


@dataclass(frozen=True, slots=True)
class _Work:
    """What decides how fast a run is: its shape, its batches, and where it computes."""

    device: str
    shape: tuple[Any, ...]
    batch: tuple[Any, ...]
    flops_per_token: float
    parameters: float


@dataclass(frozen=True, slots=True)
class _Pace:
    """What a run took: tokens a second while it trained, and seconds for each evaluation, with what goes with one."""

    tokens_per_sec: float
    pause_s: float
    #: Sequences of an evaluation, where they are known.
    sequences: int | None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a run is to do."""

    work: _Work
    tokens: int
    pauses: int
    sequences: int

    def seconds(self, pace: _Pace, ratio: float) -> float:
        """How long that takes at this pace, of a run of which a token is `ratio` times the work."""
        pause = pace.pause_s * (self.sequences / pace.sequences if pace.sequences else 1.0)
        return (self.tokens / pace.tokens_per_sec + self.pauses * pause) / ratio


def foreseen(review: Review, runs: Iterable[Run]) -> str:
    """What is to be said of the time that the run of `review` takes; empty where nobody knows."""
    run = review.shown
    if run is not None and run.checkpoint is not None and run.settings.max_iters <= run.start_step:
        return _nothing_left(run.checkpoint, run.settings.max_iters, run.start_step)
    judged = judge(review, runs)
    return str(judged) if judged is not None else ""


def _nothing_left(checkpoint: BundleInfo, asked: int, done: int) -> str:
    if not checkpoint.has_done(asked):
        return "no update is left, only the evaluation after the last one"
    return (
        f"nothing is left to train: {f'all {whole(done)}' if done == asked else whole(done)} updates are done"
    )


def judge(review: Review, runs: Iterable[Run]) -> Judged | None:
    """How long the run of `review` takes; None where nothing that is alike has run here.

    A run of the same shape on the same kind of device says it itself; of others the nearest is taken, and its speed
    scaled by the work a token is: 6·N + 12·L·d·T operations.
    """
    run, asked = review.shown, review.draft.slurm
    if run is None or not review.is_sized or (asked is not None and asked.problems()):
        return None
    s = run.settings
    wanted = _Work(
        review.kind,
        (*_shape(run.config), s.block_size),
        (s.batch_size, s.grad_accum_steps, review.draft.processes if asked is None else asked.ranks),
        _flops(review.parameters, s.n_layer, s.n_embd, s.block_size),
        review.parameters,
    )
    steps = max(s.max_iters - run.start_step, 0)
    # One before the first update, one after the last.
    pauses = -(-steps // s.eval_interval) + (run.start_step == 0)
    do = _Wanted(wanted, steps * review.tokens_per_step, pauses, s.eval_iters * s.batch_size)
    best: tuple[_Rank, Judged] | None = None
    for other in runs:
        # What a machine of SLURM's does in an hour says nothing on this one.
        theirs = other.record is not None and other.record.origin == "slurm"
        if theirs != (asked is not None):
            continue
        found = _judged(do, other)
        if found is not None and (best is None or found[0] < best[0]):
            best = found
    return best[1] if best else None


_Rank = tuple[float, bool, float, float]


def _judged(do: _Wanted, other: Run) -> tuple[_Rank, Judged] | None:
    """How far `other` is from what is wanted (the younger of two equals is nearer), and what it says."""
    wanted = do.work
    # A classifier's batches are as wide as its texts.
    reads_texts = other.record is not None and program_of(other.record.command) is CLASSIFY
    if other.state is RunState.QUEUED or reads_texts:
        return None
    work, pace = _work_of(other.history), _pace_of(other.history)
    if work is None or pace is None or work.device != wanted.device:
        return None
    ratio = work.flops_per_token / wanted.flops_per_token
    if not 1 / _FAR <= ratio <= _FAR:
        return None
    size = abs(math.log(work.parameters / wanted.parameters)) if work.parameters > 0 else math.inf
    # A text with some more characters has a few more rows, and is no other model.
    same = work.shape == wanted.shape and work.batch == wanted.batch and size < 0.05
    far = 0.0 if same else 1.0 + abs(math.log(ratio)) + (work.batch != wanted.batch)
    seconds = do.seconds(pace, 1.0 if same else ratio)
    label = clipped(printable(other.label or other.name, newline=False), _NAME)
    ran = other.history.elapsed_s
    short = ran < _SETTLED_S
    rank = (far, short, -ran if short else 0.0, -other.born)
    return rank, Judged(seconds, label, same, work.parameters if size > 0.1 else None)


def _work_of(history: RunHistory) -> _Work | None:
    """The work of a run, as its log says; None where that lacks anything."""
    config, model, runtime = history.config, history.model, history.runtime
    numbers = [model.get("total_params"), model.get("n_layer"), model.get("n_embd"), config.get("block_size")]
    if not all(isinstance(n, int) and not isinstance(n, bool) and 0 < n < 1e15 for n in numbers):
        return None
    parameters, layers, width, block = (int(n) for n in numbers)  # type: ignore[arg-type]
    device = runtime.get("device")
    if not isinstance(device, str):
        return None
    names = ("n_layer", "n_head", "n_embd", "pos_encoding", "mlp_type", "norm_type")
    shape = (*(model.get(name) for name in names), block)
    batch = (config.get("batch_size"), config.get("grad_accum_steps"), runtime.get("processes", 1))
    flops = _flops(parameters, layers, width, block)
    return _Work(device.partition(":")[0], shape, batch, flops, parameters)


def _shape(config: GPTConfig) -> tuple[Any, ...]:
    c = config
    return (c.n_layer, c.n_head, c.n_embd, c.pos_encoding, c.mlp_type, c.norm_type)


def _pace_of(history: RunHistory) -> _Pace | None:
    """How fast a run was; of one that has hardly begun None."""
    seconds = history.elapsed_s
    if seconds < _SHORTEST_S or history.tokens <= 0:
        return None
    speed = history.tokens_per_sec if "tokens_per_sec" in history.curves else None
    evaluations = len(history.curves.get("val", ()))
    if speed is None or evaluations == 0:
        # Nobody measured them apart.
        return _sane(_Pace(history.tokens / seconds, 0.0, None))
    iters, batch = history.whole("eval_iters"), history.whole("batch_size")
    # What is left beside the updates: evaluations, checkpoints and samples, which come together, and the start.
    rest = max(seconds - history.tokens / speed, 0.0)
    return _sane(_Pace(speed, rest / evaluations, (iters or 0) * (batch or 0) or None))


def _sane(pace: _Pace) -> _Pace | None:
    numbers = (pace.tokens_per_sec, pace.pause_s)
    return pace if all(map(math.isfinite, numbers)) and pace.tokens_per_sec > 0 else None


def _flops(parameters: int, layers: int, width: int, block: int) -> float:
    return 6.0 * parameters + 12.0 * layers * width * block
