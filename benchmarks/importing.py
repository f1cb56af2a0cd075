"""What an import takes: the memory of its process and its time, for a nanoGPT checkpoint of 124M parameters.

Memory is what the process reaches beyond one that only loads the program; the time is held against reading the file
and writing as many bytes as the bundle has, brought to the disk as a bundle is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mypt.text import size

LAYERS, HEADS, WIDTH, ROWS, CONTEXT = 12, 12, 768, 50304, 1024
_CHUNK = 16 << 20
# The process tells its own peak at its end; that of one that only loads everything is the ground it stands on.
_TELL = "import resource; print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
_LOAD = "import mypt.interop.checkpoints, mypt.interop.importing, mypt.cli.import_\n"
_IMPORT = "from mypt.cli import main\nassert main(['import', 'ckpt.pt', '--model_name', 'imported']) == 0\n"


def main() -> None:
    """Make the checkpoint, import it, and print both figures with their bounds."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        file = root / "ckpt.pt"
        # In a process of its own, whose memory is gone when the measuring begins.
        subprocess.run([sys.executable, "-c", f"{_MAKE}({str(file)!r})"], check=True)
        length = file.stat().st_size
        ground = _peak(root, _LOAD)[0]
        _forget(file)
        reached, seconds = _peak(root, _LOAD + _IMPORT)
        loading = _peak(root, _LOAD)[1]
        written = (root / "checkpoints" / "imported" / "model.pt").stat().st_size
        _forget(file)
        bytes_alone = _read(file) + _write(root / "again", written)
    memory = reached - ground
    print(f"importing memory: {size(memory)} for {size(length)}, {memory / length:.2f} times (at most 1.5)")
    taken = seconds - loading
    print(
        f"importing time: {taken:.1f} s, reading and writing alone {bytes_alone:.1f} s, "
        f"{taken / bytes_alone:.1f} times (at most 3)"
    )


def make(path: str) -> None:
    """Write a checkpoint as nanoGPT does, of random weights; without its optimizer, whose bytes would make every ratio look better."""
    import torch

    torch.manual_seed(0)
    state = {
        "transformer.wte.weight": torch.randn(ROWS, WIDTH),
        "transformer.wpe.weight": torch.randn(CONTEXT, WIDTH),
    }
    for i in range(LAYERS):
        at = f"transformer.h.{i}."
        state |= {
            f"{at}ln_1.weight": torch.ones(WIDTH),
            f"{at}attn.c_attn.weight": torch.randn(3 * WIDTH, WIDTH),
            f"{at}attn.c_proj.weight": torch.randn(WIDTH, WIDTH),
            f"{at}ln_2.weight": torch.ones(WIDTH),
            f"{at}mlp.c_fc.weight": torch.randn(4 * WIDTH, WIDTH),
            f"{at}mlp.c_proj.weight": torch.randn(WIDTH, 4 * WIDTH),
        }
    state |= {"transformer.ln_f.weight": torch.ones(WIDTH), "lm_head.weight": state["transformer.wte.weight"]}
    args = {"n_layer": LAYERS, "n_head": HEADS, "n_embd": WIDTH, "block_size": CONTEXT, "bias": False}
    own = {"model_args": {**args, "vocab_size": ROWS, "dropout": 0.0}, "iter_num": 1000, "best_val_loss": 3.0}
    torch.save({"model": {f"_orig_mod.{name}": value for name, value in state.items()}, **own}, path)


_MAKE = "from benchmarks.importing import make; make"


def _peak(folder: Path, code: str) -> tuple[int, float]:
    """Bytes that a process which runs `code` in `folder` reaches, and the seconds that it takes."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path[1:]])}
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code + _TELL],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - begun
    return int(done.stdout.splitlines()[-1].split()[1]), seconds


def _forget(file: Path) -> None:
    """Let the system drop the file from memory, where it can be asked to: both sides read it from the disk."""
    if hasattr(os, "posix_fadvise"):
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read(file: Path) -> float:
    begun = time.perf_counter()
    with file.open("rb", buffering=0) as handle:
        while handle.read(_CHUNK):
            pass
    return time.perf_counter() - begun


def _write(file: Path, length: int) -> float:
    chunk = os.urandom(_CHUNK)
    begun = time.perf_counter()
    with file.open("wb", buffering=0) as handle:
        for start in range(0, length, _CHUNK):
            handle.write(chunk[: length - start])
        os.fsync(handle.fileno())
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
