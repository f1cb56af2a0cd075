from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mypt import bundle
from mypt.bundle import (
    Kind,
    find,
    list_bundles,
    read_info,
    read_json_object,
)
from mypt.errors import UserError
from tests.bundle.saved import save

SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "original" / "checkpoints"


def test_a_size_that_is_not_that_of_the_manifest_is_told(tmp_path: Path) -> None:
    path = save(tmp_path, "dante", 1)
    save(tmp_path, "other", 1)
    os.truncate(path / "model.pt", 10)
    (path / "optimizer.pt").unlink()
    problem = read_info(path).problem
    assert "model.pt has 10 bytes instead of 1000" in problem and "optimizer.pt is missing" in problem
    assert read_info(tmp_path / "other").problem == ""
    with pytest.raises(UserError, match=r"broken.*model\.pt has 10 bytes"):
        find(tmp_path, "dante")


def test_a_document_edited_by_hand_is_told_as_that_and_still_read(tmp_path: Path) -> None:
    path = save(tmp_path, "dante", 1)
    state = json.loads((path / "training_state.json").read_text())
    (path / "training_state.json").write_text(json.dumps(state | {"step": 77}, indent=9))
    info = read_info(path)
    assert info.problem.startswith("training_state.json is not as it was saved (")
    assert info.was_read and info.step == 77
    with pytest.raises(UserError, match=r"remove manifest\.json to take the checkpoint as it is now"):
        find(tmp_path, "dante")
    (path / "manifest.json").unlink()
    assert find(tmp_path, "dante").step == 77


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.pt"])
def test_a_missing_file_is_named_once(tmp_path: Path, name: str) -> None:
    (save(tmp_path, "dante", 1) / name).unlink()
    info = read_info(tmp_path / "dante")
    assert info.problem == f"{name} is missing"
    assert info.remedy.startswith("restore the file")


def test_a_step_that_no_run_can_be_at_is_told(tmp_path: Path) -> None:
    path = save(tmp_path, "dante", 3)
    (path / "manifest.json").unlink()
    (path / "training_state.json").write_text('{"step": -1, "progress": {}}')
    assert read_info(path).problem == "training_state.json has a step below 0 (-1)"
    (path / "training_state.json").write_text('{"step": -1}')
    assert not read_info(path).problem


def test_a_config_without_what_no_default_can_stand_for_is_told(tmp_path: Path) -> None:
    path = save(tmp_path, "dante", 3)
    (path / "manifest.json").unlink()
    for field in bundle.SHAPE:
        (path / "config.json").write_text(json.dumps({**dict.fromkeys(bundle.SHAPE, 2), field: None}))
        assert read_info(path).problem == f"config.json has no {field}"
        with pytest.raises(
            UserError, match=rf"dante: .*config.json has no {field}; write it into the file as"
        ):
            find(tmp_path, "dante")
    (path / "config.json").write_text('{"n_embd": ' + "9" * 400 + "}")
    assert read_info(path).problem == "config.json: holds a value that cannot be read: a number of 400 digits"
    (path / "config.json").write_text("{}")
    wanted = "config.json has no block_size, vocab_size, n_embd, n_head, n_layer"
    assert [info.problem for info in list_bundles(tmp_path)] == [wanted]


@pytest.mark.parametrize("name", ["config.json", "training_state.json", "tokenizer.json"])
def test_json_cut_short_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, "dante", 1)
    (path / name).write_text('{\n  "a": 1,\n  "b": [1, 2')
    problem = read_info(path).problem
    assert f"{name}: cut short at line 3" in problem


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.binary(max_size=50), st.text(max_size=30).map(lambda t: json.dumps({"step": t}).encode()))
)
def test_no_content_makes_reading_raise(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "dante"
    path.mkdir(exist_ok=True)
    for name in (bundle.CONFIG, bundle.STATE, bundle.TOKENIZER, bundle.MODEL, bundle.MANIFEST):
        (path / name).write_bytes(raw)
    info = read_info(path)
    assert info.problem == "" or info.problem.isprintable()
    assert info.step is None and info.base is None and info.training_config == {}


def test_json_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a":' * 200_000)
    with pytest.raises(UserError, match=r"x\.json"):
        read_json_object(tmp_path / "x.json")


def test_every_bundle_is_listed_broken_ones_too(tmp_path: Path) -> None:
    save(tmp_path, "b", 1)
    save(tmp_path, "a_gold", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / ".tmp.1.c").mkdir()
    (tmp_path / "file").touch()
    assert [(i.name, i.kind, bool(i.problem)) for i in list_bundles(tmp_path)] == [
        ("a_gold", Kind.GOLD, False),
        ("b", Kind.LAST, False),
        ("empty", Kind.LAST, True),
    ]
    assert list_bundles(tmp_path / "missing") == []


def test_lineage_is_read(tmp_path: Path) -> None:
    path = save(tmp_path, "chat", 1)
    (path / "training_state.json").write_text(
        json.dumps({"step": True, "base": {"name": "dante", "step": 5}})
    )
    info = read_info(path)
    assert info.base == "dante" and info.step is None


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample checkpoints are not beside the repository")
def test_bundles_of_the_original_are_whole() -> None:
    infos = list_bundles(SAMPLES)
    assert [(i.model_name, i.kind, i.problem) for i in infos] == [
        ("a_char_learned", Kind.LAST, ""),
        ("a_char_learned", Kind.FP16, ""),
        ("a_char_learned", Kind.GOLD, ""),
    ]
    assert infos[0].config["n_layer"] == 2 and infos[0].tokenizer["token_kind"] == "char"
