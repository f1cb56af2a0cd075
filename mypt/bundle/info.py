"""What a bundle says of itself, whole or broken: its metadata, and its files against the manifest."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mypt.bundle.documents import read_json_object
from mypt.bundle.names import CONFIG, DOCUMENTS, MANIFEST, MODEL, STATE, TOKENIZER, Kind, split_name
from mypt.errors import UserError
from mypt.text import printable

#: What a config must say, since no default would be true and weights do not tell all of it.
SHAPE = ("block_size", "vocab_size", "n_embd", "n_head", "n_layer")
_LACKS = f"{CONFIG} has no "
OTHER_SAVE = f"is of another save than {MANIFEST} (copied while it was saved, or edited?)"
"""What is wrong with a file that another save wrote than the one that wrote the manifest; in `BundleInfo.problem`."""


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """A bundle as its files describe it. `problem` says what is wrong with it, and is empty when it is whole."""

    path: Path
    model_name: str
    kind: Kind
    config: dict[str, Any] = field(default_factory=dict)
    training_state: dict[str, Any] = field(default_factory=dict)
    tokenizer: dict[str, Any] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    modified: float = 0.0
    problem: str = ""

    @property
    def name(self) -> str:
        """The folder's name, which is what `--model_name` takes where a bundle is read."""
        return self.path.name

    @property
    def step(self) -> int | None:
        """Updates done when it was saved, or None where the bundle does not say."""
        step = self.training_state.get("step")
        return step if isinstance(step, int) and not isinstance(step, bool) else None

    @property
    def val_step(self) -> int | None:
        """The update after which its `val_loss` was measured: one saved between two evaluations has that of the first."""
        progress = self.training_state.get("progress")
        saved, step = progress if isinstance(progress, dict) else {}, self.step
        # Bundles of before say no more than when an evaluation was last due.
        measured = saved.get("val_step", saved.get("last_eval"))
        if step is None or not isinstance(measured, int) or isinstance(measured, bool):
            return step
        return measured if 0 <= measured < step else step

    @property
    def training_config(self) -> dict[str, Any]:
        """The training settings that were in force."""
        config = self.training_state.get("training_config")
        return config if isinstance(config, dict) else {}

    @property
    def base(self) -> str | None:
        """The model that this one was fine-tuned from, where recorded."""
        base = self.training_state.get("base")
        name = base.get("name") if isinstance(base, dict) else None
        return name if isinstance(name, str) else None

    @property
    def is_classifier(self) -> bool:
        """Whether the model gives classes to texts, and writes none."""
        return isinstance(self.config.get("classifier"), dict)

    @property
    def classifier_epochs(self) -> int:
        """How often a classifier was to see its texts."""
        data = self.training_config.get("classifier_data")
        number = data.get("num_epochs") if isinstance(data, dict) else None
        return number if isinstance(number, int) else 1

    def has_done(self, steps: int) -> bool:
        """Whether `steps` updates are behind it, and the evaluation after the last one, which a stop may cut short."""
        step, progress = self.step, self.training_state.get("progress")
        if step != steps or not isinstance(progress, dict):
            return step is not None and step >= steps
        return bool(progress.get("last_eval", step) == step)

    @property
    def was_read(self) -> bool:
        """Whether its documents could be read; of a broken one, that it is merely another than the one that was saved."""
        return bool(self.config) and (STATE not in self.files or bool(self.training_state))

    @property
    def remedy(self) -> str:
        """What to do about `problem`."""
        if self.was_read and "edited by hand?" in self.problem and MODEL not in self.problem:
            return f"undo the change, or remove {MANIFEST} to take the checkpoint as it is now"
        if self.problem.endswith(OTHER_SAVE):
            return f"copy the folder once more, or remove {MANIFEST} to take the checkpoint as it is"
        if self.problem.startswith(_LACKS):
            return "write it into the file as it was when the model was trained, or restore the file"
        return "restore the file, or remove the folder to begin anew"

    @property
    def size(self) -> int:
        """Bytes of all its files together."""
        return sum(self.files.values())


def read_info(path: Path) -> BundleInfo:
    """All metadata of the bundle in `path`. Never raises for its content: see `BundleInfo.problem`."""
    model_name, kind = split_name(path.name)
    problems: list[str] = []
    files: dict[str, int] = {}
    modified = 0.0
    try:
        for entry in os.scandir(path):
            if entry.is_file():
                stat = entry.stat()
                files[entry.name] = stat.st_size
                modified = max(modified, stat.st_mtime)
    except (OSError, ValueError) as error:
        problems.append(f"cannot be read: {getattr(error, 'strerror', None) or error}")
    documents: dict[str, dict[str, Any]] = {}
    for name in DOCUMENTS:
        documents[name] = {}
        if name in files:
            try:
                documents[name] = read_json_object(path / name)
            except UserError as error:
                problems.append(error.problems[0].message if not error.problems[0].where else str(error))
            else:
                lacks = [f for f in SHAPE if name == CONFIG and documents[name].get(f) is None]
                problems += [f"{_LACKS}{', '.join(lacks)}"] * bool(lacks)
        elif not problems and name != STATE:
            # The original's single-file past had no state; a config and a tokenizer every bundle needs.
            problems.append(f"{name} is missing")
    step = documents[STATE].get("step")
    # The original counts one less at its end.
    if isinstance(step, int) and step < (0 if "progress" in documents[STATE] else -1):
        problems.append(f"{STATE} has a step below 0 ({step})")
    if MODEL not in files and not problems:
        problems.append(f"{MODEL} is missing")
    told = {problem.replace(":", " ").partition(" ")[0] for problem in problems}
    problems += [text for name, text in _against_manifest(path, files) if name not in told]
    return BundleInfo(
        path=path,
        model_name=model_name,
        kind=kind,
        config=documents[CONFIG],
        training_state=documents[STATE],
        tokenizer=documents[TOKENIZER],
        files=files,
        modified=modified,
        problem=printable("; ".join(problems)),
    )


def list_bundles(checkpoints: Path) -> list[BundleInfo]:
    """Every bundle below `checkpoints`, broken ones included, by name. A missing folder holds none."""
    try:
        names = sorted(e.name for e in os.scandir(checkpoints) if e.is_dir() and not e.name.startswith("."))
    except OSError:
        return []
    return [read_info(checkpoints / name) for name in names]


def _against_manifest(path: Path, files: dict[str, int]) -> list[tuple[str, str]]:
    """What is not as it was saved: (file, what is wrong with it)."""
    if MANIFEST not in files:
        return []
    try:
        expected = read_json_object(path / MANIFEST).get("files")
    except UserError as error:
        return [(MANIFEST, str(error))]
    if not isinstance(expected, dict):
        return [(MANIFEST, f"{MANIFEST} has no list of files")]
    problems = []
    for name, wanted in expected.items():
        if name not in files:
            problems.append((name, f"{name} is missing"))
        elif files[name] != wanted:
            sizes = f"{files[name]} bytes instead of {wanted}"
            edited = f"{name} is not as it was saved ({sizes}): edited by hand?"
            problems.append((name, edited if name in DOCUMENTS else f"{name} has {sizes}"))
    return problems
