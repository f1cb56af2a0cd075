"""Who reads what models learn from: datasets of every kind, tokenizers, conversations, tables, texts."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mypt import tokenizers
from mypt.classify.table import classes_of, read_table
from mypt.classify.table import read_text as read_rows
from mypt.data.chat.messages import parse
from mypt.data.prepare.corpus import Corpus
from mypt.data.prepare.inputs import conversations, find
from mypt.data.prepare.jsonl import Fault, text_of, told
from mypt.data.prepare.request import PrepareRequest
from mypt.data.shards import read_folder
from mypt.data.text import about_lines, read_text, split_text
from mypt.errors import UserError
from mypt.files import why_no_file
from mypt.tokenizers import CHAT_TOKENS, CharTokenizer, Gpt2Tokenizer, with_chat_tokens
from tests.faults.bad.judge import Reader, command, hostile
from tests.workbench import CHARS, ids_of, story, write_dataset, write_episodes

# ── datasets ────────────────────────────────────────────────────────────────────────────────────────────────────


def _make_shards(folder: Path) -> None:
    ids = ids_of(story(600))
    about = {"dtype": "uint16", "tokens": 900, "source": "x"}
    write_dataset(
        folder / "d", train=[ids, ids[:200]], val=[ids[:200]], dtype="<u2", mask="u1", metadata=about
    )


def _make_original(folder: Path) -> None:
    ids = ids_of(story(400))
    write_dataset(folder / "d", train=[ids], val=[ids[:150]], dtype="<u4", mask="<u4")


def _make_nanogpt(folder: Path) -> None:
    ids = np.array(ids_of(story(400)), "<u2")
    (folder / "d").mkdir()
    ids.tofile(folder / "d" / "train.bin")
    ids[:150].tofile(folder / "d" / "val.bin")
    meta = {
        "vocab_size": len(CHARS),
        "itos": dict(enumerate(CHARS)),
        "stoi": {c: n for n, c in enumerate(CHARS)},
    }
    (folder / "d" / "meta.pkl").write_bytes(pickle.dumps(meta))


def _make_llm_c(folder: Path) -> None:
    (folder / "d").mkdir()
    for name, count in (("fineweb_train_000001", 400), ("fineweb_val_000000", 150)):
        header = np.zeros(256, "<i4")
        header[:3] = 20240520, 1, count
        with (folder / "d" / f"{name}.bin").open("wb") as file:
            header.tofile(file)
            np.array(ids_of(story(1000))[:count], "<u2").tofile(file)
    state = {"token_kind": "char", "chars": list(CHARS)}
    (folder / "d" / "tokenizer_state.json").write_text(json.dumps(state))


def _make_episodes(folder: Path) -> None:
    ids = ids_of(story(300))
    for split, rows in (("train", [ids[:60], ids[60:90], ids[90:200]]), ("val", [ids[:40], ids[40:80]])):
        write_episodes(
            folder / "d", split, rows, weights=split == "val", segments=[[1] * len(row) for row in rows]
        )


def _read_dataset(place: Path, chance: random.Random) -> None:
    if chance.random() < 0.02:
        words = ("--dataset_dir", "d", "--max_iters", "2", "--model_name", "x", "--device", "cpu")
        shape = ("--n_layer", "1", "--n_head", "1", "--n_embd", "8", "--block_size", "8", "--batch_size", "2")
        command("--workspace", str(place), "train", "--dry_run", *words, *shape)
    found = read_folder(place / "d", "d", vocab_size=len(CHARS), block_size=8)
    if (place / "d" / "meta.pkl").exists():
        tokenizers.from_nanogpt_meta(place / "d" / "meta.pkl")
    elif (place / "d" / "tokenizer_state.json").exists():
        tokenizers.load(place / "d")
    for split in (found.train, found.val):
        assert split is not None
        drawn = split.gather(split.places(3, 8, 1), 8, masked=split.has_masks)
        assert int(drawn[0].max()) < len(CHARS)
        split.update_places(2, batches=1, batch_size=2, block_size=8, seed=1)


# ── tokenizers ──────────────────────────────────────────────────────────────────────────────────────────────────


def _make_tokenizers(folder: Path) -> None:
    text = story(2000)
    bpe = tokenizers.train_bpe([text], 300)
    tokenizers.save(CharTokenizer.from_text(text), folder / "char.json")
    tokenizers.save(with_chat_tokens(bpe), folder / "bpe.json")
    (folder / "hf.json").write_text(json.dumps(dict(bpe.with_added(CHAT_TOKENS[:3]).data)))
    specials = {"<|endoftext|>": 50256, **{token: 50257 + n for n, token in enumerate(CHAT_TOKENS)}}
    (folder / "gpt2.json").write_text(
        json.dumps({"token_kind": "gpt2", "special_token_encoder": specials, "more": [1]})
    )
    assert isinstance(tokenizers.load(folder / "gpt2.json"), Gpt2Tokenizer)
    meta = {"vocab_size": 3, "itos": {0: "a", 1: "b", 2: "\n"}, "stoi": {"a": 0, "b": 1, "\n": 2}}
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta))


def _read_tokenizer(name: str) -> Callable[[Path, random.Random], None]:
    def read(place: Path, chance: random.Random) -> None:
        path = place / name
        if path.suffix == ".pkl":
            tokenizer: tokenizers.Tokenizer = tokenizers.from_nanogpt_meta(path)
        else:
            tokenizer = tokenizers.load(path)
            tokenizer.check_ready()
        _use(tokenizer)
        if chance.random() < 0.02 and path.suffix == ".json":
            command("--workspace", str(place), "tokenizer", "show", path.name, "--text", "a b")

    return read


def _use(tokenizer: tokenizers.Tokenizer) -> None:
    """What every user of a tokenizer does."""
    assert 0 < tokenizer.valid_vocab <= tokenizer.vocab_size
    assert not hostile(tokenizer.describe())
    json.dumps(tokenizer.to_dict())
    ids = tokenizer.encode("ab a\n" if not tokenizer.unknown("ab a\n") else "")
    if tokenizer.valid_vocab < 10**6:
        assert tokenizer.decode(ids) is not None and len(tokenizer.encode_array("")) == 0
        assert all(0 <= index < tokenizer.vocab_size for index in ids), ids
    _ = tokenizer.cuts, tokenizer.special_tokens, tokenizer.end_of_text
    assert tokenizers.same(tokenizer, tokenizer)
    tokenizer.decode([0, tokenizer.valid_vocab - 1])


# ── conversations, tables, texts ────────────────────────────────────────────────────────────────────────────────


def _prepare(place: Path, name: str) -> None:
    words = ("--output_dir", "out", "--tokenization", "char", "--num_proc", "1", "--overwrite")
    command("--workspace", str(place), "prepare", name, *words)


def _make_chat(folder: Path) -> None:
    lines = [
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "u"},
                {"role": "assistant", "content": "a"},
            ]
        },
        {
            "system": "x",
            "messages": [
                {"role": "user", "content": "u", "context": "c"},
                {"role": "assistant", "content": "a", "think": "t"},
            ],
        },
        {
            "messages": [
                {"role": "user", "content": "é"},
                {"role": "assistant", "content": "a", "cite": "c"},
            ],
            "id": 3,
        },
    ]
    (folder / "chat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines * 4))


def _read_chat(place: Path, chance: random.Random) -> None:
    odd = bool(why_no_file(place / "chat.jsonl"))
    for line in (b"" if odd else (place / "chat.jsonl").read_bytes()).split(b"\n"):
        found = parse(line, system_prompt=chance.choice((None, "", "x")))
        assert found.messages or found.faults
    if odd or chance.random() < 0.02:
        _prepare(place, "chat.jsonl")


def _make_lines(folder: Path) -> None:
    rows = [{"text": f"story {n} of é 物語\n", "id": n, "meta": {"url": None}} for n in range(12)]
    (folder / "texts.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=n % 2 > 0) + "\n" for n, row in enumerate(rows))
    )


def _read_lines(place: Path, chance: random.Random) -> None:
    file = place / "texts.jsonl"
    told(file, chance.choice((None, "text", "id")))
    about_lines(file.name, place)
    odd = bool(why_no_file(file))
    for line in (b"" if odd else file.read_bytes()).split(b"\n"):
        found = text_of(line, "text")
        assert isinstance(found, Fault) or found.encode() is not None
    request = PrepareRequest((file,), place / "out", place)
    if odd or chance.random() < 0.02:
        _prepare(place, file.name)
    else:
        conversations(request)
        list(Corpus(request, find(request).files))


def _make_table(folder: Path) -> None:
    rows = [(f"text {n}, here", f"other {n}", ("yes", "no", "3")[n % 3]) for n in range(8)]
    (folder / "t.jsonl").write_text(
        "".join(json.dumps({"text": a, "b": b, "label": c}) + "\n" for a, b, c in rows)
    )
    (folder / "t.csv").write_text("text,b,label\n" + "".join(f'"{a}",{b},{c}\n' for a, b, c in rows))
    (folder / "t.tsv").write_text("text\tb\tlabel\n" + "".join(f"{a}\t{b}\t{c}\n" for a, b, c in rows))


def _read_table(place: Path, chance: random.Random) -> None:
    refused: UserError | None = None
    for path in sorted(place.glob("t.*")):
        try:
            rows = read_table(path, path.name, chance.choice((["text"], ["text", "b"])), "label")
            classes_of(rows)
        except UserError as error:
            refused = error
    if not why_no_file(place / "t.jsonl"):
        try:
            read_rows((place / "t.jsonl").read_bytes().decode("utf-8", "replace"), "t.jsonl", ["text"])
        except UserError as error:
            refused = error
    if refused is not None:
        raise refused


def _make_text(folder: Path) -> None:
    (folder / "input.txt").write_text(story(1500) + "é物語\n")


def _read_text(place: Path, chance: random.Random) -> None:
    text = read_text("input.txt", place)
    tokenizer = tokenizers.create("char", text=text)
    split_text(text, tokenizer, "input.txt", 8)
    if chance.random() < 0.01:
        _prepare(place, "input.txt")


def _dataset(make: Callable[[Path], None]) -> Reader:
    return Reader(
        make,
        ("d/**/*",),
        _read_dataset,
        at_rest=True,
        also=("d:", "d/", "no shard of", "the val split", "the train split"),
    )


READERS: dict[str, Reader] = {
    "shards": _dataset(_make_shards),
    "original-shards": _dataset(_make_original),
    "nanogpt-data": _dataset(_make_nanogpt),
    "llm.c-data": _dataset(_make_llm_c),
    "episodes": _dataset(_make_episodes),
    **{
        f"tokenizer-{name}": Reader(_make_tokenizers, (name,), _read_tokenizer(name))
        for name in ("char.json", "bpe.json", "hf.json", "gpt2.json", "meta.pkl")
    },
    "chat": Reader(_make_chat, ("*.jsonl",), _read_chat, also=("val_fraction",)),
    "lines": Reader(_make_lines, ("*.jsonl",), _read_lines, also=("inputs: hold no text",)),
    "tables": Reader(_make_table, ("t.*",), _read_table),
    "text": Reader(_make_text, ("*.txt",), _read_text),
}
