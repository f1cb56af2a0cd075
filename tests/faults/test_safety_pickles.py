"""A pickle with code in it, in each place where one could lie, and every command that comes by: the code never runs."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.faults.bad.judge import refusal
from tests.workbench import TINY, write_dataset


class Attack:
    """What a careless reader runs: it leaves the file `marker`."""

    def __init__(self, marker: Path, how: str) -> None:
        self.marker, self.how = marker, how

    def __reduce__(self) -> tuple[Any, ...]:
        if self.how == "open":
            return (open, (str(self.marker), "w"))
        if self.how == "system":
            return (os.system, (f"touch '{self.marker}'",))
        return (eval, (f"open({str(self.marker)!r}, 'w')",))


def bare(content: object, file: Path) -> None:
    file.write_bytes(pickle.dumps(content, protocol=2))


def by_torch(content: object, file: Path) -> None:
    torch.save(content, file)


def by_old_torch(content: object, file: Path) -> None:
    torch.save(content, file, _use_new_zipfile_serialization=False)


def in_a_zip(content: object, file: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
        archive.writestr("archive/version", "3")
        archive.writestr("archive/constants.pkl", pickle.dumps(content, protocol=2))
    file.write_bytes(held.getvalue())


FORMS: dict[str, Callable[[object, Path], None]] = {
    "bare": bare,
    "torch": by_torch,
    "old torch": by_old_torch,
    "zip": in_a_zip,
}
#: Where one lies, and who comes by. Of a bundle the weights and the optimizer; then what others may have left.
COMMANDS: dict[str, Sequence[Sequence[str]]] = {
    "checkpoints/dante/model.pt": (
        ("train", "--model_name", "dante", "--max_iters", "9"),
        ("train", "--model_name", "dante", "--max_iters", "9", "--dry_run"),
        ("train", "--model_name", "new", "--init_from_model", "dante", *TINY),
        ("generate", "--model_name", "dante", "--max_new_tokens", "2"),
        ("inspect", "--model_name", "dante"),
        ("export", "dante", "--output_dir", "out"),
        ("import", "checkpoints/dante", "--model_name", "again"),
        ("import", "checkpoints/dante/model.pt", "--dry_run", "--json"),
        ("compare", "dante", "dante_gold"),
        (
            "finetune-classifier",
            "--init_from_model",
            "dante",
            "--model_name",
            "c",
            "--data",
            "t.csv",
            "--text",
            "text",
        ),
        ("classify", "--model_name", "dante", "--text", "a"),
        ("status", "--json"),
        ("tokenizer", "show", "dante", "--text", "a"),
    ),
    "checkpoints/dante/optimizer.pt": (
        ("train", "--model_name", "dante", "--max_iters", "9"),
        ("train", "--model_name", "new", "--init_from_model", "dante", *TINY, "--max_iters", "1"),
        ("inspect", "--model_name", "dante"),
        ("compare", "dante", "dante_gold", "--details"),
    ),
    "foreign/ckpt.pt": (
        ("import", "foreign/ckpt.pt", "--model_name", "i"),
        ("import", "foreign", "--dry_run"),
    ),
    "foreign/pytorch_model.bin": (("import", "foreign", "--model_name", "i"),),
    "foreign/latest.pt": (
        ("import", "foreign/latest.pt", "--model_name", "i", "--tokenizer", "foreign/latest.pt"),
    ),
    "foreign/model.safetensors": (("import", "foreign/model.safetensors", "--model_name", "i"),),
    "foreign/tokenizer.json": (("tokenizer", "show", "foreign/tokenizer.json"),),
    "nano/meta.pkl": (
        ("train", "--model_name", "n", "--dataset_dir", "nano", *TINY[4:]),
        ("import", "whole.pt", "--model_name", "i", "--tokenizer", "nano/meta.pkl"),
    ),
    "nano/train.bin": (
        ("train", "--model_name", "n", "--dataset_dir", "nano", *TINY[4:], "--tokenization", "gpt2"),
    ),
    "data/train/shard_00000.bin": (("train", "--model_name", "d", "--dataset_dir", "data", *TINY[4:]),),
    "input.txt": (
        ("train", "--model_name", "d", *TINY),
        ("prepare", "input.txt", "--output_dir", "p", "--tokenization", "char"),
    ),
}


@pytest.fixture(scope="module")
def ground(trained_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ground") / "ground"
    shutil.copytree(trained_once, root)
    (root / "checkpoints" / "dante" / "manifest.json").unlink(missing_ok=True)
    write_dataset(root / "data", train=[[1, 2, 3] * 40], val=[[1, 2, 3] * 20])
    (root / "t.csv").write_text("text,label\na,x\nb,y\n" * 8)
    (root / "foreign").mkdir()
    (root / "nano").mkdir()
    for name in ("train.bin", "val.bin"):
        (root / "nano" / name).write_bytes(b"\1\0\2\0" * 200)
    shutil.copy(root / "checkpoints" / "dante" / "model.pt", root / "whole.pt")
    return root


@pytest.mark.parametrize("place", COMMANDS)
def test_code_in_a_pickle_never_runs(
    ground: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "ran"
    for number, words in enumerate(COMMANDS[place]):
        # Each command with one form, each form with some command.
        form = list(FORMS)[(number + len(place)) % len(FORMS)]
        how = ("open", "system", "eval")[number % 3]
        workspace = Path(shutil.copytree(ground, tmp_path / f"w{number}"))
        attack = Attack(marker, how)
        content = {"state_dict": attack, "model": attack, "state": attack, "itos": attack, "config": attack}
        FORMS[form](content, workspace / place)
        monkeypatch.chdir(workspace)
        said = refusal("--workspace", str(workspace), *words)
        assert not marker.exists(), (form, how, words)
        looks = "--dry_run" in words and words[0] == "train"
        if words[0] in ("train", "generate", "import", "classify") and not looks:
            assert said or place.endswith("optimizer.pt"), f"{words} took it"
        shutil.rmtree(workspace)


def test_a_reader_without_care_would_run_it(tmp_path: Path) -> None:
    for how in ("open", "system", "eval"):
        for name, write in FORMS.items():
            marker, file = tmp_path / f"{how} {name}", tmp_path / "file"
            write({"model": Attack(marker, how)}, file)
            if name == "zip" or name == "torch":
                with zipfile.ZipFile(file) as archive:
                    inner = next(entry for entry in archive.namelist() if entry.endswith("data.pkl"))
                    pickle.loads(archive.read(inner))
            elif name == "bare":
                pickle.loads(file.read_bytes())
            else:
                torch.load(file, weights_only=False)
            assert marker.exists(), (how, name)


def test_records_that_name_files_of_others_open_none_of_them(ground: Path, tmp_path: Path) -> None:
    """A training state whose optimizer lies elsewhere, a manifest that lists others' files."""
    workspace = Path(shutil.copytree(ground, tmp_path / "w"))
    marker = tmp_path / "ran"
    bare(Attack(marker, "open"), tmp_path / "evil.pt")
    state = workspace / "checkpoints" / "dante" / "training_state.json"
    values = json.loads(state.read_text())
    state.write_text(json.dumps({**values, "optimizer_file": "../../../evil.pt"}))
    (state.parent / "manifest.json").write_text(
        json.dumps({"files": {"../../../evil.pt": 3, "/etc/passwd": 1}})
    )
    refusal("--workspace", str(workspace), "train", "--model_name", "dante", "--max_iters", "9")
    refusal("--workspace", str(workspace), "inspect", "--model_name", "dante")
    assert not marker.exists() and (tmp_path / "evil.pt").exists()
