"""From a draft to everything that its review shows: values with their sources, problems, size, memory. No Textual.

Reads the disk and imports pydantic and numpy, so the screen calls it in a thread.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mypt import bundle
from mypt.errors import Problem, UserError
from mypt.runs.lock import held_by
from mypt.slurm.ask import Ask
from mypt.text import printable
from tui.screens.launch.data_look import EXPECTED, DataFacts, problems_of
from tui.screens.launch.draft import GIVEN_BY, Draft, command
from tui.screens.launch.machine import MAIN_MEMORY, Room, room

if TYPE_CHECKING:
    from mypt.estimate import Memory
    from mypt.settings.resolve import Effective, Resolved, Survey

_DATA_NAMES = frozenset({"input_file", "dataset_dir", "curriculum", "eval_sets", "eval_dataset_dir"})
_DECIDE_DATA = _DATA_NAMES | {"tokenization", "tokenizer_file", "block_size", "vocab_size", "use_loss_mask"}
_DECIDE_SIZE = frozenset(
    {"n_layer", "n_head", "n_embd", "block_size", "vocab_size", "batch_size", "grad_accum_steps", "mlp_type"}
)


@dataclass(frozen=True, slots=True)
class Review:
    """Everything about one draft. `resolved` is None where the draft has problems.

    `shown` is the run without what is wrong, so that a form can show values, size and data while something else is
    being mended; None where not even that makes a model.
    """

    draft: Draft
    resolved: Resolved | None
    shown: Resolved | None
    problems: tuple[Problem, ...]
    notices: tuple[str, ...] = ()
    #: Settings for which a typed value would lose.
    held: frozenset[str] = frozenset()
    #: Settings whose values may be others once the problems are mended.
    unsure: frozenset[str] = frozenset()
    parameters: int = 0
    tokens_per_step: int = 0
    memory: Memory | None = None
    #: Where it would compute; None for a machine of SLURM's.
    room: Room | None = None
    #: What it computes with, as torch calls it.
    kind: str = "cpu"
    data: DataFacts | None = None
    command: str = ""
    #: SLURM's batch file, where it is to run there; its run has no name yet.
    batch: str = ""
    #: What the model name means: new, or which checkpoint it resumes.
    name_note: str = ""
    #: Somebody trains this model now: the run can only be queued.
    busy: str = ""

    @property
    def values(self) -> dict[str, Effective] | None:
        """The effective values, with whatever of the draft can be used."""
        return self.shown.values if self.shown else None

    @property
    def locked(self) -> frozenset[str]:
        """Settings that nothing can change: the model exists already, and has them."""
        values = self.values or {}
        return frozenset(name for name in self.held if values[name].source.kind != "preset")

    @property
    def overruled(self) -> dict[str, str]:
        """What was typed and loses against the preset, by setting: a preset of one's own could have it."""
        values = self.values or {}
        return {
            name: text
            for name, text in self.draft.given.items()
            if name in values and values[name].ignored and values[name].source.kind == "preset"
        }

    @property
    def is_sized(self) -> bool:
        """Whether parameters, tokens and memory are those of the draft."""
        return self.shown is not None and not self.unsure & _DECIDE_SIZE

    @property
    def needed(self) -> int:
        """Bytes that the run takes of `room`: on a processor all of its processes share it."""
        if self.memory is None or self.room is None:
            return 0
        return self.memory.total * (self.draft.processes if self.room.kind == "cpu" else 1)

    @property
    def data_is_known(self) -> bool:
        """Whether it is known what is trained on and what it is read for, so that a look at it says something."""
        return self.shown is not None and not self.unsure & _DECIDE_DATA

    @property
    def ready(self) -> bool:
        """Whether a run could be started from it as far as is known."""
        return self.resolved is not None and not self.problems

    def problem_of(self, name: str) -> str:
        """What is wrong with one setting, in a sentence for the place beside it; empty where nothing is."""
        return next((sentence(p) for p in self.problems if is_of_form(p) and _setting(p) == name), "")

    def data_problems(self) -> list[Problem]:
        """What is wrong with the data."""
        own = list(self.data.problems) if self.data else []
        return [p for p in self.problems if (is_of_form(p) and _setting(p) in _DATA_NAMES) or p in own]


def is_of_form(problem: Problem) -> bool:
    """Whether it is about what was chosen and typed here, not about the content of a preset or a checkpoint."""
    return problem.where in ("", GIVEN_BY)


def _setting(problem: Problem) -> str:
    return problem.field.partition(".")[0]


def sentence(problem: Problem) -> str:
    """A problem beside its own field: what is wrong and what to do, without repeating where that is."""
    parts = (problem.message, problem.remedy)
    return _without_flags(printable("; ".join(part for part in parts if part), newline=False))


def in_list(problem: Problem) -> str:
    """A problem in a list of many: with its field, without the word "form" that says nothing to who sits before it."""
    return _without_flags(str(problem).removeprefix(f"{GIVEN_BY}: "))


def _without_flags(text: str) -> str:
    """What to do, for somebody who has no command line before them."""
    text = text.replace("name the data with --input_file or --dataset_dir", "choose a text or a dataset")
    return re.sub(r"(?<!\S)--(\w+)", r"\1", text)


def look(draft: Draft, workspace: Path, data: DataFacts | None = None) -> Review:
    """Review `draft`. Never raises for what a person or a file can do. `data` is what is known of its data already."""
    from mypt.settings.resolve import survey
    from mypt.slurm.script import preview

    # A name that is left away is made up on the command line; a form shows the one that it suggests.
    problems: list[Problem] = list(bundle.check_model_name(draft.model_name)) if not draft.model_name else []
    try:
        found = survey(draft.request(), workspace)
        problems += found.problems
        shown, unsure = found.resolved or _without_what_is_wrong(draft, workspace, found), found.unsure
    except EXPECTED as error:
        return Review(draft, None, None, _unique([*problems, *problems_of(error)]))
    if shown is not found.resolved:
        unsure |= _DECIDE_SIZE
    problems += data.problems if data else ()
    if shown is None:
        return Review(draft, None, None, _unique(problems), unsure=unsure, data=data)
    step, total = shown.start_step, shown.settings.max_iters
    if shown.checkpoint is not None and shown.checkpoint.has_done(total) and "max_iters" not in unsure:
        remedy = f"set max_iters above {step} to go on" if step else ""
        problems.append(
            Problem(f"{draft.model_name} is already trained to {step}", field="max_iters", remedy=remedy)
        )
    asked = _ask_problems(draft, workspace)
    problems += [
        *asked,
        *([] if asked or unsure & {"batch_size", "grad_accum_steps"} else _shares(draft, shown)),
    ]
    s = shown.settings
    here: Room | None = None
    if draft.slurm is None:
        here = room(s.device)
        kind = here.kind
    else:
        kind = _kind_there(s.device, draft.slurm)
    parameters, memory = _size(shown, data.rows if data else None, kind)
    right = shown if not found.problems and draft.model_name else None
    held = held_by(workspace, draft.model_name)
    return Review(
        draft=draft,
        resolved=right,
        shown=shown,
        problems=_unique(problems),
        notices=(
            *shown.notices,
            *(data.notices if data else ()),
            *_no_gpu(s.device, here),
            *_there(draft, held),
        ),
        held=frozenset(name for name in shown.values if shown.held(name)),
        unsure=unsure,
        parameters=parameters,
        tokens_per_step=s.batch_size * s.block_size * s.grad_accum_steps,
        memory=memory,
        room=here,
        kind=kind,
        data=data,
        command=command(right, draft) if right and not asked else "",
        batch=preview(draft.slurm, right, sys.executable) if right and not asked and draft.slurm else "",
        name_note=_name_note(shown) if not bundle.check_model_name(draft.model_name) else "",
        busy=held if draft.slurm is None else "",
    )


def _without_what_is_wrong(draft: Draft, workspace: Path, found: Survey) -> Resolved | None:
    """What can be shown where settings do not make a model: the run without them, else without its preset too."""
    from mypt.settings.resolve import survey

    wrong = frozenset({_setting(p) for p in found.problems}) | _DECIDE_SIZE
    tries = (draft, replace(draft, preset=None))
    return next((run for d in tries if (run := survey(d.request(wrong), workspace).resolved)), None)


def _ask_problems(draft: Draft, workspace: Path) -> list[Problem]:
    """What is wrong with what is asked of SLURM, or why it cannot be asked from here."""
    if draft.slurm is None:
        return []
    from mypt.slurm.script import problems
    from mypt.slurm.submit import absent

    why = absent()
    missing = [replace(why, field="where")] if why is not None else []
    return [*missing, *problems(draft.slurm, workspace)]


def _shares(draft: Draft, shown: Resolved) -> list[Problem]:
    """What keeps the processes from sharing an update."""
    from mypt.settings.checks import check_shares

    try:
        if draft.slurm is not None:
            check_shares(shown.settings, draft.slurm.ranks, field="ntasks_per_node")
        elif draft.processes > 1:
            check_shares(shown.settings, draft.processes)
    except UserError as error:
        return list(error.problems)
    return []


def _kind_there(device: str, ask: Ask) -> str:
    """What a machine of SLURM's computes with: a GPU where one is asked for."""
    kind = device.partition(":")[0]
    return kind if kind != "auto" else "cuda" if ask.gpus_per_node else "cpu"


def _there(draft: Draft, held: str) -> tuple[str, ...]:
    from mypt.slurm.submit import FAILS_THEN

    return (f"{held}: {FAILS_THEN}",) if held and draft.slurm else ()


def _size(resolved: Resolved, rows: int | None, kind: str) -> tuple[int, Memory]:
    from mypt import estimate
    from mypt.machine import saves_behind

    s = resolved.settings
    config = replace(resolved.config, vocab_size=rows) if rows else resolved.config
    dtypes = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
    dtype = dtypes.get(s.precision, "")
    if not dtype:
        lower = dtypes.get(s.amp_dtype, "bfloat16")
        dtype = lower if kind == "cuda" and s.use_amp else "float32"
    needed = estimate.memory(
        config,
        batch_size=s.batch_size,
        grad_accum_steps=s.grad_accum_steps,
        dtype=dtype,
        kernel="plain" if s.attention == "plain" else "sdpa",
        device_type=kind,
        copied=saves_behind(s, kind),
    )
    return estimate.parameters(config), needed


def _no_gpu(device: str, where: Room | None) -> tuple[str, ...]:
    if where is not None and device.startswith("cuda") and where.kind == "cuda" and where.name == MAIN_MEMORY:
        return (f"device {device}: no such GPU was found on this machine",)
    return ()


def _name_note(resolved: Resolved | None) -> str:
    if resolved is None:
        return ""
    if resolved.checkpoint is None:
        return (
            "fine-tunes " + printable(resolved.base.name, newline=False) if resolved.base else "a new model"
        )
    step = resolved.checkpoint.step
    which = "its gold" if resolved.request.resume_from == "gold" else "it"
    return f"exists: resumes {which} from step {step}" if step is not None else f"exists: resumes {which}"


def _unique(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple({str(p): p for p in problems}.values())
