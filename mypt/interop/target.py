"""Where an import may go: a name that nothing has yet. No torch."""

from __future__ import annotations

from pathlib import Path

from mypt import bundle
from mypt.errors import Problem

#: How the tokenizer.json of a model whose own tokenizer nobody brought says what it is (see `numbers`).
TOKEN_NUMBERS = "token_numbers"


def why_no_target(workspace: Path, model_name: str) -> list[Problem]:
    """Why nothing can be imported as `model_name`; empty where it can."""
    if problems := bundle.check_model_name(model_name):
        return problems
    checkpoints = workspace / "checkpoints"
    remedy = "choose another name: an import replaces nothing"
    for kind in bundle.Kind:
        name = bundle.directory_name(model_name, kind)
        other = bundle.twin(checkpoints, name)
        if other or bundle.exists(checkpoints, name):
            message = f"checkpoints/{other or name} exists already"
            return [Problem(message, field="model_name", value=model_name, remedy=remedy)]
    return []
