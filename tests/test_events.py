from __future__ import annotations

import errno
import json
import math
import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from mypt import events
from mypt.events import (
    AnyEvent,
    BadLineError,
    Eval,
    GoldBlocked,
    GoldCheckpoint,
    LineReader,
    LogWriter,
    Notice,
    PhaseSwitch,
    Sample,
    Train,
    TrainingComplete,
    TrainingStart,
    TrainingStopped,
    Unknown,
    decode,
    encode,
    read_log,
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
whole = st.integers(0, 1 << 50)
# Numbers that six decimals hold, so that what was written is what is read.
number = st.one_of(
    st.none(),
    st.integers(-(10**9), 10**9).map(lambda n: n / 1e6),
    st.sampled_from([math.nan, math.inf, -math.inf]),
)
tenths = st.one_of(st.none(), st.integers(0, 10**9).map(lambda n: n / 10))
json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(1 << 60), 1 << 60),
        st.floats(allow_nan=False, allow_infinity=False),
        text,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=6,
)
objects = st.dictionaries(text, json_values, max_size=4)
set_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda s: s != "duration_s"
)

known = st.one_of(
    st.builds(TrainingStart, timestamp=text, config=objects, model=objects, run_id=text, runtime=objects),
    st.builds(
        Train,
        timestamp=text,
        iter=whole,
        elapsed_s=tenths,
        tokens_processed=st.one_of(st.none(), whole),
        lr=st.one_of(st.none(), st.floats(allow_nan=False)),
        train_loss=number,
        grad_norm=number,
        tokens_per_sec=tenths,
    ),
    st.builds(
        Eval,
        timestamp=text,
        iter=whole,
        elapsed_s=tenths,
        tokens_processed=st.one_of(st.none(), whole),
        lr=number,
        phase=text,
        val_loss=number,
        train_loss=number,
        eval_duration_s=tenths,
        eval_sets=st.dictionaries(set_names, number, max_size=4),
    ),
    st.builds(PhaseSwitch, timestamp=text, iter=whole, elapsed_s=tenths, new_phase=text),
    st.builds(GoldCheckpoint, timestamp=text, iter=whole, val_loss=number, prev_best=number),
    st.builds(GoldBlocked, timestamp=text, iter=whole, val_loss=number, best_val_loss=number, reason=text),
    st.builds(
        Notice,
        timestamp=text,
        iter=whole,
        elapsed_s=tenths,
        tokens_processed=st.one_of(st.none(), whole),
        kind=text,
        message=text,
        train_loss=st.one_of(st.just(UNSET), number),
    ),
    st.builds(Sample, timestamp=text, iter=whole, prompt=text, text=text),
    st.builds(TrainingStopped, timestamp=text, iter=whole, reason=text, message=text),
    st.builds(
        TrainingComplete,
        timestamp=text,
        started_at=text,
        total_elapsed_s=tenths,
        total_steps=st.one_of(st.none(), whole),
        final_val_loss=number,
        best_val_loss=number,
        gold_step=st.one_of(st.none(), whole),
        config_file=st.one_of(st.none(), text),
    ),
)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def strict(line: bytes) -> dict[str, Any]:
    value = json.loads(line.decode("utf-8"), parse_constant=refuse)
    assert isinstance(value, dict)
    return value


# ── round trip ──────────────────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None, max_examples=400)
@given(known)
def test_what_is_written_is_read(event: AnyEvent) -> None:
    line = encode(event)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    strict(line)
    # Compared as text, since nan is not nan.
    assert repr(decode(line)) == repr(event)


@given(known)
def test_a_line_begins_with_what_where_and_when(event: AnyEvent) -> None:
    keys = list(strict(encode(event)))
    head = [key for key in ("event", "iter", "timestamp") if key in keys]
    assert keys[: len(head)] == head and keys[0] == "event" and "timestamp" in head


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9))
def test_losses_are_rounded_to_six_decimals(loss: float) -> None:
    line = strict(encode(Eval(iter=1, val_loss=loss, train_loss=loss, eval_sets={"general": loss})))
    assert line["val_loss"] == line["train_loss"] == line["eval_general"] == round(loss, 6)


def test_numbers_are_rounded_as_the_format_says() -> None:
    line = strict(
        encode(
            Eval(
                iter=350,
                elapsed_s=912.54321,
                tokens_processed=34406400,
                progress_pct=100 * 350 / 75000,
                lr=1.5e-4 * 350 / 3750,
                val_loss=4.1234561,
                eval_duration_s=12.345,
            )
        )
    )
    assert line["elapsed_s"] == 912.5 and line["progress_pct"] == 0.47 and line["eval_duration_s"] == 12.3
    assert line["lr"] == pytest.approx(1.4e-5) and line["lr"] == 1.5e-4 * 350 / 3750


def test_an_evaluation_is_written_in_the_order_of_the_format() -> None:
    event = Eval(
        iter=350,
        timestamp="t",
        phase="p",
        val_loss=4.0,
        eval_sets={"general": 4.2, "code": 3.9},
        eval_duration_s=1.0,
    )
    assert [key for key in strict(encode(event)) if key not in ("elapsed_s", "tokens_processed", "progress_pct", "lr")] == [
        "event", "iter", "timestamp", "phase", "val_loss", "train_loss", "eval_general", "eval_code", "eval_duration_s",
    ]  # fmt: skip


def test_what_is_not_finite_is_null_with_its_name() -> None:
    event = Eval(
        iter=1, val_loss=math.nan, train_loss=math.inf, eval_sets={"a": -math.inf, "b": math.nan, "c": 1.0}
    )
    line = strict(encode(event))
    assert line["val_loss"] is line["train_loss"] is line["eval_a"] is None
    assert line["nonfinite"] == {"val_loss": "nan", "train_loss": "inf", "eval_a": "-inf", "eval_b": "nan"}
    back = decode(encode(event))
    assert isinstance(back, Eval) and repr(back.eval_sets) == "{'a': -inf, 'b': nan, 'c': 1.0}"


def test_a_number_deep_inside_that_is_not_finite_is_null() -> None:
    line = strict(encode(TrainingStart(config={"a": math.nan, "b": [math.inf, {"c": -math.inf}]})))
    assert line["config"] == {"a": None, "b": [None, {"c": None}]}


@pytest.mark.parametrize("step", [math.nan, math.inf, -math.inf])
def test_a_step_that_is_no_number_is_null_with_its_name(step: float) -> None:
    event = Unknown(timestamp="t", name="theirs", fields={"a": 1, "iter": step})
    line = strict(encode(event))
    assert list(line)[:3] == ["event", "iter", "timestamp"] and line["iter"] is None
    back = decode(encode(event))
    assert isinstance(back, Unknown) and repr(back.fields["iter"]) == repr(step)


def test_text_that_no_encoding_knows_is_written_all_the_same() -> None:
    assert json.loads(encode(Sample(iter=1, text="\udcff ★")))["text"]


@given(st.dictionaries(text.filter(lambda key: key not in ("event", "timestamp")), json_values, max_size=4))
def test_events_of_the_future_are_kept(fields: dict[str, Any]) -> None:
    event = decode(json.dumps({"event": "from_the_future", "timestamp": "t", **fields}).encode())
    assert isinstance(event, Unknown) and event.name == "from_the_future" and event.fields == fields
    assert repr(decode(encode(event))) == repr(event)


def test_unknown_fields_are_ignored() -> None:
    event = decode(b'{"event": "train", "iter": 3, "train_loss": 2.5, "colour": {"deep": [1]}}')
    assert event == Train(iter=3, train_loss=2.5)


# ── what other writers write ────────────────────────────────────────────────────────────────────────────────────


def test_bare_nan_and_infinity_are_taken() -> None:
    event = decode(b'{"event": "eval", "iter": 1, "val_loss": NaN, "eval_a": -Infinity, "lr": Infinity}')
    assert repr(event) == repr(Eval(iter=1, val_loss=math.nan, lr=math.inf, eval_sets={"a": -math.inf}))


def test_names_of_the_original() -> None:
    event = decode(
        b'{"event": "gold_checkpoint_final_eval", "iter": 74, "timestamp": "t", "strategy": "val_loss", "val_loss": 2.8}'
    )
    assert event == GoldCheckpoint(iter=74, timestamp="t", val_loss=2.8)
    event = decode(
        b'{"event": "gold_blocked", "iter": 7, "val_loss": 2.8, "best_gold_val_loss": 2.9, "reason": "r"}'
    )
    assert event == GoldBlocked(iter=7, val_loss=2.8, best_val_loss=2.9, reason="r")


def test_its_counts_are_no_eval_sets() -> None:
    event = decode(
        b'{"event": "eval", "iter": 1, "eval_a": 1, "eval_b": null, "eval_note": "x", "eval_flag": true, "eval_duration_s": 3.2}'
    )
    assert isinstance(event, Eval) and event.eval_sets == {"a": 1, "b": None} and event.eval_duration_s == 3.2


def test_whole_numbers_may_be_written_with_a_point() -> None:
    event = decode(b'{"event": "train", "iter": 10.0, "tokens_processed": 2560.0}')
    assert event == Train(iter=10, tokens_processed=2560)


@pytest.mark.parametrize("line", [b"", b"  ", b"\r", b"\x00\x00", b"\xef\xbb\xbf", b"\t\x00 \r"])
def test_lines_with_nothing_are_nothing(line: bytes) -> None:
    assert decode(line) is None


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"[1, 2]",
        b"3",
        b"null",
        b'"event"',
        b"{}",
        b'{"event": 3}',
        b'{"event": "train"}',
        b'{"event": "train", "iter": "x"}',
        b'{"event": "train", "iter": 1.5}',
        b'{"event": "eval", "iter": 1, "val_loss": "low"}',
        b'{"event": "eval", "iter": 1, "val_loss": [1]}',
        b'{"event": "eval", "iter": 1',
        b'{"event": "train", "iter": 1} {"event": "train", "iter": 2}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"event": "train", "iter": 1, "x": ' + b"9" * 10_000 + b"}x",
    ],
)
def test_lines_that_are_no_events_say_so(line: bytes) -> None:
    with pytest.raises(BadLineError, match=r"."):
        decode(line)


@settings(deadline=None, max_examples=500)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.builds(lambda value: json.dumps(value).encode(), json_values),
        st.builds(
            lambda name, fields: json.dumps({**fields, "event": name}).encode(),
            st.sampled_from(
                sorted(["train", "eval", "gold_blocked", "training_start", "training_complete", "sample"])
            ),
            st.dictionaries(
                st.sampled_from(
                    ["iter", "val_loss", "eval_x", "nonfinite", "config", "timestamp", "tokens_processed"]
                ),
                st.one_of(json_values, st.floats(), st.integers(), st.dictionaries(text, text, max_size=2)),
            ),
        ),
        st.builds(lambda event, cut: encode(event)[:cut], known, st.integers(0, 200)),
    )
)
def test_no_line_raises_anything_else(line: bytes) -> None:
    try:
        event = decode(line)
    except BadLineError:
        return
    if event is not None:
        strict(encode(event))


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

MIXED = b"".join(
    [
        b"\xef\xbb\xbf" + encode(Train(iter=1)),
        encode(Train(iter=2)).replace(b"\n", b"\r\n"),
        b"garbage\n\n",
        encode(Sample(iter=2, text="★\nü")),
        b"\x00\x00\x00" + encode(Eval(iter=3, val_loss=math.nan)),
        encode(Train(iter=4)).rstrip(b"\n"),
    ]
)


@settings(deadline=None)
@given(st.lists(st.integers(0, len(MIXED)), max_size=10))
def test_any_cut_gives_the_same_events(cuts: list[int]) -> None:
    reader = LineReader()
    got = []
    edges = [0, *sorted(cuts), len(MIXED)]
    for begin, end in pairwise(edges):
        got += list(reader.feed(MIXED[begin:end]))
    assert reader.pending
    got += list(reader.finish())
    assert [type(event).__name__ for event in got] == ["Train", "Train", "Sample", "Eval", "Train"]
    assert reader.bad == 1 and "JSON" in reader.last_bad and reader.pending == 0


def test_a_torn_end_is_bad_only_when_nothing_more_comes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(encode(Train(iter=1)) + b'{"event": "tra')
    assert read_log(path) == ([Train(iter=1)], 1)
    with pytest.raises(FileNotFoundError):
        read_log(tmp_path / "missing")


def test_a_line_without_end_is_dropped() -> None:
    reader = LineReader(max_line=100)
    assert list(reader.feed(b"x" * 101)) == [] and reader.pending == 0 and reader.bad == 1
    assert list(reader.feed(b"\n" + encode(Train(iter=1)))) == [Train(iter=1)]


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_torn_last_line_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "log.jsonl"
    with LogWriter(path) as writer:
        writer.write(Train(iter=1))
    before = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"event": "train", "it')
    with LogWriter(path) as writer:
        writer.write(Train(iter=2))
    found, bad = read_log(path)
    assert [event.iter for event in found if isinstance(event, Train)] == [1, 2] and bad == 1
    assert path.read_bytes().startswith(before)


def test_a_whole_log_is_only_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for step in range(3):
        with LogWriter(path) as writer:
            writer.write(Train(iter=step))
    assert path.read_bytes().count(b"\n") == 3 and read_log(path)[1] == 0


def test_a_line_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    real = os.write

    def counted(fd: int, data: bytes) -> int:
        writes.append(bytes(data))
        return real(fd, data)

    with LogWriter(tmp_path / "log.jsonl") as writer:
        monkeypatch.setattr(os, "write", counted)
        writer.write(Sample(iter=1, text="x" * 100_000))
        writer.write(Train(iter=2))
    monkeypatch.undo()
    assert len(writes) == 2 and all(data.endswith(b"\n") for data in writes)


def test_events_are_seen_as_soon_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with LogWriter(path) as writer:
        for step in range(5):
            writer.write(Train(iter=step))
            assert len(read_log(path)[0]) == step + 1
        writer.sync()


def test_an_event_gets_the_time_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with LogWriter(path) as writer:
        writer.write(Train(iter=1))
        writer.write(Train(iter=2, timestamp="2020-01-01T00:00:00.000000"))
    first, second = read_log(path)[0]
    assert len(first.timestamp) == len(events.now()) and first.timestamp <= events.now()
    assert second.timestamp == "2020-01-01T00:00:00.000000"


def test_closing_twice_is_no_trouble(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log.jsonl")
    writer.close()
    writer.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    link = tmp_path / "log.jsonl"
    link.symlink_to("/dev/full")
    with LogWriter(link) as writer, pytest.raises(OSError, match="space"):
        writer.write(Train(iter=1))


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_line_that_does_not_fit_is_not_there(tmp_path: Path) -> None:
    """A limit on the file's size cuts a write in the middle, as a full disk does."""
    import subprocess

    path = tmp_path / "log.jsonl"
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from mypt.events import LogWriter, Sample\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "with LogWriter(Path(sys.argv[1])) as writer:\n"
        "    for step in range(10):\n"
        "        try:\n"
        "            writer.write(Sample(iter=step, text='x' * 1000))\n"
        "        except OSError:\n"
        "            sys.exit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 7
    found, bad = read_log(path)
    assert [event.iter for event in found if isinstance(event, Sample)] == [0, 1] and bad == 0
    assert path.read_bytes().endswith(b"\n")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(known, max_size=8))
def test_a_log_reads_as_it_was_written(tmp_path: Path, written: list[AnyEvent]) -> None:
    path = tmp_path / "log.jsonl"
    path.unlink(missing_ok=True)
    with LogWriter(path) as writer:
        for event in written:
            writer.write(event)
    found, bad = read_log(path)
    assert repr(found) == repr(written) and bad == 0


def test_a_log_that_is_moved_away_is_begun_anew_where_everybody_looks(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "train" / "a_eval.jsonl"
    with LogWriter(path) as log:
        log.write(Eval(iter=1, val_loss=1.0))
        (tmp_path / "logs").rename(tmp_path / "gone")
        log.write(Eval(iter=2, val_loss=0.5))
        path.unlink()
        log.write(Eval(iter=3, val_loss=0.25))
    kept, _ = read_log(tmp_path / "gone" / "train" / "a_eval.jsonl")
    new, bad = read_log(path)
    assert [event.iter for event in kept if isinstance(event, Eval)] == [1]
    # Deleted, it is only ours any longer, and comes back with all that it held.
    assert [event.iter for event in new if isinstance(event, Eval)] == [2, 3]
    assert bad == 0


def test_a_deleted_log_that_finds_no_room_when_it_comes_back_is_not_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, room = tmp_path / "a_eval.jsonl", 500
    real = os.write

    def narrow(fd: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(fd, data[:room])
        room -= written
        return written

    with LogWriter(path) as log:
        for step in range(40):
            log.write(Eval(iter=step, val_loss=1.0))
        path.unlink()
        with monkeypatch.context() as full:
            full.setattr(os, "write", narrow)
            with pytest.raises(OSError, match="No space left"):
                log.write(Eval(iter=40, val_loss=1.0))
        log.write(TrainingStopped(iter=40, reason="error"))
    found, bad = read_log(path)
    assert bad == 0 and isinstance(found[-1], TrainingStopped)


@pytest.mark.parametrize(
    "line", [rb'{"event":"sample","iter":1,"\ud800":"a"}', rb'{"event":"sample","iter":"\ud800"}']
)
def test_half_a_surrogate_pair_where_nothing_can_hold_one_is_a_bad_line(line: bytes) -> None:
    with pytest.raises(BadLineError):
        decode(line)


def test_a_line_that_comes_byte_by_byte_is_the_same_line() -> None:
    line = encode(Sample(iter=3, text="x" * 500, timestamp="t"))
    reader = LineReader()
    found = [event for byte in line * 2 for event in reader.feed(bytes([byte]))]
    assert [event.text for event in found if isinstance(event, Sample)] == ["x" * 500] * 2
    assert (reader.pending, reader.bad) == (0, 0)


@pytest.mark.parametrize("field", ["iter", "tokens_processed", "memory"])
def test_a_count_beyond_every_count_is_a_bad_line(field: str) -> None:
    line = b'{"event": "train", "iter": 3, "train_loss": 1.0, "%s": %s}' % (field.encode(), b"9" * 400)
    with pytest.raises(BadLineError):
        events.decode(line.replace(b'"iter": 3, ', b"") if field == "iter" else line)
    from mypt.watch.lines import LineDecoder

    decoder = LineDecoder()
    assert not decoder.feed(line + b"\n") and decoder.bad == 1


def test_a_run_of_unheard_of_size_is_told_without_it() -> None:
    from mypt.watch.marks import start_words

    start = events.TrainingStart(config={"max_iters": 10**400}, model={"total_params": 1200})
    assert start_words(start) == "training starts: 1.2k parameters"


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be moved there")
@pytest.mark.parametrize("how", ["copy and truncate", "move", "delete", "cut in the middle"])
def test_a_log_that_is_rotated_goes_on_as_the_same_run(how: str, tmp_path: Path) -> None:
    path = tmp_path / "m_eval.jsonl"
    with LogWriter(path) as log:
        log.write(TrainingStart(config={"max_iters": 9}, run_id="one"))
        for step in range(1, 4):
            log.write(Train(iter=step, train_loss=1.0))
        before = path.read_bytes()
        if how == "copy and truncate":
            path.with_suffix(".1").write_bytes(before)
            os.truncate(path, 0)
        elif how == "move":
            path.rename(path.with_suffix(".1"))
        elif how == "delete":
            path.unlink()
        else:
            os.truncate(path, before.index(b"\n") + 1)
        for step in range(4, 7):
            log.write(Train(iter=step, train_loss=1.0))
    found, bad = events.read_log(path)
    starts = [event for event in found if isinstance(event, TrainingStart)]
    assert not bad and [start.run_id for start in starts] == ["one"] and found[0] == starts[0]
    steps = [event.iter for event in found if isinstance(event, Train)]
    assert steps == ([1, 2, 3, 4, 5, 6] if how == "delete" else [4, 5, 6])


def test_a_log_that_is_cut_back_into_the_run_before_says_again_which_one_follows(tmp_path: Path) -> None:
    path = tmp_path / "m_eval.jsonl"
    with LogWriter(path) as log:
        log.write(TrainingStart(config={"max_iters": 9}, run_id="one"))
        log.write(Train(iter=1, train_loss=1.0))
    length = path.stat().st_size
    with LogWriter(path) as log:
        log.write(TrainingStart(config={"max_iters": 9}, run_id="two"))
        log.write(Train(iter=2, train_loss=1.0))
        os.truncate(path, length)
        log.write(Train(iter=3, train_loss=1.0))
    found, bad = events.read_log(path)
    said = [
        event.run_id if isinstance(event, TrainingStart) else getattr(event, "iter", None) for event in found
    ]
    assert not bad and said == ["one", 1, "two", 3]
