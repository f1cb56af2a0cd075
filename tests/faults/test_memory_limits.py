"""Limits on memory from tiny to nearly enough: each ends in a sentence or in success, and the checkpoint stays whole."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mypt.events import read_log
from tests.asking import Asking
from tests.faults.ground import assert_whole
from tests.faults.rounds import Report, draw, times
from tests.training.runs import state_of
from tests.workbench import TINY, command, environment, story

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process may take of memory"),
]
KINDS = ("RLIMIT_AS", "RLIMIT_DATA")
# Wide enough for its weights to be what memory goes for.
LARGE = [*TINY, "--n_embd", "192", "--n_head", "4", "--batch_size", "32", "--eval_interval", "2"]


class Limited(Asking):
    """Runs `mypt` in forked children whose memory is limited (see `limited`, which does it)."""

    def __init__(self) -> None:
        super().__init__("-m", "tests.faults.limited")

    def run(
        self, workspace: Path, *arguments: str, kind: str | None = None, room: int = 0
    ) -> tuple[int, str]:
        """The exit status and what was said on standard error; `room` are the bytes that it may have beyond what it has."""
        answer = self.ask(arguments=["--workspace", str(workspace), *arguments], kind=kind, room=room)
        return answer["status"], answer["err"]


@pytest.fixture(scope="module")
def limited() -> Iterator[Limited]:
    made = Limited()
    yield made
    made.close()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, limited: Limited) -> Path:
    """A workspace with a text, rows for a classifier and a model `base` of 4 updates."""
    root = tmp_path_factory.mktemp("memory")
    (root / "input.txt").write_text(story(150_000))
    rows = [{"text": story(200, number)[40:80], "label": "ab"[number % 2]} for number in range(40)]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert limited.run(root, "train", "--model_name", "base", *LARGE, "--max_iters", "4") == (0, "")
    return root


def assert_sentence(status: int, said: str, about: object) -> None:
    """Success, or one sentence about memory: no traceback, no death by a signal, nothing beside it."""
    if status == 0:
        assert not said, about
        return
    assert status == 1 and len(said.splitlines()) == 1, (about, status, said)
    assert said.startswith("mypt: ") and "out of " in said and "memory" in said, (about, said)


COMMANDS: dict[str, Sequence[str]] = {
    "train": ("train", "--model_name", "made", *LARGE, "--max_iters", "4"),
    "resume": ("train", "--model_name", "base", "--max_iters", "8"),
    "prepare": ("prepare", "input.txt", "--output_dir", "data/set", "--tokenization", "char"),
    "generate": ("generate", "--model_name", "base", "--prompt", "a", "--max_new_tokens", "3"),
    "import": ("import", "{here}/checkpoints/base", "--model_name", "made"),
    "classify": (
        *("finetune-classifier", "--data", "rows.jsonl", "--eval_data", "rows.jsonl", "--model_name", "made"),
        *("--text", "text", "--init_from_model", "base", "--num_epochs", "1", "--device", "cpu"),
    ),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_every_limit_ends_in_a_sentence_or_in_success(
    what: str, tmp_path: Path, limited: Limited, ground: Path, report: Report
) -> None:
    chance = draw("memory", what)
    ended = [0, 0]
    for number in range(times(3)):
        here = Path(shutil.copytree(ground, tmp_path / f"{number}"))
        words = [word.format(here=here) for word in COMMANDS[what]]
        # Most of what goes wrong lies where a little more would do.
        kind, room = chance.choice(KINDS), int(10 ** chance.uniform(4.5, 8.3))
        status, said = limited.run(here, *words, kind=kind, room=room)
        assert_sentence(status, said, (what, number, kind, room))
        assert_whole(here)
        for log in here.rglob("*_eval.jsonl"):
            assert read_log(log)[1] == 0, (what, number, kind, room)
        if what == "resume":
            assert state_of(here, "base")["step"] in ((8,) if status == 0 else (4, 6))
        ended[status] += 1
        # With what it needs, the same command goes through.
        if status and number == 0:
            assert limited.run(here, *words) == (0, "")
        shutil.rmtree(here)
    report(limits=sum(ended), sentences=ended[1])


def test_the_sentence_says_what_was_needed_what_there_is_and_what_to_lower(
    tmp_path: Path, limited: Limited, ground: Path
) -> None:
    here = Path(shutil.copytree(ground, tmp_path / "here"))
    words = ("train", "--model_name", "base", "--max_iters", "8")
    status, said = limited.run(here, *words, kind="RLIMIT_AS", room=40 << 20)
    assert status == 1
    assert said.startswith("mypt: out of memory on cpu (a limit of ") and " (ulimit), of " in said
    assert "the model's weights, gradients and optimizer state take " in said
    assert "a batch of 32 × 16 tokens" in said
    for lower in ("batch_size", "block_size", "grad_accum_steps"):
        assert lower in said
    assert state_of(here, "base")["step"] == 4


@pytest.mark.parametrize("room", [78_000_000, 74_000_000, 82_000_000, 90_000_000][: times(1, 4)])
def test_a_backward_pass_that_does_not_fit_is_a_sentence(
    room: int, tmp_path: Path, limited: Limited, ground: Path
) -> None:
    here = Path(shutil.copytree(ground, tmp_path / "here"))
    # There is room to begin with, and none any more behind the forward pass, where a library would end the process.
    status, said = limited.run(here, *COMMANDS["classify"], kind="RLIMIT_DATA", room=room)
    assert_sentence(status, said, room)
    assert status == 1


@pytest.mark.parametrize("megabytes", [60, 400, 620][: times(1, 3)])
def test_a_limit_that_torch_does_not_fit_into_is_said_before_it_is_loaded(
    megabytes: int, ground: Path
) -> None:
    words = command(ground, "train", "--model_name", "base", "--max_iters", "8")
    limit = f'ulimit -v {1000 * megabytes}; exec "$@"'
    done = subprocess.run(
        ["sh", "-c", limit, "sh", *words], env=environment(), capture_output=True, text=True, check=False
    )
    assert_sentence(done.returncode, done.stderr, megabytes)
    assert "PyTorch takes about " in done.stderr and "Raise the limit" in done.stderr
