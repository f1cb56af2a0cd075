"""From settings to data: which splits a run trains and evaluates on, with which tokenizer, phase by phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mypt.data.shards import Folder, read_folder
from mypt.data.split import Split
from mypt.data.text import read_text, split_text
from mypt.errors import Problem, UserError, raise_for
from mypt.settings.fields import EPISODES_ONLY, Phase, Settings
from mypt.settings.resolve import Mode, Resolved
from mypt.text import count
from mypt.tokenizers import FILE_NAMES, Tokenizer, create, from_dict, load, same


@dataclass(frozen=True, slots=True)
class PhaseData:
    """The data of one phase, until `until` updates are done (None: to the end)."""

    name: str
    until: int | None
    train: Split
    val: Split
    fingerprint: str
    shown: str


@dataclass(frozen=True, slots=True)
class RunData:
    """All data of a run. Without a curriculum there is one phase, called "default"."""

    tokenizer: Tokenizer
    phases: list[PhaseData]
    eval_sets: dict[str, Split] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def phase_at(self, done: int) -> PhaseData:
        """The phase in which the update after `done` updates is trained."""
        for phase in self.phases:
            if phase.until is None or done < phase.until:
                return phase
        return self.phases[-1]

    @property
    def fingerprint(self) -> str:
        """Tells changed data from unchanged."""
        return "-".join(phase.fingerprint for phase in self.phases)


def open_data(run: Resolved) -> RunData:
    """Open and check everything that the run reads. Raises `UserError` with all that is wrong; writes nothing."""
    settings, workspace = run.settings, run.workspace
    _refuse_without_data(run)
    inherited = from_dict(run.tokenizer, where="tokenizer.json") if run.tokenizer else None
    if settings.curriculum is not None or settings.dataset_dir is not None:
        tokenizer, phases = _from_folders(run, inherited)
    else:
        tokenizer, phases = _from_text(run, inherited)
    block = settings.block_size
    wanted = dict(settings.eval_sets or {})
    if settings.eval_dataset_dir:
        wanted["general"] = settings.eval_dataset_dir
    eval_sets: dict[str, Split] = {}
    problems: list[Problem] = []
    for name, folder in wanted.items():
        try:
            _check_same_tokens(workspace / folder, folder, tokenizer)
            found = _folder(workspace, folder, tokenizer, run, block, eval_only=True)
            eval_sets[name] = found.val
        except UserError as error:
            problems += [
                Problem(
                    p.message,
                    where=p.where or f"eval set {name}",
                    field=p.field,
                    value=p.value,
                    remedy=p.remedy,
                )
                for p in error.problems
            ]
    raise_for(problems)
    return RunData(tokenizer, phases, eval_sets, _notices(run, phases))


def _refuse_without_data(run: Resolved) -> None:
    s = run.settings
    if s.input_file is None and s.dataset_dir is None and s.curriculum is None:
        raise UserError(
            Problem(
                f"checkpoint {run.model_name} does not say what it was trained on"
                if run.mode is Mode.RESUME
                else "a fine-tune needs data of its own",
                field="input_file",
                remedy="name the data with --input_file or --dataset_dir",
            )
        )
    preset = run.preset.values if run.preset else {}
    asked = [n for n in EPISODES_ONLY if n in run.request.given or n in preset]
    asked = [n for n in asked if getattr(s, n) != Settings.model_fields[n].default]
    if asked:
        raise UserError(
            *(
                Problem(
                    "is about episode-indexed datasets, which this version cannot train on",
                    field=name,
                    value=getattr(s, name),
                    remedy="leave it away",
                )
                for name in asked
            )
        )


def _from_text(run: Resolved, inherited: Tokenizer | None) -> tuple[Tokenizer, list[PhaseData]]:
    settings = run.settings
    name = settings.input_file or ""
    text = read_text(name, run.workspace)
    tokenizer = inherited
    if tokenizer is None:
        file = run.workspace / settings.tokenizer_file if settings.tokenizer_file else None
        if settings.tokenization == "bpe" and file is None:
            raise UserError(
                Problem(
                    "bpe needs a tokenizer.json",
                    field="tokenizer_file",
                    remedy="name one, or use --tokenization char or gpt2",
                )
            )
        tokenizer = create(settings.tokenization, text=text, path=file)
    elif missing := tokenizer.unknown(text):
        shown = " ".join(repr(c) for c in missing[:20]) + (" …" if len(missing) > 20 else "")
        raise UserError(
            Problem(
                f"holds {len(missing)} characters that the model's vocabulary lacks: {shown}",
                field="input_file",
                value=name,
                remedy="take them out of the text, or train a new model",
            )
        )
    _check_rows(tokenizer, run)
    train, val, fingerprint = split_text(text, tokenizer, name, settings.block_size)
    return tokenizer, [PhaseData("default", None, train, val, fingerprint, name)]


def _from_folders(run: Resolved, inherited: Tokenizer | None) -> tuple[Tokenizer, list[PhaseData]]:
    settings = run.settings
    wanted = (
        settings.curriculum.phases
        if settings.curriculum is not None
        else [Phase(name="default", dataset_dir=settings.dataset_dir or "")]
    )
    tokenizer = inherited
    phases: list[PhaseData] = []
    problems: list[Problem] = []
    for phase in wanted:
        try:
            theirs = _tokenizer_of(run.workspace / phase.dataset_dir, phase.dataset_dir, run)
            if tokenizer is None:
                tokenizer = theirs
            elif not same(tokenizer, theirs):
                raise UserError(
                    Problem(
                        f"was made with another tokenizer ({theirs.describe()}) than "
                        f"{'the model has' if inherited else 'the first phase'} ({tokenizer.describe()})",
                        where=phase.dataset_dir,
                        remedy="prepare the data with that tokenizer",
                    )
                )
            _check_rows(tokenizer, run)
            folder = _folder(run.workspace, phase.dataset_dir, tokenizer, run, settings.block_size)
        except UserError as error:
            problems += error.problems
            continue
        assert folder.train is not None
        if settings.use_loss_mask and not folder.train.has_masks:
            problems.append(
                Problem(
                    "has no loss masks",
                    where=phase.dataset_dir,
                    remedy="prepare it from conversations, or set use_loss_mask to false",
                )
            )
        phases.append(
            PhaseData(
                phase.name, phase.until_iter, folder.train, folder.val, folder.fingerprint, phase.dataset_dir
            )
        )
    raise_for(problems)
    assert tokenizer is not None
    return tokenizer, phases


def _folder(
    workspace: Path, shown: str, tokenizer: Tokenizer, run: Resolved, block: int, *, eval_only: bool = False
) -> Folder:
    rows = tokenizer.vocab_size if run.tokenizer is None else run.config.vocab_size
    return read_folder(workspace / shown, shown, vocab_size=rows, block_size=block, eval_only=eval_only)


def _tokenizer_of(path: Path, shown: str, run: Resolved) -> Tokenizer:
    if not path.is_dir():
        raise UserError(
            Problem(
                "no such dataset",
                field="dataset_dir",
                value=shown,
                remedy="name a folder with train/ and val/",
            )
        )
    if any((path / name).is_file() for name in FILE_NAMES):
        return load(path)
    if (path / "meta.pkl").is_file():
        from mypt.tokenizers import from_nanogpt_meta

        return from_nanogpt_meta(path / "meta.pkl")
    if run.tokenizer is not None:
        return from_dict(run.tokenizer, where="tokenizer.json")
    if run.settings.tokenization == "gpt2":
        return create("gpt2")
    raise UserError(
        Problem(
            "does not say how it was tokenized",
            where=shown,
            remedy="tokenizer_state.json is missing; prepare the dataset again",
        )
    )


def _check_same_tokens(path: Path, shown: str, tokenizer: Tokenizer) -> None:
    """An eval set that says how it was tokenized must agree; its ids would mean other words otherwise."""
    if any((path / name).is_file() for name in FILE_NAMES) and not same(tokenizer, theirs := load(path)):
        raise UserError(
            Problem(
                f"was made with another tokenizer ({theirs.describe()}) than the training data "
                f"({tokenizer.describe()})",
                where=shown,
                remedy="prepare it with that tokenizer",
            )
        )


def _check_rows(tokenizer: Tokenizer, run: Resolved) -> None:
    """A model that exists, or a preset for subwords, must have a row for every token."""
    if run.mode is Mode.NEW and tokenizer.kind == "char":
        return  # the characters decide the vocabulary
    rows = run.config.vocab_size
    if tokenizer.valid_vocab > rows:
        raise UserError(
            Problem(
                f"the tokenizer has {tokenizer.valid_vocab} tokens ({tokenizer.describe()})",
                where=str(run.values["vocab_size"].source),
                field="vocab_size",
                value=rows,
                remedy=f"use at least {tokenizer.valid_vocab}",
            )
        )


def vocabulary_rows(run: Resolved, tokenizer: Tokenizer) -> int:
    """Rows of the model's embedding: the text's own characters for a new char model, else as the settings say."""
    if run.mode is Mode.NEW and tokenizer.kind == "char":
        return tokenizer.vocab_size
    return run.config.vocab_size


def _notices(run: Resolved, phases: list[PhaseData]) -> list[str]:
    saved: Mapping[str, Any] = run.checkpoint.training_state if run.checkpoint else {}
    before = saved.get("data_fingerprint")
    now = "-".join(phase.fingerprint for phase in phases)
    if before is not None and before != now:
        return [
            "the data has changed since the checkpoint was saved: from here on the run is no exact continuation"
        ]
    return []


def describe(data: RunData) -> list[str]:
    """What the data is, in a line a phase."""
    lines = []
    for phase in data.phases:
        name = "" if len(data.phases) == 1 else f"{phase.name}: "
        lines.append(
            f"{name}{phase.shown}: {count(phase.train.tokens)} train tokens, {count(phase.val.tokens)} val tokens"
        )
    return lines
