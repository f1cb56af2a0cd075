"""What is read ahead is what would have been read, in every order of asking."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from mypt.data.source import PhaseData, RunData
from mypt.data.split import Batch, Split
from mypt.errors import RunError
from mypt.settings.fields import Settings
from mypt.tokenizers.char import CharTokenizer
from mypt.training import prefetch
from mypt.training.batches import draw, of_update
from mypt.training.prefetch import Prefetcher
from tests.workbench import CHARS, ids_of, story

SETTINGS = Settings(batch_size=3, block_size=8, grad_accum_steps=2, max_iters=12, use_loss_mask=True)


def split(seed: int) -> Split:
    ids = np.asarray(ids_of(story(500, seed)))
    return Split([ids], [np.arange(len(ids)) % 2])


def data() -> RunData:
    one, two = split(1), split(2)
    phases = [PhaseData("one", 5, one, one, "1", "one"), PhaseData("two", None, two, two, "2", "two")]
    return RunData(CharTokenizer(CHARS), phases)


def readers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("mypt-prefetch")]


@pytest.mark.parametrize("order", [range(1, 13), (7, 8, 3, 3, 12, 1, 5, 6)])
def test_every_update_gets_its_own_batches_of_its_own_phase(order: list[int]) -> None:
    run = data()
    with Prefetcher(run, SETTINGS, "cpu") as ahead:
        for number in order:
            expected = of_update(run.phase_at(number - 1).train, SETTINGS, number, "cpu")
            taken = ahead.take(number)
            assert taken is not None
            for got, want in zip(taken, expected, strict=True):
                assert torch.equal(got.x, want.x) and torch.equal(got.y, want.y)
                assert got.mask is not None and want.mask is not None and torch.equal(got.mask, want.mask)
                assert got.valid == want.valid


def test_the_next_one_is_read_while_this_one_computes_and_none_after_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[tuple[int, str]] = []
    real, second = draw, threading.Event()

    def noting(train: Split, settings: Settings, number: int, share: slice) -> list[Batch]:
        read.append((number, threading.current_thread().name))
        if number == 12:
            second.set()
        return real(train, settings, number, share)

    monkeypatch.setattr(prefetch, "draw", noting)
    with Prefetcher(data(), SETTINGS, "cpu") as ahead:
        ahead.take(11)
        assert second.wait(10)
        ahead.take(12)
    assert read == [(11, "mypt-prefetch"), (12, "mypt-prefetch")]


def test_what_goes_wrong_while_reading_is_raised_for_its_update_and_the_thread_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = draw

    def failing(train: Split, settings: Settings, number: int, share: slice) -> list[Batch]:
        if number == 2:
            raise RunError("shard has become shorter")
        return real(train, settings, number, share)

    monkeypatch.setattr(prefetch, "draw", failing)
    with pytest.raises(RunError, match="become shorter"), Prefetcher(data(), SETTINGS, "cpu") as ahead:
        assert len(ahead.take(1) or []) == 2
        ahead.take(2)
    assert not readers()


def test_a_stop_is_heard_while_data_does_not_come_and_nobody_waits_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prefetch, "_LOOK_S", 0.001)
    monkeypatch.setattr(prefetch, "_PATIENCE_S", 0.001)
    never = threading.Event()
    monkeypatch.setattr(prefetch, "draw", lambda *_: never.wait())
    looks = iter([False, False, True])
    with Prefetcher(data(), SETTINGS, "cpu") as ahead:
        assert ahead.take(3, lambda: next(looks)) is None
        assert not list(looks)
    assert [thread.daemon for thread in readers()] == [True]
    monkeypatch.undo()
    never.set()
    for thread in readers():
        thread.join(10)
    assert not readers()
