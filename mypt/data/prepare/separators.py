"""What stands between documents, as text and as tokens."""

from __future__ import annotations

from mypt.errors import Problem, UserError
from mypt.tokenizers import Tokenizer

AUTO, NONE = "auto", "none"


def between(separator: str) -> str:
    """The text between documents for a tokenizer without a mark for it; `separator` is as in the request."""
    return {AUTO: "\n", NONE: ""}.get(separator, unescaped(separator))


def between_ids(separator: str, tokenizer: Tokenizer) -> list[int]:
    """The ids between documents: the end-of-text mark where the tokenizer has one, a line break where not.

    A text that spells a special token means that token. Raises `UserError` where a character has no token.
    """
    if separator == AUTO and tokenizer.end_of_text is not None:
        return [tokenizer.end_of_text]
    text = between(separator)
    if text in tokenizer.special_tokens:
        return [tokenizer.special_tokens[text]]
    if missing := tokenizer.unknown(text):
        raise UserError(
            Problem(
                f"what stands between documents, {text!r}, has characters that the vocabulary lacks: "
                + ", ".join(map(repr, missing)),
                field="separator",
                remedy="say --separator none, or name a text of known characters",
            )
        )
    return tokenizer.encode(text)


def unescaped(text: str) -> str:
    r"""`text` with \n, \t and \\ meaning what they mean in programs: a shell hands them over as two signs."""
    out, signs = [], iter(text)
    for sign in signs:
        if sign == "\\":
            following = next(signs, "")
            out.append({"n": "\n", "t": "\t", "\\": "\\"}.get(following, sign + following))
        else:
            out.append(sign)
    return "".join(out)
