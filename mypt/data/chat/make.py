"""From a request to a dataset: look at every line, choose a tokenizer and what is kept for validation, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from mypt import __version__, tokenizers
from mypt.data.chat.messages import Fault
from mypt.data.chat.packing import Packer
from mypt.data.chat.steps import SHOWN_FAULTS, Reading, encode, scan, spans
from mypt.data.chat.writer import EpisodeWriter
from mypt.data.episode_files import SCHEMA
from mypt.data.prepare.inputs import Source, find
from mypt.data.prepare.plan import CHUNK, Span
from mypt.data.prepare.request import PreparedSummary, PrepareRequest, Progress
from mypt.data.prepare.staging import check_target, staged_folder
from mypt.data.prepare.vocabulary import choose
from mypt.data.prepare.worker import Pool
from mypt.data.shards import METADATA
from mypt.errors import Problem, RunError, UserError, raise_for
from mypt.fsio import write_json_atomic
from mypt.text import count, whole
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


class _Sides(NamedTuple):
    train: EpisodeWriter
    val: EpisodeWriter


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
        notices = [*sources.notices, *_remarks(found, tokenizer)]
        with staged_folder(request.output, overwrite=request.overwrite) as folder:
            sides = _write(folder, request, sources.files, (tokenizer, how), held, pool, progress)
            tokenizers.save(tokenizer, folder / _TOKENIZER)
            metadata = _metadata(request, sources.files, tokenizer, sides)
            write_json_atomic(folder / METADATA, metadata)
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
        split=_told(request, sides),
        trained_tokens=sides.train.learned,
        notices=[*notices, *_on_lengths(request, sides)],
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
    problems: list[Problem] = []
    faulty, shown, line, current = 0, 0, 0, ""
    for span, found in pool.map(scan, how, _spans(files), _itself):
        if span.file.path != current:
            current, line = span.file.path, 0
        if shown < SHOWN_FAULTS:
            wrong = found.faults[: SHOWN_FAULTS - shown]
            problems += [_located(request, span.file, line + number, fault) for number, fault in wrong]
            shown += len(wrong)
        faulty += found.faulty_lines
        line += found.lines
        hashes.append(found.hashes)
        for_val.append(np.full(len(found.hashes), span.file.val))
        all_found.characters |= found.characters
        all_found.unused += found.unused
        all_found.spelled += found.spelled
        progress.advance(span.end - span.start)
    if problems:
        named = len({problem.where for problem in problems})
        if faulty > named:
            problems.append(Problem(f"{whole(faulty - named)} more lines are wrong"))
        raise UserError(*problems)
    all_found.hashes, all_found.for_val = np.concatenate(hashes), np.concatenate(for_val)
    if not len(all_found.hashes):
        raise UserError(Problem("hold no conversation", field="inputs", remedy="their lines are all empty"))
    return all_found


def _located(request: PrepareRequest, file: Source, line: int, fault: Fault) -> Problem:
    where = f"{request.shown(Path(file.path))} line {line + 1}"
    problem = Problem(fault.message, where=where, field=fault.field, remedy=fault.remedy)
    return replace(problem, value=fault.value[0]) if fault.value else problem


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


def _remarks(found: _Found, tokenizer: Tokenizer) -> list[str]:
    said = []
    if found.spelled:
        names = ", ".join(sorted(found.spelled)[:3]) + (" …" if len(found.spelled) > 3 else "")
        said.append(f"some messages spell tags ({names}): they are encoded as plain text, never as tags")
    if found.unused:
        names = ", ".join(f"{name} ({whole(number)})" for name, number in found.unused.most_common(5))
        said.append(f"fields of messages that nothing is made of: {names}")
    if tokenizer.kind == "bpe":
        said.append(
            f"a model needs vocab_size = {tokenizer.valid_vocab} or more for these tokens, tags included; so does the "
            "base model of a fine-tune"
        )
    return said


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _write(
    folder: Path,
    request: PrepareRequest,
    files: list[Source],
    setup: tuple[Tokenizer, Reading],
    held: npt.NDArray[np.bool_],
    pool: Pool,
    progress: Progress,
) -> _Sides:
    """Encode every conversation into the files of its side."""
    progress.begin("tokenizing", sum(file.size for file in files))
    length, tags = request.chat.pack_block_size, setup[0].special_tokens
    pad_id = tags.get(END_OF_CHAT, 0)
    sides = _Sides(
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
            yield from spans(file, CHUNK)
        except OSError as error:
            raise RunError(f"{file.path}: cannot be read: {error.strerror}") from None


def _itself(span: Span) -> Span:
    return span


def _metadata(
    request: PrepareRequest, files: list[Source], tokenizer: Tokenizer, sides: _Sides
) -> dict[str, Any]:
    """What the original writes, as far as it means something here, and the type of the tokens."""
    length, chat = request.chat.pack_block_size, request.chat
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "has_loss_mask": True,
        "dtype": "uint32",
        "num_conversations": sum(side.conversations for side in sides),
    }
    for name, side in zip(sides._fields, sides, strict=True):
        data |= {
            f"num_{name}_conversations": side.conversations,
            f"num_{name}_episodes": side.episodes,
            f"num_{name}_tokens": side.stored,
            f"num_{name}_shards": side.shards,
            f"num_{name}_mask_tokens": side.learned,
            f"{name}_mask_ratio": side.learned / side.stored if side.stored else 0.0,
        }
    shown = {
        side: [request.shown(Path(f.path)) for f in files if f.val is (side == "val")]
        for side in sides._fields
    }
    tags = tokenizer.to_dict().get("special_tokens_by_name")
    data |= {
        "tokenization": tokenizer.kind,
        "vocab_size": tokenizer.vocab_size,
        "tokens_per_shard": request.tokens_per_shard,
        "special_tokens_used": list(tags or CHAT_TOKENS),
        "prepare_mode": "separate_val" if request.val_files else "val_split",
        "val_only": not sides.train.conversations,
        "source_train_file": ", ".join(shown["train"]),
        "source_val_file": ", ".join(shown["val"]) or None,
        "val_split": None if request.val_files else request.val_fraction,
        "seed": request.seed,
        "skip_system_prompt": chat.system_prompt == "",
        "system_prompt_override": chat.system_prompt or None,
        "packing_enabled": length is not None,
        "prepared_by": f"mypt {__version__}",
    }
    if length is not None:
        data |= {
            "pack_block_size": length,
            "original_train_episodes": sides.train.conversations,
            "original_val_episodes": sides.val.conversations,
            "avg_episode_len": _ratio(sides.train.tokens, sides.train.conversations),
            "avg_episodes_per_pack": _ratio(sides.train.conversations, sides.train.episodes),
            "nonpad_ratio": _ratio(sides.train.tokens, sides.train.stored),
        }
    return data


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _told(request: PrepareRequest, sides: _Sides) -> str:
    if request.val_files:
        return "as named with --val_file"
    if not (sides.train.conversations and sides.val.conversations):
        return "everything" if sides.val.conversations else "nothing"
    total = sum(side.conversations for side in sides)
    return f"{whole(sides.val.conversations)} of {whole(total)} conversations, drawn with seed {request.seed}"


def _on_lengths(request: PrepareRequest, sides: _Sides) -> list[str]:
    train, length = sides.train, request.chat.pack_block_size
    said = []
    if not sides.val.conversations:
        said.append("no conversation is kept for validation; training needs some")
    if not train.conversations:
        return [*said, "no conversation is left for training: a dataset to evaluate on"]
    mean = _ratio(train.tokens, train.conversations)
    told = f"a conversation has {count(mean)} tokens on average, the longest {whole(train.longest)}"
    if length is None:
        said.append(
            f"{told}; each is a sequence of its own, padded to block_size. --pack_block_size, with the block_size of "
            "the training, puts as many into one as fit"
        )
    else:
        filled = 100 * _ratio(train.tokens, train.stored)
        said.append(f"{told}; {whole(train.episodes)} packs of {length} are filled to {filled:.0f} %")
        if train.longest > length:
            said.append(
                f"conversations of more than {length} tokens are packs of their own, and train on their end"
            )
    return said


def _ratio(part: float, of: float) -> float:
    return part / of if of else 0.0
