"""A plain text file, or a built-in text, as a dataset: read whole, tokenized, split 90/10."""

from __future__ import annotations

import shlex
from hashlib import blake2b
from pathlib import Path

from mypt.data.corpora import BUILTIN as BUILTIN_TEXTS
from mypt.data.prepare.jsonl import ENDING, Kind
from mypt.data.prepare.jsonl import told as tell
from mypt.data.split import Split
from mypt.errors import Problem, UserError
from mypt.files import why_no_file
from mypt.text import printable, size
from mypt.tokenizers import Tokenizer

BUILTIN = "builtin:"
TRAIN_SHARE = 0.9
_LARGEST = 4 * 1000**3
_GLANCE = 8 << 20


def read_text(name: str, workspace: Path) -> str:
    """The text that `--input_file` means. Raises `UserError` where there is none that could be read."""
    if name.startswith(BUILTIN):
        return _builtin(name.removeprefix(BUILTIN))
    path = workspace / name

    def refuse(message: str, remedy: str = "") -> UserError:
        return UserError(Problem(message, field="input_file", value=name, remedy=remedy))

    if why := why_no_file(path):
        remedies = {
            "is a folder": "name a text file; for a prepared dataset use --dataset_dir",
            "no such file": f"looked in {workspace}",
        }
        raise refuse(why, remedies.get(why, ""))
    try:
        length = path.stat().st_size
        if length > _LARGEST:
            raise refuse(
                f"has {size(length)}, too much to be read whole",
                "make a dataset of it with mypt prepare, and name that with --dataset_dir",
            )
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse(
            f"is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}",
            "convert it, for instance with iconv -t utf-8",
        ) from None
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror}") from None
    if not text.strip():
        raise refuse("is empty", "a text of at least some thousand characters is needed")
    return text.replace("\r\n", "\n")


def about_lines(name: str, workspace: Path) -> list[str]:
    """What to say where `--input_file` means lines of JSON, which are learned as they stand: a glance at the first line."""
    path = workspace / name
    if name.startswith(BUILTIN) or path.suffix.lower() != f".{ENDING}":
        return []
    try:
        told = tell(path, longest=_GLANCE)
    except OSError:
        return []
    if not told.is_object:
        return []
    holds = {
        Kind.CONVERSATIONS: "conversations",
        Kind.TEXTS: "a text in every line of JSON",
        None: "lines of JSON",
    }[told.kind]
    field = "" if told.kind else " --text_field NAME"
    masks = ", with loss masks" if told.kind is Kind.CONVERSATIONS else ""
    named, made = shlex.quote(name), shlex.quote(f"data/{path.stem}")
    sentence = f"{name} holds {holds}, and is learned as plain text, braces and all"
    command = f"mypt prepare {named}{field} --output_dir {made}"
    return [printable(f"{sentence}; {command} makes a dataset of it{masks}", newline=False)]


def split_text(text: str, tokenizer: Tokenizer, name: str, block_size: int) -> tuple[Split, Split, str]:
    """`text` as (train, val, fingerprint). Raises `UserError` where it is shorter than its use."""
    ids = tokenizer.encode_array(text)
    cut = int(TRAIN_SHARE * len(ids))
    train, val = Split([ids[:cut]], files=[name]), Split([ids[cut:]], files=[name])
    if len(ids) <= block_size + 1:
        message = f"has {len(ids)} tokens, fewer than one block of {block_size} and its target"
        raise UserError(Problem(message, field="input_file", value=name, remedy="use more text"))
    if not val.windows(block_size) or not train.windows(block_size):
        needed = round((block_size + 1) / (1 - TRAIN_SHARE)) + 1
        raise UserError(
            Problem(
                f"has {len(ids)} tokens, so the last tenth, for validation, is shorter than a block of {block_size}",
                field="input_file",
                value=name,
                remedy=f"use a text of at least {needed} tokens, or a smaller block_size",
            )
        )
    return train, val, blake2b(ids.tobytes(), digest_size=16).hexdigest()


def _builtin(name: str) -> str:
    corpus = BUILTIN_TEXTS.get(name)
    if corpus is None:
        known = ", ".join(BUILTIN + each for each in BUILTIN_TEXTS)
        raise UserError(
            Problem(
                "no such built-in text",
                field="input_file",
                value=BUILTIN + name,
                remedy=f"there are: {known}",
            )
        )
    return corpus.make()
