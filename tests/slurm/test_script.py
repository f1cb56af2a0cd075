"""The batch file of a run, and what is refused before there is one."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from mypt.check import check
from mypt.cli import main
from mypt.runs.directory import RunDirectory
from mypt.settings.request import Request
from mypt.slurm.ask import Ask, seconds_of
from mypt.slurm.script import batch_file, problems
from tests.workbench import TINY, listing

FLAGS = dict(zip((flag[2:] for flag in TINY[::2]), TINY[1::2], strict=True))


def batch(workspace: Path, ask: Ask, directory: RunDirectory | None = None, **request: object) -> str:
    given = {"model_name": "m", "given": FLAGS, **request}
    run, _ = check(Request(**given), workspace)  # type: ignore[arg-type]
    return batch_file(ask, run, directory or RunDirectory(workspace / "r"), "/opt/python")


def directives(text: str) -> dict[str, str]:
    found = [
        line[len("#SBATCH --") :].partition("=") for line in text.splitlines() if line.startswith("#SBATCH")
    ]
    return {name: value for name, _, value in found}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 1800),
        ("30:10", 1810),
        ("12:00:00", 43200),
        ("2-3", 183600),
        ("2-3:30", 185400),
        ("1-0:0:1", 86401),
        ("1:2:3:4", None),
        ("12h", None),
        ("", None),
        ("-5", None),
        ("٣", None),
    ],
)
def test_times_are_read_as_slurm_reads_them(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


def test_what_is_asked_of_slurm_is_said_once_each(workspace: Path) -> None:
    ask = Ask(nodes="2", gpus_per_node="8", time="12:00:00", account="lab", cpus_per_task="4")
    assert ask.ranks == 16 and Ask(nodes="3", ntasks_per_node="2").ranks == 6 and Ask().ranks == 1
    text = batch(workspace, ask)
    assert directives(text) == {
        "job-name": "m",
        "comment": "r",
        "nodes": "2",
        "ntasks-per-node": "8",
        "gpus-per-node": "8",
        "cpus-per-task": "4",
        "time": "12:00:00",
        "account": "lab",
        "signal": "USR1@120",
        "requeue": "",
        "output": str(workspace / "r" / "console.log"),
        "open-mode": "append",
    }
    # sbatch reads directives up to the first command.
    assert text.index("\ncd ") > text.rindex("#SBATCH")


@pytest.mark.parametrize(
    "ask",
    [
        Ask(),
        Ask(nodes="2", gpus_per_node="8", time="12:00:00", account="lab"),
        Ask(gpus_per_node="8", ntasks_per_node="4", qos="low"),
        Ask(ntasks_per_node="3", cpus_per_task="4", partition="a,b"),
    ],
)
def test_what_was_asked_is_read_back_from_file_flags_and_json(ask: Ask, workspace: Path) -> None:
    text = batch(workspace, ask)
    assert Ask.of_file(text) == ask and Ask.from_json(asdict(ask)) == ask
    flags = ask.argv()
    assert Ask(**{flag[2:].replace("-", "_"): value for flag, value in batched(flags)}) == ask
    # A person may write as sbatch reads it.
    assert Ask.of_file(text.replace("--nodes=", "--nodes ")) == ask
    wrong: list[object] = [None, [], {"nodes": 1}, {**asdict(ask), "qos": None}]
    for value in wrong:
        assert Ask.from_json(value) is None


def batched(words: list[str]) -> list[tuple[str, str]]:
    return list(zip(words[::2], words[1::2], strict=True))


def test_a_run_that_has_saved_goes_on_without_what_would_begin_anew(trained: Path) -> None:
    text = batch(trained, Ask(), model_name="dante", given={"max_iters": "20"}, reset_optimizer=True)
    assert "--reset_optimizer" in text and "--resume_from" not in text
    before, after = text.split("checkpoints/dante/manifest.json")
    assert "--reset_optimizer" in before and "--reset_optimizer" not in after and "--max_iters 20" in after
    given = {"learning_rate": "1e-4", "n_layer": "1", "input_file": "input.txt"}
    text = batch(trained, Ask(), init_from_model="dante", given=given)
    _, after = text.split("checkpoints/m/manifest.json")
    assert "--learning_rate 1e-4" in after and "--n_layer" not in after and "--init_from_model" not in after
    # Where both are the same there is one.
    assert text.count("flags=(") == 2
    assert batch(trained, Ask(), model_name="dante", given={"max_iters": "20"}).count("flags=(") == 1


def test_a_shell_reads_back_every_word_of_hostile_names(tmp_path: Path) -> None:
    workspace = tmp_path / "a b'c\"$(touch pwned)`%j"
    workspace.mkdir()
    (workspace / "in put$(id).txt").write_text("abc\n" * 500)
    given = {**FLAGS, "input_file": "in put$(id).txt", "sample_prompt": "'; rm -rf / #"}
    text = batch(workspace, Ask(), given=given)
    srun = workspace / "srun"
    srun.write_text('#!/bin/bash\nprintf "%s\\n" "$PWD" "$MYPT_RUN_DIR" "$@"\n')
    srun.chmod(0o755)
    (workspace / "r").mkdir()
    (workspace / "job").write_text(text)
    path = f"{shlex.quote(str(workspace))}:$PATH"
    done = subprocess.run(
        ["/bin/bash", "-c", f"PATH={path} exec bash job"],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()
    assert said[:2] == [str(workspace), str(workspace / "r")]
    assert said[2:8] == ["--kill-on-bad-exit=1", "/opt/python", "-P", "-m", "mypt", "train"]
    assert said[said.index("--sample_prompt") + 1] == "'; rm -rf / #"
    assert said[said.index("--input_file") + 1] == "in put$(id).txt"
    assert not list(tmp_path.rglob("pwned"))
    output = directives(text)["output"]
    assert output.startswith('"') and "%%j" in output and '\\"' in output
    assert problems(Ask(), Path("a\nb")) and not problems(Ask(), workspace)


def test_all_that_is_wrong_is_said_at_once_and_nothing_is_written(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listing(workspace)

    def submit(*flags: str) -> tuple[int, str]:
        code = main(["--workspace", str(workspace), "submit", *TINY, *flags])
        said = capsys.readouterr()
        return code, said.out + said.err

    code, said = submit("--nodes", "0", "--time", "2", "--partition", "a\nb", "--learning_rate", "x")
    assert code == 2
    for part in (
        "nodes: must be a whole number",
        "time: leaves no time",
        "partition: is not a",
        "learning_rate",
    ):
        assert part in said
    code, said = submit("--ntasks-per-node", "9", "--dry-run")
    assert code == 2 and "ntasks_per_node: an update has 4 sequences" in said
    assert submit("--nproc", "2")[0] == 2
    code, said = submit("--ntasks-per-node", "2", "--dry-run")
    assert code == 0 and said.startswith("#!/bin/bash") and "#SBATCH --ntasks-per-node=2" in said
    monkeypatch.setenv("PATH", str(workspace))
    code, said = submit()
    assert code == 2 and "there is no sbatch here" in said
    assert listing(workspace) == before


def test_what_sbatch_refuses_is_told_and_leaves_no_run(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = workspace / "bin"
    programs.mkdir()
    (programs / "sbatch").write_text(
        "#!/bin/sh\necho 'sbatch: error: invalid \033[31mpartition' >&2\nexit 1\n"
    )
    (programs / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    assert main(["--workspace", str(workspace), "submit", *TINY]) == 1
    said = capsys.readouterr().err
    assert "sbatch did not take it: sbatch: error: invalid" in said and "\033" not in said
    assert not list((workspace / ".mypt" / "runs").glob("[!.]*"))
