from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mypt.errors import UserError
from mypt.tokenizers import BpeTokenizer, StreamDecoder, train_bpe

TEXT = "The little mouse and the little mole lived by the sea. " * 30


def test_training_learns_the_words_that_come_often() -> None:
    tokenizer = train_bpe([TEXT], 280)
    assert tokenizer.vocab_size == tokenizer.valid_vocab == 280
    assert len(tokenizer.encode(" little")) == 1
    assert tokenizer.describe() == "bpe, 280 tokens"
    assert "<|endoftext|>" in tokenizer.special_tokens


def test_text_that_was_never_seen_encodes_all_the_same() -> None:
    tokenizer = train_bpe([TEXT], 300)
    assert tokenizer.decode(tokenizer.encode("Grüße aus 東京\x00")) == "Grüße aus 東京\x00"
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"


def test_it_trains_on_files_as_on_texts(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    assert train_bpe([tmp_path / "text.txt"], 300).to_dict() == train_bpe([TEXT], 300).to_dict()


def test_training_refuses_what_cannot_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vocab_size: must be over 256.*got 100"):
        train_bpe([TEXT], 100)
    with pytest.raises(UserError, match="absent"):
        train_bpe([tmp_path / "absent"], 300)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        train_bpe([tmp_path / "binary"], 300)


def test_what_a_file_asks_for_in_classifiers_does_not_cut_text() -> None:
    data = dict(train_bpe([TEXT], 300).data)
    data["truncation"] = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    tokenizer = BpeTokenizer(data)
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    assert tokenizer.to_dict()["tokenizer"]["truncation"]["max_length"] == 3


def test_added_tokens_take_the_next_ids_and_are_special() -> None:
    tokenizer = train_bpe([TEXT], 280).with_added(["<user>", "<|endoftext|>", "</user>"])
    assert tokenizer.valid_vocab == 282
    assert tokenizer.encode("<user>sea</user>", specials=True)[0] == 280
    assert tokenizer.decode([280, 281]) == "<user></user>"
    assert not {280, 281} & set(tokenizer.encode("<user>sea</user>"))


def sentencepiece_like() -> dict[str, Any]:
    """A tokenizer as Llama's come: a space before every text, bytes for characters outside the vocabulary."""
    tokens = [
        "<unk>",
        "<s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "\u2581",
        "h",
        "i",
        "\u2581h",
        "\u2581hi",
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": 1,
                "content": "<s>",
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "\u2581"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": [["\u2581", "h"], ["\u2581h", "i"]],
        },
    }


def test_sentencepiece_tokenizers_decode_and_stream_as_the_library_does() -> None:
    from tokenizers import Tokenizer as Library

    data = sentencepiece_like()
    tokenizer = BpeTokenizer(data)
    ids = tokenizer.encode("hi hi 🦊")
    assert ids[:2] == [262, 262]
    assert tokenizer.decode(ids) == "hi hi 🦊" == Library.from_str(json.dumps(data)).decode(ids)
    stream = StreamDecoder(tokenizer)
    assert [stream.push(index) for index in ids] == [" hi", " hi", " ", "", "", "", "🦊"]
    assert tokenizer.encode_array("hi hi 🦊").tolist() == ids
    assert 1 not in tokenizer.encode("<s>hi")


def test_what_the_library_refuses_is_an_error_of_ours() -> None:
    tokenizer = BpeTokenizer({"model": {"type": "Nonsense", "vocab": {"a": 0}}})
    assert tokenizer.describe() == "bpe, 1 tokens"
    with pytest.raises(UserError, match="tokenizers library cannot read it"):
        tokenizer.check_ready()
