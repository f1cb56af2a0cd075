"""Names that would lead elsewhere: on the command line, and in every file that names another. Nothing outside is touched."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from mypt.errors import MyptError, RunError
from mypt.fsio import write_json_atomic
from mypt.housekeeping.journal import Renaming, journal, read_journal
from mypt.housekeeping.recovery import recover
from mypt.names import why_no_name
from mypt.runs import directory, record
from mypt.watch.inventory import Workspace
from tests.faults.bad.judge import command, hostile, refusal
from tests.workbench import TINY, listing

#: None of them may become a file or a folder.
NAMES = [
    *("../../victim", "../victim", "a/../../victim", "..", ".", "a/b", "/tmp/../victim", "./victim", "a\\b"),
    *(
        "",
        " ",
        "-x",
        "--model_name",
        ".hidden",
        "a\x00b",
        "a\nb",
        "a\x1b[2Jb",
        "\u202evictim",
        "a\u200bb",
        "x" * 300,
    ),
    *(
        "é" * 130,
        "\ud800",
        "con",
        "NUL.txt",
        "a:b",
        "a|b",
        "a*",
        "x_gold",
        "x_FP16",
        "a.",
        "\uff0e\uff0e/victim",
        "~/x/",
    ),
]
#: What makes something of a name, and what reads or removes it. `{}` is the name.
MAKES: Sequence[Sequence[str]] = (
    ("train", "--model_name={}", *TINY),
    ("import", "../victim", "--model_name={}"),
    ("rename", "--", "dante", "{}"),
    (
        "finetune-classifier",
        "--init_from_model",
        "dante",
        "--data",
        "t.csv",
        "--text",
        "text",
        "--model_name={}",
    ),
)
TAKES: Sequence[Sequence[str]] = (
    ("delete", "--yes", "--", "{}"),
    ("rename", "--", "{}", "other"),
    ("plot", "--", "{}"),
    ("status", "--filter={}"),
    ("show-configs", "--config_file={}"),
    ("train", "--dry_run", "--config_file={}", "--model_name", "new"),
    ("tokenizer", "show", "--", "{}"),
    ("compare", "--", "dante", "{}"),
)


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A workspace, and beside it a bundle that is somebody else's."""
    shutil.copytree(trained / "checkpoints" / "dante", tmp_path / "victim")
    shutil.rmtree(trained / ".mypt", ignore_errors=True)
    (trained / "t.csv").write_text("text,label\na,x\nb,y\n" * 8)
    return trained


def run(workspace: Path, words: Sequence[str], name: str) -> str:
    """What a command said that refused; empty where it did not."""
    said = refusal("--workspace", str(workspace), *(word.replace("{}", name) for word in words))
    assert len(said) < 5000
    return said


def assert_untouched(around: Path, before: dict[str, bytes | None], place: Path, name: str) -> None:
    """Around the workspace and in it all is as before, but for the records of what was begun."""
    now = listing(around)
    made = {path for path in now if path not in before and not path.startswith(f"{place.name}/.mypt")}
    assert not made and {path: now.get(path) for path in before} == before, (name, made)


@pytest.mark.parametrize("words", MAKES, ids=[words[0] for words in MAKES])
def test_nothing_is_made_of_a_name_that_leads_elsewhere(
    place: Path, words: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    around = place.parent
    before = listing(around)
    for name in NAMES:
        assert why_no_name(name) or name.casefold().endswith(("_gold", "_fp16")), name
        assert run(place, words, name), f"{words[0]} took {name!r}"
        assert_untouched(around, before, place, name)


@pytest.mark.parametrize("words", TAKES, ids=[words[0] for words in TAKES])
def test_nothing_elsewhere_is_changed_by_a_name(
    place: Path, words: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    around = place.parent
    before = listing(around)
    for name in NAMES:
        run(place, words, name)
        assert_untouched(around, before, place, name)


def test_a_linked_checkpoint_is_let_go_and_what_it_leads_to_stays(place: Path) -> None:
    (place / "checkpoints" / "linked").symlink_to(place.parent / "victim")
    before = listing(place.parent / "victim")
    run(place, ("rename", "linked", "known"), "")
    assert listing(place.parent / "victim") == before
    for name in ("linked", "known"):
        run(place, ("delete", name, "--yes"), "")
        assert not (place / "checkpoints" / name).is_symlink()
    assert listing(place.parent / "victim") == before


def test_a_folder_of_checkpoints_may_be_elsewhere_as_a_whole(place: Path) -> None:
    (place / "checkpoints").rename(place.parent / "disk")
    (place / "checkpoints").symlink_to(place.parent / "disk")
    command("--workspace", str(place), "delete", "dante_fp16", "--yes", fine=(0,))
    assert (place / "checkpoints").is_symlink()
    assert sorted(path.name for path in (place.parent / "disk").iterdir()) == ["dante", "dante_gold"]


# ── files that name others ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "changes",
    [
        {"moves": (("../victim", "checkpoints/x"),)},
        {"moves": (("checkpoints/dante", "../stolen"),)},
        {"moves": (("checkpoints/../../victim", "checkpoints/x"),)},
        {"moves": (("/etc/passwd", "checkpoints/x"),)},
        {"moves": (("input.txt", "checkpoints/x"),)},
        {"runs": ("../../../victim",)},
        {"old": "../x"},
        {"new": ""},
        {"new": "a\x1b[2J"},
        {"at": float("inf")},
    ],
)
def test_a_journal_moves_nothing_out_of_its_folders(place: Path, changes: dict[str, object]) -> None:
    plan = Renaming("dante", "other", 1.0, (("checkpoints/dante", "checkpoints/other"),), ())
    journal(place).parent.mkdir(parents=True, exist_ok=True)
    journal(place).write_text(json.dumps({**asdict(plan), **changes}))
    before = listing(place.parent)
    with pytest.raises(RunError, match=r"rename\.json"):
        read_journal(place)
    (said,) = recover(place)
    assert "rename.json" in said and not hostile(said)
    now = listing(place.parent)
    assert {path: now.get(path) for path in before} == before


@pytest.mark.parametrize(
    "name", ["../victim/config.json", "/etc/passwd", "..", "a/b.safetensors", "x" * 300 + ".safetensors"]
)
def test_an_index_names_files_beside_it_alone(place: Path, name: str) -> None:
    from mypt.interop.checkpoints import recognise

    folder = place / "hf"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "a.safetensors").write_bytes(b"")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises(
        MyptError, match=r"index\.json: (w: must be a file beside|names files that are missing)"
    ):
        recognise(folder)


def test_a_manifest_moves_no_file_of_another_folder(place: Path) -> None:
    """What a manifest lists is replaced at the next save; it can list what it wants."""
    (place / "checkpoints" / "dante" / "manifest.json").write_text(
        json.dumps(
            {"files": {"../../../victim/model.pt": 1, "../dante_gold/model.pt": 2, "": 0, "/etc/hosts": 1}}
        )
    )
    before = listing(place.parent / "victim"), listing(place / "checkpoints" / "dante_gold")
    said = run(place, ("train", "--model_name", "dante", "--max_iters", "9"), "")
    assert "is missing" in said
    assert (listing(place.parent / "victim"), listing(place / "checkpoints" / "dante_gold")) == before


def test_a_record_that_names_places_elsewhere_only_reads_there(place: Path) -> None:
    outside = place.parent / "outside.jsonl"
    outside.write_text('{"event": "eval", "iter": 1, "val_loss": 2.0}\n')
    for number, log in enumerate(
        (str(outside), "../outside.jsonl", "/dev/zero", "/etc/passwd", "a\x00b", "x" * 300)
    ):
        made = record.create(
            place, model_name=f"m{number}", log_file="logs/x.jsonl", command=["mypt"], origin="shell"
        )
        run_directory = made.directory(place)
        write_json_atomic(
            run_directory.record_file, {**made.to_json(), "log_file": log, "model_name": "../../victim"}
        )
        directory.write_exit(run_directory, directory.ExitRecord(code=0))
    before = listing(place.parent / "victim"), outside.read_bytes()
    picture = Workspace(place)
    picture.load()
    command("--workspace", str(place), "status", "--json")
    assert (listing(place.parent / "victim"), outside.read_bytes()) == before


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_that_lead_to_themselves_are_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    for name in ("loop", "checkpoints/loop", "configs.json"):
        (place / name).symlink_to(Path(name).name)
    for words in (
        ("train", "--model_name", "loop", *TINY),
        ("train", "--model_name", "x", "--config_file", "configs.json"),
        ("train", "--model_name", "x", "--dataset_dir", "loop"),
        ("train", "--model_name", "x", *TINY, "--log_file", "loop"),
        ("prepare", "loop", "--output_dir", "out", "--tokenization", "char"),
        ("prepare", "input.txt", "--output_dir", "loop", "--tokenization", "char"),
        ("export", "dante", "--output_dir", "loop"),
        ("import", "loop", "--model_name", "i"),
        ("generate", "--model_name", "loop"),
        ("inspect", "--model_name", "loop"),
        ("tokenizer", "show", "loop"),
        ("plot", "loop"),
    ):
        assert "loop" in (said := run(place, words, "")) or "configs.json" in said, (words, said)
