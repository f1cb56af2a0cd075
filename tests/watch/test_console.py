from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mypt.watch import console as module
from mypt.watch.console import Console


def test_what_is_appended_is_read_and_nothing_twice(tmp_path: Path) -> None:
    file = tmp_path / "console.log"
    console = Console(file)
    assert not console.read(), "not there yet"
    file.write_bytes(b"one\ntw")
    assert console.read()
    assert list(console.lines) == ["one", "tw"]
    with file.open("ab") as more:
        more.write(b"o\nthree\n")
    assert console.read()
    assert console.lines == ("one", "two", "three")
    assert not console.read()


def test_lines_are_escaped_and_what_was_written_over_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "console.log"
    file.write_bytes(b" 10%\r 50%\r100%\n\x1b[31mred\x07\n\xff broken\r\n")
    console = Console(file)
    console.read()
    assert console.lines == ("100%", "\\x1b[31mred\\x07", "\ufffd broken")


def test_a_file_that_is_cut_or_replaced_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "console.log"
    file.write_bytes(b"old one\nold two\n")
    console = Console(file)
    console.read()
    file.write_bytes(b"cut\n")
    assert console.read()
    assert console.lines == ("cut",)
    other = tmp_path / "other"
    other.write_bytes(b"another file\n")
    other.replace(file)
    assert console.read()
    assert console.lines == ("another file",)
    file.unlink()
    assert not console.read()
    assert console.lines == ("another file",), "what was read stays"


def test_of_a_long_output_the_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_LOOK", 1000)
    monkeypatch.setattr(module, "MOST_LINES", 20)
    file = tmp_path / "console.log"
    file.write_text("".join(f"line {n}\n" for n in range(500)))
    console = Console(file)
    console.read()
    assert console.cut
    assert console.lines[-1] == "line 499"
    assert len(console.lines) == 20
    with file.open("a") as more:
        more.writelines(f"more {n}\n" for n in range(30))
    console.read()
    assert console.lines[0] == "more 10"
    assert len(console.lines) == 20


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_in_whatever_pieces_it_comes_the_lines_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    file = tmp_path_factory.mktemp("console") / "console.log"
    file.touch()
    growing = Console(file)
    for piece in pieces:
        with file.open("ab") as more:
            more.write(piece)
        growing.read()
    whole = Console(file)
    whole.read()
    assert growing.lines == whole.lines
