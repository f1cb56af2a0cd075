from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.names import clipped, shortened, with_nearest

FAMILY = [
    "gpt2_openwebtext_150M_lr3e-4_bs64_seed1",
    "gpt2_openwebtext_150M_lr1e-3_bs64_seed1",
    "gpt2_openwebtext_150M_lr1e-3_bs64_seed2",
]
# Few letters, so that names are alike at their beginnings, at their ends and in between; wide and narrow ones.
LETTERS = st.text("ab1_-", max_size=24)
WIDE = st.text("ab_日本é🙂", max_size=16)
ANY = st.text(max_size=20)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (8, ("…lr3e-4…", "…1…seed1", "…1…seed2")),
        (16, ("…lr3e-4…seed1", "…lr1e-3…seed1", "…lr1e-3…seed2")),
        (22, ("gpt2…lr3e-4_bs64_seed1", "gpt2…lr1e-3_bs64_seed1", "gpt2…lr1e-3_bs64_seed2")),
        (39, tuple(FAMILY)),
    ],
)
def test_what_differs_is_seen_in_whole_words_where_there_is_room(width: int, shown: tuple[str, ...]) -> None:
    assert tuple(shortened(FAMILY, width)[name] for name in FAMILY) == shown


def test_a_name_like_no_other_loses_its_end_and_one_that_fits_nothing() -> None:
    shown = shortened([*FAMILY, "a_run_with_a_rather_long_name", "short"], 16)
    assert shown["a_run_with_a_rather_long_name"] == "a_run_with_a_ra…"
    assert shown["short"] == "short"
    # Others change nothing of how the family is told apart.
    assert {name: shown[name] for name in FAMILY} == shortened(FAMILY, 16)


def test_two_families_keep_the_letter_in_which_they_part() -> None:
    other = [name.replace("gpt2", "llama") for name in FAMILY]
    shown = shortened([*FAMILY, *other], 16)
    assert len(set(shown.values())) == 6
    assert shown[FAMILY[1]] == "gpt…lr1e-3…seed1" and shown[other[1]] == "lla…lr1e-3…seed1"


def test_a_sweep_over_four_settings_is_told_apart_in_a_few_cells() -> None:
    sweep = [
        f"llama-350M-fineweb-lr{lr}-wd{wd}-bs{bs}-seed{seed}"
        for lr in ("1e-3", "3e-4", "1e-4")
        for wd in ("0.1", "0.01")
        for bs in (32, 64, 128)
        for seed in range(1, 13)
    ]
    for width in (10, 12, 16, 24, 32):
        shown = shortened(sweep, width)
        assert len(set(shown.values())) == len(sweep)


def test_the_same_names_are_shortened_in_the_same_way_in_any_order() -> None:
    names = [f"{name}_{number}" for name in FAMILY for number in range(20)]
    first = shortened(names, 16)
    random.Random(1).shuffle(names)
    assert shortened([*names, names[0]], 16) == first


@given(st.sets(LETTERS | WIDE | ANY, max_size=12), st.integers(-1, 20))
def test_never_wider_than_asked_and_whole_where_it_fits(names: set[str], width: int) -> None:
    shown = shortened(names, width)
    assert shown.keys() == names
    for name, short in shown.items():
        assert cell_len(short) <= max(width, 0)
        if cell_len(name) <= width:
            assert short == name
        else:
            assert "…" in short or width <= 0


def needed(name: str, names: set[str]) -> int:
    """Cells of the letters in which a name parts from others, with an ellipsis before and after each of them."""
    parts = {common(name, other) for other in names if other != name}
    return sum(1 + cell_len(name[at : at + 1]) for at in parts) + 1


def common(one: str, other: str) -> int:
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


@given(st.sets(LETTERS | WIDE, max_size=10), st.integers(2, 24))
def test_names_stay_distinct_where_the_letters_in_which_they_part_have_room(
    names: set[str], width: int
) -> None:
    for letters in (names, {name[::-1] for name in names}):
        if all(needed(name, letters) <= width for name in letters):
            assert len(set(shortened(names, width).values())) == len(names)


@given(st.sets(LETTERS | WIDE, max_size=10), st.integers(0, 24))
def test_no_cut_tells_fewer_names_apart_than_that_of_the_end(names: set[str], width: int) -> None:
    shown = set(shortened(names, width).values())
    assert len(shown) >= len({clipped(name, width) for name in names})


@given(WIDE, st.integers(0, 30))
def test_the_end_is_cut_at_cells(text: str, width: int) -> None:
    short = clipped(text, width)
    assert cell_len(short) <= width
    assert short == text if cell_len(text) <= width else short.rstrip("…") == text[: len(short.rstrip("…"))]


def test_a_few_of_many_are_shortened_as_all_of_them_would_be() -> None:
    sweep = frozenset(f"{name}_{number}" for name in FAMILY for number in range(40))
    few = frozenset(sorted(sweep)[:60:20])
    told = with_nearest(few, sweep)
    assert few < told and len(told) < 20
    every = shortened(sweep, 20)
    assert {name: shortened(told, 20)[name] for name in few} == {name: every[name] for name in few}
    assert with_nearest(few, frozenset()) == few
