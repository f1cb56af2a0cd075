"""Files that several ranks write at once: what `torch.load` reads is what each of them had."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from mypt.training.checkpointing import Files, files_of, put_whole
from mypt.training.held import Part, leaves
from mypt.training.rows import _Planner, _Writer, outline

# Fewer rows than ranks, none at all, rows that do not divide evenly, one number.
SHAPES = {"a": (7, 3), "b": (2, 4), "c": (0, 4), "d": (5,), "e": (1, 2, 3)}


def whole() -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights with one matrix under two names, and an optimizer's state."""
    generator = torch.Generator().manual_seed(1)
    weights: dict[str, Any] = {n: torch.randn(shape, generator=generator) for n, shape in SHAPES.items()}
    weights["tied"] = weights["a"]
    state = {
        number: {"step": torch.tensor(3.0), "exp_avg": weights[name] * 2} for number, name in enumerate("ade")
    }
    return weights, {"state": state, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.95), "params": [0, 1, 2]}]}


def of_rank(content: Any, rank: int, world: int, made: dict[int, Part]) -> Any:
    """What one of several ranks has of it."""
    if isinstance(content, torch.Tensor) and content.dim():
        rows = -(-content.shape[0] // world)
        first = min(rank * rows, content.shape[0])
        return made.setdefault(id(content), Part(content[first : first + rows], first, content.shape))
    if isinstance(content, dict):
        return {key: of_rank(value, rank, world, made) for key, value in content.items()}
    return content


def write(folder: Path, world: int, dtype: torch.dtype) -> None:
    """What the ranks do one after the other."""
    weights, moments = whole()
    places: dict[str, Any] = {}
    for rank in range(world):
        made: dict[int, Part] = {}
        own = [of_rank(each, rank, world, made) for each in (weights, moments)]
        files: Files = files_of(own[0], own[1], dtype)
        if rank == 0:
            places = outline(files, folder)
        mine = {n: t for file, (content, _) in files.items() for n, t in leaves(content, file) if n in places}
        planner = _Planner(mine)
        planner.set_up_planner({}, None, rank == 0)
        _Writer(folder, places, shared=rank > 0).write_data(planner.create_local_plan(), planner)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("world", [1, 3])
def test_it_is_the_file_that_one_process_writes(tmp_path: Path, world: int, dtype: torch.dtype) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    for folder in (alone, together):
        folder.mkdir()
    put_whole(files_of(*whole(), dtype), alone)
    write(together, world, dtype)
    for name in ("model.pt", "optimizer.pt"):
        one, other = (torch.load(folder / name, weights_only=True) for folder in (alone, together))
        expected, found = (
            {n: t for n, t in leaves(each, "") if isinstance(t, torch.Tensor)} for each in (one, other)
        )
        assert found.keys() == expected.keys() and len(found) >= 6
        for place, tensor in expected.items():
            assert torch.equal(tensor, found[place]) and tensor.dtype == found[place].dtype, place
        if name == "model.pt":
            assert {k: v for k, v in one.items() if k != "state_dict"} == {
                k: v for k, v in other.items() if k != "state_dict"
            }
            tied = [other["state_dict"][n].data_ptr() for n in ("a", "tied")]
            assert tied[0] == tied[1]
        else:
            assert other["param_groups"] == one["param_groups"]


def test_what_the_disk_says_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, 2, torch.float32)


def test_what_is_written_in_pieces_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:5], offset))
    write(tmp_path, 2, torch.float32)
    found = torch.load(tmp_path / "model.pt", weights_only=True)["state_dict"]
    assert all(torch.equal(found[name], tensor) for name, tensor in whole()[0].items())
