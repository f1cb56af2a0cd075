"""What bundles and the files in them are called."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

from mypt.errors import Problem
from mypt.names import why_no_name

CONFIG = "config.json"
STATE = "training_state.json"
TOKENIZER = "tokenizer.json"
MODEL = "model.pt"
OPTIMIZER = "optimizer.pt"
MANIFEST = "manifest.json"
DOCUMENTS = (CONFIG, STATE, TOKENIZER)
#: What is another at each save of a run.
CHANGING = (MODEL, OPTIMIZER, STATE)
OURS = frozenset((*DOCUMENTS, MODEL, OPTIMIZER, MANIFEST))


class Kind(StrEnum):
    """Which of a model's bundles a folder is."""

    LAST = "last"
    GOLD = "gold"
    FP16 = "fp16"


SUFFIXES = {Kind.GOLD: "_gold", Kind.FP16: "_fp16"}


def directory_name(model_name: str, kind: Kind = Kind.LAST) -> str:
    """The folder's name below `checkpoints/` for a model's bundle of this kind."""
    return model_name + SUFFIXES.get(kind, "")


def split_name(name: str) -> tuple[str, Kind]:
    """A folder's name as (model name, kind)."""
    for kind, suffix in SUFFIXES.items():
        if name.endswith(suffix) and len(name) > len(suffix):
            return name.removesuffix(suffix), kind
    return name, Kind.LAST


def check_model_name(name: str) -> list[Problem]:
    """What is wrong with `name` as the name of a model that is to be trained; empty when nothing is."""

    def refuse(message: str, remedy: str = "choose a plain name such as dante_150M") -> list[Problem]:
        return [Problem(message, field="model_name", value=name, remedy=remedy)]

    if not name:
        return refuse("a model needs a name")
    if why := why_no_name(name):
        return refuse(why.replace("its folder", "checkpoints/"))
    for suffix in SUFFIXES.values():
        # Where a file system does not tell capitals apart, x_GOLD is x_gold.
        if name.casefold().endswith(suffix):
            return refuse(f"names ending in {suffix} are kept for MyPT's own copies", "leave the ending away")
    return []


def is_path(name: str) -> bool:
    """Whether a checkpoint is named by its path: by more than a mere name, and be it only `./`."""
    here = tuple(f".{separator}" for separator in (os.sep, os.altsep) if separator)
    return len(Path(name).parts) != 1 or name.startswith(here)


def twin(checkpoints: Path, model_name: str) -> str | None:
    """The name of another bundle that this file system takes for `model_name`; None where there is none.

    Some do not tell capitals apart, some not the two ways to write an accented letter.
    """
    wanted = checkpoints / model_name
    try:
        names = [entry.name for entry in os.scandir(checkpoints)]
        if model_name in names or not wanted.exists():
            return None
        return next((name for name in names if wanted.samefile(checkpoints / name)), None)
    except OSError:
        return None
