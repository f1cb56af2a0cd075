"""Tokenizers as the files that transformers loads: one `tokenizer.json` of the tokenizers library for every kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mypt.tokenizers import Tokenizer, gpt2_vocab
from mypt.tokenizers.bpe import BpeTokenizer
from mypt.tokenizers.char import CharTokenizer
from mypt.tokenizers.gpt2 import Gpt2Tokenizer

TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
# How the marks before the first word are spelled.
_BEGINS_OF_TEXT = ("<|begin_of_text|>", "<s>", "<bos>")
_CHAT_END = "<myPT_eot>"
# More ids than these in a list that every generation reads would be a burden; no vocabulary of ours is padded so far.
_MOST_SUPPRESSED = 1024


def tokenizer_files(tokenizer: Tokenizer, *, context: int) -> dict[str, dict[str, Any]]:
    """The JSON documents by file name. `context` is how many tokens the model sees."""
    marks = {
        name: next((text for text in spelled if text in tokenizer.special_tokens), None)
        for name, spelled in (("bos_token", _begins(tokenizer)), ("eos_token", _ends(tokenizer)))
    }
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        # Ours never changes a text; this would take spaces before signs away.
        "clean_up_tokenization_spaces": False,
        **{name: text for name, text in marks.items() if text is not None},
    }
    return {TOKENIZER: _document(tokenizer), TOKENIZER_CONFIG: config}


def marks(tokenizer: Tokenizer) -> dict[str, Any]:
    """`bos_token_id` and `eos_token_id`, null where the tokenizer has no such marks."""
    specials = tokenizer.special_tokens
    begin = next((specials[text] for text in _begins(tokenizer) if text in specials), None)
    end = next((specials[text] for text in _ends(tokenizer) if text in specials), None)
    return {"bos_token_id": begin, "eos_token_id": end}


def generation_config(tokenizer: Tokenizer, rows: int) -> dict[str, Any]:
    """What `model.generate` should know: where a text ends, and which of the head's `rows` have no token."""
    found = marks(tokenizer)
    ends = [specials[text] for specials in [tokenizer.special_tokens] for text in _ends(tokenizer)]
    config: dict[str, Any] = dict(found)
    if len(ends) > 1:
        config["eos_token_id"] = ends
    if ends:
        config["pad_token_id"] = ends[0]
    padding = range(min(tokenizer.valid_vocab, rows), rows)
    if 0 < len(padding) <= _MOST_SUPPRESSED:
        config["suppress_tokens"] = list(padding)
    return config


def _begins(tokenizer: Tokenizer) -> tuple[str, ...]:
    # GPT-2 has one mark for both.
    return ("<|endoftext|>",) if tokenizer.kind == "gpt2" else _BEGINS_OF_TEXT


def _ends(tokenizer: Tokenizer) -> tuple[str, ...]:
    specials, end = tokenizer.special_tokens, tokenizer.end_of_text
    first = tuple(text for text, index in specials.items() if index == end)
    return (*first[:1], *((_CHAT_END,) if _CHAT_END in specials else ()))


def _document(tokenizer: Tokenizer) -> dict[str, Any]:
    if isinstance(tokenizer, CharTokenizer):
        return _char(tokenizer)
    if isinstance(tokenizer, Gpt2Tokenizer):
        return _gpt2(tokenizer)
    assert isinstance(tokenizer, BpeTokenizer)
    # As it is used here: a text is never cut or filled up to a length.
    return {**tokenizer.data, "truncation": None, "padding": None}


def _char(tokenizer: CharTokenizer) -> dict[str, Any]:
    return {
        **_FRAME,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": r"[\s\S]"},
            "behavior": "Isolated",
            "invert": False,
        },
        "decoder": {"type": "Fuse"},
        # The library asks for a token for unknown words. This one is no character, so unknown ones are an error.
        "model": {
            "type": "WordLevel",
            "vocab": {char: index for index, char in enumerate(tokenizer.chars)},
            "unk_token": "[UNK]",
        },
    }


def _gpt2(tokenizer: Gpt2Tokenizer) -> dict[str, Any]:
    ranks = gpt2_vocab.ranks_from(gpt2_vocab.find())
    letter_of = {byte: letter for letter, byte in gpt2_vocab.byte_of_letter().items()}

    def spelled(token: bytes) -> str:
        return "".join(letter_of[byte] for byte in token)

    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    specials = tokenizer.special_tokens
    vocab = {spelled(token): rank for token, rank in ranks.items()}
    return {
        **_FRAME,
        "added_tokens": [_added(text, index) for text, index in sorted(specials.items(), key=lambda t: t[1])],
        "pre_tokenizer": byte_level,
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": vocab | {"<|endoftext|>": specials["<|endoftext|>"]},
            "merges": [[spelled(left), spelled(right)] for left, right in merges(ranks)],
        },
    }


def merges(ranks: Mapping[bytes, int]) -> list[tuple[bytes, bytes]]:
    """The merges that made a byte-pair vocabulary, in order, from its tokens (bytes) and their ranks.

    A token is the pair that is left of its bytes when everything of a lower rank is merged.
    """
    found = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            left, right = _last_pair(token, rank, ranks)
            found.append((left, right))
    return found


def _last_pair(token: bytes, rank: int, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes]:
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        pairs = [(ranks.get(parts[i] + parts[i + 1], rank), i) for i in range(len(parts) - 1)]
        best, place = min(pairs)
        if best >= rank:
            raise ValueError(f"token {rank} is no merge of earlier ones")
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts[0], parts[1]


def _added(content: str, index: int) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": index, "content": content, **flags}


_FRAME: dict[str, Any] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "post_processor": None,
}
