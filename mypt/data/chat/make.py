"""From a request to a dataset: look at every line, choose a tokenizer and what is kept for validation, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mypt import tokenizers
from mypt.data.chat.outcome import Sides, how_it_was_split, metadata, on_lengths, on_texts
from mypt.data.chat.packing import Packer
from mypt.data.chat.steps import Reading, encode, scan
from mypt.data.chat.writer import EpisodeWriter
from mypt.data.prepare.faults import FaultReport
from mypt.data.prepare.inputs import Source, find
from mypt.data.prepare.plan import CHUNK, Span, behind_lines
from mypt.data.prepare.request import PreparedSummary, PrepareRequest, Progress
from mypt.data.prepare.staging import check_target, staged_folder
from mypt.data.prepare.vocabulary import choose
from mypt.data.prepare.worker import Pool
from mypt.data.shards import METADATA
from mypt.errors import Problem, RunError, UserError, raise_for
from mypt.fsio import write_json_atomic
from mypt.tokenizers import CHAT_TOKENS, END_OF_CHAT, CharTokenizer, Tokenizer, with_chat_tokens
from mypt.tokenizers.char import spelled

Answer = TypeVar("Answer")

_TOKENIZER = "tokenizer_state.json"
_SHORTEST_PACK = 2


@dataclass
class _Found:
    """What all files together hold; `hashes` and `for_val` have an entry for each conversation, in order."""

    hashes: npt.NDArray[np.uint64]
    for_val: npt.NDArray[np.bool_]
    characters: set[str] = field(default_factory=set)
    unused: Counter[str] = field(default_factory=Counter)
    spelled: Counter[str] = field(default_factory=Counter)


def prepare_chat(request: PrepareRequest, progress: Progress) -> PreparedSummary:
    """Make the dataset that `request` asks for from chat JSONL, saying to `progress` how far it is.

    Raises `UserError` with everything that is wrong with the request or the lines (nothing is written then), and
    `RunError` where the disk or a file fails; the dataset is whole or not there.
    """
    problems = check_target(request.output, request.shown(request.output), overwrite=request.overwrite)
    problems += _bad_options(request)
    named = replace(request, patterns=request.patterns or ("*.jsonl",))
    sources, wrong = _tried(lambda: find(named))
    tokenizer, refused = _tried(lambda: choose(request))
    raise_for([*problems, *wrong, *refused])
    assert sources is not None
    char = tokenizer is None or isinstance(tokenizer, CharTokenizer)
    how = Reading(request.chat.system_prompt, no_tags=char, seed=request.seed)
    # A process more for every piece of work there is, and none where one piece is all.
    with Pool(max(1, min(request.num_proc, sources.size // CHUNK))) as pool:
        found = _look(request, sources.files, how, pool, progress)
        tokenizer = _with_tags(tokenizer, found, request)
        held = _hold_out(found, request)
        notices = [*sources.notices, *on_texts(found.spelled, found.unused, tokenizer)]
        with staged_folder(request.output, overwrite=request.overwrite) as folder:
            sides = _write(folder, request, sources.files, (tokenizer, how), held, pool, progress)
            tokenizers.save(tokenizer, folder / _TOKENIZER)
            write_json_atomic(folder / METADATA, metadata(request, sources.files, tokenizer, sides))
    return PreparedSummary(
        output=request.output,
        documents=len(held),
        train_tokens=sides.train.tokens,
        val_tokens=sides.val.tokens,
        train_shards=sides.train.shards,
        val_shards=sides.val.shards,
        tokenizer=tokenizer.describe(),
        tokenization=tokenizer.kind,
        vocab_size=tokenizer.vocab_size,
        split=how_it_was_split(request, sides),
        trained_tokens=sides.train.learned,
        notices=[*notices, *on_lengths(request, sides)],
    )


# ── before anything is written ──────────────────────────────────────────────────────────────────────────────────────


def _tried(step: Callable[[], Answer]) -> tuple[Answer | None, Sequence[Problem]]:
    """What `step` gives, or what is wrong with it."""
    try:
        return step(), ()
    except UserError as error:
        return None, error.problems


def _bad_options(request: PrepareRequest) -> list[Problem]:
    problems = []
    length = request.chat.pack_block_size
    if length is not None and length < _SHORTEST_PACK:
        problems.append(Problem("must be at least 2", field="pack_block_size", value=length))
    if not 0 <= request.val_fraction <= 1:
        problems.append(Problem("must be from 0 to 1", field="val_fraction", value=request.val_fraction))
    if request.tokens_per_shard < 1:
        problems.append(
            Problem("must be at least 1", field="tokens_per_shard", value=request.tokens_per_shard)
        )
    return problems


def _look(
    request: PrepareRequest, files: list[Source], how: Reading, pool: Pool, progress: Progress
) -> _Found:
    """Read every line of every file. Raises `UserError` with the first of those that are wrong, and how many are."""
    progress.begin("checking", sum(file.size for file in files))
    hashes: list[npt.NDArray[np.uint64]] = []
    for_val: list[npt.NDArray[np.bool_]] = []
    all_found = _Found(np.zeros(0, np.uint64), np.zeros(0, np.bool_))
    faults = FaultReport(request)
    line, current = 0, ""
    for span, found in pool.map(scan, how, _spans(files), _itself):
        if span.file.path != current:
            current, line = span.file.path, 0
        faults.take(span.file, line, found.faults)
        line += found.lines
        hashes.append(found.hashes)
        for_val.append(np.full(len(found.hashes), span.file.val))
        all_found.characters |= found.characters
        all_found.unused += found.unused
        all_found.spelled += found.spelled
        progress.advance(span.end - span.start)
    raise_for(faults.problems())
    all_found.hashes, all_found.for_val = np.concatenate(hashes), np.concatenate(for_val)
    if not len(all_found.hashes):
        raise UserError(Problem("hold no conversation", field="inputs", remedy="their lines are all empty"))
    return all_found


def _with_tags(tokenizer: Tokenizer | None, found: _Found, request: PrepareRequest) -> Tokenizer:
    """The tokenizer with the chat's tags. Raises `UserError` where it has no tokens for what the texts hold."""
    if tokenizer is None:
        return with_chat_tokens(CharTokenizer.from_text("".join(sorted(found.characters))))
    if not isinstance(tokenizer, CharTokenizer):
        return with_chat_tokens(tokenizer)
    whose = request.tokenizer.source or "the tokenizer"
    problems = []
    if missing := tokenizer.unknown("".join(CHAT_TOKENS)):
        problems.append(
            Problem(
                f"cannot spell the tags of a chat: it has no {spelled(missing)}",
                field="tokenizer_from",
                value=whose,
                remedy="prepare the conversations first, and the texts of the base model with --tokenizer_from that "
                "dataset; or use --tokenization gpt2",
            )
        )
    if missing := tokenizer.unknown("".join(sorted(found.characters))):
        problems.append(
            Problem(
                f"has no token for {len(missing)} characters of the conversations: {spelled(missing, 40)}",
                field="tokenizer_from",
                value=whose,
                remedy="take them out, or use another tokenizer",
            )
        )
    raise_for(problems)
    return tokenizer


def _hold_out(found: _Found, request: PrepareRequest) -> npt.NDArray[np.bool_]:
    """Which conversations are kept for validation: those of the files named for it, else those of the least hashes.

    A hash is of the line and the seed, so equal conversations are on one side, and a conversation keeps its side
    when few others are added.
    """
    if request.val_files or not request.val_fraction:
        return found.for_val
    total = len(found.hashes)
    if request.val_fraction == 1:
        return np.ones(total, np.bool_)
    wanted = max(round(request.val_fraction * total), 1)
    held: npt.NDArray[np.bool_] = found.hashes <= np.partition(found.hashes, wanted - 1)[wanted - 1]
    if held.all():
        what = "is a single conversation" if total == 1 else "is one conversation again and again"
        raise UserError(
            Problem(
                f"there {what}, so none would be left to train on",
                field="val_fraction",
                value=request.val_fraction,
                remedy="prepare more, or name other files for validation with --val_file",
            )
        )
    return held


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _write(
    folder: Path,
    request: PrepareRequest,
    files: list[Source],
    setup: tuple[Tokenizer, Reading],
    held: npt.NDArray[np.bool_],
    pool: Pool,
    progress: Progress,
) -> Sides:
    """Encode every conversation into the files of its side."""
    progress.begin("tokenizing", sum(file.size for file in files))
    length, tags = request.chat.pack_block_size, setup[0].special_tokens
    pad_id = tags.get(END_OF_CHAT, 0)
    sides = Sides(
        *(
            EpisodeWriter(folder / name, request.tokens_per_shard, Packer(length, pad_id) if length else None)
            for name in ("train", "val")
        )
    )
    number = 0
    try:
        for span, made in pool.map(encode, setup, _spans(files), _itself):
            if number + len(made.lengths) > len(held):
                raise RunError(f"{span.file.path} was changed while it was being read; prepare again")
            start = 0
            for size in made.lengths:
                side = sides.val if held[number] else sides.train
                side.add(made.ids[start : start + size], made.learned[start : start + size])
                start += size
                number += 1
            progress.advance(span.end - span.start)
        for side in sides:
            side.finish()
    finally:
        for side in sides:
            side.close()
    return sides


def _spans(files: list[Source]) -> Iterator[Span]:
    for file in files:
        try:
            yield from behind_lines(Span(file, 0, file.size), CHUNK)
        except OSError as error:
            raise RunError(f"{file.path}: cannot be read: {error.strerror}") from None


def _itself(span: Span) -> Span:
    return span
