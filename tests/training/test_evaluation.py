"""What evaluations look at: sets, masks, and every valid token once."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mypt.data.split import Split, key_of
from mypt.model import GPT
from mypt.settings.fields import Settings
from mypt.settings.model_config import GPTConfig
from mypt.training import optimizer as adamw
from mypt.training.engine import Engine
from mypt.training.evaluation import Measured, evaluate, split_loss
from mypt.training.numerics import Numerics
from tests.training.runs import state_of, train
from tests.workbench import CHARS, SHAPE, TINY, events, ids_of, story, write_dataset

FP32 = Numerics(device="cpu", precision="fp32", attention="sdpa", compile=False, threads=1)
BLOCK = 16


def engine(batch_size: int) -> Engine:
    settings = Settings(block_size=BLOCK, batch_size=batch_size, dropout=0.3, use_loss_mask=True)
    config = GPTConfig.for_new_model(
        batch_size=batch_size,
        block_size=BLOCK,
        vocab_size=len(CHARS),
        n_embd=16,
        n_head=2,
        n_layer=1,
        dropout=0.3,
    )
    model = GPT(config, seed=7).train()
    return Engine(model, adamw.build(model, learning_rate=1e-3, weight_decay=0.0), settings, FP32)


def uneven() -> Split:
    """Data whose first half counts seldom and whose second half often, so that batches differ in what counts."""
    tokens = np.array(ids_of(story(2000)), np.uint16)
    draw, half = np.random.default_rng(5), len(tokens) // 2
    mask = np.concatenate([draw.random(half) < 0.02, draw.random(len(tokens) - half) < 0.9])
    return Split([tokens], [mask.astype(np.uint8)])


def measure(batch_size: int, sequences: int = 24) -> Measured:
    found = split_loss(engine(batch_size), uneven(), name="val", sequences=sequences, stop=lambda: False)
    assert found is not None
    return found


def test_the_loss_is_over_all_valid_tokens_and_never_a_mean_of_means() -> None:
    made, split = engine(4), uneven()
    places = split.places(24, BLOCK, key_of(made.settings.eval_seed, "eval", "val"))
    batch = split.gather(places, BLOCK, masked=True)
    assert batch.mask is not None
    with torch.no_grad():
        logits, _ = made.model.eval()(torch.as_tensor(batch.x.copy()))
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), torch.as_tensor(batch.y.copy()).flatten(), reduction="none"
    ).numpy()
    weights = batch.mask.flatten()
    by_hand = float((losses * weights).sum() / weights.sum())
    for batch_size in (1, 4, 5, 24):
        found = measure(batch_size)
        assert found.valid == weights.sum() and found.loss == pytest.approx(by_hand, rel=1e-5)
    rows = batch.mask.sum(1).clip(min=1)
    mean_of_means = ((losses * weights).reshape(24, BLOCK).sum(1) / rows).mean()
    assert abs(mean_of_means - by_hand) > 0.01, "the masks are too even to tell"


def test_it_leaves_the_model_as_it_found_it_and_draws_nothing_at_random() -> None:
    made = engine(4)
    before = torch.get_rng_state()
    first = split_loss(made, uneven(), name="val", sequences=8, stop=lambda: False)
    assert made.model.training and torch.equal(torch.get_rng_state(), before)
    assert split_loss(made, uneven(), name="val", sequences=8, stop=lambda: False) == first
    assert split_loss(made, uneven(), name="set val", sequences=8, stop=lambda: False) != first
    assert all(p.grad is None for p in made.model.parameters())


def test_no_valid_token_has_no_loss_and_a_stop_has_none_at_all() -> None:
    tokens = np.array(ids_of(story(500)), np.uint16)
    nothing = Split([tokens], [np.zeros(len(tokens), np.uint8)])
    found = split_loss(engine(2), nothing, name="val", sequences=4, stop=lambda: False)
    assert found is not None and math.isnan(found.loss) and found.valid == 0 and not found.broken
    assert Measured(math.nan, 5).broken and Measured(math.inf, 5).broken and not Measured(2.0, 5).broken
    looks = iter([False, False, True])
    splits = {"val": uneven(), "train": uneven()}
    assert evaluate(engine(4), splits, sequences=8, stop=lambda: next(looks)) is None


def test_several_sets_each_by_its_name(workspace: Path) -> None:
    for number, name in enumerate(("main", "general", "code")):
        ids = ids_of(story(1200, number))
        write_dataset(workspace / "data" / name, train=[ids], val=[ids[:300]])
    flags = [*SHAPE, *TINY[-8:], "--dataset_dir", "data/main", "--max_iters", "2", "--eval_interval", "1"]
    sets = ["--eval_sets", "code=data/code", "--eval_dataset_dir", "data/general"]
    assert train(workspace, "--model_name", "m", *flags, *sets) == 0
    found = events(workspace, "m", "eval")
    assert len(found) == 3
    for event in found:
        names = [name for name in event if name.startswith("eval_")]
        assert names == ["eval_code", "eval_general", "eval_duration_s"]
        assert len({event["val_loss"], event["train_loss"], event["eval_code"], event["eval_general"]}) == 4
    # A resume without flags evaluates on the same sets.
    assert train(workspace, "--model_name", "m", "--max_iters", "3") == 0
    assert {"eval_code", "eval_general"} <= events(workspace, "m", "eval")[-1].keys()


def test_a_set_that_has_changed_is_told_and_begins_anew(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = ids_of(story(1200))
    for name in ("main", "general", "code"):
        write_dataset(workspace / "data" / name, train=[ids], val=[ids[:300]])
    flags = [*SHAPE, *TINY[-8:], "--dataset_dir", "data/main", "--max_iters", "2"]
    sets = ["--eval_sets", "general=data/general,code=data/code"]
    assert train(workspace, "--model_name", "m", *flags, *sets) == 0
    before = state_of(workspace, "m")
    assert train(workspace, "--model_name", "m", "--max_iters", "3") == 0
    assert "has changed" not in capsys.readouterr().out
    write_dataset(workspace / "data" / "general", train=[ids], val=[ids_of(story(400, 7))])
    assert train(workspace, "--model_name", "m", "--max_iters", "4") == 0
    said = "the eval set general has changed since the checkpoint was saved: from here on its losses are no exact"
    out = capsys.readouterr().out
    assert out.count("has changed") == 1 and f"Note: {said} continuation" in out
    first, after = before["gold"]["first"], state_of(workspace, "m")
    # The guard against regressions measures what the set holds now.
    assert after["gold"]["first"]["code"] == first["code"]
    assert after["gold"]["first"]["general"] != first["general"]
    assert after["eval_set_fingerprints"]["general"] != before["eval_set_fingerprints"]["general"]


def test_masks_are_learned_from_only_where_asked(workspace: Path) -> None:
    ids = ids_of(story(1500))
    write_dataset(workspace / "data" / "a", train=[ids], val=[ids[:300]], mask="<u4")
    flags = [*SHAPE, *TINY[-8:], "--dataset_dir", "data/a", "--max_iters", "2"]
    assert train(workspace, "--model_name", "on", *flags, "--use_loss_mask") == 0
    assert train(workspace, "--model_name", "off", *flags) == 0
    losses = [events(workspace, name, "eval")[0]["val_loss"] for name in ("on", "off")]
    assert losses[0] != losses[1] and all(np.isfinite(losses))


def test_what_no_token_counts_in_is_no_number_and_no_alarm(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = ids_of(story(1500))
    write_dataset(workspace / "data" / "few", train=[ids], val=[ids[:300]], mask="u1")
    mask = workspace / "data" / "few" / "train" / "shard_00000_mask.bin"
    # One token of all, which no batch of the evaluation has.
    mask.write_bytes(bytes(700) + b"\x01" + bytes(len(ids) - 701))
    flags = [*SHAPE, *TINY[-8:], "--dataset_dir", "data/few", "--use_loss_mask", "--max_iters", "3"]
    assert train(workspace, "--model_name", "m", *flags, "--eval_interval", "3", "--seed", "2") == 0
    out = capsys.readouterr().out
    assert out.count("| train eval –") == 2 and "nan" not in out
    evals, steps = events(workspace, "m", "eval"), events(workspace, "m", "train")
    assert len(evals) == 2 and all(e["train_loss"] is None and e["val_loss"] > 0 for e in evals)
    assert [step["train_loss"] for step in steps] == [None] * 3
    assert not any("nonfinite" in event for event in (*evals, *steps))
    assert state_of(workspace, "m")["progress"]["train_loss"] is None
