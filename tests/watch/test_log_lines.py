from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mypt.events import AnyEvent, BadLineError, Eval, Train, decode
from mypt.watch.history import RunHistory
from mypt.watch.lines import EvalRow, LineDecoder, eval_sets

numbers = st.one_of(st.none(), st.floats(-10, 10), st.integers(0, 10**6), st.sampled_from([10**400, 1e308]))
STAMP = "2026-01-01T10:00:00.000000"


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events as logs have them: mostly in order, with resumes, replays, gaps and words that nobody knows."""
    events: list[dict[str, Any]] = []
    step = 0
    sets = draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True))
    for _ in range(draw(st.integers(0, 60))):
        kind = draw(st.sampled_from(["train"] * 6 + ["eval"] * 4 + ["other"]))
        step = max(0, step + draw(st.sampled_from([10, 10, 10, 10, 1, 0, -7, -30])))
        event: dict[str, Any] = {"event": kind, "iter": step, "timestamp": STAMP}
        if draw(st.integers(0, 9)) or kind == "eval":
            event |= {"elapsed_s": step / 2, "tokens_processed": step * 64, "lr": 0.1}
        if kind == "train":
            event |= {"train_loss": draw(numbers), "grad_norm": draw(st.sampled_from([None, 1.0, 1.0, 1.0]))}
        elif kind == "eval":
            event |= {"val_loss": draw(numbers), "train_loss": draw(st.sampled_from([None, 2.0, 2.5]))}
            event |= {f"eval_{name}": draw(numbers) for name in sets}
            event |= {"eval_duration_s": 1.0} if draw(st.booleans()) else {}
            if draw(st.integers(0, 12)) == 0:
                event |= draw(st.sampled_from([{"eval_new": 3.0}, {"eval_note": "x"}, {"eval_b": "1.5"}]))
            if draw(st.integers(0, 12)) == 0:
                event |= {"val_loss": None, "nonfinite": {"val_loss": "nan"}}
        else:
            event = draw(
                st.sampled_from(
                    [
                        {"event": "gold_checkpoint", "iter": step, "val_loss": 1.0},
                        {
                            "event": "notice",
                            "iter": step,
                            "kind": "loss_spike",
                            "message": "up",
                            "train_loss": 9.0,
                        },
                        {"event": "gold_blocked", "iter": step, "val_loss": 1.0, "best_gold_val_loss": 0.9},
                        {"event": "training_start", "config": {"start_step": step, "resumed": True}},
                        {"event": "training_start", "config": {"start_step": 0}},
                        {"event": "phase_switch", "iter": step, "new_phase": "next"},
                        {"event": "training_stopped", "iter": step, "reason": "signal"},
                        {"event": "training_complete", "final_val_loss": 1.5},
                        {"event": "from_the_future", "iter": step},
                        {"event": "eval", "iter": "many"},
                        {"no": "event"},
                    ]
                )
            )
            event = {**event, "timestamp": STAMP}
        events.append(event)
    return events


def told(history: RunHistory) -> str:
    curves = {name: column.points() for name, column in sorted(history.curves.items())}
    rows = {name: [(p.step, p.tokens, p.time, p.y) for p in points] for name, points in curves.items()}
    # The eval sets stand in the order in which the log first had them.
    lines = [mark._replace(text="  ".join(sorted(mark.text.split("  ")))) for mark in history.lines]
    return repr(
        (rows, lines, history.summary(), history.golds, history.phases, history.nans, history.notices)
    )


@given(logs(), st.lists(st.integers(1, 30), min_size=1, max_size=8))
@settings(deadline=None, max_examples=100)
def test_many_lines_at_once_tell_what_they_tell_one_by_one(
    log: list[dict[str, Any]], cuts: list[int]
) -> None:
    lines = [json.dumps(event).encode() + b"\n" for event in log]
    together, one_by_one = RunHistory(), RunHistory()
    decoder = LineDecoder()
    rest, turn = lines, 0
    while rest:
        cut = cuts[turn % len(cuts)]
        together.feed(decoder.feed(b"".join(rest[:cut])))
        rest, turn = rest[cut:], turn + 1
    bad = 0
    for line in lines:
        try:
            event = decode(line)
        except BadLineError:
            bad += 1
        else:
            one_by_one.feed([event] if event else [])
    assert decoder.bad == bad
    assert told(together) == told(one_by_one)


def line(**fields: Any) -> bytes:
    return json.dumps({"event": "eval", "timestamp": STAMP, **fields}).encode() + b"\n"


def sets_of(events: list[AnyEvent | EvalRow]) -> list[dict[str, float | None]]:
    return [eval_sets(event) for event in events if isinstance(event, Eval | EvalRow)]


def test_the_names_of_a_log_are_learned_and_learned_again() -> None:
    decoder = LineDecoder()
    first, second = line(iter=0, val_loss=1.0, eval_a=1.0), line(iter=1, val_loss=1.0, eval_a=2.0)
    assert sets_of(decoder.feed(first)) == [{"a": 1.0}]
    learned = decoder.feed(second * 3)
    assert all(isinstance(event, EvalRow) for event in learned)
    assert sets_of(learned) == [{"a": 2.0}] * 3
    # A name that comes later is not lost, nor is one that goes.
    assert sets_of(decoder.feed(second + line(iter=2, eval_a=1.0, eval_b=5.0))) == [
        {"a": 2.0},
        {"a": 1.0, "b": 5.0},
    ]
    assert sets_of(decoder.feed(line(iter=3, eval_b=4.0))) == [{"b": 4.0}]


def test_a_bad_line_costs_its_neighbours_nothing() -> None:
    decoder = LineDecoder()
    events = decoder.feed(
        b'\xef\xbb\xbf{"event":"train","iter":1,"train_loss":2}\r\n\ngarbage\n' + line(iter=2)
    )
    assert [type(event) for event in events] == [Train, Eval]
    assert decoder.bad == 1
    assert "JSON" in decoder.last_bad


def test_what_is_not_finite_is_put_together() -> None:
    decoder = LineDecoder()
    (event,) = decoder.feed(line(iter=1, val_loss=None, nonfinite={"val_loss": "inf"}))
    assert isinstance(event, Eval)
    assert event.val_loss == math.inf


@pytest.mark.parametrize("name", ['a "quoted" set', "back\\slash", "\x1b[31mred"])
def test_a_set_whose_name_no_field_can_have_is_read_all_the_same(name: str) -> None:
    line = {"event": "eval", "iter": 10, "timestamp": "t", "val_loss": 2.0, f"eval_{name}": 3.0}
    decoder = LineDecoder()
    for _ in range(3):
        (event,) = decoder.feed(json.dumps(line).encode() + b"\n")
        assert eval_sets(event) == {name: 3.0}  # type: ignore[arg-type]
    assert decoder.bad == 0
