from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mypt.events import (
    AnyEvent,
    Eval,
    GoldBlocked,
    GoldCheckpoint,
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
from mypt.watch.history import RunHistory

SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "original" / "logs"
needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the sample logs are not beside the repository"
)

TOKENS = 256
EVERY = 20
SAVE = 30
END = 200
PHASE_AT = 100


def start(step: int = 0, **fields: Any) -> TrainingStart:
    config = {
        "max_iters": END,
        "start_step": step,
        "tokens_per_step": TOKENS,
        "eval_interval": EVERY,
    }
    return TrainingStart(
        timestamp="2026-11-20T10:00:00.000000", config=config, model={"total_params": 1000}, **fields
    )


def train(step: int, loss: float = 2.0, **fields: Any) -> Train:
    return Train(
        iter=step, elapsed_s=step * 0.5, tokens_processed=step * TOKENS, lr=1e-3, train_loss=loss, **fields
    )


def evaluation(step: int, loss: float | None = 2.0, **fields: Any) -> Eval:
    return Eval(iter=step, elapsed_s=step * 0.5, tokens_processed=step * TOKENS, val_loss=loss, **fields)


def history_of(*events: AnyEvent) -> RunHistory:
    history = RunHistory()
    history.feed(events)
    return history


def points(history: RunHistory, name: str) -> list[tuple[int, float]]:
    column = history.curves.get(name)
    return [(p.step, p.y) for p in column.points()] if column else []


def picture(history: RunHistory) -> dict[str, Any]:
    """All that a resume must not change."""
    return {
        "curves": {
            name: [(p.step, p.tokens, round(p.time, 6), p.y) for p in column.points()]
            for name, column in sorted(history.curves.items())
        },
        "golds": [(m.step, m.value) for m in history.golds],
        "blocked": [(m.step, m.text) for m in history.blocked],
        "phases": [(m.step, m.text) for m in history.phases],
        "samples": [(s.step, s.text) for s in history.samples],
        "lines": [(m.kind, m.step, m.text) for m in history.lines if m.kind not in ("resume", "stopped")],
        "present": (
            history.step,
            history.tokens,
            history.elapsed_s,
            history.phase,
            history.best,
            history.gold,
        ),
        "ended": history.ended and history.ended.kind,
    }


# ── a trainer in small: its events are a function of the step, as ours are by exact resume ──────────────────────


def step_events(step: int) -> list[AnyEvent]:
    events: list[AnyEvent] = []
    phase = "first" if step <= PHASE_AT else "second"
    noise = random.Random(step).random()
    clock: dict[str, Any] = {"elapsed_s": step * 0.5, "tokens_processed": step * TOKENS}
    if step and step % 5 == 0:
        events.append(
            Train(
                iter=step,
                lr=step * 1e-5,
                train_loss=3 + noise,
                grad_norm=noise,
                tokens_per_sec=512.0,
                **clock,
            )
        )
    if step % EVERY == 0:
        events.append(Eval(iter=step, phase=phase, val_loss=3 + noise, eval_sets={"general": noise}, **clock))
        if noise < 0.3:
            events.append(GoldCheckpoint(iter=step, val_loss=3 + noise))
        elif noise < 0.5:
            events.append(GoldBlocked(iter=step, val_loss=3 + noise, reason="trend: 3 consecutive val rises"))
        events.append(Sample(iter=step, prompt="Once", text=f" upon {step}"))
        if step == PHASE_AT:
            events.append(PhaseSwitch(iter=step, new_phase="second", **clock))
    return events


def undisturbed() -> list[AnyEvent]:
    events: list[AnyEvent] = [start(), *step_events(0)]
    for step in range(1, END + 1):
        events += step_events(step)
    return [*events, TrainingComplete(total_elapsed_s=END * 0.5, total_tokens=END * TOKENS)]


def with_kills(kills: list[tuple[int, bool]]) -> list[AnyEvent]:
    """A run that is killed after so many steps each time (or stops in order, saving), and resumes."""
    events: list[AnyEvent] = [start(), *step_events(0)]
    step = 0
    for after, orderly in kills:
        last = min(step + after, END - 1)
        saved = step
        while step < last:
            step += 1
            events += step_events(step)
            if step % SAVE == 0 or step % EVERY == 0:
                saved = step
        if orderly:
            events.append(TrainingStopped(iter=step, reason="request"))
            saved = step
        step = saved
        if step == 0:
            events += [start(), *step_events(0)]
        else:
            events.append(start(step))
    while step < END:
        step += 1
        events += step_events(step)
    return [*events, TrainingComplete(total_elapsed_s=END * 0.5, total_tokens=END * TOKENS)]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 120), st.booleans()), max_size=6), st.integers(1, 50))
def test_kills_and_resumes_leave_one_clean_story(kills: list[tuple[int, bool]], slices: int) -> None:
    expected = history_of(*undisturbed())
    history = RunHistory()
    events = with_kills(kills)
    for begin in range(0, len(events), slices):
        history.feed(events[begin : begin + slices])
    assert picture(history) == picture(expected)


@settings(deadline=None)
@given(st.lists(st.integers(1, END - 1), min_size=1, max_size=4))
def test_going_back_without_a_word_replaces_what_is_replayed(backs: list[int]) -> None:
    """A log without starts: only the falling `iter` tells."""
    events: list[AnyEvent] = []
    step = 0
    for back in [*backs, None]:
        upto = END if back is None else min(END, back + 37)
        for at in range(step, upto + 1):
            events += step_events(at)
        step = back or 0
    expected = history_of(*(event for at in range(END + 1) for event in step_events(at)))
    history = history_of(*events)
    # The last sweep began at the last return, and repeated all from there.
    assert picture(history)["curves"] == picture(expected)["curves"]
    assert picture(history)["golds"] == picture(expected)["golds"]
    assert picture(history)["phases"] == picture(expected)["phases"]


def test_an_evaluation_at_the_resumed_step_stays() -> None:
    history = history_of(
        start(), evaluation(0, 4.0), train(10), evaluation(20, 3.0), train(30), evaluation(40, 2.0), start(20)
    )
    assert points(history, "val") == [(0, 4.0), (20, 3.0)]
    assert points(history, "train") == [(10, 2.0)]
    assert history.step == 20 and history.tokens == 20 * TOKENS and history.elapsed_s == 10.0
    assert [m.step for m in history.resumes] == [20]
    assert "20 later steps" in history.lines[-1].text


def test_a_repeated_evaluation_replaces() -> None:
    history = history_of(start(), evaluation(0, 4.0), evaluation(20, 3.0), start(20), evaluation(20, 2.9))
    assert points(history, "val") == [(0, 4.0), (20, 2.9)]
    assert [m.step for m in history.lines if m.kind == "eval"] == [0, 20]


def test_a_start_from_nothing_forgets_all() -> None:
    history = history_of(start(), evaluation(0, 4.0), train(10), start(), evaluation(0, 5.0))
    assert points(history, "val") == [(0, 5.0)]
    assert points(history, "train") == []
    assert [m.kind for m in history.lines] == ["start", "eval"]


def original_eval(step: int, begun: int, loss: float) -> Eval:
    done = step - begun
    return Eval(iter=step, elapsed_s=done * 0.5, tokens_processed=done * TOKENS, val_loss=loss)


def test_counters_that_begin_again_are_carried_on() -> None:
    """The original's logs: after each resume `elapsed_s` and `tokens_processed` count from zero."""
    history = history_of(
        start(),
        *[original_eval(step, 0, 3.0) for step in range(0, 80, 20)],
        start(60),
        *[original_eval(step, 60, 2.0) for step in range(60, 120, 20)],
        start(100),
        *[original_eval(step, 100, 1.0) for step in range(100, 181, 20)],
        TrainingComplete(total_tokens=100 * TOKENS, total_elapsed_s=50.0, final_val_loss=0.5),
    )
    column = history.curves["val"]
    assert [p.step for p in column.points()] == list(range(0, 201, 20))
    assert [p.tokens for p in column.points()] == [step * TOKENS for step in range(0, 201, 20)]
    assert [p.time for p in column.points()] == pytest.approx([step * 0.5 for step in range(0, 201, 20)])
    assert history.tokens == END * TOKENS and history.elapsed_s == pytest.approx(100.0)


def test_a_log_that_begins_in_the_middle_counts_from_there() -> None:
    history = history_of(start(50), original_eval(60, 50, 3.0))
    assert [(p.step, p.tokens) for p in history.curves["val"].points()] == [(60, 60 * TOKENS)]


def test_nan_is_a_gap_and_an_event() -> None:
    history = history_of(
        start(),
        evaluation(0, 3.0),
        train(5, 2.0),
        train(10, math.nan),
        train(15, math.nan),
        evaluation(20, math.inf),
    )
    assert history.nan_step == 10
    assert [(m.step, m.text) for m in history.nans] == [(10, "batch loss is nan"), (20, "val loss is inf")]
    assert history.curves["train"].sample("step", 0, 20, 10)[-1].gap
    assert history.sparkline(10) == [3.0]
    history.feed([start(5), train(10, 1.0), evaluation(20, 2.0)])
    assert history.summary().nan_step is None and history.nans == ()


def test_a_notice_is_a_mark_at_its_loss_and_a_line_and_is_replayed_with_its_step() -> None:
    def notice(step: int, **fields: Any) -> Notice:
        return Notice(iter=step, elapsed_s=step * 0.5, tokens_processed=step * TOKENS, **fields)

    spike = notice(13, kind="loss_spike", message="batch loss jumped\x1b[0m", train_loss=9.0)
    sets = [notice(20, kind="eval_set", message=f"the loss on eval set {name} is nan") for name in "ab"]
    history = history_of(start(), train(10), spike, train(15), *sets)
    first, *others = history.notices
    assert (first.step, first.tokens, first.time, first.value) == (13, 13 * TOKENS, 6.5, 9.0)
    assert "\x1b" not in first.text and first.text.startswith("batch loss jumped")
    assert [(mark.step, mark.value, mark.text[-8:]) for mark in others] == [
        (20, None, "a is nan"),
        (20, None, "b is nan"),
    ]
    assert [mark.kind for mark in history.lines] == ["start", "notice", "notice", "notice"]
    history.feed([start(12, run_id="again")])
    assert not history.notices
    history.feed([train(12), spike])
    assert [mark.step for mark in history.notices] == [13]


def test_a_loss_that_recovers_is_not_nan_any_more() -> None:
    history = history_of(start(), train(5, math.nan), train(10, 2.0))
    assert history.nan_step is None and [m.step for m in history.nans] == [5]


def test_missing_fields_are_no_points() -> None:
    history = history_of(
        Train(iter=3), Eval(iter=4), TrainingComplete(), Unknown(name="x", fields={"iter": "y"})
    )
    assert dict(history.curves) == {} and history.step == 4
    summary = history.summary()
    assert (summary.val_loss, summary.eta_s, summary.max_iters, summary.progress) == (None, None, None, 1.0)


def test_the_end_is_told_and_taken_back() -> None:
    history = history_of(start(), train(10), TrainingStopped(iter=10, reason="nan", message="at 11\x1b[0m"))
    assert history.ended is not None
    assert history.ended.closing == "stopped:nan:at 11\\x1b[0m"
    assert history.eta_s is None
    history.feed([start(5)])
    assert history.summary().ended is None and "stopped at 10: nan" in history.lines[-1].text


def test_the_last_word_is_kept_for_each_record() -> None:
    history = history_of(
        start(run_id="a"),
        train(10),
        TrainingStopped(iter=10, reason="request"),
        start(10, run_id="b"),
        train(20),
    )
    assert history.run_id == "b" and history.run_ids == {"a", "b"}
    assert history.closings == {"a": "stopped:request:"}
    history.feed([TrainingComplete()])
    assert history.closings["b"] == "complete"
    # SLURM starts the same run again: what it said at an end before is not its last word.
    history.feed([start(20, run_id="b")])
    assert history.closings == {"a": "stopped:request:"}


def test_gold_and_blocked() -> None:
    history = history_of(
        start(),
        evaluation(20, 3.0),
        GoldCheckpoint(iter=20, val_loss=3.0),
        evaluation(40, 2.0),
        GoldBlocked(iter=40, val_loss=2.0, reason="overfit: val/train=6.2x, threshold=5.0x"),
        evaluation(60, 1.5),
        GoldCheckpoint(iter=60, val_loss=1.5, prev_best=None),
    )
    assert [(m.step, m.tokens, m.time) for m in history.golds] == [
        (20, 20 * TOKENS, 10.0),
        (60, 60 * TOKENS, 30.0),
    ]
    assert history.golds[-1].text == "gold 1.5000 (was 3.0000)"
    assert history.blocked[0].text.startswith("overfit")
    assert history.gold is not None and tuple(history.gold) == (1.5, 60)
    history.feed([start(40)])
    assert history.gold is not None and history.gold.step == 20


def test_a_gold_that_is_told_late_stands_at_its_step_and_keeps_nothing_from_being_rewound() -> None:
    notice = Notice(iter=50, kind="loss_spike", message="a jump", train_loss=9.0, elapsed_s=25.0)
    gold = GoldCheckpoint(iter=40, val_loss=2.0, prev_best=None)
    history = history_of(start(), evaluation(40), train(45), notice, gold, train(52))
    assert (history.step, [(m.step, m.tokens) for m in history.golds]) == (52, [(40, 40 * TOKENS)])
    assert [(line.kind, line.step) for line in history.lines[1:]] == [
        *(("eval", 40), ("gold", 40), ("notice", 50))
    ]
    # Killed before the checkpoint of step 50: the jump is trained again, the gold is there.
    history.feed([start(40)])
    assert [line.kind for line in history.lines[1:]] == ["eval", "gold", "resume"]
    assert not history.notices and len(history.golds) == 1


def test_best_is_of_the_present_phase() -> None:
    history = history_of(start(), evaluation(20, 1.0, phase="easy"), PhaseSwitch(iter=20, new_phase="hard"))
    assert history.best is not None and history.best.step == 20
    history.feed(
        [
            evaluation(40, 3.0, phase="hard"),
            evaluation(60, 2.5, phase="hard"),
            evaluation(80, 2.7, phase="hard"),
        ]
    )
    assert history.best is not None and tuple(history.best) == (2.5, 60)
    history.feed([start(20)])
    assert history.phase == "hard"
    history.feed([start(10)])
    assert history.phase == "easy" and history.phases == ()


def test_the_time_left_includes_evaluations() -> None:
    events: list[AnyEvent] = [start()]
    now = 0.0
    for step in range(1, 101):
        now += 1.0
        if step % 10 == 0:
            events.append(
                Train(
                    iter=step,
                    elapsed_s=now,
                    tokens_processed=step * TOKENS,
                    train_loss=1.0,
                    tokens_per_sec=256.0,
                )
            )
        if step % EVERY == 0:
            events.append(Eval(iter=step, elapsed_s=now, tokens_processed=step * TOKENS, val_loss=1.0))
            now += 10.0
    history = history_of(*events)
    # A hundred steps are left: a second each, and every twentieth is followed by an evaluation of ten.
    assert history.eta_s == pytest.approx(100 * (1 + 10 / EVERY))
    assert history.tokens_per_sec == 256.0
    assert history.progress == 0.5


def test_speed_is_a_median() -> None:
    history = history_of(
        start(), *[train(n, tokens_per_sec=1.0 if n % 7 == 0 else 1000.0) for n in range(1, 60)]
    )
    assert history.tokens_per_sec == 1000.0


def test_text_is_safe_and_bounded() -> None:
    evil = "\x1b]0;title\x07\u202e"
    history = history_of(
        start(),
        Eval(iter=1, phase=evil, val_loss=1.0, eval_sets={evil: 1.0}, timestamp=evil),
        Sample(iter=1, prompt=evil, text=evil + "x" * 1_000_000 + "\n"),
        GoldBlocked(iter=1, reason=evil),
        TrainingStopped(iter=1, reason=evil, message=evil),
        Unknown(name=evil, fields={}),
    )
    shown = repr(
        (
            history.lines,
            history.samples,
            history.phase,
            history.ended,
            history.last_event_at,
            list(history.curves),
        )
    )
    assert "\x1b" not in shown and "\\x1b]0" in shown and len(shown) < 60_000
    for text in [m.text for m in history.lines] + [history.phase, history.last_event_at, *history.curves]:
        assert text.isprintable()


def test_a_hostile_log_is_bounded() -> None:
    history = RunHistory()
    history.feed(Eval(iter=n, val_loss=1.0, eval_sets={f"set{n}": 1.0}) for n in range(10_000))
    assert len(history.lines) <= 4000 and len(history.curves) < 100
    history.feed(
        [Train(iter=-1, train_loss=1.0), Train(iter=1 << 60, train_loss=1.0), Eval(iter=-5, val_loss=1.0)]
    )
    assert history.step == 9999 and history.summary().bad_lines == 3
    history.feed([Eval(iter=10_000, val_loss=1.0, tokens_processed=10**400, eval_sets={"set1": 10**400})])
    assert history.step == 10_000


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.builds(
            lambda kind, fields: {"event": kind, **fields},
            st.sampled_from(
                [
                    "training_start",
                    "train",
                    "eval",
                    "phase_switch",
                    "gold_checkpoint",
                    "gold_blocked",
                    "sample",
                    "training_stopped",
                    "training_complete",
                    "odd",
                ]
            ),
            st.fixed_dictionaries(
                {"iter": st.one_of(st.integers(-1, 30), st.integers())},
                optional={
                    "val_loss": st.one_of(st.none(), st.floats()),
                    "train_loss": st.one_of(st.none(), st.floats()),
                    "elapsed_s": st.one_of(st.none(), st.floats()),
                    "tokens_processed": st.one_of(st.none(), st.integers()),
                    "phase": st.text(max_size=5),
                    "new_phase": st.text(max_size=5),
                    "eval_x": st.one_of(st.none(), st.floats(), st.integers()),
                    "final_val_loss": st.floats(),
                    "config": st.dictionaries(
                        st.sampled_from(["start_step", "max_iters", "tokens_per_step", "eval_interval"]),
                        st.one_of(
                            st.integers(-1, 30), st.integers(), st.floats(), st.text(max_size=2), st.none()
                        ),
                    ),
                },
            ),
        ),
        max_size=30,
    )
)
def test_no_sequence_of_events_is_too_much(lines: list[dict[str, Any]]) -> None:
    from mypt.events import BadLineError, from_fields

    history = RunHistory()
    for fields in lines:
        try:
            event = from_fields(fields)
        except BadLineError:
            continue
        history.feed([event])
        history.summary()
    for column in history.curves.values():
        got = column.points()
        for axis in ("step", "tokens", "time"):
            xs = [getattr(p, axis) for p in got]
            assert xs == sorted(xs)
        assert len({p.step for p in got}) == len(got)
    assert len(history.latest_lines(5)) <= 5


def test_reset_keeps_the_columns_that_others_hold() -> None:
    history = history_of(start(), evaluation(0, 4.0))
    column = history.curves["val"]
    before = history.revision
    history.reset()
    assert dict(history.curves) == {} and len(column) == 0 and history.revision != before
    history.feed([evaluation(0, 2.0)])
    assert history.curves["val"] is column


def test_sparkline_has_at_most_its_width() -> None:
    history = history_of(start(), *[train(n, 1000.0 / (n + 1)) for n in range(1000)])
    line = history.sparkline(20)
    assert 10 <= len(line) <= 20 and line[0] > line[-1]
    assert history_of(start()).sparkline(20) == []


@needs_samples
@pytest.mark.parametrize(
    ("name", "evals", "golds", "ended", "phase"),
    [
        ("fx_a", 7, 5, "complete", "default"),
        ("fx_b", 5, 5, "complete", "default"),
        ("fx_curriculum", 9, 5, "complete", "prose"),
        ("fx_killed", 9, 6, None, "default"),
        ("fx_nan", 5, 1, "complete", "default"),
        ("fx_sft", 7, 7, "complete", "default"),
    ],
)
def test_logs_of_the_original(name: str, evals: int, golds: int, ended: str | None, phase: str) -> None:
    events, bad = read_log(SAMPLES / f"{name}.jsonl")
    history = history_of(*events)
    assert bad == 0
    assert len(history.curves["val"]) == evals
    assert len(history.golds) == golds
    assert (history.ended.kind if history.ended else None) == ended
    assert history.phase == phase
    assert "train" not in history.curves
    assert history.tokens_per_step and history.tokens_per_sec
    assert history.progress == (1.0 if ended else history.step / 2000)


@needs_samples
def test_the_original_s_nan_and_its_time_left() -> None:
    nan = history_of(*read_log(SAMPLES / "fx_nan.jsonl")[0])
    assert nan.nan_step == 10 and nan.summary().best_step == 0
    killed = history_of(*read_log(SAMPLES / "fx_killed.jsonl")[0])
    assert killed.eta_s == pytest.approx(1800 * (4.8 - 3.7) / 50)
    curriculum = history_of(*read_log(SAMPLES / "fx_curriculum.jsonl")[0])
    assert [(m.step, m.text) for m in curriculum.phases] == [(60, "prose")]
    assert {"eval:numbers", "eval:prose"} <= set(curriculum.curves)


def test_what_is_written_folds_as_what_was_meant() -> None:
    events = undisturbed()
    read = [event for event in (decode(encode(e)) for e in events) if event is not None]
    a, b = history_of(*events).summary(), history_of(*read).summary()
    assert (a.step, a.tokens, a.phase, a.ended) == (b.step, b.tokens, b.phase, b.ended)
    assert a.val_loss == pytest.approx(b.val_loss, abs=1e-6)
