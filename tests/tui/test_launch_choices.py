from __future__ import annotations

import json
from pathlib import Path

import pytest

from mypt.bundle import check_model_name
from tui.screens.launch import choices

TINY = {
    "batch_size": 2,
    "block_size": 8,
    "vocab_size": 64,
    "n_embd": 8,
    "n_head": 1,
    "n_layer": 1,
    "dropout": 0.0,
    "bias": False,
}


def write_preset(workspace: Path, name: str, **values: object) -> None:
    path = workspace / "configs" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(TINY | values), encoding="utf-8")


def test_presets_come_with_their_real_size_and_broken_ones_with_what_is_wrong(tmp_path: Path) -> None:
    write_preset(tmp_path, "mine", description="my own")
    write_preset(tmp_path, "deep/er")
    write_preset(tmp_path, "wrong", n_hed=3)
    (tmp_path / "configs" / "cut.json").write_text('{"n_layer": 3,', encoding="utf-8")
    found = choices.order(choices.presets(tmp_path))
    by_label = {p.label: p for p in found}
    mine = by_label["mine"]
    # 64·8 embedding and head each, 8·8 positions, a block of 12·8·8 and three norms of 8.
    assert mine.parameters == 2 * 64 * 8 + 8 * 8 + 12 * 8 * 8 + 3 * 8
    assert (mine.key, mine.about, mine.problem) == ("configs/mine.json", "my own", "")
    assert by_label["deep/er"].key == "configs/deep/er.json"
    assert "did you mean n_head?" in by_label["wrong"].problem
    assert "cut short" in by_label["cut"].problem
    assert by_label["150M"].key == "150M" and by_label["150M"].parameters
    labels = [p.label for p in found]
    assert set(labels[:2]) == {"mine", "deep/er"}, "the workspace's own come first"
    assert set(labels[-2:]) == {"wrong", "cut"}, "broken ones come last"


def test_texts_and_datasets_of_the_workspace_are_found(tmp_path: Path) -> None:
    for name in ("input.txt", "notes.md", "data/more.txt", "photo.png", ".hidden.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x" * 100)
    for name in (
        "data/corpus/train/a.bin",
        "data/web/10B/train/0/a.bin",
        "mine/train.bin",
        "llm/x_train_000.bin",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\0" * 2000)
    (tmp_path / "src" / "train").mkdir(parents=True)
    found = {(c.field, c.value): c.detail for c in choices.data(tmp_path)}
    assert ("input_file", "builtin:stories") in found and ("input_file", "builtin:python") in found
    assert {v for f, v in found if f == "input_file" and ":" not in v} == {
        "input.txt",
        "notes.md",
        "data/more.txt",
    }
    assert {v for f, v in found if f == "dataset_dir"} == {"data/corpus", "data/web/10B", "mine", "llm"}
    assert found["input_file", "input.txt"] == "100 B" and found["dataset_dir", "mine"] == "2 kB"


@pytest.mark.parametrize(
    "stem", ["tiny", "[red]x[/]", "..", "a b", "deep/er", "x_gold", "\x1b[31m", "é" * 300, "-x"]
)
def test_a_suggested_name_is_always_a_good_one(stem: str) -> None:
    first = choices.suggest_name(stem, lambda name: False)
    assert check_model_name(first) == []
    taken = {first, f"{first}-2"}
    assert choices.suggest_name(stem, taken.__contains__) == f"{first}-3"


def test_a_preset_that_lies_elsewhere_is_listed_when_asked_for(tmp_path: Path) -> None:
    workspace = tmp_path / "work"
    workspace.mkdir()
    write_preset(tmp_path, "far")
    path = str(tmp_path / "configs" / "far.json")
    found = choices.find_all(workspace, path, {"max_iters": 7, "seed": None, "nonsense": 1})
    chosen = choices.find(found.presets, path)
    assert chosen is not None and chosen.key == path and not chosen.problem
    assert found.given == {"max_iters": "7"}
    missing = choices.find_all(workspace, "nowhere", {})
    assert "no such preset" in missing.presets[0].problem
