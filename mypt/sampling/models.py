"""The checkpoints that the process has in memory, each as it was on disk when it was read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mypt import prompts
from mypt.bundle import CONFIG, TOKENIZER, BundleInfo
from mypt.diff import results_of
from mypt.errors import UserError
from mypt.sampling.protocol import Loading, Ready
from mypt.tokenizers import from_dict

if TYPE_CHECKING:
    from mypt.api.bundles import LoadedBundle

#: As many as are looked at side by side.
MOST = 2
# A trainer may put the next one in place while a bundle is read; after so many times it is taken as it is.
_ATTEMPTS = 3
# Left free on a GPU beside the weights: the library's own and room for the context.
_SPARE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checkpoint in memory, and what was asked for."""

    bundle: LoadedBundle
    device: str

    def ready(self, name: str) -> Ready:
        """What there is to say of it, under the name that it was asked for by."""
        bundle, info = self.bundle, self.bundle.info
        return Ready(
            model=name,
            device=str(bundle.model.device),
            parameters=bundle.model.num_parameters(),
            context=bundle.config.block_size,
            tokenizer=bundle.tokenizer.describe(),
            step=info.step,
            modified=info.modified,
            val_loss=_val_loss(info),
            answers=prompts.is_chat_model(info.config, bundle.tokenizer),
        )


class Models:
    """At most `MOST` checkpoints by the name under which they were asked for; the one unused for longest yields."""

    def __init__(self, workspace: Path, say: Callable[[Loading | Ready], object]) -> None:
        self._workspace = workspace
        self._say = say
        self._loaded: dict[str, Loaded] = {}

    def get(self, name: str) -> Loaded:
        """The checkpoint as it is in memory, and only where it is not, from disk. Raises what `load` does."""
        found = self._loaded.pop(name, None)
        if found is None:
            return self.load(name, "auto")
        self._loaded[name] = found
        return found

    def load(self, name: str, device: str) -> Loaded:
        """The checkpoint as it is on disk now, on `device`, from memory where it is the same one; says that it is ready.

        Raises `UserError` for what is no whole bundle or speaks a vocabulary that is not here, `RunError` where
        memory does not hold it.
        """
        from mypt.api.info import find

        info = find(name, self._workspace)
        before = self._loaded.pop(name, None)
        if before is not None and before.device == device and _same(before.bundle.info, info):
            return self._keep(name, before)
        # Before the next one is read, so that memory need not hold both.
        del before
        while len(self._loaded) >= MOST:
            del self._loaded[next(iter(self._loaded))]
        for _ in range(_ATTEMPTS):
            found = self._read(name, info, device)
            now = find(name, self._workspace)
            if _same(info, now):
                break
            info = now
        return self._keep(name, found)

    def drop(self, name: str) -> None:
        """Give back the memory of a checkpoint, once nobody writes with it any more."""
        self._loaded.pop(name, None)

    def _keep(self, name: str, found: Loaded) -> Loaded:
        self._loaded[name] = found
        self._say(found.ready(name))
        return found

    def _read(self, name: str, info: BundleInfo, device: str) -> Loaded:
        parameters = _parameters(info)
        self._say(Loading(model=name, parameters=parameters))
        tokenizer = from_dict(info.tokenizer, where=f"{info.name}/{TOKENIZER}")
        tokenizer.check_ready()
        from mypt.api.bundles import open_bundle

        return Loaded(open_bundle(info, tokenizer, _place(device, parameters or 0)), device)


def _same(one: BundleInfo, other: BundleInfo) -> bool:
    return (one.path, one.files, one.modified) == (other.path, other.files, other.modified)


def _val_loss(info: BundleInfo) -> float | None:
    told = results_of(info)
    values = (told.get(name) for name in ("val_loss", "gold_loss"))
    numbers = (
        v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
    )
    return next(map(float, numbers), None)


def _parameters(info: BundleInfo) -> int | None:
    from mypt.estimate import parameters
    from mypt.settings.model_config import GPTConfig

    try:
        return parameters(GPTConfig.from_dict(info.config, where=f"{info.name}/{CONFIG}"))
    except UserError:
        return None


def _place(asked: str, parameters: int) -> str:
    """The device for weights of that number. One that is found and not asked for must have room to spare."""
    import torch

    from mypt.training.numerics import pick_device

    found = pick_device(asked)
    if asked == "auto" and found.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info()
        if free < 2 * 4 * parameters + _SPARE:
            return "cpu"
    return found
