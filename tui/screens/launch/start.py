"""From a draft to a run: look once more, at the data in full, then start. No Textual; the screen calls it in a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mypt.errors import Problem
from tui.screens.launch.data_look import EXPECTED, check_data, problems_of
from tui.screens.launch.draft import Draft, arguments
from tui.screens.launch.look import Review, look

if TYPE_CHECKING:
    from mypt.runs.record import RunRecord


def start(
    draft: Draft, workspace: Path, *, queue: bool, cancelled: Callable[[], bool]
) -> RunRecord | Review | None:
    """Start (or queue) what `draft` asks for: its record; or the review with what keeps it from starting.

    None where it was called off before anything was started.
    """
    from mypt.launch.start import launch

    review = look(draft, workspace)
    if review.shown is not None and review.data_is_known:
        review = look(draft, workspace, check_data(review.shown))
    if review.busy and not queue:
        remedy = "wait for it, stop it, or queue this run"
        review = _with(review, Problem(review.busy, field="model_name", remedy=remedy))
    if cancelled():
        return None
    resolved = review.resolved
    if resolved is None or review.problems:
        return review
    try:
        return launch(
            workspace,
            arguments(resolved, draft.processes),
            model_name=resolved.model_name,
            log_file=resolved.log_path,
            settings=resolved.summary(review.parameters),
            queue=queue,
        )
    except EXPECTED as error:
        return _with(review, *problems_of(error))


def _with(review: Review, *problems: Problem) -> Review:
    return replace(review, problems=(*review.problems, *problems))
