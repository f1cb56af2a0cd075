"""From texts to a dataset folder: nothing lost, nothing changed, always the same, and what training makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mypt.data.prepare import plan
from mypt.data.prepare.request import Silent, TokenizerChoice
from mypt.data.prepare.text import prepare_text
from mypt.data.shards import read_folder
from mypt.data.text import read_text, split_text
from mypt.errors import RunError, UserError
from mypt.tokenizers import CharTokenizer, Gpt2Tokenizer, create, save, train_bpe
from tests.data.prepare.making import TEXT, about, ids, make, request, text, tokenizer, write
from tests.workbench import listing

KINDS = ["char", "gpt2", "bpe"]


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    save(train_bpe([TEXT], 400), tmp_path / "tokenizer.json")
    return write(tmp_path, {"a.txt": TEXT, "b.txt": "and then the end.\n" * 9, "c.md": "# Third\n"})


def with_tokenizer(ground: Path, kind: str) -> TokenizerChoice:
    return TokenizerChoice(kind, ground / "tokenizer.json" if kind == "bpe" else None)


# ── one text ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_comes_back_byte_for_byte(ground: Path, kind: str) -> None:
    folder, made = make(ground, "a.txt", tokenizer=with_tokenizer(ground, kind))
    one = tokenizer(folder)
    assert one.decode_bytes(ids(folder, "train") + ids(folder, "val")) == TEXT.encode()
    assert ids(folder, "train") + ids(folder, "val") == one.encode(TEXT)
    assert (made.documents, made.tokenization) == (1, kind)
    assert made.train_tokens + made.val_tokens == about(folder)["total_tokens"] == len(one.encode(TEXT))


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_file_is_split_as_training_on_the_file_splits_it(ground: Path, kind: str) -> None:
    (ground / "a.txt").write_text(TEXT.replace("\r\n", "\n"), newline="")
    folder, made = make(ground, "a.txt", tokenizer=with_tokenizer(ground, kind))
    train, val, _ = split_text(read_text("a.txt", ground), tokenizer(folder), "a.txt", 8)
    assert ids(folder, "train") == train.shards[0].tolist()
    assert ids(folder, "val") == val.shards[0].tolist()
    assert made.split == "the last 10 % of the text"


@pytest.mark.parametrize("kind", KINDS)
def test_training_reads_what_was_prepared(ground: Path, kind: str) -> None:
    folder, made = make(ground, "a.txt", tokenizer=with_tokenizer(ground, kind), tokens_per_shard=200)
    found = read_folder(folder, "out", vocab_size=made.vocab_size, block_size=16)
    assert found.train is not None
    assert (found.train.tokens, found.val.tokens) == (made.train_tokens, made.val_tokens)
    assert (len(found.train.shards), len(found.val.shards)) == (made.train_shards, made.val_shards)
    assert all(shard.dtype == np.dtype("<u2") for shard in found.train.shards)


def test_the_characters_of_the_text_are_the_vocabulary(ground: Path) -> None:
    folder, made = make(ground, "a.txt")
    one = tokenizer(folder)
    assert isinstance(one, CharTokenizer) and list(one.chars) == sorted(set(TEXT))
    assert made.vocab_size == len(set(TEXT))


def test_many_characters_take_four_bytes(tmp_path: Path) -> None:
    signs = "".join(chr(0x20000 + n) for n in range(0x10010))
    folder, _ = make(write(tmp_path, {"a.txt": signs}), "a.txt")
    assert about(folder)["dtype"] == "uint32"
    assert text(folder, "train") + text(folder, "val") == signs


def test_the_mark_at_the_beginning_of_a_file_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + b"some text " * 20)
    folder, _ = make(tmp_path, "a.txt")
    assert (text(folder, "train") + text(folder, "val")) == "some text " * 20


def test_line_ends_of_windows_stay_and_are_said(ground: Path) -> None:
    folder, made = make(ground, "a.txt")
    assert "\r\n" in text(folder, "train")
    assert any("line ends of Windows" in notice for notice in made.notices)


# ── shards and numbers ──────────────────────────────────────────────────────────────────────────────────────────────


def test_shards_are_numbered_in_one_row_and_full_but_the_last(ground: Path) -> None:
    folder, made = make(ground, "a.txt", tokens_per_shard=300)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.bin"))
    assert names == [
        *(f"train/shard_{n:05d}.bin" for n in range(made.train_shards)),
        *(f"val/shard_{n:05d}.bin" for n in range(made.train_shards, made.train_shards + made.val_shards)),
    ]
    for split, number in (("train", made.train_shards), ("val", made.val_shards)):
        sizes = [path.stat().st_size // 2 for path in sorted((folder / split).iterdir())]
        assert len(sizes) == number and sizes[:-1] == [300] * (number - 1) and 0 < sizes[-1] <= 300


def test_the_metadata_has_the_original_s_fields_and_ours(ground: Path) -> None:
    folder, made = make(ground, "a.txt", "b.txt", tokens_per_shard=500, val_fraction=0.2, seed=5)
    data = about(folder)
    assert {name: data[name] for name in list(data)[:8]} == {
        "total_tokens": made.train_tokens + made.val_tokens,
        "total_shards": made.train_shards + made.val_shards,
        "train_shards": made.train_shards,
        "val_shards": made.val_shards,
        "tokens_per_shard": 500,
        "tokenization": "char",
        "vocab_size": made.vocab_size,
        "input_files": ["a.txt", "b.txt"],
    }
    size = (ground / "a.txt").stat().st_size + (ground / "b.txt").stat().st_size
    assert (data["dtype"], data["num_documents"], data["num_bytes"]) == ("uint16", 2, size)
    assert (data["val_fraction"], data["seed"], data["hold_out"]) == (0.2, 5, "tails")


# ── always the same ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
def test_neither_processes_nor_pieces_change_a_byte(
    ground: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Worker processes, pieces of 300 bytes and shards of 100 tokens against everything at once."""
    choice = with_tokenizer(ground, kind)
    shards: dict[str, Any] = {"tokens_per_shard": 100}
    inputs = ("a.txt", "b.txt", "c.md")
    whole, _ = make(ground, *inputs, tokenizer=choice, output=ground / "whole", **shards)
    monkeypatch.setattr(plan, "CHUNK", 300)
    for number in (1, 3):
        parts, _ = make(
            ground, *inputs, tokenizer=choice, output=ground / f"parts{number}", num_proc=number, **shards
        )
        assert listing(parts) == listing(whole)


SIGNS = [
    "a",
    "fox",
    " ",
    "  ",
    "\n",
    "\r\n",
    "!",
    "é",
    "中。",
    "🦊",
    "1",
    "\t",
    "'s",
    "\u2003",
    "<|endoftext|>",
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.lists(st.sampled_from(SIGNS), min_size=3, max_size=60).map("".join), min_size=1, max_size=4
    )
)
def test_small_pieces_of_any_text_give_its_tokens(
    tmp_path: Path, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "CHUNK", 20)
    names = [f"{n}.txt" for n in range(len(texts))]
    texts = [f"x {each}" for each in texts]  # no split may be shorter than two tokens
    write(tmp_path, dict(zip(names, texts, strict=True)))
    folder, _ = make(tmp_path, *names, kind="gpt2", val_fraction=0.0, overwrite=True)
    gpt2 = Gpt2Tokenizer()
    expected: list[int] = []
    for each in texts:
        expected += [*([50256] if expected else []), *gpt2.encode(each)]
    assert ids(folder, "train") == expected


# ── many documents ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def many(tmp_path: Path) -> Path:
    return write(
        tmp_path, {f"docs/{n:02d}.txt": f"document {n:02d} of sixty" + " more" * (n % 3) for n in range(60)}
    )


def test_whole_documents_are_kept_for_validation(many: Path) -> None:
    folder, made = make(many, "docs", separator="|")
    train, val = text(folder, "train").split("|"), text(folder, "val").split("|")
    assert sorted(train + val) == sorted(path.read_text() for path in (many / "docs").iterdir())
    assert train == sorted(train) and val == sorted(val), "in the order of the files"
    assert (len(val), made.split) == (6, "6 of 60 documents, drawn with seed 1337")
    assert (about(folder)["num_train_documents"], about(folder)["num_val_documents"]) == (54, 6)
    other, _ = make(many, "docs", separator="|", seed=7, output=many / "other")
    assert text(other, "val") != text(folder, "val")


def test_the_end_of_each_document_where_one_is_large(ground: Path) -> None:
    folder, made = make(ground, "a.txt", "b.txt", separator="none")
    b = "and then the end.\n" * 9
    cut_a, cut_b = int(0.9 * len(TEXT)), int(0.9 * len(b))
    assert text(folder, "train") == TEXT[:cut_a] + b[:cut_b]
    assert text(folder, "val") == TEXT[cut_a:] + b[cut_b:]
    assert made.split == "the last 10 % of each document"


@pytest.mark.parametrize(
    ("kind", "separator", "between"),
    [
        ("char", "auto", "\n"),
        ("char", "none", ""),
        ("char", r"\n--\t\\", "\n--\t\\"),
        ("gpt2", "auto", "<|endoftext|>"),
        ("gpt2", "none", ""),
        ("gpt2", r"\n\n", "\n\n"),
        ("bpe", "auto", "<|endoftext|>"),
        ("bpe", "<|endoftext|>", "<|endoftext|>"),
    ],
)
def test_what_stands_between_documents(ground: Path, kind: str, separator: str, between: str) -> None:
    folder, _ = make(
        ground,
        *("b.txt", "a.txt", "c.md"),
        tokenizer=with_tokenizer(ground, kind),
        separator=separator,
        val_fraction=0.0,
    )
    b, c = "and then the end.\n" * 9, "# Third\n"
    assert text(folder, "train") == between.join([b, TEXT, c])
    one = tokenizer(folder)
    end = one.end_of_text
    assert ids(folder, "train").count(end if end is not None else -1) == 2 * (between == "<|endoftext|>")


def test_a_mark_spelled_in_the_text_is_text(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "one <|endoftext|> two " * 20})
    folder, _ = make(tmp_path, "a.txt", kind="gpt2")
    assert 50256 not in ids(folder, "train")


def test_documents_within_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "CHUNK", 64)
    stories = [f"Story {n}: once upon a time." + " And so on." * (n % 5) for n in range(40)]
    write(
        tmp_path,
        {
            "a.txt": "<|endoftext|>\n".join(stories[:25]),
            "b.txt": "<|endoftext|>\n".join(stories[25:]) + "<|endoftext|>\n",
        },
    )
    folder, made = make(tmp_path, "a.txt", "b.txt", kind="gpt2", split_on=r"<|endoftext|>\n", num_proc=2)
    found = text(folder, "train").split("<|endoftext|>") + text(folder, "val").split("<|endoftext|>")
    assert made.documents == 40 and sorted(found) == sorted(stories)
    assert about(folder)["num_val_documents"] > 1
    chars, _ = make(tmp_path, "a.txt", "b.txt", split_on=r"<|endoftext|>\n", output=tmp_path / "chars")
    assert "|" not in tokenizer(chars).decode(range(100)), (
        "the separator's characters are not in the vocabulary"
    )


def test_a_separator_that_never_comes_is_said(ground: Path) -> None:
    _, made = make(ground, "a.txt", split_on="%%%")
    assert "no file holds '%%%': each is one document" in made.notices


def test_validation_from_files_of_its_own(ground: Path) -> None:
    folder, made = make(ground, "a.txt", val_files=(ground / "b.txt", ground / "c.md"))
    assert text(folder, "train") == TEXT
    assert text(folder, "val") == "and then the end.\n" * 9 + "\n# Third\n"
    assert made.split == "as named with --val_file"
    assert about(folder)["val_fraction"] is None and about(folder)["val_files"] == ["b.txt", "c.md"]


def test_an_evaluation_set_has_validation_alone(ground: Path) -> None:
    folder, made = make(ground, "a.txt", val_fraction=1.0)
    assert (made.train_tokens, made.train_shards, made.split) == (0, 0, "everything")
    assert text(folder, "val") == TEXT and not (folder / "train").exists()
    found = read_folder(folder, "out", vocab_size=made.vocab_size, block_size=16, eval_only=True)
    assert found.val.tokens == len(TEXT)


# ── the tokenizer of another ────────────────────────────────────────────────────────────────────────────────────────


def test_a_dataset_takes_the_characters_of_another(ground: Path) -> None:
    first, _ = make(ground, "a.txt", output=ground / "first")
    second, _ = make(ground, "b.txt", output=ground / "second", tokenizer=TokenizerChoice(source="first"))
    assert tokenizer(second).to_dict() == tokenizer(first).to_dict()
    assert text(second, "train") + text(second, "val") == "and then the end.\n" * 9


def test_missing_characters_are_listed(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "abc " * 50, "b.txt": "abc äöü\t" * 50})
    make(tmp_path, "a.txt", output=tmp_path / "first")
    with pytest.raises(
        UserError, match=r"4 characters that first \(char, 4 characters\) lacks: '\\t', 'ä', 'ö', 'ü'"
    ):
        make(tmp_path, "b.txt", tokenizer=TokenizerChoice(source="first"))


def test_a_separator_that_the_other_s_characters_lack_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "abc " * 50, "b.txt": "cba " * 50})
    make(tmp_path, "a.txt", output=tmp_path / "first")
    with pytest.raises(UserError, match=r"separator.*lacks: '\\n'; say --separator none"):
        make(tmp_path, "a.txt", "b.txt", tokenizer=TokenizerChoice(source="first"))
    make(tmp_path, "a.txt", "b.txt", tokenizer=TokenizerChoice(source="first"), separator="none")


def test_a_tokenizer_that_changes_text_is_said(tmp_path: Path) -> None:
    data = dict(train_bpe([TEXT], 300).data)
    save(create("bpe", text=TEXT), tmp_path / "exact.json")
    from mypt.tokenizers import BpeTokenizer

    save(BpeTokenizer({**data, "normalizer": {"type": "Lowercase"}}), tmp_path / "lower.json")
    write(tmp_path, {"a.txt": TEXT})
    for name, lossy in (("exact", False), ("lower", True)):
        choice = TokenizerChoice("bpe", tmp_path / f"{name}.json")
        _, made = make(tmp_path, "a.txt", tokenizer=choice, output=tmp_path / name)
        assert any("changes text" in notice for notice in made.notices) is lossy


def test_cuts_that_may_change_tokens_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "CHUNK", 100)
    monkeypatch.setattr(plan, "_LONGEST_RUN", 50)
    write(tmp_path, {"a.txt": "a" * 1000})
    _, made = make(tmp_path, "a.txt", kind="gpt2")
    assert any("a run of over a megabyte" in notice for notice in made.notices)


# ── what cannot be prepared ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"good " * 100 + b"caf\xe9 " * 3, r"a.txt: is not UTF-8 text: byte 503 is 0xe9; .*latin1"),
        (b"good " * 100 + b"\x00bad", r"a.txt: is not text: byte 500 is 0x00"),
        (b"\xff\xfet\x00e\x00", r"byte 0 is 0xff; it looks like UTF-16"),
        ("müde ".encode() * 100 + b"\xc3", r"byte 600 is 0xc3"),
    ],
)
def test_what_is_no_text_is_named_with_the_byte(
    tmp_path: Path, data: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "CHUNK", 64)
    (tmp_path / "a.txt").write_bytes(data)
    before = listing(tmp_path)
    with pytest.raises(UserError, match=message):
        make(tmp_path, "a.txt")
    assert listing(tmp_path) == before


def test_all_bad_files_are_named_at_once(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_bytes(b"\xff\xff")
    with pytest.raises(UserError) as error:
        make(tmp_path, "a.txt", "b.txt", "c.txt", num_proc=2)
    assert len(error.value.problems) == 3


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        ("a", {}, r"too short: 1 tokens in all, 1 for the val split|0 for the train split"),
        ("abcdefgh", {}, "too short: 8 tokens in all, 1 for the val split.*val_fraction|val_fraction"),
        ("abc", {"val_fraction": 2.0}, r"val_fraction: must be from 0 to 1 \(got 2.0\)"),
        ("abc", {"tokens_per_shard": 0}, r"tokens_per_shard: must be at least 1"),
        ("abc", {"num_proc": 0}, r"num_proc: must be at least 1"),
        ("abc", {"hold_out": "x"}, r"hold_out: must be one of auto, documents, tails"),
    ],
)
def test_texts_and_numbers_that_do_not_do(
    tmp_path: Path, content: str, changes: dict[str, Any], message: str
) -> None:
    write(tmp_path, {"a.txt": content})
    with pytest.raises(UserError, match=message):
        make(tmp_path, "a.txt", **changes)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_several_things_are_said_at_once(tmp_path: Path) -> None:
    write(tmp_path, {"out": "a file"})
    with pytest.raises(UserError) as error:
        make(tmp_path, "none.txt", kind="bpe")
    fields = [problem.field for problem in error.value.problems]
    assert fields == ["output_dir", "inputs", "tokenizer_file"]


def test_a_file_that_changes_meanwhile_is_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a.txt": TEXT})

    class Meddler(Silent):
        def begin(self, what: str, total: int) -> None:
            if what == "tokenizing":
                (tmp_path / "a.txt").write_bytes(b"other " * 500)

    with pytest.raises(RunError, match="was changed while it was being read"):
        prepare_text(request(tmp_path, "a.txt"), Meddler())
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
