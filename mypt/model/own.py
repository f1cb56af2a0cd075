"""What of a weight lies in this process: all of it, or its rows where several share the model out (FSDP2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def rows_here(weight: Any) -> tuple[Tensor, int]:
    """The rows of `weight` that lie in this process, to be read and written, and the number of the first one."""
    if not hasattr(weight, "to_local"):
        return weight.detach(), 0
    mesh = weight.device_mesh
    return weight.to_local().detach(), _first_row(weight.shape[0], mesh.size(), mesh.get_local_rank())


@torch.no_grad()
def take(weight: Tensor, whole: Tensor) -> None:
    """Copy of `whole` the rows that lie here into `weight`; rows that `whole` does not have stay as they are."""
    own, first = rows_here(weight)
    rows = whole[first : first + len(own)]
    own[: len(rows)].copy_(rows)


def _first_row(rows: int, ranks: int, rank: int) -> int:
    """Where a rank's rows begin when `rows` are shared out: as many for each, and what is left for the last."""
    return min(rank * -(-rows // ranks), rows)
