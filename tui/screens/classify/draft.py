"""What a person has filled in for a classifier so far, as one plain value, and the ways to begin with one. No Textual."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mypt.bundle import BundleInfo
from mypt.launch.start import CLASSIFY

if TYPE_CHECKING:
    from mypt.classify.request import ClassifierRequest

GIVEN_BY = "form"
SETTINGS = ("learning_rate", "batch_size", "block_size")
"""The settings of training that have a line; what else there is goes along untouched."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The dialogue at one moment, all of it text; what is empty comes from the classifier that goes on, or by default."""

    model_name: str = ""
    base: str = ""
    data: str = ""
    eval_data: str = ""
    text: tuple[str, ...] = ()
    label: str = ""
    num_epochs: str = ""
    given: Mapping[str, str] = field(default_factory=dict)

    def request(self) -> ClassifierRequest:
        """What the planning of a classifier is asked. ValueError where the epochs are no number."""
        from mypt.classify.request import ClassifierRequest

        return ClassifierRequest(
            model_name=self.model_name,
            init_from_model=self.base or None,
            data=self.data or None,
            eval_data=self.eval_data or None,
            text=self.text or None,
            label=self.label or None,
            num_epochs=int(self.num_epochs) if self.num_epochs else None,
            given=dict(self.given),
            given_by=GIVEN_BY,
        )

    def arguments(self) -> list[str]:
        """The flags of `mypt finetune-classifier` that ask for the same."""
        said = {
            "init_from_model": self.base,
            "model_name": self.model_name,
            "data": self.data,
            "eval_data": self.eval_data,
            "text": ",".join(self.text),
            "label": self.label,
            "num_epochs": self.num_epochs,
            **self.given,
        }
        words: list[str] = []
        for name, value in said.items():
            if value:
                # A value that begins like a flag would be taken for one.
                words += [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]
        return words

    def command(self) -> str:
        """The line that does the same in a shell."""
        return shlex.join(["mypt", CLASSIFY[-1], *self.arguments()])


def from_flags(given: Mapping[str, str]) -> Draft:
    """What a run was started with, by its flags."""
    rest = dict(given)
    text = tuple(name.strip() for name in rest.pop("text", "").split(",") if name.strip())
    known = {n: rest.pop(n, "") for n in ("model_name", "data", "eval_data", "label", "num_epochs")}
    return Draft(base=rest.pop("init_from_model", ""), text=text, given=rest, **known)


def like(info: BundleInfo) -> Draft:
    """The data, columns and settings that a classifier was made with, without its name and its base."""
    from mypt.classify.plan import SAVED
    from mypt.classify.spec import spec_of
    from mypt.settings.resolve import as_text

    spec, saved = spec_of(info), info.training_config.get(SAVED)
    data: dict[str, Any] = saved if isinstance(saved, dict) else {}
    words = {name: data[name] for name in ("data", "eval_data") if isinstance(data.get(name), str)}
    made_with = {**info.config, **info.training_config}
    given = {name: as_text(made_with[name]) for name in SETTINGS if made_with.get(name) is not None}
    epochs = str(info.classifier_epochs) if "num_epochs" in data else ""
    return Draft(text=spec.text_columns, label=spec.label, num_epochs=epochs, given=given, **words)
