from __future__ import annotations

import pytest

from mypt.errors import UserError
from mypt.events import Notice
from mypt.plotting.choice import choose, named_curves, notes, summary
from mypt.watch.history import RunHistory
from tests.plotting.curves import history


def test_one_run_shows_what_the_dashboard_shows() -> None:
    chosen = choose({"dante": history()})
    assert [(line.label, line.color) for line in chosen.lines] == [
        ("val", "series-1"),
        ("general", "series-3"),
        ("batch", "series-2"),
    ]
    assert [line.dashed for line in chosen.lines] == [False, True, False] and chosen.lines[2].dim
    kinds = [sign.kind for sign in chosen.signs]
    assert kinds == ["phase", "resume", "blocked", "gold", "gold"]


def test_several_runs_show_their_validation_losses_a_colour_a_run() -> None:
    chosen = choose({"dante": history(), "emma": history(0.5)})
    assert [(line.label, line.color) for line in chosen.lines] == [
        ("dante", "series-1"),
        ("emma", "series-2"),
    ]
    assert [(sign.kind, sign.run, sign.step) for sign in chosen.signs] == [
        ("gold", "dante", 90),
        ("gold", "emma", 90),
    ]
    chosen = choose({"dante": history(), "emma": history(0.5)}, ["val", "train"])
    assert [(line.label, line.color, line.dashed) for line in chosen.lines] == [
        ("dante val", "series-1", False),
        ("dante batch", "series-1", True),
        ("emma val", "series-2", False),
        ("emma batch", "series-2", True),
    ]


def test_curves_are_asked_for_by_their_names() -> None:
    assert list(named_curves(history())) == ["val", "general", "train", "lr"]
    chosen = choose({"dante": history()}, ["lr", "general"])
    assert [line.label for line in chosen.lines] == ["lr", "general"] and not chosen.signs
    assert list(choose({"dante": history()}, ["batch"]).columns["dante"]) == ["train"]
    # A set may have the name of another curve; the training loss of evaluations stands in for that of steps.
    assert "eval:val" in named_curves(history(sets=("val",)))
    assert "train" not in named_curves(history(trains=False))


def test_a_curve_that_no_run_has_names_the_nearest() -> None:
    with pytest.raises(
        UserError, match=r"'genral'.*did you mean general\? there are: val, general, train, lr"
    ):
        choose({"dante": history(), "emma": history()}, ["val", "genral"])
    with pytest.raises(UserError, match="nothing was measured yet"):
        choose({"dante": RunHistory()}, ["val"])
    # It is enough that one has it.
    chosen = choose({"dante": history(), "emma": history(sets=())}, ["general"])
    assert [line.label for line in chosen.lines] == ["dante"]


def test_smoothing_keeps_the_curve_itself_dimmed_behind() -> None:
    chosen = choose({"dante": history()}, ["val"], smooth=0.9)
    average, raw = chosen.lines
    assert (average.label, average.dim, average.quiet) == ("val", False, False)
    assert (raw.dim, raw.quiet, raw.color) == (True, True, average.color)
    last, true = average.column.last(), raw.column.last()
    assert last and true and last.y > true.y == 1.0
    # The numbers below are those that were measured.
    assert summary(chosen)[1] == ["val", "1.0000", "100", "1.0000", "100", "★ 1.3000 at 90"]


def test_the_table_has_the_last_the_lowest_and_the_gold() -> None:
    assert summary(choose({"dante": history()}, ["val", "lr"])) == [
        ["curve", "last", "at step", "lowest", "at step", "gold"],
        ["val", "1.0000", "100", "1.0000", "100", "★ 1.3000 at 90"],
        ["lr", "1e-3", "100", "", "", ""],
    ]
    assert [row[0] for row in summary(choose({"dante": history(), "emma": history()}))] == [
        "curve",
        "dante",
        "emma",
    ]


def test_the_signs_are_explained() -> None:
    assert notes(choose({"dante": history()})) == [
        "┊ phase two from step 50",
        "✕ gold blocked once at step 70: trend: 3 consecutive val rises",
        "↻ resumed at step 80",
    ]
    assert notes(choose({"dante": history(), "emma": history()})) == []
    noticed = history()
    noticed.feed([Notice(iter=step, message="up") for step in range(101, 110)])
    assert notes(choose({"dante": noticed}))[2:6] == [
        "▲ 3 notices before these",
        "▲ step 104: up",
        "▲ step 105: up",
        "▲ step 106: up",
    ]
