from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

import mypt as package
from mypt.runs.directory import request_stop
from mypt.runs.record import list_records
from tests.classify import entailment
from tests.workbench import begin, command, environment, events, last_iter, listing, mypt, wait_for

torch.set_num_threads(1)

COLUMNS = ["--text", "premise,hypothesis", "--label", "label"]
DATA = ["--data", "train.jsonl", "--eval_data", "dev.jsonl", *COLUMNS]
SHAPE = [
    *("--n_layer", "2", "--n_head", "2", "--n_embd", "32", "--block_size", "32", "--vocab_size", "320"),
    *("--batch_size", "16", "--dropout", "0", "--device", "cpu", "--precision", "fp32"),
]
FEW = ["--num_epochs", "2", "--eval_interval", "7", "--log_interval", "1", "--device", "cpu"]


def texts(root: Path, train: int = 800, dev: int = 300) -> None:
    (root / "input.txt").write_text(entailment.text(2000, 1))
    entailment.write_jsonl(root / "train.jsonl", entailment.rows(train, 2))
    entailment.write_jsonl(root / "dev.jsonl", entailment.rows(dev, 3))


@pytest.fixture(scope="module")
def based(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with few texts and the model `base`, which has learned a little; to be read only."""
    root = tmp_path_factory.mktemp("based")
    texts(root, train=150, dev=40)
    done = mypt(
        root,
        *("train", "--model_name", "base", "--input_file", "input.txt", "--tokenization", "char", *SHAPE[:8]),
        *(
            "--batch_size",
            "4",
            "--block_size",
            "96",
            "--max_iters",
            "4",
            "--eval_interval",
            "4",
            "--eval_iters",
            "1",
        ),
        *("--device", "cpu", "--sample_interval", "0"),
    )
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def room(based: Path, tmp_path: Path) -> Path:
    """A copy of it to write into."""
    shutil.copytree(based, tmp_path / "ws")
    return tmp_path / "ws"


def finetune(root: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    return mypt(
        root, "finetune-classifier", "--init_from_model", "base", "--model_name", name, *DATA, *FEW, *more
    )


def weights(root: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(root / "checkpoints" / name / "model.pt", weights_only=True)[
        "state_dict"
    ]
    return found


def told(root: Path, name: str) -> dict[tuple[str, int], dict[str, Any]]:
    """What the log says, without what clocks decide and how often the run began."""
    clocks = ("timestamp", "elapsed_s", "eval_duration_s", "tokens_per_sec", "memory")
    return {
        (e["event"], e["iter"]): {k: v for k, v in e.items() if k not in clocks}
        for e in events(root, name)
        if e["event"] in ("train", "eval", "gold_checkpoint")
    }


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_tiny_model_learns_what_follows_from_what(tmp_path: Path) -> None:
    texts(tmp_path)
    for step in (
        ["tokenizer", "train", "input.txt", "--output", "tok.json", "--vocab_size", "320"],
        [
            *("train", "--model_name", "base", "--input_file", "input.txt", "--tokenization", "bpe"),
            *("--tokenizer_file", "tok.json", *SHAPE, "--max_iters", "300", "--eval_interval", "300"),
            *(
                "--eval_iters",
                "2",
                "--learning_rate",
                "5e-3",
                "--weight_decay",
                "0.01",
                "--sample_interval",
                "0",
            ),
        ],
        [
            *("finetune-classifier", "--init_from_model", "base", "--model_name", "nli", *DATA),
            *(
                "--num_epochs",
                "12",
                "--batch_size",
                "16",
                "--learning_rate",
                "3e-3",
                "--weight_decay",
                "0.01",
            ),
            *("--dropout", "0", "--device", "cpu", "--eval_interval", "100"),
        ],
    ):
        done = mypt(tmp_path, *step)
        assert done.returncode == 0, done.stderr
    evals = events(tmp_path, "nli", "eval")
    assert evals[0]["eval_accuracy"] < 0.6 and evals[-1]["eval_accuracy"] > 0.95
    assert evals[-1]["eval_macro_f1"] > 0.95 and evals[-1]["val_loss"] < 0.2
    judged = mypt(tmp_path, "classify", "--model_name", "nli_gold", "--data", "dev.jsonl")
    assert judged.returncode == 0, judged.stderr
    rows = [json.loads(line) for line in judged.stdout.splitlines()]
    right = sum(row["label"] == row["prediction"] for row in rows) / 300
    best = max(events(tmp_path, "nli", "eval"), key=lambda e: (e["eval_macro_f1"], -e["val_loss"]))
    assert right == pytest.approx(best["eval_accuracy"], abs=1e-6) and right > 0.95
    assert judged.stderr.startswith(f"accuracy {right:.4f}, macro-F1 {best['eval_macro_f1']:.4f}, loss ")
    one = mypt(
        tmp_path,
        *(
            "classify",
            "--model_name",
            "nli_gold",
            "--text",
            "ada has a cup and it is red",
            "--text",
            "so it is blue",
        ),
    )
    assert json.loads(one.stdout)["prediction"] == entailment.NO


def test_the_log_has_scores_as_eval_sets_and_the_bundle_its_classes(room: Path) -> None:
    done = finetune(room, "c")
    assert done.returncode == 0, done.stderr
    # 150 texts in batches of 16: ten updates an epoch, the last one smaller.
    evals = events(room, "c", "eval")
    assert [e["iter"] for e in evals] == [0, 7, 14, 20]
    assert all({"val_loss", "train_loss", "eval_accuracy", "eval_macro_f1"} <= e.keys() for e in evals)
    assert evals[-1]["tokens_processed"] < 20 * 16 * 96
    config = json.loads((room / "checkpoints" / "c" / "config.json").read_text())
    assert config["classifier"]["classes"] == ["contradiction", "entailment"]
    assert config["classifier"]["text_columns"] == ["premise", "hypothesis"]
    state = json.loads((room / "checkpoints" / "c_gold" / "training_state.json").read_text())
    best = max(evals[1:], key=lambda e: (e["eval_macro_f1"], -e["val_loss"]))
    assert state["gold"]["gold_step"] == best["iter"]
    assert state["gold"]["score"] == pytest.approx(best["eval_macro_f1"], abs=1e-6)
    assert state["base"] == {"name": "base", "step": 4}
    golds = events(room, "c", "gold_checkpoint")
    assert golds[-1]["iter"] == best["iter"] and golds[-1]["val_loss"] == best["val_loss"]
    assert sorted(p.name for p in (room / "checkpoints").iterdir() if p.name.startswith("c")) == [
        *("c", "c_fp16", "c_gold")
    ]
    (record,) = [r for r in list_records(room).records if r.model_name == "c"]
    assert record.directory(room).exit_file.exists() and record.directory(room).console.exists()
    shown = mypt(room, "inspect", "--model_name", "c_gold").stdout
    assert '["contradiction", "entailment"]' in shown and "macro_f1" in shown
    status = json.loads(mypt(room, "status", "--json").stdout)
    assert [row["state"] for row in status if row["name"] == "c"] == ["finished"]
    again = mypt(room, "finetune-classifier", "--model_name", "c")
    assert again.returncode == 0 and "is already trained: 20 of 20 updates" in again.stdout
    assert "mypt finetune-classifier --model_name c --num_epochs 3" in again.stdout
    for wrong, said in (
        (["generate", "--model_name", "c_gold"], "writes no text"),
        (["train", "--model_name", "c"], "go on with mypt finetune-classifier --model_name c"),
        (
            ["train", "--model_name", "d", "--init_from_model", "c", "--input_file", "input.txt"],
            "begin with base",
        ),
        (["classify", "--model_name", "base", "--text", "x"], "is a language model and knows no classes"),
        (["finetune-classifier", "--model_name", "base", *DATA], "choose another name for the classifier"),
        (
            ["finetune-classifier", "--model_name", "c", "--text", "premise"],
            "text: is not what c was trained on",
        ),
    ):
        refused = mypt(room, *wrong)
        assert refused.returncode == 2 and said in refused.stderr, (wrong, refused.stderr)


@pytest.mark.slow
def test_a_stopped_classifier_goes_on_as_if_it_had_not_been_stopped(room: Path) -> None:
    more = ["--num_epochs", "3", "--dropout", "0.1", "--grad_accum_steps", "2", "--learning_rate", "1e-3"]
    assert finetune(room, "whole", *more).returncode == 0
    program = ["finetune-classifier", "--init_from_model", "base", "--model_name", "cut", *DATA, *FEW, *more]
    process = begin(room, *program)
    assert wait_for(lambda: last_iter(room, "cut") >= 3, process)
    process.send_signal(signal.SIGTERM)
    process.wait(100)
    assert process.returncode in (143, 0)
    if process.returncode == 143:
        assert events(room, "cut")[-1]["event"] == "training_stopped"
    # By its name alone, and stopped as the dashboard does it.
    process = begin(room, "finetune-classifier", "--model_name", "cut")
    record = list_records(room).records[-1]
    wait_for(lambda: len([r for r in list_records(room).records if r.model_name == "cut"]) > 1, process)
    record = list_records(room).records[-1]
    request_stop(record.directory(room))
    assert process.wait(100) == 0
    done = mypt(room, *program)
    assert done.returncode == 0, done.stderr
    one, other = weights(room, "whole"), weights(room, "cut")
    assert one.keys() == other.keys() and "score.weight" in one
    for name, value in one.items():
        assert torch.equal(value, other[name]), name
    assert told(room, "whole") == told(room, "cut")
    gold = weights(room, "whole_gold")
    assert all(torch.equal(value, weights(room, "cut_gold")[name]) for name, value in gold.items())


def test_more_epochs_go_on_in_the_same_order(room: Path) -> None:
    assert finetune(room, "a", "--warmup_iters", "1").returncode == 0
    done = mypt(room, "finetune-classifier", "--model_name", "a", "--num_epochs", "3")
    assert done.returncode == 0 and "Resuming checkpoints/a from step 20" in done.stdout, done.stderr
    assert last_iter(room, "a") == 30


def test_csv_one_column_and_many_classes(room: Path) -> None:
    lines = [f"{'ada' if n % 3 else 'ben'} has a cup,{n % 4}" for n in range(40)]
    (room / "train.csv").write_text("\n".join(["words,class", *lines]) + "\n")
    (room / "dev.csv").write_text("\n".join(["words,class", *lines[:12]]) + "\n")
    done = mypt(
        room,
        *("finetune-classifier", "--init_from_model", "base", "--model_name", "four", "--data", "train.csv"),
        *("--eval_data", "dev.csv", "--text", "words", "--label", "class", *FEW, "--block_size", "12"),
    )
    assert done.returncode == 0, done.stderr
    assert "train.csv: 40 of 40 rows are longer than 12 tokens and are cut" in done.stdout
    judged = subprocess.run(
        command(room, "classify", "--model_name", "four"),
        input="ada has\nben is\n",
        cwd=room,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [json.loads(line) for line in judged.stdout.splitlines()]
    assert [row["words"] for row in rows] == ["ada has", "ben is"], judged.stderr
    assert set(rows[0]["probabilities"]) == {"0", "1", "2", "3"}
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--text", "premise,hypotesis"], "train.jsonl: hypotesis: is no column of the file"),
        (["--label", "gold"], "train.jsonl: gold: is no column"),
        (["--data", "gone.jsonl"], "gone.jsonl"),
        (["--eval_data", "empty.jsonl"], "empty.jsonl: is empty"),
        (["--eval_data", "odd.jsonl"], "a class that the training data lacks ('perhaps') in 1 row: line 2"),
        (["--eval_data", "foreign.jsonl"], "vocabulary lacks ('Ω') in 1 row: line 1"),
        (["--data", "one.jsonl"], "label: has one class"),
        (["--text", "a,b,c"], "text: cannot be these columns"),
        (["--num_epochs", "0"], "num_epochs: must be a whole number of at least 1"),
        (["--num_epochs", "many"], "num_epochs: must be a whole number"),
        (["--block_size", "2"], "block_size: leaves no room for texts"),
        (["--learning_rate", "-1"], "learning_rate"),
        (["--init_from_model", "bsae"], "did you mean base"),
        (["--pretrained_ckpt_path", "x.pt"], "pretrained_ckpt_path: was given together with init_from_model"),
        (["--tokenizer_name", "tok.json"], "tokenizer_name: belongs to a checkpoint of another program"),
        (["--model_name", "a/b"], "model_name"),
        (["--max_iters", "5"], "is not a flag"),
    ],
)
def test_bad_input_is_told_and_nothing_written(arguments: list[str], said: str, room: Path) -> None:
    good = entailment.rows(1, 3)[0]
    (room / "empty.jsonl").write_text("")
    entailment.write_jsonl(room / "odd.jsonl", [good, {**good, "label": "perhaps"}])
    entailment.write_jsonl(room / "foreign.jsonl", [{**good, "premise": "Ω"}])
    entailment.write_jsonl(room / "one.jsonl", [good, good])
    before = listing(room)
    done = finetune(room, "c", *arguments)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert listing(room) == before


def test_from_python(room: Path) -> None:
    result = package.finetune_classifier(
        "c",
        init_from_model="base",
        data="train.jsonl",
        eval_data=room / "dev.jsonl",
        text=["premise", "hypothesis"],
        num_epochs=1,
        device="cpu",
        workspace=room,
        quiet=True,
    )
    assert result.finished and result.step == 10 and result.gold_step and result.macro_f1 is not None
    model = result.load()
    rows = entailment.rows(40, 3)
    pairs = [(row["premise"], row["hypothesis"]) for row in rows]
    found = model.classify(pairs)
    assert [each.label in model.classes for each in found] == [True] * 40
    alone = model.classify(pairs[7:8])[0]
    for name, value in alone.probabilities.items():
        assert found[7].probabilities[name] == pytest.approx(value, abs=1e-5)


def test_a_foreign_checkpoint_is_imported_on_the_way(room: Path) -> None:
    from mypt.interop.export_tokenizer import tokenizer_files

    base = package.load_bundle("base", room)
    package.export("base", output_dir="hf", workspace=room)
    (room / "tok.json").write_text(json.dumps(tokenizer_files(base.tokenizer, context=96)["tokenizer.json"]))
    arguments = ["--pretrained_ckpt_path", "hf", "--tokenizer_name", "tok.json"]
    done = mypt(room, "finetune-classifier", "--model_name", "f", *arguments, *DATA, *FEW)
    assert done.returncode == 0, done.stderr
    state = json.loads((room / "checkpoints" / "f" / "training_state.json").read_text())
    assert state["base"]["name"] == "hf" and state["step"] == 20
    # Named once more, it goes on, and nothing is imported again.
    shutil.rmtree(room / "hf")
    done = mypt(room, "finetune-classifier", "--model_name", "f", *arguments, *DATA, "--num_epochs", "3")
    assert done.returncode == 0 and last_iter(room, "f") == 30, done.stderr
