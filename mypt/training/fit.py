"""Training from a program: its model, optimizer and loaders in the session that `mypt train` runs."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch.optim import AdamW, Optimizer

from mypt import bundle, events
from mypt.data.loader import GPTDataLoader
from mypt.errors import Problem, UserError
from mypt.events import LogWriter
from mypt.model import LanguageModel
from mypt.model.weights import unwrapped
from mypt.runs.directory import stop_requested
from mypt.settings.resolve import Resolved
from mypt.training import fit_inputs as inputs
from mypt.training import numerics as machine
from mypt.training import optimizer as adamw
from mypt.training.allocator import keep_freed_memory
from mypt.training.build import Built
from mypt.training.compiled import forward_of
from mypt.training.console import Console
from mypt.training.engine import Engine
from mypt.training.fit_place import Held, Place, place_of
from mypt.training.keeper import BundleKeeper
from mypt.training.progress import Progress
from mypt.training.recorded import recorded
from mypt.training.remembered import remember
from mypt.training.roles import End
from mypt.training.session import Session
from mypt.training.stopping import StopFlag, deliver_again


@dataclass(frozen=True, slots=True)
class FitResult:
    """Where a training stands when `fit` returns. Losses are None where none was measured."""

    #: Updates done, of `max_iters`.
    step: int
    max_iters: int
    train_loss: float | None
    val_loss: float | None
    best_val_loss: float | None
    #: The update with the best accepted validation loss; None where there is none.
    gold_step: int | None

    @property
    def finished(self) -> bool:
        """Whether all updates are done."""
        return self.step >= self.max_iters


def fit(
    model: LanguageModel,
    data_loader: GPTDataLoader,
    optimizer: Optimizer | None = None,
    max_iters: int = 5000,
    eval_interval: int = 50,
    eval_iters: int = 200,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    start_step: int = 0,
    learning_rate: float | None = None,
    *,
    eval_data_loaders: Mapping[str, GPTDataLoader] | None = None,
    log_file: str | os.PathLike[str] | None = None,
    quiet: bool = False,
    **settings: Any,
) -> FitResult:
    """Train `model` in place on `data_loader` until `max_iters` updates are done, counted from `start_step`.

    Warm-up, cosine to a tenth, accumulation, clipping, evaluation and gold are those of `mypt train`; `learning_rate`
    is the peak (the optimizer's own where None), and `settings` are further ones of its flags (`warmup_iters`,
    `grad_accum_steps`, `seed`, `save_every`, `gold_selection`, `precision`, ...). `eval_data_loaders` are evaluated as
    well, each under its name. With `checkpoint_dir` the last state is saved there after every evaluation, the best one
    beside it in `<dir>_gold`, the last one in half precision in `<dir>_fp16`; an existing bundle of step `start_step`
    is gone on from with its gold and its counters. With `log_file` all events are appended to it. In a workspace (where
    `checkpoint_dir` is `checkpoints/<model>`, or the log lies below `logs/`) no other run may write the same, and one
    with a log is listed, followed and stopped like those of `mypt train`.

    Raises `UserError` for settings and data that do not fit and for a model or a log that another run writes, before
    anything is written; `RunError` for a loss that
    is not a number, and for memory or a disk that ends. Ctrl+C and SIGTERM end with a checkpoint first, and do then
    what they do to a program; a second one, a second later, does so at once.
    """
    plain = unwrapped(model)
    if data_loader.train is None:
        raise UserError(Problem("was opened for evaluation only", where=inputs.WHERE, field="data_loader"))
    asked = {"max_iters": max_iters, "eval_interval": eval_interval, "eval_iters": eval_iters, **settings}
    if learning_rate is not None:
        asked["learning_rate"] = learning_rate
    folder = None if checkpoint_dir is None else Path(checkpoint_dir)
    eval_loaders = eval_data_loaders or {}
    effective = inputs.settings(plain, data_loader, optimizer, asked, log_file, eval_loaders)
    data = inputs.run_data(plain, data_loader, eval_loaders)
    if folder is not None:
        inputs.check_folder(folder)
    if optimizer is None:
        rate, decay = effective.learning_rate, effective.weight_decay
        optimizer = adamw.build(plain, learning_rate=rate, weight_decay=decay)
    place = place_of(folder, None if log_file is None else Path(log_file))
    console = Console(io.StringIO()) if quiet else Console()
    stop = StopFlag(say=lambda text: None) if quiet else StopFlag()
    stop.listen()
    try:
        with place.held() as held:
            given = {*asked, "log_file"} if log_file is not None else asked.keys()
            run = inputs.resolved(plain, effective, folder, start_step, given)
            engine, notices = _engine(model, plain, optimizer, run, console)
            for notice in notices:
                console.line(f"Note: {notice}", "strong")
            progress = inputs.progress(run, start_step)
            built = Built(run, data, engine, progress, notices)
            remember(plain, data.tokenizer)
            status = _train(built, console, stop, folder, place, held)
    finally:
        stop.unlisten()
        console.close()
    deliver_again(status)
    p = progress
    return FitResult(p.iter, effective.max_iters, p.train_loss, p.val_loss, p.gold.lowest, p.gold.gold_step)


def _engine(
    model: Any, plain: LanguageModel, optimizer: Optimizer, run: Resolved, console: Console
) -> tuple[Engine, list[str]]:
    saved = run.checkpoint.training_state if run.checkpoint else {}
    kept, before = saved.get("numerics"), run.checkpoint.training_config if run.checkpoint else {}
    numerics, notices = machine.choose(run.settings, kept if isinstance(kept, dict) else None, before)
    if numerics.kind == "cpu":
        keep_freed_memory()
    plain.set_kernel(numerics.attention)
    plain.set_matmul(numerics.matmul)
    scaler = torch.amp.GradScaler(numerics.kind) if numerics.precision == "fp16" else None
    if scaler is not None and isinstance(saved.get("grad_scaler"), dict):
        scaler.load_state_dict(saved["grad_scaler"])
    # A model that its owner compiled is used as it is.
    forward = forward_of(plain, numerics, console) if model is plain else model
    return Engine(plain, cast(AdamW, optimizer), run.settings, numerics, forward, scaler), notices


def _train(
    built: Built, console: Console, stop: StopFlag, folder: Path | None, place: Place, held: Held
) -> int:
    """Run the session, seen by whoever looks at the workspace. Returns the exit status that `mypt train` would have."""
    directory = place.record(built.run, built.model.num_parameters())
    session = _FitSession(built, console, stop, folder, None if directory is None else directory.run_id)
    session.keeper.check_ours, session.check_log = held.model, held.log
    if directory is None:
        return session.train()
    run = directory
    stop.request = lambda: stop_requested(run)
    return recorded(run, console, session.train)


@dataclass
class _FolderKeeper(BundleKeeper):
    """Saves the bundles in the folder that a program named, and beside it; nowhere where it named none."""

    place: Path | None = None
    anywhere: ClassVar[bool] = True

    def folder(self, kind: bundle.Kind) -> Path:
        """Where the bundle of this kind lies."""
        if self.place is None:
            return Path(os.devnull)
        return self.place.with_name(bundle.directory_name(self.place.name, kind))

    def shown(self, kind: bundle.Kind) -> str:
        """The path as the program gave it."""
        return str(self.folder(kind))

    def _save(self, kind: bundle.Kind, progress: Progress, then: Callable[[], None] = lambda: None) -> None:
        if self.place is not None:
            super()._save(kind, progress, then)
        else:
            then()

    def abandon(self) -> None:
        """Wait for nothing any longer."""
        if self.place is not None:
            super().abandon()


class _FitSession(Session):
    """A session without a command line around it."""

    def __init__(
        self,
        built: Built,
        console: Console,
        stop: StopFlag,
        folder: Path | None,
        run_id: str | None = None,
    ) -> None:
        super().__init__(built, console, stop, run_id, keeper=_FolderKeeper(built, place=folder))
        self._folder = folder

    def _open_log(self) -> LogWriter:
        return super()._open_log() if self.run.settings.log_file else _NoLog()

    def _say_stopped(self, end: End) -> int:
        saved = f"; checkpoint saved: {self._folder}" if self._folder is not None else ""
        word = "on request" if end is End.REQUEST else f"by {self.stop.signal}"
        self.console.line()
        self.console.line(f"Training stopped {word} at step {self.progress.iter}{saved}", "strong")
        return self._status(end)

    def _say_done(self) -> None:
        if self._folder is not None:
            super()._say_done()
        else:
            self.console.line()
            self.console.line("Training finished!", "strong")


class _NoLog(LogWriter):
    """Where nobody asked for a log."""

    def __init__(self) -> None:
        self.path, self.root = Path(os.devnull), None

    def write(self, event: events.Event) -> None:
        """Forget it."""

    def sync(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""
