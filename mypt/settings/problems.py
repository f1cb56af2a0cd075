"""Values judged one by one, with pydantic's findings in our words: which field, what it has, what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from mypt.errors import Problem
from mypt.settings.fields import Curriculum, GoldSelection, Guards, Phase, Settings

_EXPECTED = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a text",
    "string_unicode": "is not UTF-8",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "missing": "is missing",
    "none_required": "is not supported: MyPT runs no outside program to judge a checkpoint",
}


def validate(values: dict[str, Any], *, where: str, strict: bool) -> tuple[dict[str, Any], list[Problem]]:
    """Each given value by itself: (those that are right, as typed values; what is wrong with the others).

    `strict` is for JSON, where a number is a number; flags and forms hand over text. Unknown names are not looked at.
    """
    given = {name: value for name, value in values.items() if name in Settings.model_fields}
    problems = field_problems(Settings, given, where=where, strict=strict)
    wrong = {p.field.partition(".")[0] for p in problems}
    right = {name: value for name, value in given.items() if name not in wrong}
    # Validated once more as a whole to get typed values; nothing can fail any longer.
    typed = Settings.model_validate(right, strict=strict, context={"json": strict})
    return {name: getattr(typed, name) for name in right}, problems


def field_problems(
    model: type[BaseModel], values: dict[str, Any], *, where: str, strict: bool
) -> list[Problem]:
    """Everything that is wrong with `values` as fields of `model`, one problem a field."""
    try:
        model.model_validate(values, strict=strict, context={"json": strict})
    except ValidationError as error:
        found: dict[str, Problem] = {}
        for item in error.errors(include_url=False, include_context=True):
            problem = _problem(dict(item), model, where)
            # A union tries each member, and one sentence a field is enough.
            found.setdefault(problem.field, problem)
        return list(found.values())
    return []


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean …?` where a known name is close, else an empty string."""
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else ""


def _problem(item: dict[str, Any], model: type[BaseModel], where: str) -> Problem:
    kind, context = item["type"], item.get("ctx") or {}
    # Names of union members stand between the real keys; they are no fields of the user's.
    path = [str(p) for p in item["loc"] if not _is_union_tag(str(p))]
    name = ".".join(path)
    remedy = ""
    if kind == "extra_forbidden":
        message, remedy = "is not known", nearest(path[-1], _fields_near(model, path))
    elif kind == "literal_error":
        message = "must be one of " + str(context.get("expected", "")).replace("'", "")
        remedy = nearest(
            str(item.get("input")), str(context.get("expected", "")).replace("'", "").split(", ")
        )
    elif kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        bound = next(iter(context.values()))
        word = {"greater_than_equal": "at least", "greater_than": "more than"}.get(kind) or (
            "at most" if kind == "less_than_equal" else "less than"
        )
        message = f"must be {word} {bound:g}" if isinstance(bound, float) else f"must be {word} {bound}"
    elif kind == "string_pattern_mismatch":
        message = "must be auto, cpu, cuda, cuda:<number> or mps"
    elif kind in ("model_type", "model_attributes_type"):
        message = "must be an object"
    elif kind in ("too_short", "string_too_short"):
        message = "must not be empty"
    else:
        message = _EXPECTED.get(kind, str(item["msg"]).lower())
    problem_value = {} if kind == "missing" else {"value": item.get("input")}
    return Problem(message, where=where, field=name, remedy=remedy, **problem_value)


def _is_union_tag(part: str) -> bool:
    return part in ("int", "float", "str", "bool", "none", "Curriculum", "GoldSelection") or "[" in part


def _fields_near(model: type[BaseModel], path: list[str]) -> list[str]:
    if len(path) == 1:
        return list(model.model_fields)
    return [name for inner in (Curriculum, Phase, GoldSelection, Guards) for name in inner.model_fields]
