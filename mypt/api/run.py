"""`mypt train` as a function."""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mypt import bundle
from mypt.errors import UserError
from mypt.settings.resolve import Request, resolve
from mypt.training.stopping import StopFlag, deliver_again

if TYPE_CHECKING:
    from mypt.api.bundles import LoadedBundle

GIVEN_BY = "mypt.train()"
# What trains without a name, a preset or data is a first try, which shall not take a day.
_FIRST_PRESET = "tiny_char"


@dataclass(frozen=True, slots=True)
class TrainResult:
    """Where a training stands when it returns. Losses are None where none was measured yet."""

    model_name: str
    #: The folder of the last checkpoint; `_gold` and `_fp16` lie beside it.
    path: Path
    log_file: Path
    #: Updates done, of `max_iters`.
    step: int
    max_iters: int
    train_loss: float | None
    val_loss: float | None
    #: The update whose checkpoint is gold; None where there is none.
    gold_step: int | None

    @property
    def finished(self) -> bool:
        """Whether all updates are done; False after a stop that was asked for."""
        return self.step >= self.max_iters

    def load(self, kind: str = "last", device: str = "cpu") -> LoadedBundle:
        """The model: the "last" checkpoint, "gold" or "fp16". Raises `UserError` where that one was not saved."""
        from mypt.api.bundles import load_bundle

        folder = bundle.directory_name(self.path.name, bundle.Kind(kind))
        return load_bundle(self.path.with_name(folder), device=device)


def train(
    *,
    model_name: str = "",
    config_file: str | os.PathLike[str] | None = None,
    init_from_model: str | os.PathLike[str] | None = None,
    resume_from: str = "last",
    reset_optimizer: bool = False,
    workspace: str | os.PathLike[str] = ".",
    quiet: bool = False,
    **settings: Any,
) -> TrainResult:
    """Train as `mypt train` does with the same flags: `mypt.train(model_name="dante", input_file="input.txt")`.

    `settings` are those of the command line, as values (`max_iters=2000`, `eval_sets={"general": "data/general"}`);
    one that is None counts as not given. A model that exists goes on. `quiet` prints nothing; the run keeps its
    console output either way. Raises `UserError` for bad input, with everything that is wrong, after which nothing
    was written; `RunError` for what fails while running. Ctrl+C and SIGTERM save a checkpoint first and do then what
    they do to a program (KeyboardInterrupt, its end); a second one, a second later, does so at once.
    """
    root = Path(workspace)
    if not root.is_dir():
        raise UserError(f"workspace {root}: no such folder; make it first, or name another")
    given = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in settings.items()
        if value is not None
    }
    if not (model_name or config_file or init_from_model or given):
        config_file = _FIRST_PRESET
    request = Request(
        model_name=model_name,
        config_file=None if config_file is None else os.fspath(config_file),
        init_from_model=None if init_from_model is None else os.fspath(init_from_model),
        resume_from=resume_from,
        reset_optimizer=reset_optimizer,
        given=given,
        given_by=GIVEN_BY,
    )
    root = root.resolve()
    run = resolve(request, root)
    from mypt.training.run import train as train_to_the_end

    silence = contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext()
    stop = StopFlag(say=lambda text: None) if quiet else StopFlag()
    with silence:
        code = train_to_the_end(request, root, command=["mypt", "train", *run.argv()], stop=stop)
    deliver_again(code)
    return _result(run.model_name, root, run.settings.max_iters, run.log_path)


def _result(model_name: str, root: Path, max_iters: int, log_file: Path) -> TrainResult:
    path = root / "checkpoints" / model_name
    state = bundle.read_info(path).training_state
    progress, gold = state.get("progress"), state.get("gold")
    progress = progress if isinstance(progress, dict) else {}
    return TrainResult(
        model_name=model_name,
        path=path,
        log_file=log_file,
        step=state.get("step") or 0,
        max_iters=max_iters,
        train_loss=progress.get("train_loss"),
        val_loss=progress.get("val_loss"),
        gold_step=gold.get("gold_step") if isinstance(gold, dict) else None,
    )
