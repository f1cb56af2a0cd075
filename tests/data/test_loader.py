from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import mypt
from mypt.errors import UserError
from mypt.tokenizers import CharTokenizer
from tests.workbench import CHARS, ids_of, story, write_dataset

LETTERS = CharTokenizer.from_text(CHARS)


def config(**fields: Any) -> mypt.GPTConfig:
    shape = {
        "batch_size": 3,
        "block_size": 16,
        "vocab_size": len(CHARS),
        "n_embd": 8,
        "n_head": 1,
        "n_layer": 1,
    }
    return mypt.GPTConfig(**{**shape, **fields})


def test_batches_are_what_the_model_takes(workspace: Path) -> None:
    loader = mypt.GPTDataLoader(config(), "char", input_file="input.txt", workspace=workspace)
    batch = loader.get_batch()
    assert batch.x.shape == batch.y.shape == (3, 16) and batch.x.dtype == torch.int64
    assert torch.equal(batch.x[:, 1:], batch.y[:, :-1])
    assert (batch.mask, batch.segments) == (None, None)
    logits, loss = mypt.GPT(config())(*batch)
    assert logits.shape == (3, 16, len(CHARS)) and loss is not None
    text = story()
    assert loader.tokenizer.decode(batch.x[0].tolist()) in text


def test_the_nth_batch_is_a_function_of_the_seed(workspace: Path) -> None:
    one, two = (
        mypt.GPTDataLoader(config(), LETTERS, input_file="input.txt", workspace=workspace) for _ in range(2)
    )
    firsts = [one.get_batch().x, one.get_batch().x, one.get_batch("val").x]
    assert torch.equal(firsts[0], two.get_batch().x) and torch.equal(firsts[1], two.get_batch().x)
    assert torch.equal(firsts[2], two.get_batch("val").x)
    assert not torch.equal(firsts[0], firsts[1])
    assert not torch.equal(one.get_batch(seed=1).x, two.get_batch(seed=2).x)


def test_a_dataset_brings_its_tokenizer_and_its_masks(workspace: Path) -> None:
    ids = ids_of(story(1500))
    write_dataset(workspace / "d", train=[ids], val=[ids[:300]], mask="u1")
    loader = mypt.GPTDataLoader(config(use_loss_mask=True), dataset_dir="d", workspace=workspace)
    assert loader.tokenizer.to_dict()["chars"] == list(CHARS)
    batch = loader.get_batch("val")
    assert batch.mask is not None and 0 < float(batch.mask.mean()) < 1
    plain = mypt.GPTDataLoader(config(), "char", dataset_dir="d", workspace=workspace)
    assert plain.get_batch().mask is None


def test_validation_alone(workspace: Path) -> None:
    write_dataset(workspace / "d", val=[ids_of(story(600))])
    loader = mypt.GPTDataLoader(config(), LETTERS, dataset_dir="d", eval_only=True, workspace=workspace)
    assert loader.train is None and loader.get_batch("val").x.shape == (3, 16)
    for split in ("train", "test"):
        with pytest.raises(ValueError, match=f"no split '{split}': this loader has val"):
            loader.get_batch(split)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "one of dataset_dir and input_file is needed"),
        ({"input_file": "input.txt", "dataset_dir": "d"}, "one of dataset_dir and input_file is needed"),
        ({"input_file": "input.txt"}, "tokenizer: a text needs a tokenizer"),
        ({"input_file": "none.txt", "tokenizer": "char"}, "input_file: no such file"),
        ({"dataset_dir": "none"}, "no such dataset"),
        (
            {"dataset_dir": "d", "tokenizer": "gpt2"},
            r"d: was made with another tokenizer \(char.*given \(gpt2\)",
        ),
        ({"dataset_dir": "d", "tokenizer": CharTokenizer("ab")}, r"given \(char, 2 characters\)"),
        ({"dataset_dir": "d", "use_loss_mask": True}, "d: has no loss masks"),
        ({"dataset_dir": "d", "vocab_size": 20}, "holds the token id"),
        ({"input_file": "input.txt", "tokenizer": "char", "vocab_size": 20}, "the tokenizer has 29 tokens"),
        ({"input_file": "input.txt", "tokenizer": "char", "block_size": 9999}, "fewer than one block"),
    ],
)
def test_what_is_wrong_is_said(workspace: Path, how: dict[str, Any], message: str) -> None:
    ids = ids_of(story(1500))
    write_dataset(workspace / "d", train=[ids], val=[ids[:300]])
    shape = {name: how[name] for name in ("use_loss_mask", "vocab_size", "block_size") if name in how}
    rest = {name: value for name, value in how.items() if name not in shape}
    with pytest.raises(UserError, match=message):
        mypt.GPTDataLoader(config(**shape), workspace=workspace, **rest)
