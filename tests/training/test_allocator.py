from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Blocks of 40 MB are beyond glibc's own threshold: without the setting each is given back when it is freed.
PROGRAM = """
import resource, sys
from mypt.training.allocator import keep_freed_memory
assert keep_freed_memory() is (sys.argv[1] == "kept")
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def fill():
    block = bytearray(40_000_000)
    block[::4096] = bytes(len(block[::4096]))
fill()
before = faults()
for _ in range(5):
    fill()
print(faults() - before)
"""


def faults(word: str, **environment: str) -> int:
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, word], capture_output=True, text=True, check=True, env=environment
    )
    return int(found.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's malloc")
def test_freed_blocks_stay_with_the_process_unless_the_user_says_otherwise() -> None:
    assert 2 * faults("kept") < faults("as set", MALLOC_MMAP_THRESHOLD_="131072")
