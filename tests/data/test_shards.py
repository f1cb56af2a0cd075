from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mypt.data.shards import Folder, read_folder
from mypt.errors import UserError
from tests.workbench import ids_of, story, write_dataset

IDS = ids_of(story(400))[:300]


def read(folder: Path, **changes: Any) -> Folder:
    return read_folder(folder, "data/d", **{"vocab_size": 29, "block_size": 16, **changes})


def refusal(folder: Path, **changes: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        read(folder, **changes)
    return [str(problem) for problem in caught.value.problems]


def tokens(folder: Folder) -> list[list[int]]:
    assert folder.train is not None
    return [list(map(int, shard)) for shard in folder.train.shards]


def test_the_originals_shards_are_uint32(tmp_path: Path) -> None:
    found = read(write_dataset(tmp_path, train=[IDS, IDS[:50]], val=[IDS[:40]]))
    assert tokens(found) == [IDS, IDS[:50]]
    assert found.val.tokens == 40 and not found.val.has_masks


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_the_metadata_names_the_type(tmp_path: Path, dtype: str) -> None:
    write_dataset(
        tmp_path, train=[IDS], val=[IDS], dtype=f"<{np.dtype(dtype).str[1:]}", metadata={"dtype": dtype}
    )
    assert tokens(read(tmp_path)) == [IDS]


def test_a_lone_train_bin_is_nanogpts(tmp_path: Path) -> None:
    for name in ("train", "val"):
        np.array(IDS, "<u2").tofile(tmp_path / f"{name}.bin")
    assert tokens(read(tmp_path)) == [IDS]


@pytest.mark.parametrize(
    ("version", "bits", "dtype"), [(1, 0, "<u2"), (2, 16, "<u2"), (2, 32, "<u4"), (2, 0, "<u4")]
)
def test_llm_c_shards_have_a_header(tmp_path: Path, version: int, bits: int, dtype: str) -> None:
    header = np.zeros(256, "<i4")
    header[:4] = 20240520, version, len(IDS), bits
    for name in ("fineweb_train_000001.bin", "fineweb_val_000000.bin"):
        (tmp_path / name).write_bytes(header.tobytes() + np.array(IDS, dtype).tobytes())
    assert tokens(read(tmp_path)) == [IDS]
    (tmp_path / "fineweb_train_000001.bin").write_bytes(
        header.tobytes() + np.array(IDS[:-7], dtype).tobytes()
    )
    assert refusal(tmp_path) == ["data/d/fineweb_train_000001.bin: has 293 tokens where its header says 300"]


@pytest.mark.parametrize("dtype", ["u1", "<u4"])
def test_masks_may_be_bytes_or_the_originals_uint32(tmp_path: Path, dtype: str) -> None:
    found = read(write_dataset(tmp_path, train=[IDS], val=[IDS], mask=dtype))
    assert found.train is not None and found.train.has_masks and len(found.train.shards) == 1
    batch = found.train.gather(np.array([0, 30]), 16, masked=True)
    assert batch.mask is not None
    wanted = [(np.arange(1, 17) + start) % 3 > 0 for start in (0, 30)]
    assert np.array_equal(batch.mask, np.array(wanted, np.float32))


def test_an_eval_set_needs_no_training_data(tmp_path: Path) -> None:
    write_dataset(tmp_path, val=[IDS])
    found = read(tmp_path, eval_only=True)
    assert found.train is None and found.val.tokens == len(IDS)
    assert refusal(tmp_path) == [
        "data/d: the train split has no shards; expected data/d/train/*.bin or data/d/train.bin"
    ]


def test_a_shard_shorter_than_a_block_is_left_out(tmp_path: Path) -> None:
    found = read(write_dataset(tmp_path, train=[IDS[:10], IDS[:40]], val=[IDS]))
    assert found.train is not None
    assert found.train.gather(found.train.places(50, 16, 1), 16).x[:, 0].tolist()
    assert found.train.windows(16) == 24


def damaged(folder: Path, what: str) -> None:
    shard = folder / "train" / "shard_00000.bin"
    if what == "torn":
        shard.write_bytes(shard.read_bytes()[:-3])
    elif what == "empty":
        shard.write_bytes(b"")
    elif what == "header":
        np.array([20240520, 1, *[0] * 254], "<i4").tofile(shard)
    elif what == "folder":
        shard.unlink()
        shard.mkdir()
    elif what == "ids":
        np.array([*IDS, 29], "<u4").tofile(shard)
    elif what == "mask":
        shard.with_name("shard_00000_mask.bin").write_bytes(b"\x01" * (len(IDS) - 1))
    elif what == "short":
        np.array(IDS[:16], "<u4").tofile(shard)
    elif what == "dtype":
        (folder / "dataset_metadata.json").write_text('{"dtype": "float32"}')
    elif what == "metadata":
        (folder / "dataset_metadata.json").write_text('{"dtype": ')
    elif what == "val":
        (folder / "val" / "shard_00001.bin").unlink()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("torn", "data/d/train/shard_00000.bin: has 1197 bytes, which is no whole number of 4-byte tokens"),
        ("empty", "data/d/train/shard_00000.bin: is empty"),
        ("header", "data/d/train/shard_00000.bin: holds a header and no tokens"),
        ("folder", "data/d/train/shard_00000.bin: cannot be read: Is a directory"),
        ("ids", "data/d/train/shard_00000.bin: holds the token id 29, but the vocabulary ends at 28"),
        ("mask", "data/d/train/shard_00000_mask.bin: has 299 bytes for 300 tokens"),
        ("short", "data/d: no shard of the train split is longer than block_size = 16 tokens"),
        (
            "dtype",
            "data/d/dataset_metadata.json: dtype: is not a type of token; known: uint8, uint16, uint32 (got 'float32')",
        ),
        ("metadata", "data/d/dataset_metadata.json: cut short"),
        ("val", "data/d: the val split has no shards"),
    ],
)
def test_bad_data_is_named_with_what_was_expected(tmp_path: Path, what: str, said: str) -> None:
    write_dataset(tmp_path, train=[IDS], val=[IDS])
    damaged(tmp_path, what)
    found = "\n".join(refusal(tmp_path))
    assert said in found


def test_all_bad_shards_are_named_at_once(tmp_path: Path) -> None:
    write_dataset(tmp_path, train=[IDS, IDS, IDS], val=[IDS])
    (tmp_path / "train" / "shard_00000.bin").write_bytes(b"")
    (tmp_path / "train" / "shard_00002.bin").write_bytes(b"123")
    assert len(refusal(tmp_path)) == 2


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none") == [
        "dataset_dir: no such dataset (got 'data/d'); name a folder with train/ and val/"
    ]


def test_the_fingerprint_tells_changed_data(tmp_path: Path) -> None:
    write_dataset(tmp_path, train=[IDS], val=[IDS])
    before = read(tmp_path).fingerprint
    assert read(tmp_path).fingerprint == before
    np.array([*IDS[:-1], 0], "<u4").tofile(tmp_path / "train" / "shard_00000.bin")
    assert read(tmp_path).fingerprint != before


def test_files_are_mapped_and_not_read(tmp_path: Path) -> None:
    found = read(write_dataset(tmp_path, train=[IDS], val=[IDS]))
    assert found.train is not None
    assert all(isinstance(shard, np.memmap) for shard in found.train.shards)


@pytest.mark.parametrize("phase", [1, 2])
def test_the_originals_own_datasets(samples: Path, phase: int) -> None:
    folder = samples / "original" / "datasets" / f"char_sharded_phase{phase}"
    chars = json.loads((folder / "tokenizer_state.json").read_text())["chars"]
    found = read(folder, vocab_size=len(chars))
    metadata = json.loads((folder / "dataset_metadata.json").read_text())
    assert found.train is not None
    assert len(found.train.shards) == metadata["train_shards"]
    assert found.train.tokens + found.val.tokens == metadata["total_tokens"]
    assert "".join(chars[i] for i in found.train.shards[0][:200]).strip()


def test_nanogpts_own_dataset(samples: Path) -> None:
    found = read(samples / "nanogpt" / "data", vocab_size=65)
    assert found.train is not None
    assert (found.train.tokens, found.val.tokens) == (23598 // 2, 2624 // 2)
