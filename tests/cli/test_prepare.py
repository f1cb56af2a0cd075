"""`mypt prepare` as people call it: what it says, what training makes of it, and what is left when it is stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from mypt.cli import main
from tests.data.prepare.making import TEXT, about, ids, text, write
from tests.processes import is_gone
from tests.test_contract import importing, loaded_by, modules
from tests.workbench import SHAPE, command, environment, events, listing, mypt, start, wait_for

CHAT = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}\n'


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    return write(tmp_path, {"a.txt": TEXT, "docs/b.txt": "b " * 500, "docs/c.md": "c " * 500})


def prepare(ground: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> list[str]:
    capsys.readouterr()
    assert main(["--workspace", str(ground), "prepare", *flags]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out.splitlines()


# ── what it says ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_says_what_came_of_it_and_what_to_do_next(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = prepare(ground, capsys, "a.txt", "--output_dir", "data/a b", "--tokenization", "char")
    train, val = int(0.9 * len(TEXT)), len(TEXT) - int(0.9 * len(TEXT))
    assert out == [
        f"data/a b: 1 document, char, {len(set(TEXT))} characters",
        f"  train  {train} tokens in 1 shard",
        f"  val    {val} tokens in 1 shard (the last 10 % of the text)",
        "Note: 1 file has line ends of Windows (\\r\\n), which are kept as they are",
        f"Note: validation has only {val} tokens; block_size must be smaller than that",
        "Next:",
        "  mypt train --config_file tiny_char --dataset_dir 'data/a b'",
    ]


def test_texts_in_lines_of_json(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"body": f"story {n}", "id": n} for n in range(50)]
    write(ground, {"c.jsonl": "".join(json.dumps(row) + "\n" for row in rows)})
    flags = [
        "--text_field",
        "body",
        "--output_dir",
        "out",
        "--tokenization",
        "char",
        "--pack_block_size",
        "8",
    ]
    out = prepare(ground, capsys, "c.jsonl", *flags, "--separator", "|")
    assert out[0] == "out: 50 documents, char, 17 characters"
    assert out[2].endswith("(5 of 50 documents, drawn with seed 1337)")
    assert "Note: --pack_block_size is about conversations, and was ignored" in out
    assert out[-1] == "  mypt train --config_file tiny_char --dataset_dir out"
    found = [each for split in ("train", "val") for each in text(ground / "out", split).split("|")]
    assert sorted(found) == sorted(f"story {n}" for n in range(50))


@pytest.mark.parametrize(
    ("flags", "following"),
    [
        (["--tokenization", "gpt2"], "mypt train --config_file small --dataset_dir out"),
        (["--val_fraction", "1"], "mypt train … --eval_dataset_dir out"),
    ],
)
def test_the_next_command_fits(
    ground: Path, flags: list[str], following: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(ground, capsys, "a.txt", "--output_dir", "out", *flags)[-1] == f"  {following}"


def test_inputs_stand_anywhere_and_have_other_names(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ways = [
        ["a.txt", "docs", "--output_dir", "out"],
        ["a.txt", "--output-dir", "out", "docs"],
        ["--input_file", "a.txt", "--input-dir", "docs", "--out_dir", "out"],
        ["--output_dir=out", "--input_files", "a.txt", "docs"],
    ]
    found = []
    for way in ways:
        prepare(ground, capsys, *way, "--overwrite", "--tokenization", "char")
        found.append(listing(ground / "out"))
    assert all(each == found[0] for each in found)
    assert about(ground / "out")["input_files"] == ["a.txt", "docs/b.txt", "docs/c.md"]


def test_flags_about_the_other_kind_of_data_are_named(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = prepare(ground, capsys, "a.txt", "--output_dir", "out", "--pack_block_size", "64")
    assert "Note: --pack_block_size is about conversations, and was ignored" in out
    lines = [
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": f"hello {n}"}]}
        for n in range(30)
    ]
    (ground / "chat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = prepare(ground, capsys, "chat.jsonl", "--output_dir", "chat", "--split_on", "x")
    assert "Note: --split_on is about plain text, and was ignored" in out


# ── what training makes of it ───────────────────────────────────────────────────────────────────────────────────────

FLAGS = [*SHAPE, "--eval_iters", "2", "--eval_interval", "2", "--sample_interval", "0", "--device", "cpu"]


def test_a_prepared_text_trains_exactly_as_the_text_itself(workspace: Path) -> None:
    """The same split, the same tokens, so the same losses."""
    assert (
        main(
            [
                "--workspace",
                str(workspace),
                "prepare",
                "input.txt",
                "--output_dir",
                "d",
                "--tokenization",
                "char",
            ]
        )
        == 0
    )
    for name, data in (("text", ["--input_file", "input.txt"]), ("set", ["--dataset_dir", "d"])):
        flags = ["--model_name", name, *data, "--tokenization", "char", *FLAGS, "--max_iters", "4"]
        assert main(["--workspace", str(workspace), "train", *flags]) == 0
    losses: list[Any] = [[e["val_loss"] for e in events(workspace, name, "eval")] for name in ("text", "set")]
    assert len(losses[0]) == 3 and losses[0] == losses[1]


def test_phases_and_evaluation_sets_with_the_characters_of_the_first(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(workspace, capsys, "input.txt", "--output_dir", "one", "--tokenization", "char")
    (workspace / "two.txt").write_text("the end. " * 300)
    prepare(workspace, capsys, "two.txt", "--output_dir", "two", "--tokenizer_from", "one")
    prepare(
        workspace,
        capsys,
        "two.txt",
        "--output_dir",
        "three",
        "--tokenizer_from",
        "one",
        "--val_fraction",
        "1",
    )
    phases = [
        {"name": "first", "dataset_dir": "one", "until_iter": 2},
        {"name": "second", "dataset_dir": "two", "until_iter": None},
    ]
    shape = dict(zip([name.removeprefix("--") for name in SHAPE[::2]], map(int, SHAPE[1::2]), strict=True))
    preset = {**shape, "vocab_size": 64, "dropout": 0.0, "bias": False, "curriculum": {"phases": phases}}
    (workspace / "preset.json").write_text(json.dumps(preset))
    flags = ["--config_file", "preset.json", "--model_name", "m", *FLAGS[len(SHAPE) :], "--max_iters", "4"]
    assert main(["--workspace", str(workspace), "train", *flags, "--eval_dataset_dir", "three"]) == 0
    assert [e["new_phase"] for e in events(workspace, "m", "phase_switch")] == ["second"]
    assert "eval_general" in events(workspace, "m", "eval")[0]
    # And what continues the model takes its characters.
    prepare(workspace, capsys, "two.txt", "--output_dir", "four", "--tokenizer_from", "m")
    assert text(workspace / "four", "train") == ("the end. " * 300)[:2430]


# ── a fast start ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words",
    [
        ["prepare", "a.txt", "docs", "--output_dir", "out", "--num_proc", "2"],
        ["prepare", "--help"],
        ["tokenizer", "train", "docs", "--vocab_size", "300"],
        ["tokenizer", "show", "gpt2", "--text", "abc"],
    ],
)
def test_torch_is_not_needed(ground: Path, words: list[str]) -> None:
    arguments = ["--workspace", str(ground), *words]
    code = f"from mypt.cli import main\ntry: assert main({arguments!r}) == 0\nexcept SystemExit: pass"
    assert loaded_by(code) == set()


def test_no_module_that_prepares_needs_torch() -> None:
    names = [name for name in modules("mypt") if name.startswith(("mypt.data.prepare", "mypt.data.chat"))]
    assert len(names) > 12
    assert loaded_by(importing(names)) == set()


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────────

BAD: dict[str, tuple[list[str], str]] = {
    "nothing": (["--output_dir", "x"], "inputs: nothing was named to prepare; name text files or folders"),
    "no output": (["a.txt"], "output_dir: is missing; name the folder to make, as data/stories"),
    "no such file": (["none.txt", "--output_dir", "x"], "inputs: no such file or folder (got 'none.txt')"),
    "empty": (["empty.txt", "--output_dir", "x"], "inputs: is empty (got 'empty.txt')"),
    "binary": (["binary.txt", "--output_dir", "x"], "binary.txt: is not text: byte 2 is 0x00"),
    "latin": (["latin.txt", "--output_dir", "x"], "latin.txt: is not UTF-8 text: byte 3 is 0xe9"),
    "ending": (["a.xyz", "--output_dir", "x"], "*.xyz is not known to be text (got 'a.xyz')"),
    "pdf": (["a.pdf", "--output_dir", "x"], "is no plain text (got 'a.pdf'); convert it"),
    "short": (["short.txt", "--output_dir", "x"], "the text is too short"),
    "inside": (["docs", "--output_dir", "docs/x"], "output_dir: lies in the input docs"),
    "around": (["docs/b.txt", "--output_dir", "docs"], "output_dir: holds the input docs/b.txt"),
    "there": (["a.txt", "--output_dir", "there"], "output_dir: is there already (got 'there')"),
    "foreign": (["a.txt", "--output_dir", "docs", "--overwrite"], "is a folder with other things in it (b.txt, c.md)"),
    "a file": (["a.txt", "--output_dir", "a.txt/x"], "lies below a.txt, which is no folder"),
    "two kinds": (["a.txt", "c.jsonl", "--output_dir", "x"], "c.jsonl holds conversations, a.txt plain text"),
    "no text": (["o.jsonl", "--output_dir", "x"], "o.jsonl line 1: has neither text nor messages; if the text is in another"),
    "no field": (["o.jsonl", "--output_dir", "x", "--text_field", "b"], "o.jsonl line 1: b: is missing; if the text is in another"),
    "texts and chats": (["o.jsonl", "c.jsonl", "--output_dir", "x", "--text_field", "body"], "c.jsonl line 1: body: is missing, and messages"),
    "no tokenizer": (["a.txt", "--output_dir", "x", "--tokenization", "bpe"], "tokenizer_file: bpe needs a tokenizer.json"),
    "no such tokenizer": (["a.txt", "--output_dir", "x", "--tokenizer_file", "t"], "tokenizer_file: no such file (got 't')"),
    "broken tokenizer": (["a.txt", "--output_dir", "x", "--tokenizer_file", "torn.json"], "torn.json: is not readable JSON"),
    "nobody": (["a.txt", "--output_dir", "x", "--tokenizer_from", "m"], "tokenizer_from: no such model or dataset (got 'm')"),
    "two tokenizers": (["a.txt", "--output_dir", "x", "--tokenizer_from", "there", "--tokenizer_file", "t"], "leave one of them away"),
    "another kind": (["a.txt", "--output_dir", "x", "--tokenizer_from", "there", "--tokenization", "gpt2"], "has the tokenizer char"),
    "characters": (["a.txt", "--output_dir", "x", "--tokenizer_from", "there"], "characters that there (char, 2 characters) lacks: '\\t'"),
    "no pattern": (["docs", "--output_dir", "x", "--pattern", "*.foo"], "no file in this folder matches *.foo"),
    "fraction": (["a.txt", "--output_dir", "x", "--val_fraction", "1.5"], "val_fraction: must be from 0 to 1 (got 1.5)"),
    "a word": (["a.txt", "--output_dir", "x", "--num_proc", "many"], "--num_proc: must be a whole number (got 'many')"),
    "a flag": (["a.txt", "--output_dir", "x", "--val_fracton", "1"], "--val_fracton: is not a flag of mypt prepare; did you mean --val_fraction?"),
    "control": (["\x1b[2J.txt", "--output_dir", "x"], "no such file or folder (got '\\x1b[2J.txt')"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_it_is_said_and_nothing_is_written(
    name: str, ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        ground,
        {
            "empty.txt": "",
            "short.txt": "a",
            "a.xyz": "x",
            "a.pdf": "x",
            "c.jsonl": CHAT,
            "o.jsonl": '{"body": "x"}',
            "torn.json": "{",
        },
    )
    (ground / "binary.txt").write_bytes(b"PK\x00\x01")
    (ground / "latin.txt").write_bytes(b"caf\xe9 " * 50)
    write(ground, {"small.txt": "ab" * 50})
    assert (
        main(
            [
                "--workspace",
                str(ground),
                "prepare",
                "small.txt",
                "--output_dir",
                "there",
                "--tokenization",
                "char",
            ]
        )
        == 0
    )
    capsys.readouterr()
    flags, message = BAD[name]
    before = listing(ground)
    assert main(["--workspace", str(ground), "prepare", *flags]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert all(line.startswith("mypt: ") for line in captured.err.splitlines())
    assert "Traceback" not in captured.err and "\x1b" not in captured.err and captured.out == ""
    assert listing(ground) == before


# ── stopped, killed, no room ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A text of 80 MB: some seconds of work."""
    words = " ".join(f"word{n} of the {n * n} others," for n in range(2000)) + "\n"
    (tmp_path / "large.txt").write_text(words * (80_000_000 // len(words)))
    return tmp_path


LARGE = [
    "prepare",
    "large.txt",
    "--output_dir",
    "data/large",
    "--tokenization",
    "gpt2",
    "--tokens_per_shard",
    "1000000",
]


def is_writing(workspace: Path) -> bool:
    return any(workspace.glob("data/.mypt-prepare.large.*/large/train/shard_*.bin"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl+C"), (signal.SIGTERM, "SIGTERM")])
def test_a_stop_leaves_nothing_and_says_so(large: Path, number: signal.Signals, name: str) -> None:
    process = start(large, *LARGE, "--num_proc", "2")
    assert wait_for(lambda: is_writing(large), process)
    workers = psutil.Process(process.pid).children()
    assert len(workers) == 2
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert out == f"mypt: stopped by {name}: data/large was not made, and nothing is left of it\n"
    assert [path.name for path in large.iterdir()] == ["large.txt"]
    assert wait_for(lambda: all(is_gone(worker) for worker in workers))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_what_a_kill_leaves_is_no_dataset_and_goes_at_the_next_start(large: Path) -> None:
    process = start(large, *LARGE, "--num_proc", "2")
    assert wait_for(lambda: is_writing(large), process)
    process.kill()
    process.communicate(timeout=60)
    (left,) = (large / "data").iterdir()
    assert left.name.startswith(".mypt-prepare.large.")
    refused = mypt(large, "train", "--dataset_dir", "data/large", "--tokenization", "char", *SHAPE)
    assert refused.returncode == 2 and "no such dataset (got 'data/large')" in refused.stderr
    write(large, {"a.txt": TEXT})
    done = mypt(large, "prepare", "a.txt", "--output_dir", "data/a")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (large / "data").iterdir()] == ["a"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_disk_that_takes_no_more_leaves_nothing(ground: Path) -> None:
    import resource

    done = subprocess.run(
        command(ground, "prepare", "a.txt", "docs", "--output_dir", "data/a", "--tokenization", "char"),
        env=environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        check=False,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(
        r"mypt: File too large; the dataset .*data/a was not made; make room, [^\n]+\n", done.stderr
    )
    assert sorted(path.name for path in ground.iterdir()) == ["a.txt", "docs"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="terminals are POSIX")
def test_on_a_terminal_there_is_a_bar_and_ctrl_c_reaches_it_alone(large: Path) -> None:
    pexpect = pytest.importorskip("pexpect")
    words = command(large, *LARGE, "--num_proc", "2")
    child = pexpect.spawn(
        words[0],
        words[1:],
        env=environment(TERM="xterm-256color"),
        dimensions=(24, 80),
        encoding="utf-8",
        timeout=60,
        # Tests under nohup ignore hang-ups, and what they start would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    child.expect(r"█+░+ tokenizing +\d+% of 80 MB +[\d.]+ .B/s +\d+s left")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    shown = re.sub(r"\x1b\[[0-9;]*[mK]", "", child.before)
    assert shown.rstrip().splitlines()[-1].endswith("data/large was not made, and nothing is left of it")
    assert "Traceback" not in shown and "KeyboardInterrupt" not in shown
    assert [path.name for path in large.iterdir()] == ["large.txt"]


@pytest.mark.skipif(os.environ.get("MYPT_GPT2_VOCAB") is not None, reason="a vocabulary is named")
def test_a_mark_of_the_vocabulary_stands_between_documents(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(ground, capsys, "docs", "--output_dir", "out", "--val_fraction", "0")
    assert ids(ground / "out", "train").count(50256) == 1
    assert about(ground / "out")["separator_ids"] == [50256]
