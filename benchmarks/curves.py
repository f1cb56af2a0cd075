"""Real runs of tiny models, drawn by a seed, whose logs are curves of every kind that a forecast meets.

python -m benchmarks.curves FOLDER FIRST LAST [KIND …]      the logs of the seeds FIRST to LAST, of these kinds or of all
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mypt.data.corpora import BUILTIN

Settings = dict[str, Any]


def make(folder: Path, seeds: range, kinds: tuple[str, ...] = ()) -> list[Path]:
    """Train what these seeds draw and keep the logs in `folder`, as KIND_SEED.jsonl; those that are there stay.

    In a process of its own with one thread: models so small gain nothing by more. A run that failed has no log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [f"{kind}_{seed}" for seed in seeds for kind in kinds or KINDS]
    missing = [name for name in wanted if not (folder / f"{name}.jsonl").exists()]
    if missing:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.curves", str(folder), str(seeds[0]), str(seeds[-1]), *kinds],
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    return [log for name in wanted if (log := folder / f"{name}.jsonl").exists()]


# ── what is drawn ───────────────────────────────────────────────────────────────────────────────────────────────


def _log_uniform(draw: random.Random, low: float, high: float) -> float:
    return math.exp(draw.uniform(math.log(low), math.log(high)))


def _basics(draw: random.Random) -> Settings:
    """A shape, a schedule and evaluations: from 5 to 100 of these, from noisy to calm."""
    updates = int(_log_uniform(draw, 250, 1800))
    heads = draw.choice([2, 4])
    return {
        "n_layer": draw.choice([1, 2, 3]),
        "n_head": heads,
        "n_embd": draw.choice([32, 48, 64]),
        "block_size": draw.choice([32, 64]),
        "batch_size": draw.choice([4, 8, 16]),
        "dropout": draw.choice([0.0, 0.0, 0.1, 0.2]),
        "bias": False,
        "tie_weights": draw.random() < 0.5,
        "pos_encoding": draw.choice(["learned", "rope"]),
        "tokenization": "char",
        "vocab_size": 128,
        "max_iters": updates,
        "learning_rate": round(_log_uniform(draw, 4e-4, 6e-3), 6),
        "warmup_iters": draw.choice([0, 0.02, 0.05, 0.1, 0.25]),
        "eval_interval": max(1, round(updates / _log_uniform(draw, 5, 100))),
        "eval_iters": draw.choice([1, 2, 4, 10, 20]),
        "seed": draw.randrange(10_000),
    }


def _stories(draw: random.Random) -> Settings:
    return {"input_file": "builtin:stories"}


def _python(draw: random.Random) -> Settings:
    return {"input_file": "builtin:python"}


def _subwords(draw: random.Random) -> Settings:
    return {"dataset_dir": "data/subwords", "tokenization": "bpe", "vocab_size": 600}


def _hot(draw: random.Random) -> Settings:
    rate = round(_log_uniform(draw, 1e-2, 6e-2), 6)
    return {**draw.choice([_stories, _python])(draw), "learning_rate": rate, "grad_clip": draw.choice([0, 1])}


def _cold(draw: random.Random) -> Settings:
    return {
        **draw.choice([_stories, _python])(draw),
        "learning_rate": round(_log_uniform(draw, 2e-5, 3e-4), 7),
    }


def _overfit(draw: random.Random) -> Settings:
    """Hundreds of times through a few pages."""
    return {
        "input_file": f"little_{draw.choice([5, 10, 20, 40])}.txt",
        "learning_rate": round(_log_uniform(draw, 2e-3, 8e-3), 6),
        "batch_size": 16,
        "max_iters": int(_log_uniform(draw, 600, 1800)),
        "dropout": draw.choice([0.0, 0.1]),
    }


def _curriculum(draw: random.Random) -> Settings:
    first, second = draw.sample(["data/stories", "data/python"], 2)
    updates = int(_log_uniform(draw, 500, 1600))
    phases = [
        {"name": "one", "dataset_dir": first, "until_iter": int(updates * draw.uniform(0.15, 0.6))},
        {"name": "two", "dataset_dir": second, "until_iter": None},
    ]
    return {
        "curriculum": {"phases": phases},
        "max_iters": updates,
        "eval_interval": max(1, updates // draw.choice([15, 30, 60, 100])),
    }


def _chat(draw: random.Random) -> Settings:
    return {"dataset_dir": "data/chat", "use_loss_mask": True}


def _finetune(draw: random.Random) -> Settings:
    return {"init_from_model": draw.choice(["base_stories", "base_python"]), "dataset_dir": "data/other"}


def _resumed(draw: random.Random) -> Settings:
    """`first` is where the run was to end before it went on."""
    settings = {**draw.choice([_stories, _python])(draw), "max_iters": int(_log_uniform(draw, 500, 1600))}
    return {**settings, "first": int(settings["max_iters"] * draw.uniform(0.3, 0.7))}


def _noisy(draw: random.Random) -> Settings:
    return {"input_file": "builtin:python", "batch_size": 4, "block_size": 32, "eval_iters": 1}


KINDS: Mapping[str, Callable[[random.Random], Settings]] = {
    "stories": _stories,
    "python": _python,
    "subwords": _subwords,
    "hot": _hot,
    "cold": _cold,
    "overfit": _overfit,
    "curriculum": _curriculum,
    "chat": _chat,
    "finetune": _finetune,
    "resumed": _resumed,
    "noisy": _noisy,
}


def settings_of(kind: str, seed: int) -> Settings:
    """What the seed draws for this kind: the same everywhere and always."""
    draw = random.Random(f"{kind} {seed}")
    basics = _basics(draw)
    own = KINDS[kind](draw)
    if "max_iters" in own and "eval_interval" not in own:
        # As many evaluations as were drawn, over more or fewer updates.
        share = basics["eval_interval"] / basics["max_iters"]
        own["eval_interval"] = max(1, round(own["max_iters"] * share))
    return {**basics, **own}


# ── how it is trained ───────────────────────────────────────────────────────────────────────────────────────────


def _ground(workspace: Path) -> None:
    """The texts, datasets and base models that the runs are trained on."""
    python, stories = BUILTIN["python"].make(), BUILTIN["stories"].make()
    # Every text has the signs of all, so that a model trained on one can go on with another.
    signs = "".join(sorted(set(python + stories)))
    for size in (5, 10, 20, 40):
        start = len(python) // 3
        (workspace / f"little_{size}.txt").write_text(python[start : start + size * 1000], encoding="utf-8")
    parts = {"python": python[:1_500_000], "stories": stories, "other": python[-300_000:]}
    for name, text in parts.items():
        (workspace / f"{name}.txt").write_text(signs + "\n" + text, encoding="utf-8")
        _mypt(workspace, "prepare", f"{name}.txt", "--output_dir", f"data/{name}", "--tokenization", "char")
    _mypt(workspace, "tokenizer", "train", "python.txt", "--vocab_size", "600")
    _mypt(
        *(workspace, "prepare", "python.txt", "--output_dir", "data/subwords", "--tokenization", "bpe"),
        *("--tokenizer_file", "tokenizer.json"),
    )
    (workspace / "chat.jsonl").write_text(_conversations(stories), encoding="utf-8")
    _mypt(workspace, "prepare", "chat.jsonl", "--output_dir", "data/chat", "--tokenization", "char")
    import mypt

    base = {**settings_of("stories", 0), "max_iters": 600, "eval_interval": 300, "learning_rate": 3e-3}
    for name in ("stories", "python"):
        own = {**base, "input_file": None, "dataset_dir": f"data/{name}"}
        mypt.train(model_name=f"base_{name}", workspace=workspace, quiet=True, **own)


def _conversations(stories: str) -> str:
    """Questions about little stories, each answered by the sentence that follows."""
    sentences = [part.strip() + "." for part in stories[:400_000].split(".") if part.strip()]
    lines = []
    for said, answer in zip(sentences[::2], sentences[1::2], strict=False):
        messages = [{"role": "user", "content": said}, {"role": "assistant", "content": answer}]
        lines.append(json.dumps({"messages": messages}) + "\n")
    return "".join(lines)


def _mypt(workspace: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "mypt", "--workspace", str(workspace), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _train(kind: str, seed: int, workspace: Path, folder: Path) -> None:
    import mypt

    name = f"{kind}_{seed}"
    settings = {**settings_of(kind, seed), "device": "cpu", "sample_interval": 0, "log_interval": 20}
    first = settings.pop("first", None)
    if first is not None:
        mypt.train(model_name=name, workspace=workspace, quiet=True, **{**settings, "max_iters": first})
        settings = {"max_iters": settings["max_iters"]}
    mypt.train(model_name=name, workspace=workspace, quiet=True, **settings)
    # Whole or absent, as what is there is not trained again.
    part = folder / f"{name}.part"
    shutil.copy(workspace / "logs" / "train" / f"{name}_eval.jsonl", part)
    part.rename(folder / f"{name}.jsonl")
    for bundle in (workspace / "checkpoints").glob(f"{name}*"):
        shutil.rmtree(bundle)


def main(folder: Path, first: int, last: int, kinds: tuple[str, ...]) -> None:
    """Train those whose log is not there yet, one after the other."""
    from mypt.errors import MyptError

    with tempfile.TemporaryDirectory(prefix="mypt-curves-") as name:
        workspace = Path(name)
        _ground(workspace)
        for seed in range(first, last + 1):
            for kind in kinds or KINDS:
                if (folder / f"{kind}_{seed}.jsonl").exists():
                    continue
                began = time.monotonic()
                try:
                    _train(kind, seed, workspace, folder)
                except MyptError as error:
                    print(f"{kind} {seed}: {error}", file=sys.stderr)
                print(f"{kind} {seed}: {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), tuple(sys.argv[4:]))
