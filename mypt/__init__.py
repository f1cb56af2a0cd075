"""MyPT: train your own GPT. Importing it does not import torch; a name that needs torch brings it when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mypt.api import get_model_info
    from mypt.model import GPT
    from mypt.settings.model_config import GPTConfig

_WHERE = {
    "GPT": "mypt.model",
    "GPTConfig": "mypt.settings.model_config",
    "get_model_info": "mypt.api",
}

__all__ = ["GPT", "GPTConfig", "__version__", "get_model_info"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'mypt' has no attribute {name!r}")
