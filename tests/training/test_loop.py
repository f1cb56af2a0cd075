"""What an update is, what an evaluation leaves alone, and what the log says of a run: in this process."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch

from mypt.data.source import PhaseData, RunData
from mypt.data.split import Split
from mypt.estimate import flops_per_token
from mypt.events import Eval, Notice, PhaseSwitch, Train, encode
from mypt.model import GPT
from mypt.settings.fields import Settings
from mypt.settings.model_config import GPTConfig
from mypt.tokenizers.char import CharTokenizer
from mypt.training import optimizer as adamw
from mypt.training.engine import Engine
from mypt.training.loop import Trainer
from mypt.training.numerics import Numerics
from mypt.training.progress import Progress
from mypt.training.roles import End
from mypt.training.stopping import StopFlag
from tests.workbench import CHARS, ids_of, story

torch.set_num_threads(1)
FP32 = Numerics(device="cpu", precision="fp32", attention="sdpa", compile=False, threads=1)


class Quiet:
    """A reporter and keeper that only remembers what it is told; a sample looks three times whether to stop."""

    def __init__(self, stop: StopFlag) -> None:
        self.stop = stop
        self.samples: list[int] = []
        self.updates: list[Train] = []
        self.losses: list[float | None] = []
        self.evals: list[tuple[int, str, float | None]] = []
        self.switches: list[tuple[int, str]] = []
        self.saved: list[Progress] = []
        self.notices: list[Notice] = []

    def train(self, event: Train) -> None:
        self.losses.append(event.train_loss)
        self.updates.append(event)

    def evaluation(self, event: Eval) -> None:
        self.evals.append((event.iter, event.phase, event.val_loss))

    def phase(self, event: PhaseSwitch) -> None:
        self.switches.append((event.iter, event.new_phase))

    def notice(self, event: Notice) -> None:
        self.notices.append(event)

    took_s, behind = 0.0, False

    def gold(self, *nothing: Any) -> None: ...
    def check(self) -> None: ...
    def sample(self, step: int) -> bool:
        if any(self.stop.asked() for _ in range(3)):
            return False
        self.samples.append(step)
        return True

    def progress(self, made: Progress, tokens_per_sec: float | None) -> None: ...
    def stopping(self, step: int, why: str) -> None: ...

    def last(self, progress: Progress) -> None:
        self.saved.append(copy.deepcopy(progress))


def split(*, masked: float | None = None, seed: int = 0) -> Split:
    tokens = np.array(ids_of(story(2000, seed)), np.uint16)
    draw = np.random.default_rng(3)
    return Split(
        [tokens], [(draw.random(len(tokens)) < masked).astype(np.uint8)] if masked is not None else []
    )


def phase(name: str, until: int | None, **options: Any) -> PhaseData:
    return PhaseData(name, until, split(**options), split(**options), "", name)


def trainer(settings: dict[str, Any], *phases: PhaseData, progress: Progress | None = None) -> Trainer:
    """A trainer of a model that is always the same at the beginning."""
    wanted: dict[str, Any] = {
        "block_size": 16,
        "batch_size": 4,
        "max_iters": 6,
        "eval_interval": 100,
        "eval_iters": 2,
        "log_interval": 1,
        "learning_rate": 1e-2,
        "dropout": 0.0,
    }
    s = Settings(**{**wanted, **settings})
    config = GPTConfig.for_new_model(
        batch_size=s.batch_size,
        block_size=16,
        vocab_size=len(CHARS),
        n_embd=16,
        n_head=2,
        n_layer=2,
        dropout=s.dropout,
    )
    model = GPT(config, seed=7)
    stop = StopFlag()
    quiet = Quiet(stop)
    optimizer = adamw.build(model, learning_rate=s.learning_rate, weight_decay=s.weight_decay)
    return Trainer(
        Engine(model, optimizer, s, FP32),
        RunData(CharTokenizer(list(CHARS)), list(phases) or [phase("default", None)]),
        progress or Progress(),
        quiet,
        quiet,
        stop,
    )


def quiet_of(made: Trainer) -> Quiet:
    assert isinstance(made.reporter, Quiet)
    return made.reporter


def weights(made: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in made.engine.model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("masked", [None, 0.5, 0.03, 0.0])
def test_a_step_of_many_micro_batches_is_one_of_a_big_one(masked: float | None) -> None:
    use = {"use_loss_mask": masked is not None}
    pieces = trainer({"batch_size": 2, "grad_accum_steps": 6, **use}, phase("default", None, masked=masked))
    whole = trainer({"batch_size": 12, **use}, phase("default", None, masked=masked))
    for made in (pieces, whole):
        made.run()
    assert quiet_of(pieces).losses == pytest.approx(quiet_of(whole).losses, abs=1e-6)
    ours, theirs = weights(pieces), weights(whole)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in ours)
    assert not any(loss != loss for loss in quiet_of(pieces).losses)


def test_an_evaluation_disturbs_nothing() -> None:
    often, never = trainer({"eval_interval": 1, "dropout": 0.3}), trainer({"dropout": 0.3})
    for made in (often, never):
        made.run()
    assert len(quiet_of(often).evals) == 7 and len(quiet_of(never).evals) == 2
    assert same(weights(often), weights(never))
    assert quiet_of(often).losses == quiet_of(never).losses


def test_every_evaluation_looks_at_the_same_sequences() -> None:
    made = trainer({"eval_interval": 1, "learning_rate": 1e-30, "weight_decay": 0.0, "warmup_iters": 0})
    made.run()
    assert len({loss for _, _, loss in quiet_of(made).evals}) == 1


def test_the_number_of_evaluated_sequences_is_kept_when_the_batch_changes() -> None:
    first = trainer({"max_iters": 1})
    first.run()
    kept = quiet_of(first).saved[0]
    assert kept.eval_sequences == 8
    smaller = trainer({"batch_size": 2, "grad_accum_steps": 2}, progress=Progress(eval_sequences=8))
    larger = trainer({"batch_size": 4})
    smaller.run()
    larger.run()
    assert quiet_of(smaller).evals[0][2] == pytest.approx(quiet_of(larger).evals[0][2], abs=1e-6)


def test_evaluations_are_at_the_beginning_every_interval_and_at_the_end() -> None:
    made = trainer({"eval_interval": 4, "max_iters": 10, "save_every": 3})
    made.run()
    assert [step for step, _, _ in quiet_of(made).evals] == [0, 4, 8, 10]
    assert [saved.iter for saved in quiet_of(made).saved] == [0, 3, 4, 6, 8, 9, 10]


def test_none_where_a_run_resumes() -> None:
    begin = Progress(iter=4, last_eval=4, last_sample=4)
    made = trainer({"eval_interval": 4, "max_iters": 10, "save_every": 4}, progress=begin)
    made.run()
    assert [step for step, _, _ in quiet_of(made).evals] == quiet_of(made).samples == [8, 10]
    assert [saved.iter for saved in quiet_of(made).saved] == [8, 10]


def test_samples_have_an_interval_of_their_own() -> None:
    made = trainer({"eval_interval": 4, "max_iters": 10, "sample_interval": 3})
    made.run()
    assert quiet_of(made).samples == [0, 3, 6, 9, 10]
    none = trainer({"max_iters": 2, "sample_interval": 0})
    none.run()
    assert quiet_of(none).samples == [] and none.progress.last_sample == 2


def test_a_sample_that_a_stop_cut_short_is_made_up_for_and_never_made_twice() -> None:
    stopped = Progress(iter=4, last_eval=4, last_sample=2)
    made = trainer({"eval_interval": 2, "max_iters": 5}, progress=stopped)
    made.run()
    assert quiet_of(made).samples == [4, 5]
    # Were it killed at once now, it would not be made once more.
    assert (quiet_of(made).saved[0].iter, quiet_of(made).saved[0].last_sample) == (4, 4)


def test_utilisation_is_logged_where_the_devices_peak_is_known() -> None:
    made, unknown = trainer({"max_iters": 2}), trainer({"max_iters": 2})
    made.peak_flops = 1e12
    made.run()
    unknown.run()
    config = made.engine.model.config
    for event in quiet_of(made).updates:
        assert event.tokens_per_sec is not None
        assert event.mfu == pytest.approx(event.tokens_per_sec * flops_per_token(config) / 1e12)
    assert all(json.loads(encode(event)).get("mfu", 0) is not None for event in quiet_of(made).updates)
    assert all("mfu" not in json.loads(encode(event)) for event in quiet_of(unknown).updates)


def two_phases() -> list[PhaseData]:
    return [phase("one", 4), phase("two", None, seed=5)]


def test_at_a_boundary_the_evaluation_carries_the_old_phase() -> None:
    made = trainer({"eval_interval": 2, "max_iters": 6}, *two_phases())
    made.run()
    assert [(step, name) for step, name, _ in quiet_of(made).evals] == [
        (0, "one"),
        (2, "one"),
        (4, "one"),
        (6, "two"),
    ]
    assert quiet_of(made).switches == [(4, "two")]


def test_an_evaluation_that_a_stop_cut_short_at_a_boundary_is_made_up_for_in_the_old_phase() -> None:
    # It was asked to stop while it evaluated after 4 updates, so it was saved without that evaluation.
    stopped = Progress(iter=4, last_eval=2, phase="one")
    made = trainer({"eval_interval": 2, "max_iters": 6}, *two_phases(), progress=stopped)
    made.run()
    assert [(step, name) for step, name, _ in quiet_of(made).evals] == [(4, "one"), (6, "two")]
    assert quiet_of(made).switches == [(4, "two")]


def test_a_stop_between_the_evaluation_and_the_switch_switches_later() -> None:
    stopped = Progress(iter=4, last_eval=4, phase="one")
    made = trainer({"eval_interval": 2, "max_iters": 6}, *two_phases(), progress=stopped)
    made.run()
    assert quiet_of(made).switches == [(4, "two")]


def asked_at(number: int) -> Callable[[], str | None]:
    """A request to stop that is there from the `number`th look on."""
    looks = count(1)
    return lambda: "request" if next(looks) >= number else None


def test_a_stop_at_any_moment_changes_nothing_in_the_story() -> None:
    # Every micro-batch and every batch of an evaluation looks whether to stop.
    settings = {
        "grad_accum_steps": 2,
        "batch_size": 2,
        "eval_interval": 2,
        "max_iters": 6,
        "dropout": 0.2,
        "save_every": 3,
        "sample_interval": 3,
    }
    whole = trainer(settings, *two_phases())
    assert whole.run() is End.COMPLETE
    for number in count(1):
        first = trainer(settings, *two_phases())
        first.stop.request = asked_at(number)
        if first.run() is End.COMPLETE:
            break
        begin, before = quiet_of(first).saved[-1], quiet_of(first)
        second = trainer(settings, *two_phases(), progress=begin)
        second.engine.model.load_state_dict(first.engine.model.state_dict())
        second.engine.optimizer.load_state_dict(copy.deepcopy(first.engine.optimizer.state_dict()))
        assert second.run() is End.COMPLETE
        after = quiet_of(second)
        assert before.evals + after.evals == quiet_of(whole).evals, number
        assert before.samples + after.samples == quiet_of(whole).samples == [0, 3, 6], number
        assert before.losses + after.losses == quiet_of(whole).losses, number
        assert before.switches + after.switches == quiet_of(whole).switches == [(4, "two")], number
        assert same(weights(second), weights(whole)), number
        assert after.saved[-1].gold == quiet_of(whole).saved[-1].gold, number
    assert number > 20


def test_a_run_that_ends_at_a_boundary_does_not_enter_the_next_phase() -> None:
    made = trainer({"max_iters": 4}, *two_phases())
    made.run()
    assert quiet_of(made).switches == [] and quiet_of(made).saved[-1].phase == "one"


@pytest.mark.parametrize(("rate", "worse"), [(10.0, True), (1e-2, False)])
def test_a_first_gold_that_is_worse_than_no_training_is_told_once(rate: float, worse: bool) -> None:
    made = trainer({"learning_rate": rate, "eval_interval": 2, "warmup_iters": 0})
    made.run()
    told = [notice for notice in quiet_of(made).notices if notice.kind == "gold_worse"]
    assert [notice.iter for notice in told] == [2] * worse
    (_, _, first), (_, _, second), *_ = quiet_of(made).evals
    if worse:
        assert told[0].message.startswith(
            f"the first gold's validation loss, {second:.4f}, is above the {first:.4f} of"
        )


def test_gold_begins_anew_at_a_switch() -> None:
    made = trainer({"eval_interval": 2, "max_iters": 5}, *two_phases())
    made.run()
    at_four, at_five = [s for s in quiet_of(made).saved if s.iter in (4, 5)]
    assert at_four.gold.best is not None
    assert at_five.gold.best_step == 5 and at_five.gold.previous == at_five.val_loss


def test_tokens_are_counted_as_the_contract_has_it() -> None:
    made = trainer({"batch_size": 12, "grad_accum_steps": 8, "block_size": 16})
    assert made.tokens_per_step == 12 * 16 * 8
    full = Settings(batch_size=12, block_size=1024, grad_accum_steps=8, max_iters=75_000)
    per_step = full.batch_size * full.block_size * full.grad_accum_steps
    assert (per_step, 350 * per_step, round(100 * 350 / full.max_iters, 2)) == (98_304, 34_406_400, 0.47)


def test_a_slow_save_behind_the_training_is_told_of_at_the_next_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = trainer({"save_every": 5})
    quiet = quiet_of(made)

    def progress(at: Progress, tokens_per_sec: float | None) -> None:
        # What was begun at the first step is written by now.
        if at.iter == 2:
            quiet.took_s, quiet.behind = 30.0, True

    monkeypatch.setattr(quiet, "progress", progress)
    made.run()
    assert [at.iter for at in quiet.saved] == [0, 5, 6] and [(n.iter, n.kind) for n in quiet.notices] == [
        (2, "slow_save")
    ]
