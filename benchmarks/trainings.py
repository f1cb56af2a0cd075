"""Whole trainings as commands, nanoGPT's and ours, with what each says of its own speed and what the system counts."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from mypt.data.corpora import BUILTIN, DEMO
from mypt.events import Eval, Train, read_log

NANOGPT = "NANOGPT_DIR"
# The first steps find caches and allocators cold, in both.
_SETTLED = 6


@dataclass(frozen=True)
class Shape:
    """A model and its batch."""

    name: str
    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    batch_size: int

    @property
    def tokens(self) -> int:
        """Tokens a step."""
        return self.block_size * self.batch_size


LITTLE = Shape("4 layers, 192 wide, block 128, batch 32", 4, 4, 192, 128, 32)
SMALL = Shape("6 layers, 384 wide, block 256, batch 8", 6, 6, 384, 256, 8)


@dataclass(frozen=True)
class Measured:
    """One training: seconds a step (median), from start to the first update, and the most memory, in bytes."""

    step_s: float
    first_update_s: float
    memory: int
    val_loss: float | None = None


def nanogpt() -> Path | None:
    """The checkout that the environment names, if it is one."""
    folder = Path(os.environ.get(NANOGPT, ""))
    return folder.resolve() if os.environ.get(NANOGPT) and (folder / "train.py").is_file() else None


def commit_of(folder: Path) -> str:
    """The commit of a checkout, or what else tells which one it is."""
    found = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True)
    named = folder / "COMMIT"
    if found.returncode and named.is_file():
        return named.read_text().strip()
    return found.stdout.strip() or "commit not known"


@contextmanager
def ground() -> Iterator[Path]:
    """A workspace with the demo's stories by characters, as nanoGPT keeps a text; both read the same files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = BUILTIN[DEMO].make()
        signs = sorted(set(text))
        place = {sign: number for number, sign in enumerate(signs)}
        ids = np.fromiter((place[sign] for sign in text), dtype=np.uint16, count=len(text))
        cut = len(ids) * 9 // 10
        (folder / "data").mkdir()
        ids[:cut].tofile(folder / "data" / "train.bin")
        ids[cut:].tofile(folder / "data" / "val.bin")
        meta = {"vocab_size": len(signs), "stoi": place, "itos": dict(enumerate(signs))}
        (folder / "data" / "meta.pkl").write_bytes(pickle.dumps(meta))
        yield folder


def train_nanogpt(checkout: Path, shape: Shape, folder: Path, steps: int) -> Measured:
    """nanoGPT, eager on the CPU, for `steps` updates after one evaluation batch a split."""
    command = [
        *(sys.executable, "train.py", "--device=cpu", "--compile=False", f"--dataset={folder / 'data'}"),
        *(f"--out_dir={folder / 'out'}", "--eval_iters=1", "--eval_interval=1000000", "--log_interval=1"),
        *(f"--max_iters={steps - 1}", "--gradient_accumulation_steps=1", "--dropout=0.0"),
        *(f"--{name}={getattr(shape, name)}" for name in ("n_layer", "n_head", "n_embd", "block_size")),
        f"--batch_size={shape.batch_size}",
    ]
    said, began, memory = _run(command, checkout)
    lines = [(at, re.match(r"iter (\d+): .*time ([\d.]+)ms", text)) for at, text in said]
    found = [(at, float(match[2]) / 1000) for at, match in lines if match]
    assert len(found) == steps, "".join(text for _, text in said)[-2000:]
    return Measured(statistics.median(s for _, s in found[_SETTLED:]), found[0][0] - began, memory)


def train_ours(shape: Shape, folder: Path, steps: int, *flags: str, eval_iters: int = 1) -> Measured:
    """`mypt train` with our defaults and `flags`, for `steps` updates."""
    name = f"bench_{time.monotonic_ns()}"
    preset = {
        **{key: getattr(shape, key) for key in ("n_layer", "n_head", "n_embd", "block_size", "batch_size")},
        "vocab_size": 65,
        "dropout": 0.0,
        "bias": False,
        "tie_weights": True,
        "learning_rate": 6e-4,
        "weight_decay": 0.1,
        "eval_interval": 1_000_000,
        "eval_iters": eval_iters,
    }
    (folder / f"{name}.json").write_text(json.dumps(preset))
    command = [
        *(sys.executable, "-m", "mypt", "train", "--config_file", f"{name}.json", "--model_name", name),
        *("--dataset_dir", "data", "--max_iters", str(steps), "--log_interval", "1", "--device", "cpu"),
        *flags,
    ]
    said, began, memory = _run(command, folder)
    log = folder / "logs" / "train" / f"{name}_eval.jsonl"
    events = read_log(log)[0] if log.is_file() else []
    moments = [_moment(e.timestamp) for e in events if isinstance(e, Train)]
    assert len(moments) == steps, "".join(text for _, text in said)[-2000:]
    spans = [later - earlier for earlier, later in itertools.pairwise(moments)]
    losses = [e.val_loss for e in events if isinstance(e, Eval)]
    return Measured(
        statistics.median(spans[_SETTLED - 1 :]), moments[0] - began, memory, losses[-1] if losses else None
    )


def _run(command: list[str], cwd: Path) -> tuple[list[tuple[float, str]], float, int]:
    """Each line with the moment it came, the moment of the start, and the most memory that was resident, in bytes."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    began = time.time()
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = [(time.time(), line) for line in process.stdout]
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(
            f"{' '.join(command)}: status {process.returncode}\n{''.join(t for _, t in said)[-2000:]}"
        )
    return said, began, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _moment(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
