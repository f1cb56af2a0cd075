"""The one place where preset, checkpoint, base model, command line and defaults become effective values.

Every value remembers where it came from, and what it was preferred to: "was my setting ignored?" is answered by
`Resolved` alone, for the trainer, for `--dry_run` and for the dashboard's review.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mypt import bundle
from mypt.bundle import BundleInfo
from mypt.errors import Problem, UserError, raise_for
from mypt.settings import fields
from mypt.settings.checks import DATA_FIELDS, cross_checks, data_problems
from mypt.settings.data_choice import decide_data
from mypt.settings.fields import Settings
from mypt.settings.model_config import GPTConfig
from mypt.settings.notices import ignored, inexact, jump_of_rate
from mypt.settings.paths import in_workspace
from mypt.settings.precedence import Layers
from mypt.settings.presets import Preset, config_of, find_preset, load_preset
from mypt.settings.problems import nearest, validate
from mypt.settings.request import DEFAULT, Effective, Mode, Request, Source, as_text
from mypt.settings.resolved import Resolved, warmup_steps

__all__ = [
    "DATA_FIELDS",
    "DEFAULT",
    "Effective",
    "Mode",
    "Request",
    "Resolved",
    "Source",
    "Survey",
    "as_text",
    "preset_values",
    "resolve",
    "survey",
    "warmup_steps",
]


#: Whoever names one of these means to begin something.
_OF_NEW = {*DATA_FIELDS, "tokenization", "n_layer", "n_head", "n_embd"}


@dataclass(frozen=True, slots=True)
class Survey:
    """A request as far as it can be understood.

    `resolved` is the run without what is wrong in the request; None where even that makes no model. `unsure` names
    the settings whose values may be others once the `problems` are mended.
    """

    resolved: Resolved | None
    problems: tuple[Problem, ...] = ()
    unsure: frozenset[str] = frozenset()


def resolve(request: Request, workspace: Path) -> Resolved:
    """Decide everything about a run from what is asked and what lies in the workspace; reads, writes nothing.

    Raises one `UserError` with all problems of the request.
    """
    found = survey(request, workspace)
    raise_for(found.problems)
    assert found.resolved is not None
    return found.resolved


def preset_values(request: Request, workspace: Path) -> dict[str, Any]:
    """The fields of a preset that asks for what the request asks for: its preset, changed by what is given.

    Raises `UserError` for what is wrong with either.
    """
    given, problems = _given(request)
    preset = None
    if request.config_file is not None:
        try:
            preset = load_preset(find_preset(workspace, request.config_file), workspace)
        except UserError as error:
            problems += error.problems
    raise_for(problems)
    own = preset.values if preset else {}
    if any(given.get(name) for name in DATA_FIELDS):
        own = {name: value for name, value in own.items() if name not in DATA_FIELDS}
    chosen = {name: fields.default(name) for name in fields.REQUIRED_IN_PRESET} | own | given
    changes = ", ".join(f"{name}={as_text(value)}" for name, value in given.items())
    about = " with ".join(part for part in (preset.label if preset else "defaults", changes) if part)
    ordered = {name: chosen[name] for name in fields.names() if name in chosen}
    return {"description": about, **ordered}


def survey(request: Request, workspace: Path) -> Survey:
    """`resolve` without raising: all that is wrong with a request, and what remains of it without that."""
    given, problems = _given(request)
    unsure = {name for name in request.given if name not in given}
    known = _Known()
    if request.config_file is not None:
        try:
            known.preset = load_preset(find_preset(workspace, request.config_file), workspace)
        except UserError as error:
            problems += error.problems
            unsure |= set(fields.names()) - set(given)
    label = known.preset.label if known.preset else Path(request.config_file or "").stem
    model_name = request.model_name or label or "my_model"
    bad_name = bundle.check_model_name(model_name)
    problems += bad_name
    if request.resume_from not in ("last", "gold"):
        problems.append(Problem("must be last or gold", field="resume_from", value=request.resume_from))
    try:
        _look_for_models(request, workspace, "" if bad_name else model_name, known)
    except UserError as error:
        problems += error.problems
        unsure |= set(fields.names()) - set(given)
    # No file may be named after a name that is refused.
    resolved, more = _decided(
        request, workspace, "my_model" if bad_name else model_name, given, known, unsure
    )
    unique = {str(problem): problem for problem in (*problems, *more)}
    return Survey(resolved, tuple(unique.values()), frozenset(unsure))


@dataclass(slots=True)
class _Known:
    """What lies in the workspace that the request names."""

    preset: Preset | None = None
    checkpoint: BundleInfo | None = None
    base: BundleInfo | None = None

    @property
    def mode(self) -> Mode:
        return Mode.RESUME if self.checkpoint else Mode.FINE_TUNE if self.base else Mode.NEW


def _given(request: Request) -> tuple[dict[str, Any], list[Problem]]:
    known = fields.names()
    problems = [
        Problem("is not a setting", where=request.given_by, field=name, remedy=nearest(name, known))
        for name in request.given
        if name not in known
    ]
    given, wrong = validate(dict(request.given), where=request.given_by, strict=False)
    return given, [*problems, *wrong, *data_problems(given, request.given_by)]


def _look_for_models(request: Request, workspace: Path, model_name: str, known: _Known) -> None:
    """The checkpoint that is resumed, else the base that is fine-tuned. Raises `UserError` for a broken one."""
    checkpoints = workspace / "checkpoints"
    gold = request.resume_from == "gold"
    if model_name and (other := bundle.twin(checkpoints, model_name)):
        message = f"this file system takes it for {other}, which is there already"
        remedy = f"use --model_name {other}, or another name"
        raise UserError(Problem(message, field="model_name", value=model_name, remedy=remedy))
    source_name = model_name + ("_gold" if gold else "")
    if model_name and (gold or bundle.exists(checkpoints, source_name)):
        info = bundle.find(checkpoints, source_name)
        GPTConfig.from_dict(info.config, where=f"{info.name}/config.json")
        _check_kind(request, info, "model_name")
        known.checkpoint = info
    elif request.base is not None:
        known.base = request.base
    elif request.init_from_model == "":
        raise UserError(
            Problem("names no model", field="init_from_model", value="", remedy="name one, or leave it away")
        )
    elif request.init_from_model is not None:
        try:
            info = bundle.find(checkpoints, in_workspace(request.init_from_model, workspace))
        except UserError as error:
            raise UserError(
                *(
                    replace(p, field="init_from_model" if p.field == "model_name" else p.field)
                    for p in error.problems
                )
            ) from None
        GPTConfig.from_dict(info.config, where=f"{info.name}/config.json")
        _check_kind(request, info, "init_from_model")
        known.base = info


def _check_kind(request: Request, info: BundleInfo, name: str) -> None:
    """Raises `UserError` where a language model is asked for and `info` is a classifier, or the other way round."""
    if request.classifier == info.is_classifier or (request.classifier and name == "init_from_model"):
        return
    if request.classifier:
        message, remedy = "is a language model, which stays one", "choose another name for the classifier"
    elif name == "model_name":
        message = "is a classifier, which mypt train does not train"
        remedy = f"go on with mypt finetune-classifier --model_name {info.model_name}, or choose another name"
    else:
        message = "is a classifier, and its weights are no longer those of a language model"
        remedy = f"begin with {info.base or 'its base'}"
    raise UserError(Problem(message, field=name, value=info.name, remedy=remedy))


def _decided(
    request: Request, workspace: Path, model_name: str, given: dict[str, Any], known: _Known, unsure: set[str]
) -> tuple[Resolved | None, list[Problem]]:
    """The run, and what is wrong between values that are each right by themselves (those in `unsure` not judged)."""
    mode = known.mode
    notices = list(known.preset.notices) if known.preset else []
    notices += _about_names(request, workspace, model_name, known)
    layers = Layers(request, given, known.preset, known.checkpoint, known.base, notices)
    values = {name: layers.decide(name, mode) for name in fields.names()}
    problems = decide_data(values, layers, mode, workspace, notices)
    _fill_in(values, model_name, notices)
    notices += ignored(values.values(), layers)
    if mode is Mode.RESUME:
        notices += inexact(values.values(), layers)
    settings = Settings.model_validate({n: e.value for n, e in values.items()})
    if known.checkpoint is not None and (jump := jump_of_rate(settings, known.checkpoint)):
        notices.append(jump)
    if settings.use_loss_mask and settings.input_file and mode is not Mode.RESUME:
        notices.append("use_loss_mask has no effect with a plain text file: every token counts")
    replaced = (settings.eval_sets or {}).get("general")
    if settings.eval_dataset_dir and replaced not in (None, settings.eval_dataset_dir):
        notices.append(f"eval set general: eval_dataset_dir {settings.eval_dataset_dir} replaces {replaced}")
    # A model that exists was judged by its own config, which knows more of its shape.
    judged = {"n_embd", "n_head"} if known.checkpoint or known.base else set()
    sure = {name: getattr(settings, name) for name in fields.names() if name not in unsure | judged}
    problems += [_with_source(p, values) for p in [*cross_checks(sure), *_warmup_problem(sure)]]
    if any(p.field in ("n_embd", "n_head") for p in problems):
        return None, problems
    resolved = Resolved(
        workspace=workspace,
        request=request,
        mode=mode,
        model_name=model_name,
        values=values,
        settings=settings,
        config=_config(settings, known.checkpoint or known.base),
        notices=notices,
        preset=known.preset,
        checkpoint=known.checkpoint,
        base=known.base,
    )
    return resolved, problems


def _about_names(request: Request, workspace: Path, model_name: str, known: _Known) -> Iterator[str]:
    """What becomes of bundles that lie there already."""
    if known.checkpoint is not None:
        start = known.checkpoint.step or 0
        if request.init_from_model:
            yield (
                f"checkpoints/{model_name} exists and is resumed; --init_from_model {request.init_from_model} "
                "was its beginning and is not read again"
            )
        last = bundle.read_info(workspace / "checkpoints" / model_name).step or 0
        if request.resume_from == "gold" and start < last:
            yield (
                f"the run goes on from its gold at step {start}: what it trained up to step {last} is dropped from its "
                "curve, and from checkpoints/ at the next save"
            )
        return
    if (
        request.model_name
        and known.base is None
        and not (request.config_file or set(request.given) & _OF_NEW)
    ):
        there = sorted({info.model_name for info in bundle.list_bundles(workspace / "checkpoints")})
        near = nearest(model_name, there)
        yield (
            f"there is no checkpoint {model_name} to resume{f' ({near})' if near else ''}: a new model is trained, on the "
            "built-in stories"
        )
    gold = bundle.directory_name(model_name, bundle.Kind.GOLD)
    if not bundle.check_model_name(model_name) and bundle.exists(workspace / "checkpoints", gold):
        yield (
            f"checkpoints/{gold} is left from an earlier run, and the first gold of this one replaces it: rename the "
            "folder to keep it, or go on from it with --resume_from gold"
        )


def _fill_in(values: dict[str, Effective], model_name: str, notices: list[str]) -> None:
    """Values that depend on others: where the log lies, a warm-up that is longer than the run."""
    if values["log_file"].value is None:
        values["log_file"] = Effective("log_file", f"logs/train/{model_name}_eval.jsonl", DEFAULT)
    warmup, total = values["warmup_iters"], values["max_iters"].value
    if warmup.value >= 1 and warmup.value > total:
        notices.append(
            f"warmup_iters: {warmup.value} updates of warm-up do not fit into {total}; the whole run warms up"
        )
        values["warmup_iters"] = Effective("warmup_iters", total, warmup.source, warmup.ignored)


def _warmup_problem(values: dict[str, Any]) -> Iterator[Problem]:
    warmup = values.get("warmup_iters", 0)
    if warmup > 1 and warmup != int(warmup):
        remedy = "must be a whole number, or a fraction below 1"
        yield Problem(remedy, field="warmup_iters", value=warmup)


def _with_source(problem: Problem, values: dict[str, Effective]) -> Problem:
    """The problem with where its value came from, so that one knows which file or flag to change."""
    effective = values.get(problem.field)
    if problem.where or effective is None or effective.source == DEFAULT:
        return problem
    return replace(problem, where=str(effective.source))


def _config(settings: Settings, info: BundleInfo | None) -> GPTConfig:
    """The model's config: a new one, or that of the checkpoint or base with what may change in it."""
    if info is None:
        return config_of(settings.model_dump())
    config = GPTConfig.from_dict(info.config, where=f"{info.name}/config.json")
    for name in fields.names():
        if name in GPTConfig.__dataclass_fields__ and name != "device":
            setattr(config, name, getattr(settings, name))
    return config
