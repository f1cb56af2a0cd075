"""How a model goes on from its last checkpoint: at once; or, where it has done all its steps, after asking how far."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from mypt.bundle import BundleInfo
from mypt.launch.start import CLASSIFY
from mypt.runs.record import RunRecord
from mypt.text import printable
from mypt.watch.run import Run
from tui import starting
from tui.dashboard import Dashboard
from tui.widgets.confirm import Confirm


def go_on(
    app: Dashboard,
    name: str,
    run: Run | None,
    last: BundleInfo | None,
    launched: Callable[[RunRecord | None], None],
) -> None:
    """Go on with the model `name` from its checkpoint `last`, which nothing forbids; `launched` gets the new run."""
    said = printable(name, newline=False)
    if not starting.is_done(last):
        starting.resume(app, name, run, done=launched)
    elif last is not None and last.is_classifier:
        ask_for_an_epoch(app, name, run, last, launched)
    else:
        from tui.screens.launch import LaunchScreen

        app.notify(f"{said} has done all its steps: set max_iters higher to go on")
        place = starting.place_of(app, run.record if run is not None else None)
        app.push_screen(LaunchScreen(model_name=name, **place), launched)


def ask_for_an_epoch(
    app: Dashboard,
    name: str,
    run: Run | None,
    last: BundleInfo,
    launched: Callable[[RunRecord | None], None],
) -> None:
    """Offer to let a classifier that has seen its texts often enough see them once more."""
    arguments = ["--model_name", name, "--num_epochs", str(last.classifier_epochs + 1)]
    log = run.record.log_file if run is not None and run.record is not None else ""
    said = printable(name, newline=False)

    def answered(yes: bool | None) -> None:
        if yes:
            starting.start(
                app,
                arguments,
                name,
                said=f"{said} goes on for one more epoch",
                log_file=log,
                done=launched,
                program=CLASSIFY,
            )

    app.push_screen(
        Confirm(
            f"{said} is a text classifier and has done all its steps, in {last.classifier_epochs} "
            f"epoch{'s' * (last.classifier_epochs != 1)} of its texts. Let it see them once more?\n\n"
            f"The same in a shell, for any other number:\n{classifier_command(name, last.classifier_epochs + 1)}",
            "One more epoch",
        ),
        answered,
    )


def classifier_command(name: str, epochs: int) -> str:
    """The command that goes on with a classifier until it has seen its texts `epochs` times, safe to show."""
    return printable(
        f"mypt {CLASSIFY[-1]} --model_name {shlex.quote(name)} --num_epochs {epochs}", newline=False
    )
