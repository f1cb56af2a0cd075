"""What a run leaves: checkpoint bundles, their names and places, their metadata, and how one becomes whole or absent.

No torch here: the weights are files that others write into the staging folder of `writing`, and whose sizes are
all that this module knows of them.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from mypt.errors import Problem, UserError
from mypt.files import read_file, why_no_file
from mypt.fsio import fsync_file, remove_folder, replace, swap_in, write_json_atomic
from mypt.imprint import imprint
from mypt.names import why_no_name
from mypt.own_files import move_on
from mypt.text import printable

CONFIG = "config.json"
STATE = "training_state.json"
TOKENIZER = "tokenizer.json"
MODEL = "model.pt"
OPTIMIZER = "optimizer.pt"
MANIFEST = "manifest.json"
_DOCUMENTS = (CONFIG, STATE, TOKENIZER)
#: What is another at each save of a run.
_CHANGING = (MODEL, OPTIMIZER, STATE)
#: What a config must say, since no default would be true and weights do not tell all of it.
SHAPE = ("block_size", "vocab_size", "n_embd", "n_head", "n_layer")
_LACKS = f"{CONFIG} has no "
_OURS = frozenset((*_DOCUMENTS, MODEL, OPTIMIZER, MANIFEST))

# No model may be called so: a leading dot is refused in model names.
_STAGING = ".tmp."
# A whole bundle about to be swapped in, and for an instant after that the one whose place it took.
_SWAPPED = ".new."
_ASIDE = ".old."
# Metadata is read by the dashboard, so a file that claims to be JSON must not fill its memory.
_LARGEST_JSON = 256 * 1024 * 1024
_MOST_DIGITS = 300
_LOOKS = 20


class Kind(StrEnum):
    """Which of a model's bundles a folder is."""

    LAST = "last"
    GOLD = "gold"
    FP16 = "fp16"


SUFFIXES = {Kind.GOLD: "_gold", Kind.FP16: "_fp16"}


def directory_name(model_name: str, kind: Kind = Kind.LAST) -> str:
    """The folder's name below `checkpoints/` for a model's bundle of this kind."""
    return model_name + SUFFIXES.get(kind, "")


def split_name(name: str) -> tuple[str, Kind]:
    """A folder's name as (model name, kind)."""
    for kind, suffix in SUFFIXES.items():
        if name.endswith(suffix) and len(name) > len(suffix):
            return name.removesuffix(suffix), kind
    return name, Kind.LAST


def check_model_name(name: str) -> list[Problem]:
    """What is wrong with `name` as the name of a model that is to be trained; empty when nothing is."""

    def refuse(message: str, remedy: str = "choose a plain name such as dante_150M") -> list[Problem]:
        return [Problem(message, field="model_name", value=name, remedy=remedy)]

    if not name:
        return refuse("a model needs a name")
    if why := why_no_name(name):
        return refuse(why.replace("its folder", "checkpoints/"))
    for suffix in SUFFIXES.values():
        # Where a file system does not tell capitals apart, x_GOLD is x_gold.
        if name.casefold().endswith(suffix):
            return refuse(f"names ending in {suffix} are kept for MyPT's own copies", "leave the ending away")
    return []


def twin(checkpoints: Path, model_name: str) -> str | None:
    """The name of another bundle that this file system takes for `model_name`; None where there is none.

    Some do not tell capitals apart, some not the two ways to write an accented letter.
    """
    wanted = checkpoints / model_name
    try:
        names = [entry.name for entry in os.scandir(checkpoints)]
        if model_name in names or not wanted.exists():
            return None
        return next((name for name in names if wanted.samefile(checkpoints / name)), None)
    except OSError:
        return None


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
    for name in _DOCUMENTS:
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


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises `UserError` naming the file and the place where it breaks off."""
    where = path.name
    if why := why_no_file(path):
        raise UserError(Problem(why, where=where))
    try:
        text = read_file(path, _LARGEST_JSON).decode("utf-8-sig")
        value = json.loads(text, parse_int=_whole)
    except OSError as error:
        reason = "" if error.errno == errno.EFBIG else "cannot be read: "
        raise UserError(Problem(f"{reason}{error.strerror}", where=where)) from None
    except UnicodeDecodeError as error:
        raise UserError(Problem(f"is not text: byte {error.start} is not UTF-8", where=where)) from None
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        what = "cut short" if cut else f"not JSON ({error.msg})"
        raise UserError(Problem(f"{what} at line {error.lineno}", where=where)) from None
    except MemoryError:
        raise UserError(Problem("is too large for the memory that is left", where=where)) from None
    except RecursionError:
        raise UserError(Problem("is nested too deeply to be what it should be", where=where)) from None
    except ValueError as error:
        raise UserError(Problem(f"holds a value that cannot be read: {error}", where=where)) from None
    if not isinstance(value, dict):
        raise UserError(Problem("must hold one JSON object", where=where))
    return value


def _whole(digits: str) -> int:
    """A whole number of a JSON file. Raises ValueError for one beyond every float: whoever counts with it would fail."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def list_bundles(checkpoints: Path) -> list[BundleInfo]:
    """Every bundle below `checkpoints`, broken ones included, by name. A missing folder holds none."""
    try:
        names = sorted(e.name for e in os.scandir(checkpoints) if e.is_dir() and not e.name.startswith("."))
    except OSError:
        return []
    return [read_info(checkpoints / name) for name in names]


def is_path(name: str) -> bool:
    """Whether a checkpoint is named by its path: by more than a mere name, and be it only `./`."""
    here = tuple(f".{separator}" for separator in (os.sep, os.altsep) if separator)
    return len(Path(name).parts) != 1 or name.startswith(here)


def find(checkpoints: Path, name: str) -> BundleInfo:
    """The whole bundle called `name` (a folder's name, or a path to one). Raises `UserError` with what there is."""
    path, mere = Path(name), not is_path(name)
    if mere and not (checkpoints / name).is_dir() and not (path / CONFIG).is_file():
        there = sorted(b.name for b in list_bundles(checkpoints))
        near = difflib.get_close_matches(name, there, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"there are: {', '.join(there) or 'none yet'}"
        raise UserError(
            Problem("no such checkpoint in checkpoints/", field="model_name", value=name, remedy=remedy)
        )
    if not mere and not path.exists():
        remedy = f"a mere name, such as {path.name}, is looked for in {checkpoints.name}/"
        raise UserError(Problem("no such folder", field="model_name", value=name, remedy=remedy))
    info, other = _settled(checkpoints / name if mere and (checkpoints / name).is_dir() else path)
    problem, remedy = info.problem, info.remedy
    if other:
        problem = f"{other} is of another save than {MANIFEST} (copied while it was saved, or edited?)"
        remedy = f"copy the folder once more, or remove {MANIFEST} to take the checkpoint as it is"
    if problem:
        raise UserError(Problem(f"the checkpoint is broken: {problem}", where=str(info.path), remedy=remedy))
    return info


def exists(checkpoints: Path, model_name: str) -> bool:
    """Whether there is a bundle to resume `model_name` from, whole or broken."""
    return (checkpoints / model_name).is_dir()


@contextlib.contextmanager
def writing(target: Path, *, parents: bool = True) -> Iterator[Path]:
    """Gives a staging folder; what is in it when the block ends becomes the bundle `target`, in one step.

    The files are synced, a manifest is written last, and the folders are swapped: a kill or a power cut at any
    moment leaves the previous bundle or the new one. What a person had put into the previous one is moved to the new
    one. When the block raises, nothing has happened to `target`. A link to a folder elsewhere stays one. The folder
    that bundles lie in is made where it is missing, what it lies in only with `parents`: that may have been renamed.
    """
    target = Path(os.path.realpath(target)) if target.is_symlink() else target
    target.parent.mkdir(parents=parents, exist_ok=True)
    staging = target.parent / f"{_STAGING}{os.getpid()}.{target.name}"
    swapped = target.parent / f"{_SWAPPED}{os.getpid()}.{os.urandom(4).hex()}.{target.name}"
    remove_folder(staging)
    try:
        staging.mkdir()
        yield staging
        sizes, imprints = {}, {}
        for file in sorted(staging.iterdir()):
            with file.open("rb+") as handle:
                fsync_file(handle.fileno())
            sizes[file.name] = file.stat().st_size
            if file.name in _CHANGING:
                imprints[file.name] = imprint(file)
        write_json_atomic(staging / MANIFEST, {"files": sizes, "imprints": imprints}, durable=True)
        replace(staging, swapped)
        aside = target.parent / f"{_ASIDE}{target.name}"
        swap_in(swapped, target, aside, remove=lambda folder: _clear(folder, target))
    except BaseException:
        remove_folder(staging)
        _clear(swapped, target)
        raise


def staging_processes(checkpoints: Path, name: str) -> list[int]:
    """The ids of the processes that were at saving the bundle `name`, and are unless a kill ended them."""
    try:
        entries = [
            e.name.removeprefix(_STAGING) for e in os.scandir(checkpoints) if e.name.startswith(_STAGING)
        ]
    except OSError:
        return []
    parts = [entry.partition(".") for entry in entries]
    return [int(pid) for pid, _, target in parts if target == name and pid.isdecimal()]


def repair(checkpoints: Path, model_name: str) -> list[str]:
    """Clean up after a kill: finish or undo an interrupted swap of the model's bundles, remove half-written ones.

    Only the holder of the model's lock may call this. Returns what was done, in sentences.
    """
    done: list[str] = []
    for name in (directory_name(model_name, kind) for kind in Kind):
        target = checkpoints / name
        # Where the bundle is a link, what belongs to it lies beside the folder that it leads to.
        target = Path(os.path.realpath(target)) if target.is_symlink() else target
        for entry in _leftovers(target):
            if entry.name.startswith(_ASIDE) and not target.exists():
                replace(entry, target)
                done.append(f"checkpoints/{name}: put back after a save that was cut off")
            elif entry.name.startswith(_STAGING):
                remove_folder(entry)
                done.append(f"checkpoints/{name}: removed a copy that was only half written")
            else:
                _clear(entry, target)
                done.append(f"checkpoints/{name}: removed a copy that was left from a save that was cut off")
    return done


def _leftovers(target: Path) -> list[Path]:
    """What interrupted saves of the bundle `target` left beside it; one that was put aside comes first."""
    try:
        names = sorted(entry.name for entry in os.scandir(target.parent))
    except OSError:
        return []
    # Behind the prefix stand a process and maybe a number, neither of which has a point in it.
    wanted = re.compile(
        rf"({re.escape(_STAGING)}\d+|{re.escape(_SWAPPED)}\d+\.[0-9a-f]+)\.{re.escape(target.name)}"
    )
    aside = f"{_ASIDE}{target.name}"
    return [target.parent / name for name in (aside, *filter(wanted.fullmatch, names)) if name in names]


def _clear(folder: Path, target: Path) -> None:
    """Remove a whole bundle that is left of a save, after what a person had in it went on to `target`."""
    if os.path.lexists(folder):
        move_on(folder, target, _OURS | _listed(folder) | _listed(target))


def _listed(folder: Path) -> set[str]:
    """The files that the manifest of a bundle names."""
    try:
        files = read_json_object(folder / MANIFEST).get("files")
    except UserError:
        return set()
    return set(files) if isinstance(files, dict) else set()


def _settled(path: Path) -> tuple[BundleInfo, str]:
    """The bundle in `path`, and which of its files is of another save than its manifest."""
    for _ in range(_LOOKS):
        before = _inode(path)
        info = read_info(path)
        other = "" if info.problem else _of_another_save(info)
        # A run may have saved between two looks: then each was right.
        if _inode(path) == before:
            break
    return info, other


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _of_another_save(info: BundleInfo) -> str:
    """A file of the bundle that another save wrote than the one that wrote its manifest; empty where there is none."""
    if MANIFEST not in info.files:
        return ""
    with contextlib.suppress(UserError, OSError):
        told = read_json_object(info.path / MANIFEST).get("imprints")
        for name, wanted in told.items() if isinstance(told, dict) else ():
            if name in _CHANGING and name in info.files and imprint(info.path / name) != wanted:
                return str(name)
    return ""


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
            problems.append((name, edited if name in _DOCUMENTS else f"{name} has {sizes}"))
    return problems
