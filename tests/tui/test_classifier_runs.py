from __future__ import annotations

import json
from pathlib import Path

from mypt.bundle import read_info
from mypt.runs.state import RunState
from tests.classify import entailment
from tests.tui.painted import painted
from tests.tui.test_checkpoints_screen import chosen, settle, shown
from tests.tui.toasts import said
from tests.tui.waiting import until
from tests.workbench import mypt
from tui.screens.classify import ClassifyScreen
from tui.screens.home import HomeScreen
from tui.starting import is_done, last_bundle
from tui.widgets.confirm import Confirm
from tui.widgets.editors import Choice


async def test_a_stopped_classifier_goes_on_as_a_classifier(trained: Path) -> None:
    entailment.write_jsonl(trained / "train.jsonl", entailment.rows(40, 2))
    entailment.write_jsonl(trained / "dev.jsonl", entailment.rows(8, 3))
    done = mypt(
        trained,
        *(
            "finetune-classifier",
            "--init_from_model",
            "dante",
            "--model_name",
            "nli",
            "--data",
            "train.jsonl",
        ),
        *("--eval_data", "dev.jsonl", "--text", "premise,hypothesis", "--num_epochs", "1", "--device", "cpu"),
    )
    assert done.returncode == 0, done.stderr
    # As if a stop had come half-way through two epochs.
    folder = trained / "checkpoints" / "nli"
    state = json.loads((folder / "training_state.json").read_text())
    state["training_config"]["max_iters"] = 6
    state["training_config"]["classifier_data"]["num_epochs"] = 2
    (folder / "training_state.json").write_text(json.dumps(state))
    (folder / "manifest.json").unlink()
    async with shown(trained) as (pilot, screen):
        names = ["dante", "dante_gold", "dante_fp16", "nli"]
        await settle(
            pilot, screen, [*names, *(n for n in ("nli_gold", "nli_fp16") if (folder.with_name(n)).is_dir())]
        )
        await pilot.press("down", "down", "down")
        assert chosen(screen) == "nli"
        await pilot.press("r")
        await until(pilot, lambda: any("nli goes on" in message for message in said(screen.app)))
        await until(pilot, lambda: read_info(folder).step == 6)
        # With nothing left to do, it is asked for one epoch more, or for other settings.
        await until(pilot, lambda: screen.app.live.workspace.find("nli")[0].state is RunState.FINISHED)
        await until(pilot, lambda: is_done(last_bundle(screen.app, "nli")))
        await until(pilot, lambda: isinstance(screen.app.screen, HomeScreen))
        home = screen.app.screen
        await until(pilot, lambda: home.run_in_view and home.run_in_view.name == "nli")  # type: ignore[attr-defined]
        await pilot.press("r")
        await until(pilot, lambda: isinstance(screen.app.screen, Confirm))
        command = "mypt finetune-classifier --model_name nli --num_epochs 3"
        await until(pilot, lambda: command in painted(screen.app) and "One more epoch" in painted(screen.app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(screen.app.screen, HomeScreen))
        await pilot.press("E")
        await until(pilot, lambda: isinstance(screen.app.screen, ClassifyScreen))
        asked = screen.app.screen
        assert isinstance(asked, ClassifyScreen)
        await until(
            pilot, lambda: asked.seen is not None and asked.seen.ready and asked.seen.draft == asked.draft
        )
        assert asked.draft.command() == command
        await until(pilot, lambda: command in painted(screen.app))
        # Its columns are what it was made for.
        text = asked.query_one("#text", Choice)
        assert text.held and text.placeholder == "premise" and asked.seen is not None
        assert asked.seen.stands["data"] == "train.jsonl · saved"
    assert read_info(folder).is_classifier
