"""Which tokenizer comes along with a checkpoint: the one that is named, its own, GPT-2's, or none that anybody knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mypt import bundle, tokenizers
from mypt.errors import Problem, UserError
from mypt.files import why_no_file
from mypt.interop.formats import Checkpoint, Plan
from mypt.interop.nanogpt import GPT2_ROWS
from mypt.interop.numbers import token_numbers
from mypt.tokenizers import Gpt2Tokenizer, Tokenizer, from_dict

#: What `--tokenizer` takes beside files.
GPT2 = "gpt2"
HOW = "give the tokenizer with --tokenizer: a tokenizer.json, nanoGPT's meta.pkl, or gpt2"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A tokenizer, and in words where it is from; `known` is false for mere numbers."""

    tokenizer: Tokenizer
    origin: str
    known: bool = True
    hint: str = ""

    @property
    def words(self) -> str:
        """As "char, 55 characters (meta.pkl)"."""
        if not self.known:
            hint = f" ({self.hint})" if self.hint else ""
            return f"none came along, so texts are numbers of tokens; {HOW}{hint}"
        return f"{self.tokenizer.describe()} ({self.origin})"


def choose(found: Checkpoint, plan: Plan, named: str | None = None) -> Chosen:
    """The tokenizer of a checkpoint; `named` is a file, a folder or "gpt2".

    Raises `UserError` for one that is broken, or has tokens that the model has no rows for.
    """
    rows = plan.config.vocab_size
    if named is not None:
        origin = named if named == GPT2 and not Path(named).exists() else Path(named).name
        return Chosen(_fitting(_named(named), rows, named), origin)
    if plan.tokenizer is not None:
        tokenizer = from_dict(plan.tokenizer, where=bundle.TOKENIZER)
        # The original's vocabulary may be smaller than what its tokenizer.json says of the model.
        return Chosen(tokenizer, "its own")
    folder = found.path if found.path.is_dir() else found.path.parent
    file = folder / bundle.TOKENIZER
    if file.is_file() and found.documents:
        own = tokenizers.load(file)
        if own.valid_vocab <= rows:
            return Chosen(own, f"its own {bundle.TOKENIZER}")
    if rows in GPT2_ROWS:
        return Chosen(Gpt2Tokenizer(), "by the size of the vocabulary")
    return Chosen(token_numbers(rows), "", known=False, hint=plan.hint)


def _named(name: str) -> Tokenizer:
    path = Path(name)
    if name == GPT2 and not path.exists():
        return Gpt2Tokenizer()
    if path.is_dir():
        return tokenizers.load(path)
    if why := why_no_file(path):
        raise UserError(Problem(why, field="tokenizer", value=name, remedy=HOW))
    with path.open("rb") as file:
        begins = file.read(64).lstrip()
    # What begins with a byte of pickle's protocol is nanoGPT's; JSON begins with a brace, maybe after a BOM.
    if begins[:1] == b"\x80":
        return tokenizers.from_nanogpt_meta(path)
    tokenizer = tokenizers.load(path)
    tokenizer.check_ready()
    return tokenizer


def _fitting(tokenizer: Tokenizer, rows: int, name: str) -> Tokenizer:
    if tokenizer.valid_vocab > rows:
        message = (
            f"has {tokenizer.valid_vocab} tokens ({tokenizer.describe()}), the model has rows for {rows}"
        )
        raise UserError(Problem(message, field="tokenizer", value=name))
    return tokenizer


def true_vocab(plan: Plan, chosen: Chosen) -> int:
    """Rows of the vocabulary that tokens belong to; where nothing tells, all of them."""
    rows = plan.config.vocab_size
    if chosen.known:
        return min(chosen.tokenizer.valid_vocab, rows)
    return min(plan.true_vocab or rows, rows)
