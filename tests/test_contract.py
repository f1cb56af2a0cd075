"""The two halves of the house and what may be imported where, held by what a fresh process has really loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workbench import TINY, environment, story

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torch._dynamo", "textual", "tui")
NOT_WITHOUT_A_TERMINAL = ("__main__",)


def modules(package: str) -> list[str]:
    files = sorted((ROOT / package).rglob("*.py"))
    names = [".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for f in files]
    return [name for name in names if not name.endswith(NOT_WITHOUT_A_TERMINAL)]


def loaded_by(code: str, cwd: Path = ROOT, of: tuple[str, ...] = HEAVY) -> set[str]:
    """Which packages `of` these a fresh process has after `code`."""
    tail = f"\nimport json, sys; print('\\n' + json.dumps([n for n in {of!r} if n in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code + tail],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def importing(names: list[str]) -> str:
    return "from importlib import import_module\nfor name in " + repr(names) + ": import_module(name)"


TORCH_FREE = (
    *(
        "settings",
        "events",
        "bundle",
        "runs",
        "watch",
        "launch",
        "estimate",
        "text",
        "errors",
        "fsio",
        "api",
        "plotting",
        "diff",
        "housekeeping",
    ),
    *("interop.preview", "interop.target", "interop.export_config", "interop.export_place"),
    *("tokenizers.char", "sampling", "classify.plan", "classify.table", "classify.spec"),
)


def test_importing_mypt_brings_neither_torch_nor_textual() -> None:
    assert loaded_by("import mypt; mypt.get_model_info") == set()


def test_a_program_without_a_command_line_may_import_mypt() -> None:
    assert loaded_by("import sys; sys.argv.clear(); import mypt") == set()


def test_what_the_halves_share_is_free_of_torch() -> None:
    shared = [n for n in modules("mypt") if n.removeprefix("mypt.").startswith(TORCH_FREE)]
    assert len(shared) > 25
    assert loaded_by(importing(shared)) == set()


def test_the_dashboard_never_imports_torch() -> None:
    names = modules("tui")
    assert len(names) > 10
    assert "torch" not in loaded_by(importing(names))


def test_the_dashboard_opens_with_the_modules_of_its_first_screen_alone() -> None:
    others = {f"tui.screens.{path.name}" for path in (ROOT / "tui" / "screens").iterdir() if path.is_dir()}
    others -= {"tui.screens.home", "tui.screens.help", "tui.screens.__pycache__"}
    assert "tui.screens.launch" in others
    assert not loaded_by("import tui.app", of=tuple(others))


def test_the_trainer_never_imports_the_dashboard_nor_torch_s_compiler(workspace: Path) -> None:
    words = ["--workspace", str(workspace), "train", "--model_name", "m", *TINY, "--max_iters"]
    training = "".join(
        f"\nfrom mypt.cli import main; assert main({[*words, updates]!r}) == 0" for updates in ("1", "2")
    )
    assert loaded_by(importing(modules("mypt")) + training) == {"torch"}


CALLS = {
    "help": ["--help"],
    "train help": ["train", "--help"],
    "status": ["status"],
    "status as JSON": ["status", "--json"],
    "status with curves": ["status", "--plot"],
    "plot": ["plot", "dante", "--log_y"],
    "plot as SVG and CSV": ["plot", "dante", "--svg", "-", "--csv", "-"],
    "presets": ["show-configs"],
    "a preset": ["show-configs", "--config_file", "150M"],
    "inspect": ["inspect", "--model_name", "dante"],
    "dry run": ["train", "--config_file", "tiny_char", "--input_file", "input.txt", "--dry_run"],
    "dry run of a resume": ["train", "--model_name", "dante", "--max_iters", "20", "--dry_run"],
    "an import under a name that is taken": ["import", "input.txt", "--model_name", "dante"],
    "bad input": ["train", "--max_iters", "0"],
    "an unknown command": ["trian"],
}


@pytest.mark.parametrize("name", CALLS)
def test_commands_that_only_look_are_free_of_torch(name: str, trained_once: Path) -> None:
    arguments = ["--workspace", str(trained_once), *CALLS[name]]
    code = f"from mypt.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass"
    assert loaded_by(code) == set()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text(story())
    arguments = [
        "--workspace",
        str(tmp_path),
        "train",
        "--config_file",
        "tiny_char",
        "--input_file",
        "input.txt",
    ]
    loaded_by(f"from mypt.cli import main; assert main({[*arguments, '--dry_run']!r}) == 0")
    assert [p.name for p in tmp_path.iterdir()] == ["input.txt"]
