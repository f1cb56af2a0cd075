from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

import mypt
from mypt.data.split import key_of
from mypt.errors import RunError, UserError
from mypt.model import LanguageModel
from mypt.runs.lock import ModelLock
from mypt.runs.log_lock import LogLock
from mypt.runs.record import list_records
from mypt.tokenizers import CharTokenizer
from mypt.training.recorded import only_writer
from tests.training.runs import row
from tests.workbench import CHARS, TINY, events, ids_of, last_iter, listing, story, wait_for, write_dataset
from tests.workbench import mypt as mypt_command

# Operations this small are slower on several threads, and far slower beside other programs.
torch.set_num_threads(1)

LETTERS = CharTokenizer.from_text(CHARS)
SHAPE: dict[str, Any] = {"batch_size": 4, "block_size": 16, "n_embd": 16, "n_head": 2, "n_layer": 1}


@pytest.fixture(autouse=True)
def here(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace is the current folder, as it is for programs."""
    monkeypatch.chdir(workspace)
    return workspace


def config(**fields: Any) -> mypt.GPTConfig:
    return mypt.GPTConfig.for_new_model(**{"vocab_size": len(CHARS), "dropout": 0.1, **SHAPE, **fields})


def loader(like: mypt.GPTConfig, **how: Any) -> mypt.GPTDataLoader:
    return mypt.GPTDataLoader(like, LETTERS, **{"input_file": "input.txt", **how})


def fit(model: LanguageModel, max_iters: int = 4, **how: Any) -> Any:
    data = how.pop("data_loader", None) or loader(model.config)
    given: dict[str, Any] = {"eval_interval": 2, "eval_iters": 2, "quiet": True}
    return mypt.fit(model, data, max_iters=max_iters, **{**given, **how})


def same_weights(one: LanguageModel, two: LanguageModel) -> bool:
    other = two.state_dict()
    return all(torch.equal(value, other[name]) for name, value in one.state_dict().items())


# ── the seeds' calls ────────────────────────────────────────────────────────────────────────────────────────────


def test_dual_evaluation_as_the_seed_does_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = ids_of(story(1500, 3))
    write_dataset(here / "data" / "domain_corpus", train=[ids], val=[ids[:300]])
    write_dataset(here / "data" / "general_eval", val=[ids_of(story(600, 4))])
    shape, tokenizer = config(), LETTERS
    model = mypt.GPT(shape)
    optimizer = mypt.configure_optimizer(model, learning_rate=1e-3)

    # Primary loader (train + val)
    domain_loader = mypt.GPTDataLoader(shape, tokenizer, dataset_dir="data/domain_corpus")
    # Additional eval loader (val only)
    general_loader = mypt.GPTDataLoader(shape, tokenizer, dataset_dir="data/general_eval", eval_only=True)
    result = mypt.fit(
        model,
        data_loader=domain_loader,
        optimizer=optimizer,
        max_iters=4,
        eval_interval=2,
        eval_iters=2,
        eval_data_loaders={"general": general_loader},
        log_file="logs/train/domain_adapted_eval.jsonl",
    )
    assert (result.step, result.finished, result.gold_step) == (4, True, 4)
    lines = events(here, "domain_adapted")
    assert [line["event"] for line in lines if line["event"].startswith("training")] == [
        "training_start",
        "training_complete",
    ]
    evals = [line for line in lines if line["event"] == "eval"]
    assert [line["iter"] for line in evals] == [0, 2, 4]
    assert all(0 < line["eval_general"] < 5 for line in evals)
    assert evals[-1]["val_loss"] == round(result.val_loss or 0, 6)
    out = capsys.readouterr().out
    assert "| phase: default | general " in out and "Training finished!" in out
    # Nobody asked for checkpoints.
    assert sorted(path.name for path in here.iterdir()) == [".mypt", "data", "input.txt", "logs"]


def test_a_resume_as_the_seed_does_it(here: Path) -> None:
    model = mypt.GPT(config())
    optimizer = mypt.configure_optimizer(model)
    place = here / "checkpoints" / "dante"
    data = loader(model.config)
    mypt.fit(model, data, optimizer, 2, 2, 2, place, quiet=True)
    again = mypt.load_bundle("dante")
    optimizer = mypt.configure_optimizer(again.model)
    assert again.optimizer_state is not None
    optimizer.load_state_dict(again.optimizer_state)
    result = mypt.fit(
        again.model,
        data_loader=data,
        optimizer=optimizer,
        max_iters=4,
        eval_interval=2,
        eval_iters=2,
        checkpoint_dir=str(place),
        start_step=again.step,
        learning_rate=1e-4,
        quiet=True,
    )
    assert result.step == 4
    state = json.loads((place / "training_state.json").read_text())
    wanted = {"max_iters": 4, "eval_interval": 2, "eval_iters": 2, "learning_rate": 0.0001, "start_step": 2}
    assert {name: state["training_config"][name] for name in wanted} == wanted
    assert (state["step"], state["optimizer_file"]) == (4, "optimizer.pt")
    assert {path.name for path in place.parent.iterdir()} == {"dante", "dante_gold", "dante_fp16"}


# ── the same training ───────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_the_training_of_mypt_train_to_the_bit(here: Path) -> None:
    asked: dict[str, Any] = {"eval_interval": 3, "eval_iters": 2, "learning_rate": 1e-3, "warmup_iters": 2}
    asked |= {"grad_accum_steps": 2, "precision": "fp32"}
    trained = mypt.train(
        model_name="shell",
        input_file="input.txt",
        tokenization="char",
        max_iters=6,
        dropout=0.1,
        sample_interval=0,
        device="cpu",
        quiet=True,
        **SHAPE,
        **asked,
    )
    model = mypt.GPT(config(), seed=key_of(1337, "weights") >> 1)
    fit(model, 6, checkpoint_dir="checkpoints/program", **asked)
    assert same_weights(model, trained.load().model)
    shell, program = (mypt.get_model_info(name) for name in ("shell", "program"))
    moments = [mypt.load_bundle(name).optimizer_state for name in ("shell", "program")]
    for one, two in zip(*(m["state"].values() for m in moments if m), strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)
    # Whoever goes on from the program's bundle goes on with the same settings.
    kept, same = shell["training_state"]["training_config"], program["training_state"]["training_config"]
    assert {name: same.get(name) for name in kept if kept[name] != same.get(name)} == {}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_stop_and_a_resume_change_nothing(here: Path) -> None:
    how: dict[str, Any] = {"eval_interval": 100, "learning_rate": 1e-3, "log_interval": 1, "max_iters": 400}
    whole = mypt.GPT(config())
    fit(whole, **how, log_file="logs/train/whole_eval.jsonl")
    cut = mypt.GPT(config())
    more: dict[str, Any] = {"checkpoint_dir": "checkpoints/cut", "log_file": "logs/train/cut_eval.jsonl"}

    def interrupt() -> None:
        wait_for(lambda: last_iter(here, "cut") >= 30)
        signal.raise_signal(signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        fit(cut, **how, **more)
    watcher.join()
    assert events(here, "cut")[-1]["event"] == "training_stopped"
    bundle = mypt.load_bundle("cut")
    assert 30 <= bundle.step < 400 and bundle.optimizer_state is not None
    optimizer = mypt.configure_optimizer(bundle.model)
    optimizer.load_state_dict(bundle.optimizer_state)
    fit(bundle.model, **how, **more, optimizer=optimizer, start_step=bundle.step)
    assert same_weights(whole, bundle.model)
    assert events(here, "cut", "training_start")[-1]["config"]["resumed"] is True


def test_what_was_asked_for_is_told_from_what_was_not(here: Path) -> None:
    fit(mypt.GPT(config()), 2, checkpoint_dir="checkpoints/fitted", warmup_iters=1)
    sources = mypt.get_model_info("fitted")["training_state"]["sources"]
    assert sources["max_iters"] == sources["warmup_iters"] == "mypt.fit()"
    assert "seed" not in sources


def test_mypt_train_goes_on_with_its_checkpoints(here: Path) -> None:
    model = mypt.GPT(config())
    fit(model, 4, checkpoint_dir="checkpoints/fitted", log_file="logs/train/fitted_eval.jsonl")
    result = mypt.train(model_name="fitted", max_iters=6, quiet=True)
    assert result.step == 6
    starts = events(here, "fitted", "training_start")
    assert [start["config"]["start_step"] for start in starts] == [0, 4]


def test_any_optimizer_and_any_folder_will_do(here: Path) -> None:
    model = mypt.GPT(config())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = mypt.GPT(config())
    fit(model, 2, optimizer=optimizer, checkpoint_dir="out/run 1/model")
    assert not same_weights(model, before)
    assert mypt.load_bundle("out/run 1/model_gold").step == 2
    assert not (here / ".mypt").exists()


def test_a_worse_model_never_takes_gold_s_place(here: Path) -> None:
    model = mypt.GPT(config())
    place = here / "checkpoints" / "dante"
    first = fit(model, 4, checkpoint_dir=place, learning_rate=1e-2)
    assert first.gold_step == 4
    # Weights that know nothing, in a run that goes on.
    result = fit(mypt.GPT(config(), seed=5), 6, checkpoint_dir=place, start_step=4, learning_rate=1e-9)
    assert result.gold_step == 4 and result.best_val_loss == first.best_val_loss
    assert mypt.get_model_info("dante_gold")["training_state"]["step"] == 4


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"max_iters": 0}, r"mypt\.fit\(\): max_iters: must be at least 1"),
        (
            {"warmup_iter": 5},
            r"mypt\.fit\(\): warmup_iter: is not a setting of fit; did you mean warmup_iters\?",
        ),
        ({"n_layer": 5}, "n_layer: is not a setting of fit"),
        ({"learning_rate": -1.0}, "learning_rate: must be more than 0"),
        ({"checkpoint_dir": "checkpoints/a_gold"}, "names ending in _gold"),
        ({"checkpoint_dir": "work"}, "holds other files"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    here: Path, how: dict[str, Any], message: str
) -> None:
    (here / "work").mkdir()
    (here / "work" / "thesis.tex").write_text("years")
    before = listing(here)
    with pytest.raises(UserError, match=message):
        fit(mypt.GPT(config()), **how)
    assert listing(here) == before


def test_data_that_is_not_the_model_s_is_refused(here: Path) -> None:
    model = mypt.GPT(config())
    other = CharTokenizer(tuple(reversed(LETTERS.chars)))
    with pytest.raises(UserError, match="data_loader: was opened for evaluation only"):
        fit(model, data_loader=loader(model.config, eval_only=True))
    with pytest.raises(UserError, match="eval_data_loaders general: has another tokenizer"):
        strange = mypt.GPTDataLoader(model.config, other, input_file="input.txt")
        fit(model, eval_data_loaders={"general": strange})
    with pytest.raises(UserError, match="the tokenizer has 29 tokens, the model 20 rows"):
        fit(mypt.GPT(config(vocab_size=20)), data_loader=loader(config()))
    still = torch.optim.SGD(model.parameters(), lr=0.0)
    with pytest.raises(UserError, match="learning_rate: must be more than 0"):
        fit(model, optimizer=still)
    with pytest.raises(UserError, match="the model has 16 learned positions"):
        fit(model, data_loader=loader(config(block_size=32)))


def test_two_on_one_model_are_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelLock(here, "dante").acquire(command=["somebody"]):
        with pytest.raises(UserError, match="two runs on one model"):
            fit(mypt.GPT(config()), checkpoint_dir="checkpoints/dante")
        monkeypatch.chdir(here / "checkpoints" if (here / "checkpoints").is_dir() else here)
        with pytest.raises(UserError, match="two runs on one model"):
            fit(
                mypt.GPT(config()),
                data_loader=loader(config(), workspace=here),
                checkpoint_dir=here / "checkpoints/dante",
            )


def test_two_runs_on_one_log_are_refused(here: Path) -> None:
    log = here / "logs" / "train" / "m_eval.jsonl"
    with only_writer(here, log, "m"), pytest.raises(UserError, match="another run writes it now"):
        fit(mypt.GPT(config()), log_file="logs/train/m_eval.jsonl")
    assert not log.exists()


def test_a_log_whose_lock_was_removed_and_taken_by_another_is_left_to_it(here: Path) -> None:
    log = here / "logs" / "train" / "m_eval.jsonl"
    other = LogLock(here, log)

    def rob() -> None:
        wait_for(lambda: last_iter(here, "m") >= 2)
        while True:
            shutil.rmtree(here / ".mypt" / "locks", ignore_errors=True)
            # What keeps it may be as quick.
            with contextlib.suppress(UserError):
                other.acquire()
                break

    thread = threading.Thread(target=rob)
    thread.start()
    try:
        with pytest.raises(
            RunError, match="the lock on this log was removed, and another run writes it since"
        ):
            fit(mypt.GPT(config()), max_iters=10**6, log_file="logs/train/m_eval.jsonl")
    finally:
        thread.join()
        other.release()
    assert "training_stopped" not in log.read_text()


def test_it_is_a_run_that_can_be_seen_and_stopped_and_holds_its_model(here: Path) -> None:
    seen: list[dict[str, object]] = []

    def watch() -> None:
        wait_for(lambda: last_iter(here, "fitted") >= 3)
        seen.append(row(here))
        # Two on one model, and two on one log.
        for other in (
            ["--model_name", "fitted"],
            ["--model_name", "x", "--log_file", "logs/train/fitted_eval.jsonl"],
        ):
            assert mypt_command(here, "train", *other, *TINY).returncode == 2
        (record,) = list_records(here).records
        record.directory(here).stop_file.touch()

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = fit(
        mypt.GPT(config()),
        10**9,
        eval_interval=10**9,
        log_interval=1,
        checkpoint_dir="checkpoints/fitted",
        log_file="logs/train/fitted_eval.jsonl",
    )
    watcher.join()
    assert not result.finished
    assert (seen[0]["name"], seen[0]["state"], seen[0]["max_iters"]) == ("fitted", "running", 10**9)
    assert row(here)["state"] == "stopped"
    last = events(here, "fitted")[-1]
    assert (last["event"], last["reason"]) == ("training_stopped", "request")
    assert mypt.get_model_info("fitted")["training_state"]["step"] == last["iter"] == result.step
    (record,) = list_records(here).records
    assert "step 0/" in record.directory(here).console.read_text()


def test_a_loss_that_is_no_number_stops_it(here: Path) -> None:
    model = mypt.GPT(config())
    with torch.no_grad():
        model.ln_f.weight.fill_(float("nan"))  # type: ignore[operator]
    with pytest.raises(RunError, match="is nan; stopped before"):
        fit(model, log_file="logs/train/m_eval.jsonl")
    assert events(here, "m")[-1]["reason"] == "nan"
    shutil.rmtree(here / "logs")
