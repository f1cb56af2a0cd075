from __future__ import annotations

import pytest

from mypt.tokenizers import Gpt2Tokenizer


@pytest.fixture(scope="module")
def gpt2() -> Gpt2Tokenizer:
    return Gpt2Tokenizer()


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Hello world", [15496, 995]),
        ("Hello, world!", [15496, 11, 995, 0]),
        (
            "The quick brown fox jumps over the lazy dog.",
            [464, 2068, 7586, 21831, 18045, 625, 262, 16931, 3290, 13],
        ),
        ("I'm", [40, 1101]),
        ("\n\n", [628]),
        ("a\n\nb", [64, 198, 198, 65]),
        ("   a", [220, 220, 257]),
    ],
)
def test_known_ids(gpt2: Gpt2Tokenizer, text: str, ids: list[int]) -> None:
    assert gpt2.encode(text) == ids
    assert gpt2.decode(ids) == text


def test_rows_are_padded_but_only_real_tokens_are_valid(gpt2: Gpt2Tokenizer) -> None:
    assert (gpt2.vocab_size, gpt2.valid_vocab) == (50304, 50257)
    assert gpt2.special_tokens == {"<|endoftext|>": 50256}
    assert gpt2.describe() == "gpt2, 50257 tokens"


def test_every_id_decodes(gpt2: Gpt2Tokenizer) -> None:
    assert all(gpt2.decode_bytes([index]) for index in range(50257))


def test_halves_of_surrogate_pairs_do_not_stop_it(gpt2: Gpt2Tokenizer) -> None:
    assert gpt2.decode(gpt2.encode_array("a\ud800b").tolist()) == "a\ufffdb"


@pytest.mark.parametrize("run", ["a", " ", "\n", "^", "1", "\n a"])
def test_long_runs_are_no_trouble(gpt2: Gpt2Tokenizer, run: str) -> None:
    text = run * 100_000
    assert gpt2.decode(gpt2.encode_array(text).tolist()) == text


def test_what_tokenizer_json_holds(gpt2: Gpt2Tokenizer) -> None:
    assert gpt2.to_dict() == {
        "token_kind": "gpt2",
        "chars": None,
        "base_vocab_size": 50257,
        "model_vocab_size": 50304,
    }
