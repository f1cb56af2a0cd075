"""A classifier asked for in the dashboard: columns are offered, what is wrong is said, and it is trained."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Button

from mypt.bundle import read_info
from tests.classify import entailment
from tests.tui.painted import painted
from tests.tui.test_checkpoints_screen import chosen, keys, settle, shown
from tests.tui.waiting import until
from tui.screens.checkpoints import CheckpointsScreen
from tui.screens.classify import ClassifyScreen
from tui.screens.classify.draft import Draft, from_flags
from tui.screens.classify.look import files, look, sibling
from tui.screens.home.screen import HomeScreen
from tui.widgets.editors import Choice, Field


def test_a_draft_is_the_flags_that_ask_for_it() -> None:
    draft = Draft("nli", "dante", "-odd.csv", "dev.csv", ("a", "b"), "c", "2", {"learning_rate": "1e-3"})
    words = draft.arguments()
    assert "--data=-odd.csv" in words and words[words.index("--text") + 1] == "a,b"
    given = dict(zip(words[::2], words[1::2], strict=False))
    assert given["--init_from_model"] == "dante"
    flags = {"init_from_model": "dante", "model_name": "nli", "text": "a, b", "data": "-odd.csv"}
    assert from_flags(flags) == Draft("nli", "dante", "-odd.csv", text=("a", "b"))


def test_files_that_could_be_meant(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("data/my_train.csv", "data/my_dev.csv", "notes.txt", ".hidden.csv"):
        (tmp_path / name).write_text("a,b\n")
    assert files(tmp_path) == ["data/my_dev.csv", "data/my_train.csv"]
    assert sibling("data/my_train.csv", tmp_path) == "data/my_dev.csv"
    assert sibling("notes.txt", tmp_path) == sibling("\0train.csv", tmp_path) == ""


def test_a_look_says_all_that_is_wrong(trained: Path) -> None:
    (trained / "bad.csv").write_text("text,label\nhi,good\n")
    seen = look(Draft("bad/name", "dante", "bad.csv", "gone.csv", ("words",), "label", "many"), trained)
    assert {"model_name", "num_epochs", "text"} <= seen.wrong and "eval_data" in seen.wrong
    assert seen.row == {"text": "hi", "label": "good"} and not seen.ready and not seen.lacking
    nothing = look(Draft("nli", "dante"), trained)
    assert nothing.lacking == ("data", "eval_data", "text") and not nothing.problems
    # A language model stays one.
    assert "stays one" in str(look(Draft("dante", "dante"), trained).problems[0])


async def test_a_classifier_is_filled_in_and_trained(trained: Path) -> None:
    entailment.write_jsonl(trained / "train.jsonl", entailment.rows(16, 2))
    entailment.write_jsonl(trained / "dev.jsonl", entailment.rows(4, 3))
    async with shown(trained) as (pilot, checkpoints):
        await settle(pilot, checkpoints, ["dante", "dante_gold", "dante_fp16"])
        await pilot.press("F")
        await until(pilot, lambda: isinstance(pilot.app.screen, ClassifyScreen))
        screen = pilot.app.screen
        assert isinstance(screen, ClassifyScreen)
        await until(pilot, lambda: screen.seen is not None and "data" in screen.seen.lacking)
        start = screen.query_one("#start", Button)
        assert start.disabled
        await until(pilot, lambda: "dev.jsonl, train.jsonl" in painted(pilot.app))
        screen.query_one("#data", Field).value = "train.jsonl"
        await until(pilot, lambda: not start.disabled)
        # The columns, and what is meant for the evaluation, were told by the files.
        assert screen.draft == Draft(
            "dante_classifier", "dante", "train.jsonl", "dev.jsonl", ("premise", "hypothesis"), "label"
        )
        await until(pilot, lambda: "contradiction, entailment" in painted(pilot.app))
        screen.query_one("#label", Choice).action_choose("premise")
        await until(pilot, lambda: screen.query_one("#text").has_class("-wrong"))
        assert start.disabled
        screen.query_one("#label", Choice).action_choose("label")
        screen.query_one("#num_epochs", Field).value = "1"
        await until(pilot, lambda: not start.disabled)
        await pilot.press("ctrl+s")
        # It is watched where runs are, and the tree has it when it is opened again.
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        home, app = pilot.app.screen, checkpoints.app
        assert isinstance(home, HomeScreen)
        await until(pilot, lambda: home.run_in_view and home.run_in_view.name == "dante_classifier")
        folder = trained / "checkpoints" / "dante_classifier"
        await until(pilot, lambda: read_info(folder).is_classifier and read_info(folder).step == 1)
        await until(pilot, lambda: any(b.name == "dante_classifier" for b in app.live.bundles))
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, CheckpointsScreen))
        tree = app.screen
        assert isinstance(tree, CheckpointsScreen)
        await until(pilot, lambda: "dante_classifier" in keys(tree))
        await pilot.press("down", "down", "down")
        await until(pilot, lambda: chosen(tree) == "dante_classifier")
        # What fine-tunes a classifier begins with its data and settings.
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, ClassifyScreen))
        draft = pilot.app.screen.draft  # type: ignore[attr-defined]
        assert (draft.model_name, draft.base) == ("dante_classifier-2", "dante_classifier")
        assert (draft.data, draft.text, draft.num_epochs) == ("train.jsonl", ("premise", "hypothesis"), "1")
