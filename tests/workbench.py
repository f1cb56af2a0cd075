"""Tools of the tests that train: a text, shards, processes, and logs cleaned of what was trained again."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.forked import FORKS, Forked

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"
CHARS = "\n .abcdefghijklmnopqrstuvwxyz"
SHAPE = ["--n_layer", "1", "--n_head", "2", "--n_embd", "16", "--block_size", "16", "--batch_size", "4"]
TINY = [
    *("--input_file", "input.txt", "--tokenization", "char", *SHAPE),
    *("--eval_iters", "2", "--log_interval", "1", "--sample_interval", "0", "--device", "cpu"),
]


def story(characters: int = 4000, seed: int = 0) -> str:
    """Words that a model can learn something of, over a fixed alphabet."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 6))) for _ in range(40)]
    text = CHARS
    while len(text) < characters:
        text += " ".join(draw.choices(words, k=6)) + ".\n"
    return text


def environment(**changes: str) -> dict[str, str]:
    """The environment of a process that is started by a test: what people have, buffered streams above all."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**own, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", **changes}


def command(workspace: Path, *arguments: str) -> list[str]:
    """`mypt` with these arguments, in this Python."""
    return [sys.executable, "-m", "mypt", "--workspace", str(workspace), *arguments]


_NEED_TORCH = ("train", "generate", "finetune-classifier", "classify", "import", "export")


def mypt(workspace: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `mypt` in a process of its own; where torch is needed it is forked from one that has it."""
    words, environ = ["--workspace", str(workspace), *arguments], environment(**env)
    if FORKS and arguments[0] in _NEED_TORCH:
        forked = Forked(words, workspace, environ, stderr=subprocess.PIPE)
        out, error = forked.communicate(timeout=150)
        return subprocess.CompletedProcess(words, forked.wait(), out, error)
    return subprocess.run(
        command(workspace, *arguments),
        cwd=workspace,
        env=environ,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=150,
        check=False,
    )


def start(workspace: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `mypt` and go on; standard output and error come together."""
    return subprocess.Popen(
        command(workspace, *arguments),
        cwd=workspace,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


Running = subprocess.Popen[str] | Forked


def begin(workspace: Path, *arguments: str) -> Running:
    """`start` for what needs torch, forked from a process that has it."""
    if FORKS:
        return Forked(["--workspace", str(workspace), *arguments], workspace, environment())
    return start(workspace, *arguments)


def wait_for(condition: Callable[[], bool], process: Running | None = None) -> bool:
    """Wait until the condition holds; False where the process ended before."""
    until = time.monotonic() + 120
    while not condition():
        if process is not None and process.poll() is not None:
            return condition()
        assert time.monotonic() < until, "waited for two minutes in vain"
        time.sleep(0.002)
    return True


def free_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def log_of(workspace: Path, model: str) -> Path:
    """Where the structured log of a model lies."""
    return workspace / "logs" / "train" / f"{model}_eval.jsonl"


def events(workspace: Path, model: str, kind: str = "") -> list[dict[str, Any]]:
    """The lines of a log, of one kind where it is named."""
    path = log_of(workspace, model)
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    found = [json.loads(line) for line in lines if line.endswith("}")]
    return [event for event in found if not kind or event["event"] == kind]


def last_iter(workspace: Path, model: str) -> int:
    """The update that the log speaks of last."""
    return max((event.get("iter", 0) for event in events(workspace, model)), default=-1)


_OF_THE_CLOCK = ("timestamp", "elapsed_s", "eval_duration_s", "tokens_per_sec", "memory", "rank_seconds")


def clean(workspace: Path, model: str) -> dict[tuple[str, int], dict[str, Any]]:
    """A log as one story: what was trained again replaces what it replays; without what clocks decide."""
    kept: dict[tuple[str, int], dict[str, Any]] = {}
    for event in events(workspace, model):
        if event["event"] == "training_start":
            begin = event["config"]["start_step"]
            kept = {key: value for key, value in kept.items() if key[1] <= begin}
        elif event["event"] not in ("training_stopped", "training_complete"):
            kept[event["event"], event["iter"]] = {
                name: value for name, value in event.items() if name not in _OF_THE_CLOCK
            }
    return kept


def write_dataset(
    folder: Path,
    *,
    train: Sequence[Sequence[int]] = (),
    val: Sequence[Sequence[int]] = (),
    dtype: str = "<u4",
    mask: str = "",
    chars: str = CHARS,
    metadata: dict[str, Any] | None = None,
) -> Path:
    """A dataset folder with one shard for each list of ids, and masks (every third target off) where asked for."""
    number = 0
    for split, shards in (("train", train), ("val", val)):
        for ids in shards:
            file = folder / split / f"shard_{number:05d}.bin"
            file.parent.mkdir(parents=True, exist_ok=True)
            np.asarray(ids, dtype=dtype).tofile(file)
            if mask:
                (np.arange(len(ids)) % 3 > 0).astype(mask).tofile(file.with_name(f"{file.stem}_mask.bin"))
            number += 1
    state = {"token_kind": "char", "chars": list(chars)}
    (folder / "tokenizer_state.json").write_text(json.dumps(state))
    if metadata is not None:
        (folder / "dataset_metadata.json").write_text(json.dumps(metadata))
    return folder


def write_episodes(
    folder: Path,
    split: str,
    episodes: Sequence[Sequence[int]],
    *,
    mask: Sequence[Sequence[float]] | None = None,
    weights: bool = False,
    segments: Sequence[Sequence[int]] | None = None,
    chars: str = CHARS,
) -> Path:
    """One shard of an episode-indexed dataset in `folder/split`; without `mask` every third token counts not."""
    place = folder / split
    place.mkdir(parents=True, exist_ok=True)
    lengths = np.array([len(ids) for ids in episodes], np.uint64)
    starts = np.cumsum(lengths) - lengths
    np.array([i for ids in episodes for i in ids], "<u4").tofile(place / "tokens.bin")
    np.stack([starts, lengths], 1).astype("<u8").tofile(place / "episodes.idx")
    marks = [m for row in mask for m in row] if mask else (np.arange(int(lengths.sum())) % 3 > 0)
    np.array(marks, "u1").tofile(place / "mask.bin")
    if weights:
        np.array(marks, "<f4").tofile(place / "mask_weighted.bin")
    if segments is not None:
        np.array([s for row in segments for s in row], "u1").tofile(place / "segment_ids.bin")
    (folder / "tokenizer_state.json").write_text(json.dumps({"token_kind": "char", "chars": list(chars)}))
    metadata = {
        "schema": "episode_indexed_sft_v1",
        "has_loss_mask": True,
        "packing_enabled": segments is not None,
    }
    (folder / "dataset_metadata.json").write_text(json.dumps(metadata))
    return folder


def ids_of(text: str, chars: str = CHARS) -> list[int]:
    """A text as char tokens."""
    return [chars.index(c) for c in text]


def listing(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder with its content, and every folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
