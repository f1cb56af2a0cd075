from __future__ import annotations

import json
from pathlib import Path

import pytest

from mypt.cli import main
from mypt.settings.presets import shipped_directory


def table(workspace: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert main(["--workspace", str(workspace), "show-configs"]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_head_is_the_seed_s_and_columns_make_room_for_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = {"150M.json": "GPT-150M", "200M.json": "GPT-200M", "250M.json": "GPT-250M"}
    seeds |= {"small.json": "GPT-Small", "tiny.json": "GPT-Tiny"}
    (tmp_path / "configs").mkdir()
    for name in seeds:
        (tmp_path / "configs" / name).write_bytes((shipped_directory() / name).read_bytes())
    monkeypatch.setattr("mypt.settings.presets.shipped_directory", lambda: tmp_path / "none")
    lines = table(tmp_path, capsys)
    assert lines[:6] == [
        "=" * 70,
        "Available Model Configurations",
        "=" * 70,
        "",
        "File                 Name            Params       Layers   Heads    Embed",
        "-------------------- --------------- ------------ -------- -------- --------",
    ]
    assert lines[6] == "150M.json            GPT-150M        152.10M      16       12       768"
    assert [line.split()[:2] for line in lines[6:11]] == [list(pair) for pair in seeds.items()]
    preset = json.loads((shipped_directory() / "tiny.json").read_text())
    preset["name"] = "A name that is\nlonger than its column"
    (tmp_path / "configs" / "a_file_of_a_long_name.json").write_text(json.dumps(preset))
    wide = table(tmp_path, capsys)[4:]
    starts = {line.index("16  ") for line in wide if line.startswith(("150M", "200M", "250M"))}
    assert starts == {wide[0].index("Layers")}
    assert any("A name that is\\x0alonger than its column" in line for line in wide)


def test_a_workspace_without_whole_presets_has_a_table_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mypt.settings.presets.shipped_directory", lambda: tmp_path / "none")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "broken.json").write_text("{")
    assert any(line.startswith("broken.json          broken: ") for line in table(tmp_path, capsys))


@pytest.mark.parametrize(
    ("preset", "data"),
    [
        ("150M", "--input_file input.txt"),
        ("150M_chat_sft", "--init_from_model BASE --dataset_dir data/chat"),
        # A text would take the place of its curriculum.
        ("750M_unified", ""),
    ],
)
def test_the_usage_suits_the_preset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], preset: str, data: str
) -> None:
    assert (
        main(["--workspace", str(tmp_path), "show-configs", "--config_file", f"configs/{preset}.json"]) == 0
    )
    usage = capsys.readouterr().out.splitlines()[-2]
    assert usage == f"  mypt train --config_file configs/{preset}.json --model_name my_model {data}".rstrip()
