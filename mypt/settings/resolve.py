"""The one place where preset, checkpoint, base model, command line and defaults become effective values.

Every value remembers where it came from, and what it was preferred to: "was my setting ignored?" is answered by
`Resolved` alone, for the trainer, for `--dry_run` and for the dashboard's review.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from mypt import bundle
from mypt.bundle import BundleInfo
from mypt.errors import Problem, UserError, raise_for
from mypt.settings import fields
from mypt.settings.checks import cross_checks
from mypt.settings.fields import Rule, Settings
from mypt.settings.model_config import GPTConfig
from mypt.settings.paths import in_workspace
from mypt.settings.presets import Preset, config_of, find_preset, load_preset
from mypt.settings.problems import nearest, validate

DATA_FIELDS = ("input_file", "dataset_dir", "curriculum")
DEMO_DATA = "builtin:stories"
# A checkpoint has the warm-up in steps and the vocabulary of its text, where a preset has a fraction and a guess.
_KEPT_IN_OTHER_WORDS = ("warmup_iters", "vocab_size")


class Mode(StrEnum):
    """What a run begins with."""

    NEW = "new"
    RESUME = "resume"
    FINE_TUNE = "fine-tune"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from, as people say it: "command line", "preset 150M", "checkpoint dante step 1000"."""

    kind: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.detail}".rstrip()


DEFAULT = Source("default")


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting as it will be used: its value, its source, and the explicit values that lost against it."""

    name: str
    value: Any
    source: Source
    ignored: tuple[tuple[Any, Source], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for. `given` holds settings by name, as text (flags, forms) or as values (Python)."""

    model_name: str = ""
    config_file: str | None = None
    init_from_model: str | None = None
    resume_from: str = "last"
    reset_optimizer: bool = False
    given: dict[str, Any] = field(default_factory=dict)
    given_by: str = "command line"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A run that can be started: every effective value with its source, and what its user should be told."""

    workspace: Path
    request: Request
    mode: Mode
    model_name: str
    values: dict[str, Effective]
    settings: Settings
    config: GPTConfig
    notices: list[str]
    preset: Preset | None = None
    checkpoint: BundleInfo | None = None
    base: BundleInfo | None = None

    @property
    def start_step(self) -> int:
        """Updates that the checkpoint being resumed has behind it."""
        return (self.checkpoint.step or 0) if self.checkpoint else 0

    @property
    def log_path(self) -> Path:
        """The structured log, absolute."""
        return self.workspace / (self.settings.log_file or "")

    @property
    def tokenizer(self) -> dict[str, Any] | None:
        """The tokenizer that the run must use, where a checkpoint or a base model brings one."""
        info = self.checkpoint or self.base
        return info.tokenizer if info else None

    def argv(self) -> list[str]:
        """The equivalent command line after `mypt train`: what was asked for, nothing that would come by itself."""
        request = self.request
        args = ["--model_name", self.model_name]
        if request.config_file:
            args = ["--config_file", request.config_file, *args]
        if request.init_from_model:
            args += ["--init_from_model", request.init_from_model]
        if request.resume_from != "last":
            args += ["--resume_from", request.resume_from]
        if request.reset_optimizer:
            args += ["--reset_optimizer"]
        for name, value in request.given.items():
            text = as_text(value)
            # A value that begins like a flag would be taken for one.
            args += [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]
        return args

    def held(self, name: str) -> bool:
        """Whether a value given for this setting would lose: the preset, the checkpoint or the base decides it."""
        rule, kind = fields.rule(name), self.values[name].source.kind
        if rule in (Rule.TRAINING, Rule.DEVICE) or (self.mode is Mode.RESUME and rule is Rule.LIVE):
            # A model that exists was made with its tokens.
            return name == "tokenization" and kind in ("checkpoint", "base model", "dataset")
        if self.mode is Mode.FINE_TUNE and rule is not Rule.SHAPE:
            return kind == "preset"
        return kind in ("preset", "checkpoint", "base model")

    def summary(self, parameters: int) -> dict[str, Any]:
        """The settings that lists and filters of runs show, as JSON values."""
        s = self.settings
        names = (
            "max_iters",
            "learning_rate",
            "batch_size",
            "block_size",
            "grad_accum_steps",
            "seed",
            "dropout",
        )
        first = s.curriculum.phases[0].dataset_dir if s.curriculum else None
        return {
            **{name: getattr(s, name) for name in names},
            "preset": self.preset.label if self.preset else None,
            "base": self.base.name if self.base else None,
            "data": s.dataset_dir or s.input_file or first,
            "parameters": parameters,
        }


def as_text(value: Any) -> str:
    """A setting's value as a flag takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        import json

        simple = all(
            isinstance(v, str) and v == v.strip() and not set(v) & set(",={") for v in value.values()
        )
        return ",".join(f"{k}={v}" for k, v in value.items()) if value and simple else json.dumps(value)
    if hasattr(value, "model_dump_json"):
        return str(value.model_dump_json())
    return str(value)


def warmup_steps(settings: Settings) -> int:
    """Updates of linear warm-up: `warmup_iters`, or that fraction of `max_iters`; never more than `max_iters`."""
    warmup = settings.warmup_iters
    steps = round(warmup * settings.max_iters) if 0 < warmup < 1 else int(warmup)
    return min(steps, settings.max_iters)


def resolve(request: Request, workspace: Path) -> Resolved:
    """Decide everything about a run from what is asked and what lies in the workspace; reads, writes nothing.

    Raises one `UserError` with all problems of the request.
    """
    checkpoints = workspace / "checkpoints"
    given, problems = _given(request)
    preset = None
    if request.config_file:
        try:
            preset = load_preset(find_preset(workspace, request.config_file))
        except UserError as error:
            problems += error.problems
    model_name = request.model_name or (preset.label if preset else "") or "my_model"
    problems += bundle.check_model_name(model_name)
    if request.resume_from not in ("last", "gold"):
        problems.append(Problem("must be last or gold", field="resume_from", value=request.resume_from))
    raise_for(problems)

    notices = list(preset.notices) if preset else []
    checkpoint = base = None
    source_name = model_name + ("_gold" if request.resume_from == "gold" else "")
    if bundle.exists(checkpoints, source_name) or request.resume_from == "gold":
        checkpoint = bundle.find(checkpoints, source_name)
        if request.init_from_model:
            notices.append(
                f"checkpoints/{model_name} exists and is resumed; --init_from_model {request.init_from_model} "
                "was its beginning and is not read again"
            )
    elif request.init_from_model:
        base = bundle.find(checkpoints, in_workspace(request.init_from_model, workspace))
    mode = Mode.RESUME if checkpoint else Mode.FINE_TUNE if base else Mode.NEW
    gold = bundle.directory_name(model_name, bundle.Kind.GOLD)
    if mode is not Mode.RESUME and bundle.exists(checkpoints, gold):
        notices.append(
            f"checkpoints/{gold} is left from an earlier run, and the first gold of this one replaces it: rename the "
            "folder to keep it, or go on from it with --resume_from gold"
        )

    layers = _Layers(request, given, preset, checkpoint, base, notices)
    values = {name: layers.decide(name, mode) for name in fields.names()}
    _decide_data(values, layers, mode, workspace, notices)
    _fill_in(values, model_name, mode, notices)
    notices += _ignored(values)
    if mode is Mode.RESUME:
        notices += _inexact(values, layers)

    settings = Settings.model_validate({n: e.value for n, e in values.items()})
    where = request.given_by if not preset else ""
    problems = cross_checks(settings.model_dump(exclude={"curriculum"}) | {"curriculum": settings.curriculum})
    problems += _warmup_problem(settings, where)
    if settings.use_loss_mask and settings.input_file and mode is not Mode.RESUME:
        notices.append("use_loss_mask has no effect with a plain text file: every token counts")
    raise_for(problems)
    return Resolved(
        workspace=workspace,
        request=request,
        mode=mode,
        model_name=model_name,
        values=values,
        settings=settings,
        config=_config(settings, checkpoint or base),
        notices=notices,
        preset=preset,
        checkpoint=checkpoint,
        base=base,
    )


@dataclass(slots=True)
class _Layers:
    """The places that a value may come from, each as (values, source)."""

    request: Request
    given: dict[str, Any]
    preset: Preset | None
    checkpoint: BundleInfo | None
    base: BundleInfo | None
    notices: list[str]
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

    def order(self, rule: Rule, mode: Mode) -> tuple[str, ...]:
        """Kinds of source for a rule, strongest first."""
        if rule is Rule.DEVICE:
            return ("given", "preset")
        if rule is Rule.TRAINING:
            return ("given", "checkpoint", "preset")
        if mode is Mode.RESUME:
            return (
                ("given", "checkpoint", "preset") if rule is Rule.LIVE else ("checkpoint", "preset", "given")
            )
        if mode is Mode.FINE_TUNE and rule is Rule.SHAPE:
            return ("base", "preset", "given")
        if mode is Mode.FINE_TUNE:
            return ("preset", "given", "base")
        return ("preset", "given")

    def candidates(self, name: str, mode: Mode) -> list[tuple[Any, Source]]:
        """All values that are offered for a setting, strongest first."""
        return [
            (values[name], source)
            for kind in self.order(fields.rule(name), mode)
            if kind in self._by_kind
            for values, source in [self._by_kind[kind]]
            if name in values
        ]

    def decide(self, name: str, mode: Mode) -> Effective:
        offers = self.candidates(name, mode)
        if not offers:
            return Effective(name, fields.default(name), DEFAULT)
        (value, source), *rest = offers
        own = {self.request.given_by}
        if mode is Mode.FINE_TUNE and fields.rule(name) is Rule.SHAPE and name != "vocab_size":
            own.add("preset")
        if mode is Mode.RESUME and source.kind == "checkpoint" and name not in _KEPT_IN_OTHER_WORDS:
            own.add("preset")
        lost = tuple((v, s) for v, s in rest if v != value and s.kind in own)
        return Effective(name, value, source, lost)

    def layer(self, kind: str) -> tuple[dict[str, Any], Source] | None:
        return self._by_kind.get(kind)


def _given(request: Request) -> tuple[dict[str, Any], list[Problem]]:
    known = fields.names()
    problems = [
        Problem("is not a setting", where=request.given_by, field=name, remedy=nearest(name, known))
        for name in request.given
        if name not in known
    ]
    given, wrong = validate(dict(request.given), where=request.given_by, strict=False)
    problems += wrong
    if given.get("input_file") and given.get("dataset_dir"):
        problems.append(
            Problem(
                "was given together with dataset_dir",
                where=request.given_by,
                field="input_file",
                remedy="name one of the two",
            )
        )
    return given, problems


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


def _decide_data(
    values: dict[str, Effective], layers: _Layers, mode: Mode, workspace: Path, notices: list[str]
) -> None:
    """The data fields come together, from the strongest source that names any of them."""
    chosen: tuple[dict[str, Any], Source] | None = None
    for place in ("given", "checkpoint", "preset"):
        layer = layers.layer(place)
        if layer and any(layer[0].get(name) is not None for name in DATA_FIELDS):
            chosen = layer
            break
    preset = layers.layer("preset")
    if chosen and preset and chosen is not preset and preset[0].get("curriculum") is not None:
        notices.append(f"the curriculum of {preset[1]} is not used: data comes from the {chosen[1]}")
        names = [n for n in ("eval_sets",) if values[n].source == preset[1]]
        notices += [f"{n} of {preset[1]} stay in use" for n in names]
    for name in DATA_FIELDS:
        if chosen and chosen[0].get(name) is not None:
            values[name] = Effective(name, chosen[0][name], chosen[1])
        else:
            values[name] = Effective(name, None, DEFAULT)
    if chosen is None and mode is Mode.NEW:
        values["input_file"] = Effective("input_file", DEMO_DATA, DEFAULT)
    inherited = (layers.checkpoint or layers.base) is not None
    info = layers.checkpoint or layers.base
    if inherited and info is not None:
        kind = info.tokenizer.get("token_kind")
        asked = layers.given.get("tokenization")
        source = Source("checkpoint" if layers.checkpoint else "base model", info.name)
        if asked and asked != kind:
            if mode is Mode.FINE_TUNE:
                raise UserError(
                    Problem(
                        f"the base model {info.name} was trained on {kind} tokens",
                        where=layers.request.given_by,
                        field="tokenization",
                        value=asked,
                        remedy="leave the flag away, or train a new model",
                    )
                )
            values["tokenization"] = Effective(
                "tokenization", kind, source, ((asked, Source(layers.request.given_by)),)
            )
        elif kind in fields.choices("tokenization"):
            values["tokenization"] = Effective("tokenization", kind, source)
    folder = values["dataset_dir"].value
    if values["curriculum"].value is not None:
        folder = values["curriculum"].value.phases[0].dataset_dir
    state = workspace / folder / "tokenizer_state.json" if folder else None
    if state is not None and state.is_file() and not inherited:
        stored = bundle.read_json_object(state).get("token_kind")
        asked = layers.given.get("tokenization")
        if asked and stored and asked != stored:
            raise UserError(
                Problem(
                    f"the dataset {folder} holds {stored} tokens",
                    where=layers.request.given_by,
                    field="tokenization",
                    value=asked,
                    remedy="leave the flag away, or prepare the dataset anew",
                )
            )
        if stored in fields.choices("tokenization"):
            values["tokenization"] = Effective("tokenization", stored, Source("dataset", str(folder)))


def _fill_in(values: dict[str, Effective], model_name: str, mode: Mode, notices: list[str]) -> None:
    """Values that depend on others: where the log lies, a warm-up that is longer than the run."""
    if values["log_file"].value is None:
        values["log_file"] = Effective("log_file", f"logs/train/{model_name}_eval.jsonl", DEFAULT)
    warmup, total = values["warmup_iters"], values["max_iters"].value
    if warmup.value >= 1 and warmup.value > total:
        notices.append(
            f"warmup_iters: {warmup.value} updates of warm-up do not fit into {total}; the whole run warms up"
        )
        values["warmup_iters"] = Effective("warmup_iters", total, warmup.source, warmup.ignored)


def _warmup_problem(settings: Settings, where: str) -> Iterable[Problem]:
    if settings.warmup_iters > 1 and settings.warmup_iters != int(settings.warmup_iters):
        yield Problem(
            "must be a whole number, or a fraction below 1",
            where=where,
            field="warmup_iters",
            value=settings.warmup_iters,
        )


def _ignored(values: dict[str, Effective]) -> list[str]:
    return [
        f"{e.name}={as_text(value)} ({source}) is ignored: {e.source} has {as_text(e.value)}"
        + (f"; to change it, copy the preset and edit {e.name} there" if e.source.kind == "preset" else "")
        + (f"; --{e.name} changes it" if source.kind == "preset" and _may_change(e.name) else "")
        for e in values.values()
        for value, source in e.ignored
    ]


def _may_change(name: str) -> bool:
    return fields.rule(name) in (Rule.TRAINING, Rule.LIVE)


def _inexact(values: dict[str, Effective], layers: _Layers) -> list[str]:
    """What a flag changes in a resumed run although the checkpoint has it otherwise, and what that means."""
    saved, source = layers.layer("checkpoint") or ({}, DEFAULT)
    return [
        f"{e.name} changes from {as_text(saved[e.name])} ({source}) to {as_text(e.value)} ({e.source}): "
        "from here on the run is no exact continuation"
        for e in values.values()
        if fields.rule(e.name) is Rule.LIVE and e.name in saved and saved[e.name] != e.value
    ]


def _config(settings: Settings, info: BundleInfo | None) -> GPTConfig:
    """The model's config: a new one, or that of the checkpoint or base with what may change in it."""
    if info is None:
        return config_of(settings.model_dump())
    config = GPTConfig.from_dict(info.config, where=f"{info.name}/config.json")
    for name in fields.names():
        if name in GPTConfig.__dataclass_fields__ and name != "device":
            setattr(config, name, getattr(settings, name))
    return config
