"""What is wrong with a request, all of it in one answer: settings, names, checkpoints, data, log. No torch.

Data is opened in full only once the settings are right, since its checks depend on them and may take a while. Before
that the files that are named are looked at where they lie, so that nobody mends a flag to be told of a missing file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from mypt.bundle import Kind, directory_name
from mypt.data.source import RunData, open_data
from mypt.data.text import BUILTIN
from mypt.errors import Problem, UserError, raise_for
from mypt.files import why_no_file
from mypt.settings.resolve import Request, Resolved, Survey, survey


def check(request: Request, workspace: Path) -> tuple[Resolved, RunData]:
    """The run that is asked for and its data, both right; writes nothing. Raises one `UserError` with all problems."""
    found = survey(request, workspace)
    problems = list(found.problems)
    if found.resolved is not None and "log_file" not in found.unsure and not _about_name(found):
        problems += [*log_problems(found.resolved), *_place_problems(found.resolved)]
    if found.problems:
        problems += _named_data_problems(found)
        raise UserError(*problems)
    assert found.resolved is not None
    try:
        data = open_data(found.resolved)
    except UserError as error:
        raise UserError(*problems, *error.problems) from None
    raise_for(problems)
    return found.resolved, data


def log_problems(run: Resolved) -> list[Problem]:
    """Why the log could not be written; looks only, creates nothing."""
    path = run.log_path

    def refuse(reason: str) -> list[Problem]:
        remedy = "name a place that can be written"
        return [Problem(reason, field="log_file", value=run.settings.log_file, remedy=remedy)]

    try:
        there = next(place for place in (path, *path.parents) if os.path.lexists(place))
        if there == path and (why := why_no_file(path)) and not why.startswith("cannot be read: Permission"):
            return refuse(why)
        if there != path and not there.is_dir():
            return refuse(f"lies below {there.name}, which is no folder")
        path.resolve()  # a link that leads back to itself
    except (OSError, RuntimeError, ValueError) as error:
        return refuse(f"cannot be written: {getattr(error, 'strerror', None) or error}")
    return [] if os.access(there, os.W_OK) else refuse("cannot be written")


def _place_problems(run: Resolved) -> list[Problem]:
    """What lies where the model's checkpoints are to be saved, and is no folder: better told now than after hours."""
    problems = []
    for name in (directory_name(run.model_name, kind) for kind in Kind):
        place = run.workspace / "checkpoints" / name
        try:
            if stat.S_ISDIR(place.stat().st_mode):
                continue
            reason = "is no folder"
        except OSError as error:
            # What is not there yet can be made; a link that leads back to itself cannot.
            if error.errno != errno.ELOOP:
                continue
            reason = "is a link that leads back to itself"
        remedy = "remove it, or choose another --model_name"
        message = f"{reason}, and the checkpoint is to be saved there"
        problems.append(Problem(message, where=f"checkpoints/{name}", remedy=remedy))
    return problems


def _about_name(found: Survey) -> bool:
    return any(problem.field == "model_name" for problem in found.problems)


def _named_data_problems(found: Survey) -> Iterator[Problem]:
    """What is wrong with the files and folders of the data as such, whatever the settings will be."""
    if found.resolved is None:
        return
    s, workspace = found.resolved.settings, found.resolved.workspace

    def look(field: str, name: str | None, why: Callable[[Path], str]) -> Iterator[Problem]:
        if name and field not in found.unsure and (reason := why(workspace / name)):
            yield Problem(reason, field=field, value=name)

    if s.input_file and not s.input_file.startswith(BUILTIN):
        yield from look("input_file", s.input_file, _why_no_text)
    yield from look("tokenizer_file", s.tokenizer_file, why_no_file)
    for field in ("dataset_dir", "eval_dataset_dir"):
        yield from look(field, getattr(s, field), _why_no_dataset)
    for folder in (s.eval_sets or {}).values():
        yield from look("eval_sets", folder, _why_no_dataset)
    for phase in s.curriculum.phases if s.curriculum else ():
        yield from look("curriculum", phase.dataset_dir, _why_no_dataset)


def _why_no_text(path: Path) -> str:
    return why_no_file(path) or ("" if path.stat().st_size else "is empty")


def _why_no_dataset(path: Path) -> str:
    return "" if path.is_dir() else "no such dataset"
