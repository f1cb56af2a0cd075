"""Whether data fits the settings and the model that it is to train, and what to say where it does so strangely."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mypt.data.episodes import EpisodeOptions, EpisodeSplit
from mypt.data.split import Split
from mypt.errors import Problem, UserError
from mypt.settings.fields import EPISODES_ONLY, Settings
from mypt.settings.request import Mode
from mypt.settings.resolved import Resolved
from mypt.text import whole
from mypt.tokenizers import END_OF_CHAT, FILE_NAMES, Tokenizer, load, same
from mypt.tokenizers.gpt2 import END_OF_TEXT


def check_rows(tokenizer: Tokenizer, run: Resolved) -> None:
    """A model that exists, or a preset for subwords, must have a row for every token."""
    if run.mode is Mode.NEW and tokenizer.kind == "char":
        return  # the characters decide the vocabulary
    rows = run.config.vocab_size
    if tokenizer.valid_vocab > rows:
        raise UserError(
            Problem(
                f"the tokenizer has {tokenizer.valid_vocab} tokens ({tokenizer.describe()})",
                where=str(run.values["vocab_size"].source),
                field="vocab_size",
                value=rows,
                remedy=f"use at least {tokenizer.valid_vocab}",
            )
        )


def check_same_tokens(path: Path, shown: str, tokenizer: Tokenizer) -> None:
    """An eval set that says how it was tokenized must agree; its ids would mean other words otherwise."""
    if any((path / name).is_file() for name in FILE_NAMES) and not same(tokenizer, theirs := load(path)):
        raise UserError(
            Problem(
                f"was made with another tokenizer ({theirs.describe()}) than the training data "
                f"({tokenizer.describe()})",
                where=shown,
                remedy="prepare it with that tokenizer (mypt prepare --tokenizer_from)",
            )
        )


def episode_options(s: Settings, tokenizer: Tokenizer, rows: int, first_update: int) -> EpisodeOptions:
    """How episodes are drawn and filled up, for a model with `rows` tokens; epochs count from `first_update`.

    Padding is the end of the chat, or of the text, where the vocabulary has one; no loss ever counts it.
    """
    marks, pad = tokenizer.special_tokens, s.pad_token_id
    if pad is None or pad >= rows:
        pad = next((marks[token] for token in (END_OF_CHAT, END_OF_TEXT) if marks.get(token, rows) < rows), 0)
    return EpisodeOptions(
        mode=s.batch_sampling_mode,
        pad_id=pad,
        min_tokens=s.episode_min_tokens,
        epoch_seed=s.epoch_seed,
        epoch_shuffle=s.epoch_shuffle,
        epoch_drop_last=s.epoch_drop_last,
        first_update=first_update,
    )


def no_padding(split: Split, s: Settings, rows: int) -> list[Problem]:
    """What fills up episodes must be one of the `rows` tokens of the model."""
    if not isinstance(split, EpisodeSplit) or s.pad_token_id is None or s.pad_token_id < rows:
        return []
    message = f"is no token: the vocabulary ends at {rows - 1}"
    return [Problem(message, field="pad_token_id", value=s.pad_token_id, remedy="leave it away")]


def unmarked(split: Split, shown: str, settings: Settings, side: str = "train") -> list[Problem]:
    """With a loss mask, data that marks nothing is nothing to learn from or to judge by."""
    if not settings.use_loss_mask:
        return []
    if not split.has_masks:
        if side != "train":
            return []
        return [
            Problem(
                "has no loss masks",
                where=shown,
                remedy="prepare it from conversations, or set use_loss_mask to false",
            )
        ]
    if split.marks_any:
        return []
    return [
        Problem(
            f"the loss masks of the {side} split mark no token",
            where=shown,
            remedy="prepare it again, or set use_loss_mask to false",
        )
    ]


def no_epoch(split: Split, shown: str, s: Settings) -> list[Problem]:
    """Epochs of whole batches need as many episodes as a batch has."""
    if not isinstance(split, EpisodeSplit) or s.batch_sampling_mode != "epoch":
        return []
    if split.batches_an_epoch(s.batch_size, s.block_size):
        return []
    return [
        Problem(
            f"has {whole(split.windows(s.block_size))} episodes, fewer than a batch, so an epoch has none",
            where=shown,
            field="batch_size",
            value=s.batch_size,
            remedy="use a smaller batch_size, or set epoch_drop_last to false",
        )
    ]


def remarks(s: Settings, trained: Mapping[str, Split], others: Mapping[str, Split]) -> list[str]:
    """What a run on the splits `trained`, by name, does that somebody might not expect; it evaluates on `others`."""
    said = []
    if not any(isinstance(split, EpisodeSplit) for split in (*trained.values(), *others.values())):
        changed = [n for n in EPISODES_ONLY if getattr(s, n) != Settings.model_fields[n].default]
        said += [f"{name} has no effect: it is about episode-indexed datasets" for name in changed]
    for shown, split in trained.items():
        if isinstance(split, EpisodeSplit):
            if s.batch_sampling_mode == "epoch":
                updates = split.batches_an_epoch(s.batch_size, s.block_size) / s.grad_accum_steps
                said.append(
                    f"{shown}: an epoch of {whole(split.windows(s.block_size))} sequences takes {updates:.4g} updates"
                )
            said += [f"{shown}: {remark}" for remark in split.remarks(s.block_size)]
        if split.has_masks and not s.use_loss_mask:
            said.append(
                f"{shown} has loss masks, which count for nothing while use_loss_mask is false: every token is learned"
            )
    if s.use_loss_mask and not s.input_file:
        said += [
            remark for shown, split in (*trained.items(), *others.items()) for remark in _bare(shown, split)
        ]
    return said


def _bare(shown: str, split: Split) -> list[str]:
    """What to say of shards without masks beside others that have some."""
    bare = len(split.shards) - sum(mask is not None for mask in split.masks)
    if not bare:
        return []
    what = f"{bare} of {len(split.shards)} shards have" if split.has_masks else "it has"
    return [f"{shown}: {what} no loss mask, so every token there counts"]
