"""`mypt finetune-classifier` from a request to an exit status: the training of `mypt train`, on texts and classes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mypt.classify.plan import Plan, plan
from mypt.classify.request import COMMAND, ClassifierRequest
from mypt.data.source import RunData
from mypt.settings.resolve import Mode, Resolved, warmup_steps
from mypt.text import count, printable, whole
from mypt.training.console import Console
from mypt.training.run import carry_out
from mypt.training.stopping import StopFlag

if TYPE_CHECKING:
    from mypt.training.build import Built
    from mypt.training.session import Session


def finetune(
    request: ClassifierRequest,
    workspace: Path,
    *,
    command: Sequence[str] = (),
    weights: dict[str, Any] | None = None,
    stop: StopFlag | None = None,
    own_process: bool = False,
) -> int:
    """Train a classifier as `request` asks, or go on with one. Returns the exit status; raises `MyptError`.

    `weights` are those of the request's foreign base; `stop` and `own_process` are as for `mypt.training.run.train`.
    """
    job = _Classifying(request, workspace, weights)
    return carry_out(job, workspace, command=command, stop=stop, own_process=own_process)


@dataclass
class _Classifying:
    """What `mypt finetune-classifier` does."""

    request: ClassifierRequest
    workspace: Path
    weights: dict[str, Any] | None = None
    shares: bool = False
    _plan: Plan | None = None

    def check(self) -> tuple[Resolved, RunData]:
        self._plan = plan(self.request, self.workspace)
        return self._plan.run, self._plan.data

    @property
    def planned(self) -> Plan:
        assert self._plan is not None
        return self._plan

    def build(self, run: Resolved, data: RunData, console: Console) -> Built:
        from mypt.classify.training import build_classifier

        return build_classifier(self.planned, console, self.weights)

    def banner(self, run: Resolved, data: RunData, made: Built, console: Console) -> None:
        s, spec, given = run.settings, self.planned.spec, self.planned.given
        for notice in [*run.notices, *data.notices, *made.notices]:
            console.line(f"Note: {notice}", "strong")
        if run.base is not None:
            console.line(printable(f"Classifier on the base model {run.base.name}"))
        parameters = count(made.model.num_parameters(), 4)
        console.line(f"Model {run.model_name}: {parameters} parameters on {made.engine.numerics}")
        classes = ", ".join(spec.classes[:10]) + (" …" if len(spec.classes) > 10 else "")
        console.line(printable(f"{len(spec.classes)} classes in {spec.label}: {classes}"))
        phase = data.phases[0]
        for shown, split in ((given.data, phase.train), (given.eval_data, phase.val)):
            texts = f"{whole(split.windows(0))} texts, {count(split.tokens)} tokens"
            console.line(printable(f"Data {shown}: {texts} ({data.tokenizer.describe()})"))
        if run.mode is Mode.RESUME:
            console.line(f"Resuming checkpoints/{run.model_name} from step {made.progress.iter}", "strong")
        console.line(
            f"Training from step {whole(made.progress.iter)} to {whole(s.max_iters)} ({run.values['max_iters'].source}), "
            f"{s.batch_size * s.grad_accum_steps} texts a step, warm-up {warmup_steps(s)} steps, evaluation every "
            f"{s.eval_interval}"
        )
        console.line(f"Training log: {s.log_file}")

    def session(self, made: Built, console: Console, stop: StopFlag, run_id: str) -> Session:
        from mypt.classify.training import ClassifierKeeper, ClassifierSession

        return ClassifierSession(
            made, console, stop, run_id, ClassifierKeeper(made, given=self.planned.given)
        )

    def going_on(self, made: Built) -> str:
        epochs = self.planned.given.num_epochs + 1
        return f"{COMMAND} --model_name {shlex.quote(made.run.model_name)} --num_epochs {epochs}"
