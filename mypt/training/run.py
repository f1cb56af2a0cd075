"""`mypt train` from a request to an exit status. Everything that can be wrong is found before anything is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mypt import bundle, signals
from mypt.check import check
from mypt.data.source import RunData, describe
from mypt.errors import MyptError, RunError, UserError
from mypt.housekeeping import recover
from mypt.launch.place import RANKS_VARIABLE, Place, here
from mypt.runs.attach import attach, finish
from mypt.runs.before import death_before
from mypt.runs.directory import runs_folder, stop_requested
from mypt.runs.lock import ModelLock
from mypt.runs.sweep import sweep
from mypt.settings.checks import check_shares
from mypt.settings.resolve import Mode, Request, Resolved, warmup_steps
from mypt.text import count, whole
from mypt.training.console import Console
from mypt.training.recorded import only_writer, recorded
from mypt.training.stopping import StopFlag

if TYPE_CHECKING:
    from mypt.training.build import Built
    from mypt.training.ranks import Ranks
    from mypt.training.session import Session


class Job(Protocol):
    """A kind of training. The methods that need torch import it."""

    @property
    def shares(self) -> bool:
        """Whether several processes can share it."""

    def check(self) -> tuple[Resolved, RunData]:
        """The run and its data, both right; without torch. Raises `UserError` with all problems, and writes nothing."""

    def build(self, run: Resolved, data: RunData, console: Console) -> Built:
        """What computes. Raises `UserError` for what does not fit."""

    def banner(self, run: Resolved, data: RunData, made: Built, console: Console) -> None:
        """Say what begins."""

    def session(self, made: Built, console: Console, stop: StopFlag, run_id: str) -> Session:
        """What trains it."""

    def going_on(self, made: Built) -> str:
        """The command that goes on beyond the end."""


@dataclass(frozen=True, slots=True)
class _LanguageModel:
    """What `mypt train` does."""

    request: Request
    workspace: Path
    shares: bool = True

    def check(self) -> tuple[Resolved, RunData]:
        return check(self.request, self.workspace)

    def build(self, run: Resolved, data: RunData, console: Console) -> Built:
        from mypt.training.build import build

        return build(run, data, console)

    def banner(self, run: Resolved, data: RunData, made: Built, console: Console) -> None:
        _banner(run, data, made, console)

    def session(self, made: Built, console: Console, stop: StopFlag, run_id: str) -> Session:
        from mypt.training.session import Session

        return Session(made, console, stop, run_id)

    def going_on(self, made: Built) -> str:
        from mypt.training.already import going_on

        return going_on(made)


def train(
    request: Request,
    workspace: Path,
    *,
    command: Sequence[str] = (),
    stop: StopFlag | None = None,
    own_process: bool = False,
) -> int:
    """Train as `request` asks: see `carry_out`."""
    job = _LanguageModel(request, workspace)
    return carry_out(job, workspace, command=command, stop=stop, own_process=own_process)


def carry_out(
    job: Job,
    workspace: Path,
    *,
    command: Sequence[str] = (),
    stop: StopFlag | None = None,
    own_process: bool = False,
) -> int:
    """Train what `job` says, as the one that trains this model, with a record of the run. Returns the exit status.

    Raises `MyptError` for bad input and bad luck. A signal that comes twice ends the process at once where training is
    all that it is there for (`own_process`).
    """
    place = here()
    if not place.alone:
        return _together(job, workspace, place, list(command) or sys.argv, stop or StopFlag(), own_process)
    return _lead(job, workspace, list(command) or sys.argv, stop or StopFlag(), own_process)


def _together(
    job: Job, workspace: Path, place: Place, command: list[str], stop: StopFlag, own_process: bool
) -> int:
    """`carry_out` as one of several ranks: the first one leads, the others follow."""
    code, found = 1, None
    place.say_started()
    try:
        if place.rank == 0:
            # What is wrong is told once, and before anything slow.
            _recover(workspace, Console())
            if not job.shares:
                raise UserError(
                    f"this trains in one process, and here are {place.world}; start it without torchrun"
                )
            found = job.check()
            check_shares(found[0].settings, place.world)
        ranks_of = _torch("ranks")
        with ranks_of.join(place) as ranks:
            if place.rank == 0:
                code = _lead(job, workspace, command, stop, own_process, ranks, found)
            else:
                code = _torch("follower").follow(job, ranks, stop)
        # torchrun starts again what did not end with 0; who launched the ranks knows the status by `say_ended`.
        # srun kills all where one ends badly, and rank 0, which tells of the stop, may still be saving.
        told = RANKS_VARIABLE in os.environ or (place.rank > 0 and "SLURM_STEP_ID" in os.environ)
        return 0 if told and signals.name_of_status(code) else code
    except MyptError as error:
        code = error.exit_status
        raise
    finally:
        place.say_ended(code)


def _lead(
    job: Job,
    workspace: Path,
    command: list[str],
    stop: StopFlag,
    own_process: bool,
    ranks: Ranks | None = None,
    found: tuple[Resolved, RunData] | None = None,
) -> int:
    """Train as the process that holds the locks, writes the log and saves; `found` is what a check has found already."""
    console = Console()
    if found is None:
        _recover(workspace, console)
        found = job.check()
    run, data = found
    model_lock = ModelLock(workspace, run.model_name)
    # A second model built on the device beside the one that trains could take the memory that this one needs.
    model_lock.check_free()
    already = _torch("already")
    stop.listen()
    try:
        made = job.build(run, data, console)
        if (status := _called_off(stop, console, ranks)) is not None:
            return status
        with model_lock.acquire(command=command) as lock:
            mended = bundle.repair(workspace / "checkpoints", run.model_name)
            sweep(runs_folder(workspace))
            if mended or _moved_on(run):
                # What was read before the lock was ours is out of date.
                run, data = job.check()
                made = job.build(run, data, console)
            with only_writer(workspace, run.log_path, run.settings.log_file or "") as log:
                if already.is_done(made.progress, run.settings):
                    already.say_so(made, console, job.going_on(made))
                    already.make_up(made, console)
                    if ranks is not None:
                        ranks.told(False)
                    return 0
                if (status := _called_off(stop, console, ranks)) is not None:
                    return status
                if ranks is not None:
                    made.engine.ranks = ranks
                    ranks.told(True)
                made.notices += _other_sums(run, made)
                if died := death_before(workspace, run.model_name):
                    made.notices.append(died)
                directory = attach(
                    workspace,
                    run.model_name,
                    run.settings.log_file or "",
                    command,
                    run.summary(made.model.num_parameters()),
                )
                lock.name_run(directory.run_id)
                stop.request = lambda: stop_requested(directory)
                trained = job.session(made, console, stop, directory.run_id)
                trained.keeper.check_ours, trained.check_log = lock.keep, log.keep
                if own_process:
                    stop.at_once = lambda name: trained.end_at_once(
                        name, lambda code, reason: finish(directory, code, reason)
                    )

                def body() -> int:
                    for sentence in mended:
                        console.line(sentence, "quiet")
                    job.banner(run, data, made, console)
                    return trained.train()

                return recorded(directory, console, body)
    finally:
        stop.unlisten()
        console.close()


def _recover(workspace: Path, console: Console) -> None:
    """End what a kill cut off in the workspace, and say so."""
    for sentence in recover(workspace):
        console.line(f"Note: {sentence}", "strong")


def _torch(name: str) -> Any:
    """A module of the training that needs torch, which takes a second to load: bad input need not wait for it."""
    try:
        return import_module(f"mypt.training.{name}")
    except (ImportError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(
            f"PyTorch cannot be loaded ({first}); it needs about 1 GB of memory, and may have to be installed again"
        ) from error


def _called_off(stop: StopFlag, console: Console, ranks: Ranks | None) -> int | None:
    """The exit status of a run to which a signal came before it began; None where none came."""
    if stop.signal is None:
        return None
    if ranks is not None:
        ranks.told(False)
    console.line(f"{stop.signal}: training did not begin, and nothing was written", "strong")
    return signals.STATUS[stop.signal]


def _earlier_curve(run: Resolved) -> list[str]:
    """What to say of a log that another run has written before, and that this one begins anew."""
    try:
        written = run.mode is not Mode.RESUME and run.log_path.stat().st_size > 0
    except OSError:
        return []
    name = run.settings.log_file
    return [
        f"{name} holds an earlier run: it stays in the file, but curves begin with this run from now on; name another "
        "log_file, or move the file away, to see both"
    ] * written


def _other_sums(run: Resolved, made: Built) -> list[str]:
    """What to say where other many processes go on than those that saved the checkpoint."""
    before = run.checkpoint.training_state.get("processes", 1) if run.checkpoint else None
    now = made.engine.ranks.world
    if before in (None, now):
        return []
    return [
        f"the checkpoint was trained by {before} processes, here are {now}: sums may differ in their last bits"
    ]


def _moved_on(run: Resolved) -> bool:
    """Whether the checkpoint is another one than when it was read."""
    info = bundle.read_info(run.workspace / "checkpoints" / run.model_name)
    if run.checkpoint is None:
        return bool(info.files)
    return run.request.resume_from == "last" and info.step != run.checkpoint.step


def _banner(run: Resolved, data: RunData, made: Built, console: Console) -> None:
    s, config = run.settings, made.model.config
    for notice in [*run.notices, *data.notices, *made.notices, *_earlier_curve(run)]:
        console.line(f"Note: {notice}", "strong")
    fields = (
        "batch_size",
        "block_size",
        "vocab_size",
        "n_embd",
        "n_head",
        "n_layer",
        "dropout",
        "bias",
        "device",
    )
    shown = ", ".join(f"{name}:{getattr(config, name)}" for name in (*fields, "use_loss_mask"))
    console.line(f"Using config: {shown}")
    console.line(
        f"Model {run.model_name}: {count(made.model.num_parameters(), 4)} parameters on {made.engine.numerics}"
    )
    for line in describe(data):
        console.line(f"Data {line} ({data.tokenizer.describe()})")
    if run.mode is Mode.RESUME:
        assert run.checkpoint is not None
        console.line(f"Resuming checkpoints/{run.checkpoint.name} from step {made.progress.iter}", "strong")
    steps = f"{whole(made.progress.iter)} to {whole(s.max_iters)}"
    per_step = s.batch_size * s.block_size * s.grad_accum_steps
    console.line(
        f"Training from step {steps}, {count(per_step)} tokens a step, warm-up {whole(warmup_steps(s))} steps, "
        f"evaluation every {whole(s.eval_interval)}"
    )
    console.line(f"Training log: {s.log_file}")
