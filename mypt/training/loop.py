"""The training loop. All of it is here: what an update is, when it evaluates, logs, samples, saves and stops."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import torch
from torch.optim import AdamW

from mypt import events
from mypt.data.source import PhaseData, RunData
from mypt.data.split import key_of
from mypt.model import GPT
from mypt.settings.fields import Guards, Settings
from mypt.settings.resolve import warmup_steps
from mypt.training import gold
from mypt.training import optimizer as adamw
from mypt.training.evaluation import split_loss, tensors
from mypt.training.gold import Decision, GoldState
from mypt.training.numerics import Numerics
from mypt.training.schedule import learning_rate
from mypt.training.stopping import StopFlag

# A loss scale below this means that fp16 gradients overflow whatever is done about it.
_SMALLEST_SCALE = 1e-3


@dataclass
class Progress:
    """Where a run stands, over every resume; saved with each checkpoint."""

    iter: int = 0
    tokens: int = 0
    elapsed_s: float = 0.0
    started_at: str = ""
    last_eval: int | None = None
    phase: str | None = None
    gold: GoldState = field(default_factory=GoldState)
    train_loss: float | None = None
    val_loss: float | None = None
    eval_sequences: int = 0


class Reporter(Protocol):
    """Who is told what happens: the log, the console, or nobody."""

    def train(self, event: events.Train) -> None:
        """An update that the log should have."""

    def evaluation(self, event: events.Eval) -> None:
        """An evaluation."""

    def gold(self, decision: Decision, step: int, val_loss: float, train_loss: float | None) -> None:
        """A gold checkpoint was saved, or blocked."""

    def phase(self, event: events.PhaseSwitch) -> None:
        """The next phase begins."""

    def sample(self, step: int) -> None:
        """It is time for a sample."""

    def progress(self, trainer: Trainer) -> None:
        """An update was made."""


class Keeper(Protocol):
    """Who saves checkpoints."""

    def last(self, progress: Progress) -> None:
        """Save the checkpoint that resuming begins from."""

    def gold(self, progress: Progress) -> None:
        """Save the best checkpoint."""


class End(StrEnum):
    """How the loop ended."""

    COMPLETE = "complete"
    SIGNAL = "signal"
    REQUEST = "request"


class NotFiniteError(Exception):
    """A loss or gradient of update `step` is not a number; the update was not made."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(f"{what} at step {step}")
        self.step, self.what = step, what


@dataclass
class Trainer:
    """One model, one optimizer, one run's data; `run` goes on from `progress` until the end or a stop."""

    model: GPT
    optimizer: AdamW
    data: RunData
    settings: Settings
    numerics: Numerics
    progress: Progress
    reporter: Reporter
    keeper: Keeper
    stop: StopFlag
    forward: Callable[..., Any] | None = None
    scaler: torch.amp.GradScaler | None = None
    last_rate: float | None = None
    tokens_per_sec: float | None = None

    def __post_init__(self) -> None:
        self.forward = self.forward or self.model
        s = self.settings
        self.tokens_per_step = s.batch_size * s.block_size * s.grad_accum_steps
        self.guards = s.gold_selection.guards if s.gold_selection else Guards()
        if s.gold_selection and not s.gold_selection.apply_loss_guards:
            self.guards = Guards(overfit_ratio=None, consecutive_rises=None)
        self._began = time.monotonic()
        self._elapsed_before = self.progress.elapsed_s
        self._busy_s, self._busy_tokens = 0.0, 0
        self._warmup = warmup_steps(s)

    def run(self) -> End:
        """Train until `max_iters` updates are done, or until asked to stop; the last state is saved either way.

        Raises `NotFiniteError` before an update that would ruin the weights, and `RunError` for a disk that will
        not take a checkpoint.
        """
        s, p = self.settings, self.progress
        p.started_at = p.started_at or events.now()
        # Losses stay comparable when the batch size changes on a resume.
        p.eval_sequences = p.eval_sequences or s.eval_iters * s.batch_size
        p.phase = p.phase or self.data.phase_at(p.iter).name
        self.model.train()
        if self._evaluation_due() and not self._evaluate():
            return self._stopped()
        while p.iter < s.max_iters:
            if self.stop.asked():
                return self._stopped()
            self._enter_phase()
            self._update()
            if p.iter % s.log_interval == 0:
                self._log_update()
            self.reporter.progress(self)
            if self._evaluation_due():
                if not self._evaluate():
                    return self._stopped()
            elif s.save_every and p.iter % s.save_every == 0:
                self._save()
        return End.COMPLETE

    def elapsed_s(self) -> float:
        """Seconds of training, over every resume."""
        return self._elapsed_before + time.monotonic() - self._began

    def rate(self, update: int) -> float:
        """The learning rate of update number `update`."""
        s = self.settings
        return learning_rate(update, peak=s.learning_rate, warmup=self._warmup, total=s.max_iters)

    # ── one update ──────────────────────────────────────────────────────────────────────────────────────────────

    def _update(self) -> None:
        s, began = self.settings, time.perf_counter()
        number = self.progress.iter + 1
        split = self.data.phase_at(self.progress.iter).train
        masked = s.use_loss_mask and split.has_masks
        places = split.places(
            s.grad_accum_steps * s.batch_size, s.block_size, key_of(s.seed, "train", number)
        )
        batches = [
            tensors(
                split.gather(places[i : i + s.batch_size], s.block_size, masked=masked), self.numerics.device
            )
            for i in range(0, len(places), s.batch_size)
        ]
        # Each token of the step weighs the same, whichever micro-batch it is in.
        valid = [float(mask.sum()) if mask is not None else float(y.numel()) for _, y, mask in batches]
        total = max(sum(valid), 1.0)
        loss_of_step = torch.zeros((), device=self.numerics.device)
        for micro, (x, y, mask) in enumerate(batches):
            if s.dropout or s.neftune_alpha:
                torch.manual_seed(key_of(s.seed, "dropout", number, micro))
            with self.numerics.autocast():
                assert self.forward is not None
                _, loss = self.forward(x, y, mask)
            share = loss * (max(valid[micro], 1.0) / total)
            (self.scaler.scale(share) if self.scaler else share).backward()
            loss_of_step += share.detach()
        self._apply(number, loss_of_step)
        self._busy_s += time.perf_counter() - began
        self._busy_tokens += self.tokens_per_step

    def _apply(self, number: int, loss: torch.Tensor) -> None:
        p = self.progress
        if self.scaler:
            self.scaler.unscale_(self.optimizer)
        norm = adamw.clip(self.model, self.settings.grad_clip)
        value, size = float(loss), float(norm)
        if not math.isfinite(value):
            raise NotFiniteError(number, f"the loss is {value}")
        if not math.isfinite(size) and not self.scaler:
            raise NotFiniteError(number, f"the gradient's norm is {size}")
        adamw.set_rate(self.optimizer, self.rate(number))
        if self.scaler:
            self.scaler.step(self.optimizer)
            self.scaler.update()
            if self.scaler.get_scale() < _SMALLEST_SCALE:
                raise NotFiniteError(number, "fp16 gradients overflow at every loss scale")
        else:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        p.iter, p.tokens, p.train_loss = number, p.tokens + self.tokens_per_step, value
        self.last_norm, self.last_rate = size, self.rate(number)

    def _log_update(self) -> None:
        p = self.progress
        self.tokens_per_sec = self._busy_tokens / self._busy_s if self._busy_s else None
        self._busy_s, self._busy_tokens = 0.0, 0
        self.reporter.train(
            events.Train(
                iter=p.iter,
                elapsed_s=self.elapsed_s(),
                tokens_processed=p.tokens,
                lr=_short(self.rate(p.iter)),
                train_loss=p.train_loss,
                grad_norm=self.last_norm,
                tokens_per_sec=self.tokens_per_sec,
            )
        )

    # ── evaluation, phases, checkpoints ─────────────────────────────────────────────────────────────────────────

    def _evaluation_due(self) -> bool:
        p, s = self.progress, self.settings
        due = p.iter % s.eval_interval == 0 or p.iter >= s.max_iters
        return due and p.last_eval != p.iter

    def _evaluate(self) -> bool:
        """Evaluate, log, decide on gold, save, in this order. False where a stop cut it short: nothing is logged."""
        p, s, began = self.progress, self.settings, time.monotonic()
        # At a boundary the evaluation belongs to the phase that ends there.
        phase = self._phase_named(p.phase)
        splits = {
            "val": phase.val,
            "train": phase.train,
            **{f"set {n}": v for n, v in self.data.eval_sets.items()},
        }
        losses: dict[str, float] = {}
        for name, split in splits.items():
            loss = split_loss(
                self.model,
                self.forward or self.model,
                split,
                s,
                self.numerics,
                name=name,
                sequences=p.eval_sequences,
                stop=lambda: bool(self.stop.asked()),
            )
            if loss is None:
                return False
            losses[name] = loss
        sets = {name.removeprefix("set "): v for name, v in losses.items() if name.startswith("set ")}
        p.last_eval, p.val_loss = p.iter, losses["val"]
        self.reporter.evaluation(
            events.Eval(
                iter=p.iter,
                elapsed_s=self.elapsed_s(),
                tokens_processed=p.tokens,
                progress_pct=100 * p.iter / s.max_iters,
                lr=_short(self.rate(p.iter)),
                phase=phase.name,
                val_loss=losses["val"],
                train_loss=losses["train"],
                eval_duration_s=time.monotonic() - began,
                eval_sets=dict(sets),
            )
        )
        p.gold, decision = gold.decide(
            p.gold,
            step=p.iter,
            val_loss=losses["val"],
            train_loss=losses["train"],
            eval_sets=sets,
            guards=self.guards,
        )
        p.elapsed_s = self.elapsed_s()
        if decision.accepted:
            self.keeper.gold(p)
        if decision.accepted or decision.blocked:
            self.reporter.gold(decision, p.iter, losses["val"], losses["train"])
        interval = s.eval_interval if s.sample_interval is None else s.sample_interval
        if interval and (p.iter % interval == 0 or p.iter >= s.max_iters):
            self.reporter.sample(p.iter)
        self._save()
        return True

    def _enter_phase(self) -> None:
        p = self.progress
        phase = self.data.phase_at(p.iter)
        if p.phase != phase.name:
            p.gold = gold.new_phase(p.gold)
            self.reporter.phase(
                events.PhaseSwitch(
                    iter=p.iter, elapsed_s=self.elapsed_s(), tokens_processed=p.tokens, new_phase=phase.name
                )
            )
        p.phase = phase.name

    def _phase_named(self, name: str | None) -> PhaseData:
        return next((phase for phase in self.data.phases if phase.name == name), self.data.phases[0])

    def _save(self) -> None:
        self.progress.elapsed_s = self.elapsed_s()
        self.keeper.last(self.progress)

    def _stopped(self) -> End:
        self._save()
        return End.SIGNAL if self.stop.signal else End.REQUEST


def _short(rate: float) -> float:
    """A learning rate without the noise of binary fractions: 1.4e-05, not 1.4000000000000001e-05."""
    return float(f"{rate:.8g}")
