"""Two processes with half the cores each against one with all of them, at the same global batch."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from mypt.events import Train, read_log

# The first updates find caches and allocators cold.
_SETTLED = 5
_SHAPES = {
    "4 layers, 192 wide, block 128, 2 × 16 sequences": (
        *("--n_layer", "4", "--n_head", "4", "--n_embd", "192", "--block_size", "128"),
        *("--batch_size", "16", "--grad_accum_steps", "2"),
    ),
    "6 layers, 384 wide, block 256, 2 × 8 sequences": (
        *("--n_layer", "6", "--n_head", "6", "--n_embd", "384", "--block_size", "256"),
        *("--batch_size", "8", "--grad_accum_steps", "2"),
    ),
}


def tokens_per_s(workspace: Path, shape: tuple[str, ...], precision: str, processes: int) -> float:
    """The median speed of a short training, after its first updates."""
    name = f"of_{processes}"
    command = [
        *(sys.executable, "-m", "mypt", "--workspace", str(workspace), "train", "--model_name", name, *shape),
        *("--nproc", str(processes), "--tokenization", "char", "--precision", precision, "--dropout", "0"),
        *("--max_iters", "30", "--log_interval", "1", "--eval_iters", "1", "--sample_interval", "0"),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=900)
    log = workspace / "logs" / "train" / f"{name}_eval.jsonl"
    speeds = [e.tokens_per_sec for e in read_log(log)[0] if isinstance(e, Train) and e.iter > _SETTLED]
    return statistics.median(speed for speed in speeds if speed is not None)


def main(pairs: int = 3) -> None:
    """Pairs of trainings, one after the other."""
    print(f"several processes ({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})")
    for name, shape in _SHAPES.items():
        for precision in ("fp32", "bf16"):
            ratios, ones = [], []
            for _ in range(pairs):
                with tempfile.TemporaryDirectory() as folder:
                    ones.append(tokens_per_s(Path(folder), shape, precision, 1))
                    ratios.append(tokens_per_s(Path(folder), shape, precision, 2) / ones[-1])
            print(
                f"{name}, {precision}: one process {statistics.median(ones):,.0f} tok/s; two of half the threads "
                f"{statistics.median(ratios):.2f} times ({min(ratios):.2f} to {max(ratios):.2f}); goal 0.9"
            )


if __name__ == "__main__":
    main()
