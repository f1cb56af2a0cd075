"""What there is to choose from in a workspace: presets, data, base models, and a name that is still free. No Textual.

These functions read the disk and import pydantic, so the screen calls them in a thread.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mypt import bundle
from mypt.bundle import BundleInfo
from mypt.errors import MyptError
from mypt.text import count, printable, size

# A folder of a million files must not hold up a list that a person reads.
_MOST = 200
_MOST_FILES = 5000
_TEXTS = (".txt", ".md")
DEMO = "builtin:stories"


@dataclass(frozen=True, slots=True)
class PresetChoice:
    """A preset of the list. `key` is what `--config_file` takes; `problem` says why a broken one cannot be used."""

    key: str
    label: str
    parameters: int | None = None
    about: str = ""
    shape: str = ""
    #: Whether the preset brings data of its own.
    has_data: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DataChoice:
    """A text or a dataset. `field` and `value` are the setting that names it; both empty: as preset or checkpoint say."""

    field: str
    value: str
    label: str
    detail: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is in a workspace to begin with; `given` are the wanted settings as text, `taken` the used names."""

    presets: list[PresetChoice]
    data: list[DataChoice]
    bases: list[BundleInfo]
    taken: frozenset[str]
    given: dict[str, str]


def find_all(workspace: Path, preset: str | None, given: Mapping[str, Any]) -> Found:
    """Read the workspace. `preset` is in the list afterwards, wherever it lies; unknown settings are left out."""
    from mypt.settings import fields
    from mypt.settings.resolve import as_text

    listed = order(presets(workspace))
    if preset and find(listed, preset) is None:
        listed.insert(0, _elsewhere(preset, workspace))
    try:
        taken = {path.name for path in (workspace / "checkpoints").iterdir()}
    except OSError:
        taken = set()
    known = set(fields.names())
    wanted = {name: value for name, value in given.items() if name in known and value is not None}
    texts = {name: value if isinstance(value, str) else as_text(value) for name, value in wanted.items()}
    return Found(listed, data(workspace), bases(workspace), frozenset(taken), texts)


def find(listed: Iterable[PresetChoice], name: str) -> PresetChoice | None:
    """The preset of the list that is called so, by name or by file."""
    stem = name.removeprefix("configs/").removesuffix(".json")
    return next((p for p in listed if name in (p.key, p.label) or stem == p.label), None)


def presets(workspace: Path) -> list[PresetChoice]:
    """Every preset, the workspace's first, broken ones included."""
    from mypt.settings.presets import list_presets

    try:
        paths = list_presets(workspace)
    except OSError:
        paths = []
    return [_preset(path, workspace) for path in paths]


def order(presets: Iterable[PresetChoice]) -> list[PresetChoice]:
    """The workspace's own first, small models before large ones, broken ones last."""

    def place(choice: PresetChoice) -> tuple[bool, bool, int]:
        shipped = "/" not in choice.key and not choice.key.endswith(".json")
        return (bool(choice.problem), shipped, choice.parameters or 0)

    return sorted(presets, key=place)


def _elsewhere(name: str, workspace: Path) -> PresetChoice:
    """The preset that `--config_file name` means, wherever it lies; a broken choice where there is none."""
    from mypt.settings.presets import find_preset

    try:
        found = _preset(find_preset(workspace, name), workspace)
    except (MyptError, OSError) as error:
        return PresetChoice(name, name, problem=str(error))
    return replace(found, key=name)


def _preset(path: Path, workspace: Path) -> PresetChoice:
    from mypt.estimate import parameters
    from mypt.settings.presets import load_preset
    from mypt.settings.resolve import DATA_FIELDS

    inside = path.is_relative_to(workspace)
    key = path.relative_to(workspace).as_posix() if inside else path.stem
    folder = workspace / "configs"
    label = path.relative_to(folder).with_suffix("").as_posix() if path.is_relative_to(folder) else path.stem
    try:
        found = load_preset(path)
        config = found.config()
        return PresetChoice(
            key,
            label,
            parameters=parameters(config),
            about=found.description or (found.name if found.name != path.stem else ""),
            shape=f"{config.n_layer} layer{'s'[: config.n_layer > 1]}, {config.n_embd} wide, context {config.block_size}",
            has_data=any(found.values.get(name) is not None for name in DATA_FIELDS),
        )
    except (MyptError, OSError) as error:
        return PresetChoice(key, label, problem=str(error) or type(error).__name__)


def data(workspace: Path) -> list[DataChoice]:
    """The built-in texts, then text files and dataset folders at the top level of the workspace and in `data/`."""
    from mypt.data.corpora import BUILTIN

    names = {"stories": "demo stories", "python": "Python's docs and source"}
    found = [
        DataChoice(
            "input_file",
            f"builtin:{corpus.name}",
            names.get(corpus.name, corpus.name),
            size(corpus.approximate_size),
            corpus.description,
        )
        for corpus in BUILTIN.values()
    ]
    texts: list[DataChoice] = []
    folders: list[DataChoice] = []
    for folder in (workspace, workspace / "data"):
        for entry in _entries(folder):
            shown = Path(entry.path).relative_to(workspace).as_posix()
            try:
                if entry.is_file() and entry.name.lower().endswith(_TEXTS):
                    texts.append(DataChoice("input_file", shown, shown, size(entry.stat().st_size), "a text"))
                elif entry.is_dir():
                    folders += _datasets(Path(entry.path), workspace)
            except OSError:
                continue
    return found + texts[:_MOST] + folders[:_MOST]


def _datasets(folder: Path, workspace: Path) -> Iterator[DataChoice]:
    # Datasets are often kept by family, data/fineweb/10B, so one level more is looked at below data/.
    deeper = folder.parent.name == "data" and folder.parent.parent == workspace
    for path in (folder, *(Path(e.path) for e in _entries(folder) if deeper and e.is_dir())):
        total = dataset_bytes(path)
        if total:
            shown = path.relative_to(workspace).as_posix()
            yield DataChoice("dataset_dir", shown, shown, size(total), "a prepared dataset")


def dataset_bytes(folder: Path) -> int:
    """Bytes of the `.bin` files of a dataset folder; 0 where it is none."""
    train = folder / "train"
    if train.is_dir():
        places: Iterable[Path] = (train, folder / "val")
        files = (f for place in places for f in place.rglob("*.bin"))
    else:
        files = (f for f in folder.glob("*.bin") if f.name == "train.bin" or "_train_" in f.name)
    total = 0
    try:
        for number, file in enumerate(files):
            if number >= _MOST_FILES:
                break
            total += file.stat().st_size
    except OSError:
        return total
    return total


def bases(workspace: Path) -> list[BundleInfo]:
    """The whole bundles that one can fine-tune from; fp16 copies are made for deployment and left out."""
    found = bundle.list_bundles(workspace / "checkpoints")
    return [b for b in found if not b.problem and b.kind is not bundle.Kind.FP16]


def describe_base(info: BundleInfo) -> str:
    """`base_200M  step 50000`, safe to show."""
    step = "" if info.step is None else f"  step {info.step}"
    return printable(f"{info.name}{step}", newline=False)


def suggest_name(stem: str, taken: Callable[[str], bool]) -> str:
    """A valid model name made of `stem`, with a number where that one is taken."""
    plain = re.sub(r"[^\w.+@=-]+", "_", stem.rpartition("/")[2]).strip("._-") or "model"
    plain = plain[:80]
    if bundle.check_model_name(plain):
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_-") or "model"
        if bundle.check_model_name(plain):
            plain = "model"
    name, number = plain, 2
    while taken(name):
        name, number = f"{plain}-{number}", number + 1
    return name


def describe_parameters(choice: PresetChoice) -> str:
    """`152M`, or that the preset is broken."""
    return "broken" if choice.parameters is None else count(choice.parameters)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError:
        return []
