from __future__ import annotations

import errno
import subprocess
import sys

import numpy as np
import pytest
import torch

from mypt.errors import RunError
from mypt.memory import asked_for, check_room, lacked, ran_out, telling
from mypt.training.numerics import telling_memory


def test_what_torch_and_numpy_say_when_there_is_no_room() -> None:
    with pytest.raises(RuntimeError) as cpu:
        torch.empty(1 << 50)
    with pytest.raises(MemoryError) as array:
        np.empty(1 << 50)
    assert ran_out(cpu.value) and ran_out(array.value)
    assert ran_out(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert ran_out(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))


@pytest.mark.parametrize(
    ("error", "lack"),
    [
        (RuntimeError("can't start new thread"), "threads, or of memory for them"),
        (RuntimeError("could not create a primitive"), "memory"),
        (UserWarning("mkldnn_matmul failed, switching to baddbmm:could not create a primitive"), "memory"),
        (RuntimeError("std::bad_alloc"), "memory"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "memory"),
        (MemoryError(), "memory"),
    ],
)
def test_what_libraries_say_in_their_own_ways(error: Exception, lack: str) -> None:
    assert lacked(error) == lack
    with (
        pytest.raises(RunError, match=f"^out of {lack} on cpu: lower it$"),
        telling("out of memory on cpu: lower it"),
    ):
        raise error


def test_cuda_out_of_memory_is_a_sentence() -> None:
    with pytest.raises(RunError) as caught, telling_memory("cpu", "the weights take 2 GB"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 79.1 GiB")
    said = str(caught.value)
    assert said.startswith("out of memory on cpu (") and ": the weights take 2 GB. Lower batch_size" in said


def test_how_much_more_was_asked_for_is_told_where_somebody_says_it() -> None:
    assert asked_for(MemoryError("Unable to allocate 8.00 MiB for an array")) == "8.00 MiB"
    assert asked_for(RuntimeError("you tried to allocate 4096 bytes. Error code 12")) == "4096 bytes"
    assert asked_for(MemoryError()) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process may take of memory")
def test_room_is_asked_for_only_where_there_is_a_limit() -> None:
    check_room()
    check = (
        "import resource; from mypt import memory; resource.setrlimit(resource.RLIMIT_AS, ({0}, {0})); {1}"
    )
    said = "print(memory.in_all()); memory.check_room()"
    done = [
        subprocess.run(
            [sys.executable, "-c", check.format(limit, said)], capture_output=True, text=True, check=False
        )
        for limit in (60 << 20, 900 << 20)
    ]
    assert [each.returncode for each in done] == [1, 0] and done[0].stderr.endswith("MemoryError\n")
    assert done[1].stdout.startswith("a limit of 944 MB (ulimit), of ")


def test_other_failures_are_not_taken_for_it() -> None:
    with pytest.raises(RuntimeError) as shapes:
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    for error in (
        shapes.value,
        ValueError("out of memory"),
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("could not create a primitive descriptor for a matmul primitive"),
        ImportError("No module named torch"),
    ):
        assert not ran_out(error)
