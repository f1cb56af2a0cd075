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

from mypt import __version__, tokenizers
from mypt.data.prepare import documents as split
from mypt.data.prepare import inputs, plan, staging, steps, vocabulary
from mypt.data.prepare.documents import Documents
from mypt.data.prepare.inputs import Source, Sources
from mypt.data.prepare.plan import Cutter, Piece, Span
from mypt.data.prepare.request import PreparedSummary, PrepareRequest, Progress
from mypt.data.prepare.worker import Pool
from mypt.data.prepare.writer import ShardWriter
from mypt.data.shards import METADATA
from mypt.errors import Problem, UserError, raise_for
from mypt.fsio import replace, write_json_atomic
from mypt.text import whole
from mypt.tokenizers import FILE_NAMES, CharTokenizer, Tokenizer
from mypt.tokenizers.cuts import ANYWHERE

_STATE = FILE_NAMES[1]
_LISTED = 10_000
_SHOWN = 20
# Below this a validation loss says little, and most presets' blocks are longer.
_SMALL_VAL = 1024


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
        separator = _separator(self.request, tokenizer) if len(documents) > 1 else []
        held = split.choose(documents, self.request.val_fraction, self.request.hold_out, self.request.seed)
        self._look_at_a_sample(tokenizer, documents)
        with staging.staged_folder(self.request.output, overwrite=self.request.overwrite) as folder:
            train, val = self._encode(tokenizer, documents, held, separator, folder)
            summary = self._finish(folder, tokenizer, documents, held, train, val)
            metadata = self._metadata(summary, documents, tokenizer, held, train, val, separator)
            tokenizers.save(tokenizer, folder / _STATE)
            write_json_atomic(folder / METADATA, metadata)
        return summary

    # ── the passes over the files ──────────────────────────────────────────────────────────────────────────────

    def _documents(self) -> Documents:
        """Check every byte, and find out where documents begin and end."""
        separator = _unescaped(self.request.split_on).encode()
        problems: dict[str, Problem] = {}
        places: dict[int, list[npt.NDArray[np.int64]]] = {}
        with_returns: set[str] = set()
        files = split.whole_files(self.files)
        numbers = {file.path: number for number, file in enumerate(self.files)}
        for pieces, results in self._map("reading", steps.check, separator, files, Cutter(ANYWHERE)):
            for piece, result in zip(pieces, results, strict=True):
                file = piece.span.file
                if result.invalid is not None and file.path not in problems:
                    problems[file.path] = self._no_text(file, result.invalid)
                if result.carriage_returns:
                    with_returns.add(file.path)
                if len(result.separators):
                    places.setdefault(numbers[file.path], []).append(result.separators)
            if len(problems) >= _SHOWN:
                break
        raise_for(problems.values())
        if with_returns:
            number = len(with_returns)
            has = "files have" if number > 1 else "file has"
            self.notices.append(f"{number} {has} line ends of Windows (\\r\\n), which are kept as they are")
        if not separator:
            return files
        found = split.separated(self.files, places, len(separator))
        if len(found) == len(files):
            self.notices.append(f"no file holds {self.request.split_on!r}: each is one document")
        if not len(found):
            raise UserError(Problem("leaves no text at all", field="split_on", value=self.request.split_on))
        return found

    def _no_text(self, file: Source, invalid: steps.Invalid) -> Problem:
        offset, byte = invalid
        where = self.request.shown(Path(file.path))
        if byte == 0:
            message, remedy = f"is no text: byte {offset} is 0x00", "leave it out, or convert it to UTF-8"
        else:
            message = f"is not UTF-8 text: byte {offset} is {byte:#04x}"
            remedy = "convert it, for instance with iconv -f latin1 -t utf-8"
        if offset == 0 and byte in (0xFF, 0xFE):
            remedy = "it looks like UTF-16; convert it with iconv -f utf-16 -t utf-8"
        return Problem(message, where=where, remedy=remedy)

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
            between = _separator_text(self.request) if len(documents) > 1 else ""
            return CharTokenizer.from_text(characters + between)
        error = vocabulary.lacking(tokenizer, characters, str(self.request.tokenizer.source))
        if error is not None:
            raise error
        return tokenizer

    def _look_at_a_sample(self, tokenizer: Tokenizer, documents: Documents) -> None:
        file, start, end = next(documents.spans())
        with contextlib.suppress(OSError), Path(file.path).open("rb") as handle:
            handle.seek(start)
            sample = handle.read(min(end - start, vocabulary.SAMPLE)).decode("utf-8", "ignore")
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
        dtype = _dtype(tokenizer)
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
        self.progress.begin(what, int(documents.sizes.sum()))
        tasks = cutter.tasks(documents.spans())
        for pieces, result in self.pool.map(step, setup, tasks, lambda task: [piece.span for piece in task]):
            yield pieces, result
            self.progress.advance(sum(piece.span.end - piece.span.start for piece in pieces))

    # ── what is left to do when all tokens are there ───────────────────────────────────────────────────────────

    def _finish(
        self,
        folder: Path,
        tokenizer: Tokenizer,
        documents: Documents,
        held: npt.NDArray[np.bool_] | None,
        train: ShardWriter,
        val: ShardWriter,
    ) -> PreparedSummary:
        self._refuse_what_is_too_short(train, val)
        first = len(train.finish())
        files = val.finish()
        # One numbering across both splits, as the original MyPT has it; from the last on, so that none is in the way.
        for number, path in reversed(list(enumerate(files))):
            replace(path, folder / "val" / f"shard_{first + number:05d}.bin")
        if val.tokens and val.tokens <= _SMALL_VAL:
            self.notices.append(
                f"validation has only {val.tokens} tokens; block_size must be smaller than that"
            )
        return PreparedSummary(
            output=self.request.output,
            documents=len(documents),
            train_tokens=train.tokens,
            val_tokens=val.tokens,
            train_shards=first,
            val_shards=len(files),
            tokenizer=tokenizer.describe(),
            tokenization=tokenizer.kind,
            vocab_size=tokenizer.vocab_size,
            split=self._how_it_was_split(documents, held),
            notices=self.notices,
        )

    def _refuse_what_is_too_short(self, train: ShardWriter, val: ShardWriter) -> None:
        fraction = self.request.val_fraction
        named = bool(self.request.val_files)
        for name, writer, wanted in (
            ("train", train, named or fraction < 1),
            ("val", val, named or fraction > 0),
        ):
            # A sequence is at least one token and its target.
            if wanted and writer.tokens < 2:
                raise UserError(
                    Problem(
                        f"the text is too short: {train.tokens + val.tokens} tokens in all, "
                        f"{writer.tokens} for the {name} split",
                        field="val_file" if named and name == "val" else "val_fraction",
                        value=None if named else fraction,
                        remedy="use more text",
                    )
                )

    def _how_it_was_split(self, documents: Documents, held: npt.NDArray[np.bool_] | None) -> str:
        request = self.request
        if request.val_files:
            return "as named with --val_file"
        if held is None:
            share = f"the last {100 * request.val_fraction:g} %"
            return f"{share} of the text" if len(documents) == 1 else f"{share} of each document"
        if request.val_fraction in (0.0, 1.0):
            return "nothing" if request.val_fraction == 0 else "everything"
        drawn = int(held.sum())
        return f"{whole(drawn)} of {whole(len(documents))} documents, drawn with seed {request.seed}"

    def _metadata(
        self,
        summary: PreparedSummary,
        documents: Documents,
        tokenizer: Tokenizer,
        held: npt.NDArray[np.bool_] | None,
        train: ShardWriter,
        val: ShardWriter,
        separator: list[int],
    ) -> dict[str, Any]:
        """The original's fields, then ours. Nothing in it depends on when or with how many processes it was made."""
        request = self.request
        many = len(self.files) > _LISTED
        named = [*request.inputs, *request.val_files] if many else [Path(file.path) for file in self.files]
        return {
            "total_tokens": summary.train_tokens + summary.val_tokens,
            "total_shards": summary.train_shards + summary.val_shards,
            "train_shards": summary.train_shards,
            "val_shards": summary.val_shards,
            "tokens_per_shard": request.tokens_per_shard,
            "tokenization": tokenizer.kind,
            "vocab_size": tokenizer.vocab_size,
            "input_files": [request.shown(path) for path in named],
            "dtype": np.dtype(_dtype(tokenizer)).name,
            "train_tokens": summary.train_tokens,
            "val_tokens": summary.val_tokens,
            "num_files": len(self.files),
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
            "prepared_by": f"mypt {__version__}",
        }


def _dtype(tokenizer: Tokenizer) -> type[np.uint16] | type[np.uint32]:
    return np.uint16 if tokenizer.valid_vocab <= 1 << 16 else np.uint32


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


def _separator_text(request: PrepareRequest) -> str:
    """What stands between documents for a tokenizer that has no mark for it."""
    if request.separator == "none":
        return ""
    return "\n" if request.separator == "auto" else _unescaped(request.separator)


def _separator(request: PrepareRequest, tokenizer: Tokenizer) -> list[int]:
    """The ids between documents: the end-of-text mark where the tokenizer has one, a line break where not."""
    if request.separator == "auto" and tokenizer.end_of_text is not None:
        return [tokenizer.end_of_text]
    text = _separator_text(request)
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


def _unescaped(text: str) -> str:
    r"""`text` with \n, \t and \\ meaning what they mean in programs: a shell hands them over as two signs."""
    out, signs = [], iter(text)
    for sign in signs:
        if sign == "\\":
            following = next(signs, "")
            out.append({"n": "\n", "t": "\t", "\\": "\\"}.get(following, sign + following))
        else:
            out.append(sign)
    return "".join(out)


def _about_cuts(number: int, *, known: bool) -> str:
    at = f"{whole(number)} place{'s' if number > 1 else ''}"
    if known:
        return f"at {at} a run of over a megabyte without any gap was cut: tokens there may differ from the whole's"
    return (
        f"long texts were cut after line breaks at {at}: how this tokenizer treats the beginning of a text is not known, "
        "so tokens there may differ from the whole's"
    )
