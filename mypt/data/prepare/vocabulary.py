"""The tokenizer that a dataset is made with, from what the user said and, for characters, from the texts."""

from __future__ import annotations

from pathlib import Path

from mypt import bundle, tokenizers
from mypt.data.prepare.request import PrepareRequest, TokenizerChoice
from mypt.errors import Problem, UserError
from mypt.settings.paths import in_workspace
from mypt.tokenizers import FILE_NAMES, KINDS, BpeTokenizer, Tokenizer
from mypt.tokenizers.char import spelled

SAMPLE = 1 << 16


def choose(request: PrepareRequest) -> Tokenizer | None:
    """The tokenizer, ready to encode; None for char whose characters are still to be collected.

    Raises `UserError` where what was named is missing, broken or of another kind.
    """
    choice = request.tokenizer
    if choice.kind is not None and choice.kind not in KINDS:
        raise UserError(
            Problem(f"must be one of {', '.join(KINDS)}", field="tokenization", value=choice.kind)
        )
    if choice.source is not None:
        return _existing(choice, request.workspace)
    if choice.file is not None:
        return _from_file(choice, request)
    if choice.kind == "char":
        return None
    if choice.kind == "bpe":
        raise UserError(
            Problem(
                "bpe needs a tokenizer.json",
                field="tokenizer_file",
                remedy="name one; mypt tokenizer train makes one from your text",
            )
        )
    return tokenizers.create("gpt2")


def existing(name: str, workspace: Path, field: str) -> Tokenizer:
    """The tokenizer of a model or a dataset, or in a file, by name or path. Raises `UserError` about `field`."""
    path = workspace / name
    if any((path / file).is_file() for file in FILE_NAMES) or path.is_file():
        return tokenizers.load(path)
    try:
        info = bundle.find(workspace / "checkpoints", in_workspace(name, workspace))
    except UserError as error:
        missing = "no such checkpoint in checkpoints/"
        raise UserError(
            *(
                Problem(
                    p.message.replace(missing, "no such model or dataset"), p.where, field, name, p.remedy
                )
                for p in error.problems
            )
        ) from None
    return tokenizers.from_dict(info.tokenizer, where=f"{info.name}/tokenizer.json")


def _existing(choice: TokenizerChoice, workspace: Path) -> Tokenizer:
    name = choice.source or ""
    if choice.file is not None:
        message = "names a tokenizer, and so does tokenizer_file"
        raise UserError(Problem(message, field="tokenizer_from", value=name, remedy="leave one of them away"))
    tokenizer = existing(name, workspace, "tokenizer_from")
    if choice.kind not in (None, tokenizer.kind):
        message = f"has the tokenizer {tokenizer.describe()}, but --tokenization is {choice.kind}"
        raise UserError(Problem(message, field="tokenizer_from", value=name, remedy="leave one of them away"))
    tokenizer.check_ready()
    return tokenizer


def _from_file(choice: TokenizerChoice, request: PrepareRequest) -> Tokenizer:
    assert choice.file is not None
    shown = request.shown(choice.file)
    if choice.kind == "char":
        raise UserError(
            Problem(
                "char takes its characters from the texts",
                field="tokenizer_file",
                value=shown,
                remedy="for those of a model or a dataset say --tokenizer_from",
            )
        )
    if not choice.file.is_file():
        raise UserError(Problem("no such file", field="tokenizer_file", value=shown))
    return tokenizers.create(choice.kind or "bpe", path=choice.file)


def lacking(tokenizer: Tokenizer, characters: str, whose: str) -> UserError | None:
    """What to say where `characters`, all that occur, has some without a token; None where all have one."""
    missing = tokenizer.unknown(characters)
    if not missing:
        return None
    return UserError(
        Problem(
            f"the texts have {len(missing)} character{'s' if len(missing) > 1 else ''} that "
            f"{whose} ({tokenizer.describe()}) lacks: {spelled(missing, 40)}",
            remedy="take them out of the texts, or use another tokenizer",
        )
    )


def loses(tokenizer: Tokenizer, sample: str) -> bool:
    """Whether a text does not come back from its tokens as it was; only a tokenizer.json can bring that about."""
    return isinstance(tokenizer, BpeTokenizer) and tokenizer.decode(tokenizer.encode(sample)) != sample
