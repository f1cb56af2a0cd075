"""Bad input: exit status 2, a message that names what is wrong, and nothing written."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch

from mypt.cli import main
from tests.workbench import TINY, command, environment, ids_of, listing, mypt, story, write_dataset

PRESET = {
    "batch_size": 4,
    "block_size": 16,
    "vocab_size": 64,
    "n_embd": 16,
    "n_head": 2,
    "n_layer": 1,
    "dropout": 0.0,
    "bias": False,
}
TEXT = ["--input_file", "input.txt", "--tokenization", "char"]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with everything that is wrong in it."""
    root = tmp_path_factory.mktemp("ground")
    (root / "input.txt").write_text(story())
    (root / "empty.txt").write_text("")
    (root / "short.txt").write_text("abc")
    (root / "latin.txt").write_bytes(b"caf\xe9 " * 500)
    (root / "configs").mkdir()
    for name, content in {
        "typo": {**PRESET, "learning_rte": 1},
        "heads": {**PRESET, "n_head": 3},
        "lacking": {"batch_size": 4},
    }.items():
        (root / "configs" / f"{name}.json").write_text(json.dumps(content))
    (root / "configs" / "torn.json").write_text('{"batch_size": 4,')
    ids = ids_of(story(800))
    write_dataset(root / "data" / "good", train=[ids], val=[ids])
    torn = write_dataset(root / "data" / "torn", train=[ids], val=[ids]) / "train" / "shard_00000.bin"
    torn.write_bytes(torn.read_bytes()[:-1])
    write_dataset(root / "data" / "ids", train=[[*ids, 99]], val=[ids])
    (root / "loop.txt").symlink_to("loop.txt")
    (root / "gone.txt").symlink_to("nothing.txt")
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "pipe")
    mask = write_dataset(root / "data" / "mask", train=[ids], val=[ids], mask="u1") / "train"
    (mask / "shard_00000_mask.bin").write_bytes(b"\x01" * 5)
    return root


BAD: dict[str, tuple[list[str], str]] = {
    "preset not found": (["--config_file", "150m"], "config_file: no such preset (got '150m'); did you mean 150M?"),
    "unknown preset field": (["--config_file", "typo"], "learning_rte: is not known (got 1); did you mean learning_rate?"),
    "heads": (["--config_file", "heads"], "n_embd: must be divisible by n_head = 3 (got 16); try 15 or 18"),
    "missing fields": (["--config_file", "lacking"], "configs/lacking.json: n_embd: is missing"),
    "torn preset": (["--config_file", "torn"], "configs/torn.json: cut short at line 1"),
    "wrong type": (["--max_iters", "many"], "max_iters: must be a whole number (got 'many')"),
    "out of range": (["--dropout", "1.5"], "dropout: must be less than 1 (got '1.5')"),
    "unknown flag": (["--learning_rat", "1"], "--learning_rat: is not a flag of mypt train; did you mean --learning_rate?"),
    "flag without a value": (["--max_iters"], "expected one argument"),
    "no such text": (["--input_file", "none.txt"], "input_file: no such file (got 'none.txt')"),
    "empty text": (["--input_file", "empty.txt"], "input_file: is empty (got 'empty.txt')"),
    "short text": (["--input_file", "short.txt", "--tokenization", "char"], "has 3 tokens, fewer than one block"),
    "no UTF-8": (["--input_file", "latin.txt"], "is not UTF-8 text: byte 3 is 0xe9"),
    "small val": ([*TEXT, "--block_size", "1000"], "so the last tenth, for validation, is shorter than a block of 1000"),
    "no such dataset": (["--dataset_dir", "data/none"], "dataset_dir: no such dataset (got 'data/none')"),
    "torn shard": (["--dataset_dir", "data/torn"], "data/torn/train/shard_00000.bin: has 3"),
    "foreign ids": (["--dataset_dir", "data/ids"], "data/ids/train/shard_00000.bin: holds the token id 99"),
    "mask length": (["--dataset_dir", "data/mask"], "shard_00000_mask.bin: has 5 bytes for"),
    "no masks": (["--dataset_dir", "data/good", "--use_loss_mask"], "data/good: has no loss masks"),
    "no eval set": ([*TEXT, "--eval_dataset_dir", "data/none"], "no such dataset (got 'data/none')"),
    "no base": ([*TEXT, "--init_from_model", "nobody"], "no such checkpoint in checkpoints/ (got 'nobody')"),
    "no gold": ([*TEXT, "--resume_from", "gold"], "no such checkpoint in checkpoints/ (got 'my_model_gold')"),
    "device": ([*TEXT, "--device", "cuda:99"], "device: this machine does not have it (got 'cuda:99'); use auto"),
    "fp16 on a CPU": ([*TEXT, "--device", "cpu", "--precision", "fp16"], "precision: fp16 needs a"),
    "nothing to train": (
        [*TEXT, "--n_layer", "1", "--n_embd", "12", "--freeze_layers", "2"],
        "freeze_layers: the model has only 1 layer (got 2)",
    ),
    "log is a folder": ([*TEXT, "--log_file", "data"], "log_file: is a folder (got 'data')"),
    "log below a file": ([*TEXT, "--log_file", "input.txt/log.jsonl"], "log_file: lies below input.txt, which is no folder"),
    "two kinds of data": ([*TEXT, "--dataset_dir", "data/good"], "input_file: was given together with dataset_dir"),
    "separator": ([*TEXT, "--model_name", "../up"], "model_name: the name would leave checkpoints/"),
    "a pipe as text": (["--input_file", "pipe"], "input_file: is a pipe, and must be a file"),
    "a device as text": (["--input_file", "/dev/zero"], "input_file: is a device, and must be a file"),
    "a folder as text": (["--input_file", "data"], "input_file: is a folder (got 'data'); name a text file"),
    "a link to itself": (["--input_file", "loop.txt"], "input_file: cannot be read: Too many levels of symbolic links"),
    "a link to nothing": (["--input_file", "gone.txt"], "input_file: is a link to nothing"),
    "a file as dataset": (["--dataset_dir", "input.txt"], "dataset_dir: "),
    "a pipe as preset": (["--config_file", "pipe"], "config_file: is a pipe, and must be a file"),
    "a folder as preset": (["--config_file", "configs"], "config_file: is a folder (got 'configs'); it holds: configs/heads.json"),
    "a pipe as log": ([*TEXT, "--log_file", "pipe"], "log_file: is a pipe, and must be a file"),
    "a device as log": ([*TEXT, "--log_file", "/dev/full"], "log_file: is a device, and must be a file"),
    "a looping log": ([*TEXT, "--log_file", "loop.txt"], "log_file: cannot be read: Too many levels of symbolic links"),
    "empty preset name": (["--config_file", ""], "config_file: is a folder"),
    "empty base name": ([*TEXT, "--init_from_model", ""], "init_from_model: names no model"),
    "no UTF-8 in a path": (["--input_file", "a\udcff"], "input_file: is not UTF-8"),
    "empty path": (["--input_file", ""], "input_file: must not be empty"),
    "preset name outside": ([*TEXT, "--save_preset", "../x"], "save_preset: the name would leave configs/"),
    "save and dry": ([*TEXT, "--save_preset", "x", "--dry_run"], "save_preset: was given together with dry_run"),
    "reserved": ([*TEXT, "--model_name", "x_gold"], "model_name: names ending in _gold are kept"),
    "control": ([*TEXT, "--model_name", "a\x1b]0;x\x07"], "model_name: the name holds control characters"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_it_is_said_and_nothing_is_written(
    name: str, ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, message = BAD[name]
    before = listing(ground)
    assert main(["--workspace", str(ground), "train", *flags]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert all(line.startswith("mypt: ") for line in captured.err.splitlines())
    assert "Traceback" not in captured.err and "\x1b" not in captured.err and captured.out == ""
    assert listing(ground) == before


def test_all_problems_of_a_command_line_are_said_at_once(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--max_iters", "x", "--dropout", "2", "--model_name", "a/b", "--config_file", "none"]
    assert main(["--workspace", str(ground), "train", *flags]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_settings_names_data_and_log_are_judged_together(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [
        "--max_iters",
        "x",
        "--model_name",
        "a/b",
        "--input_file",
        "none.txt",
        "--eval_dataset_dir",
        "data/none",
    ]
    assert main(["--workspace", str(ground), "train", *flags]) == 2
    said = capsys.readouterr().err
    for part in (
        "max_iters: must be",
        "model_name: the name",
        "input_file: no such file",
        "eval_dataset_dir: no such",
    ):
        assert part in said
    flags = ["--n_embd", "64", "--freeze_layers", "7", "--input_file", "gone.txt"]
    assert main(["--workspace", str(ground), "train", *flags]) == 2
    said = capsys.readouterr().err
    for part in ("n_embd: must be divisible", "freeze_layers: the model has"):
        assert part in said
    assert main(["--workspace", str(ground), "train", "--input_file", "none.txt", "--log_file", "data"]) == 2
    said = capsys.readouterr().err
    assert "log_file: is a folder" in said and "input_file: no such file" in said


def test_every_unknown_flag_is_named_and_no_value_is_taken_for_one(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--learning_rat", "1e-3", "--max-iter", "5", "--dropout", "0.1"]
    assert main(["--workspace", str(ground), "train", *flags]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "mypt: --learning_rat: is not a flag of mypt train; did you mean --learning_rate?",
        "mypt: --max_iter: is not a flag of mypt train; did you mean --max_iters?",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "mypt: trian: no such command; did you mean train?"),
        (["xyz"], "mypt: xyz: no such command; there are: train, submit, prepare"),
        (["\x1b[2J"], "mypt: \\x1b[2J: no such command"),
        (["--workspace", "/nonexistent/x", "status"], "mypt: --workspace /nonexistent/x: no such folder"),
        (["--workspace"], "mypt: mypt: argument --workspace: expected one argument"),
        (["--wrkspace", "."], "mypt: "),
        (["inspect"], "the following arguments are required: --model_name"),
        (["inspect", "--model_name", "nobody"], "no such checkpoint in checkpoints/ (got 'nobody')"),
        (["generate", "--model_name", "../.."], "mypt: "),
        (["show-configs", "--config_file", "150m"], "did you mean 150M?"),
        (["train", "stray"], "mypt: stray: is not a flag of mypt train"),
    ],
)
def test_other_commands(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert message in err and "\x1b" not in err
    assert list(tmp_path.iterdir()) == []


# ── broken checkpoints ──────────────────────────────────────────────────────────────────────────────────────────


class Opens:
    """What an attacker's pickle does when it is loaded by a careless reader."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.file), "w"))


def rewrite(workspace: Path, content: bytes, file: str = "model.pt") -> None:
    folder = workspace / "checkpoints" / "dante"
    (folder / file).write_bytes(content)
    (folder / "manifest.json").unlink(missing_ok=True)


COMMANDS = {
    "resume": ["train", "--model_name", "dante", "--max_iters", "20"],
    "fine-tune": ["train", "--model_name", "new", "--init_from_model", "dante", *TINY],
    "generate": ["generate", "--model_name", "dante", "--max_new_tokens", "3"],
}


def refusal(workspace: Path, command: str, capsys: pytest.CaptureFixture[str]) -> str:
    before = listing(workspace)
    capsys.readouterr()
    assert main(["--workspace", str(workspace), *COMMANDS[command]]) == 2
    assert listing(workspace) == before
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["plain", "zip", "torch"])
def test_a_pickle_with_code_in_it_is_refused_and_never_run(
    trained: Path, tmp_path: Path, kind: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = tmp_path / "ran"
    content = pickle.dumps({"state_dict": Opens(ran)}, protocol=2)
    if kind == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("archive/data.pkl", content)
            archive.writestr("archive/version", "3")
        content = buffer.getvalue()
    elif kind == "torch":
        buffer = io.BytesIO()
        torch.save({"state_dict": Opens(ran)}, buffer)
        content = buffer.getvalue()
    rewrite(trained, content)
    err = refusal(trained, command, capsys)
    assert "dante/model.pt: " in err
    assert not ran.exists()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_weights_are_refused_by_name(
    trained: Path, share: float, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (trained / "checkpoints" / "dante" / "model.pt").read_bytes()
    rewrite(trained, whole[: int(share * len(whole))])
    assert "dante/model.pt: " in refusal(trained, command, capsys)


def test_a_manifest_tells_of_a_truncated_file(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = trained / "checkpoints" / "dante" / "optimizer.pt"
    file.write_bytes(file.read_bytes()[:-10])
    assert "optimizer.pt has " in refusal(trained, "resume", capsys)
    # The others are unaffected.
    assert (
        main(["--workspace", str(trained), "generate", "--model_name", "dante_gold", "--max_new_tokens", "2"])
        == 0
    )


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "config.json is missing"),
        ("config.json", b'{"n_layer": 1, "n_em', "config.json: cut short at line 1"),
        ("config.json", b"[]", "must hold one JSON object"),
        ("tokenizer.json", None, "tokenizer.json is missing"),
        ("model.pt", None, "model.pt is missing"),
        ("optimizer.pt", b"no optimizer", "dante/optimizer.pt"),
    ],
)
def test_broken_files_are_named(
    trained: Path, file: str, content: bytes | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(trained, content or b"", file)
    if content is None:
        (trained / "checkpoints" / "dante" / file).unlink()
    assert message in refusal(trained, "resume", capsys)


def test_shapes_that_do_not_fit_are_named(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = trained / "checkpoints" / "dante" / "config.json"
    rewrite(trained, config.read_bytes().replace(b'"n_embd": 16', b'"n_embd": 32'), "config.json")
    for way in ("resume", "generate"):
        err = refusal(trained, way, capsys)
        assert "dante/model.pt: " in err and "has shape (29, 16), the config asks for (29, 32)" in err


def test_an_optimizer_of_another_model_is_refused_with_the_way_out(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = trained / "checkpoints" / "dante" / "optimizer.pt"
    state = torch.load(file, weights_only=True)
    state["state"][0]["exp_avg"] = torch.zeros(3, 3)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    rewrite(trained, buffer.getvalue(), "optimizer.pt")
    assert "--reset_optimizer starts AdamW anew" in refusal(trained, "resume", capsys)
    command = [*COMMANDS["resume"], "--reset_optimizer"]
    assert main(["--workspace", str(trained), *command]) == 0


def test_an_optimizer_without_moments_is_refused_with_the_way_out(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = trained / "checkpoints" / "dante" / "optimizer.pt"
    state = torch.load(file, weights_only=True)
    del state["state"][0]["exp_avg"]
    buffer = io.BytesIO()
    torch.save(state, buffer)
    rewrite(trained, buffer.getvalue(), "optimizer.pt")
    err = refusal(trained, "resume", capsys)
    assert "exp_avg is missing" in err and "--reset_optimizer starts AdamW anew" in err


def test_an_optimizer_with_moments_of_a_weight_too_many_is_refused_with_the_way_out(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = trained / "checkpoints" / "dante" / "optimizer.pt"
    state = torch.load(file, weights_only=True)
    state["state"][999] = dict(state["state"][0])
    buffer = io.BytesIO()
    torch.save(state, buffer)
    rewrite(trained, buffer.getvalue(), "optimizer.pt")
    assert "it has moments of a weight number 999, which there is not; --reset_optimizer" in refusal(
        trained, "resume", capsys
    )


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("untimed", '"x"', "must be a whole number, 0 or more (got 'x')"),
        ("tokens_processed", "1.5", "must be a whole number, 0 or more (got 1.5)"),
        ("last_eval", "true", "must be a whole number, 0 or more (got True)"),
        ("eval_sequences", "-5", "must be a whole number, 0 or more (got -5)"),
        ("skipped", "[1]", "must be a whole number, 0 or more (got [1])"),
        ("elapsed_s", "-1.0", "must be a number, 0 or more (got -1.0)"),
        ("val_loss", "Infinity", "must be a number (got inf)"),
        ("train_loss", "{}", "must be a number (got {})"),
        ("last_sample", "9" * 300, "must be a whole number, 0 or more (got 99999"),
        ("phase", "3", "must be a text (got 3)"),
        ("started_at", "[]", "must be a text (got [])"),
        ("broken_sets", '[1]', "must be a list of names (got [1])"),
    ],
)  # fmt: skip
def test_progress_that_cannot_be_is_refused_by_its_field(
    trained: Path, capsys: pytest.CaptureFixture[str], field: str, value: str, said: str
) -> None:
    state = json.loads((trained / "checkpoints" / "dante" / "training_state.json").read_text())
    state["progress"][field] = "HERE"
    rewrite(trained, json.dumps(state).replace('"HERE"', value).encode(), "training_state.json")
    err = refusal(trained, "resume", capsys)
    assert f"dante/training_state.json: progress.{field}: {said}" in err and "; restore the file" in err


def test_numbers_of_others_that_json_lacks_do_not_break_the_saving(trained: Path) -> None:
    folder = trained / "checkpoints" / "dante"
    for name in ("config.json", "tokenizer.json"):
        rewrite(trained, (folder / name).read_bytes().replace(b"{", b'{"theirs": [Infinity, NaN], ', 1), name)
    assert main(["--workspace", str(trained), "train", "--model_name", "dante", "--max_iters", "9"]) == 0
    assert json.loads((folder / "config.json").read_text())["theirs"] == [None, None]


@pytest.mark.parametrize("lie", ["gold", "last"])
def test_what_lies_where_a_checkpoint_is_to_be_saved_is_told_before_training(
    workspace: Path, lie: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "checkpoints").mkdir()
    if lie == "gold":
        (workspace / "checkpoints" / "m_gold").write_text("a file")
    else:
        (workspace / "checkpoints" / "m").symlink_to("m")
    assert main(["--workspace", str(workspace), "train", "--model_name", "m", *TINY]) == 2
    said = capsys.readouterr().err
    assert f"checkpoints/m{'_gold' * (lie == 'gold')}: is " in said and "to be saved there" in said


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────

LEAVING = [
    *(
        "..",
        ".",
        "../up",
        "a/b",
        "/tmp/x",
        "a\\b",
        "..\\up",
        "C:x",
        "a..b",
        "./a",
        "a/.",
        "~/x/",
        "x/../../y",
    ),
    *(
        "x_gold",
        "x_fp16",
        "x_GOLD",
        "X_Fp16",
        "con",
        "NUL",
        "com1.txt",
        "a.",
        " a",
        "a ",
        "-rf",
        ".hidden",
        "",
    ),
    *(
        "a\x00b",
        "a\nb",
        "a\x1b[2J",
        "\u202egnp",
        "a\u200bb",
        "\ud800",
        "x" * 201,
        "é" * 101,
        "a*",
        'a"',
        "a|b",
    ),
]


@pytest.mark.parametrize("name", LEAVING)
def test_no_spelling_of_a_name_leaves_checkpoints(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "input.txt").write_text(story())
    assert main(["--workspace", str(tmp_path), "train", *TEXT, "--model_name", name]) == 2
    said = capsys.readouterr().err
    assert "model_name: " in said and "\x1b" not in said and "\u202e" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["input.txt"]


@pytest.mark.parametrize("name", ["größe", "日本語", "a b", "a.b", "x_gold_2", "gold", "a" * 200])
def test_plain_names_are_taken(name: str, tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text(story())
    flags = [*TINY, "--max_iters", "1", "--eval_interval", "1"]
    assert main(["--workspace", str(tmp_path), "train", "--model_name", name, *flags]) == 0
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == sorted(
        [name, f"{name}_fp16", f"{name}_gold"]
    )


def test_a_base_may_be_a_path_and_is_only_read(trained: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (trained / "checkpoints" / "dante").rename(elsewhere)
    before = listing(elsewhere)
    flags = [*TINY, "--max_iters", "1", "--init_from_model", "../elsewhere", "--model_name", "new"]
    assert main(["--workspace", str(trained), "train", *flags]) == 0
    assert listing(elsewhere) == before and (trained / "checkpoints" / "new").is_dir()


# ── the table, by real processes ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_the_real_command_says_every_line_of_the_table(ground: Path, trained: Path, tmp_path: Path) -> None:
    """One case of each line that refuses, started two at a time."""
    broken = trained / "checkpoints" / "dante" / "config.json"
    broken.write_bytes(b'{"n_layer": 1,')
    (trained / "checkpoints" / "dante" / "manifest.json").unlink(missing_ok=True)
    cases: list[tuple[Path, list[str], str]] = [
        (ground, BAD[name][0], BAD[name][1])
        for name in (
            *(
                "unknown preset field",
                "heads",
                "missing fields",
                "wrong type",
                "out of range",
                "preset not found",
            ),
            *(
                "no such text",
                "empty text",
                "short text",
                "small val",
                "torn shard",
                "foreign ids",
                "mask length",
            ),
            *("separator", "reserved", "control", "a pipe as text", "a device as text", "a pipe as preset"),
        )
    ]
    cases.append((trained, ["--model_name", "dante"], "config.json: cut short at line 1"))
    before = {root: listing(root) for root in (ground, trained)}
    for first in range(0, len(cases), 2):
        started = [
            (
                message,
                subprocess.Popen(
                    command(root, "train", *flags),
                    cwd=root,
                    env=environment(),
                    text=True,
                    encoding="utf-8",
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                ),
            )
            for root, flags, message in cases[first : first + 2]
        ]
        for message, process in started:
            out, err = process.communicate(timeout=100)
            assert (process.returncode, out) == (2, ""), err
            assert message in err and "Traceback" not in err
    assert {root: listing(root) for root in (ground, trained)} == before


@pytest.mark.slow
def test_a_real_process_says_it_the_same_way(workspace: Path) -> None:
    before = listing(workspace)
    done = mypt(workspace, "train", "--config_file", "150m", "--max_iters", "0")
    assert done.returncode == 2 and done.stdout == ""
    assert [line[:6] for line in done.stderr.splitlines()] == ["mypt: ", "mypt: "]
    assert listing(workspace) == before
