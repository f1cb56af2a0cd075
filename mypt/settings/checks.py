"""Checks that look at several settings at once. Each returns problems; none raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mypt.errors import Problem, UserError

if TYPE_CHECKING:
    from mypt.settings.fields import Settings

#: The settings that say what is trained on; one of them at a time.
DATA_FIELDS = ("input_file", "dataset_dir", "curriculum")
# `eval_sets` and `eval_duration_s` are fields of the log that hold no loss.
_TAKEN = ("sets", "duration_s")


def cross_checks(values: dict[str, Any], *, where: str = "") -> list[Problem]:
    """What is wrong between settings, each of which is right by itself. Absent settings are not judged."""
    found: list[Problem] = []

    def add(field: str, message: str, remedy: str = "") -> None:
        found.append(Problem(message, where=where, field=field, value=values.get(field), remedy=remedy))

    width, heads = values.get("n_embd"), values.get("n_head")
    if width is not None and heads is not None:
        if width % heads:
            lower = width - width % heads
            near = " or ".join(str(n) for n in (lower, lower + heads) if n)
            add("n_embd", f"must be divisible by n_head = {heads}", f"try {near}")
        elif values.get("pos_encoding") == "rope" and (width // heads) % 2:
            add("n_head", f"RoPE needs an even head size, and n_embd / n_head is {width // heads}")
    layers, frozen = values.get("n_layer"), values.get("freeze_layers")
    if layers is not None and frozen is not None and frozen > layers:
        add("freeze_layers", f"the model has only {layers} layer{'' if layers == 1 else 's'}")
    curriculum = values.get("curriculum")
    found += data_problems(values, where)
    if curriculum is not None:
        found += _curriculum_problems(curriculum.phases, where)
    for name in values.get("eval_sets") or {}:
        if not name.replace("_", "").replace("-", "").isalnum() or name in _TAKEN:
            add("eval_sets", f"{name!r} cannot be the name of a loss", "use letters, digits and _")
    if values.get("precision") == "fp16" and values.get("device") == "cpu":
        add("precision", "fp16 needs a GPU", "use bf16 or fp32 on a CPU")
    return found


def data_problems(values: dict[str, Any], where: str) -> list[Problem]:
    """What is wrong with naming several kinds of data in one place."""
    kinds = [name for name in DATA_FIELDS if values.get(name) is not None]
    if len(kinds) < 2:
        return []
    message = f"was given together with {' and '.join(kinds[1:])}"
    remedy = f"name one of the {'two' if len(kinds) == 2 else 'three'}"
    return [Problem(message, where=where, field=kinds[0], remedy=remedy)]


def _curriculum_problems(phases: list[Any], where: str) -> list[Problem]:
    found: list[Problem] = []
    before = 0
    for number, phase in enumerate(phases):
        field = f"curriculum.phases.{number}.until_iter"
        last = number == len(phases) - 1
        if phase.until_iter is None and not last:
            found.append(Problem("only the last phase may run to the end", where=where, field=field))
        elif phase.until_iter is not None:
            if phase.until_iter <= before:
                found.append(
                    Problem(
                        f"must be more than {before}, where the phase begins",
                        where=where,
                        field=field,
                        value=phase.until_iter,
                    )
                )
            before = phase.until_iter
    names = [phase.name for phase in phases]
    for name in sorted({n for n in names if names.count(n) > 1}):
        found.append(Problem("two phases have one name", where=where, field="curriculum.phases", value=name))
    return found


def check_shares(settings: Settings, processes: int, field: str = "nproc") -> None:
    """Raise `UserError` naming `field` where an update has not a sequence for each of so many processes."""
    sequences = settings.batch_size * settings.grad_accum_steps
    if sequences < processes:
        raise UserError(
            Problem(
                f"an update has {sequences} sequences (batch_size × grad_accum_steps), and {processes} processes "
                "are to share them",
                field=field,
                value=processes,
                remedy=f"use at most {sequences}, or raise grad_accum_steps",
            )
        )
