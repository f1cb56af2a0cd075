from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import mypt
from mypt import bundle
from mypt.errors import UserError
from mypt.interop.formats import KEYS
from tests.interop.foreign import assert_logits
from tests.workbench import CHARS

# Operations this small are slower on several threads, and far slower beside other programs.
torch.set_num_threads(1)


@pytest.mark.parametrize(
    "place", ["checkpoints/dante", "checkpoints/dante_fp16", "checkpoints/dante/model.pt"]
)
def test_a_bundle_is_told_and_shown(
    trained_once: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    info, checkpoint = mypt.inspect_checkpoint(trained_once / place)
    assert tuple(info)[: len(KEYS)] == KEYS
    expected = ("mypt", len(CHARS), len(CHARS), 16, 1, 2, 16)
    assert tuple(info.values())[:7] == expected
    assert info["parameters"] == sum(
        p.numel() for p in mypt.load_bundle("dante", trained_once).model.parameters()
    )
    assert info["step"] == 8 and info["tokenizer"] == f"char, {len(CHARS)} characters"
    assert checkpoint["config"]["n_layer"] == 1 and checkpoint["training_state"]["step"] == 8
    assert "lm_head.weight" in checkpoint["state_dict"]
    shown = capsys.readouterr().out.splitlines()
    assert (
        shown[0]
        == f"Checkpoint: {(trained_once / place).parent if place.endswith('pt') else trained_once / place}"
    )
    lines = {line.split(":")[0].strip(): line.partition(": ")[2] for line in shown[1:]}
    assert lines["checkpoint_format"] == "mypt" and lines["vocab_size"] == str(len(CHARS))
    assert set(lines) == set(info)


def test_a_bundle_gives_its_model_and_prints_nothing(
    trained_once: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, info, checkpoint = mypt.load_pretrained_checkpoint(
        str(trained_once / "checkpoints" / "dante"), device="cpu"
    )
    assert capsys.readouterr().out == ""
    assert info["checkpoint_format"] == "mypt" and not model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, checkpoint["state_dict"][name])
    logits, loss = model(torch.tensor([[1, 2, 3]]), torch.tensor([[2, 3, 4]]))
    assert logits.shape == (1, 3, len(CHARS)) and loss is not None


@torch.no_grad()
def test_the_originals_single_files_are_mypt_too(samples: Path, tmp_path: Path) -> None:
    folder = samples / "original" / "checkpoints" / "a_char_learned"
    held = torch.load(folder / "model.pt", weights_only=True)["state_dict"]
    documents = {n: json.loads((folder / f"{n}.json").read_text()) for n in ("config", "tokenizer")}
    single = {**documents, "model_state_dict": held, "step": 59, "optimizer_state_dict": {"state": {}}}
    torch.save(single, tmp_path / "latest.pt")
    model, info, _ = mypt.load_pretrained_checkpoint(tmp_path / "latest.pt")
    assert (info["checkpoint_format"], info["step"], info["tokenizer"]) == ("mypt", 59, "char, 55 characters")
    with np.load(samples / "original" / "reference_a_char_learned.npz") as reference:
        ids, wanted = (torch.from_numpy(reference[name]) for name in ("ids", "logits_main"))
        assert_logits(model, ids.long(), wanted)


def test_a_single_file_without_its_context_is_refused(trained_once: Path, tmp_path: Path) -> None:
    info = bundle.find(trained_once / "checkpoints", "dante")
    held = torch.load(info.path / "model.pt", weights_only=True)["state_dict"]
    config = {name: value for name, value in info.config.items() if name != "block_size"}
    torch.save({"config": config, "tokenizer": info.tokenizer, "state_dict": held}, tmp_path / "latest.pt")
    with pytest.raises(UserError, match=r"latest.pt: block_size: is missing"):
        mypt.load_pretrained_checkpoint(tmp_path / "latest.pt")


@torch.no_grad()
@pytest.mark.parametrize("kind", ["main", "gold", "fp16"])
def test_logits_of_the_originals_bundles(kind: str, samples: Path) -> None:
    name = "a_char_learned" + ("" if kind == "main" else f"_{kind}")
    model, _, _ = mypt.load_pretrained_checkpoint(samples / "original" / "checkpoints" / name)
    with np.load(samples / "original" / "reference_a_char_learned.npz") as reference:
        ids, wanted = (torch.from_numpy(reference[each]) for each in ("ids", f"logits_{kind}"))
        assert_logits(model, ids.long(), wanted)


def test_the_originals_bundles_are_mypt_too(samples: Path) -> None:
    for suffix in ("", "_gold", "_fp16"):
        path = samples / "original" / "checkpoints" / f"a_char_learned{suffix}"
        model, info, _ = mypt.load_pretrained_checkpoint(path)
        assert (info["checkpoint_format"], info["vocab_size"], info["model_dim"]) == ("mypt", 55, 48)
        assert info["parameters"] == model.num_parameters()


def test_a_raw_state_dict_from_a_wrapped_model(trained: Path) -> None:
    file = trained / "checkpoints" / "dante" / "model.pt"
    state = torch.load(file, weights_only=True)["state_dict"]
    torch.save({f"_orig_mod.{name}": value for name, value in state.items()}, file)
    (file.parent / "manifest.json").unlink()
    model, _, checkpoint = mypt.load_pretrained_checkpoint(file.parent)
    assert torch.equal(model.state_dict()["lm_head.weight"], state["lm_head.weight"])
    assert set(checkpoint) == {"state_dict", "config", "tokenizer", "training_state"}


def test_other_programs_checkpoints_are_refused_by_what_they_hold(samples: Path, tmp_path: Path) -> None:
    torch.save({"model": {"encoder.layers.0.weight": torch.ones(2)}}, tmp_path / "other.pt")
    with pytest.raises(UserError) as refused:
        mypt.inspect_checkpoint(tmp_path / "other.pt")
    assert "is of no format that this version reads: its weights are called encoder." in str(refused.value)
    assert "it reads: MyPT (a folder with config.json and model.pt" in str(refused.value)
    with pytest.raises(UserError, match=r"has no model\.pt and no \*\.safetensors"):
        mypt.inspect_checkpoint(samples)
    with pytest.raises(UserError, match="no such checkpoint"):
        mypt.load_pretrained_checkpoint(tmp_path / "none.pt")


def test_weights_of_ours_without_their_config_are_no_checkpoint(trained: Path) -> None:
    lone = trained / "lone.pt"
    shutil.copy(trained / "checkpoints" / "dante" / "model.pt", lone)
    with pytest.raises(UserError, match="is of no format"):
        mypt.inspect_checkpoint(lone)


class Attack:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (Path("attacked"), "x"))


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Attack()}, tmp_path / "evil.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(UserError, match="could run code"):
        mypt.inspect_checkpoint("evil.pt")
    with pytest.raises(UserError):
        mypt.inspect_checkpoint("plain.pt")
    assert not (tmp_path / "attacked").exists()
