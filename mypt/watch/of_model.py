"""Which run led to a checkpoint: of all runs of a workspace the one that trained a model."""

from __future__ import annotations

from collections.abc import Iterable

from mypt.text import printable
from mypt.watch.run import Run


class Runs:
    """The runs of a workspace (youngest first, as it gives them), to be asked for by model many times."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._by_name: dict[str, list[Run]] = {}
        self._by_log: dict[str, list[Run]] = {}
        for run in runs:
            self._by_name.setdefault(run.name, []).append(run)
            self._by_log.setdefault(run.log_path.name, []).append(run)

    def of(self, model_name: str) -> Run | None:
        """The run that trained this model: of several the one that goes on, else the youngest.

        A log of the model's own name says more about it than a run that was only called so.
        """
        own = self._by_log.get(f"{model_name}_eval.jsonl", [])
        there = [*own, *self._by_name.get(printable(model_name, newline=False), [])]
        return next((run for run in there if not run.state.is_over), there[0] if there else None)
