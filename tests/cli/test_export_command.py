from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workbench import environment, listing, mypt


def test_it_says_what_is_written_and_how_to_load_it(trained: Path) -> None:
    done = mypt(trained, "export", "dante_gold", "--format", "hf")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(
        "exports/dante_gold_hf is written: dante_gold as GPT2LMHeadModel of transformers"
    )
    assert (
        lines[-1] == "To load it: transformers.AutoModelForCausalLM.from_pretrained('exports/dante_gold_hf')"
    )
    # What it says works as it stands there.
    code = f"import transformers; print(type({lines[-1].partition(': ')[2]}).__name__)"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        cwd=trained,
        env=environment(HF_HUB_OFFLINE="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.stdout.strip() == "GPT2LMHeadModel", loaded.stderr
    again = mypt(trained, "export", "dante_gold")
    assert again.returncode == 2 and "--overwrite" in again.stderr
    assert mypt(trained, "export", "--overwrite", "--model_name", "dante_gold").returncode == 0


def test_a_dry_run_writes_nothing_and_answers_programs(trained: Path) -> None:
    before = listing(trained)
    done = mypt(trained, "export", "dante", "--format", "bf16", "--dry_run", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["output_dir"] == "exports/dante_bf16" and told["written"] is False and told["problems"] == []
    assert told["files"] == [
        *("config.json", "training_state.json", "tokenizer.json", "model.pt", "manifest.json")
    ]
    told = json.loads(mypt(trained, "export", "dante", "--dry_run", "--json").stdout)
    assert told["architecture"] == "GPT2LMHeadModel" and told["exists"] is False
    refused = mypt(trained, "export", "dante", "--format", "fp16", "--dry_run", "--json")
    assert refused.returncode == 2 and len(json.loads(refused.stdout)["problems"]) == 1
    assert listing(trained) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name one checkpoint (got none)"),
        (["dante", "dante_gold"], "name one checkpoint (got dante, dante_gold)"),
        (["dnte"], "did you mean dante?"),
        (["dante", "--format", "onnx"], "invalid choice"),
        (["dante", "--output_dir", "input.txt"], "output_dir: is a file"),
    ],
)
def test_bad_input_is_told(arguments: list[str], said: str, trained: Path) -> None:
    before = listing(trained)
    done = mypt(trained, "export", *arguments)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert listing(trained) == before


def test_a_plan_needs_no_torch(trained: Path) -> None:
    code = (
        "import sys; from mypt.interop.export import plan; "
        f"plan('dante', workspace={str(trained)!r}); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "False", done.stderr
