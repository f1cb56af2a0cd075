"""Numbers that are none, in every place where one can be: the run stops before harm, or goes on and says so."""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from mypt.watch.inventory import Workspace
from tests.faults.ground import age, assert_one_clean_history, assert_whole
from tests.faults.rounds import Report, draw, times
from tests.training.alike import assert_same_run
from tests.training.killer import KILLED, Killer, place_of
from tests.training.runs import row, state_of, train
from tests.workbench import CHARS, TINY, events, ids_of, listing, log_of, story, write_dataset

PLAIN = story(1500).replace("z", "a")
FLAGS = [*TINY[4:], "--precision", "fp32", "--dataset_dir", "data/one"]


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    """Data without a z, two eval sets, one of which has it, and a val part with it in another folder."""
    with_z = PLAIN.replace("e", "z")
    for name, val in (("one", PLAIN), ("other", PLAIN), ("set", with_z), ("val", with_z)):
        write_dataset(tmp_path / "data" / name, train=[ids_of(PLAIN)], val=[ids_of(val[:400])])
    return tmp_path


def spoil(workspace: Path, model: str, sign: str, value: float) -> None:
    """Make the embedding of one character `value`: whoever reads that character gets nothing finite any more."""
    file = workspace / "checkpoints" / model / "model.pt"
    content = torch.load(file, weights_only=True)
    content["state_dict"]["token_embedding_table.weight"][CHARS.index(sign)] = value
    (file.parent / "manifest.json").unlink()
    torch.save(content, file)


def assert_valid(workspace: Path, model: str) -> None:
    """Every line of the log is JSON for readers that know no NaN; what is none is null, with its name beside it."""
    for line in log_of(workspace, model).read_text().splitlines():
        event = json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} in the log"))
        for name in event.get("nonfinite", {}):
            assert event[name] is None


@pytest.mark.parametrize("number", range(times(2, 60)))
def test_a_rate_that_ruins_the_weights_saves_nothing_of_them(
    number: int, ground: Path, capsys: pytest.CaptureFixture[str], report: Report
) -> None:
    chance = draw("rate", number)
    rate, decay, clip = chance.uniform(1, 10), chance.choice(("1", "10")), chance.choice(("0", "1"))
    save, every = chance.choice((1, 1, 2, 3)), chance.choice((1, 2, 100))
    # Better than a model that knows nothing, which is what weights come to that are large enough.
    learnt = ["--learning_rate", "0.02", "--max_iters", "4", "--eval_interval", "2"]
    assert train(ground, "--model_name", "m", *FLAGS, *learnt) == 0
    gold = listing(ground / "checkpoints" / "m_gold")
    capsys.readouterr()
    flags = [
        "--learning_rate",
        f"{rate:g}",
        "--warmup_iters",
        "0",
        "--weight_decay",
        decay,
        "--grad_clip",
        clip,
    ]
    often = ["--save_every", f"{save}", "--eval_interval", f"{every}", "--max_iters", "30"]
    code = train(ground, "--model_name", "m", *flags, *often)
    said = capsys.readouterr().err
    saved = state_of(ground, "m")["step"]
    if code == 0:
        # Some rates only spoil what is learned.
        assert saved == 30
    else:
        assert code == 1 and re.fullmatch(
            r"mypt: step \d+: .+ is (nan|inf); stopped before .+, and the last good checkpoint is checkpoints/m of "
            rf"step {saved}\. Lower learning_rate, or raise warmup_iters(; --resume_from gold goes on from step \d+)?\n",
            said,
        ), said
        last = events(ground, "m")[-1]
        assert (last["event"], last["reason"]) == ("training_stopped", "nan")
        assert row(ground)["state"] == "failed"
        if not events(ground, "m", "gold_checkpoint")[-1]["iter"] > 4:
            assert listing(ground / "checkpoints" / "m_gold") == gold
    assert_valid(ground, "m")
    assert_whole(ground)
    # What was kept has a loss, and goes on; or it was near its ruin before, and what goes on is told.
    sane = [
        "--learning_rate",
        "1e-9",
        "--weight_decay",
        "0",
        "--grad_clip",
        "1",
        "--max_iters",
        f"{saved + 2}",
    ]
    goes_on = train(ground, "--model_name", "m", *sane)
    if goes_on != 0:
        said = capsys.readouterr().err
        worst = [event["train_loss"] for event in events(ground, "m", "train") if event["iter"] == saved]
        assert worst[-1] > 1000 and "--resume_from gold goes on from step " in said, said
        assert train(ground, "--model_name", "m", *sane, "--resume_from", "gold") == 0
    report(stopped=code)


@pytest.mark.parametrize("where", ["set", "val"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_broken_beside_the_training_is_told_once_and_stops_nothing(
    where: str, value: float, ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = {"general": "data/other", "broken": "data/set"} if where == "set" else {"general": "data/other"}
    data = "data/one" if where == "set" else "data/val"
    flags = [*FLAGS[:-2], "--dataset_dir", data, "--eval_sets", json.dumps(sets), "--eval_interval", "2"]
    assert train(ground, "--model_name", "m", *flags, "--max_iters", "2") == 0
    spoil(ground, "m", "z", value)
    gold = listing(ground / "checkpoints" / "m_gold")
    capsys.readouterr()
    assert train(ground, "--model_name", "m", "--max_iters", "6") == 0
    said = capsys.readouterr()
    assert not said.err
    assert "m/model.pt: token_embedding_table.weight: 16 of its " in said.out
    assert_valid(ground, "m")
    found = [e for e in events(ground, "m", "eval") if e["iter"] > 2]
    name = "eval_broken" if where == "set" else "val_loss"
    assert len(found) == 2
    assert all(e[name] is None and e["nonfinite"][name] in ("nan", "inf") for e in found)
    assert all(e["train_loss"] is not None and e["eval_general"] is not None for e in found)
    told = events(ground, "m", "notice")
    if where == "set":
        (one,) = told
        assert (one["kind"], one["iter"]) == ("eval_set", 4) and "train_loss" not in one
        assert re.match(
            r"the loss on eval set broken is (nan|inf); gold is decided without it", one["message"]
        )
        assert said.out.count("⚠️  step 4: the loss on eval set broken") == 1
    else:
        # Nothing that is no number is gold.
        assert not told and said.out.count("the validation loss is ") == 2
        assert listing(ground / "checkpoints" / "m_gold") == gold
        picture = Workspace(ground)
        picture.load()
        (run,) = picture.runs
        assert run.history.nan_step == 4


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_base_whose_weights_are_no_numbers_is_refused_by_name(
    value: float, ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(ground, "--model_name", "base", *FLAGS, "--max_iters", "2", "--eval_interval", "2") == 0
    spoil(ground, "base", "q", value)
    before = listing(ground)
    capsys.readouterr()
    flags = ["--init_from_model", "base", "--dataset_dir", "data/one", "--max_iters", "4", "--device", "cpu"]
    assert train(ground, "--model_name", "tuned", *flags) == 2
    assert capsys.readouterr().err == (
        "mypt: base/model.pt: token_embedding_table.weight: 16 of its 464 weights are infinite or no numbers; take "
        "another checkpoint as the base, such as its gold\n"
    )
    assert listing(ground) == before


def noisy(workspace: Path) -> list[str]:
    """Data that is known by heart soon, but for a few places; flags that train on it, a sequence at a time."""
    chance = random.Random(3)
    text = "".join("ab" * 300 + "".join(chance.choices(CHARS[3:], k=24)) for _ in range(4))
    write_dataset(workspace / "data" / "noisy", train=[ids_of(text)], val=[ids_of(text[:400])])
    return [
        *("--model_name", "m", *TINY[4:], "--batch_size", "1", "--dataset_dir", "data/noisy", "--seed", "5"),
        *("--learning_rate", "0.02", "--warmup_iters", "0", "--max_iters", "120", "--eval_interval", "60"),
        *("--save_every", "20", "--dropout", "0"),
    ]


def spikes(workspace: Path) -> list[dict[str, Any]]:
    return [event for event in events(workspace, "m", "notice") if event["kind"] == "loss_spike"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_spike_is_told_once_and_as_if_nothing_had_been_killed(
    tmp_path: Path, killer: Killer, report: Report
) -> None:
    whole = tmp_path / "whole"
    flags = noisy(whole)
    broken = Path(shutil.copytree(whole, tmp_path / "broken"))
    status, operations = killer.run(whole, "train", *flags)
    told = spikes(whole)
    assert status == 0 and told
    losses = {event["iter"]: event["train_loss"] for event in events(whole, "m", "train")}
    for spike in told:
        assert spike["train_loss"] == losses[spike["iter"]]
        assert spike["message"].startswith(f"batch loss jumped to {spike['train_loss']:.4f} from 0.0")
    # Killed after it told of the last spike, as it is about to save that.
    following = next(
        place for place, step in enumerate(range(0, 121, 20), start=1) if step >= told[-1]["iter"]
    )
    assert killer.run(broken, "train", *flags, kill_at=place_of(operations, "m", following))[0] == KILLED
    assert spikes(broken) and len(events(broken, "m", "training_complete")) == 0
    age(broken)
    assert killer.run(broken, "train", *flags)[0] == 0
    assert_same_run(whole, broken, "m")
    assert_one_clean_history(broken, "m", 120)
    report(spikes=len(told))
