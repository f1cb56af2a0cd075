"""From what is filled in to what one is told: what stands where nothing was typed, what is wrong, what it will be. No Textual.

Reads the disk and imports pydantic, so the screen calls it in a thread.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mypt import bundle
from mypt.errors import Problem
from mypt.runs.lock import held_by
from mypt.text import count, printable, whole
from tui.screens.classify.draft import SETTINGS, Draft
from tui.screens.launch.data_look import EXPECTED, problems_of

if TYPE_CHECKING:
    from mypt.bundle import BundleInfo
    from mypt.classify.plan import Plan, Settled

# Texts of so many bytes are read, cut and counted while somebody types; larger ones when the run is about to start.
_READ_AT_ONCE = 1_000_000
_MOST_FILES, _MOST_ENTRIES = 12, 5000
_ENDINGS = (".jsonl", ".csv", ".tsv")
_SIBLINGS = {
    "train": ("dev", "val", "valid", "validation", "eval", "test"),
    "training": ("validation", "test"),
}


@dataclass(frozen=True, slots=True)
class Look:
    """Everything about one draft.

    `stands` is what an empty line means, `row` the first row of the data by column, `lacking` what is still to be filled
    in; `facts` are names and values to show, and `ready` says whether it could be started as far as is known.
    """

    draft: Draft
    problems: tuple[Problem, ...] = ()
    lacking: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    stands: Mapping[str, str] = field(default_factory=dict)
    row: Mapping[str, Any] = field(default_factory=dict)
    facts: tuple[tuple[str, str], ...] = ()
    name_note: str = ""
    busy: str = ""
    #: The classifier that goes on, whose columns nothing changes.
    resumed: BundleInfo | None = None

    @property
    def ready(self) -> bool:
        """Whether it could be started as far as is known."""
        return not self.problems and not self.lacking

    @property
    def columns(self) -> tuple[str, str, str]:
        """The one or two columns of texts and that of the class that the classifier keeps; empty where it is new."""
        from mypt.classify.spec import spec_of

        if self.resumed is None:
            return ("", "", "")
        spec = spec_of(self.resumed)
        first, second, *_ = (*spec.text_columns, "")
        return (first, second, spec.label)

    def but(self, problems: tuple[Problem, ...]) -> Look:
        """The same with these problems, which showed only at the start."""
        return replace(self, problems=problems)

    @property
    def wrong(self) -> frozenset[str]:
        """The lines that something is wrong with."""
        files = {self.draft.data: "data", self.draft.eval_data: "eval_data"}
        return frozenset({problem.field or files.get(problem.where, "") for problem in self.problems})


def look(draft: Draft, workspace: Path) -> Look:
    """Look at `draft`. Never raises for what a person or a file can do."""
    from mypt.classify.plan import complete, settle

    problems: list[Problem] = []
    known = draft
    if draft.num_epochs and not _is_whole(draft.num_epochs):
        message = "must be a whole number of at least 1"
        problems.append(Problem(message, field="num_epochs", value=draft.num_epochs))
        known = replace(draft, num_epochs="")
    try:
        found = settle(known.request(), workspace)
    except EXPECTED as error:
        return Look(draft, problems_of(error))
    problems += (p for p in found.problems if not _is_lacking(p))
    lacking = tuple(p.field for p in found.problems if _is_lacking(p))
    row, more = _first_rows(found, workspace)
    problems += more
    planned = None
    if not problems and not lacking and _is_small(found, workspace):
        try:
            planned = complete(found, workspace)
        except EXPECTED as error:
            problems += problems_of(error)
    if (
        planned is not None
        and found.resumed is not None
        and found.resumed.has_done(planned.run.settings.max_iters)
    ):
        epochs = f"{planned.given.num_epochs} epoch{'s' * (planned.given.num_epochs != 1)}"
        problems.append(
            Problem(
                f"it has seen its texts for {epochs} already",
                field="num_epochs",
                remedy="ask for more to go on",
            )
        )
    return Look(
        draft,
        tuple({str(p): p for p in problems}.values()),
        lacking,
        tuple((planned.run.notices + planned.data.notices) if planned else ()),
        _stands(found),
        row,
        _facts(planned) if planned else (),
        _name_note(draft, found),
        held_by(workspace, draft.model_name),
        found.resumed,
    )


def plan_of(draft: Draft, workspace: Path) -> Plan:
    """The run with all its texts read. Raises what is `EXPECTED`."""
    from mypt.classify.plan import plan

    return plan(draft.request(), workspace)


def files(workspace: Path) -> list[str]:
    """Files at the top level of the workspace and in `data/` that may hold texts with their classes."""
    found: list[str] = []
    for folder in (workspace, workspace / "data"):
        try:
            with os.scandir(folder) as entries:
                names = [e.name for _, e in zip(range(_MOST_ENTRIES), entries, strict=False) if e.is_file()]
        except OSError:
            continue
        fit = sorted(n for n in names if n.lower().endswith(_ENDINGS) and n.isprintable() and n[0] != ".")
        found += [(folder / name).relative_to(workspace).as_posix() for name in fit]
    return found[:_MOST_FILES]


def sibling(data: str, workspace: Path) -> str:
    """The file beside `train.jsonl` that is probably meant for the evaluation; empty where there is none."""
    head, _, name = data.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    for training, others in _SIBLINGS.items():
        if dot and training in stem:
            for other in others:
                path = "/".join([*([head] if head else []), f"{stem.replace(training, other)}.{ending}"])
                try:
                    if (workspace / path).is_file():
                        return path
                except (OSError, ValueError):
                    return ""
    return ""


def _is_lacking(problem: Problem) -> bool:
    return problem.message == "is missing" and problem.field in ("model_name", "data", "eval_data", "text")


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _first_rows(found: Settled, workspace: Path) -> tuple[dict[str, Any], list[Problem]]:
    """The first row of the data, and what the first rows of both files lack."""
    from mypt.classify.columns import first_row

    row: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in (found.given.data, found.given.eval_data):
        if not name:
            continue
        try:
            there = first_row(workspace / name, name)
        except EXPECTED as error:
            problems += problems_of(error)
            continue
        row = row or (there if name == found.given.data else {})
        for field_, column in (*(("text", text) for text in found.given.text), ("label", found.given.label)):
            if column not in there:
                has = ", ".join(list(there)[:12])
                problems.append(Problem("is no column of the file", name, field_, column, f"it has: {has}"))
    return row, problems


def _is_small(found: Settled, workspace: Path) -> bool:
    try:
        sizes = [(workspace / name).stat().st_size for name in {found.given.data, found.given.eval_data}]
    except (OSError, ValueError):
        return False
    return sum(sizes) <= _READ_AT_ONCE


def _stands(found: Settled) -> dict[str, str]:
    """What an empty line means: the value and, short, where it comes from."""
    from mypt.classify.request import BY_DEFAULT
    from mypt.settings.resolve import as_text

    given, going_on = found.given, found.resumed is not None
    source = "saved" if going_on else "default"
    stands = {"num_epochs": f"{given.num_epochs} · {source}"}
    if going_on:
        stands |= {"data": f"{given.data} · saved", "eval_data": f"{given.eval_data} · saved"}
    values = found.run.values if found.run else {}
    for name in SETTINGS:
        if name in values:
            kind = "default" if values[name].source == BY_DEFAULT else values[name].source.kind
            kind = {"checkpoint": "saved", "base model": "base"}.get(kind, kind)
            stands[name] = f"{as_text(values[name].value)} · {kind}"
    return {name: printable(text, newline=False) for name, text in stands.items()}


def _facts(planned: Plan) -> tuple[tuple[str, str], ...]:
    s, classes, phase = planned.run.settings, planned.spec.classes, planned.data.phases[0]
    sides = [(planned.given.data, phase.train), (planned.given.eval_data, phase.val)]
    texts = [f"{name}: {whole(side.windows(0))} texts, {count(side.tokens)} tokens" for name, side in sides]
    shown = f"{len(classes)}: {', '.join(classes[:10])}{' …' * (len(classes) > 10)}"
    updates = f"{whole(s.max_iters)} of {s.batch_size * s.grad_accum_steps} texts, evaluation every {s.eval_interval}"
    after = f"; {whole(planned.run.start_step)} are done" if planned.run.start_step else ""
    rows = [("texts", "\n".join(texts)), ("classes", shown), ("updates", updates + after)]
    return tuple((name, printable(text)) for name, text in rows)


def _name_note(draft: Draft, found: Settled) -> str:
    if bundle.check_model_name(draft.model_name):
        return ""
    if found.resumed is None:
        return "a new classifier"
    step = "" if found.resumed.step is None else f" from step {whole(found.resumed.step)}"
    return f"exists: it goes on{step}"
