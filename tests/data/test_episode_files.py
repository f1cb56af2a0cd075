from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mypt.data.episodes import EpisodeOptions, EpisodeSplit
from mypt.data.loader import GPTDataLoader
from mypt.data.shards import Folder, read_folder
from mypt.errors import UserError
from mypt.settings.model_config import GPTConfig
from tests.workbench import ids_of, story, write_episodes

IDS = ids_of(story(400))[:300]
EPISODES = [IDS[:20], IDS[20:33], IDS[33:70]]


def read(folder: Path, **changes: Any) -> Folder:
    return read_folder(folder, "data/e", **{"vocab_size": 29, "block_size": 16, **changes})


def refusal(folder: Path, **changes: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        read(folder, **changes)
    return [str(problem) for problem in caught.value.problems]


def train_of(folder: Folder) -> EpisodeSplit:
    assert isinstance(folder.train, EpisodeSplit)
    return folder.train


def whole_rows(split: EpisodeSplit) -> list[list[int]]:
    """Every episode as sequences show it, without padding."""
    block = 64
    batch = split.gather(np.arange(split.windows(block)), block)
    assert batch.mask is not None
    kept = batch.mask > 0
    return [[int(x[0]), *map(int, y[k])] for x, y, k in zip(batch.x, batch.y, kept, strict=True)]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    write_episodes(tmp_path, "train", EPISODES)
    return write_episodes(tmp_path, "val", [IDS[:9]])


def test_episodes_are_read_with_their_masks(made: Path) -> None:
    found = train_of(read(made))
    assert whole_rows(found) == EPISODES
    assert found.has_masks and found.marks_any and not found.packed
    batch = found.gather(np.array([1]), 16, masked=True)
    assert batch.mask is not None
    marks = (np.arange(70) % 3 > 0)[21:33]
    assert np.array_equal(batch.mask[0], np.pad(marks, (0, 4)))


def test_files_are_mapped_and_not_read(made: Path) -> None:
    assert isinstance(train_of(read(made)).shards[0], np.memmap)


@pytest.mark.parametrize("first", ["", "shard_00000"])
def test_every_shard_is_read_the_one_beside_the_others_too(tmp_path: Path, first: str) -> None:
    for number, episodes in ((0, EPISODES[:2]), (1, EPISODES[2:])):
        name = f"shard_{number:05d}" if number else first
        write_episodes(tmp_path, f"train/{name}", episodes)
    write_episodes(tmp_path, "val", [IDS[:9]])
    assert whole_rows(train_of(read(tmp_path))) == EPISODES


def test_weights_are_preferred_to_marks(tmp_path: Path) -> None:
    weights = [[0.0, 1.0, 2.0, 1.5]]
    write_episodes(tmp_path, "train", [IDS[:4]], mask=weights, weights=True)
    write_episodes(tmp_path, "val", [IDS[:4]], mask=[[0, 1, 1, 0]])
    found = read(tmp_path)
    masks = [split.gather(np.array([0]), 4, masked=True).mask for split in (found.train, found.val) if split]
    assert [mask.tolist() for mask in masks if mask is not None] == [
        [[1.0, 2.0, 1.5, 0.0]],
        [[1.0, 1.0, 0.0, 0.0]],
    ]


def test_a_mask_of_uint32_is_told_by_its_size(made: Path) -> None:
    mask = made / "train" / "mask.bin"
    before = train_of(read(made)).gather(np.arange(3), 16, masked=True).mask
    np.fromfile(mask, "u1").astype("<u4").tofile(mask)
    after = train_of(read(made)).gather(np.arange(3), 16, masked=True).mask
    assert before is not None and after is not None and np.array_equal(before, after)


def test_a_set_without_masks_may_be_trained_on_whole(made: Path) -> None:
    for split in ("train", "val"):
        (made / split / "mask.bin").unlink()
    found = train_of(read(made))
    assert not found.has_masks and whole_rows(found) == EPISODES


def test_the_metadata_may_name_another_type(made: Path) -> None:
    for split in ("train", "val"):
        file = made / split / "tokens.bin"
        np.fromfile(file, "<u4").astype("<u2").tofile(file)
    (made / "dataset_metadata.json").write_text('{"schema": "episode_indexed_sft_v1", "dtype": "uint16"}')
    assert whole_rows(train_of(read(made))) == EPISODES


def test_a_loader_gives_whole_batches_of_few_episodes(made: Path) -> None:
    shape = {"batch_size": 8, "block_size": 16, "vocab_size": 29, "n_embd": 8, "n_head": 2, "n_layer": 1}
    config = GPTConfig.for_new_model(**shape, dropout=0.0, device="cpu", use_loss_mask=True)
    loader = GPTDataLoader(config, dataset_dir=made)
    for split in ("train", "val", "train"):
        batch = loader.get_batch(split)
        assert batch.x.shape == (8, 16) and batch.mask is not None and 0 < float(batch.mask.sum()) < 8 * 16


def test_an_eval_set_needs_no_training_data(made: Path) -> None:
    shutil.rmtree(made / "train")
    assert read(made, eval_only=True).train is None
    assert refusal(made) == [
        "data/e: the train split has no episodes; expected data/e/train/episodes.idx with tokens.bin"
    ]


@pytest.mark.parametrize("name", ["tokens.bin", "mask.bin", "episodes.idx"])
def test_the_fingerprint_tells_changed_data(made: Path, name: str) -> None:
    before = read(made).fingerprint
    assert read(made).fingerprint == before
    raw = bytearray((made / "train" / name).read_bytes())
    # The length of the first episode, or the last token or mark.
    raw[8 if name == "episodes.idx" else -1 if name == "mask.bin" else -4] ^= 1
    (made / "train" / name).write_bytes(bytes(raw))
    assert read(made).fingerprint != before


def damaged(folder: Path, what: str) -> None:
    train = folder / "train"
    if what == "torn tokens":
        (train / "tokens.bin").write_bytes((train / "tokens.bin").read_bytes()[:-3])
    elif what == "no tokens":
        (train / "tokens.bin").unlink()
    elif what == "empty":
        (train / "tokens.bin").write_bytes(b"")
    elif what == "torn index":
        (train / "episodes.idx").write_bytes((train / "episodes.idx").read_bytes()[:-5])
    elif what == "empty index":
        (train / "episodes.idx").write_bytes(b"")
    elif what == "no index":
        (train / "episodes.idx").unlink()
    elif what == "beyond":
        np.array([[0, 20], [60, 11], [2**64 - 4, 8]], "<u8").tofile(train / "episodes.idx")
    elif what == "mask":
        (train / "mask.bin").write_bytes(b"\x01" * 69)
    elif what == "weights":
        np.ones(69, "<f4").tofile(train / "mask_weighted.bin")
    elif what == "nan":
        np.full(70, np.nan, "<f4").tofile(train / "mask_weighted.bin")
    elif what == "segments":
        (train / "segment_ids.bin").write_bytes(b"\x01" * 71)
    elif what == "no segments":
        (folder / "dataset_metadata.json").write_text('{"schema": "episode_x", "packing_enabled": true}')
    elif what == "ids":
        np.array([*IDS[:69], 29], "<u4").tofile(train / "tokens.bin")
    elif what == "folder":
        (train / "mask.bin").unlink()
        (train / "segment_ids.bin").mkdir()
        (train / "tokens.bin").unlink()
        (train / "tokens.bin").mkdir()
    elif what == "val":
        shutil.rmtree(folder / "val")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("torn tokens", "data/e/train/tokens.bin: has 277 bytes, which is no whole number of 4-byte tokens"),
        ("no tokens", "data/e/train/tokens.bin: is missing"),
        ("empty", "data/e/train/tokens.bin: is empty"),
        (
            "torn index",
            "data/e/train/episodes.idx: has 43 bytes, which is no whole number of 16-byte entries",
        ),
        ("empty index", "data/e/train/episodes.idx: is empty; there is no episode in it"),
        ("no index", "data/e/train/episodes.idx: is missing"),
        (
            "beyond",
            "data/e/train/episodes.idx: episode 1 (11 tokens from 60 on) reaches beyond the 70 tokens of tokens.bin, "
            "and so do 1 others",
        ),
        (
            "mask",
            "data/e/train/mask.bin: has 69 bytes for 70 tokens; a mask has one byte (or one uint32) a token",
        ),
        (
            "weights",
            "data/e/train/mask_weighted.bin: has 276 bytes for 70 tokens; it has one float32 a token",
        ),
        ("nan", "data/e/train/mask_weighted.bin: holds a weight that is no number of 0 or more"),
        ("segments", "data/e/train/segment_ids.bin: has 71 bytes for 70 tokens; it has one byte a token"),
        (
            "no segments",
            "data/e/train/segment_ids.bin: is missing, although the metadata says that the set is packed",
        ),
        ("ids", "data/e/train/tokens.bin: holds the token id 29, but the vocabulary ends at 28"),
        ("folder", "data/e/train/tokens.bin: is missing"),
        ("val", "data/e: the val split has no episodes"),
    ],
)
def test_bad_files_are_named_with_what_was_expected(made: Path, what: str, said: str) -> None:
    damaged(made, what)
    assert said in "\n".join(refusal(made))


def test_all_that_is_wrong_is_said_at_once(made: Path) -> None:
    for what in ("ids", "beyond", "mask", "segments"):
        damaged(made, what)
    (made / "val" / "tokens.bin").write_bytes(b"123")
    files = [line.split(":")[0].removeprefix("data/e/") for line in refusal(made)]
    assert files == [
        *("train/tokens.bin", "train/episodes.idx", "train/mask.bin", "train/segment_ids.bin"),
        "val/tokens.bin",
    ]


def test_no_episode_that_is_long_enough(made: Path) -> None:
    said = refusal(made, episodes=EpisodeOptions(min_tokens=38))
    assert said == [
        f"data/e: no episode of the {split} split has 38 tokens or more (the longest has {n}); prepare more data, or "
        "lower episode_min_tokens"
        for split, n in (("train", 37), ("val", 9))
    ]


def test_the_originals_own_episodes(samples: Path) -> None:
    folder = samples / "original" / "datasets" / "sft_episodes"
    metadata = json.loads((folder / "dataset_metadata.json").read_text())
    found = read(folder, vocab_size=50304, block_size=128)
    train = train_of(found)
    assert (train.tokens, found.val.tokens) == (metadata["num_train_tokens"], metadata["num_val_tokens"])
    assert (train.episodes, found.val.windows(128)) == (20, 4)
    batch = train.gather(np.arange(20), 256, masked=True)
    assert batch.mask is not None and batch.mask.sum() == metadata["num_train_mask_tokens"]
    assert set(batch.x[:, 0].tolist()) == {50257}
    # What a sequence of 128 cannot hold is cut off at the beginning, so each still ends with the end of the chat.
    short = train.gather(np.arange(20), 128, masked=True)
    assert short.mask is not None
    last = short.mask.shape[1] - 1 - short.mask[:, ::-1].argmax(1)
    assert {int(short.y[row, place]) for row, place in enumerate(last)} == {50275}
