"""Training on episodes: each conversation as if it were alone, padding never, and a resume to the bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mypt.cli import main
from mypt.data.episodes import EpisodeOptions, EpisodeSplit
from mypt.data.split import Split
from mypt.model import GPT
from mypt.settings.model_config import GPTConfig
from mypt.training import run as training
from mypt.training.batches import on_device
from tests.workbench import CHARS, SHAPE, events, ids_of, story, write_episodes

torch.set_num_threads(1)
IDS = ids_of(story(3000))
LENGTHS = (5, 9, 3, 12, 7, 2, 11, 8, 6, 10)


def conversations(lengths: tuple[int, ...] = LENGTHS) -> list[list[int]]:
    ends = np.cumsum(lengths)
    return [IDS[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def one_shard(
    episodes: list[list[int]], segments: list[list[int]] | None = None, pad: int = 0
) -> EpisodeSplit:
    """`episodes` as a split; every third token, by its own value, does not count."""
    tokens = np.array([t for ids in episodes for t in ids], np.uint32)
    lengths = np.array([len(ids) for ids in episodes], np.int64)
    return EpisodeSplit(
        [tokens],
        [(tokens % 3 > 0).astype(np.uint8)],
        index=[np.stack([np.cumsum(lengths) - lengths, lengths], 1)],
        segments=[np.array([s for ids in segments for s in ids], np.uint8) if segments else None],
        options=EpisodeOptions(pad_id=pad),
    )


def packed(talks: list[list[int]], width: int) -> EpisodeSplit:
    """The same conversations, as many as fit in a pack of `width`."""
    packs: list[list[int]] = []
    segments: list[list[int]] = []
    for talk in talks:
        if not packs or len(packs[-1]) + len(talk) > width:
            packs.append([])
            segments.append([])
        segments[-1] += [max(segments[-1], default=0) + 1] * len(talk)
        packs[-1] += talk
    for pack, ids in zip(packs, segments, strict=True):
        ids += [0] * (width - len(pack))
        pack += [4] * (width - len(pack))
    return one_shard(packs, segments)


def model(kernel: str, **fields: Any) -> GPT:
    shape = {
        "batch_size": 4,
        "block_size": 32,
        "vocab_size": len(CHARS),
        "n_embd": 32,
        "n_head": 2,
        "n_layer": 2,
    }
    made = GPT(GPTConfig.for_new_model(**{**shape, "dropout": 0.0, **fields}), seed=3)
    made.set_kernel(kernel)
    # Large enough for a wrong place or a neighbour that is seen to show.
    torch.nn.init.normal_(made.lm_head.weight, std=0.5, generator=torch.Generator().manual_seed(1))
    return made.eval()


def total_loss(made: GPT, split: Split, masked: bool) -> tuple[float, float]:
    """The sum of the losses of all valid targets of every sequence, and how many they are."""
    batch = on_device(split.gather(np.arange(split.windows(32)), 32, masked=masked), "cpu")
    with torch.no_grad():
        _, loss = made(batch.x, batch.y, batch.mask, batch.segments)
    return float(loss) * batch.valid, batch.valid


@pytest.mark.parametrize("kernel", ["sdpa", "plain"])
@pytest.mark.parametrize(
    "fields", [{"pos_encoding": "learned"}, {"pos_encoding": "rope"}], ids=["learned", "rope"]
)
@pytest.mark.parametrize("masked", [True, False])
def test_a_packed_conversation_is_as_if_it_were_alone(
    kernel: str, fields: dict[str, Any], masked: bool
) -> None:
    talks, made = conversations(), model(kernel, **fields)
    alone = [total_loss(made, one_shard([talk]), masked) for talk in talks]
    for split in (one_shard(talks), one_shard(talks, pad=7), packed(talks, 32), packed(talks, 20)):
        loss, valid = total_loss(made, split, masked)
        assert valid == sum(count for _, count in alone)
        assert loss / valid == pytest.approx(sum(each for each, _ in alone) / valid, abs=1e-5)
    assert packed(talks, 32).windows(32) < len(talks) / 2
    # By hand, for one: nothing but the conversation itself goes in.
    talk = torch.tensor([talks[3]])
    with torch.no_grad():
        logits = made(talk[:, :-1])[0][0].log_softmax(-1)
    each = -logits.gather(1, talk[0, 1:, None])[:, 0]
    counts = (talk[0, 1:] % 3 > 0) if masked else torch.ones_like(each, dtype=torch.bool)
    assert float(each[counts].sum()) == pytest.approx(alone[3][0], abs=1e-4)


def test_positions_that_go_on_are_told_from_those_that_restart() -> None:
    talks = conversations()
    losses = [
        total_loss(
            model("sdpa", pos_encoding="learned", segment_position_reset=reset), packed(talks, 32), True
        )[0]
        for reset in (True, False)
    ]
    assert abs(losses[0] - losses[1]) > 1e-3


def gradients(made: GPT, split: Split) -> dict[str, torch.Tensor]:
    made.zero_grad()
    batch = on_device(split.gather(np.arange(split.windows(32)), 32, masked=True), "cpu")
    made(batch.x, batch.y, batch.mask, batch.segments)[1].backward()
    return {name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kernel", ["sdpa", "plain"])
def test_gradients_agree_as_well(kernel: str) -> None:
    talks, made = conversations(), model(kernel)
    ours, theirs = gradients(made, packed(talks, 32)), gradients(made, one_shard(talks))
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.allclose(ours[name], theirs[name], atol=1e-6), name


# ── whole runs ──────────────────────────────────────────────────────────────────────────────────────────────────────


def write(workspace: Path, name: str, is_packed: bool) -> str:
    for split, talks in (("train", conversations() * 3), ("val", conversations()[:6])):
        if is_packed:
            made = packed(talks, 16)
            lengths = made.index[0][:, 1].tolist()
            assert made.segments[0] is not None
            rows = [
                np.split(values, np.cumsum(lengths)[:-1]) for values in (made.shards[0], made.segments[0])
            ]
            packs, segments = ([row.tolist() for row in each] for each in rows)
            write_episodes(workspace / "data" / name, split, packs, segments=segments)
        else:
            write_episodes(workspace / "data" / name, split, talks)
    return f"data/{name}"


def train(workspace: Path, *arguments: str, expect: int = 0) -> None:
    assert main(["--workspace", str(workspace), "train", "--model_name", "m", *arguments]) == expect


def state(workspace: Path, file: str) -> Any:
    return torch.load(workspace / "checkpoints" / "m" / file, weights_only=True)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else bool(a == b)


class StopAt:
    """Asks a run to stop when so many updates are in its log."""

    def __init__(self, workspace: Path, update: int) -> None:
        self.workspace, self.update = workspace, update

    def __call__(self, *_: Any) -> str | None:
        steps = events(self.workspace, "m", "train")
        return "request" if steps and steps[-1]["iter"] >= self.update else None


@pytest.mark.parametrize("is_packed", [False, True], ids=["unpacked", "packed"])
@pytest.mark.parametrize("mode", ["random", "epoch"])
def test_stopped_and_resumed_is_the_run_that_never_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_packed: bool, mode: str
) -> None:
    flags = [
        *("--use_loss_mask", "true", "--batch_sampling_mode", mode, "--epoch_drop_last", "false", *SHAPE),
        *("--dropout", "0.1", "--neftune_alpha", "2", "--grad_accum_steps", "3", "--eval_iters", "2"),
        *("--max_iters", "12", "--eval_interval", "5", "--log_interval", "1", "--sample_interval", "0"),
        *("--learning_rate", "0.01", "--device", "cpu"),
    ]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    flags += ["--dataset_dir", write(whole, "e", is_packed)]
    shutil.copytree(whole, broken)
    train(whole, *flags)
    for update in (2, 7, 8):
        monkeypatch.setattr(training, "stop_requested", StopAt(broken, update))
        train(broken, *(flags if update == 2 else []))
    monkeypatch.undo()
    train(broken)
    starts = [e["config"]["start_step"] for e in events(broken, "m", "training_start")]
    assert starts == [0, 2, 7, 8]
    for file in ("model.pt", "optimizer.pt"):
        assert same(state(whole, file), state(broken, file)), file
    for kind in ("train", "eval"):
        told = [
            [(e["iter"], e["train_loss"], e.get("val_loss")) for e in events(root, "m", kind)]
            for root in (whole, broken)
        ]
        assert told[0] == told[1] and len(told[0]) > 3


def test_epochs_by_the_seed_of_the_epochs_alone(tmp_path: Path) -> None:
    flags = [
        "--batch_sampling_mode",
        "epoch",
        "--max_iters",
        "2",
        "--eval_interval",
        "9",
        "--eval_iters",
        "1",
    ]
    losses = []
    for number, more in enumerate(([], ["--epoch_seed", "5"])):
        root = tmp_path / str(number)
        train(
            root,
            "--dataset_dir",
            write(root, "e", False),
            *SHAPE,
            *flags,
            *more,
            "--log_interval",
            "1",
            "--device",
            "cpu",
        )
        losses.append([e["train_loss"] for e in events(root, "m", "train")])
    assert losses[0] != losses[1]


def test_where_positions_restart_reaches_the_model(tmp_path: Path) -> None:
    losses = []
    for reset in ("true", "false"):
        root = tmp_path / reset
        flags = [
            "--segment_position_reset",
            reset,
            "--max_iters",
            "1",
            "--eval_iters",
            "1",
            "--device",
            "cpu",
        ]
        train(root, "--dataset_dir", write(root, "e", True), *SHAPE, *flags)
        config = json.loads((root / "checkpoints" / "m" / "config.json").read_text())
        assert config["segment_position_reset"] is (reset == "true")
        losses.append(events(root, "m", "eval")[0]["val_loss"])
    assert losses[0] != losses[1]


def test_a_step_in_which_nothing_counts_is_no_nan(tmp_path: Path) -> None:
    # One conversation of three counts at all, so most batches of one have nothing to say, and some steps as well.
    talks = conversations()[:3]
    marks = [[int(number == 0)] * len(talk) for number, talk in enumerate(talks)]
    for split in ("train", "val"):
        write_episodes(tmp_path / "data" / "e", split, talks, mask=marks)
    flags = ["--use_loss_mask", "true", "--batch_size", "1", "--grad_accum_steps", "2", "--max_iters", "20"]
    train(
        tmp_path,
        "--dataset_dir",
        "data/e",
        *SHAPE,
        *flags,
        "--log_interval",
        "1",
        "--eval_iters",
        "1",
        "--device",
        "cpu",
    )
    losses = [e["train_loss"] for e in events(tmp_path, "m", "train")]
    measured = [loss for loss in losses if loss is not None]
    assert None in losses and measured and all(1 < loss < 5 for loss in measured)
    assert all(torch.isfinite(value).all() for value in state(tmp_path, "model.pt")["state_dict"].values())


def test_padding_is_never_learned_even_without_a_loss_mask(tmp_path: Path) -> None:
    """The character that fills up short episodes is in none of them; a model that learned it would say it."""
    talks = [[t for t in talk if t != 1] for talk in conversations()] * 4
    for split in ("train", "val"):
        write_episodes(tmp_path / "data" / "e", split, talks)
    flags = ["--pad_token_id", "1", "--max_iters", "60", "--learning_rate", "0.02", "--eval_interval", "60"]
    train(tmp_path, "--dataset_dir", "data/e", *SHAPE, *flags, "--eval_iters", "1", "--device", "cpu")
    saved = state(tmp_path, "model.pt")["state_dict"]
    config = json.loads((tmp_path / "checkpoints" / "m" / "config.json").read_text())
    made = GPT(GPTConfig.from_dict(config, where="config.json"), seed=None)
    made.load_state_dict(saved)
    with torch.no_grad():
        chances = made.eval()(torch.tensor([talks[3]]))[0].softmax(-1)
    assert float(chances[0, :, 1].max()) < 0.1
