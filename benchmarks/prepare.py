"""Preparing a large text: seconds, MB/s, tokens/s, and the memory of all processes together.

python -m benchmarks prepare            2 GB in one file, GPT-2 tokens and characters; 200 MB with byte pairs of its own
python -m benchmarks.prepare 0.5        another size in GB
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from mypt.data.corpora import BUILTIN

_GB = 1000**3
# A dataset of characters takes two bytes for each one of the text; and some air.
_ROOM = 3.5


def main(gigabytes: float = 2.0) -> None:
    """Make the text, prepare it in every way, and print what it took."""
    with tempfile.TemporaryDirectory(prefix="mypt-bench-") as folder:
        workspace = Path(folder)
        if shutil.disk_usage(workspace).free < _ROOM * gigabytes * _GB:
            print(f"prepare: skipped, {folder} has no room for {_ROOM * gigabytes:.1f} GB")
            return
        _text(workspace / "large.txt", int(gigabytes * _GB))
        _text(workspace / "small.txt", int(min(gigabytes, 0.2) * _GB))
        _measured(workspace, "large.txt", "gpt2")
        _measured(workspace, "large.txt", "char")
        _text(workspace / "sample.txt", 20 * 1000**2)
        _run(workspace, "tokenizer", "train", "sample.txt", "--vocab_size", "8000")
        _measured(workspace, "small.txt", "bpe", "--tokenizer_file", "tokenizer.json")


def _text(path: Path, size: int) -> None:
    """The documentation and source of this Python, over and over, each time beginning elsewhere."""
    lines = BUILTIN["python"].make().splitlines(keepends=True)
    written = turn = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        while written < size:
            first = turn * 7919 % len(lines)
            written += file.write(f"Part {turn}\n" + "".join(lines[first:] + lines[:first]))
            turn += 1


def _measured(workspace: Path, name: str, kind: str, *flags: str) -> None:
    output = workspace / kind
    began = time.monotonic()
    peak = _run(
        workspace, "prepare", name, "--output_dir", kind, "--tokenization", kind, "--overwrite", *flags
    )
    seconds = time.monotonic() - began
    size = (workspace / name).stat().st_size
    tokens = json.loads((output / "dataset_metadata.json").read_text())["total_tokens"]
    print(
        f"prepare {kind}: {size / _GB:.2f} GB in {seconds:.1f} s, {size / 1e6 / seconds:.1f} MB/s, "
        f"{tokens / 1e6 / seconds:.2f}M tokens/s, peak memory of all processes {peak / 1e6:.0f} MB",
        flush=True,
    )
    shutil.rmtree(output)


def _run(workspace: Path, *arguments: str) -> int:
    """Run `mypt` and return the largest memory that it had with its workers, in bytes."""
    command = [sys.executable, "-m", "mypt", "--workspace", str(workspace), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        parent = psutil.Process(process.pid)
        while not done.wait(0.1):
            peak = max(peak, _memory(parent))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    done.set()
    watcher.join()
    if code:
        raise SystemExit(f"mypt {arguments[0]} ended with {code}")
    return peak


def _memory(parent: psutil.Process) -> int:
    """What the process and its children hold: shared pages by their share (PSS), where the system tells."""
    total = 0
    try:
        for each in (parent, *parent.children(recursive=True)):
            info = each.memory_full_info()
            total += getattr(info, "pss", info.rss)
    except psutil.Error:
        pass  # it ended between two looks
    return total


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
