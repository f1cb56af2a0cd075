from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mypt.runs.attach import RUN_DIR_VARIABLE, attach, finish
from mypt.runs.directory import ExitRecord, RunDirectory, read_exit, write_exit
from mypt.runs.identity import ProcessIdentity
from mypt.runs.record import RunRecord, create, list_records, load, update


def launched(workspace: Path, model: str = "dante") -> RunDirectory:
    record = create(
        workspace,
        model_name=model,
        log_file="guess.jsonl",
        command=["mypt"],
        origin="dashboard",
        settings={"a": 1},
    )
    return record.directory(workspace)


def loaded(run: RunDirectory) -> RunRecord:
    record = load(run)
    assert isinstance(record, RunRecord)
    return record


@pytest.fixture(autouse=True)
def _no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RUN_DIR_VARIABLE, raising=False)


def test_from_a_shell_a_run_records_and_ends_itself(tmp_path: Path) -> None:
    run = attach(tmp_path, "dante", "logs/x.jsonl", ["mypt", "train"], {"max_iters": 5})
    record = loaded(run)
    assert (record.origin, record.model_name, record.command) == ("shell", "dante", ("mypt", "train"))
    assert record.trainer == ProcessIdentity.of_self()
    assert record.started_at is not None
    finish(run, 1, "disk full")
    end = read_exit(run)
    assert end is not None and (end.code, end.reason) == (1, "disk full")


def test_a_launched_run_is_joined_and_left_to_its_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launched(tmp_path)
    update(run, supervisor=ProcessIdentity.of_pid(os.getppid()), started_at="before")
    monkeypatch.setenv(RUN_DIR_VARIABLE, str(run.path))
    assert attach(tmp_path, "dante", tmp_path / "real.jsonl", ["other"], {"a": 2}) == RunDirectory(
        run.path.resolve()
    )
    record = loaded(run)
    assert record.trainer == ProcessIdentity.of_self()
    assert (record.log_file, record.settings, record.command) == ("real.jsonl", {"a": 2}, ("mypt",))
    assert record.started_at == "before"
    finish(run, 0)
    assert read_exit(run) is None


def test_without_its_supervisor_a_launched_run_ends_itself(tmp_path: Path) -> None:
    run = launched(tmp_path)
    ended = replace(ProcessIdentity.of_self(), start_ticks=1, create_time=1.0)
    update(run, supervisor=ended)
    finish(run, 130)
    end = read_exit(run)
    assert end is not None and end.code == 130


def test_a_variable_that_leaked_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    ended = launched(here)
    write_exit(ended, ExitRecord(code=0))
    broken = launched(here)
    broken.record_file.write_text("{")
    leaked = {
        "another model": launched(here, "other").path,
        "another workspace": launched(elsewhere).path,
        "ended": ended.path,
        "broken": broken.path,
        "not a run": here,
        "nothing": here / ".mypt" / "runs" / "nothing",
    }
    for why, path in leaked.items():
        monkeypatch.setenv(RUN_DIR_VARIABLE, str(path))
        run = attach(here, "dante", "x.jsonl", ["mypt"], {})
        assert run.path != path, why
        assert loaded(run).origin == "shell", why
    assert len(list_records(here).records) == 2 + len(leaked)
