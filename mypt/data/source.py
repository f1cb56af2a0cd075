"""From settings to data: which splits a run trains and evaluates on, with which tokenizer, phase by phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mypt.bundle import STATE
from mypt.data.checks import (
    check_rows,
    check_same_tokens,
    episode_options,
    no_epoch,
    no_padding,
    remarks,
    unmarked,
)
from mypt.data.episodes import EpisodeSplit
from mypt.data.shards import Folder, read_folder
from mypt.data.split import Split
from mypt.data.text import about_lines, read_text, split_text
from mypt.errors import Problem, UserError, raise_for
from mypt.files import why_no_file
from mypt.settings.fields import Phase
from mypt.settings.request import Mode
from mypt.settings.resolved import Resolved
from mypt.text import count, whole
from mypt.tokenizers import FILE_NAMES, Tokenizer, create, from_dict, joined, load, same


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
    eval_fingerprints: dict[str, str] = field(default_factory=dict)

    def phase_at(self, done: int) -> PhaseData:
        """The phase in which the update after `done` updates is trained."""
        for phase in self.phases:
            if phase.until is None or done < phase.until:
                return phase
        return self.phases[-1]

    @property
    def fingerprint(self) -> str:
        """Tells changed training and validation data from unchanged."""
        return "-".join(phase.fingerprint for phase in self.phases)

    def changed_eval_sets(self, saved: Mapping[str, Any]) -> list[str]:
        """The eval sets that hold something else now than when the training state `saved` was written."""
        before = saved.get("eval_set_fingerprints")
        known = before if isinstance(before, dict) else {}
        return [name for name, mark in self.eval_fingerprints.items() if known.get(name, mark) != mark]


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
    marks: dict[str, str] = {}
    problems: list[Problem] = []
    for name, folder in wanted.items():
        try:
            check_same_tokens(workspace / folder, folder, tokenizer)
            found = _folder(workspace, folder, tokenizer, run, block, eval_only=True)
            eval_sets[name], marks[name] = found.val, found.fingerprint
            problems += unmarked(found.val, folder, settings, "val")
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
    trained = {phase.shown: phase.train for phase in phases}
    sets = {f"eval set {name}": split for name, split in eval_sets.items()}
    others = {**{f"{phase.shown} (val)": phase.val for phase in phases}, **sets}
    data = RunData(tokenizer, phases, eval_sets, eval_fingerprints=marks)
    as_text = about_lines(settings.input_file, workspace) if settings.input_file else []
    data.notices.extend([*_changed(run, data), *as_text, *remarks(settings, trained, others)])
    return data


def _refuse_without_data(run: Resolved) -> None:
    s = run.settings
    if s.input_file is None and s.dataset_dir is None and s.curriculum is None:
        raise UserError(
            Problem(
                f"checkpoints/{run.model_name}/{STATE} does not say what it was trained on"
                if run.mode is Mode.RESUME
                else "a fine-tune needs data of its own",
                field="input_file",
                remedy="name the data with --input_file or --dataset_dir",
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
        if file is not None and settings.tokenization == "bpe" and (why := why_no_file(file)):
            remedy = "name a tokenizer.json; mypt tokenizer train makes one"
            raise UserError(
                Problem(why, field="tokenizer_file", value=settings.tokenizer_file, remedy=remedy)
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
    check_rows(tokenizer, run)
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
    begin = 0
    for phase in wanted:
        first_update, begin = begin + 1, phase.until_iter or begin
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
                        remedy="prepare the data with that tokenizer (mypt prepare --tokenizer_from)",
                    )
                )
            else:
                tokenizer = joined(tokenizer, theirs)
            check_rows(tokenizer, run)
            folder = _folder(
                run.workspace,
                phase.dataset_dir,
                tokenizer,
                run,
                settings.block_size,
                first_update=first_update,
            )
        except UserError as error:
            problems += error.problems
            continue
        assert folder.train is not None
        problems += unmarked(folder.train, phase.dataset_dir, settings)
        problems += unmarked(folder.val, phase.dataset_dir, settings, "val")
        problems += no_epoch(folder.train, phase.dataset_dir, settings)
        phases.append(
            PhaseData(
                phase.name, phase.until_iter, folder.train, folder.val, folder.fingerprint, phase.dataset_dir
            )
        )
    raise_for(problems)
    assert tokenizer is not None
    return tokenizer, phases


def _folder(
    workspace: Path,
    shown: str,
    tokenizer: Tokenizer,
    run: Resolved,
    block: int,
    *,
    eval_only: bool = False,
    first_update: int = 1,
) -> Folder:
    rows = tokenizer.vocab_size if run.tokenizer is None else run.config.vocab_size
    folder = read_folder(
        workspace / shown,
        shown,
        vocab_size=rows,
        block_size=block,
        eval_only=eval_only,
        episodes=episode_options(run.settings, tokenizer, rows, first_update),
    )
    raise_for(no_padding(folder.val, run.settings, rows))
    return folder


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


def vocabulary_rows(run: Resolved, tokenizer: Tokenizer) -> int:
    """Rows of the model's embedding: the text's own characters for a new char model, else as the settings say."""
    if run.mode is Mode.NEW and tokenizer.kind == "char":
        return tokenizer.vocab_size
    return run.config.vocab_size


def _changed(run: Resolved, data: RunData) -> list[str]:
    saved: Mapping[str, Any] = run.checkpoint.training_state if run.checkpoint else {}
    said = []
    if saved.get("data_fingerprint") not in (None, data.fingerprint):
        said.append(
            "the data has changed since the checkpoint was saved: from here on the run is no exact continuation"
        )
    said += [
        f"the eval set {name} has changed since the checkpoint was saved: from here on its losses are no "
        "exact continuation"
        for name in data.changed_eval_sets(saved)
    ]
    return said


def describe(data: RunData) -> list[str]:
    """What the data is, in a line a phase."""
    return [
        ("" if len(data.phases) == 1 else f"{phase.name}: ")
        + f"{phase.shown}: {_amount(phase.train, 'train')}, {_amount(phase.val, 'val')}"
        for phase in data.phases
    ]


def _amount(split: Split, side: str) -> str:
    tokens = f"{count(split.tokens)} {side} tokens"
    if not isinstance(split, EpisodeSplit):
        return tokens
    return f"{tokens} in {whole(split.episodes)} {'packs' if split.packed else 'episodes'}"
