"""`mypt import` as users run it, and what an imported model does afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import mypt
from mypt import bundle
from mypt.cli import main
from mypt.diff import compare
from mypt.diff.sides import side_of
from mypt.interop.preview import Preview, command, read
from tests.interop.foreign import modded_state, write_modded
from tests.training.alike import assert_same_run
from tests.training.killer import KILLED, Killer, place_of
from tests.workbench import CHARS, environment, listing
from tests.workbench import mypt as run

TUNE = [
    *("--input_file", "input.txt", "--block_size", "32", "--batch_size", "2", "--eval_iters", "1"),
    *("--log_interval", "1", "--sample_interval", "0", "--device", "cpu", "--warmup_iters", "0"),
]


@pytest.fixture
def foreign(workspace: Path) -> Path:
    """A workspace with small and medium checkpoints, too small to be good for anything, and their tokenizer."""
    for kind in ("small", "medium"):
        state = modded_state(medium=kind == "medium", width=32, vocabulary=40)
        write_modded(workspace / f"{kind}.pt", state)
    (workspace / "chars.json").write_text(json.dumps({"token_kind": "char", "chars": sorted(CHARS)}))
    return workspace


def bring(workspace: Path, file: str, name: str, *more: str) -> int:
    return main(["--workspace", str(workspace), "import", str(workspace / file), "--model_name", name, *more])


def tokenizer_of(workspace: Path) -> list[str]:
    return ["--tokenizer", str(workspace / "chars.json")]


@pytest.mark.parametrize("kind", ["small", "medium"])
def test_an_import_says_what_it_found_and_is_a_bundle(
    kind: str, foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bring(foreign, f"{kind}.pt", "mine", "--n_head", "2", *tokenizer_of(foreign)) == 0
    out = capsys.readouterr().out
    shown = dict(line.strip().split(":", 1) for line in out.splitlines() if line.startswith("  "))
    said = {name.strip(): value.strip() for name, value in shown.items()}
    assert said["format"] == f"modded-nanogpt {kind}" and said["heads"] == "2, each 16 wide"
    rows = "29 tokens in 40 rows, 128 in the head" if kind == "medium" else "29 tokens in 128 rows"
    assert said["vocabulary"] == rows and said["trained"] == "step 125, val_loss 3.2500"
    assert said["tokenizer"] == "char, 29 characters (chars.json)"
    info = mypt.get_model_info("mine", foreign)
    assert info["config"]["arch"] == f"modded_{kind}" and info["config"]["document_token"] == 50256
    assert info["training_state"]["imported"]["step"] == 125 and info["training_state"]["step"] == 0
    loaded = mypt.load_bundle("mine", foreign)
    state = torch.load(foreign / f"{kind}.pt", weights_only=True)["model"]
    for name, value in loaded.model.state_dict().items():
        assert torch.equal(value, state[f"_orig_mod.{name}"][: len(value)]), name
    cached = loaded.generate("the ", max_new_tokens=40, seed=3)
    assert cached and cached == loaded.generate("the ", max_new_tokens=40, seed=3, use_cache=False)
    side = side_of(bundle.read_info(foreign / "checkpoints" / "mine"))
    assert side.results["parameters"] == loaded.model.num_parameters()
    assert main(["--workspace", str(foreign), "inspect", "--model_name", "mine"]) == 0
    assert f"format         : {kind}" in capsys.readouterr().out


def test_the_two_sizes_compare(foreign: Path) -> None:
    for kind in ("small", "medium"):
        bring(foreign, f"{kind}.pt", kind, *tokenizer_of(foreign))
    sides = [side_of(bundle.read_info(foreign / "checkpoints" / kind)) for kind in ("small", "medium")]
    rows = {row.name: row for row in compare(sides)}
    assert rows["arch"].differs and rows["n_layer"].texts == ("12", "16") and not rows["norm_eps"].differs


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["small", "medium"])
def test_a_fine_tune_that_is_killed_goes_on_exactly(
    kind: str, foreign: Path, tmp_path: Path, killer: Killer
) -> None:
    bring(foreign, f"{kind}.pt", "base", *tokenizer_of(foreign))
    flags = [
        *TUNE,
        "--max_iters",
        "6",
        "--eval_interval",
        "2",
        "--dropout",
        "0.1",
        "--use_checkpoint",
        "true",
    ]
    words = ["train", "--init_from_model", str(foreign / "checkpoints" / "base"), "--model_name", "m", *flags]
    places = [tmp_path / name for name in ("whole", "broken")]
    for place in places:
        place.mkdir()
        (place / "input.txt").write_text((foreign / "input.txt").read_text())
    status, operations = killer.run(places[0], *words)
    assert status == 0
    assert killer.run(places[1], *words, kill_at=place_of(operations, "m", 2))[0] == KILLED
    assert killer.run(places[1], *words)[0] == 0
    assert_same_run(places[0], places[1], "m")
    tuned = mypt.load_bundle("m", places[0])
    assert tuned.config.arch == f"modded_{kind}" and tuned.training_state["base"]["name"] == "base"
    before = mypt.load_bundle("base", foreign).model.state_dict()["scalars"]
    assert not torch.equal(tuned.model.state_dict()["scalars"], before)


def test_a_model_of_nanogpt_trains_on_its_own_data(samples: Path, workspace: Path) -> None:
    data = samples / "nanogpt" / "data"
    words = ["import", str(samples / "nanogpt" / "ckpt_plain.pt"), "--model_name", "nano"]
    assert main(["--workspace", str(workspace), *words, "--tokenizer", str(data / "meta.pkl")]) == 0
    tune = [*TUNE[2:], "--dataset_dir", str(data), "--max_iters", "2", "--eval_interval", "2"]
    words = ["train", "--init_from_model", "nano", "--model_name", "tuned", *tune]
    assert main(["--workspace", str(workspace), *words]) == 0
    assert mypt.get_model_info("tuned", workspace)["config"]["tie_weights"] is True


def test_without_a_tokenizer_texts_are_numbers(
    samples: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(samples / "hf" / "llama_tiny_gqa")
    assert main(["--workspace", str(workspace), "import", path, "--model_name", "llama"]) == 0
    said = capsys.readouterr().out
    assert "none came along, so texts are numbers of tokens; give the tokenizer with --tokenizer" in said
    loaded = mypt.load_bundle("llama", workspace)
    assert loaded.tokenizer.encode("17 4 255") == [17, 4, 255] and loaded.tokenizer.encode("no 256") == []
    text = loaded.generate("17 4", max_new_tokens=5, seed=1)
    assert len(text.split()) == 5 and all(0 <= int(word) < 256 for word in text.split())
    assert loaded.generate("", max_new_tokens=3, seed=1)


def test_what_is_there_is_never_replaced(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bring(foreign, "small.pt", "mine", *tokenizer_of(foreign)) == 0
    before = listing(foreign / "checkpoints")
    assert bring(foreign, "medium.pt", "mine", *tokenizer_of(foreign)) == 2
    assert "checkpoints/mine exists already" in capsys.readouterr().err
    for name in ("mine_gold", "../out", "con", "a\x1bb"):
        assert bring(foreign, "medium.pt", name, *tokenizer_of(foreign)) == 2
    assert listing(foreign / "checkpoints") == before


BAD: dict[str, tuple[list[str], str]] = {
    "no name": ([], "--model_name: what shall it be called?"),
    "too many tokens": (["--model_name", "a", "--tokenizer", "gpt2"], "has 50257 tokens"),
    "no such tokenizer": (["--model_name", "a", "--tokenizer", "none.json"], "tokenizer: no such file"),
    "heads that do not fit": (
        ["--model_name", "a", "--n_head", "7"],
        "n_head: the heads are 32 wide together",
    ),
    "no heads": (["--model_name", "a", "--n_head", "0"], "n_head: must be a whole number from 1 up"),
    "a flag that is none": (["--model_name", "a", "--heads", "2"], "--heads: is not a flag"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_writes_nothing(name: str, foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, said = BAD[name]
    assert main(["--workspace", str(foreign), "import", str(foreign / "small.pt"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (foreign / "checkpoints").exists() and not (foreign / ".mypt").exists()


def previewed(workspace: Path, path: Path, **options: Any) -> tuple[int, Preview]:
    done = run(workspace, *command(path, **options)[3:])
    assert "Traceback" not in done.stderr
    return done.returncode, read(done.stdout, done.stderr)


def test_a_preview_tells_a_program_everything_and_writes_nothing(foreign: Path) -> None:
    before = listing(foreign)
    code, told = previewed(foreign, foreign / "small.pt", model_name="mine", tokenizer="chars.json")
    assert code == 0 and told.problem == "" and listing(foreign) == before
    assert told.title == "modded-nanogpt small" and told.tokenizer_known and told.imported == ""
    assert told.info["num_layers"] == 12 and told.info["true_vocab_size"] == 29
    assert told.size == 4 * told.info["parameters"]
    code, told = previewed(foreign, foreign / "small.pt", model_name="x_gold")
    assert code == 2 and "names ending in _gold" in told.problem and told.title == "modded-nanogpt small"
    code, told = previewed(foreign, foreign / "input.txt")
    assert code == 2 and "input.txt" in told.problem and told.info == {}
    code, told = previewed(foreign, foreign / "small.pt", model_name="mine", dry_run=False)
    assert code == 0 and Path(told.imported) == foreign / "checkpoints" / "mine"
    assert read("", "mypt: killed").problem == "killed"


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_disk_that_is_full_leaves_nothing(foreign: Path) -> None:
    limited = f"ulimit -f 200; exec {sys.executable} -m mypt import small.pt --model_name mine"
    done = subprocess.run(
        ["bash", "-c", f"trap '' XFSZ; {limited}"],
        cwd=foreign,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "mine: the checkpoint could not be saved (File too large); nothing was written" in done.stderr
    assert list((foreign / "checkpoints").iterdir()) == []
    assert run(foreign, "import", "small.pt", "--model_name", "mine").returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_import_that_is_killed_is_whole_or_absent(foreign: Path, killer: Killer) -> None:
    words = ["import", str(foreign / "small.pt"), "--model_name", "mine"]

    def fresh(name: str) -> Path:
        (foreign / name).mkdir()
        return foreign / name

    status, operations = killer.run(fresh("whole"), *words)
    assert status == 0 and len(operations) > 5
    # Every third of the operations, and every one where more is asked for.
    for place in range(1, len(operations) + 1, 1 if "MYPT_KILL_PLACES" in os.environ else 3):
        workspace = fresh(f"w{place}")
        assert killer.run(workspace, *words, kill_at=place)[0] == KILLED
        if (workspace / "checkpoints" / "mine").exists():
            assert not bundle.read_info(workspace / "checkpoints" / "mine").problem
        else:
            assert killer.run(workspace, *words)[0] == 0
        assert [path.name for path in (workspace / "checkpoints").iterdir()] == ["mine"]
