"""Silence by two clocks: the one on the wall may do what it likes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mypt.runs.silence import Silence

HOURS = 3600.0


class Clocks:
    def __init__(self) -> None:
        self.now, self.wall = 100.0, 1_000_000.0

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds

    def silence(self) -> Silence:
        return Silence(clock=lambda: self.now, wall=lambda: self.wall)


def test_the_first_look_believes_the_wall() -> None:
    clocks = Clocks()
    assert clocks.silence().of(clocks.wall - 700) == 700


def test_a_sign_from_the_future_counts_from_when_it_was_seen() -> None:
    clocks = Clocks()
    silence = clocks.silence()
    sign = clocks.wall + 3 * HOURS
    assert silence.of(sign) == 0
    clocks.pass_(700)
    assert silence.of(sign) == 700


def test_a_clock_that_is_set_makes_nobody_silent_and_nobody_loud() -> None:
    clocks = Clocks()
    silence = clocks.silence()
    sign = clocks.wall - 5
    assert silence.of(sign) == 5
    for jump in (8 * HOURS, -11 * HOURS):
        clocks.wall += jump
        clocks.pass_(10)
        silence.of(sign)
    assert silence.of(sign) == 25
    # Written by a machine whose clock is a day behind: it is a sign of life all the same.
    assert silence.of(sign - 24 * HOURS) == 0
    clocks.pass_(3)
    assert silence.of(sign - 24 * HOURS) == 3


def test_another_thing_begins_anew() -> None:
    clocks = Clocks()
    silence = clocks.silence()
    silence.of(clocks.wall)
    silence.forget()
    assert silence.of(clocks.wall - 900) == 900


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(-1e6, 1e6)), min_size=2, max_size=20))
def test_without_a_new_sign_silence_grows_as_time_passes(steps: list[tuple[float, float]]) -> None:
    clocks = Clocks()
    silence, sign = clocks.silence(), clocks.wall
    told = [silence.of(sign)]
    for seconds, jump in steps:
        clocks.pass_(seconds)
        clocks.wall += jump
        told.append(silence.of(sign))
    for (seconds, _), (before, after) in zip(steps, pairwise(told), strict=True):
        assert abs(after - before - seconds) < 1e-3
