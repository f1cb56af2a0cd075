from __future__ import annotations

import errno

import numpy as np
import pytest
import torch

from mypt.memory import ran_out


def test_what_torch_and_numpy_say_when_there_is_no_room() -> None:
    with pytest.raises(RuntimeError) as cpu:
        torch.empty(1 << 50)
    with pytest.raises(MemoryError) as array:
        np.empty(1 << 50)
    assert ran_out(cpu.value) and ran_out(array.value)
    assert ran_out(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert ran_out(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))


def test_other_failures_are_not_taken_for_it() -> None:
    with pytest.raises(RuntimeError) as shapes:
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    for error in (
        shapes.value,
        ValueError("out of memory"),
        OSError(errno.ENOSPC, "No space left on device"),
    ):
        assert not ran_out(error)
