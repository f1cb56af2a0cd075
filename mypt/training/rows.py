"""The files of a bundle written by several ranks at once, each its own rows: none ever has more than its part in memory.

Rank 0 writes what `torch.save` makes, with the room of the numbers left empty, and each rank fills in its rows where they
belong. torch.distributed.checkpoint has the ranks agree on it: it sees to it that every row is written, and once, and
that all hear of what fails on one of them. Files of its own it gets none: it would keep a pickle beside them that it
reads without `weights_only`, and here nothing has to be read back at all.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint import state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException as CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
)
from torch.distributed.checkpoint.planner import (
    SavePlan,
    SavePlanner,
    TensorWriteData,
    WriteItem,
    WriteItemType,
)
from torch.distributed.checkpoint.storage import StorageWriter, WriteResult
from torch.futures import Future
from torch.serialization import skip_data

from mypt.fsio import fsync_file
from mypt.training.checkpointing import Files, put_whole
from mypt.training.held import Part, leaves

# What follows of a zip archive's header of a file: the lengths of its name and of what stands between that and the data.
_HEADER = struct.Struct("<26xHH")
# Linux writes no more than this at once.
_MOST = 1 << 30


class Place(NamedTuple):
    """Where a tensor lies in a file of a bundle: from which byte on, as which type, and how many bytes a row of it has."""

    file: str
    offset: int
    dtype: torch.dtype
    row: int


def outline(files: Files, folder: Path) -> dict[str, Place]:
    """Write `files` into `folder` with the room of their numbers left empty; the place of each tensor by its name.

    Of tensors that are one and the same only the first has a name.
    """
    places: dict[str, Place] = {}
    for file, (content, dtype) in files.items():
        empty: dict[int, Tensor] = {}
        named: dict[str, Tensor] = {}
        for name, tensor in leaves(content, file):
            if id(tensor) not in empty:
                # Nothing is written to it, so it takes no memory.
                kept = dtype or tensor.dtype
                named[name] = empty[id(tensor)] = torch.empty(tensor.shape, dtype=kept)
        with skip_data():
            put_whole({file: (_with(content, empty), None)}, folder)
        offsets = _records(folder / file)
        if len(offsets) != len(named):
            raise RuntimeError(f"{file} has {len(offsets)} records for {len(named)} tensors")
        for (name, tensor), (offset, length) in zip(named.items(), offsets, strict=True):
            bytes_of_it = tensor.numel() * tensor.element_size()
            if length != bytes_of_it:
                raise RuntimeError(f"{file}: {name} has {length} bytes of room and takes {bytes_of_it}")
            rows = tensor.shape[0] if tensor.dim() else 1
            places[name] = Place(file, offset, tensor.dtype, bytes_of_it // max(rows, 1))
    return places


def fill(
    files: Files, folder: Path, places: Mapping[str, Place], group: dist.ProcessGroup, *, shared: bool
) -> None:
    """Write this rank's rows of `files` to their `places` in `folder`. All ranks of `group` call this at once.

    With `shared` others write to the same file from other machines. Raises `CheckpointException` on all of them for
    what failed on any.
    """
    mine = {
        name: tensor
        for file, (content, _) in files.items()
        for name, tensor in leaves(content, file)
        if name in places
    }
    writer = _Writer(folder, places, shared)
    state_dict_saver.save({}, storage_writer=writer, planner=_Planner(mine), process_group=group)


def what_failed(error: CheckpointException) -> tuple[int, BaseException]:
    """Of the ranks on which something failed the first, and what that was."""
    rank = min(error.failures)
    return rank, error.failures[rank][0]


def _with(content: Any, others: Mapping[int, Tensor]) -> Any:
    """`content` with the tensors of `others`, by the identity of those whose place they take."""
    if isinstance(content, Tensor | Part):
        return others[id(content)]
    if isinstance(content, dict):
        return {key: _with(value, others) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(_with(value, others) for value in content)
    return content


def _records(file: Path) -> list[tuple[int, int]]:
    """Offset and length of the numbers of each tensor in what `torch.save` wrote, in the order of the pickle."""
    found = {}
    with zipfile.ZipFile(file) as archive, file.open("rb") as raw:
        for record in archive.infolist():
            _, _, key = record.filename.rpartition("/data/")
            if key.isdecimal():
                raw.seek(record.header_offset)
                between = sum(_HEADER.unpack(raw.read(_HEADER.size)))
                found[int(key)] = record.header_offset + _HEADER.size + between, record.file_size
    return [found[key] for key in sorted(found)]


class _Planner(DefaultSavePlanner):
    """Offers this rank's rows of each tensor; what all ranks have whole is offered by rank 0."""

    def __init__(self, tensors: Mapping[str, Tensor | Part]) -> None:
        super().__init__(flatten_state_dict=False)
        self._tensors = tensors

    def create_local_plan(self) -> SavePlan:
        items = []
        for name, tensor in self._tensors.items():
            if not isinstance(tensor, Part):
                if not self.is_coordinator:
                    continue
                tensor = Part(tensor, 0, tensor.shape)
            own = tensor.own
            if not own.numel():
                continue
            begin = torch.Size([tensor.first, *[0] * (own.dim() - 1)] if own.dim() else [])
            data = TensorWriteData(
                ChunkStorageMetadata(begin, own.shape), TensorProperties(own.dtype), tensor.shape
            )
            items.append(WriteItem(MetadataIndex(name, begin), WriteItemType.SHARD, tensor_data=data))
        self.plan = SavePlan(items)
        return self.plan

    def resolve_data(self, write_item: WriteItem) -> Tensor:
        tensor = self._tensors[write_item.index.fqn]
        return (tensor.own if isinstance(tensor, Part) else tensor).detach()


class _Writer(StorageWriter):
    """Writes rows to where they belong."""

    def __init__(self, folder: Path, places: Mapping[str, Place], shared: bool) -> None:
        self._folder, self._places = folder, places
        # What one machine keeps of a page back could else be written over what another wrote beside it (NFS).
        self._flags = os.O_WRONLY | (os.O_DSYNC if shared else 0)

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        done = []
        with ExitStack() as stack:
            opened: dict[str, int] = {}
            for item in plan.items:
                place = self._places[item.index.fqn]
                if place.file not in opened:
                    fd = opened[place.file] = os.open(self._folder / place.file, self._flags)
                    stack.callback(os.close, fd)
                rows = planner.resolve_data(item)
                assert isinstance(rows, Tensor)
                begin = item.index.offset[0] if item.index.offset else 0
                length = _write_at(opened[place.file], place.offset + begin * place.row, rows, place.dtype)
                done.append(WriteResult(item.index, length, None))
            for fd in opened.values():
                fsync_file(fd)
        future: Future[list[WriteResult]] = Future()
        future.set_result(done)
        return future

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        pass

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        pass

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        # What is told to every rank need not hold what only the others have.
        return [replace(plan, planner_data=None) for plan in plans]

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        pass

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        return True


def _write_at(fd: int, offset: int, tensor: Tensor, dtype: torch.dtype) -> int:
    """Write the numbers of `tensor` as `dtype` from byte `offset` on; how many bytes these are."""
    numbers = tensor.to("cpu", dtype).contiguous().reshape(-1).view(torch.uint8)
    rest = memoryview(numbers.numpy().data)
    length = len(rest)
    while rest:
        written = os.pwrite(fd, rest[:_MOST], offset)
        offset, rest = offset + written, rest[written:]
    return length
