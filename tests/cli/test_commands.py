"""The commands that show and write, in this process and, where streams matter, in real ones."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mypt.cli import main
from mypt.settings.presets import shipped_directory
from tests.workbench import CHARS, TINY, command, environment, events, listing, mypt, story


def run(workspace: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(["--workspace", str(workspace), *arguments]) == 0
    return capsys.readouterr().out


# ── help and flags ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_lists_the_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == (0 if arguments else 2)
    out = capsys.readouterr().out
    for name in ("train", "generate", "show-configs", "inspect", "status"):
        assert f"  {name}" in out


@pytest.mark.parametrize("name", ["train", "generate", "show-configs", "inspect", "status"])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert f"usage: mypt {name}" in capsys.readouterr().out


def test_hyphens_and_underscores_are_the_same_flag(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--max-iters", "77", "--grad-accum-steps=3", "--sample_prompt", "--not-a-flag"]
    out = run(workspace, capsys, "train", *TINY, *flags[:3], "--sample_prompt=--a-b", "--dry-run")
    lines = {tuple(line.split(maxsplit=2)) for line in out.splitlines() if line.startswith("  ")}
    assert ("max_iters", "77", "command line") in lines
    assert ("grad_accum_steps", "3", "command line") in lines
    assert ("sample_prompt", "--a-b", "command line") in lines


def test_a_dry_run_shows_every_value_with_its_source(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listing(trained)
    out = run(trained, capsys, "train", "--model_name", "dante", "--learning_rate", "1e-4", "--dry_run")
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in out.splitlines() if line.startswith("  ")}
    assert out.startswith("dante: resume run, nothing is written\n")
    assert rows["learning_rate"] == ["0.0001", "command line"]
    assert rows["n_layer"] == ["1", "checkpoint dante step 8"]
    assert rows["max_iters"] == ["8", "checkpoint dante step 8"]
    assert "Parameters: " in out and "Data input.txt: " in out
    assert listing(trained) == before
    new = run(trained, capsys, "train", "--model_name", "new", *TINY, "--dry_run")
    (vocabulary,) = [line for line in new.splitlines() if line.startswith("  vocab_size")]
    assert vocabulary.split(maxsplit=2)[1:] == [str(len(CHARS)), "the text's characters"]


# ── show-configs and inspect ────────────────────────────────────────────────────────────────────────────────────


def test_the_table_of_presets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine\x1b.json").write_text("{")
    out = run(tmp_path, capsys, "show-configs")
    assert "Available Model Configurations" in out
    rows = {line.split()[0]: line for line in out.splitlines() if ".json" in line}
    assert rows["750M_unified.json"].split()[-4:] == ["698.86M", "32", "20", "1280"]
    assert rows["150M.json"].split()[1] == "GPT-150M" and rows["150M.json"].split()[-3:] == [
        "16",
        "12",
        "768",
    ]
    assert "broken: " in rows["mine\\x1b.json"] and "\x1b" not in out
    assert "To use a config:\n  mypt train --config_file configs/<filename>" in out


def test_a_preset_in_detail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(tmp_path, capsys, "show-configs", "--config_file", "configs/150M.json")
    for line in (
        "Config: GPT-150M",
        "File: configs/150M.json",
        "Description: 150 million parameter GPT model",
        "  Layers      : 16",
        "  Heads       : 12",
        "  Embedding   : 768",
        "  Block size  : 256",
        "  Vocab size  : 50304",
        "  Dropout     : 0.2",
        "  Bias        : False",
        "  Batch size  : 32",
        "  mypt train --config_file configs/150M.json --model_name my_model --input_file input.txt",
    ):
        assert line in out.splitlines()
    assert "  Total       : 152," in out


def test_a_preset_s_notes_are_safe_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = json.loads((shipped_directory() / "tiny.json").read_text())
    (tmp_path / "evil\x1b[2J.json").write_text(json.dumps({**preset, "save_dtype": "bf16"}))
    out = run(tmp_path, capsys, "show-configs", "--config_file", "evil\x1b[2J.json")
    assert "Note: evil\\x1b[2J.json: save_dtype is accepted" in out and "\x1b" not in out


def test_inspect_shows_what_the_seed_shows(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(trained, capsys, "inspect", "--model_name", "dante")
    assert out.startswith(
        "=== FORMAT ===\nNew JSON-based format\nLocation: checkpoints/dante\n\n=== CONFIG ===\n"
    )
    assert (
        f"batch_size:4, block_size:16, vocab_size:{len(CHARS)}, n_embd:16, n_head:2, n_layer:1, dropout:0.2, "
        "bias:False, device:cpu\n"
    ) in out
    assert f"=== TOKENIZER ===\nkind      : char\nvocab     : {len(CHARS)} characters\n" in out
    assert (
        "=== TRAINING STATE ===\nLast recorded training step: 8\n\nTraining hyperparameters:\n"
        "  max_iters     : 8\n  eval_interval : 4\n  eval_iters    : 2\n  learning_rate : 0.0003\n"
        "  start_step    : 0\n"
    ) in out
    assert "Gold: step " in out and "model.pt" in out
    told = out.partition("Not by default:\n")[2].splitlines()
    assert told[0].startswith("  from the command line") and "max_iters, batch_size" in told[0]
    assert told[1].startswith("  from the text's characters: vocab_size")


def test_inspect_shows_the_originals_and_escapes_what_it_finds(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "checkpoints" / "old"
    shutil.copytree(samples / "original" / "checkpoints" / "a_char_learned", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "device": "\x1b[31m", "x\x1b": "\x07"}))
    out = run(tmp_path, capsys, "inspect", "--model_name", "old")
    assert "\x1b" not in out and "\x07" not in out and "device:\\x1b[31m" in out
    assert "vocab     : 55 characters" in out


# ── generate ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["dante", "dante_gold", "dante_fp16", "checkpoints/dante"])
def test_every_kind_of_bundle_writes(trained: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--model_name", name, "--prompt", "ab", "--max_new_tokens", "30", "--seed", "3"]
    one, two = (run(trained, capsys, "generate", *flags) for _ in range(2))
    assert one == two and one.startswith("ab") and one.endswith("\n") and len(one) == 33
    assert set(one) <= set(CHARS)
    assert run(trained, capsys, "generate", *flags[:-1], "4") != one


def test_the_likeliest_text_needs_no_seed(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["generate", "--model_name", "dante", "--max_new_tokens", "20", "--temperature", "0"]
    assert run(trained, capsys, *flags) == run(trained, capsys, *flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--prompt", "AB"], "prompt: holds characters that dante has never seen: 'A' 'B' (got 'AB')"),
        (["--temperature", "-1"], "temperature"),
        (["--top_k", "0"], "top_k"),
        (["--top_p", "2"], "top_p"),
        (["--max_new_tokens", "-1"], "max_new_tokens: must be 0 or more (got -1)"),
        (["--max_new_tokens", "x"], "--max_new_tokens: must be a whole number (got 'x')"),
        (["--device", "tpu"], "device: this machine does not have it (got 'tpu'); use auto, or one of: cpu"),
        (["--device", "cuda:x"], "device: this machine does not have it"),
    ],
)
def test_what_cannot_be_written_is_refused(
    trained: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--workspace", str(trained), "generate", "--model_name", "dante", *flags]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.out == ""


@pytest.mark.slow
def test_text_streams_as_it_is_drawn(trained: Path) -> None:
    flags = ["--model_name", "dante", "--prompt", "ab", "--max_new_tokens", "100000000"]
    process = subprocess.Popen(
        command(trained, "generate", *flags),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    # It would write for hours, so what arrives was not waited for; then nobody listens any longer.
    assert process.stdout.read(50).startswith(b"ab")
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


# ── streams ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_training_goes_on_when_nobody_reads_it_any_longer(workspace: Path) -> None:
    flags = ["--model_name", "m", *TINY, "--max_iters", "20", "--eval_interval", "5"]
    process = subprocess.Popen(
        command(workspace, "train", *flags), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert process.stderr.read() == b""
    process.stderr.close()
    assert events(workspace, "m")[-1]["event"] == "training_complete"


@pytest.mark.parametrize("arguments", [["show-configs"], ["inspect", "--model_name", "dante"], ["--help"]])
def test_a_pipe_that_is_closed_is_no_error(trained_once: Path, arguments: list[str]) -> None:
    process = subprocess.Popen(
        command(trained_once, *arguments), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 0


@pytest.mark.slow
def test_ascii_is_enough(workspace: Path) -> None:
    (workspace / "configs").mkdir()
    preset = {
        "batch_size": 4,
        "block_size": 16,
        "vocab_size": 64,
        "n_embd": 16,
        "n_head": 2,
        "n_layer": 1,
        "dropout": 0.0,
        "bias": False,
        "name": "Müller → ★",
        "description": "50 × “größer”…",
    }
    (workspace / "configs" / "mine.json").write_text(json.dumps(preset))
    (workspace / "input.txt").write_text(story() + "äöü" * 100)
    flags = ["--config_file", "mine", *TINY[:4], "--max_iters", "2", "--eval_interval", "1"]
    done = mypt(workspace, "train", *flags, "--eval_iters", "2", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "* New GOLD checkpoint! val_loss=" in done.stdout
    for arguments in (["show-configs"], ["show-configs", "--config_file", "mine"], ["status"]):
        shown = mypt(workspace, *arguments, PYTHONIOENCODING="ascii")
        assert shown.returncode == 0 and shown.stdout.isascii(), shown.stderr
    assert done.stdout.isascii() and done.stderr.isascii()
    assert "ok finished" in shown.stdout


def test_with_nothing_named_the_small_preset_and_the_stories_are_taken(tmp_path: Path) -> None:
    result = mypt(tmp_path, "train", "--dry_run")
    assert result.returncode == 0
    assert "nothing was named" in result.stderr
    assert "builtin:stories" in result.stdout and "preset tiny_char" in result.stdout
    assert list(tmp_path.iterdir()) == []
    empty = mypt(tmp_path, "train", "--model_name", "")
    assert empty.returncode == 2 and "a model needs a name" in empty.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes them")
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-"])
def test_streams_that_were_closed_before_are_nobody_elses(closed: str, tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['mypt']; import mypt; file = open('made', 'w'); print(file.fileno(), file=file)"
    command = f'cd {tmp_path}; "$0" -c "$1" {closed}; "$0" -m mypt status {closed}'
    done = subprocess.run(["sh", "-c", command, sys.executable, code], env=environment(), check=False)
    # A start without an output is a success, and what it opens is no standard stream.
    assert done.returncode == 0 and int((tmp_path / "made").read_text()) > 2
