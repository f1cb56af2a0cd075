"""The data of a program's own training: a dataset or a text, opened, checked, and drawn from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mypt.data.shards import read_folder
from mypt.data.split import Split, key_of
from mypt.data.text import read_text, split_text
from mypt.errors import Problem, UserError
from mypt.settings.model_config import GPTConfig
from mypt.tokenizers import FILE_NAMES, Tokenizer, create, load, same

if TYPE_CHECKING:
    from torch import Tensor


class LoadedBatch(NamedTuple):
    """What a model's forward pass takes, in its order, so that `model(*batch)` gives logits and loss.

    `x` and `y` are int64 (B, T); `mask`, float32 (B, T), weighs the targets, `segments`, int64 (B, T), part the
    inputs; both may be None.
    """

    x: Tensor
    y: Tensor
    mask: Tensor | None
    segments: Tensor | None


class GPTDataLoader:
    """Training and validation data in batches of `config.batch_size` sequences of `config.block_size` tokens.

    The data is `dataset_dir` (a folder with `train/*.bin` and `val/*.bin`, or any other that `mypt train` takes) or
    `input_file` (a text, split 90/10, or `builtin:stories`); with `eval_only` only the validation shards are opened.
    Paths are meant from `workspace`. Without a `tokenizer` the dataset's own is used, and a text needs one. Raises
    `UserError` with all that is wrong: missing or damaged files, another tokenizer, ids beyond `config.vocab_size`,
    a split shorter than a sequence, no masks where `config.use_loss_mask` asks for them.
    """

    def __init__(
        self,
        config: GPTConfig,
        tokenizer: Tokenizer | str | None = None,
        *,
        dataset_dir: str | os.PathLike[str] | None = None,
        input_file: str | os.PathLike[str] | None = None,
        eval_only: bool = False,
        workspace: str | os.PathLike[str] = ".",
    ) -> None:
        self.config = config
        self.eval_only = eval_only
        self.dataset_dir = None if dataset_dir is None else os.fspath(dataset_dir)
        self.input_file = None if input_file is None else os.fspath(input_file)
        self.train: Split | None
        self.val: Split
        self.tokenizer: Tokenizer
        self.fingerprint: str
        if (self.dataset_dir is None) == (self.input_file is None):
            raise UserError(
                Problem("one of dataset_dir and input_file is needed", field="dataset_dir", value=dataset_dir)
            )
        if self.dataset_dir is not None:
            self._open_folder(Path(workspace), self.dataset_dir, tokenizer)
        else:
            self._open_text(Path(workspace), self.input_file or "", tokenizer)
        self._drawn = {"train": 0, "val": 0}

    @property
    def shown(self) -> str:
        """What the data is called in messages."""
        return self.dataset_dir or self.input_file or ""

    def get_batch(self, split: str = "train", *, device: str | None = None, seed: int = 1337) -> LoadedBatch:
        """The next batch of `split` ("train" or "val") on `device` (as `config.device` says where it is None).

        Batches are drawn at random; the n-th one of a split is a function of `seed` and n. ValueError for another
        split, and for training data of a loader that has none.
        """
        chosen = {"train": self.train, "val": self.val}.get(split)
        if chosen is None:
            there = "val" if self.eval_only else "train and val"
            raise ValueError(f"no split {split!r}: this loader has {there}")
        import torch

        self._drawn[split] += 1
        block = self.config.block_size
        places = chosen.update_places(
            self._drawn[split],
            batches=1,
            batch_size=self.config.batch_size,
            block_size=block,
            seed=key_of(seed, "loader", split),
        )
        batch = chosen.gather(places, block, masked=self.config.use_loss_mask and chosen.has_masks)
        place = device or self.config.device
        return LoadedBatch(
            *(torch.tensor(array, device=place) for array in (batch.x, batch.y)),
            *(
                None if array is None else torch.tensor(array, device=place)
                for array in (batch.mask, batch.segments)
            ),
        )

    def _open_folder(self, workspace: Path, shown: str, tokenizer: Tokenizer | str | None) -> None:
        path = workspace / shown
        if not path.is_dir():
            remedy = "name a folder with train/ and val/"
            raise UserError(Problem("no such dataset", field="dataset_dir", value=shown, remedy=remedy))
        own = load(path) if any((path / name).is_file() for name in FILE_NAMES) else None
        given = create(tokenizer) if isinstance(tokenizer, str) and own is None else tokenizer
        if isinstance(given, str):
            # A kind alone says nothing of the vocabulary, which the dataset knows.
            assert own is not None
            if own.kind != given:
                raise _other_tokenizer(shown, own, given)
        elif own is not None and given is not None and not same(own, given):
            raise _other_tokenizer(shown, own, given.describe())
        chosen = own if own is not None else given
        if chosen is None or isinstance(chosen, str):
            remedy = "name the tokenizer, or prepare the dataset again: tokenizer_state.json is missing"
            raise UserError(Problem("does not say how it was tokenized", where=shown, remedy=remedy))
        self.tokenizer = chosen
        folder = read_folder(
            path,
            shown,
            vocab_size=self.config.vocab_size,
            block_size=self.config.block_size,
            eval_only=self.eval_only,
        )
        self.train, self.val, self.fingerprint = folder.train, folder.val, folder.fingerprint
        wanting = self.train if self.train is not None else self.val
        if self.config.use_loss_mask and not wanting.has_masks:
            remedy = "prepare it from conversations, or set use_loss_mask to false"
            raise UserError(Problem("has no loss masks", where=shown, remedy=remedy))

    def _open_text(self, workspace: Path, name: str, tokenizer: Tokenizer | str | None) -> None:
        text = read_text(name, workspace)
        if tokenizer is None:
            remedy = "name one, such as 'char' or 'gpt2'"
            raise UserError(Problem("a text needs a tokenizer", field="tokenizer", remedy=remedy))
        self.tokenizer = create(tokenizer, text=text) if isinstance(tokenizer, str) else tokenizer
        if self.tokenizer.valid_vocab > self.config.vocab_size:
            message = f"the tokenizer has {self.tokenizer.valid_vocab} tokens ({self.tokenizer.describe()})"
            remedy = f"use at least {self.tokenizer.valid_vocab}"
            raise UserError(Problem(message, field="vocab_size", value=self.config.vocab_size, remedy=remedy))
        train, self.val, self.fingerprint = split_text(text, self.tokenizer, name, self.config.block_size)
        self.train = None if self.eval_only else train


def _other_tokenizer(shown: str, own: Tokenizer, given: str) -> UserError:
    message = f"was made with another tokenizer ({own.describe()}) than the one that was given ({given})"
    return UserError(Problem(message, where=shown, remedy="prepare it with that tokenizer"))
