"""The memory that a training really takes beside what `mypt.estimate` says it will, for the shipped presets that fit."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import psutil

from mypt import estimate, machine
from mypt.data.corpora import BUILTIN
from mypt.settings.request import Request
from mypt.settings.resolve import resolve
from mypt.text import size

PRESETS = (
    "tiny_char",
    "small_char",
    "tiny",
    "small",
    "150M_chat_sft",
    "150M",
    "200M_chat_sft",
    "200M",
    "250M",
)
# Each with what it changes: every term of the estimate is seen large once.
VARIANTS: tuple[tuple[str, ...], ...] = (
    ("small_char", "--precision", "fp32"),
    ("small_char", "--attention", "sdpa"),
    ("small_char", "--use_checkpoint", "true"),
    ("small_char", "--grad_accum_steps", "2"),
    ("tiny", "--precision", "fp32"),
)
_DTYPES = {"fp32": "float32", "bf16": "bfloat16"}


def main() -> None:
    """Train each preset for two updates, one after the other, and print the peak beside the estimate."""
    for preset, *flags in [*((name,) for name in PRESETS), *VARIANTS]:
        print(line(preset, *flags), flush=True)


def line(preset: str, *flags: str) -> str:
    """What one training took and what was expected of it, or why it was not tried."""
    expected = expectation(preset, flags)
    label = " ".join((preset, *flags))
    free = psutil.virtual_memory().available
    if 1.2 * expected > free:
        return f"memory {label}: not tried, {size(expected)} expected and {size(free)} free"
    taken = peak(preset, flags)
    return f"memory {label}: {size(taken)} taken, {size(expected)} expected, ratio {expected / taken:.2f}"


def expectation(preset: str, flags: tuple[str, ...]) -> int:
    """Bytes that the estimate gives for a run on the CPU with these flags."""
    given = dict(zip((f.removeprefix("--") for f in flags[::2]), flags[1::2], strict=True))
    run = resolve(Request(config_file=preset, given=given), Path(tempfile.gettempdir()))
    s, config = run.settings, run.config
    if s.tokenization == "char":
        config = replace(config, vocab_size=len(set(BUILTIN["stories"].make())))
    precision, kernel = machine.expected(s, "cpu")
    return estimate.memory(
        config,
        batch_size=s.batch_size,
        grad_accum_steps=s.grad_accum_steps,
        dtype=_DTYPES[precision],
        kernel=kernel,
        device_type="cpu",
    ).total


def peak(preset: str, flags: tuple[str, ...]) -> int:
    """Bytes that `mypt train` has in memory at most, by the system's own account."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mypt", "train", "--config_file", preset, "--device", "cpu"),
                *("--input_file", "builtin:stories", "--max_iters", "2", "--eval_iters", "1"),
                *("--sample_interval", "0", *flags),
            ],
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"mypt train --config_file {preset} ended with status {process.returncode}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
