"""The three bundles of a run: last, gold and the light copy, each with all that resuming needs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch

from mypt import bundle
from mypt.bundle import BundleInfo
from mypt.errors import RunError
from mypt.events import LogWriter
from mypt.fsio import finite
from mypt.settings.fields import ACCEPTED_WITH_NOTE
from mypt.settings.origins import origins
from mypt.settings.resolve import DEFAULT, warmup_steps
from mypt.training import checkpointing
from mypt.training.build import Built
from mypt.training.held import Held
from mypt.training.progress import Progress
from mypt.training.saving import Saver

# What was true of the files that were saved with it, and may not be of those that are saved now.
_OF_ITS_TIME = ("optimizer_file", "checkpoint_dtype", "grad_scaler")


@dataclass
class BundleKeeper:
    """Saves the bundles of the run that was `built`, after the lines of `log` that led to them."""

    built: Built
    #: Whether bundles may lie outside of a workspace, in folders that are made for them.
    anywhere: ClassVar[bool] = False
    log: LogWriter | None = None
    #: Raises where the bundles are not this run's to write any more.
    check_ours: Callable[[], None] | None = None
    took_s: float = field(init=False, default=0.0)
    _start: int = field(init=False)
    _saver: Saver = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.built.progress.iter
        self._saver = Saver(self.built.engine)

    @property
    def behind(self) -> bool:
        """Whether the training goes on while a checkpoint is written."""
        return self._saver.behind

    def tell(self, say: Callable[[str], None]) -> None:
        """Have `say` told where checkpoints are not saved as was wanted."""
        self._saver.say = say

    @property
    def target(self) -> Path:
        """The folder of the last checkpoint."""
        return self.folder(bundle.Kind.LAST)

    def folder(self, kind: bundle.Kind) -> Path:
        """Where the bundle of this kind lies."""
        run = self.built.run
        return run.workspace / "checkpoints" / bundle.directory_name(run.model_name, kind)

    def shown(self, kind: bundle.Kind) -> str:
        """`folder` as people are told of it."""
        return f"checkpoints/{self.folder(kind).name}"

    def kept(self) -> str:
        """What is there to go on from when a run fails, in words."""
        if self.target.is_dir():
            step = bundle.read_info(self.target).step
            of = "" if step is None else f" of step {step}"
            return f"the last good checkpoint is {self.shown(bundle.Kind.LAST)}{of}"
        return "no checkpoint had been saved yet"

    def further_back(self) -> str:
        """How to go on from an earlier state than the last one, which may be near its ruin; empty where there is none."""
        steps = [bundle.read_info(self.folder(kind)).step for kind in (bundle.Kind.GOLD, bundle.Kind.LAST)]
        if None in steps or steps[0] >= steps[1]:  # type: ignore[operator]
            return ""
        return f"; --resume_from gold goes on from step {steps[0]}"

    def last(self, progress: Progress) -> None:
        """Save the checkpoint that resuming begins from."""
        self._save(bundle.Kind.LAST, progress)

    def gold(self, progress: Progress, then: Callable[[], None] = lambda: None) -> None:
        """Save the checkpoint of the best evaluation so far, and do what comes `then` once it is whole."""
        self._save(bundle.Kind.GOLD, progress, then)

    def fp16(self, progress: Progress) -> None:
        """Save the light copy for deployment, after all that is still being saved."""
        self._save(bundle.Kind.FP16, progress)

    def check(self) -> None:
        """Raises what went wrong with a checkpoint while training went on."""
        self._saver.check()

    def settle(self) -> None:
        """Let what is still being saved come to its end, whatever that is."""
        with contextlib.suppress(Exception):
            self._saver.wait()

    def abandon(self) -> None:
        """Wait for nothing any longer: what is only half saved is removed."""
        self._saver.abandon()
        folder = self.target
        with contextlib.suppress(OSError):
            bundle.repair(folder.parent, folder.name)

    def _save(self, kind: bundle.Kind, progress: Progress, then: Callable[[], None] = lambda: None) -> None:
        # As it is now: by the time it is written, the run may be further.
        write = partial(self._write, kind, finite(self._state(progress)), then)
        self._saver.save(progress.iter, write, light=kind is bundle.Kind.FP16)

    def _write(self, kind: bundle.Kind, state: dict[str, Any], then: Callable[[], None], held: Held) -> None:
        engine = self.built.engine
        with engine.layout.leading():
            if kind is bundle.Kind.LAST and self.log is not None:
                self.log.sync()
            self._check_workspace(kind)
            self._check_ours()
            began = time.monotonic()
            try:
                checkpointing.save(
                    self.folder(kind),
                    engine.model,
                    self.built.data.tokenizer.to_dict(),
                    state,
                    device=engine.numerics.device,
                    optimizer=held.moments,
                    dtype=torch.float16 if kind is bundle.Kind.FP16 else torch.float32,
                    parents=self.anywhere,
                    weights=held.weights,
                    put=engine.layout.put,
                    check=self._check_ours,
                )
            except RunError:
                self._check_workspace(kind)
                raise
            if kind is bundle.Kind.LAST:
                self.took_s = time.monotonic() - began
        then()

    def _check_ours(self) -> None:
        """Raises where the bundles are not this run's to write any more, or nobody wants them."""
        if self._saver.abandoned:
            raise RunError("the run ended before its checkpoint was saved")
        if self.check_ours is not None:
            self.check_ours()

    def _check_workspace(self, kind: bundle.Kind) -> None:
        """Raises `RunError` where the workspace is not where it was: made again, it would be another one."""
        root = self.built.run.workspace
        if not (self.anywhere or root.is_dir()):
            raise RunError(
                f"{self.shown(kind)}: the workspace {root} is gone (renamed, moved, unmounted?), and what was saved "
                "before with it; bring it back, or run the same command again where it is now"
            )

    def _state(self, progress: Progress) -> dict[str, Any]:
        run, engine = self.built.run, self.built.engine
        state: dict[str, Any] = {
            **progress.to_state(),
            "training_config": {
                **run.settings.model_dump(mode="json"),
                "vocab_size": engine.model.config.vocab_size,
                "warmup_iters": warmup_steps(run.settings),
                "start_step": self._start,
                "config_file": self.built.config_file,
            },
            "sources": origins(run),
            "model_dtype_at_save": "float32",
            "numerics": engine.numerics.to_json(),
            "processes": engine.ranks.world,
            "data_fingerprint": self.built.data.fingerprint,
            "eval_set_fingerprints": self.built.data.eval_fingerprints,
            "versions": checkpointing.versions(),
        }
        if engine.scaler is not None:
            state["grad_scaler"] = engine.scaler.state_dict()
        if run.values["log_file"].source == DEFAULT:
            # The log goes by the model's name, also when a bundle is copied to go on under another one.
            state["training_config"]["log_file"] = None
        if run.base is not None:
            state["base"] = {"name": run.base.name, "step": self.built.base_step}
        if run.checkpoint is not None:
            _keep_unknown(state, run.checkpoint)
        return state


def _keep_unknown(state: dict[str, Any], before: BundleInfo) -> None:
    """Add to `state` what the checkpoint that the run resumed has beyond our own fields, and its lineage."""
    config = state["training_config"]
    for name, value in before.training_config.items():
        if name not in ACCEPTED_WITH_NOTE:
            config.setdefault(name, value)
    for name, value in before.training_state.items():
        if name not in _OF_ITS_TIME:
            state.setdefault(name, value)
