"""The ways into the dialogue: on a model, like a classifier that exists, to go on with one, and as a run was started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mypt.bundle import BundleInfo, Kind
from mypt.errors import MyptError
from mypt.launch.start import CLASSIFY
from mypt.runs.record import RunRecord
from mypt.text import printable
from tui import starting
from tui.dashboard import Dashboard
from tui.screens.classify.draft import Draft, from_flags, like
from tui.screens.classify.screen import ClassifyScreen
from tui.screens.launch.choices import suggest_name

Launched = Callable[[RunRecord | None], None]


def ask(app: Dashboard, info: BundleInfo, launched: Launched) -> None:
    """Ask for a classifier that begins with `info`; where that is one itself, with its data and settings filled in."""
    name = info.model_name
    draft = Draft(base=info.name)
    if info.is_classifier:
        try:
            draft = replace(like(info), base=info.name)
        except MyptError as error:
            app.notify(printable(str(error)), severity="warning")
            return
    wanted = name if info.is_classifier else f"{name}_classifier"
    draft = replace(draft, model_name=suggest_name(wanted, app.live.names.__contains__))
    app.push_screen(ClassifyScreen(_bases(app, info), draft), launched)


def go_on(app: Dashboard, last: BundleInfo, launched: Launched) -> None:
    """Ask how the classifier `last` shall go on; one that has done all its steps is offered an epoch more."""
    epochs = last.classifier_epochs + 1 if starting.is_done(last) else None
    draft = Draft(model_name=last.model_name, base=last.name, num_epochs=str(epochs or ""))
    app.push_screen(ClassifyScreen([last.name], draft), launched)


def as_started(app: Dashboard, record: RunRecord, launched: Launched) -> bool:
    """Ask with what a run was started with; False where it was no classifier's."""
    given = starting.flags_of(record, CLASSIFY[-1])
    if given is None:
        return False
    # What brought a foreign checkpoint in has no line here; it lies in the workspace since.
    for name in ("pretrained_ckpt_path", "tokenizer_name", "n_head"):
        given.pop(name, None)
    draft = from_flags({"model_name": record.model_name, **given})
    app.push_screen(ClassifyScreen([draft.base, *(b.name for b in _whole(app))], draft), launched)
    return True


def _bases(app: Dashboard, info: BundleInfo) -> list[str]:
    """What a classifier on `info` may as well begin with: the model's other bundles, and of a classifier its own base."""
    whole = _whole(app)
    names = [b.name for b in whole if b.model_name == info.model_name]
    return [info.name, *names, *(b.name for b in whole if info.is_classifier and b.name == info.base)]


def _whole(app: Dashboard) -> list[BundleInfo]:
    return [b for b in app.live.bundles if not b.problem and b.kind is not Kind.FP16]
