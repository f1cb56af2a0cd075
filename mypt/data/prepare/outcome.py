"""What came of a preparation: the order of the shards, the metadata beside them, and the summary for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mypt.data.prepare import documents as split
from mypt.data.prepare.documents import Documents
from mypt.data.prepare.request import PreparedSummary, PrepareRequest
from mypt.data.prepare.writer import ShardWriter
from mypt.errors import Problem, UserError
from mypt.fsio import replace
from mypt.text import whole
from mypt.tokenizers import Tokenizer
from mypt.version import VERSION

# More names than these do not help anybody in the metadata; then the inputs are listed as they were named.
_LISTED = 10_000
# Below this a validation loss says little, and most presets' blocks are longer.
_SMALL_VAL = 1024

Held = npt.NDArray[np.bool_] | None


def dtype_for(tokenizer: Tokenizer) -> type[np.uint16] | type[np.uint32]:
    """The type of a stored id: two bytes where the vocabulary fits, else four."""
    return np.uint16 if tokenizer.valid_vocab <= 1 << 16 else np.uint32


def number_shards(folder: Path, train: ShardWriter, val: ShardWriter) -> tuple[int, int]:
    """Finish both splits in `folder`, their shards numbered as one row (as the original MyPT does); how many each has."""
    first = len(train.finish())
    files = val.finish()
    # From the last on, so that none is in the way of another.
    for number, path in reversed(list(enumerate(files))):
        replace(path, folder / "val" / f"shard_{first + number:05d}.bin")
    return first, len(files)


def refuse_what_is_too_short(request: PrepareRequest, train: int, val: int) -> None:
    """Raise `UserError` where a split that should be there has less than a token and its target."""
    named, fraction = bool(request.val_files), request.val_fraction
    splits = (("train", train, named or fraction < 1), ("val", val, named or fraction > 0))
    for name, tokens, wanted in splits:
        if wanted and tokens < 2:
            message = f"the text is too short: {train + val} tokens in all, {tokens} for the {name} split"
            if named:
                field = "val_file" if name == "val" else "inputs"
                raise UserError(Problem(message, field=field, remedy="use more text"))
            raise UserError(Problem(message, field="val_fraction", value=fraction, remedy="use more text"))


def summary(
    request: PrepareRequest,
    tokenizer: Tokenizer,
    documents: Documents,
    held: Held,
    tokens: tuple[int, int],
    shards: tuple[int, int],
    notices: Sequence[str],
) -> PreparedSummary:
    """For people. `tokens` and `shards` are of (train, val)."""
    said = list(notices)
    if 0 < tokens[1] <= _SMALL_VAL:
        said.append(f"validation has only {tokens[1]} tokens; block_size must be smaller than that")
    return PreparedSummary(
        output=request.output,
        documents=len(documents),
        train_tokens=tokens[0],
        val_tokens=tokens[1],
        train_shards=shards[0],
        val_shards=shards[1],
        tokenizer=tokenizer.describe(),
        tokenization=tokenizer.kind,
        vocab_size=tokenizer.vocab_size,
        split=_how_it_was_split(request, documents, held),
        notices=said,
    )


def metadata(
    request: PrepareRequest,
    made: PreparedSummary,
    tokenizer: Tokenizer,
    documents: Documents,
    held: Held,
    splits: tuple[ShardWriter, ShardWriter],
    separator: list[int],
) -> dict[str, Any]:
    """The original's fields, then ours. Nothing in it depends on when, or with how many processes, it was made."""
    train, val = splits
    many = len(documents.files) > _LISTED
    named = [*request.inputs, *request.val_files] if many else [Path(file.path) for file in documents.files]
    return {
        "total_tokens": made.train_tokens + made.val_tokens,
        "total_shards": made.train_shards + made.val_shards,
        "train_shards": made.train_shards,
        "val_shards": made.val_shards,
        "tokens_per_shard": request.tokens_per_shard,
        "tokenization": tokenizer.kind,
        "vocab_size": tokenizer.vocab_size,
        "input_files": [request.shown(path) for path in named],
        "dtype": np.dtype(dtype_for(tokenizer)).name,
        "train_tokens": made.train_tokens,
        "val_tokens": made.val_tokens,
        "num_files": len(documents.files),
        "num_bytes": int(documents.sizes.sum()),
        "num_documents": len(documents),
        "num_train_documents": train.documents,
        "num_val_documents": val.documents,
        "val_fraction": None if request.val_files else request.val_fraction,
        "val_files": [request.shown(path) for path in request.val_files],
        "hold_out": split.TAILS if held is None else split.WHOLE,
        "seed": request.seed,
        "separator_ids": separator,
        "split_on": request.split_on,
        "text_field": next((file.field for file in documents.files if file.field), None),
        "prepared_by": f"mypt {VERSION}",
    }


def _how_it_was_split(request: PrepareRequest, documents: Documents, held: Held) -> str:
    if request.val_files:
        return "as named with --val_file"
    if held is None:
        share = f"the last {100 * request.val_fraction:g} %"
        return f"{share} of the text" if len(documents) == 1 else f"{share} of each document"
    if request.val_fraction in (0.0, 1.0):
        return "nothing" if request.val_fraction == 0 else "everything"
    drawn = whole(int(held.sum()))
    return f"{drawn} of {whole(len(documents))} documents, drawn with seed {request.seed}"
