"""A checkpoint of another program as the base of a classifier, imported on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mypt import bundle
from mypt.bundle import BundleInfo, Kind
from mypt.classify.request import ClassifierRequest
from mypt.errors import Problem, UserError
from mypt.interop.checkpoints import recognise
from mypt.interop.formats import Asked
from mypt.memory import telling
from mypt.settings.paths import in_workspace
from mypt.text import size


def with_pretrained(
    request: ClassifierRequest, path: str, tokenizer: str | None, n_head: int | None, workspace: Path
) -> tuple[ClassifierRequest, dict[str, Any] | None]:
    """The request with the checkpoint at `path` for its base, and that one's weights by our names.

    Where the classifier exists already and is gone on with, nothing is read (None). `tokenizer` and `n_head` are what
    `mypt import` takes. Raises `UserError` for what cannot be read or does not belong together, and where nobody knows
    the tokenizer; `RunError` where memory does not hold the weights.
    """
    if request.init_from_model is not None:
        message = "was given together with init_from_model"
        raise UserError(
            Problem(message, field="pretrained_ckpt_path", value=path, remedy="name one of the two")
        )
    if request.model_name and bundle.exists(workspace / "checkpoints", request.model_name):
        return replace(request, init_from_model=path), None
    file = workspace / path
    named = None if tokenizer is None else _file(tokenizer, workspace)
    seen = recognise(file, Asked(n_head=n_head), named)
    if not seen.chosen.known:
        raise UserError(
            Problem(
                "does not say which tokenizer it was trained with",
                field="pretrained_ckpt_path",
                value=path,
                remedy="name its tokenizer.json with --tokenizer_name",
            )
        )
    needed = f"the weights of {file.name} take {size(4 * seen.info['parameters'])}"
    with telling(f"out of memory: {needed}. Close other programs, or take a smaller model"):
        model = seen.load()
    step = seen.info.get("step")
    base = BundleInfo(
        path=file,
        model_name=file.name,
        kind=Kind.LAST,
        config=model.config.to_dict(),
        training_state={"step": step} if isinstance(step, int) else {},
        tokenizer=seen.chosen.tokenizer.to_dict(),
    )
    return replace(request, base=base), model.state_dict()


def _file(name: str, workspace: Path) -> str:
    inside = workspace / name
    return str(inside) if inside.is_file() else in_workspace(name, workspace)
