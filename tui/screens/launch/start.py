"""From a draft to a run: look once more, at the data in full, then start. No Textual; the screen calls it in a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mypt.errors import Problem, raise_for
from tui.screens.launch.data_look import EXPECTED, DataFacts, check_data, problems_of
from tui.screens.launch.draft import Draft, arguments
from tui.screens.launch.look import Review, look

if TYPE_CHECKING:
    from mypt.runs.record import RunRecord
    from mypt.settings.resolve import Resolved
    from mypt.slurm.ask import Ask


def start(
    draft: Draft,
    workspace: Path,
    *,
    queue: bool,
    seen: str,
    known: DataFacts | None,
    cancelled: Callable[[], bool],
) -> RunRecord | Review | None:
    """Start (or queue) what `draft` asks for: its record; or the review with what keeps it from starting.

    For SLURM nothing but the batch file that was `seen` is submitted: another is in the review, which has no problems
    then. What is `known` of the data is not read again, unless its files have changed. None where it was called off
    before anything was started.
    """
    from mypt.launch.start import launch

    review = look(draft, workspace)
    if review.shown is not None and review.data_is_known:
        review = look(draft, workspace, check_data(review.shown, before=known))
    if review.busy and not queue:
        remedy = "wait for it, stop it, or queue this run"
        review = _with(review, Problem(review.busy, field="model_name", remedy=remedy))
    if cancelled():
        return None
    resolved = review.resolved
    if resolved is None or review.problems:
        return review
    try:
        if draft.slurm is not None:
            return _submit(draft.slurm, review, resolved, seen)
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


def _submit(ask: Ask, review: Review, run: Resolved, seen: str) -> RunRecord | Review:
    from mypt.check import log_problems
    from mypt.slurm.standing import refuse_second
    from mypt.slurm.submit import submit

    if review.batch != seen:
        # Nobody shall read a file that is then refused.
        refuse_second(run.workspace, run.model_name)
        return review
    raise_for(log_problems(run))
    return submit(ask, run, run.summary(review.parameters)).record


def _with(review: Review, *problems: Problem) -> Review:
    return replace(review, problems=(*review.problems, *problems))
