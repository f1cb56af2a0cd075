"""Speed of training: against nanoGPT in whole commands in turn, and what logs and checkpoints cost.

python -m benchmarks.training [PART …], with the parts `little small precision logging checkpoint stopped`; nanoGPT's checkout
is named by NANOGPT_DIR.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.trainings import (
    LITTLE,
    NANOGPT,
    SMALL,
    Measured,
    Shape,
    commit_of,
    ground,
    nanogpt,
    train_nanogpt,
    train_ours,
)
from mypt import events
from mypt.events import LogWriter
from mypt.model import GPT, GPTConfig
from mypt.settings.fields import Settings
from mypt.settings.presets import find_preset
from mypt.text import size, whole
from mypt.training import checkpointing
from mypt.training import optimizer as adamw
from mypt.training.console import Console
from mypt.training.engine import Engine
from mypt.training.held import Held, leaves
from mypt.training.numerics import Numerics
from mypt.training.report import RunReporter
from mypt.training.saving import Saver

OURS, FP32 = (), ("--precision", "fp32")


def against_nanogpt(shape: Shape, steps: int, rounds: int, goal: float, goal_fp32: float | None) -> None:
    """Pairs in turn: tokens a second, most memory, time to the first update."""
    checkout = nanogpt()
    if checkout is None:
        print(f"{shape.name}: skipped, since {NANOGPT} names no checkout of nanoGPT")
        return
    kinds = {"our defaults": OURS, "everything in fp32": FP32}
    theirs: list[Measured] = []
    ours: dict[str, list[Measured]] = {name: [] for name in kinds}
    with ground() as folder:
        for _ in range(rounds):
            theirs.append(train_nanogpt(checkout, shape, folder, steps))
            for name, flags in kinds.items():
                ours[name].append(train_ours(shape, folder, steps, *flags))
    print(f"{shape.name}; nanoGPT {commit_of(checkout)}, eager; {rounds} rounds of {steps} steps in turn")
    print(
        f"  nanoGPT: {_rate(shape, theirs)}, {size(_median(theirs, 'memory'))}, "
        f"first update after {_median(theirs, 'first_update_s'):.2f} s"
    )
    for name, found in ours.items():
        speed = [t.step_s / o.step_s for t, o in zip(theirs, found, strict=True)]
        memory = [o.memory / t.memory for t, o in zip(theirs, found, strict=True)]
        start = [o.first_update_s / t.first_update_s for t, o in zip(theirs, found, strict=True)]
        wanted = goal if name == "our defaults" else goal_fp32
        aim = f"; goal {wanted:g}" if wanted else ""
        print(
            f"  {name}: {_rate(shape, found)}, {_spread(speed)} times the tokens/s{aim}; "
            f"{size(_median(found, 'memory'))}, {_spread(memory)} of the memory, goal 1; "
            f"first update after {_median(found, 'first_update_s'):.2f} s, {_spread(start)} times, goal 1.2"
        )


def little() -> None:
    """The laptop's shape."""
    against_nanogpt(LITTLE, 20, 3, 2.8, 1.1)


def small() -> None:
    """`small`'s shape, by characters."""
    against_nanogpt(SMALL, 14, 3, 2.0, None)


def precision(steps: int = 300) -> None:
    """The validation loss after as many tokens, with our defaults and with everything in fp32."""
    with ground() as folder:
        losses = [
            train_ours(LITTLE, folder, steps, *flags, "--sample_interval", "0", eval_iters=20).val_loss
            for flags in (OURS, FP32)
        ]
    default, exact = losses
    assert default is not None and exact is not None
    print(
        f"validation loss after {whole(steps * LITTLE.tokens)} tokens: {default:.4f} with our defaults, "
        f"{exact:.4f} in fp32: {100 * (default / exact - 1):+.2f} %; goal within 1 %"
    )


def logging(lines: int = 3000) -> None:
    """What an update's line of the log takes, beside an update: the two runs' difference would be lost in noise."""
    with ground() as folder:
        step_s = train_ours(LITTLE, folder, 20).step_s
    with tempfile.TemporaryDirectory() as name, LogWriter(Path(name) / "log.jsonl") as log:
        reporter = RunReporter(log, Console(), lines, None)
        began = time.perf_counter()
        for number in range(lines):
            reporter.train(
                events.Train(iter=number, elapsed_s=number / 9, tokens_processed=number * 4096, lr=1e-3,
                             train_loss=1.2345678, grad_norm=0.5, tokens_per_sec=40960.0)
            )  # fmt: skip
        each = (time.perf_counter() - began) / lines
    print(
        f"logging every step: {1e6 * each:.0f} µs of a step of {1000 * step_s:.0f} ms: {100 * each / step_s:.3f} %; "
        "goal under 1 %"
    )


def checkpoint(rounds: int = 4) -> None:
    """Saving a bundle of the 150M preset over the one before, beside copying its bytes; both synced, in turn.

    The first save of a process also takes memory for the first time and is left out of the ratio.
    """
    engine = _of_150m("cpu")
    # Not /tmp, which may be memory; a disk is where checkpoints lie.
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        target, copied = Path(name) / "checkpoints" / "m", Path(name) / "copy"
        first, saves, copies = 0.0, [], []
        for number in range(rounds + 1):
            took = _seconds(_saving(engine, target, number), engine.held(moments=True))
            if not number:
                first = took
                continue
            saves.append(took)
            copies.append(_seconds(_copy, target, copied))
            shutil.rmtree(copied)
        total = sum(file.stat().st_size for file in target.iterdir())
    ratios = [a / b for a, b in zip(saves, copies, strict=True)]
    print(
        f"checkpoint of 150M ({size(total)}): {statistics.median(saves):.2f} s, copying its bytes "
        f"{statistics.median(copies):.2f} s: {_spread(ratios)} times; goal under 1.2 (the process's first: {first:.2f} s)"
    )


def stopped(rounds: int = 5, pairs: int = 20) -> None:
    """How long training waits for a checkpoint of the 150M preset: until it is written, or until it is copied.

    Beside the copy, in turn, stands a plain one of the same bytes into memory that was taken before. What goes on behind
    the training's back is not waited for, and nothing is written there. A run's first copy also takes its memory and is
    left out.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    engine = _of_150m(device)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        saver, target = _saver_of(engine, "off"), Path(name) / "checkpoints" / "m"
        waits = [_seconds(saver.save, n, _saving(engine, target, n)) for n in range(rounds + 1)][1:]
    held = engine.held(moments=True)
    found = [t for _, t in leaves([held.weights, held.moments], "") if isinstance(t, torch.Tensor)]
    # A matrix with two names is copied once.
    tensors = list({t.data_ptr(): t for t in found}.values())
    room = [torch.empty_like(t, device="cpu", pin_memory=t.is_cuda) for t in tensors]
    saver, rows = _saver_of(engine, "on"), []
    for number in range(pairs + 1):
        took = _seconds(saver.save, number, lambda held: None)
        saver.wait()
        rows.append((took, _seconds(_into_memory, tensors, room)))
    copied, plain = zip(*rows[1:], strict=True)
    ratios = [a / b for a, b in zip(copied, plain, strict=True)]
    held_bytes = sum(int(t.numel()) * t.element_size() for t in tensors)
    print(
        f"training on {device} waits for a checkpoint of 150M ({size(held_bytes)}): {statistics.median(waits):.2f} s until "
        f"it is written; {statistics.median(copied):.3f} s (best {min(copied):.3f}) until it is copied, beside "
        f"{statistics.median(plain):.3f} s (best {min(plain):.3f}) for a plain copy of the same bytes: {_spread(ratios)} "
        "times; goal 1.2"
    )


def _of_150m(device: str) -> Engine:
    """The 150M preset, one update old."""
    preset = json.loads(Path(find_preset(Path.cwd(), "150M")).read_text())
    shape = {k: v for k, v in preset.items() if k not in ("name", "description")}
    extra = {"device": device, "head_bias": False, "mlp_bias": False, "norm_bias": False}
    model = GPT(GPTConfig.from_dict(shape | extra)).to(device)
    optimizer = adamw.build(model, learning_rate=1e-4, weight_decay=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 1e-3)
    optimizer.step()
    optimizer.zero_grad()
    numerics = Numerics(device=device, precision="fp32", attention="sdpa", compile=False, threads=1)
    return Engine(model, optimizer, Settings(), numerics)


def _saver_of(engine: Engine, mode: str) -> Saver:
    return Saver(replace(engine, settings=Settings.model_validate({"async_save": mode})))


def _saving(engine: Engine, target: Path, number: int) -> Callable[[Held], None]:
    """What writes the bundle `target`."""

    def write(held: Held) -> None:
        checkpointing.save(
            target, engine.model, {"token_kind": "gpt2"}, {"step": number}, device="cpu",
            optimizer=held.moments, weights=held.weights,
        )  # fmt: skip

    return write


def _into_memory(tensors: Sequence[torch.Tensor], room: Sequence[torch.Tensor]) -> None:
    for tensor, into in zip(tensors, room, strict=True):
        into.copy_(tensor, non_blocking=True)
    if tensors[0].is_cuda:
        torch.cuda.synchronize()


def _seconds(do: Callable[..., object], *arguments: Any) -> float:
    began = time.perf_counter()
    do(*arguments)
    return time.perf_counter() - began


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for file in source.iterdir():
        with file.open("rb") as old, (target / file.name).open("wb") as new:
            shutil.copyfileobj(old, new, 1 << 24)
            new.flush()
            os.fsync(new.fileno())


def _median(found: Sequence[Measured], name: str) -> float:
    return float(statistics.median(getattr(each, name) for each in found))


def _rate(shape: Shape, found: Sequence[Measured]) -> str:
    step_s = _median(found, "step_s")
    return f"{1000 * step_s:.0f} ms a step, {whole(round(shape.tokens / step_s))} tokens/s"


def _spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


PARTS: dict[str, Callable[[], None]] = {
    "little": little,
    "small": small,
    "precision": precision,
    "logging": logging,
    "checkpoint": checkpoint,
    "stopped": stopped,
}


def main(wanted: Sequence[str] = ()) -> None:
    """The named parts, or all, one after the other."""
    print(f"training ({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__})")
    for name in wanted or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
