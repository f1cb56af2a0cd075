from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mypt.errors import RunError
from mypt.runs.directory import (
    ExitRecord,
    RunDirectory,
    read_exit,
    request_stop,
    runs_folder,
    stop_requested,
    write_exit,
)
from mypt.runs.identity import ProcessIdentity
from mypt.runs.record import (
    BrokenRecord,
    RunRecord,
    create,
    list_records,
    load,
    modify,
    relative_to_workspace,
    update,
)


def make(workspace: Path, name: str = "dante", **more: object) -> RunRecord:
    return create(
        workspace,
        model_name=name,
        log_file=workspace / "logs" / "train" / f"{name}_eval.jsonl",
        command=["mypt", "train"],
        origin="shell",
        **more,  # type: ignore[arg-type]
    )


def test_a_record_reads_back(tmp_path: Path) -> None:
    made = make(tmp_path, settings={"learning_rate": 3e-4}, queued=True)
    assert load(made.directory(tmp_path)) == made
    assert made.run_id.startswith(datetime.now(UTC).strftime("%Y%m"))
    assert "-dante-" in made.run_id
    assert made.log_file == "logs/train/dante_eval.jsonl"
    assert made.log_path(tmp_path) == tmp_path / "logs/train/dante_eval.jsonl"
    changed = update(made.directory(tmp_path), trainer=ProcessIdentity.of_self(), started_at="now")
    assert load(made.directory(tmp_path)) == changed
    assert changed.trainer == ProcessIdentity.of_self()


def test_a_log_elsewhere_stays_absolute(tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir()
    assert relative_to_workspace(workspace, tmp_path / "l.jsonl") == str((tmp_path / "l.jsonl").resolve())
    assert relative_to_workspace(workspace, "../l.jsonl") == str((tmp_path / "l.jsonl").resolve())
    assert relative_to_workspace(workspace, "logs/../l.jsonl") == "l.jsonl"


def test_unknown_fields_are_kept(tmp_path: Path) -> None:
    run = make(tmp_path).directory(tmp_path)
    content = json.loads(run.record_file.read_text()) | {"from_the_future": [1, 2]}
    run.record_file.write_text(json.dumps(content))
    update(run, queued=True)
    assert json.loads(run.record_file.read_text())["from_the_future"] == [1, 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "run.json"),
        (b'{"run_id": "x"', "run.json"),
        (b"[]", "not a JSON object"),
        (b"{}", "run_id is missing"),
        (b"\xff\xfe", "run.json"),
        (b'{"run_id": 3}', "run_id: expected str, found int"),
        (b"[" * 200_000, "recursion"),
    ],
)
def test_a_broken_record_is_reported_and_hurts_no_other(tmp_path: Path, content: bytes, words: str) -> None:
    good = make(tmp_path, "good")
    bad = make(tmp_path, "bad").directory(tmp_path)
    bad.record_file.write_bytes(content)
    found = list_records(tmp_path)
    assert found.records == [good]
    assert [broken.run_id for broken in found.broken] == [bad.run_id]
    assert words in found.broken[0].problem
    with pytest.raises(RunError, match=bad.run_id):
        update(bad, queued=True)


def test_missing_and_misplaced_records(tmp_path: Path) -> None:
    made = make(tmp_path)
    (runs_folder(tmp_path) / "empty").mkdir()
    (runs_folder(tmp_path) / "a file").touch()
    (runs_folder(tmp_path) / "copy").mkdir()
    (runs_folder(tmp_path) / "copy" / "run.json").write_bytes(
        made.directory(tmp_path).record_file.read_bytes()
    )
    found = list_records(tmp_path)
    assert found.records == [made]
    assert {b.run_id: b.problem for b in found.broken} == {
        "copy": f"run.json belongs to another run ({made.run_id})",
        "empty": "run.json is missing",
    }


def test_an_empty_workspace_has_no_runs(tmp_path: Path) -> None:
    assert list_records(tmp_path / "nowhere") == ([], [])


def _make_many(workspace: Path, name: str) -> None:
    seen: dict[str, list[str]] = {}
    for _ in range(25):
        made = make(workspace, name)
        seen[made.run_id] = [r.run_id for r in list_records(workspace).records if r.order < made.order]
    (workspace / f"seen by {name}").write_text(json.dumps(seen))


def test_who_has_a_record_sees_all_that_come_before_it(tmp_path: Path) -> None:
    """Two processes create at once; no record turns up later with a place before one that was there already."""
    makers = [multiprocessing.Process(target=_make_many, args=(tmp_path, name)) for name in "ab"]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    records = list_records(tmp_path).records
    assert len({record.order for record in records}) == 50
    order = [record.run_id for record in records]
    for name in "ab":
        seen = json.loads((tmp_path / f"seen by {name}").read_text())
        assert len(seen) == 25
        for run_id, before in seen.items():
            assert before == order[: order.index(run_id)]


def test_a_clock_that_is_set_back_does_not_change_the_order(tmp_path: Path) -> None:
    make(tmp_path)
    order = runs_folder(tmp_path) / ".order"
    ahead = datetime.now(UTC) + timedelta(hours=1)
    order.write_text(ahead.isoformat())
    assert datetime.fromisoformat(make(tmp_path).created_at) > ahead
    order.write_text((ahead + timedelta(days=400)).isoformat())
    assert datetime.fromisoformat(make(tmp_path).created_at) <= datetime.now(UTC)


def _raise_count(run: RunDirectory) -> None:
    for _ in range(50):
        modify(run, lambda record: replace(record, settings={"n": record.settings["n"] + 1}))


def test_changes_of_two_processes_are_not_lost(tmp_path: Path) -> None:
    run = make(tmp_path, settings={"n": 0}).directory(tmp_path)
    changers = [multiprocessing.Process(target=_raise_count, args=(run,)) for _ in range(2)]
    for changer in changers:
        changer.start()
    for changer in changers:
        changer.join()
    record = load(run)
    assert not isinstance(record, BrokenRecord)
    assert record.settings == {"n": 100}


def test_a_name_with_anything_in_it_stays_in_the_folder(tmp_path: Path) -> None:
    made = make(tmp_path, "../../ü/" + "x" * 300)
    assert made.directory(tmp_path).path.parent == runs_folder(tmp_path)
    assert made.directory(tmp_path).record_file.is_file()
    assert load(made.directory(tmp_path)) == made


def test_a_workspace_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / ".mypt").touch()
    with pytest.raises(RunError, match="cannot record the run"):
        make(tmp_path)


def test_exit_records(tmp_path: Path) -> None:
    run = make(tmp_path).directory(tmp_path)
    assert read_exit(run) is None
    end = ExitRecord(code=None, signal=9, reason="", last_lines=("a", "b"))
    write_exit(run, end)
    assert read_exit(run) == end
    run.exit_file.write_text('{"code": 1, "last_lines": ["a\\u001b[2J"]}')
    assert read_exit(run) == ExitRecord(code=1, time="", last_lines=("a\\x1b[2J",))
    run.exit_file.write_text('{"code": ')
    broken = read_exit(run)
    assert broken is not None and "cannot be read" in broken.reason


def test_stop_requests(tmp_path: Path) -> None:
    run = make(tmp_path).directory(tmp_path)
    assert stop_requested(run) is None
    request_stop(run, "enough")
    assert stop_requested(run) == "enough"
    run.stop_file.write_bytes(b"")
    assert stop_requested(run) == "request"


def test_a_record_with_a_number_that_json_lacks_cannot_be_changed_and_says_so(tmp_path: Path) -> None:
    run = make(tmp_path).directory(tmp_path)
    run.record_file.write_text(
        run.record_file.read_text().replace('"settings": {', '"settings": {"x": Infinity')
    )
    with pytest.raises(RunError, match="cannot write its record"):
        update(run, queued=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_what_is_no_file_is_a_broken_record_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    run = make(tmp_path).directory(tmp_path)
    for name in ("run.json", "exit.json", "stop"):
        (run.path / name).unlink(missing_ok=True)
        os.mkfifo(run.path / name)
    (broken,) = list_records(tmp_path).broken
    assert "is a pipe" in broken.problem
    ended = read_exit(run)
    assert ended is not None and ended.code is None
    assert stop_requested(run) == "request"
    run.record_file.unlink()
    run.record_file.symlink_to("/dev/zero")
    assert "is a device" in list_records(tmp_path).broken[0].problem
