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
from tui.screens.launch.look import Review

if TYPE_CHECKING:
    from mypt.settings.model_config import GPTConfig

# A model so many times as costly, or as cheap, says nothing on this one.
_FAR = 8.0
# The first seconds are not like the rest.
_SHORTEST_S = 2.0
_SETTLED_S = 30.0


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
    tokens = max(s.max_iters - run.start_step, 0) * review.tokens_per_step
    best: tuple[tuple[float, bool, float], Judged] | None = None
    for other in runs:
        # What a machine of SLURM's does in an hour says nothing on this one.
        theirs = other.record is not None and other.record.origin == "slurm"
        if theirs != (asked is not None):
            continue
        found = _judged(wanted, tokens, other)
        if found is not None and (best is None or found[0] < best[0]):
            best = found
    return best[1] if best else None


def _judged(wanted: _Work, tokens: int, other: Run) -> tuple[tuple[float, bool, float], Judged] | None:
    """How far `other` is from what is wanted (the younger of two equals is nearer), and what it says."""
    # A classifier's batches are as wide as its texts.
    reads_texts = other.record is not None and program_of(other.record.command) is CLASSIFY
    if other.state is RunState.QUEUED or reads_texts:
        return None
    work, speed = _work_of(other.history), _speed_of(other.history)
    if work is None or speed is None or work.device != wanted.device:
        return None
    ratio = work.flops_per_token / wanted.flops_per_token
    if not 1 / _FAR <= ratio <= _FAR:
        return None
    size = abs(math.log(work.parameters / wanted.parameters)) if work.parameters > 0 else math.inf
    # A text with some more characters has a few more rows, and is no other model.
    same = work.shape == wanted.shape and work.batch == wanted.batch and size < 0.05
    far = 0.0 if same else 1.0 + abs(math.log(ratio)) + (work.batch != wanted.batch)
    seconds = tokens / (speed if same else speed * ratio)
    label = printable(other.label or other.name, newline=False)
    # One that has just begun is the last to be asked.
    young = other.history.elapsed_s < _SETTLED_S and other.state is not RunState.FINISHED
    return (far, young, -other.born), Judged(seconds, label, same, work.parameters if size > 0.1 else None)


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


def _speed_of(history: RunHistory) -> float | None:
    """Tokens a second, evaluations and saves included; of a run that has hardly begun None."""
    if history.elapsed_s < _SHORTEST_S or history.tokens <= 0:
        return None
    speed = history.tokens / history.elapsed_s
    return speed if math.isfinite(speed) and speed > 0 else None


def _flops(parameters: int, layers: int, width: int, block: int) -> float:
    return 6.0 * parameters + 12.0 * layers * width * block
