"""The training core of `mypt train` with a classifier in it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mypt import bundle, events
from mypt.classify import metrics
from mypt.classify.model import load_classifier, on_base
from mypt.classify.plan import SAVED, Given, Plan
from mypt.classify.request import COMMAND
from mypt.data.source import RunData
from mypt.data.split import key_of
from mypt.events import LogWriter
from mypt.model import LanguageModel
from mypt.settings.model_config import GPTConfig
from mypt.settings.resolve import Resolved
from mypt.text import printable
from mypt.training import checkpointing
from mypt.training.batches import DeviceBatch
from mypt.training.build import Built, build
from mypt.training.console import Console
from mypt.training.gold import Decision
from mypt.training.keeper import BundleKeeper
from mypt.training.loop import Trainer
from mypt.training.progress import Progress
from mypt.training.report import RunReporter, Sampler
from mypt.training.session import Session


def build_classifier(planned: Plan, console: Console, weights: dict[str, Any] | None) -> Built:
    """Model, optimizer and progress. `weights` are those of a base that is no checkpoint of ours."""

    def make(
        run: Resolved, config: GPTConfig, data: RunData, console: Console, notices: list[str]
    ) -> LanguageModel:
        if run.checkpoint is not None:
            return load_classifier(run.checkpoint, config)
        assert run.base is not None
        given = checkpointing.read_weights(run.base) if weights is None else weights
        where, seed = f"{run.base.name}/{bundle.MODEL}", key_of(run.settings.seed, "classifier") >> 1
        model, said = on_base(config, planned.spec, given, where=where, seed=seed)
        notices += said
        return model

    return build(planned.run, planned.data, console, make)


class DevScores:
    """Accuracy and macro-F1 of the development set, as batches go by."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._truth: list[int] = []
        self._given: list[int] = []

    def see(self, given: Tensor, batch: DeviceBatch) -> None:
        """Take in the logits (B, K) of a batch."""
        assert batch.mask is not None
        last = batch.mask.argmax(1, keepdim=True)
        self._truth += batch.y.gather(1, last).squeeze(1).tolist()
        self._given += given.argmax(-1).tolist()

    def scores(self) -> dict[str, float]:
        """By the names that the log has them under."""
        return metrics.scores(metrics.confusion(self._truth, self._given, self._classes))


@dataclass
class ClassifierKeeper(BundleKeeper):
    """Keeps with each bundle what resuming by name alone needs."""

    given: Given | None = None

    def _state(self, progress: Progress) -> dict[str, Any]:
        state = super()._state(progress)
        if self.given is not None:
            state["training_config"][SAVED] = self.given.to_json()
        return state


class _Reporter(RunReporter):
    """Tells of golds by what decides on them."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._scores: dict[int, float | None] = {}

    def evaluation(self, event: events.Eval) -> None:
        """An evaluation."""
        # A gold may be told of when it is saved at last, which can be after the next evaluation.
        self._scores[event.iter] = event.eval_sets.get(metrics.MACRO_F1)
        super().evaluation(event)

    def gold(self, decision: Decision, step: int, val_loss: float, train_loss: float | None) -> None:
        """The best one so far."""
        self.log.write(events.GoldCheckpoint(iter=step, val_loss=val_loss, prev_best=decision.prev_best))
        shown = f"{metrics.MACRO_F1}={self._scores.get(step) or 0:.4f}, val_loss={val_loss:.4f}"
        self.console.line(f"  🏆 New GOLD checkpoint! {shown} at step {step}", "gold")


class ClassifierSession(Session):
    """A session whose evaluations have scores, of which macro-F1 decides on gold."""

    command = COMMAND

    def _reporter(self, log: LogWriter, sampler: Sampler | None) -> RunReporter:
        return _Reporter(log, self.console, self.run.settings.max_iters, sampler)

    def _trainer(self, reporter: RunReporter, peak: float | None) -> Trainer:
        trainer = super()._trainer(reporter, peak)
        classes = len(self.run.config.extra["classifier"]["classes"])
        trainer.scorer, trainer.decided_by = lambda: DevScores(classes), metrics.MACRO_F1
        trainer.counts_tokens = True
        return trainer

    def _say_done(self) -> None:
        line, keeper, gold = self.console.line, self.keeper, self.progress.gold
        line()
        line("Training finished!", "strong")
        line(
            f"  Last checkpoint: {keeper.shown(bundle.Kind.LAST)}; light copy: {keeper.shown(bundle.Kind.FP16)}"
        )
        name = self.run.model_name
        if gold.gold_step is not None and keeper.folder(bundle.Kind.GOLD).is_dir():
            best = f", macro_f1={gold.score:.4f}" if gold.score is not None else ""
            line(
                f"  🏆 Best (GOLD) checkpoint: {keeper.shown(bundle.Kind.GOLD)} (step {gold.gold_step}{best})",
                "gold",
            )
            name = bundle.directory_name(name, bundle.Kind.GOLD)
        columns = self.run.config.extra["classifier"]["text_columns"]
        texts = " ".join('--text "…"' for _ in columns)
        line(printable(f"  Classify: mypt classify --model_name {shlex.quote(name)} {texts}"), "quiet")
