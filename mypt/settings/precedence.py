"""Who is heard first: for each rule and each kind of run, the order of command line, checkpoint, base and preset."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mypt.bundle import BundleInfo
from mypt.settings import fields
from mypt.settings.fields import Rule, Settings
from mypt.settings.model_config import GPTConfig
from mypt.settings.presets import Preset
from mypt.settings.problems import validate
from mypt.settings.request import DEFAULT, Effective, Mode, Request, Source

# A checkpoint has the warm-up in steps and the vocabulary of its text, where a preset has a fraction and a guess.
_KEPT_IN_OTHER_WORDS = ("warmup_iters", "vocab_size")


def order(rule: Rule, mode: Mode) -> tuple[str, ...]:
    """Kinds of source for a rule, strongest first: "given" is the command line or a form."""
    if rule is Rule.DEVICE:
        return ("given", "preset")
    if rule is Rule.TRAINING:
        return ("given", "checkpoint", "preset")
    if mode is Mode.RESUME:
        return ("given", "checkpoint", "preset") if rule is Rule.LIVE else ("checkpoint", "preset", "given")
    if mode is Mode.FINE_TUNE and rule is Rule.SHAPE:
        return ("base", "preset", "given")
    if mode is Mode.FINE_TUNE:
        return ("preset", "given", "base")
    return ("preset", "given")


@dataclass(slots=True)
class Layers:
    """The places that a value may come from, each as (values, source). `notices` tell what was left out of them."""

    request: Request
    given: dict[str, Any]
    preset: Preset | None
    checkpoint: BundleInfo | None
    base: BundleInfo | None
    notices: list[str] = field(default_factory=list)
    _by_kind: dict[str, tuple[dict[str, Any], Source]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_kind["given"] = (self.given, Source(self.request.given_by))
        if self.preset:
            self._by_kind["preset"] = (self.preset.values, Source("preset", self.preset.label))
        if self.checkpoint:
            detail = f"{self.checkpoint.name} step {self.checkpoint.step or 0}"
            self._by_kind["checkpoint"] = (
                _saved(self.checkpoint, self.notices),
                Source("checkpoint", detail),
            )
        if self.base:
            self._by_kind["base"] = (_shape_of(self.base), Source("base model", self.base.name))

    def layer(self, kind: str) -> tuple[dict[str, Any], Source] | None:
        """What "given", "checkpoint", "base" or "preset" offers; None where there is no such thing."""
        return self._by_kind.get(kind)

    def decide(self, name: str, mode: Mode) -> Effective:
        """The value of a setting from the strongest source that has one, and who lost against it."""
        offers = [
            (layer[0][name], layer[1])
            for kind in order(fields.rule(name), mode)
            if (layer := self.layer(kind)) is not None and name in layer[0]
        ]
        if not offers:
            return Effective(name, fields.default(name), DEFAULT)
        if mode is Mode.FINE_TUNE and name == "tie_weights" and self.given.get(name) is True:
            # Two matrices can become one, never the other way round. No preset decides that: it costs what was learned.
            offers.sort(key=lambda offer: not offer[0])
        (value, source), *rest = offers
        own = {self.request.given_by}
        if mode is Mode.FINE_TUNE and fields.rule(name) is Rule.SHAPE and name != "vocab_size":
            own.add("preset")
        if mode is Mode.RESUME and source.kind == "checkpoint" and name not in _KEPT_IN_OTHER_WORDS:
            own.add("preset")
        lost = tuple((v, s) for v, s in rest if v != value and s.kind in own)
        return Effective(name, value, source, lost)


def _saved(info: BundleInfo, notices: list[str]) -> dict[str, Any]:
    # The weights have the shape that config.json says; what the settings once asked for may differ from it.
    saved = {k: v for k, v in info.training_config.items() if v is not None} | _shape_of(info)
    typed, wrong = validate(saved, where=f"checkpoint {info.name}", strict=True)
    notices += [f"{problem}; the default is used" for problem in wrong]
    kind = info.tokenizer.get("token_kind")
    if kind in fields.choices("tokenization"):
        typed["tokenization"] = kind
    return typed


def _shape_of(info: BundleInfo) -> dict[str, Any]:
    config = GPTConfig.from_dict(info.config, where=f"{info.name}/config.json").to_dict()
    return {k: v for k, v in config.items() if k in Settings.model_fields and k != "device" and v is not None}
