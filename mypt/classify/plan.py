"""A classifier's run from what is asked: settings, columns, classes, tokens; everything wrong at once. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mypt import bundle
from mypt.check import log_problems
from mypt.classify import table
from mypt.classify.encode import encode_rows, said_cut
from mypt.classify.request import BY_DEFAULT, DEFAULTS, EPOCHS, SETTINGS, ClassifierRequest
from mypt.classify.spec import FIELD, Spec, separator_of, spec_of
from mypt.classify.split import TextSplit
from mypt.classify.table import Row
from mypt.data.source import PhaseData, RunData
from mypt.errors import Problem, UserError, raise_for
from mypt.settings import fields
from mypt.settings.problems import nearest
from mypt.settings.request import Effective, Mode, Request, Source
from mypt.settings.resolve import survey
from mypt.settings.resolved import Resolved
from mypt.text import printable, whole
from mypt.tokenizers import Tokenizer, from_dict

#: Where a checkpoint's training settings have what a classifier's run was given beside the settings.
SAVED = "classifier_data"
# Evaluations an epoch, in the order of preference, so that one falls on its end; in long epochs one now and then.
_EVALS_AN_EPOCH, _LONGEST_INTERVAL = (2, 3, 4), 1000
_LABEL = "label"


@dataclass(frozen=True, slots=True)
class Given:
    """What was given beside the settings, from the flags or from the checkpoint that is gone on with."""

    data: str
    eval_data: str
    text: tuple[str, ...]
    label: str
    num_epochs: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for the checkpoint."""
        return {"data": self.data, "eval_data": self.eval_data, "num_epochs": self.num_epochs}


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that can be started."""

    run: Resolved
    data: RunData
    spec: Spec
    given: Given


@dataclass(frozen=True, slots=True)
class Settled:
    """What is asked for, before its texts are read.

    `run` is the run without what is wrong (None where even that makes no model), `given` has what is not known yet
    empty; `resumed` is the classifier that is gone on with, where there is one.
    """

    run: Resolved | None
    given: Given
    problems: tuple[Problem, ...]
    resumed: bundle.BundleInfo | None = None


def plan(asked: ClassifierRequest, workspace: Path) -> Plan:
    """The run that is asked for and its data, both right; writes nothing. Raises one `UserError` with all problems."""
    return complete(settle(asked, workspace), workspace)


def complete(found: Settled, workspace: Path) -> Plan:
    """What is settled, with its texts read. Raises one `UserError` with all problems."""
    raise_for(found.problems)
    assert found.run is not None
    return _with_data(found.run, found.given, workspace)


def settle(asked: ClassifierRequest, workspace: Path) -> Settled:
    """What is asked for, with all problems that show without a look at the texts; reads, writes nothing."""
    known = bundle.read_info(workspace / "checkpoints" / asked.model_name) if asked.model_name else None
    resumed = known if known is not None and known.files and not known.problem else None
    problems = [
        Problem(
            "is not a setting of a classifier",
            where=asked.given_by,
            field=name,
            remedy=nearest(name, SETTINGS),
        )
        for name in asked.given
        if name not in SETTINGS
    ]
    if not asked.model_name:
        remedy = "name the classifier: --model_name sentiment"
        problems.append(Problem("is missing", where=asked.given_by, field="model_name", remedy=remedy))
    defaults = {} if resumed else {n: v for n, v in DEFAULTS.items() if n not in asked.given}
    request = Request(
        model_name=asked.model_name,
        init_from_model=asked.init_from_model,
        given={**defaults, **{n: v for n, v in asked.given.items() if n in SETTINGS}},
        given_by=asked.given_by,
        classifier=True,
        base=asked.base,
    )
    found = survey(request, workspace)
    problems += found.problems
    going_on = resumed if resumed and resumed.is_classifier else None
    given, more = _given(asked, going_on)
    problems += more
    run = found.resolved
    if run is not None and not problems:
        problems += log_problems(run)
    if resumed is None and asked.init_from_model is None and asked.base is None:
        problems.append(
            Problem(
                "a classifier is made of a model that has learned something already",
                field="init_from_model",
                remedy="name it with --init_from_model, or a foreign one with --pretrained_ckpt_path",
            )
        )
    if run is not None:
        values = {n: replace(v, source=BY_DEFAULT) if n in defaults else v for n, v in run.values.items()}
        run = replace(run, values=values)
    return Settled(run, given, tuple(problems), going_on)


def _given(asked: ClassifierRequest, info: bundle.BundleInfo | None) -> tuple[Given, list[Problem]]:
    saved = info.training_config.get(SAVED) if info is not None else None
    before: dict[str, Any] = saved if isinstance(saved, dict) else {}
    spec = spec_of(info) if info is not None else None
    problems = []
    values = {name: getattr(asked, name) or before.get(name) for name in ("data", "eval_data")}
    for name, value in values.items():
        if not isinstance(value, str):
            problems.append(
                Problem("is missing", field=name, remedy=f"name a JSONL or CSV file with --{name}")
            )
    text = asked.text or (spec.text_columns if spec else None)
    label = asked.label or (spec.label if spec else _LABEL)
    if text is None:
        remedy = "name the column of the texts, or two of them: --text premise,hypothesis"
        problems.append(Problem("is missing", field="text", remedy=remedy))
    elif len(text) > 2 or not all(text) or len({*text, label}) <= len(text):
        remedy = "name one or two columns, and another one as --label"
        problems.append(Problem("cannot be these columns", field="text", value=",".join(text), remedy=remedy))
    for name, now, then in (
        ("text", text, spec.text_columns if spec else text),
        ("label", label, spec.label if spec else label),
    ):
        if now != then:
            was = ",".join(then) if isinstance(then, tuple) else then
            message = f"is not what {info.name if info else ''} was trained on ({was})"
            shown = ",".join(now) if isinstance(now, tuple) else now
            problems.append(Problem(message, field=name, value=shown, remedy="leave the flag away"))
    epochs = before.get("num_epochs", EPOCHS) if asked.num_epochs is None else asked.num_epochs
    if not isinstance(epochs, int) or not 1 <= epochs <= 100_000:
        problems.append(Problem("must be a whole number of at least 1", field="num_epochs", value=epochs))
    data, eval_data = (value if isinstance(value, str) else "" for value in values.values())
    return Given(
        data, eval_data, tuple(text or ()), label, epochs if isinstance(epochs, int) else EPOCHS
    ), problems


def _with_data(run: Resolved, given: Given, workspace: Path) -> Plan:
    info = run.checkpoint or run.base
    assert info is not None
    tokenizer = from_dict(run.tokenizer, where=f"{info.name}/{bundle.TOKENIZER}")
    tokenizer.check_ready()
    rows, problems = _read(given, workspace, tokenizer)
    raise_for(problems)
    train, dev = rows
    if run.checkpoint is not None:
        spec = spec_of(run.checkpoint)
        problems += table.unknown_labels(train, given.data, given.label, spec.classes)
    else:
        spec = Spec(table.classes_of(train), given.text, given.label, separator_of(tokenizer, run.config))
        if len(spec.classes) < 2:
            message = (
                f"has one class ({printable(spec.classes[0])}), and there must be two or more to tell apart"
            )
            problems.append(Problem(message, where=given.data, field=given.label))
    if not problems:
        problems += table.unknown_labels(dev, given.eval_data, given.label, spec.classes)
    raise_for(problems)
    limit = run.settings.block_size
    if limit <= 2 * len(spec.text_columns) * max(len(spec.separator), 1):
        raise UserError(Problem("leaves no room for texts", field="block_size", value=limit))
    splits, notices = [], []
    for side, shown in ((train, given.data), (dev, given.eval_data)):
        encoded = encode_rows(side, tokenizer, spec, limit)
        if encoded.cut:
            notices.append(said_cut(encoded.cut, len(side), shown, limit))
        places = {name: place for place, name in enumerate(spec.classes)}
        classes = [places[row.label or ""] for row in side]
        splits.append(TextSplit(encoded.ids, classes, whole=side is dev))
    fingerprint = "-".join(split.fingerprint() for split in splits)
    before = run.checkpoint.training_state.get("data_fingerprint") if run.checkpoint else None
    if before not in (None, fingerprint):
        notices.append(
            "the data has changed since the checkpoint was saved: from here on the run is no exact continuation"
        )
    phase = PhaseData("default", None, splits[0], splits[1], fingerprint, given.data)
    data = RunData(tokenizer, [phase], {}, notices)
    run = _with_length(run, given, splits[0])
    run.config.extra[FIELD] = spec.to_json()
    return Plan(run, data, spec, given)


def _read(
    given: Given, workspace: Path, tokenizer: Tokenizer
) -> tuple[tuple[list[Row], list[Row]], list[Problem]]:
    sides: list[list[Row]] = []
    problems: list[Problem] = []
    for name in (given.data, given.eval_data):
        rows: list[Row] = []
        try:
            rows = table.read_table(workspace / name, name, given.text, given.label)
            table.check_known(rows, name, given.text, tokenizer.unknown)
        except UserError as error:
            problems += error.problems
        sides.append(rows)
    return (sides[0], sides[1]), problems


def _with_length(run: Resolved, given: Given, train: TextSplit) -> Resolved:
    """The run with what the number of texts decides."""
    s, values = run.settings, dict(run.values)
    updates = train.updates(s.batch_size * s.grad_accum_steps)
    epochs = (
        f"{given.num_epochs} epoch{'s' if given.num_epochs > 1 else ''} of {whole(len(train.rows))} texts"
    )
    decided: dict[str, Any] = {"max_iters": (updates * given.num_epochs, Source(epochs))}
    if run.mode is not Mode.RESUME and values["eval_interval"].source.kind == "default":
        parts = next((parts for parts in _EVALS_AN_EPOCH if updates % parts == 0), 1)
        decided["eval_interval"] = (min(updates // parts, _LONGEST_INTERVAL), BY_DEFAULT)
    # Nobody goes on writing here.
    decided["sample_interval"] = (0, BY_DEFAULT)
    for name, (value, source) in decided.items():
        values[name] = Effective(name, value, source)
    settings = s.model_copy(update={name: values[name].value for name in fields.names() if name in decided})
    return replace(run, settings=settings, values=values)
