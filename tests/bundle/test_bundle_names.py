from __future__ import annotations

from pathlib import Path

import pytest

from mypt.bundle import (
    Kind,
    check_model_name,
    directory_name,
    find,
    is_path,
    split_name,
    writing,
)
from mypt.errors import UserError
from mypt.settings.paths import in_workspace
from tests.bundle.saved import fill


@pytest.mark.parametrize(
    "name", ["dante", "dante_150M", "a.b-c", "Ünï cödé", "日本", "gold", "fp16", "x" * 200]
)
def test_plain_names_are_taken(name: str) -> None:
    assert check_model_name(name) == []


OUTSIDE = ["", ".", "..", "a/b", "a\\b", "/etc", "../x", "a..b", "C:x", "a*", "a?", 'a"', "a|b", "<a>"]
UNPRINTABLE = ["a\nb", "a\x1b[0m", "a\x00", "a\u202eb", "a\u200b", "\udcff"]
MISLEADING = [".hidden", "-flag", " a", "a ", "a.", "dante_gold", "dante_fp16", "x" * 201, "é" * 101]


@pytest.mark.parametrize("name", [*OUTSIDE, *UNPRINTABLE, *MISLEADING])
def test_other_names_are_refused_with_a_reason(name: str) -> None:
    problems = check_model_name(name)
    assert problems and str(problems[0]).isprintable() and "model_name" in str(problems[0])


@pytest.mark.parametrize("kind", list(Kind))
def test_folder_names_go_both_ways(kind: Kind) -> None:
    assert split_name(directory_name("dante", kind)) == ("dante", kind)


def test_a_suffix_alone_is_a_name() -> None:
    assert split_name("_gold") == ("_gold", Kind.LAST)


def test_a_dot_and_a_slash_make_a_path_of_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoints = tmp_path / "checkpoints"
    for folder, step in ((checkpoints / "dante", 1), (tmp_path / "dante", 2)):
        with writing(folder) as staging:
            fill(staging, step)
    assert find(checkpoints, "dante").step == 1
    assert find(checkpoints, "./dante").step == find(checkpoints, in_workspace("./dante", Path())).step == 2
    assert find(checkpoints, in_workspace("./dante", tmp_path)).step == 2
    assert find(checkpoints, "checkpoints/dante").step == 1
    with pytest.raises(
        UserError, match=r"no such folder .*; a mere name, such as virgil, is looked for in checkpoints/"
    ):
        find(checkpoints, "./virgil")
    assert is_path("./dante") and is_path("a/dante") and not is_path("dante") and not is_path(".dante")
