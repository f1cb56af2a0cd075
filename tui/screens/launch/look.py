"""From a draft to everything that its review shows: values with their sources, problems, size, memory. No Textual.

Reads the disk and imports pydantic and numpy, so the screen calls it in a thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mypt import bundle
from mypt.errors import MyptError, Problem, UserError
from mypt.text import printable
from tui.screens.launch.draft import GIVEN_BY, Draft, command
from tui.screens.launch.machine import Room, room

if TYPE_CHECKING:
    from mypt.estimate import Memory
    from mypt.settings.resolve import Effective, Resolved

# What is checked while somebody types; more is checked when the run is about to start.
_CHECKED_AT_ONCE = 32_000_000
EXPECTED = (MyptError, OSError)
"""What reading a workspace and starting a run may raise."""
_DATA_NAMES = frozenset({"input_file", "dataset_dir", "curriculum", "eval_sets", "eval_dataset_dir"})


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What a look at the data found. `rows` is the vocabulary that the model gets; `lines` describe the splits."""

    lines: tuple[str, ...] = ()
    rows: int | None = None
    problems: tuple[Problem, ...] = ()
    notices: tuple[str, ...] = ()
    #: Why there was no look yet, where there was none.
    later: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """Everything about one draft. `resolved` is None where the draft has problems.

    `values` are the effective values, with whatever of the draft can be used, so that a form can show them while
    something else is wrong; None where not even that is known.
    """

    draft: Draft
    resolved: Resolved | None
    values: dict[str, Effective] | None
    problems: tuple[Problem, ...]
    notices: tuple[str, ...] = ()
    held: frozenset[str] = frozenset()
    parameters: int = 0
    tokens_per_step: int = 0
    memory: Memory | None = None
    room: Room | None = None
    data: DataFacts | None = None
    command: str = ""
    #: What the model name means: new, or which checkpoint it resumes.
    name_note: str = ""
    #: Somebody trains this model now: the run can only be queued.
    busy: str = ""

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
    return printable("; ".join(part for part in (problem.message, problem.remedy) if part), newline=False)


def in_list(problem: Problem) -> str:
    """A problem in a list of many: with its field, without the word "form" that says nothing to who sits before it."""
    text = str(problem)
    return text.removeprefix(f"{GIVEN_BY}: ")


def look(draft: Draft, workspace: Path, data: DataFacts | None = None) -> Review:
    """Review `draft`. Never raises for what a person or a file can do. `data` is what is known of its data already."""
    from mypt.settings.resolve import resolve

    problems: list[Problem] = list(bundle.check_model_name(draft.model_name))
    resolved: Resolved | None = None
    try:
        resolved = resolve(draft.request(), workspace)
    except EXPECTED as error:
        problems += [p for p in problems_of(error) if p.field != "model_name" or not problems]
    shown = resolved or _without_what_is_wrong(draft, workspace, problems)
    values = shown.values if shown else None
    if resolved is None:
        return Review(draft, None, values, _unique(problems), held=_held(shown), name_note=_name_note(shown))

    step, total = resolved.start_step, resolved.settings.max_iters
    if resolved.checkpoint is not None and resolved.checkpoint.has_done(total):
        remedy = f"set max_iters above {step} to go on" if step else ""
        problems.append(
            Problem(f"{draft.model_name} is already trained to {step}", field="max_iters", remedy=remedy)
        )
    if data is not None:
        problems += data.problems
    parameters, memory, where = _size(resolved, data.rows if data else None)
    s = resolved.settings
    return Review(
        draft=draft,
        resolved=resolved,
        values=values,
        problems=_unique(problems),
        notices=(*resolved.notices, *(data.notices if data else ()), *_no_gpu(s.device, where)),
        held=_held(resolved),
        parameters=parameters,
        tokens_per_step=s.batch_size * s.block_size * s.grad_accum_steps,
        memory=memory,
        room=where,
        data=data,
        command=command(resolved),
        name_note=_name_note(resolved),
        busy=_busy(workspace, draft.model_name),
    )


def data_key(resolved: Resolved) -> tuple[Any, ...]:
    """Two drafts with equal keys have equal `DataFacts`, as long as no file changes."""
    from mypt.settings.resolve import as_text

    names = [
        "input_file",
        "dataset_dir",
        "curriculum",
        "eval_sets",
        "eval_dataset_dir",
        "tokenization",
        "tokenizer_file",
        "block_size",
        "vocab_size",
        "use_loss_mask",
    ]
    own = tuple(as_text(resolved.values[name].value) for name in names)
    info = resolved.checkpoint or resolved.base
    return (
        resolved.mode,
        str(info.path) if info else "",
        str(resolved.preset and resolved.preset.path),
        *own,
    )


def check_data(resolved: Resolved, *, at_once: bool = False) -> DataFacts:
    """Open the data of a run and say what it is. With `at_once` only where that takes no time and no network."""
    from mypt.data.source import describe, open_data, vocabulary_rows

    if at_once and (why := _why_later(resolved)):
        return DataFacts(later=why)
    try:
        found = open_data(resolved)
        return DataFacts(
            lines=tuple(printable(line, newline=False) for line in describe(found)),
            rows=vocabulary_rows(resolved, found.tokenizer),
            notices=tuple(found.notices),
        )
    except EXPECTED as error:
        return DataFacts(problems=problems_of(error))


def problems_of(error: Exception) -> tuple[Problem, ...]:
    """The problems that an expected error carries."""
    if isinstance(error, UserError):
        return error.problems
    if isinstance(error, OSError):
        return (Problem(error.strerror or str(error), where=str(error.filename or "")),)
    return (Problem(str(error)),)


def _why_later(resolved: Resolved) -> str:
    from mypt.tokenizers import gpt2_vocab
    from tui.screens.launch.choices import dataset_bytes

    s, workspace = resolved.settings, resolved.workspace
    total = 0
    folders = [phase.dataset_dir for phase in s.curriculum.phases] if s.curriculum else []
    folders += [folder for folder in (s.dataset_dir, s.eval_dataset_dir) if folder]
    folders += list((s.eval_sets or {}).values())
    for folder in folders:
        total += dataset_bytes(workspace / folder)
    if s.input_file and not s.input_file.startswith("builtin:"):
        try:
            total += (workspace / s.input_file).stat().st_size
        except OSError:
            return ""
    if total > _CHECKED_AT_ONCE:
        return "checked at the start"
    if s.tokenization == "gpt2" and not any(p.is_file() for p in gpt2_vocab.candidates(os.environ)):
        return "needs GPT-2's vocabulary, which the start downloads"
    return ""


def _without_what_is_wrong(draft: Draft, workspace: Path, problems: Iterable[Problem]) -> Resolved | None:
    """What the form can show meanwhile: the draft without its wrong fields, else without any."""
    from dataclasses import replace

    from mypt.settings.resolve import resolve

    wrong = frozenset(_setting(p) for p in problems if is_of_form(p))
    plain = replace(draft, model_name=draft.model_name if "model_name" not in wrong else "model")
    bare = replace(plain, data=None, given={})
    for tried in (plain, bare, replace(plain, preset=None), replace(bare, preset=None, base=None)):
        try:
            return resolve(tried.request(wrong), workspace)
        except EXPECTED:
            continue
    return None


def _held(resolved: Resolved | None) -> frozenset[str]:
    """Settings for which a typed value would lose against the preset, the base or the checkpoint."""
    if resolved is None:
        return frozenset()
    return frozenset(name for name in resolved.values if resolved.held(name))


def _size(resolved: Resolved, rows: int | None) -> tuple[int, Memory, Room]:
    from dataclasses import replace

    from mypt import estimate

    s = resolved.settings
    config = replace(resolved.config, vocab_size=rows) if rows else resolved.config
    where = room(s.device)
    dtypes = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
    dtype = dtypes.get(s.precision, "")
    if not dtype:
        lower = dtypes.get(s.amp_dtype, "bfloat16")
        dtype = lower if where.kind == "cuda" and s.use_amp else "float32"
    needed = estimate.memory(
        config,
        batch_size=s.batch_size,
        grad_accum_steps=s.grad_accum_steps,
        dtype=dtype,
        kernel="plain" if s.attention == "plain" else "sdpa",
        device_type=where.kind,
    )
    return estimate.parameters(config), needed, where


def _no_gpu(device: str, where: Room) -> tuple[str, ...]:
    if device.startswith("cuda") and where.kind == "cuda" and where.name == "CPU":
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


def _busy(workspace: Path, name: str) -> str:
    from mypt.runs.lock import ModelLock

    try:
        holder = ModelLock(workspace, name).holder()
    except (ValueError, OSError):
        return ""
    return f"{printable(name, newline=False)} is being trained now, by {holder}" if holder else ""


def _unique(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple({str(p): p for p in problems}.values())
