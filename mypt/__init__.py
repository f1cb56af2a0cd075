"""MyPT: train your own GPT. Importing it does not import torch; a name that needs torch brings it when first used."""

from __future__ import annotations

# Before the others, which take a moment.
import mypt.starting  # noqa: F401

# isort: split
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mypt.version import VERSION

if TYPE_CHECKING:
    from mypt.api.bundles import load_bundle, save_checkpoint_bundle
    from mypt.api.classifier import finetune_classifier, load_classifier
    from mypt.api.export import export
    from mypt.api.info import get_model_info
    from mypt.api.optimizer import configure_optimizer
    from mypt.api.run import train
    from mypt.data.loader import GPTDataLoader
    from mypt.interop import inspect_checkpoint, load_pretrained_checkpoint
    from mypt.model import GPT
    from mypt.settings.model_config import GPTConfig
    from mypt.training.fit import fit

__version__ = VERSION

_WHERE = {
    "GPT": "mypt.model",
    "GPTConfig": "mypt.settings.model_config",
    "GPTDataLoader": "mypt.data.loader",
    "configure_optimizer": "mypt.api.optimizer",
    "export": "mypt.api.export",
    "finetune_classifier": "mypt.api.classifier",
    "fit": "mypt.training.fit",
    "get_model_info": "mypt.api.info",
    "inspect_checkpoint": "mypt.interop",
    "load_bundle": "mypt.api.bundles",
    "load_classifier": "mypt.api.classifier",
    "load_pretrained_checkpoint": "mypt.interop",
    "save_checkpoint_bundle": "mypt.api.bundles",
    "train": "mypt.api.run",
}

__all__ = [
    "GPT",
    "GPTConfig",
    "GPTDataLoader",
    "__version__",
    "configure_optimizer",
    "export",
    "finetune_classifier",
    "fit",
    "get_model_info",
    "inspect_checkpoint",
    "load_bundle",
    "load_classifier",
    "load_pretrained_checkpoint",
    "save_checkpoint_bundle",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'mypt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
