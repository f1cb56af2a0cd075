"""From text files to a dataset folder, a stream from end to end: check, collect characters, encode, write.

Decoding all tokens of a split gives back its documents, byte for byte, with the separator between them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mypt import tokenizers
from mypt.data.prepare import documents as split
from mypt.data.prepare import inputs, outcome, plan, staging, steps, vocabulary
from mypt.data.prepare.checking import Checking
from mypt.data.prepare.documents import Documents
from mypt.data.prepare.inputs import Sources
from mypt.data.prepare.plan import Cutter, Piece, Span
from mypt.data.prepare.request import PreparedSummary, PrepareRequest, Progress
from mypt.data.prepare.separators import between, between_ids, unescaped
from mypt.data.prepare.worker import Pool
from mypt.data.prepare.writer import ShardWriter
from mypt.data.shards import METADATA
from mypt.errors import Problem, UserError, raise_for
from mypt.fsio import write_json_atomic
from mypt.text import whole
from mypt.tokenizers import FILE_NAMES, CharTokenizer, Tokenizer
from mypt.tokenizers.cuts import ANYWHERE

_STATE = FILE_NAMES[1]


def prepare_text(request: PrepareRequest, progress: Progress) -> PreparedSummary:
    """Make the dataset. Raises `UserError` for bad input (nothing is written) and `RunError` for a full disk and the like."""
    raise_for(_wrong_numbers(request))
    problems = staging.check_target(
        request.output, request.shown(request.output), overwrite=request.overwrite
    )
    found, chosen = Sources([]), None
    try:
        found = inputs.find(request)
    except UserError as error:
        problems += error.problems
    try:
        chosen = vocabulary.choose(request)
    except UserError as error:
        problems += error.problems
    raise_for(problems)
    # A process more for every piece of work there is, and none where one piece is all.
    number = max(1, min(request.num_proc, found.size // plan.CHUNK))
    with Pool(number) as pool:
        return _Preparation(request, progress, pool, found).run(chosen)


class _Preparation:
    """One dataset on its way."""

    def __init__(self, request: PrepareRequest, progress: Progress, pool: Pool, found: Sources) -> None:
        self.request, self.progress, self.pool = request, progress, pool
        self.files = found.files
        self.notices = list(found.notices)

    def run(self, tokenizer: Tokenizer | None) -> PreparedSummary:
        documents = self._documents()
        tokenizer = self._with_characters(tokenizer, documents)
        separator = between_ids(self.request.separator, tokenizer) if len(documents) > 1 else []
        held = split.choose(documents, self.request.val_fraction, self.request.hold_out, self.request.seed)
        self._look_at_a_sample(tokenizer, documents)
        with staging.staged_folder(self.request.output, overwrite=self.request.overwrite) as folder:
            train, val = splits = self._encode(tokenizer, documents, held, separator, folder)
            tokens = train.tokens, val.tokens
            outcome.refuse_what_is_too_short(self.request, *tokens)
            shards = outcome.number_shards(folder, train, val)
            made = outcome.summary(self.request, tokenizer, documents, held, tokens, shards, self.notices)
            tokenizers.save(tokenizer, folder / _STATE)
            about = outcome.metadata(self.request, made, tokenizer, documents, held, splits, separator)
            write_json_atomic(folder / METADATA, about)
        return made

    # ── the passes over the files ──────────────────────────────────────────────────────────────────────────────

    def _documents(self) -> Documents:
        """Check every byte, and find out where documents begin and end."""
        separator = unescaped(self.request.split_on).encode()
        checking = Checking(self.request, self.files, separator)
        files = split.whole_files(self.files)
        for pieces, results in self._map("reading", steps.check, separator, files, Cutter(ANYWHERE)):
            for piece, result in zip(pieces, results, strict=True):
                checking.take(piece, result)
            if checking.enough:
                break
        documents = checking.documents()
        self.notices += checking.notices()
        return documents

    def _with_characters(self, tokenizer: Tokenizer | None, documents: Documents) -> Tokenizer:
        """`tokenizer`, which has every character, or the one of all characters where there is none yet."""
        if tokenizer is not None and not isinstance(tokenizer, CharTokenizer):
            return tokenizer
        seen = np.zeros(0x110000, dtype=np.bool_)
        for _, codes in self._map(
            "collecting characters", steps.characters, None, documents, Cutter(ANYWHERE)
        ):
            seen[codes] = True
        characters = "".join(map(chr, np.flatnonzero(seen).tolist()))
        if tokenizer is None:
            joint = between(self.request.separator) if len(documents) > 1 else ""
            return CharTokenizer.from_text(characters + joint)
        error = vocabulary.lacking(tokenizer, characters, str(self.request.tokenizer.source))
        if error is not None:
            raise error
        return tokenizer

    def _look_at_a_sample(self, tokenizer: Tokenizer, documents: Documents) -> None:
        sample = steps.sample(next(documents.spans()), vocabulary.SAMPLE)
        if vocabulary.loses(tokenizer, sample):
            self.notices.append(
                "this tokenizer changes text: decoding its tokens does not give back exactly what was read"
            )

    def _encode(
        self,
        tokenizer: Tokenizer,
        documents: Documents,
        held: npt.NDArray[np.bool_] | None,
        separator: list[int],
        folder: Path,
    ) -> tuple[ShardWriter, ShardWriter]:
        """Write every document's tokens where they belong."""
        dtype = outcome.dtype_for(tokenizer)
        ids = np.array(separator, dtype=np.uint32)
        train, val = (
            ShardWriter(folder / name, dtype, self.request.tokens_per_shard, ids) for name in ("train", "val")
        )
        cutter = Cutter(tokenizer.cuts)
        current = -1
        with contextlib.closing(train), contextlib.closing(val):
            for pieces, result in self._map("tokenizing", steps.encode, tokenizer, documents, cutter):
                at = 0
                for piece, length in zip(pieces, result.lengths, strict=True):
                    writer = val if held is not None and held[piece.document] else train
                    if piece.document != current:
                        current = piece.document
                        writer.begin_document()
                    writer.add(result.ids[at : at + length])
                    at += length
                    if held is None and piece.last:
                        train.hand_over_tail(val, self.request.val_fraction)
        if cutter.forced:
            self.notices.append(_about_cuts(cutter.forced, known=tokenizer.cuts is not None))
        return train, val

    def _map(
        self,
        what: str,
        step: Callable[[Any, list[Span]], Any],
        setup: Any,
        documents: Documents,
        cutter: Cutter,
    ) -> Iterator[tuple[list[Piece], Any]]:
        """Run a step over all documents, saying how far it is."""
        self.progress.begin(what, documents.bytes_read)
        tasks = cutter.tasks(documents.spans())
        for pieces, result in self.pool.map(step, setup, tasks, lambda task: [piece.span for piece in task]):
            yield pieces, result
            self.progress.advance(sum(piece.span.end - piece.span.start for piece in pieces))


def _wrong_numbers(request: PrepareRequest) -> list[Problem]:
    problems = []
    if not 0 <= request.val_fraction <= 1:
        problems.append(Problem("must be from 0 to 1", field="val_fraction", value=request.val_fraction))
    for name in ("tokens_per_shard", "num_proc"):
        if getattr(request, name) < 1:
            problems.append(Problem("must be at least 1", field=name, value=getattr(request, name)))
    if request.hold_out not in split.HOLD_OUT:
        wanted = f"must be one of {', '.join(split.HOLD_OUT)}"
        problems.append(Problem(wanted, field="hold_out", value=request.hold_out))
    return problems


def _about_cuts(number: int, *, known: bool) -> str:
    at = f"{whole(number)} place{'s' if number > 1 else ''}"
    if known:
        return f"at {at} a run of over a megabyte without any gap was cut: tokens there may differ from the whole's"
    return (
        f"long texts were cut after line breaks at {at}: how this tokenizer treats the beginning of a text is not known, "
        "so tokens there may differ from the whole's"
    )
