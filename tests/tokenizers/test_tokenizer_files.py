from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from mypt.errors import UserError
from mypt.tokenizers import (
    BpeTokenizer,
    CharTokenizer,
    Gpt2Tokenizer,
    create,
    from_dict,
    from_nanogpt_meta,
    load,
    same,
    save,
    train_bpe,
)

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")


@needs_samples
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("original/checkpoints/a_char_learned", "char, 55 characters"),
        ("original/checkpoints/a_char_learned_gold/tokenizer.json", "char, 55 characters"),
        ("original/datasets/char_sharded_phase1", "char, 52 characters"),
        ("original/datasets/sft_episodes", "gpt2, 50257 tokens and 19 special ones"),
    ],
)
def test_the_originals_files_load_and_go_back_unchanged(place: str, said: str) -> None:
    tokenizer = load(SAMPLES / place)
    assert tokenizer.describe() == said
    file = SAMPLES / place
    if file.is_dir():
        file = next(file.glob("tokenizer*.json"))
    assert tokenizer.to_dict() == json.loads(file.read_text(encoding="utf-8"))


def test_fields_of_others_are_kept() -> None:
    for data in (
        {"token_kind": "char", "chars": ["\n", "a"], "model_vocab_size": 256, "note": {"by": "somebody"}},
        {"token_kind": "gpt2", "note": 1},
        {"token_kind": "bpe", "tokenizer": {"model": {"vocab": {"a": 0}}}, "note": None},
    ):
        kept = from_dict(data).to_dict()
        assert {key: kept[key] for key in data} == data


def test_the_plainest_form_of_each_kind() -> None:
    assert from_dict({"token_kind": "gpt2"}).vocab_size == 50304
    assert from_dict({"token_kind": "char", "chars": ["a"]}).vocab_size == 1


BROKEN: list[tuple[Any, str]] = [
    ([], "must be a JSON object"),
    ({}, "token_kind: is missing"),
    (
        {"token_kind": "word"},
        r"token_kind: is not a kind of tokenizer \(got 'word'\); must be one of char, gpt2, bpe",
    ),
    ({"token_kind": ["char"]}, "token_kind: is not a kind"),
    ({"token_kind": "char"}, "chars: must be a list"),
    ({"token_kind": "char", "chars": []}, "chars: must be a list"),
    ({"token_kind": "char", "chars": "abc"}, "chars: must be a list"),
    ({"token_kind": "char", "chars": ["a", "bc", 3]}, r"chars\[1\]: .*'bc'\)\n.*chars\[2\]: .*got 3"),
    ({"token_kind": "char", "chars": ["a", "b", "a"]}, r"chars\[2\]: repeats chars\[0\]"),
    ({"token_kind": "char", "chars": ["\ud800"]}, r"chars\[0\]"),
    ({"token_kind": "gpt2", "special_token_encoder": [1]}, "special_token_encoder: must map"),
    (
        {"token_kind": "gpt2", "special_token_encoder": {"<x>": 5}},
        r"special_token_encoder\.<x>: must be an id",
    ),
    (
        {"token_kind": "gpt2", "special_token_encoder": {"<x>": True}},
        r"special_token_encoder\.<x>: must be an id",
    ),
    ({"token_kind": "gpt2", "special_token_encoder": {"<x>": 50257, "<y>": 50257}}, "two tokens with one id"),
    ({"token_kind": "gpt2", "special_token_encoder": {"": 50257}}, "empty token"),
    ({"token_kind": "bpe"}, "tokenizer: must be the Hugging Face"),
    ({"token_kind": "bpe", "tokenizer": {"model": {}}}, r"tokenizer\.model\.vocab: must map"),
    (
        {"token_kind": "bpe", "tokenizer": {"model": {"vocab": {"a": "b"}}}},
        r"tokenizer\.model\.vocab: must map",
    ),
    (
        {"token_kind": "bpe", "tokenizer": {"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": -1}]}},
        r"tokenizer\.added_tokens",
    ),
]


@pytest.mark.parametrize(("data", "said"), BROKEN)
def test_broken_files_are_refused_naming_file_and_field(tmp_path: Path, data: Any, said: str) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(UserError, match=said) as caught:
        load(file)
    assert all(problem.where == str(file) for problem in caught.value.problems)


@pytest.mark.parametrize("raw", [b"", b'{"token_kind": "ch', b"\xff\xfe", b"[" * 100_000])
def test_files_that_are_no_json_are_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(raw)
    with pytest.raises(UserError, match=r"tokenizer\.json: is not readable JSON"):
        load(tmp_path)


def test_absent_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        load(tmp_path / "tokenizer.json")
    with pytest.raises(UserError, match="has no tokenizer"):
        load(tmp_path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"token_kind": "gpt2"}', encoding="utf-8-sig")
    assert load(tmp_path).kind == "gpt2"


@pytest.mark.parametrize("kind", ["char", "gpt2", "bpe"])
def test_what_is_saved_loads(tmp_path: Path, kind: str) -> None:
    tokenizer = create(kind, text="Some text — «with» signs\n", vocab_size=260)
    save(tokenizer, tmp_path / "tokenizer.json")
    again = load(tmp_path)
    assert again.to_dict() == tokenizer.to_dict()
    assert again.encode("Some text") == tokenizer.encode("Some text")
    assert same(again, tokenizer)


def test_create_takes_a_hugging_face_file(tmp_path: Path) -> None:
    trained = train_bpe(["Some text"], 260)
    (tmp_path / "tokenizer.json").write_text(json.dumps(trained.data), encoding="utf-8")
    assert same(create("bpe", path=tmp_path / "tokenizer.json"), trained)


def test_create_refuses_what_cannot_be_made(tmp_path: Path) -> None:
    for kind, said in (("char", "there is none"), ("bpe", "there is neither"), ("words", "must be one of")):
        with pytest.raises(UserError, match=said):
            create(kind)
    save(CharTokenizer(["a"]), tmp_path / "tokenizer.json")
    with pytest.raises(UserError, match="holds a char tokenizer"):
        create("bpe", path=tmp_path)
    unreadable = {"token_kind": "bpe", "tokenizer": {"model": {"type": "New", "vocab": {"a": 0}}}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(unreadable), encoding="utf-8")
    with pytest.raises(UserError, match=r"tokenizer.*cannot read it") as caught:
        create("bpe", path=tmp_path)
    assert caught.value.problems[0].where == str(tmp_path)


def test_same_is_about_what_ids_mean() -> None:
    gpt2, bpe = Gpt2Tokenizer(), train_bpe(["Some text"], 260)
    assert same(CharTokenizer("ab"), CharTokenizer("ab", {"model_vocab_size": 256}))
    assert not same(CharTokenizer("ab"), CharTokenizer("ba"))
    assert not same(CharTokenizer("ab"), gpt2)
    assert not same(bpe, gpt2)
    assert not same(bpe, train_bpe(["Other words"], 260))
    assert same(bpe, BpeTokenizer({**bpe.data, "post_processor": None}))
    a, b = Gpt2Tokenizer({"<a>": 50257}), Gpt2Tokenizer({"<b>": 50257})
    assert same(gpt2, a)
    assert not same(a, b)
    assert not same(b, a)
    assert not same(a, Gpt2Tokenizer({"<a>": 50258}))


@needs_samples
def test_nanogpts_characters_are_read() -> None:
    assert from_nanogpt_meta(SAMPLES / "nanogpt" / "data" / "meta.pkl").vocab_size > 10


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("exploded"),)


def test_a_pickle_with_code_in_it_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "meta.pkl").write_bytes(pickle.dumps({"itos": Bomb()}))
    with pytest.raises(UserError, match="is not nanoGPT's"):
        from_nanogpt_meta(tmp_path / "meta.pkl")
    assert not (tmp_path / "exploded").exists()
    for wrong in ({"itos": {1: "a"}}, [1], {"itos": {0: "ab"}}):
        (tmp_path / "meta.pkl").write_bytes(pickle.dumps(wrong))
        with pytest.raises(UserError, match=r"meta\.pkl"):
            from_nanogpt_meta(tmp_path / "meta.pkl")


def test_what_the_library_cannot_read_names_the_file(tmp_path: Path) -> None:
    data = json.loads(json.dumps(train_bpe(["a little text, and a little more"], 270).to_dict()))
    data["tokenizer"]["pre_tokenizer"] = {"type": "Nonsense"}
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"broken\.json: tokenizer: the tokenizers library cannot read it"):
        load(file).check_ready()


def test_two_added_tokens_on_one_id_are_still_the_same_tokenizer() -> None:
    data = train_bpe(["a little text, and a little more"], 270).to_dict()
    extra = {**data["tokenizer"]["added_tokens"][0], "content": "<other>"}
    data["tokenizer"]["added_tokens"].append(extra)
    assert same(from_dict(data), from_dict(json.loads(json.dumps(data))))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.json")
    for read in (load, from_nanogpt_meta):
        with pytest.raises(UserError, match=r"t\.json: is a pipe"):
            read(tmp_path / "t.json")
