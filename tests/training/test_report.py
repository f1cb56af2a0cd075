from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mypt import events
from mypt.events import LogWriter
from mypt.training.console import Console, plain
from mypt.training.gold import Decision
from mypt.training.report import RunReporter, span


class Told:
    """A reporter of a run to 75 000 steps, with what it printed and logged."""

    def __init__(self, log: Path) -> None:
        self.out, self.log = io.StringIO(), log
        self.writer = LogWriter(log)
        self.reporter = RunReporter(self.writer, Console(self.out), 75_000, lambda: ("a\x1b", "b\nc"))

    @property
    def lines(self) -> list[str]:
        return self.out.getvalue().splitlines()

    @property
    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path / "log.jsonl")
    # A stream without an encoding would be taken for one that knows ASCII only.
    made.reporter.console._unicode = True
    yield made
    made.writer.close()


def evaluation(step: int, elapsed: float, **changes: Any) -> events.Eval:
    values: dict[str, Any] = {
        "iter": step,
        "elapsed_s": elapsed,
        "tokens_processed": step * 98_304,
        "progress_pct": 100 * step / 75_000,
        "lr": 1.4e-5,
        "phase": "circuit_formation",
        "val_loss": 4.123456,
        "train_loss": 4.0,
        "eval_duration_s": 12.3,
        "eval_sets": {"general": 4.234567, "code": 3.987654},
    }
    return events.Eval(**{**values, **changes})


def test_an_evaluation_is_two_lines_as_the_seeds_have_them(told: Told) -> None:
    told.reporter.evaluation(evaluation(0, 1.0))
    told.reporter.evaluation(evaluation(350, 912.5))
    first, second = told.lines[-2:]
    eta = span(911.5 / 350 * (75_000 - 350))
    assert re.fullmatch(
        rf"step 350/75000 \(0\.5%\) \| \d\d:\d\d:\d\d \| 15m \| ETA {eta} \| 34M tokens", first
    )
    assert second == (
        "  val 4.1235 | lr 1.40e-05 | phase: circuit_formation | general 4.2346 | code 3.9877 | train eval 4.0000"
    )


def test_the_seeds_numbers_are_in_the_log(told: Told) -> None:
    told.reporter.evaluation(evaluation(350, 912.5))
    (event,) = told.logged
    assert event["tokens_processed"] == 34406400 and event["progress_pct"] == 0.47
    assert event["eval_general"] == 4.234567 and event["lr"] == 0.000014
    assert list(event)[:3] == ["event", "iter", "timestamp"]


def test_gold_lines(told: Told) -> None:
    told.reporter.gold(Decision(accepted=True, prev_best=None), 200, 0.6326, 0.5)
    told.reporter.gold(
        Decision(reason="overfit: val/train=490.0x, threshold=5.0x", prev_best=0.5173), 600, 0.49, 0.001
    )
    told.reporter.gold(Decision(reason="trend: 3 consecutive val rises", prev_best=0.5), 700, 0.4, 0.4)
    assert told.lines == [
        "  🏆 New GOLD checkpoint! val_loss=0.6326 at step 200",
        "  ⚠️  GOLD blocked: val 0.4900 < best 0.5173 but overfit (val/train=490.0x, threshold=5x)",
        "  ⚠️  GOLD blocked: val 0.4000 < best 0.5000 but trend (3 consecutive val rises)",
    ]
    first, second, _ = told.logged
    assert (first["event"], first["prev_best"]) == ("gold_checkpoint", None)
    assert second["reason"] == "overfit: val/train=490.0x, threshold=5.0x"
    assert second["best_val_loss"] == 0.5173


def test_samples_are_shown_escaped_and_logged_as_they_are(told: Told) -> None:
    told.reporter.sample(5)
    assert "\x1b" not in told.out.getvalue() and "a\\x1bb c" in told.out.getvalue()
    assert (told.logged[0]["prompt"], told.logged[0]["text"]) == ("a\x1b", "b\nc")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (912.5, "15m"), (188_280, "52.3h"), (3600, "1.0h")]
)
def test_spans_are_in_one_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_every_sign_has_an_ascii_spelling() -> None:
    assert plain("🏆 ⚠️ → × … “a” ★ ✓ ● █░ 50\u202f000") == '* ! -> x ... "a" * ok * #. 50 000'
    assert plain("ü") == "?"


def test_the_console_survives_its_stream_and_keeps_a_copy(tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    console = Console(Gone())
    console.keep_in(tmp_path / "console.log")
    console.line("one")
    console.line("two\x1b[2J")
    console.close()
    assert (tmp_path / "console.log").read_text() == "one\ntwo\\x1b[2J\n"
