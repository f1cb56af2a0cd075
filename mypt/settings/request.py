"""What somebody asks for, and how one value that comes of it is told: its source, and what it was preferred to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mypt.bundle import BundleInfo


class Mode(StrEnum):
    """What a run begins with."""

    NEW = "new"
    RESUME = "resume"
    FINE_TUNE = "fine-tune"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from, as people say it: "command line", "preset 150M", "checkpoint dante step 1000"."""

    kind: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.detail}".rstrip()


DEFAULT = Source("default")


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting as it will be used: its value, its source, and the explicit values that lost against it."""

    name: str
    value: Any
    source: Source
    ignored: tuple[tuple[Any, Source], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for. `given` holds settings by name, as text (flags, forms) or as values (Python)."""

    model_name: str = ""
    config_file: str | None = None
    init_from_model: str | None = None
    resume_from: str = "last"
    reset_optimizer: bool = False
    given: dict[str, Any] = field(default_factory=dict)
    given_by: str = "command line"
    classifier: bool = False
    """Whether a classifier is asked for, and no language model."""
    base: BundleInfo | None = None
    """What to fine-tune from where that is no checkpoint of ours: a foreign one, as its importer describes it."""


def as_text(value: Any) -> str:
    """A setting's value as a flag takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        simple = all(
            isinstance(v, str) and v == v.strip() and not set(v) & set(",={") for v in value.values()
        )
        return ",".join(f"{k}={v}" for k, v in value.items()) if value and simple else json.dumps(value)
    if hasattr(value, "model_dump_json"):
        return str(value.model_dump_json())
    return str(value)
