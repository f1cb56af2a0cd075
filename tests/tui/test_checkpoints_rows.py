"""The tree of checkpoints as plain lines."""

from __future__ import annotations

from pathlib import Path

from mypt.bundle import BundleInfo, Kind, split_name
from mypt.diff import reached
from mypt.events import Eval
from mypt.watch.checkpoints import lineage
from mypt.watch.history import RunHistory
from tui.screens.checkpoints.details import section
from tui.screens.checkpoints.rows import loss_of, tree_rows


def info(name: str, base: str | None = None, **state: object) -> BundleInfo:
    model, kind = split_name(name)
    told: dict[str, object] = {"step": 5, **state}
    if base:
        told["base"] = {"name": base, "step": 1}
    return BundleInfo(Path("checkpoints") / name, model, kind, training_state=told, files={"model.pt": 10})


def test_what_is_kept_of_the_health_of_a_run_is_told_where_there_is_something() -> None:
    def said(**progress: object) -> str:
        found = info("dante", progress={"val_loss": 2.5, **progress})
        return "\n".join(" ".join(line.plain.split()) for line in section("training state", found, 60, {}))

    healthy = said(untimed=0, skipped=0, broken_sets=[])
    assert "val_loss 2.5" in healthy
    assert not any(
        word in healthy for word in ("untimed", "skipped", "broken", "unknown time", "not a number")
    )
    ill = said(untimed=7, skipped=2, broken_sets=["code"])
    assert "updates of unknown time 7" in ill and "last updates skipped 2" in ill
    assert "eval sets not a number" in ill and "broken_sets" not in ill


def drawn(*infos: BundleInfo) -> list[str]:
    return [f"{row.guide}{row.key}" for row in tree_rows(lineage(infos))]


def test_a_model_stands_for_its_last_and_has_the_others_below() -> None:
    assert drawn(info("a"), info("a_gold"), info("a_fp16"), info("b")) == ["a", "├ a_gold", "└ a_fp16", "b"]


def test_fine_tunes_stand_below_the_bundles_of_their_base() -> None:
    infos = [
        info("a"),
        info("a_gold"),
        info("b", "a"),
        info("b_gold", "a"),
        info("c", "b_gold"),
        info("d", "a"),
    ]
    assert drawn(*infos) == ["a", "├ a_gold", "├ b", "│ ├ b_gold", "│ └ c", "└ d"]


def test_a_base_that_is_not_here_has_a_line() -> None:
    rows = tree_rows(lineage([info("b", "vanished")]))
    assert [(row.key, row.gone, row.info is None) for row in rows] == [
        ("vanished", True, True),
        ("b", False, False),
    ]


def test_a_model_with_gold_only_has_a_line_of_its_own() -> None:
    rows = tree_rows(lineage([info("a_gold")]))
    assert [(row.key, row.kind, row.gone) for row in rows] == [
        ("a", Kind.LAST, False),
        ("a_gold", Kind.GOLD, False),
    ]
    assert rows[0].info is None


def test_a_chain_deeper_than_a_stack_keeps_room_for_names() -> None:
    infos = [info("m0"), *(info(f"m{n}", f"m{n - 1}") for n in range(1, 3000))]
    rows = tree_rows(lineage(infos))
    assert len(rows) == 3000
    assert max(len(row.guide) for row in rows) <= 12
    assert rows[-1].guide.startswith("… ")


def test_the_loss_is_that_of_the_bundle() -> None:
    assert reached(info("a", progress={"val_loss": 2.5})) == (5, 2.5, None)
    assert reached(info("a", progress={"val_loss": None}, gold={"best": 2})) == (5, 2.0, None)
    assert reached(info("a", progress={"val_loss": True})) == (5, None, None)
    assert reached(info("a")) == (5, None, None)


def test_a_loss_says_of_which_step_it_is_where_that_is_not_the_bundles_own() -> None:
    assert reached(info("a", progress={"val_loss": 2.5, "val_step": 3, "last_eval": 4})) == (5, 2.5, 3)
    assert reached(info("a", progress={"val_loss": 2.5, "val_step": 5})) == (5, 2.5, None)
    # Bundles of before have no more than this.
    assert reached(info("a", progress={"val_loss": 2.5, "last_eval": 4})) == (5, 2.5, 4)
    for nonsense in (True, -1, 6, "3", None, 2.0):
        assert reached(info("a", progress={"val_loss": 2.5, "val_step": nonsense})) == (5, 2.5, None)
    # With no loss of its own it is the best one so far that is told.
    assert reached(info("a", gold={"best": 2.0, "best_step": 2})) == (5, 2.0, 2)
    assert loss_of(2.5, None) == "2.5000" and loss_of(2.5, 3) == "*2.5000"


def test_where_the_bundle_says_no_loss_the_log_does_for_that_step_only() -> None:
    history = RunHistory()
    history.feed([Eval(iter=step, val_loss=3.0 - step / 10) for step in (0, 5, 10)])
    assert reached(info("a"), history) == (5, 2.5, None)
    # The original's last bundle counts one less.
    assert reached(info("a", step=9), history) == (9, 2.0, None)
    assert reached(info("a", step=7), history) == (7, None, None)
