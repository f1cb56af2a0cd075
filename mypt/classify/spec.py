"""What makes a bundle a classifier: the field `classifier` of its `config.json`. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mypt.bundle import CONFIG, BundleInfo
from mypt.errors import Problem, UserError
from mypt.settings.model_config import GPTConfig
from mypt.text import printable
from mypt.tokenizers import Tokenizer

FIELD = "classifier"
# What ends a text where the tokenizer has no mark for it.
_ENDINGS = ("\n", " ")


@dataclass(frozen=True, slots=True)
class Spec:
    """The classes in the order of the head's rows, and how a row of data becomes tokens.

    `text_columns` are one or two, `label` the column of the class; `separator` are the ids that follow each text.
    """

    classes: tuple[str, ...]
    text_columns: tuple[str, ...]
    label: str
    separator: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """The field's value."""
        return {
            "classes": list(self.classes),
            "text_columns": list(self.text_columns),
            "label": self.label,
            "separator": list(self.separator),
        }

    @classmethod
    def of(cls, config: Mapping[str, Any], *, where: str) -> Spec:
        """The classifier of a config. Raises `UserError` naming what is wrong with the field."""
        value = config.get(FIELD)
        if not isinstance(value, dict):
            raise UserError(Problem("is missing: this is no classifier", where=where, field=FIELD))
        lists = {name: value.get(name) for name in ("classes", "text_columns", "separator")}
        kinds = {"classes": str, "text_columns": str, "separator": int}
        for name, found in lists.items():
            if not isinstance(found, list) or not all(type(each) is kinds[name] for each in found):
                what = "whole numbers" if kinds[name] is int else "texts"
                raise UserError(Problem(f"must be a list of {what}", where=where, field=f"{FIELD}.{name}"))
        classes, columns, separator = (tuple(found or ()) for found in lists.values())
        if len(classes) < 2 or len(set(classes)) != len(classes):
            message = "must name two classes or more, each once"
            raise UserError(Problem(message, where=where, field=f"{FIELD}.classes"))
        if len(columns) not in (1, 2):
            raise UserError(
                Problem("must name one or two columns", where=where, field=f"{FIELD}.text_columns")
            )
        return cls(classes, columns, str(value.get("label") or "label"), separator)


def spec_of(info: BundleInfo) -> Spec:
    """The classifier of a bundle. Raises `UserError` where it is a language model."""
    if not info.is_classifier:
        raise UserError(
            Problem(
                "is a language model and knows no classes",
                field="model_name",
                value=info.name,
                remedy=f"make a classifier of it: mypt finetune-classifier --init_from_model {info.name} …",
            )
        )
    return Spec.of(info.config, where=f"{info.name}/{CONFIG}")


def refuse_classifier(info: BundleInfo) -> None:
    """Raises `UserError` where a text is wanted from a bundle that gives classes."""
    if info.is_classifier:
        classes = ", ".join(spec_of(info).classes[:4])
        raise UserError(
            Problem(
                printable(f"is a classifier ({classes}) and writes no text"),
                field="model_name",
                value=info.name,
                remedy=f"use mypt classify --model_name {info.name}",
            )
        )


def separator_of(tokenizer: Tokenizer, config: GPTConfig) -> tuple[int, ...]:
    """The ids that shall follow each text: the mark between documents, else a line break, a space, or nothing.

    Where a network looks at nothing before that mark, it must not part two texts, nor end one.
    """
    end = tokenizer.end_of_text
    if end is not None and end != config.document_token and end < config.vocab_size:
        return (end,)
    ending = next((text for text in _ENDINGS if not tokenizer.unknown(text)), "")
    return tuple(tokenizer.encode(ending)) if ending else ()
