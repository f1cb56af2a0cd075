from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mypt.data.corpora import BUILTIN, DEMO, materialize
from mypt.data.corpora.grammar import ANIMALS, DEEDS, FEMALE, MALE, OFFERS, PLOTS
from mypt.data.corpora.python_docs import python_docs
from mypt.data.corpora.stories import stories
from mypt.errors import UserError


@pytest.fixture(scope="module")
def text() -> str:
    return stories()


@pytest.fixture(scope="module")
def told(text: str) -> list[str]:
    return text.strip().split("\n\n")


def test_the_text_is_the_same_everywhere_and_always(text: str) -> None:
    # A change of the grammar changes it, and with it what a run started earlier goes on with: say so in the changelog.
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "8fbef5494be18a5c5061d773240493f76d3d1326138f175d12a6b6c0d4a2d705"
    )
    assert text.startswith(stories(1000))
    assert stories(1000, seed=2) != stories(1000)


def test_about_a_million_characters_and_no_story_cut_short(text: str, told: list[str]) -> None:
    assert 1_000_000 <= len(text) < 1_001_000
    assert text.endswith("\n\n")
    assert all(story.endswith((".", "!", '"')) for story in told)


def test_few_letters_and_few_words(text: str) -> None:
    assert len(set(text)) <= 56
    assert text.isascii()
    words = set(re.findall(r"[a-z]+", text.lower()))
    assert 150 <= len(words) <= 270


def test_hardly_a_story_is_told_twice(told: list[str]) -> None:
    assert len(set(told)) > 0.99 * len(told)
    assert max(map(len, told)) < 600


def test_no_word_is_left_to_fill_in(text: str) -> None:
    assert not re.search(r"[{}]|  | [.,!?]|\ba [aeiou]|\ban [^aeiou]", text)


def test_a_story_has_two_who_keep_their_names(told: list[str]) -> None:
    for story in told:
        names = set(re.findall(rf"\b({'|'.join(MALE + FEMALE)})\b", story))
        assert len(names) == 2, story


def test_a_name_keeps_its_pronoun(told: list[str]) -> None:
    for story in told:
        names = re.findall(rf"\b({'|'.join(MALE + FEMALE)})\b", story)
        if all(name in MALE for name in names):
            assert not re.search(r"\b(she|her|She|Her)\b", story), story
        elif all(name in FEMALE for name in names):
            assert not re.search(r"\b(he|him|his|He|His)\b", story), story


def test_help_comes_from_one_who_can_give_it(told: list[str]) -> None:
    for story in told:
        for deed, can in (("swim", "duck|frog"), ("fly", "owl|crow"), ("climb", "cat"), ("dig", "mole")):
            said = re.search(rf'"I can {deed}," said (\w+)', story)
            if said:
                assert re.search(rf"\b{said[1]} the ({can})\b", story), story


def test_everybody_helps_and_everybody_is_helped() -> None:
    helpers = {animal for group in PLOTS for plot in group for animal in plot.helpers}
    assert helpers <= set(ANIMALS)
    assert OFFERS.keys() == DEEDS.keys() <= helpers


def test_python_brings_its_documentation() -> None:
    prose = python_docs()
    assert 'The "assert" statement' in prose
    assert len(prose) > 200_000
    both = python_docs(sources=True)
    assert both.startswith(prose.rstrip()) and "# argparse.py" in both
    assert "\r" not in both


def test_a_python_without_documentation_says_so() -> None:
    script = (
        "import sys; sys.modules['pydoc_data'] = None\n"
        "from mypt.errors import UserError; from mypt.data.corpora.python_docs import python_docs\n"
        "try: python_docs()\nexcept UserError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "comes without its documentation" in done.stdout
    assert "'stories'" in done.stdout


@pytest.mark.parametrize("name", BUILTIN)
def test_every_corpus_becomes_a_file_of_about_the_size_it_says(tmp_path: Path, name: str) -> None:
    corpus = BUILTIN[name]
    path = materialize(name, tmp_path / "data")
    assert path == tmp_path / "data" / corpus.file_name
    assert path.read_bytes().decode("utf-8") == corpus.make()
    assert 0.5 < path.stat().st_size / corpus.approximate_size < 2


def test_a_whole_file_is_left_alone_and_a_damaged_one_replaced(tmp_path: Path) -> None:
    path = materialize(DEMO, tmp_path)
    before = path.stat()
    assert materialize(DEMO, tmp_path) == path
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    whole = path.read_bytes()
    for damage in (whole[:-1], b"x" + whole[1:], b""):
        path.write_bytes(damage)
        assert materialize(DEMO, tmp_path).read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_corpus_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are: stories, python"):
        materialize("poems", tmp_path)


def test_no_torch_no_numpy() -> None:
    script = "import sys, mypt.data.corpora; print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
