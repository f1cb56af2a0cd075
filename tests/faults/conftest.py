"""What the faults share: their marker, the figures that tests report, and the report that is made of these."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.faults.rounds import REPORT_VARIABLE, ROUNDS, SEED, Report
from tests.faults.striker import Striker

HERE = Path(__file__).parent
_FIGURES: dict[str, list[tuple[str, Any]]] = {}
_OUTCOMES: dict[str, str] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here has the marker, so that `-m faults` and `-m 'not faults'` tell it apart."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Keeps figures for the report."""

    def keep(**figures: object) -> None:
        for name, value in figures.items():
            record_property(name, value)

    return keep


@pytest.fixture(scope="session")
def striker() -> Iterator[Striker]:
    """A process whose children are struck by faults where it hurts."""
    if sys.platform == "win32":
        pytest.skip("signals and limits are POSIX")
    made = Striker()
    yield made
    made.close()


# ── the report ──────────────────────────────────────────────────────────────────────────────────────────────────


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember how a test of this folder ended (with xdist this runs where all of them are heard of)."""
    if "tests/faults/" not in report.nodeid:
        return
    if report.when == "call" or report.outcome != "passed":
        _OUTCOMES[report.nodeid] = report.outcome
        _FIGURES[report.nodeid] = list(report.user_properties)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report of a long round."""
    path = os.environ.get(REPORT_VARIABLE)
    if path and not hasattr(session.config, "workerinput"):
        Path(path).write_text("\n".join(_lines()) + "\n", encoding="utf-8")


def _lines() -> list[str]:
    failed = sum(outcome == "failed" for outcome in _OUTCOMES.values())
    lines = [
        f"# Faults of {date.today().isoformat()}",
        "",
        f"`make faults SEED={SEED} ROUNDS={ROUNDS}`: {len(_OUTCOMES)} tests, {failed} failed.",
        "",
        "| test | outcome | figures |",
        "|---|---|---|",
    ]
    for name, outcome in sorted(_OUTCOMES.items()):
        figures = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in _FIGURES[name])
        lines.append(f"| {name.removeprefix('tests/faults/')} | {outcome} | {figures} |")
    return lines
