"""`mypt finetune-classifier` and `mypt classify` as functions."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mypt import bundle
from mypt.api.info import find
from mypt.errors import UserError
from mypt.training.stopping import StopFlag, deliver_again

if TYPE_CHECKING:
    from mypt.classify.predict import LoadedClassifier

GIVEN_BY = "mypt.finetune_classifier()"


@dataclass(frozen=True, slots=True)
class ClassifierResult:
    """Where the training of a classifier stands when it returns. Numbers are None where nothing was measured yet."""

    model_name: str
    #: The folder of the last checkpoint; `_gold` and `_fp16` lie beside it.
    path: Path
    #: Updates done, of `max_iters`.
    step: int
    max_iters: int
    #: The last loss on the evaluation data.
    val_loss: float | None
    #: The update whose checkpoint is gold, and its macro-F1.
    gold_step: int | None
    macro_f1: float | None

    @property
    def finished(self) -> bool:
        """Whether all updates are done; False after a stop that was asked for."""
        return self.step >= self.max_iters

    def load(self, kind: str = "gold", device: str = "cpu") -> LoadedClassifier:
        """The classifier: the "gold" checkpoint, "last" or "fp16". Raises `UserError` where that one was not saved."""
        folder = bundle.directory_name(self.path.name, bundle.Kind(kind))
        return load_classifier(self.path.with_name(folder), device=device)


def finetune_classifier(
    model_name: str,
    *,
    init_from_model: str | os.PathLike[str] | None = None,
    pretrained_ckpt_path: str | os.PathLike[str] | None = None,
    tokenizer_name: str | os.PathLike[str] | None = None,
    n_head: int | None = None,
    data: str | os.PathLike[str] | None = None,
    eval_data: str | os.PathLike[str] | None = None,
    text: str | Sequence[str] | None = None,
    label: str | None = None,
    num_epochs: int | None = None,
    workspace: str | os.PathLike[str] = ".",
    quiet: bool = False,
    **settings: Any,
) -> ClassifierResult:
    """Train a text classifier as `mypt finetune-classifier` does with the same flags, or go on with one.

    `text` names one column or two of the JSONL or CSV files `data` and `eval_data`, `label` that of the class.
    `settings` are those of the command line, as values (`learning_rate=1e-4`, `batch_size=32`); one that is None counts
    as not given. Raises `UserError` for bad input, with everything that is wrong, after which nothing was written;
    `RunError` for what fails while running. Ctrl+C and SIGTERM save a checkpoint first and do then what they do to a
    program.
    """
    from mypt.classify.request import ClassifierRequest
    from mypt.classify.run import finetune

    root = Path(workspace)
    if not root.is_dir():
        raise UserError(f"workspace {root}: no such folder; make it first, or name another")
    root = root.resolve()
    request = ClassifierRequest(
        model_name=model_name,
        init_from_model=_path(init_from_model),
        data=_path(data),
        eval_data=_path(eval_data),
        text=None if text is None else (text,) if isinstance(text, str) else tuple(text),
        label=label,
        num_epochs=num_epochs,
        given={name: value for name, value in settings.items() if value is not None},
        given_by=GIVEN_BY,
    )
    weights = None
    silence = contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext()
    stop = StopFlag(say=lambda text: None) if quiet else StopFlag()
    with silence:
        if pretrained_ckpt_path is not None:
            from mypt.classify.pretrained import with_pretrained

            request, weights = with_pretrained(
                request, os.fspath(pretrained_ckpt_path), _path(tokenizer_name), n_head, root
            )
        code = finetune(request, root, command=["mypt", "finetune-classifier"], weights=weights, stop=stop)
    deliver_again(code)
    return _result(model_name, root)


def load_classifier(
    name: str | os.PathLike[str], workspace: str | os.PathLike[str] = ".", device: str = "cpu"
) -> LoadedClassifier:
    """The classifier `name` (a model's name, one with `_gold` or `_fp16`, or a path) with its model on `device`.

    Its `classify(texts)` gives a `Prediction` for each text, with `label`, `probability` and `probabilities`. Raises
    `UserError` for what is no whole bundle of a classifier; `RunError` where memory does not hold it.
    """
    from mypt.classify.predict import open_classifier

    return open_classifier(find(name, workspace), device)


def _path(value: str | os.PathLike[str] | None) -> str | None:
    return None if value is None else os.fspath(value)


def _result(model_name: str, root: Path) -> ClassifierResult:
    info = bundle.read_info(root / "checkpoints" / model_name)
    progress, gold = info.training_state.get("progress"), info.training_state.get("gold")
    progress, gold = (value if isinstance(value, dict) else {} for value in (progress, gold))
    return ClassifierResult(
        model_name=model_name,
        path=info.path,
        step=info.step or 0,
        max_iters=info.training_config.get("max_iters", 0),
        val_loss=progress.get("val_loss"),
        gold_step=gold.get("gold_step"),
        macro_f1=gold.get("score"),
    )
