from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mypt.errors import UserError
from mypt.estimate import parameters
from mypt.model import GPT
from mypt.settings.fields import REQUIRED_IN_PRESET
from mypt.settings.presets import (
    Preset,
    find_preset,
    list_presets,
    load_preset,
    save_preset,
    shipped_directory,
)

BASE: dict[str, Any] = {
    "batch_size": 4,
    "block_size": 16,
    "vocab_size": 64,
    "n_embd": 16,
    "n_head": 2,
    "n_layer": 1,
    "dropout": 0.0,
    "bias": False,
}


def preset(folder: Path, **fields: Any) -> Preset:
    file = folder / "configs" / "mine.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({k: v for k, v in {**BASE, **fields}.items() if v != "(absent)"}))
    return load_preset(file)


def refusal(folder: Path, **fields: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        preset(folder, **fields)
    return [str(problem) for problem in caught.value.problems]


SHIPPED = {
    # name: layers, heads, width, parameters in millions
    "tiny": (4, 4, 192, 11.45),
    "small": (6, 6, 384, 30.03),
    "150M": (16, 12, 768, 152.1),
    "200M": (16, 14, 896, 199.4),
    "250M": (16, 16, 1024, 253.1),
    "tiny_char": (4, 4, 128, 0.86),
    "small_char": (6, 6, 384, 10.66),
    "750M_unified": (32, 20, 1280, 698.9),
    "150M_chat_sft": (16, 12, 768, 152.1),
    "200M_chat_sft": (16, 14, 896, 199.4),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_presets_are_what_their_names_say(name: str, tmp_path: Path) -> None:
    loaded = load_preset(find_preset(tmp_path, name))
    config, (layers, heads, width, millions) = loaded.config(), SHIPPED[name]
    assert (config.n_layer, config.n_head, config.n_embd) == (layers, heads, width)
    assert parameters(config) / 1e6 == pytest.approx(millions, rel=2e-3)
    assert loaded.notices == [] and loaded.name and loaded.description
    assert config.tie_weights


def test_every_shipped_preset_is_known_here() -> None:
    assert {path.stem for path in shipped_directory().glob("*.json")} == set(SHIPPED)


def test_the_unified_preset_has_the_count_of_the_contract(tmp_path: Path) -> None:
    loaded = load_preset(find_preset(tmp_path, "750M_unified"))
    assert f"{parameters(loaded.config()) / 1e6:.1f}M" == "698.9M"
    assert loaded.config().mlp_hidden == 3456
    assert [(p.name, p.until_iter) for p in loaded.values["curriculum"].phases] == [
        ("circuit_formation", 9125),
        ("balanced", None),
    ]
    assert len(loaded.values["eval_sets"]) == 4
    per_step = loaded.values["batch_size"] * loaded.values["block_size"] * loaded.values["grad_accum_steps"]
    assert per_step == 98_304


@pytest.mark.parametrize("name", ["tiny", "tiny_char"])
def test_counts_are_those_of_the_real_model(name: str, tmp_path: Path) -> None:
    config = load_preset(find_preset(tmp_path, name)).config()
    assert parameters(config) == GPT(config, seed=None).num_parameters()


@pytest.mark.parametrize("name", ["150M_chat_sft", "200M_chat_sft"])
def test_chat_presets_count_only_the_assistant(name: str, tmp_path: Path) -> None:
    values = load_preset(find_preset(tmp_path, name)).values
    assert values["use_loss_mask"] is True and values["dropout"] == 0.1


@pytest.mark.parametrize("name", REQUIRED_IN_PRESET)
def test_a_missing_field_is_named(name: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, **{name: "(absent)"})
    assert said == [f"configs/mine.json: {name}: is missing; every preset needs it"]


def test_all_that_is_wrong_with_a_file_is_said_at_once(tmp_path: Path) -> None:
    said = refusal(
        tmp_path, learning_rte=1e-3, dropout="0.1", n_layer=0, bias="(absent)", tokenization="chars"
    )
    assert len(said) == 5
    text = "\n".join(said)
    assert "learning_rte: is not known (got 0.001); did you mean learning_rate?" in text
    assert "dropout: must be a number (got '0.1')" in text
    assert "n_layer: must be at least 1 (got 0)" in text
    assert "bias: is missing" in text
    assert "tokenization: must be one of char, gpt2 or bpe (got 'chars'); did you mean char?" in text
    assert all(line.startswith("configs/mine.json: ") for line in said)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n_embd": 18, "n_head": 4}, "n_embd: must be divisible by n_head = 4 (got 18); try 16 or 20"),
        ({"n_embd": 6, "n_head": 2, "pos_encoding": "rope"}, "RoPE needs an even head size"),
        ({"freeze_layers": 2}, "freeze_layers: the model has only 1 layer (got 2)"),
        ({"gold_selection": {"external_gate": {"enabled": True}}}, "runs no outside program"),
        ({"name": 5}, "name: must be a text (got 5)"),
        ({"eval_sets": {"duration_s": "data/a"}}, "cannot be the name of a loss"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    (said,) = refusal(tmp_path, **fields)
    assert message in said


def phases(*ends: int | None, names: tuple[str, ...] = ("one", "two", "three")) -> dict[str, Any]:
    return {
        "phases": [
            {"name": name, "dataset_dir": f"data/{name}", "until_iter": end}
            for name, end in zip(names, ends, strict=False)
        ]
    }


@pytest.mark.parametrize(
    ("curriculum", "message"),
    [
        (
            phases(10, 5),
            "curriculum.phases.1.until_iter: must be more than 10, where the phase begins (got 5)",
        ),
        (phases(None, 5), "curriculum.phases.0.until_iter: only the last phase may run to the end"),
        (phases(5, None, names=("one", "one")), "two phases have one name (got 'one')"),
        ({"phases": [{"name": "a"}]}, "curriculum.phases.0.dataset_dir: is missing"),
        (
            {"phases": [{"name": "a", "dataset_dir": "d", "until": 5}]},
            "curriculum.phases.0.until: is not known (got 5); did you mean until_iter?",
        ),
    ],
)
def test_a_curriculum_goes_forward(tmp_path: Path, curriculum: dict[str, Any], message: str) -> None:
    assert any(message in line for line in refusal(tmp_path, curriculum=curriculum))


def test_the_originals_fields_are_taken(tmp_path: Path) -> None:
    loaded = preset(
        tmp_path,
        comment_lr="low",
        comment_anything={"a": 1},
        save_dtype="bf16",
        terminal_log_file="x.txt",
        token_accuracy_saturation={"enabled": True},
        gold_selection={
            "strategy": "val_loss",
            "guards": {"overfit_ratio": 3, "consecutive_rises": None},
            "external_gate": {"enabled": False, "metric_path": "x"},
        },
        use_amp=True,
        amp_dtype="bf16",
        log_file=None,
        epoch_seed=7,
        batch_sampling_mode="epoch",
        pad_token_id=None,
    )
    assert [notice.split(" ")[1] for notice in loaded.notices] == [
        "save_dtype",
        "terminal_log_file",
        "token_accuracy_saturation",
    ]
    guards = loaded.values["gold_selection"].guards
    assert (guards.overfit_ratio, guards.consecutive_rises, guards.eval_regression) == (3.0, None, 0.2)
    assert "comment_lr" not in loaded.values and "log_file" not in loaded.values
    assert loaded.values["epoch_seed"] == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"batch_size": 4,', "cut short"),
        (b"[1, 2]", "must hold one JSON object"),
        (b"\xff\xfe\x00", "is not text"),
        (b'{"a": }', "not JSON"),
    ],
)
def test_a_file_that_is_no_preset_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "broken.json"
    file.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_preset(file)
    assert message in str(caught.value) and "broken.json" in str(caught.value)


def test_a_preset_is_found_by_path_and_by_name_and_the_workspaces_own_come_first(tmp_path: Path) -> None:
    preset(tmp_path)
    own = tmp_path / "configs" / "150M.json"
    own.write_text(json.dumps(BASE))
    nested = tmp_path / "configs" / "base" / "deep.json"
    nested.parent.mkdir()
    nested.write_text(json.dumps(BASE))
    assert find_preset(tmp_path, "150M") == own
    assert find_preset(tmp_path, "configs/150M.json") == own
    assert find_preset(tmp_path, "configs/base/deep.json") == nested
    assert find_preset(tmp_path, "configs/200M.json").parent == shipped_directory()
    assert find_preset(tmp_path, str(own)) == own
    names = [path.name for path in list_presets(tmp_path)]
    assert names.count("150M.json") == 1 and "deep.json" in names and "tiny.json" in names


def test_a_preset_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_preset(tmp_path, "configs/150m.json")
    assert "did you mean 150M?; there are: " in str(caught.value)
    for name in SHIPPED:
        assert name in str(caught.value)


# ── names and places ────────────────────────────────────────────────────────────────────────────────────────────


def deep(workspace: Path, place: str, **fields: Any) -> Path:
    file = workspace / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**BASE, **fields}))
    return file


@pytest.mark.parametrize(
    "name", ["base/deep", "base/deep.json", "configs/base/deep.json", "deep", "deep.json"]
)
def test_a_preset_in_a_sub_folder_is_found(tmp_path: Path, name: str) -> None:
    file = deep(tmp_path, "configs/base/deep.json")
    assert find_preset(tmp_path, name) == file


def test_a_name_that_means_several_is_asked_about(tmp_path: Path) -> None:
    files = [deep(tmp_path, f"configs/{folder}/deep.json") for folder in ("a", "b")]
    with pytest.raises(UserError) as caught:
        find_preset(tmp_path, "deep")
    assert "is the name of several (got 'deep'); name one of: configs/a/deep.json, configs/b/deep" in str(
        caught.value
    )
    assert find_preset(tmp_path, "b/deep") == files[1]
    for name in (".", "..", ""):
        with pytest.raises(UserError, match="is a folder"):
            find_preset(tmp_path, name)


def test_a_workspaces_own_comes_first_in_a_sub_folder_as_well(tmp_path: Path) -> None:
    own = deep(tmp_path, "configs/mine/150M.json")
    assert find_preset(tmp_path, "150M") == own
    assert [p for p in list_presets(tmp_path) if p.name == "150M.json"] == [own]


@pytest.mark.parametrize("name", ["elsewhere/150M.json", "/nowhere/150M.json", "../150M"])
def test_a_path_is_not_taken_for_a_shipped_preset_of_that_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="no such preset"):
        find_preset(tmp_path / "configs", name)


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ("configs/base/deep.json", "configs/base/deep.json"),
        ("configs/mine.json", "configs/mine.json"),
        ("elsewhere/mine.json", "elsewhere/mine.json"),
    ],
)
def test_what_is_wrong_names_the_whole_path_from_the_workspace(
    tmp_path: Path, place: str, where: str
) -> None:
    file = deep(tmp_path, place, n_layer=0)
    with pytest.raises(UserError) as caught:
        load_preset(file, tmp_path)
    assert str(caught.value) == f"{where}: n_layer: must be at least 1 (got 0)"
    outside = tmp_path / "workspace"
    with pytest.raises(UserError, match=f"^{file}: n_layer"):
        load_preset(file, outside)


def test_a_folder_is_called_a_folder(tmp_path: Path) -> None:
    deep(tmp_path, "configs/base/deep.json")
    with pytest.raises(UserError) as caught:
        find_preset(tmp_path, "configs/base")
    assert str(caught.value) == (
        "config_file: is a folder (got 'configs/base'); it holds: configs/base/deep.json"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    os.mkfifo(tmp_path / "configs" / "pipe.json")
    with pytest.raises(UserError, match="is a pipe"):
        find_preset(tmp_path, "configs/pipe.json")
    assert all(path.name != "pipe.json" for path in list_presets(tmp_path))


def test_a_link_that_leads_nowhere_or_back_is_said(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    for name, target in (("gone", "nothing"), ("loop", "loop.json")):
        (tmp_path / "configs" / f"{name}.json").symlink_to(target)
    with pytest.raises(UserError, match="is a link to nothing"):
        find_preset(tmp_path, "configs/gone.json")
    with pytest.raises(UserError, match="cannot be read: Too many levels of symbolic links"):
        find_preset(tmp_path, "configs/loop.json")


# ── saving ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["mine", "mine.json", "configs/mine.json", "chat/mine", "größer"])
def test_a_saved_preset_reads_back_as_it_was(tmp_path: Path, name: str) -> None:
    values = load_preset(find_preset(tmp_path, "750M_unified")).values
    path = save_preset(tmp_path, name, {"description": "mine", **values})
    assert path.is_relative_to(tmp_path / "configs") and path.suffix == ".json"
    again = load_preset(find_preset(tmp_path, name), tmp_path)
    assert (again.values, again.description) == (values, "mine")
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "name", ["", "..", "../up", "/tmp/x", "a/../../b", "a\\b", "a\x1b", ".hidden", "x" * 300]
)
def test_a_preset_is_not_saved_outside_of_configs(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        save_preset(tmp_path, name, dict(BASE))
    assert str(caught.value).startswith("save_preset: ") and "\x1b" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_preset_is_replaced_only_where_asked(tmp_path: Path) -> None:
    path = save_preset(tmp_path, "mine", dict(BASE))
    before = path.read_bytes()
    with pytest.raises(UserError, match="exists already"):
        save_preset(tmp_path, "mine", {**BASE, "n_layer": 2})
    assert path.read_bytes() == before
    save_preset(tmp_path, "mine", {**BASE, "n_layer": 2}, overwrite=True)
    assert load_preset(path).values["n_layer"] == 2


def test_a_preset_that_could_not_be_read_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        save_preset(tmp_path, "mine", {**BASE, "n_head": 3, "learning_rte": 1, "dropout": 2})
    assert len(caught.value.problems) == 3
    assert list(tmp_path.iterdir()) == []
