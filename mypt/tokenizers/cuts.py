r"""Where a text can be cut into pieces whose ids, joined, are those of the whole.

Byte-pair encoders first split a text by a pattern into pre-tokens, and tokens never reach over the edge of one. A place
p is safe when (1) no pre-token reaches over it, (2) those before it do not depend on what follows, and (3) those after
it do not depend on what precedes. The patterns look ahead but never back, which gives (3). For (1) and (2), in GPT-2's
pattern and its relatives (cl100k, Llama 3, Qwen 2, o200k):

- before a space that follows a sign: whatever holds that sign takes white space in front of it at most, so it ends
  here; and a run of white space before it, where looking ahead matters, ends at a sign before p as well;
- behind a line break that follows a sign, in front of another sign (other than "/", which o200k keeps with the line break):
  the line break is either the end of the punctuation before it or a pre-token of its own;
- between a letter and a digit, a line break or punctuation: a pre-token that holds a letter ends with its last letter
  (the apostrophe is left out, as it may begin the 's that o200k keeps with the word). Only letters that every version
  of Unicode calls letters are taken;
- between a digit and a line break: digits are split from the left, by ones, threes or all.

White space here is that of Python, which includes all that the libraries' `\s` means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# ASCII; ideographs, kana and syllables of Unicode 1 and 2.
_LETTERS = r"A-Za-z\u3041-\u3093\u30a1-\u30f6\u4e00-\u9fa5\uac00-\ud7a3"
_PUNCTUATION = r"!-&(-/:-@\[-`{-~\u3001\u3002\u300c\u300d\uff01\uff0c\uff1f"
_AT_WHITE_SPACE = r"(?<=\S)(?= )|(?<=\S\n)(?=[^\s/])|(?<=[0-9])(?=[\n\r])"

ANYWHERE = re.compile(r"(?=.)", re.DOTALL)
"""Every character is on its own."""
BYTE_LEVEL = re.compile(rf"{_AT_WHITE_SPACE}|(?<=[{_LETTERS}])(?=[0-9\t\n\r{_PUNCTUATION}])")
"""All of the places above."""
AT_WHITE_SPACE = re.compile(_AT_WHITE_SPACE)
"""Those beside white space: for tokenizers that look for added words in the text first."""

_CONTRACTIONS = ("'s|'t|'re|'ve|'m|'ll|'d", "(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'(?i:[sdmt]|ll|ve|re)")
_CASED = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
)
LLAMA_3 = (
    rf"{_CONTRACTIONS[1]}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Llama 3 splits text: words with the sign before them, numbers in threes, line breaks apart."""
O200K = rf"{_CASED}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""How GPT-4o splits text."""
_KNOWN = frozenset(
    {
        O200K,
        *(
            pattern
            for contraction in _CONTRACTIONS
            for pattern in (
                rf"{contraction}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+",
                LLAMA_3.replace(_CONTRACTIONS[1], contraction),
                LLAMA_3.replace(_CONTRACTIONS[1], contraction).replace(r"\p{N}{1,3}", r"\p{N}"),
            )
        ),
    }
)


def pieces(text: str, cuts: re.Pattern[str] = BYTE_LEVEL, characters: int = 1 << 20) -> Iterator[str]:
    """`text` in pieces of about `characters`, cut at places of the pattern `cuts` (a run without one stays whole)."""
    start = 0
    while len(text) - start > characters:
        place = cuts.search(text, start + characters)
        if place is None:
            break
        yield text[start : place.start()]
        start = place.start()
    yield text[start:]


def cuts_of(data: Mapping[str, Any]) -> re.Pattern[str] | None:
    """The safe places for the tokenizer of a Hugging Face tokenizer.json; None for one that we cannot vouch for.

    Among those are SentencePiece's kind, which treats the beginning of a text in a way of its own.
    """
    normalizers = list(stages(data.get("normalizer"), "normalizers"))
    # Composing letters and accents never reaches over a space, a line break or the end of a letter without accents.
    if any(stage.get("type") not in ("NFC", "Sequence") for stage in normalizers):
        return None
    splitters = [s for s in stages(data.get("pre_tokenizer"), "pretokenizers") if s.get("type") != "Sequence"]
    if not splitters or splitters[-1].get("type") != "ByteLevel" or splitters[-1].get("add_prefix_space"):
        return None
    before = splitters[:-1]
    known = [stage for stage in before if _splits_as_known(stage)]
    if any(stage not in known and stage.get("type") != "Digits" for stage in before):
        return None
    if not known and splitters[-1].get("use_regex") is False:
        return None
    words = [token for token in data.get("added_tokens") or [] if not token.get("special")]
    if any(token.get(flag) for token in words for flag in ("lstrip", "rstrip", "single_word")):
        return None
    spelled = [str(token.get("content", "")) for token in words]
    if any(not text.isspace() and any(c.isspace() for c in text) for text in spelled):
        return None
    return AT_WHITE_SPACE if any(not text.isspace() for text in spelled) else BYTE_LEVEL


def stages(part: Any, inner: str) -> Iterator[dict[str, Any]]:
    """The stages of a normalizer, pre-tokenizer or decoder, which is one object or a sequence of them."""
    if isinstance(part, dict):
        yield part
        for stage in part.get(inner) or []:
            yield from stages(stage, inner)


def _splits_as_known(stage: Mapping[str, Any]) -> bool:
    pattern = stage.get("pattern")
    return (
        stage.get("type") == "Split"
        and isinstance(pattern, dict)
        and pattern.get("Regex") in _KNOWN
        and stage.get("behavior") == "Isolated"
        and not stage.get("invert")
    )
