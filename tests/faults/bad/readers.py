"""Everybody who reads files, by name, with good files made by who writes them."""

from __future__ import annotations

from importlib import import_module

from tests.faults.bad import of_data, of_models, of_runs
from tests.faults.bad.judge import Reader

READERS: dict[str, Reader] = {**of_runs.READERS, **of_data.READERS, **of_models.READERS}
_SLOW_TO_IMPORT = (
    *(
        "mypt.api.bundles",
        "mypt.training.run",
        "mypt.training.session",
        "mypt.training.already",
        "mypt.interop.checkpoints",
    ),
    *(
        "mypt.classify.predict",
        "mypt.interop.importing",
        "mypt.cli.plot",
        "mypt.cli.compare",
        "safetensors.torch",
    ),
    *("tokenizers", "mypt.cli.export", "mypt.sampling.server", "mypt.cli.status", "mypt.cli.dry_run"),
)


def warm() -> None:
    """Import what takes seconds, once for all children."""
    for name in _SLOW_TO_IMPORT:
        import_module(name)
