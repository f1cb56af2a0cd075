"""The processes that train one model together, and the little that they have to agree upon.

Every rank makes the same decisions from the same numbers: each update's sequences are shared out, gradients are added
up over all (by torch's DistributedDataParallel where each holds the whole model, else as `layout` has it), and losses
are sums over all ranks. What is not the
same everywhere (a signal that one rank hears, a sample that rank 0 draws) is agreed upon here.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from mypt.errors import RunError
from mypt.launch.place import Place

PATIENCE = timedelta(hours=2)
"""How long a rank is waited for: rank 0 may write a large checkpoint to a slow disk meanwhile."""
_ENDED = "ended/"
# A rank that fails says so before it goes, and its connections close a moment later or sooner.
_LAST_WORD_S = 1.0


class Ranks:
    """A process by itself: what there is to agree upon it decides alone."""

    rank = 0
    world = 1
    here = 1
    """How many of them this machine has: all, where nobody says."""

    def share(self, sequences: int) -> slice:
        """This rank's part of so many sequences: whole micro-batches where these divide evenly."""
        return slice(sequences * self.rank // self.world, sequences * (self.rank + 1) // self.world)

    def sum(self, *values: float) -> list[float]:
        """Each of `values` added up over all ranks, the same on every one."""
        return list(values)

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set on any rank."""
        return flag

    def each(self, value: float) -> list[float]:
        """The `value` of every rank, in their order."""
        return self.sum(*(value if rank == self.rank else 0.0 for rank in range(self.world)))

    def first(self, word: str) -> str:
        """The `word` of the lowest rank that has one."""
        return word

    def told(self, value: Any = None) -> Any:
        """What rank 0 calls this with."""
        return value

    def wrap(self, model: nn.Module) -> nn.Module:
        """`model`, whose gradients are added up over the ranks."""
        return model

    def unsynced(self, *, last: bool) -> AbstractContextManager[Any]:
        """The context of a micro-batch: gradients wait for the `last` one before they are added up."""
        return contextlib.nullcontext()

    def telling_loss(self) -> AbstractContextManager[Any]:
        """Turn the loss of another rank, within the block, into a `RunError` that says who it was and why."""
        return contextlib.nullcontext()


ALONE = Ranks()


class Joined(Ranks):
    """One of several."""

    def __init__(self, place: Place, group: dist.ProcessGroup, store: Any) -> None:
        self.place, self._store = place, store
        self.rank, self.world = place.rank, place.world
        told = os.environ.get("LOCAL_WORLD_SIZE", "")
        self.here = int(told) if told.isdecimal() else place.world
        # Small talk goes between the processors: a GPU would have to be waited for.
        self._group = group
        self._wrapped: DistributedDataParallel | None = None

    def sum(self, *values: float) -> list[float]:
        """Each of `values` added up over all ranks, the same on every one."""
        numbers = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(numbers, group=self._group)
        return list(numbers.tolist())

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set on any rank."""
        return self.sum(float(flag))[0] > 0

    def first(self, word: str) -> str:
        """The `word` of the lowest rank that has one."""
        words: list[Any] = [None] * self.world
        dist.all_gather_object(words, word, group=self._group)
        return next((each for each in words if each), "")

    def told(self, value: Any = None) -> Any:
        """What rank 0 calls this with."""
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._group)
        return box[0]

    def wrap(self, model: nn.Module) -> nn.Module:
        """`model`, whose gradients are added up over the ranks while they are computed."""
        device = next(model.parameters()).device
        with warnings.catch_warnings():
            # Later versions have another name for `broadcast_buffers`, which earlier ones do not know.
            warnings.simplefilter("ignore", FutureWarning)
            self._wrapped = DistributedDataParallel(
                model,
                device_ids=[device] if device.type == "cuda" else None,
                broadcast_buffers=False,
                gradient_as_bucket_view=True,
            )
        return self._wrapped

    def unsynced(self, *, last: bool) -> AbstractContextManager[Any]:
        """The context of a micro-batch: gradients wait for the `last` one before they are added up."""
        return contextlib.nullcontext() if last or self._wrapped is None else self._wrapped.no_sync()

    @contextlib.contextmanager
    def telling_loss(self) -> Iterator[None]:
        """Turn the loss of another rank, within the block, into a `RunError` that says who it was and why."""
        try:
            yield
        except BaseException as error:
            if is_loss(error):
                raise RunError(self._who() or "another rank is gone without a word (killed?)") from error
            # Those who wait for this rank would else only learn that it is gone.
            with contextlib.suppress(Exception):
                self._store.set(f"{_ENDED}{self.rank}", f"{type(error).__name__}: {_first_line(error)}")
            raise

    def _who(self) -> str:
        """What a rank that ended said about it; empty where none did within a moment."""
        keys = {rank: f"{_ENDED}{rank}" for rank in range(self.world) if rank != self.rank}
        deadline = time.monotonic() + _LAST_WORD_S
        with contextlib.suppress(Exception):
            while time.monotonic() < deadline:
                for rank, key in keys.items():
                    if self._store.check([key]):
                        return f"rank {rank} ended: {self._store.get(key).decode(errors='replace')}"
                time.sleep(0.05)
        return ""


@contextlib.contextmanager
def join(place: Place) -> Iterator[Ranks]:
    """Meet the other ranks; `ALONE` where there are none. They part when the block is left.

    Raises `RunError` where they cannot be met, and where one of them is lost on the way.
    """
    if place.alone:
        yield ALONE
        return
    os.environ.setdefault("MASTER_ADDR", place.address)
    os.environ.setdefault("MASTER_PORT", str(place.port))
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(place.local_rank % torch.cuda.device_count())
    try:
        shared, _, _ = next(rendezvous("env://", place.rank, place.world, timeout=PATIENCE))
        # A restarted agent keeps what the ranks before told in this store: where they listened, and why they ended.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = PrefixStore(f"mypt/{attempt}", shared)
        backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
        dist.init_process_group(
            backend, store=store, rank=place.rank, world_size=place.world, timeout=PATIENCE
        )
        group = dist.new_group(backend="gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError, OSError) as error:
        raise RunError(
            f"rank {place.rank} of {place.world} does not find the others: {_first_line(error)}"
        ) from error
    ranks = Joined(place, group, store)
    try:
        with ranks.telling_loss():
            yield ranks
    finally:
        with contextlib.suppress(Exception):
            dist.destroy_process_group()


def is_loss(error: BaseException) -> bool:
    """Whether `error` says that another rank could not be reached."""
    text = str(error)
    named = type(error).__name__ in ("DistNetworkError", "DistBackendError", "DistStoreError")
    return named or (isinstance(error, RuntimeError) and any(word in text for word in _SAID_OF_LOSS))


_SAID_OF_LOSS = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo", "NCCL")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
