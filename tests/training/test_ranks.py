"""One model in several processes: the same curve as in one, one log, one bundle, and a common end."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mypt.bundle import list_bundles
from tests.faults.ground import assert_whole, leftovers
from tests.training.alike import assert_same_run
from tests.training.together import Together
from tests.workbench import SHAPE, clean, events, ids_of, last_iter, story, wait_for, write_dataset

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ranks are forked here")

STEPS = 50
COMMON = [
    *SHAPE,
    *("--grad_accum_steps", "4", "--dropout", "0", "--precision", "fp32", "--device", "cpu"),
    *("--eval_iters", "3", "--eval_interval", "10", "--log_interval", "1", "--sample_tokens", "4"),
    *("--learning_rate", "0.005", "--max_iters", str(STEPS)),
]
MASKED = [*COMMON, "--dataset_dir", "data", "--use_loss_mask", "true", "--eval_sets", "more=more"]


@pytest.fixture(scope="module")
def together() -> Iterator[Together]:
    """Starts ranks."""
    made = Together()
    yield made
    made.close()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Masked shards, and a second set to evaluate on."""
    ids = ids_of(story(3000))
    write_dataset(tmp_path / "data", train=[ids, ids[:400]], val=[ids[:500]], mask="u1")
    write_dataset(tmp_path / "more", val=[ids[700:1200]], train=[ids[:50]], mask="u1")
    return tmp_path


def assert_same_curve(one: Path, one_model: str, other: Path, other_model: str) -> None:
    """The logs tell the same, but for the last digits of sums."""
    a, b = clean(one, one_model), clean(other, other_model)
    assert a.keys() == b.keys()
    for key, event in a.items():
        for name, value in event.items():
            if name in ("train_loss", "val_loss", "grad_norm", "eval_more"):
                assert b[key][name] == pytest.approx(value, abs=1e-5), (key, name)
            elif name not in ("reason", "prev_best", "text"):
                assert b[key][name] == value, (key, name)


def test_any_number_of_ranks_trains_the_same(together: Together, workspace: Path) -> None:
    for world in (1, 2, 4):
        ended = together.train(workspace, *MASKED, world=world, model=f"m{world}")
        assert ended.statuses == [0] * world, ended.said
        assert not any(ended.said[1:]), "rank 0 speaks for all"
        assert len(events(workspace, f"m{world}", "training_start")) == 1
        spent = [event.get("rank_seconds") for event in events(workspace, f"m{world}", "train")]
        if world == 1:
            assert spent == [None] * STEPS
        else:
            assert all(each is not None and len(each) == world and min(each) > 0 for each in spent)
    for world in (2, 4):
        assert_same_curve(workspace, "m1", workspace, f"m{world}")
    assert_whole(workspace)
    assert not leftovers(workspace)
    assert (
        len({info.step for info in list_bundles(workspace / "checkpoints") if "gold" not in info.name}) == 1
    )


def test_uneven_shares_weigh_every_token_alike(together: Together, workspace: Path) -> None:
    # Seven sequences in three processes: no whole micro-batches, and masks that mark not as many of each.
    flags = [*MASKED, "--batch_size", "7", "--grad_accum_steps", "1", "--max_iters", "12"]
    for world in (1, 3):
        assert together.train(workspace, *flags, world=world, model=f"m{world}").statuses == [0] * world
    assert_same_curve(workspace, "m1", workspace, "m3")


def test_dropout_is_that_of_one_process(together: Together, workspace: Path) -> None:
    flags = [*MASKED, "--dropout", "0.2", "--max_iters", "12"]
    for world in (1, 2):
        assert together.train(workspace, *flags, world=world, model=f"m{world}").statuses == [0] * world
    assert_same_curve(workspace, "m1", workspace, "m2")


@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2)])
def test_others_many_go_on_with_a_bundle(together: Together, workspace: Path, first: int, then: int) -> None:
    together.train(workspace, *MASKED, world=1, model="whole")
    stopped = together.train(workspace, *MASKED, world=first, send=(0, signal.SIGTERM, 15))
    assert stopped.statuses == [143] * first, stopped.said
    ended = together.train(workspace, *MASKED, world=then)
    assert ended.statuses == [0] * then, ended.said
    assert f"the checkpoint was trained by {first} processes, here are {then}" in ended.said[0]
    assert_same_curve(workspace, "whole", workspace, "m")


def test_parts_on_all_ranks_train_the_same(together: Together, workspace: Path) -> None:
    # Three blocks and odd sizes, so that nothing divides evenly; a frozen block; one matrix with two names.
    flags = [*MASKED, "--n_layer", "3", "--tie_weights", "true", "--bias", "true", "--freeze_layers", "1"]
    flags += ["--activation_checkpointing", "--parallel", "fsdp", "--max_iters", "20"]
    for world, save in ((1, "off"), (3, "on")):
        ended = together.train(workspace, *flags, "--async_save", save, world=world, model=f"m{world}")
        assert ended.statuses == [0] * world, ended.said
        assert not any(ended.said[1:]), "rank 0 speaks for all"
    assert_same_curve(workspace, "m1", workspace, "m3")
    for kind in ("", "_gold", "_fp16"):
        one, other = (read_bundle(workspace / "checkpoints" / f"m{world}{kind}") for world in (1, 3))
        assert one.keys() == other.keys()
        assert any("exp_avg" in name for name in one) == (kind != "_fp16")
        for name, tensor in one.items():
            assert tensor.dtype == other[name].dtype and tensor.shape == other[name].shape
            torch.testing.assert_close(tensor, other[name], atol=1e-3, rtol=1e-3)


def test_parts_begin_with_what_one_process_begins_with(together: Together, workspace: Path) -> None:
    # So small a step moves nothing: what is saved is what the run began with.
    flags = [*MASKED, "--parallel", "fsdp", "--n_layer", "3", "--bias", "false", "--max_iters", "1"]
    flags += [
        "--learning_rate",
        "1e-300",
        "--weight_decay",
        "0",
        "--sample_interval",
        "0",
        "--eval_iters",
        "1",
    ]
    base = ["--init_from_model", "m1", "--block_size", "24", "--tie_weights", "true"]
    for name, more, worlds in (("m", [], (1, 2, 3)), ("f", base, (1, 3))):
        found = set()
        for world in worlds:
            ended = together.train(workspace, *flags, *more, world=world, model=f"{name}{world}")
            assert ended.statuses == [0] * world, ended.said
            file = workspace / "checkpoints" / f"{name}{world}" / "model.pt"
            found.add(hashlib.sha256(file.read_bytes()).hexdigest())
        assert len(found) == 1
    assert "tied by averaging them" in ended.said[0] and "16 in the base model, 24 here" in ended.said[0]


def read_bundle(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors in the files of a bundle by their names."""
    found: dict[str, torch.Tensor] = torch.load(folder / "model.pt", weights_only=True)["state_dict"]
    if (folder / "optimizer.pt").exists():
        for number, moments in torch.load(folder / "optimizer.pt", weights_only=True)["state"].items():
            found |= {f"{number} {name}": tensor for name, tensor in moments.items()}
    return found


@pytest.mark.parametrize(("first", "then"), [(2, 2), (2, 1), (1, 2)])
def test_parts_go_on_with_a_bundle_and_leave_one(
    together: Together, workspace: Path, tmp_path_factory: pytest.TempPathFactory, first: int, then: int
) -> None:
    flags = [*MASKED, "--parallel", "fsdp", "--dropout", "0.1"]
    broken = Path(shutil.copytree(workspace, tmp_path_factory.mktemp("broken") / "w"))
    together.train(workspace, *flags, world=then)
    # When it is saved makes no difference either.
    flags += ["--async_save", "on"]
    stopped = together.train(broken, *flags, world=first, send=(first - 1, signal.SIGTERM, 15))
    assert stopped.statuses == [143] * first, stopped.said
    ended = together.train(broken, *flags, world=then)
    assert ended.statuses == [0] * then, ended.said
    if first == then:
        # To the bit, as one process goes on.
        assert_same_run(workspace, broken, "m")
    else:
        assert_same_curve(workspace, "m", broken, "m")


def test_a_rank_with_a_part_that_dies_ends_the_run_with_a_sentence(
    together: Together, workspace: Path
) -> None:
    flags = [*MASKED, "--parallel", "fsdp", "--max_iters", "5000", "--async_save", "on"]
    ended = together.train(workspace, *flags, send=(1, signal.SIGKILL, 12))
    assert ended.statuses == [1, -9]
    assert "another rank is gone without a word" in ended.said[0] and "Traceback" not in ended.said[0]
    assert_whole(workspace)


@pytest.mark.parametrize("save", ["off", "on"])
def test_a_rank_whose_disk_takes_no_more_is_told_by_rank_0(
    together: Together, workspace: Path, save: str
) -> None:
    flags = [*MASKED, "--parallel", "fsdp", "--async_save", save]
    ended = together.train(workspace, *flags, limit=(1, 8000))
    assert ended.statuses == [1, 1], ended.said
    said = "m: the checkpoint could not be saved (File too large); nothing was written; make room for 1.1 MB"
    assert said in ended.said[0] and "Traceback" not in ended.said[0] + ended.said[1], ended.said
    assert not list((workspace / "checkpoints").iterdir())
    (last,) = events(workspace, "m", "training_stopped")
    assert last["reason"] == "error" and said in last["message"]


@pytest.mark.parametrize(("rank", "name"), [(0, "SIGTERM"), (1, "SIGINT")])
def test_a_signal_to_any_rank_stops_and_saves_all(
    together: Together, workspace: Path, rank: int, name: str
) -> None:
    number = signal.Signals[name]
    ended = together.train(workspace, *MASKED, "--max_iters", "5000", send=(rank, number, 12))
    assert ended.statuses == [128 + number] * 2, ended.said
    (last,) = events(workspace, "m", "training_stopped")
    assert last["reason"] == "signal" and name in last["message"]
    state = json.loads((workspace / "checkpoints" / "m" / "training_state.json").read_text())
    assert state["step"] == last["iter"]


def test_a_rank_that_dies_ends_the_run_with_a_sentence(together: Together, workspace: Path) -> None:
    ended = together.train(workspace, *MASKED, "--max_iters", "5000", send=(1, signal.SIGKILL, 12))
    assert ended.statuses == [1, -9]
    assert "another rank is gone without a word" in ended.said[0] and "Traceback" not in ended.said[0]
    (last,) = events(workspace, "m", "training_stopped")
    assert last["reason"] == "error"
    assert_whole(workspace)
    again = together.train(workspace, *MASKED, "--max_iters", "30")
    assert again.statuses == [0, 0], again.said
    assert "from step 10" in again.said[0]


def test_what_ends_one_rank_is_told_by_the_others(together: Together, workspace: Path) -> None:
    # A masked shard that is cut while it is trained on: whoever reads it first ends.
    shard = workspace / "data" / "train" / "shard_00000.bin"
    flags = [*MASKED, "--max_iters", "100000", "--eval_interval", "1000"]

    def cut() -> None:
        wait_for(lambda: last_iter(workspace, "m") > 10)
        with shard.open("r+b") as file:
            file.truncate(100)

    thread = threading.Thread(target=cut)
    thread.start()
    ended = together.train(workspace, *flags)
    thread.join()
    assert "Traceback" not in ended.said[0] + ended.said[1]
    if -signal.SIGBUS in ended.statuses:
        # Cut in the instant between the look at its length and the reading, which nobody can prevent.
        survivor = ended.statuses.index(1)
        assert "another rank is gone without a word" in ended.said[survivor], ended.said
        return
    assert ended.statuses == [1, 1], ended.said
    assert "has become shorter" in ended.said[0]


def test_a_loss_that_is_no_number_ends_all_of_them(together: Together, workspace: Path) -> None:
    high = ["--learning_rate", "10", "--weight_decay", "10", "--warmup_iters", "0", "--max_iters", "400"]
    ended = together.train(workspace, *MASKED, *high)
    assert ended.statuses == [1, 1], ended.said
    assert "the last good checkpoint is checkpoints/m of step" in ended.said[0]
    assert "Traceback" not in ended.said[0] + ended.said[1]
    (last,) = events(workspace, "m", "training_stopped")
    assert last["reason"] == "nan"
    assert_whole(workspace)
