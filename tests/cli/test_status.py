from __future__ import annotations

import json
import signal
from datetime import datetime
from pathlib import Path

import pytest

from mypt.cli import main
from mypt.cli.status import table
from mypt.runs.directory import ExitRecord, write_exit
from mypt.runs.identity import ProcessIdentity
from mypt.runs.record import create, update
from mypt.watch.inventory import Workspace
from mypt.watch.status import status_rows
from tests.workbench import log_of, start


def status(workspace: Path, *flags: str) -> int:
    return main(["--workspace", str(workspace), "status", *flags])


def write_log(workspace: Path, name: str, *lines: dict[str, object]) -> None:
    log = log_of(workspace, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now().isoformat()
    log.write_text("".join(json.dumps({"timestamp": stamp, **line}) + "\n" for line in lines))


def begin(total: int) -> dict[str, object]:
    return {"event": "training_start", "config": {"max_iters": total, "tokens_per_step": 64}, "model": {}}


def eval_at(step: int, total: int, loss: float | None) -> dict[str, object]:
    done = {"iter": step, "elapsed_s": 2.0 * step, "tokens_processed": 64 * step}
    return {"event": "eval", **done, "progress_pct": 100 * step / total, "val_loss": loss}


def test_an_empty_workspace_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(tmp_path) == 0
    assert "mypt train --config_file configs/tiny_char.json" in capsys.readouterr().out
    assert status(tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_is_one_line(trained_once: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(trained_once) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "state", "step", "%", "val", "best", "tok/s", "ETA", "age"]
    words = line.split()
    assert words[:5] == ["dante", "✓", "finished", "8/8", "100%"]
    assert words[6].startswith("★") and len(line) <= 80


def test_json_has_every_value(trained_once: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(trained_once, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    picture = Workspace(trained_once)
    picture.load()
    (same,) = status_rows(picture)
    assert row.keys() == same.keys()
    assert (row["name"], row["state"], row["step"], row["max_iters"]) == ("dante", "finished", 8, 8)
    assert row["gold_step"] in (4, 8) and row["settings"]["max_iters"] == 8


def test_what_ended_early_says_why_and_names_are_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_log(
        tmp_path,
        "nan_run",
        begin(1000),
        eval_at(0, 1000, 4.0),
        eval_at(500, 1000, None),
        {"event": "training_stopped", "iter": 500, "reason": "nan", "message": "the loss is nan at step 501"},
    )
    write_log(
        tmp_path,
        "evil\x1b]0;x\x07" + "long" * 20,
        begin(10**7),
        eval_at(123_456, 10**7, 2.0),
        {"event": "training_stopped", "iter": 123_456, "reason": "signal", "message": "stopped by SIGTERM"},
    )
    write_log(tmp_path, "日本語のモデル", begin(10**9), eval_at(10**6, 10**9, 12345.678))
    assert status(tmp_path) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\x07" not in out and "evil\\x1b" in out
    assert "✗ failed" in out and "■ stopped" in out
    lines = out.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("nan_run"))
    assert lines[place + 1].startswith("    ") and "501" in lines[place + 1]
    assert "500/1k" in lines[place] and "50%" in lines[place]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits(tmp_path: Path, width: int) -> None:
    write_log(tmp_path, "a" * 100, begin(123_456_789), eval_at(99_999_999, 123_456_789, 999.12345))
    write_log(tmp_path, "日本語" * 20, begin(9), eval_at(9, 9, 1e-9))
    write_log(tmp_path, "x", {"event": "training_start"})
    picture = Workspace(tmp_path)
    picture.load()
    lines = table(status_rows(picture), width)
    assert len(lines) >= 4
    wide = [sum(2 if ord(c) > 0x2E80 else 1 for c in line) for line in lines]
    assert max(wide) <= width


def test_a_loss_that_is_no_number_is_shown_as_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, word in (("a", "nan"), ("b", "inf"), ("c", None)):
        told = {} if word is None else {"eval_code": None, "nonfinite": {"val_loss": word, "eval_code": word}}
        write_log(tmp_path, name, begin(20), eval_at(10, 20, 2.5), {**eval_at(20, 20, None), **told})
    assert status(tmp_path, "--sort", "name") == 0
    head, *lines = (line for line in capsys.readouterr().out.splitlines() if not line.startswith(" "))
    place = head.index("val")
    assert [line[place - 4 : place + 3].strip() for line in lines] == ["nan", "inf", "2.5000"]
    assert status(tmp_path, "--sort", "name", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["nonfinite"] for row in rows] == [
        {"val_loss": "nan", "evals.code": "nan"},
        {"val_loss": "inf", "evals.code": "inf"},
        {},
    ]
    assert [row["val_loss"] for row in rows] == [None, None, 2.5]


def test_long_names_are_whole_however_wide_the_terminal_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"dante_200M_chat_sft_lr3e-5_dropout_{n}" for n in (1, 2)]
    for name in names:
        write_log(tmp_path, name, begin(75_000), eval_at(350, 75_000, 2.5))
    picture = Workspace(tmp_path)
    picture.load()
    for width in (80, 200, None):
        lines = table(status_rows(picture), width)
        assert all(any(line.startswith(name) for line in lines) for name in names)
        assert width is None or max(map(len, lines)) <= width
    # Into a pipe each run is one line.
    assert status(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == picture_order(picture)
    assert all("350/75k" in line for line in lines[1:])


def picture_order(picture: Workspace) -> list[str]:
    return [run.name for run in picture.runs]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"no JSON\n[1]\n"])
def test_a_log_without_an_event_is_no_running_run(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    log = log_of(tmp_path, "empty")
    log.parent.mkdir(parents=True)
    log.write_bytes(content)
    assert status(tmp_path) == 0
    out = capsys.readouterr().out
    assert "■ stopped" in out and "its log holds no event" in out and "running" not in out


def test_lines_that_cannot_be_read_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path, "dante", begin(9), eval_at(9, 9, 2.0), {"event": "training_complete"})
    with log_of(tmp_path, "dante").open("ab") as log:
        log.write(b"garbage\n{torn\n")
    assert status(tmp_path) == 0
    assert "    2 lines of its log could not be read" in capsys.readouterr().out


def test_the_queue_says_whose_turn_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("first", "second"):
        record = create(
            tmp_path,
            model_name=name,
            log_file=log_of(tmp_path, name),
            command=["x"],
            origin="queue",
            queued=True,
        )
        # This very process stands for the supervisor that waits.
        update(record.directory(tmp_path), supervisor=ProcessIdentity.of_self())
    assert status(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    said = {line.split()[0]: lines[n + 1] for n, line in enumerate(lines) if "queued" in line}
    assert said["first"].endswith("; next in the queue")
    assert said["second"].endswith("; number 2 in the queue")
    assert status(tmp_path, "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["first"]["queue_position"], rows["second"]["queue_position"]) == (1, 2)
    assert rows["first"]["pid"] == ProcessIdentity.of_self().pid and rows["first"]["exit_code"] is None


def test_json_says_how_a_run_ended_and_where_it_ran(
    trained_once: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(trained_once, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["exit_code"], row["exit_signal"], row["exit_reason"]) == (0, None, "")
    assert row["host"] and row["pid"] > 0 and row["log"].endswith("dante_eval.jsonl")
    assert {
        "state",
        "phase",
        "step",
        "max_iters",
        "val_loss",
        "best_val",
        "tokens_per_sec",
        "eta_s",
    } <= row.keys()
    assert {"age_s", "gold_val", "gold_step", "why", "queue_position", "bad_lines", "command"} <= row.keys()


def test_a_broken_record_is_said(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = (p for p in (trained / ".mypt" / "runs").iterdir() if p.is_dir())
    (run / "run.json").write_text("{")
    assert status(trained) == 0
    assert f"A run's record is broken: {run.name}: run.json" in capsys.readouterr().out


def three_runs(workspace: Path) -> None:
    for number, name in enumerate(("dante", "beatrice", "virgil")):
        config = {"max_iters": 100, "learning_rate": 10.0**-number, "mlp_type": "swiglu"}
        write_log(
            workspace,
            name,
            {"event": "training_start", "config": config, "model": {}},
            eval_at(10, 100, 3.0 - number),
            eval_at(20, 100, 2.5 - number),
        )


def names(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [row["name"] for row in json.loads(capsys.readouterr().out)]


def test_runs_are_picked_and_sorted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    three_runs(tmp_path)
    assert status(tmp_path, "--json", "--filter", "learning_rate<=0.1 val<2", "--sort", "val") == 0
    assert names(capsys) == ["virgil", "beatrice"]
    assert status(tmp_path, "--json", "--sort", "learning_rate", "--reverse") == 0
    assert names(capsys) == ["dante", "beatrice", "virgil"]
    assert status(tmp_path, "--json", "--sort=-name") == 0
    assert names(capsys) == ["virgil", "dante", "beatrice"]
    assert status(tmp_path, "--filter", "dante mlp_type:swi", "--sort", "best") == 0
    head, line, *_ = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "name"
    assert line.split()[0] == "dante"


def test_a_filter_that_nothing_meets_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    three_runs(tmp_path)
    assert status(tmp_path, "--filter", "nobody") == 0
    assert capsys.readouterr().out == "None of 3 runs matches nobody; without --filter all are listed\n"
    assert status(tmp_path, "--filter", "nobody", "--json") == 0
    assert names(capsys) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--filter", "learning_rat>1"], "--filter: learning_rat: no such setting or result; did you mean"),
        (["--filter", "state:runing"], "did you mean running? (character 7)"),
        (["--sort", "vall"], "--sort: vall: nothing to sort by; did you mean val?"),
        (["--watch", "--json"], "--watch: prints for people"),
    ],
)
def test_what_cannot_be_understood_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    three_runs(tmp_path)
    assert status(tmp_path, *flags) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def test_json_has_all_that_the_table_of_the_dashboard_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"max_iters": 100, "learning_rate": 0.1}
    first: dict[str, object] = {"event": "training_start", "config": config, "model": {}}
    with_set = {**eval_at(20, 100, 2.0), "eval_general": 1.5}
    write_log(tmp_path, "dante", first, eval_at(10, 100, 3.0), with_set)
    command = ["mypt", "train"]
    record = create(tmp_path, model_name="exp", log_file="logs/e.jsonl", command=command, origin="dashboard")
    write_exit(record.directory(tmp_path), ExitRecord(code=1, last_lines=("one", "two")))
    assert status(tmp_path, "--json", "--sort", "name") == 0
    dante, exp = json.loads(capsys.readouterr().out)
    assert dante["sparkline"] == [3.0, 2.0]
    assert dante["evals"] == {"general": 1.5}
    assert dante["settings"]["learning_rate"] == 0.1
    assert dante["last_lines"] == []
    assert exp["last_lines"] == ["one", "two"]
    assert exp["state"] == "failed"


def test_it_can_be_watched_until_interrupted(tmp_path: Path) -> None:
    three_runs(tmp_path)
    watching = start(tmp_path, "status", "--watch", "0.2", "--filter", "dante")
    assert watching.stdout is not None
    seen = ""
    while seen.count("dante") < 3:
        line = watching.stdout.readline()
        assert line, "it ended by itself"
        seen += line
    watching.send_signal(signal.SIGINT)
    assert watching.wait(timeout=60) == 0
    assert "Traceback" not in seen + watching.stdout.read()
    assert "beatrice" not in seen
