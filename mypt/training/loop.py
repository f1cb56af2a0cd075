"""The training loop: when a run updates, evaluates, logs, samples, saves, goes on to the next phase, and stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from msgspec import UNSET

from mypt import events, signals
from mypt.data.source import PhaseData, RunData
from mypt.errors import RunError
from mypt.estimate import utilisation
from mypt.settings.fields import Guards
from mypt.settings.resolve import warmup_steps
from mypt.settings.schedule import learning_rate
from mypt.training import gold, noticing, usage
from mypt.training.engine import Engine, NotFiniteError
from mypt.training.evaluation import Scorer, evaluate, split_loss
from mypt.training.optimizer import set_rate
from mypt.training.prefetch import Prefetcher
from mypt.training.progress import Progress
from mypt.training.roles import End, Keeper, Reporter
from mypt.training.spikes import RecentLoss
from mypt.training.stopping import StopFlag


@dataclass
class Trainer:
    """Trains with `engine` on `data`, from where `progress` stands until the end or a stop."""

    engine: Engine
    data: RunData
    progress: Progress
    reporter: Reporter
    keeper: Keeper
    stop: StopFlag
    peak_flops: float | None = None
    """What the device could do at best, where that is known: the yardstick of `mfu`."""
    tokens_per_sec: float | None = None
    scorer: Callable[[], Scorer] | None = None
    """Makes what measures the validation data beside the loss; its scores are logged with the eval sets."""
    decided_by: str = ""
    """The score that decides on gold, the higher the better; empty: the validation loss does, with its guards."""
    counts_tokens: bool = False
    """Whether updates are of different sizes, so that their tokens have to be counted."""

    def __post_init__(self) -> None:
        s = self.settings = self.engine.settings
        self.ranks = self.engine.ranks
        self.tokens_per_step = s.batch_size * s.block_size * s.grad_accum_steps
        self.guards = s.gold_selection.guards if s.gold_selection else Guards()
        if s.gold_selection and not s.gold_selection.apply_loss_guards:
            self.guards = Guards(overfit_ratio=None, consecutive_rises=None)
        self._began = time.monotonic()
        self._elapsed_before = self.progress.elapsed_s
        self._busy_s, self._busy_tokens = 0.0, 0
        self._saved: tuple[object, ...] = ()
        self._warmup = warmup_steps(s)
        self._proven = True
        self._told_slow = False

    def run(self) -> End:
        """Train until `max_iters` updates are done, or until asked to stop; the last state is saved either way.

        Raises `NotFiniteError` before an update or a checkpoint that would ruin what there is, and `RunError` for a
        disk that will not take a checkpoint.
        """
        s, p = self.settings, self.progress
        p.started_at = p.started_at or events.now()
        # Losses stay comparable when the batch size changes on a resume.
        p.eval_sequences = p.eval_sequences or s.eval_iters * s.batch_size
        p.phase = p.phase or self.data.phase_at(p.iter).name
        self.engine.model.train()
        if p.iter:
            # What is saved without a further update is what an undisturbed run saves there.
            set_rate(self.engine.optimizer, self.rate(p.iter))
        device, share = self.engine.numerics.device, self.engine.share
        with Prefetcher(self.data, s, device, share) as self._batches:
            return self._run()

    def _run(self) -> End:
        s, p = self.settings, self.progress
        if not self._take_stock(updated=False):
            return self._stopped()
        while p.iter < s.max_iters:
            if self.ranks.any(self._is_to_stop()):
                return self._stopped()
            self._enter_phase()
            if not self._update():
                return self._stopped()
            if p.iter % s.log_interval == 0:
                self._log_update()
            self._tell(noticing.of_update(p, skipped=self._done.skipped, scaler=self.engine.scaler))
            self.reporter.progress(p, self.tokens_per_sec)
            self.keeper.check()
            self._tell_slow_save()
            if not self._take_stock(updated=True):
                return self._stopped()
        return End.COMPLETE

    def elapsed_s(self) -> float:
        """Seconds of training, over every resume."""
        return self._elapsed_before + time.monotonic() - self._began

    def rate(self, update: int) -> float:
        """The learning rate of update number `update`."""
        s = self.settings
        return learning_rate(update, peak=s.learning_rate, warmup=self._warmup, total=s.max_iters)

    # ── one update ──────────────────────────────────────────────────────────────────────────────────────────────

    def _update(self) -> bool:
        """One update; False where a stop came while data was read or between two micro-batches: nothing was done."""
        p, began = self.progress, time.perf_counter()
        number = p.iter + 1
        # Where there are several, they stop together: between two updates.
        stop = self._is_to_stop if self.ranks.world == 1 else _never
        batches = self._batches.take(number, stop)
        if batches is None:
            return False
        tokens = sum(batch.x.numel() for batch in batches) if self.counts_tokens else self.tokens_per_step
        done = self.engine.update(number, batches, self.rate(number), stop)
        if done is None:
            return False
        p.iter, p.tokens, p.train_loss = number, p.tokens + tokens, done.loss
        self._done, self._proven = done, False
        self._busy_s += time.perf_counter() - began
        self._busy_tokens += tokens
        return True

    def _is_to_stop(self) -> bool:
        return self.stop.asked() is not None

    def _log_update(self) -> None:
        p = self.progress
        self.tokens_per_sec = self._busy_tokens / self._busy_s if self._busy_s else None
        self._busy_s, self._busy_tokens = 0.0, 0
        mfu = utilisation(self.engine.model.config, self.tokens_per_sec or 0.0, self.peak_flops)
        held = usage.memory(self.engine.numerics.device)
        spent = self.engine.watch.take()
        self.reporter.train(
            events.Train(
                iter=p.iter,
                elapsed_s=self.elapsed_s(),
                tokens_processed=p.tokens,
                lr=_short(self.rate(p.iter)),
                train_loss=p.train_loss,
                grad_norm=self._done.grad_norm,
                tokens_per_sec=self.tokens_per_sec,
                mfu=UNSET if mfu is None else mfu,
                memory=UNSET if held is None else held,
                rank_seconds=[round(s, 6) for s in self.ranks.each(spent)] if self.engine.watched else UNSET,
            )
        )

    def _tell(self, notices: Iterable[noticing.Told]) -> None:
        p = self.progress
        for told in notices:
            self.reporter.notice(
                events.Notice(
                    iter=p.iter,
                    elapsed_s=self.elapsed_s(),
                    tokens_processed=p.tokens,
                    kind=told.kind,
                    message=told.message,
                    train_loss=UNSET if told.loss is None else told.loss,
                )
            )

    # ── evaluation, phases, checkpoints ─────────────────────────────────────────────────────────────────────────

    def _take_stock(self, *, updated: bool) -> bool:
        """Evaluate, sample and save, each where it is time to, after an update or, not `updated`, before the first.

        False where a stop came: what it cut short is owed, and made up for when the run is resumed.
        """
        p, s = self.progress, self.settings
        evaluated = self._evaluation_due()
        if evaluated and not self._evaluate():
            return False
        sampled = self._sample_due()
        if sampled and not self._sample():
            return False
        if sampled or s.sample_interval == 0:
            p.last_sample = p.iter
        save_due = updated and bool(s.save_every) and p.iter % (s.save_every or 1) == 0
        if evaluated or save_due or (sampled and not updated):
            self._prove()
            self._save()
        return True

    def _sample(self) -> bool:
        with self.engine.alone():
            return bool(self.ranks.told(self.reporter.sample(self.progress.iter)))

    def _evaluation_due(self) -> bool:
        p, s = self.progress, self.settings
        due = p.iter % s.eval_interval == 0 or p.iter >= s.max_iters
        return due and p.last_eval != p.iter

    def _sample_due(self) -> bool:
        p, s = self.progress, self.settings
        interval = s.eval_interval if s.sample_interval is None else s.sample_interval
        if not interval or p.last_sample == p.iter:
            return False
        return p.iter % interval == 0 or p.iter >= s.max_iters

    def _evaluate(self) -> bool:
        """Evaluate, log, decide on gold, in this order. False where a stop cut it short: nothing is logged.

        Raises `NotFiniteError` where the training data itself has no loss any more: saving that would replace the
        last good checkpoint.
        """
        p, s, began = self.progress, self.settings, time.monotonic()
        # At a boundary the evaluation belongs to the phase that ends there.
        phase = self._phase_named(p.phase)
        measured = evaluate(
            self.engine,
            {
                "val": phase.val,
                "train": phase.train,
                **{f"set {n}": v for n, v in self.data.eval_sets.items()},
            },
            sequences=p.eval_sequences,
            stop=self._is_to_stop,
            scorer=self.scorer,
        )
        if measured is None:
            return False
        # Where no token counted, nothing was measured: that is no number to be alarmed at.
        losses = {name: each.loss if each.valid else None for name, each in measured.items()}
        sets = {name.removeprefix("set "): v for name, v in losses.items() if name.startswith("set ")}
        scores = measured["val"].scores or {}
        p.last_eval = p.val_step = p.iter
        p.val_loss = losses["val"]
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
                eval_sets={**sets, **scores},
            )
        )
        if measured["train"].broken:
            what = f"the evaluation's loss on the training data is {losses['train']}"
            raise NotFiniteError(p.iter, what, "stopped before it was saved", first=p.iter == 0)
        self._proven = True
        self._tell(noticing.of_evaluation(p, sets))
        val_loss, before = measured["val"].loss, p.gold
        p.gold, decision = gold.decide(
            p.gold,
            step=p.iter,
            val_loss=val_loss,
            train_loss=losses["train"],
            eval_sets={name: value for name, value in sets.items() if value is not None},
            guards=self.guards,
            phase=phase.name,
            score=scores.get(self.decided_by),
        )
        p.elapsed_s = self.elapsed_s()
        tell = partial(self.reporter.gold, decision, p.iter, val_loss, losses["train"])
        if decision.accepted:
            self.keeper.gold(p, tell)
        elif decision.blocked:
            tell()
        if p.gold.score is None:
            self._tell(noticing.of_gold(before.previous, decision, val_loss))
        return True

    def _prove(self) -> None:
        """Look, where no evaluation does, whether the last update left a loss; the losses of updates come before them.

        Raises `NotFiniteError` where it did not: saving that would replace the last good checkpoint.
        """
        if self._proven:
            return
        p, s = self.progress, self.settings
        train = self._phase_named(p.phase).train
        # A few sequences will do. Not compiled: that may take longer than whoever asks for a stop will wait.
        plain = replace(self.engine, forward=None)
        try:
            measured = split_loss(plain, train, name="train", sequences=s.batch_size, stop=_never)
        except RunError:
            if self.ranks.world > 1:
                raise  # the others wait for this one
            # Data that is gone is no reason to lose what was trained on it.
            return
        if measured is not None and measured.broken:
            what = f"the loss on the training data after the update is {measured.loss}"
            raise NotFiniteError(p.iter, what, "stopped before it was saved")
        self._proven = True

    def _enter_phase(self) -> None:
        p = self.progress
        phase = self.data.phase_at(p.iter)
        if p.phase != phase.name:
            p.gold, p.recent_loss = gold.new_phase(p.gold), RecentLoss()
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
        self._saved = self._standing()
        self._tell_slow_save()

    def _tell_slow_save(self) -> None:
        """Tell of the first save that took long; of one behind the training, at the update after its end."""
        if not self._told_slow and (told := noticing.of_save(self.keeper.took_s, behind=self.keeper.behind)):
            self._told_slow = True
            self._tell(told)

    def _standing(self) -> tuple[object, ...]:
        """What tells a state from the one that was saved last."""
        p = self.progress
        return p.iter, p.phase, p.last_eval, p.last_sample

    def _stopped(self) -> End:
        why = self.ranks.first(self.stop.asked() or "")
        if why in signals.STATUS:
            self.stop.signal = why
        self.reporter.stopping(self.progress.iter, why)
        # Who waits with a time limit shall not wait for the same checkpoint twice.
        if self._saved != self._standing():
            self._prove()
            self._save()
        return End.SIGNAL if self.stop.signal else End.REQUEST


def _never() -> bool:
    return False


def _short(rate: float) -> float:
    """A learning rate without the noise of binary fractions: 1.4e-05, not 1.4000000000000001e-05."""
    return float(f"{rate:.8g}")
