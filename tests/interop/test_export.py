from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mypt
from mypt.errors import RunError, UserError
from mypt.interop.export import plan, write
from mypt.runs.lock import ModelLock
from mypt.tokenizers import create
from tests.interop.test_export_hf import LLAMA, model_of, tokenizer_of
from tests.model import modded_models
from tests.workbench import listing


def made(root: Path, name: str = "m", **shape: Any) -> Path:
    tokenizer = tokenizer_of("char")
    folder = root / "checkpoints" / name
    return mypt.save_checkpoint_bundle(model_of(tokenizer, **shape), folder, step=7, tokenizer=tokenizer)


def refused(root: Path, **how: Any) -> str:
    before = listing(root)
    with pytest.raises(UserError) as error:
        mypt.export("m", workspace=root, **how)
    assert listing(root) == before
    return str(error.value)


@pytest.mark.parametrize(
    ("shape", "field", "value"),
    [
        ({"norm_type": "rmsnorm"}, "norm_type", "rmsnorm"),
        ({"mlp_type": "swiglu"}, "mlp_type", "swiglu"),
        ({**LLAMA, "norm_type": "layernorm"}, "norm_type", "layernorm"),
        ({**LLAMA, "mlp_type": "gelu"}, "mlp_type", "gelu"),
        ({"n_kv_head": 2}, "n_kv_head", "2"),
        ({"head_dim": 12}, "head_dim", "12"),
        ({"head_rows": 200}, "head_rows", "200"),
    ],
)
def test_what_has_no_counterpart_is_named_and_nothing_written(
    shape: dict[str, Any], field: str, value: str, tmp_path: Path
) -> None:
    made(tmp_path, **shape)
    said = refused(tmp_path)
    assert f"m/config.json: {field}: has no exact counterpart" in said and value in said
    assert len(said.splitlines()) == 1


def test_all_fields_in_the_way_are_named_at_once(tmp_path: Path) -> None:
    made(tmp_path, norm_type="rmsnorm", mlp_type="swiglu")
    assert [line.split(": ")[1] for line in refused(tmp_path).splitlines()] == ["norm_type", "mlp_type"]


def test_a_head_bias_is_judged_by_its_numbers(tmp_path: Path) -> None:
    folder = made(tmp_path, head_bias=True)
    assert (mypt.export("m", workspace=tmp_path) / "config.json").is_file()
    shutil.rmtree(tmp_path / "exports")
    model, _, _ = mypt.load_pretrained_checkpoint(folder)
    model.state_dict()["lm_head.bias"][3] = -0.25
    mypt.save_checkpoint_bundle(model, folder, tokenizer=tokenizer_of("char"))
    assert "lm_head.bias: is not zero (up to 0.25)" in refused(tmp_path)
    # As a copy of our own it is as it was.
    half = mypt.export("m", "bf16", workspace=tmp_path)
    assert float(mypt.load_bundle(half).model.state_dict()["lm_head.bias"][3]) == -0.25


def test_other_architectures_are_refused_by_name(tmp_path: Path) -> None:
    network = modded_models.model()
    tokenizer = create("char", text="abcdefghijklmnopqrstuvwxyz")
    mypt.save_checkpoint_bundle(network, tmp_path / "checkpoints" / "m", tokenizer=tokenizer)
    said = refused(tmp_path)
    assert "arch: is an architecture that transformers does not have" in said and "'modded_small'" in said
    half = mypt.load_bundle(mypt.export("m", "bf16", workspace=tmp_path)).model.state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(half[name], value.to(torch.bfloat16).float())


def test_the_originals_bundles_have_a_head_bias_in_the_way(samples: Path, tmp_path: Path) -> None:
    source = samples / "original" / "checkpoints" / "a_char_learned"
    with pytest.raises(UserError, match=r"lm_head\.bias: is not zero"):
        mypt.export(source, output_dir="out", workspace=tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("format", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_a_light_copy_is_a_bundle_like_the_trainers_own(
    format: str, dtype: torch.dtype, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = trained / "checkpoints" / "dante_fp16"
    shutil.copytree(own, trained / "before")
    if format == "fp16":
        shutil.rmtree(own)
    place = mypt.export("dante", format, workspace=trained)
    assert place == (own if format == "fp16" else trained / "exports" / "dante_bf16")
    if format == "fp16":
        assert listing(place).keys() == listing(trained / "before").keys()
        for file in ("config.json", "tokenizer.json"):
            assert (place / file).read_bytes() == (trained / "before" / file).read_bytes()
        states = [json.loads((p / "training_state.json").read_text()) for p in (place, trained / "before")]
        assert states[0] == states[1]
    info, checkpoint = mypt.inspect_checkpoint(place)
    assert info["step"] == 8 and info["dtype"] == str(dtype).removeprefix("torch.")
    full = mypt.load_bundle("dante", trained).model.state_dict()
    for name, value in checkpoint["state_dict"].items():
        assert torch.equal(value, full[name].to(dtype))
    assert "optimizer.pt" not in listing(place)
    assert mypt.load_bundle(place).generate("the ", max_new_tokens=3, seed=1)


def test_how_to_load_it_is_said_so_that_it_works(trained: Path) -> None:
    for place, name in (
        (None, "dante_fp16"),
        ("exports/half", "exports/half"),
        # A mere name is looked for among the checkpoints first, and there is one there.
        ("dante_gold", str(trained / "dante_gold")),
    ):
        planned = plan("dante", "fp16", place, overwrite=True, workspace=trained)
        assert planned.load == f"mypt generate --model_name {name}"
        write(planned, trained)
        assert mypt.load_bundle(name, trained).info.path.samefile(planned.target)


def test_a_gold_is_copied_aside_and_not_over_the_copy_of_the_last(trained: Path) -> None:
    before = listing(trained / "checkpoints")
    assert mypt.export("dante_gold", "fp16", workspace=trained) == trained / "exports" / "dante_gold_fp16"
    assert listing(trained / "checkpoints") == before


def test_an_export_that_is_there_stays_unless_asked(tmp_path: Path) -> None:
    made(tmp_path)
    folder = mypt.export("m", workspace=tmp_path)
    (folder / "config.json").write_text("{}")
    assert "output_dir: is there already (got 'exports/m_hf')" in refused(tmp_path)
    assert "--overwrite" in refused(tmp_path)
    mypt.export("m", workspace=tmp_path, overwrite=True)
    assert "GPT2LMHeadModel" in (folder / "config.json").read_text()
    assert sorted(p.name for p in folder.parent.iterdir()) == ["m_hf"]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (lambda root: root / "notes", "holds other things than such an export (diary.txt)"),
        (lambda root: root / "checkpoints" / "m", "is the checkpoint itself"),
        (lambda root: root / "checkpoints", "holds other things than such an export (m"),
        (lambda root: root, "holds other things than such an export (checkpoints, notes, paper)"),
        (lambda root: root / "paper", "is a file"),
        (lambda root: root / "paper" / "x", "lies below paper, which is no folder"),
        (lambda root: " ", "names no folder"),
    ],
)
def test_nothing_else_is_ever_replaced(
    place: Callable[[Path], Path | str], said: str, tmp_path: Path
) -> None:
    made(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("dear")
    (tmp_path / "paper").write_text("")
    assert said in refused(tmp_path, output_dir=place(tmp_path), overwrite=True)


def test_a_checkpoint_that_training_goes_on_from_is_never_replaced_by_a_copy(trained: Path) -> None:
    with pytest.raises(UserError, match=r"other things than such an export \(optimizer\.pt\)"):
        mypt.export("dante", "fp16", "checkpoints/dante_gold", workspace=trained, overwrite=True)


def test_a_model_in_training_keeps_its_own_place(trained: Path) -> None:
    planned = plan("dante", "fp16", workspace=trained, overwrite=True)
    with (
        ModelLock(trained, "dante").acquire(command=["mypt", "train"]),
        pytest.raises(UserError, match="dante"),
    ):
        write(planned, trained)
    write(planned, trained)


def test_numbers_that_a_format_cannot_hold_are_told(tmp_path: Path) -> None:
    folder = made(tmp_path)
    model, _, _ = mypt.load_pretrained_checkpoint(folder)
    model.state_dict()["ln_f.weight"][0] = 70_000
    mypt.save_checkpoint_bundle(model, folder, tokenizer=tokenizer_of("char"))
    assert "ln_f.weight: holds numbers beyond 65504" in refused(tmp_path, format="fp16", output_dir="half")
    assert mypt.export("m", "bf16", "half", workspace=tmp_path).is_dir()


def test_a_disk_that_ends_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path)
    folder = mypt.export("m", workspace=tmp_path)
    before = listing(folder.parent)

    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mypt.interop.export_hf.write_weights", full)
    with pytest.raises(RunError, match=r"exports/m_hf: the export failed \(No space left.*intact; make room"):
        mypt.export("m", workspace=tmp_path, overwrite=True)
    assert listing(folder.parent) == before


def test_an_unknown_format_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    made(tmp_path)
    assert "format: is no format of exports (got 'gguf'); use one of: hf, fp16, bf16" in refused(
        tmp_path, format="gguf"
    )
