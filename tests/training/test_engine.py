"""The engine by itself: updates, fp16 with its loss scale, and what is refused before it does harm."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mypt.data.shards import read_folder
from mypt.data.split import Split
from mypt.errors import RunError
from mypt.model import GPT
from mypt.settings.fields import Settings
from mypt.settings.model_config import GPTConfig
from mypt.training import optimizer as adamw
from mypt.training.batches import DeviceBatch, of_update
from mypt.training.engine import Engine, NotFiniteError
from mypt.training.evaluation import split_loss
from mypt.training.numerics import Numerics
from tests.workbench import CHARS, ids_of, story, write_dataset

torch.set_num_threads(1)
DATA = Split([np.array(ids_of(story(2000)), np.uint16)])


def engine(precision: str = "fp32", scale: float | None = None, **changes: Any) -> Engine:
    given = {"block_size": 16, "batch_size": 4, "dropout": 0.2, "grad_accum_steps": 2, **changes}
    settings = Settings(**given)
    config = GPTConfig.for_new_model(
        batch_size=4, block_size=16, vocab_size=len(CHARS), n_embd=16, n_head=2, n_layer=2, dropout=0.2
    )
    model = GPT(config, seed=7).train()
    # A CPU does fp16 slowly, and by the same rules as a GPU.
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=3) if scale else None
    numerics = Numerics(device="cpu", precision=precision, attention="sdpa", compile=False, threads=1)
    optimizer = adamw.build(model, learning_rate=1e-2, weight_decay=0.1)
    return Engine(model, optimizer, settings, numerics, scaler=scaler)


def batches(made: Engine, number: int) -> list[DeviceBatch]:
    return of_update(DATA, made.settings, number, "cpu")


def updates(made: Engine, first: int, last: int) -> list[tuple[float, float]]:
    done = [made.update(n, batches(made, n), 1e-2) for n in range(first, last + 1)]
    return [(step.loss, step.grad_norm) for step in done if step is not None and step.loss is not None]


def same(one: Engine, two: Engine) -> bool:
    ours, theirs = one.model.state_dict(), two.model.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_fp16_and_its_scale_go_on_as_if_nothing_had_happened() -> None:
    # The first scale overflows, so that some updates are left out and the scale moves both ways.
    whole = engine("fp16", scale=2.0**22)
    expected = updates(whole, 1, 12)
    assert whole.scaler is not None and whole.scaler.get_scale() < 2.0**22
    assert {math.isfinite(norm) for _, norm in expected} == {True, False}
    assert all(math.isfinite(loss) for loss, _ in expected)
    for cut in (2, 9):
        begun = engine("fp16", scale=2.0**22)
        first = updates(begun, 1, cut)
        assert begun.scaler is not None
        kept = json.loads(json.dumps(begun.scaler.state_dict()))
        resumed = engine("fp16", scale=1.0)
        resumed.model.load_state_dict(begun.model.state_dict())
        adamw.load_state(resumed.optimizer, begun.optimizer.state_dict(), weight_decay=0.1)
        assert resumed.scaler is not None
        resumed.scaler.load_state_dict(kept)
        rest = updates(resumed, cut + 1, 12)
        assert json.dumps(first + rest) == json.dumps(expected), cut
        assert same(resumed, whole) and resumed.scaler.state_dict() == whole.scaler.state_dict()


def test_an_update_that_overflows_fp16_is_left_out() -> None:
    made, untouched = engine("fp16", scale=2.0**40), engine("fp16")
    (done,) = updates(made, 1, 1)
    assert math.isfinite(done[0]) and not math.isfinite(done[1])
    assert same(made, untouched) and all(int(s["step"]) == 0 for s in made.optimizer.state.values())


def test_fp16_that_overflows_at_every_scale_stops_with_the_weights_as_they_were() -> None:
    made, untouched = engine("fp16", scale=2.0**16), engine("fp16")
    # A finite loss whose gradient overflows whatever it is scaled by.
    weight = made.model.get_submodule("token_embedding_table").weight
    weight.register_hook(lambda gradient: torch.full_like(gradient, math.inf))  # type: ignore[operator]
    skipped = 0
    with pytest.raises(NotFiniteError) as caught:
        for number in range(1, 100):
            done = made.update(number, batches(made, number), 1e-2)
            assert done is not None and done.skipped
            skipped += 1
    # 65536 halved until it is below 1.
    assert skipped == 16 and caught.value.step == 17
    assert str(caught.value) == "the gradients overflow fp16 at every loss scale at step 17"
    assert caught.value.remedy == "Set precision to bf16 or fp32, or lower learning_rate"
    assert same(made, untouched) and all(int(s["step"]) == 0 for s in made.optimizer.state.values())


def test_a_stop_between_two_micro_batches_undoes_the_update() -> None:
    made, other = engine(), engine()
    looks: list[int] = []
    assert made.update(1, batches(made, 1), 1e-2, lambda: looks.append(1) or True) is None  # type: ignore[func-returns-value]
    assert len(looks) == 1 and same(made, other) and all(p.grad is None for p in made.model.parameters())
    assert updates(made, 1, 2) == updates(other, 1, 2) and same(made, other)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_no_number_is_refused_before_the_update(where: str) -> None:
    made = engine()
    assert isinstance(made.model, GPT)
    updates(made, 1, 2)
    moments = [s["exp_avg"].clone() for s in made.optimizer.state.values()]
    weights = {name: value.clone() for name, value in made.model.state_dict().items()}
    if where == "loss":
        given = made.model.lm_head.weight
        original = given.data.clone()
        given.data[:] = math.inf
        said = r"^the loss is (nan|inf) at step 3$"
    else:
        # A finite loss whose gradient is not: what overflows on the way back only.
        weight = made.model.token_embedding_table.weight
        weight.register_hook(lambda gradient: torch.full_like(gradient, math.inf))  # type: ignore[no-untyped-call]
        said = r"^the gradient's norm is (nan|inf) at step 3$"
    with pytest.raises(NotFiniteError, match=said) as caught:
        updates(made, 3, 3)
    assert caught.value.step == 3
    if where == "loss":
        given.data[:] = original
    assert all(torch.equal(value, weights[name]) for name, value in made.model.state_dict().items())
    after = [s["exp_avg"] for s in made.optimizer.state.values()]
    assert all(torch.equal(a, b) for a, b in zip(after, moments, strict=True))


@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be cut there")
@pytest.mark.parametrize("which", ["shard_00000", "shard_00000_mask"])
def test_a_file_that_is_cut_short_is_said_and_not_read(tmp_path: Path, which: str) -> None:
    ids = ids_of(story(2000))
    write_dataset(tmp_path / "data", train=[ids], val=[ids[:300]], mask="u1")
    split = read_folder(tmp_path / "data", "data", vocab_size=len(CHARS), block_size=16).train
    assert split is not None
    made = engine(use_loss_mask=True)
    assert len(of_update(split, made.settings, 1, "cpu")) == 2
    file = tmp_path / "data" / "train" / f"{which}.bin"
    os.truncate(file, 100)
    for look in (
        lambda: of_update(split, made.settings, 2, "cpu"),
        lambda: split_loss(made, split, name="train", sequences=4, stop=lambda: False),
    ):
        with pytest.raises(
            RunError, match=rf"{which}\.bin has become shorter while it was trained on; put back"
        ):
            look()


@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be moved there")
def test_a_file_that_is_moved_away_or_replaced_is_read_on(tmp_path: Path) -> None:
    ids = ids_of(story(2000))
    write_dataset(tmp_path / "data", train=[ids], val=[ids[:300]])
    split = read_folder(tmp_path / "data", "data", vocab_size=len(CHARS), block_size=16).train
    assert split is not None
    made = engine()
    before = of_update(split, made.settings, 1, "cpu")
    file = tmp_path / "data" / "train" / "shard_00000.bin"
    file.rename(tmp_path / "elsewhere.bin")
    gone = of_update(split, made.settings, 1, "cpu")
    file.write_bytes(b"1234")
    replaced = of_update(split, made.settings, 1, "cpu")
    assert all(
        torch.equal(a.x, b.x) for other in (gone, replaced) for a, b in zip(before, other, strict=True)
    )


def test_batches_of_an_update_are_a_function_of_its_number() -> None:
    made = engine()
    for number in (1, 2, 77):
        one, two = batches(made, number), batches(engine(), number)
        assert all(torch.equal(a.x, b.x) and torch.equal(a.y, b.y) for a, b in zip(one, two, strict=True))
    assert len(batches(made, 1)) == 2 and batches(made, 1)[0].x.shape == (4, 16)
    assert not torch.equal(batches(made, 1)[0].x, batches(made, 2)[0].x)
    assert not torch.equal(batches(made, 1)[0].x, batches(made, 1)[1].x)
