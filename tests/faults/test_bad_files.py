"""Files that are cut short, garbled, or lie, and what is no file at all, read by everybody who reads files: a sentence
that names the file each time; no crash, no hang, no memory that a file only claims.

An input that breaks a reader is kept in `.pytest_cache/bad_files`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import rounds
from tests.faults.__main__ import LONG
from tests.faults.bad import of_models
from tests.faults.bad.cage import Cage
from tests.faults.bad.readers import READERS
from tests.faults.rounds import ROUNDS, SEED, Report, times

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="children are forked"),
]

#: Inputs of a short round, in which each reader has a fraction of a second.
_INPUTS = {"log": 30, "records": 12, "resumed": 2, "bundle": 12, "bundle-manifest": 8}
_OF_MODELS, _OTHERS = 12, 40
# A long round reads more than its share, hundreds of thousands: it is to find what nobody thought of.
_LONGER = 10
_READS_ALL = frozenset({"log", "preferences", "sample-history", "messages", "chat"})
#: What comes over a pipe is no file.
_OF_FILES = [name for name in READERS if name != "messages"]


@pytest.fixture(scope="module")
def cage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cage]:
    made = Cage(tmp_path_factory.mktemp("cage"), Path(".pytest_cache") / "bad_files")
    yield made
    made.close()


def inputs(reader: str) -> int:
    """How many inputs a reader gets."""
    fewest = _OF_MODELS if reader in of_models.READERS else _OTHERS
    return times(_INPUTS.get(reader, fewest)) * (_LONGER if ROUNDS > 1 else 1)


def test_a_long_round_reads_hundreds_of_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rounds, sys.modules[__name__]):
        monkeypatch.setattr(module, "ROUNDS", int(LONG))
    assert sum(map(inputs, READERS)) >= 300_000
    assert min(map(inputs, READERS)) >= 1000


# One process for all of them in a short round; in a long one, as many as there are workers.
@pytest.mark.parametrize("readers", [[name] for name in READERS] if ROUNDS > 1 else [list(READERS)], ids=str)
def test_a_bad_file_is_told(cage: Cage, report: Report, readers: list[str]) -> None:
    read = refused = 0
    seconds = 0.0
    for reader in readers:
        outcome = cage.read(reader, 0, inputs(reader))
        assert not outcome.faults, str(outcome)
        assert outcome.refused or reader in _READS_ALL or outcome.inputs < 10
        read, refused = read + outcome.inputs, refused + outcome.refused
        seconds += outcome.seconds
    report(inputs=read, refused=refused, a_second=round(read / seconds))


@pytest.mark.parametrize("readers", [[name] for name in _OF_FILES] if ROUNDS > 1 else [_OF_FILES], ids=str)
def test_what_is_no_file_is_told(cage: Cage, report: Report, readers: list[str]) -> None:
    read = 0
    stride = 1 if ROUNDS > 1 else 41
    for number, reader in enumerate(readers):
        outcome = cage.read_odd(reader, stride, (SEED + number) % stride)
        assert not outcome.faults, str(outcome)
        read += outcome.inputs
    assert read
    report(inputs=read)
