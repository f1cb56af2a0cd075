"""`mypt tokenizer`: train one, use it, show one, keep GPT-2's vocabulary."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from mypt.cli import main
from mypt.tokenizers import load
from tests.data.prepare.making import TEXT, ids, text, write
from tests.workbench import SHAPE, listing, start, wait_for


def run(ground: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["--workspace", str(ground), "tokenizer", *words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    return write(tmp_path, {"docs/a.txt": TEXT * 5, "docs/b.md": "once upon a time, " * 50})


def test_texts_in_lines_of_json_are_learned_from(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["", *({"id": 7, "body": f"the fox {n}"} for n in range(60)), {"body": ""}]
    write(ground, {"c.jsonl": "".join(json.dumps(row) + "\n" if row else "\n" for row in rows)})
    out = run(ground, capsys, "train", "c.jsonl", "--text_field", "body", "--vocab_size", "270")
    assert out.startswith("tokenizer.json: bpe, 270 tokens, learned from 1 file, ")
    assert "bytes of the first texts\n" in out
    assert "  mypt prepare c.jsonl --text_field body --tokenizer_file tokenizer.json --output_dir" in out
    learned = load(ground / "tokenizer.json")
    assert len(learned.encode("the fox")) < 4 and len(learned.encode('"body"')) == 6


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            '{"messages": []}',
            "inputs: hold conversations, and a tokenizer is learned from texts; name text files",
        ),
        ('{"text": "a"}\n7\n', "c.jsonl line 2: must be a JSON object"),
        ('{"text": ""}\n\n', "inputs: hold no text; their texts are all empty"),
        ("nonsense", "c.jsonl line 1: is not JSON: Expecting value, column 1"),
    ],
)
def test_lines_that_are_no_texts(
    ground: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(ground, {"c.jsonl": content})
    before = listing(ground)
    assert main(["--workspace", str(ground), "tokenizer", "train", "c.jsonl"]) == 2
    assert f"mypt: {said}" in capsys.readouterr().err and listing(ground) == before


@pytest.mark.parametrize("splits", ["gpt2", "llama3"])
def test_from_texts_to_a_model(ground: Path, splits: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["docs", "--vocab_size", "360", "--splits", splits, "--special_tokens", "<user>", "<bot>"]
    out = run(ground, capsys, "train", *words, "--output", "tok/mine.json")
    assert out.startswith("tok/mine.json: bpe, 360 tokens, learned from 2 files, ")
    assert "mypt prepare docs --tokenizer_file tok/mine.json --output_dir data/NAME" in out
    assert (
        main(
            [
                "--workspace",
                str(ground),
                "prepare",
                "docs",
                "--tokenizer_file",
                "tok/mine.json",
                "--output_dir",
                "d",
            ]
        )
        == 0
    )
    data = text(ground / "d", "train") + text(ground / "d", "val")
    assert len(data) > 0 and max(ids(ground / "d", "train")) < 360
    flags = [*SHAPE, "--max_iters", "1", "--eval_iters", "1", "--device", "cpu", "--vocab_size", "360"]
    train = ["train", "--tokenization", "bpe", "--sample_interval", "0"]
    for name, source in (
        ("text", ["--input_file", "docs/a.txt", "--tokenizer_file", "tok/mine.json"]),
        ("set", ["--dataset_dir", "d"]),
    ):
        assert main(["--workspace", str(ground), *train, "--model_name", name, *source, *flags]) == 0


def test_the_file_is_in_the_form_of_the_library(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tokenizers import Tokenizer as Library

    run(ground, capsys, "train", "docs", "--vocab_size", "360")
    library = Library.from_file(str(ground / "tokenizer.json"))
    one = load(ground / "tokenizer.json")
    assert library.encode(TEXT).ids == one.encode(TEXT)
    assert one.decode(one.encode(TEXT)) == TEXT
    assert one.special_tokens == {"<|endoftext|>": 0}


def test_numbers_in_threes_as_llama_3(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(ground, {"n.txt": "12345 12345 " * 200})
    for splits, longest in (("gpt2", " 12345"), ("llama3", "123")):
        run(ground, capsys, "train", "n.txt", "--vocab_size", "270", "--splits", splits, "--overwrite")
        one = load(ground / "tokenizer.json")
        cut = [one.decode([index]) for index in one.encode("a 12345")]
        assert longest in cut and max(len(part) for part in cut) == len(longest)


def test_texts_too_small_for_that_many_tokens(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(ground, {"s.txt": "aaaa bbbb"})
    out = run(ground, capsys, "train", "s.txt", "--vocab_size", "9000")
    assert "Note: the texts hold no more than " in out


def test_what_a_tokenizer_is_and_how_it_cuts(
    ground: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(ground, capsys, "show", "gpt2", "--text", "don't, Grüße 🦊")
    assert out.startswith(
        "gpt2: gpt2, 50257 tokens\n  vocabulary   50\u202f304 rows in a model, 50\u202f257 of them"
    )
    assert "  special       50256  <|endoftext|>  (end of text)" in out
    assert "9099  'don'" in out and '470  "\'t"' in out and "(a part of a character)" in out
    out = run(trained, capsys, "show", "dante", "--text", "abc")
    assert (
        "dante: char, 29 characters" in out and "characters   '\\n .abcdefgh" in out and "\n3 tokens" in out
    )
    (trained / "tok\x1b.json").write_text(json.dumps({"token_kind": "char", "chars": ["\x1b", "a"]}))
    out = run(trained, capsys, "show", "tok\x1b.json", "--text", "\x1ba")
    assert "\x1b" not in out and "tok\\x1b.json" in out


def test_gpt2_s_vocabulary_is_kept_for_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mypt.tokenizers import gpt2_vocab

    (tmp_path / "vocab.bpe").write_bytes(gpt2_vocab.find())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(gpt2_vocab, "our_cache", lambda: tmp_path / "cache" / "tiktoken")
    out = run(tmp_path, capsys, "import", "vocab.bpe")
    assert "GPT-2's vocabulary is kept in " in out
    (kept,) = (tmp_path / "cache" / "tiktoken").iterdir()
    assert gpt2_vocab.identify(kept.read_bytes()) is not None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: {train,show,import}"),
        (["trian"], "invalid choice: 'trian'"),
        (["train"], "inputs: nothing was named to prepare"),
        (["train", "none.txt"], "inputs: no such file or folder (got 'none.txt')"),
        (
            ["train", "docs", "--vocab_size", "100"],
            "vocab_size: must be over 256, one for every byte (got 100)",
        ),
        (["train", "docs", "--vocab_siz", "1"], "did you mean --vocab_size?"),
        (["train", "docs", "--output", "docs"], "output: is a folder (got 'docs')"),
        (["train", "docs", "--output", "docs/a.txt"], "output: is there already (got 'docs/a.txt')"),
        (["train", "docs", "--output", "docs/a.txt/x"], "output: lies below a.txt, which is no folder"),
        (["train", "latin.txt"], "latin.txt: is not UTF-8 text: byte 3 is 0xe9"),
        (["show", "nobody"], "source: no such model or dataset (got 'nobody')"),
        (["show", "docs/a.txt"], "docs/a.txt: is not readable JSON"),
        (["show", "c.json", "--text", "aé"], "text: has characters without a token: 'é' (got 'aé')"),
        (["import", "docs/a.txt"], "this is not GPT-2's vocabulary"),
    ],
)
def test_what_is_refused(
    ground: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (ground / "latin.txt").write_bytes(b"caf\xe9 " * 50)
    write(ground, {"c.json": '{"token_kind": "char", "chars": ["a"]}'})
    before = listing(ground)
    assert main(["--workspace", str(ground), "tokenizer", *words]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.out == "" and "Traceback" not in captured.err
    assert listing(ground) == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_ctrl_c_is_heard_while_the_library_works(tmp_path: Path) -> None:
    words = " ".join(f"w{n * 7919 % 100_003}x{n}" for n in range(400_000))
    (tmp_path / "a.txt").write_text(words)
    process = start(tmp_path, "tokenizer", "train", "a.txt", "--vocab_size", "30000")
    child = Path(f"/proc/{process.pid}/task")

    def works() -> bool:
        # The thread that trains, and the library's own.
        return not child.exists() or len(list(child.iterdir())) > 2

    assert wait_for(works, process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "mypt: stopped by Ctrl+C: tokenizer.json was not written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
