"""Presets: one JSON file each, in the workspace's `configs/` or shipped with the package."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mypt.bundle import read_json_object
from mypt.errors import Problem, UserError
from mypt.settings.checks import cross_checks
from mypt.settings.fields import ACCEPTED_WITH_NOTE, REQUIRED_IN_PRESET, names
from mypt.settings.model_config import GPTConfig
from mypt.settings.problems import nearest, validate

_ABOUT = ("name", "description")


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset as read: typed `values` of the settings that it names, and what to tell its user about the rest."""

    path: Path
    values: dict[str, Any]
    name: str = ""
    description: str = ""
    notices: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The name that people call it by: the file's, without its ending."""
        return self.path.stem

    def config(self) -> GPTConfig:
        """The model that a new run with this preset gets (with char tokenization: before its text is known)."""
        return config_of(self.values)


def config_of(values: dict[str, Any]) -> GPTConfig:
    """The model config of a new model with these settings; settings that are not of the model are left out."""
    known = set(GPTConfig.__dataclass_fields__) - {"device", "extra"}
    return GPTConfig.for_new_model(**{k: v for k, v in values.items() if k in known})


def shipped_directory() -> Path:
    """Where the presets that come with the package lie."""
    inside = Path(__file__).parent / "shipped"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "configs"


def list_presets(workspace: Path) -> list[Path]:
    """All preset files, the workspace's first; a shipped one is left out where the workspace has one of that name."""
    own = sorted((workspace / "configs").rglob("*.json")) if (workspace / "configs").is_dir() else []
    taken = {path.name for path in own}
    shipped = [path for path in sorted(shipped_directory().glob("*.json")) if path.name not in taken]
    return own + shipped


def find_preset(workspace: Path, name: str) -> Path:
    """The file that `--config_file` means: a path, or a preset's name. Raises `UserError` with those that exist."""
    given = Path(name)
    tries = [given if given.is_absolute() else workspace / given]
    if given.suffix != ".json":
        tries.append(workspace / "configs" / f"{name}.json")
    tries.append(shipped_directory() / (given.name if given.suffix == ".json" else f"{given.name}.json"))
    for path in tries:
        if path.is_file():
            return path
    there = [path.stem for path in list_presets(workspace)]
    close = nearest(given.stem, there)
    raise UserError(
        Problem(
            "no such preset",
            field="config_file",
            value=name,
            remedy=(f"{close}; " if close else "") + f"there are: {', '.join(there) or 'none'}",
        )
    )


def load_preset(path: Path) -> Preset:
    """Read and check a preset. Raises one `UserError` with everything that is wrong with the file."""
    where = path.name if path.parent.name != "configs" else f"configs/{path.name}"
    try:
        raw = read_json_object(path)
    except UserError as error:
        raise UserError(Problem(error.problems[0].message, where=where, remedy="mend the file")) from None
    problems: list[Problem] = []
    notices: list[str] = []
    known = [*names(), *_ABOUT]
    for name in raw:
        if name in ACCEPTED_WITH_NOTE:
            notices.append(f"{where}: {name} is accepted and does nothing: {ACCEPTED_WITH_NOTE[name]}")
        elif name not in known and not name.startswith("comment"):
            problems.append(
                Problem("is not known", where=where, field=name, value=raw[name], remedy=nearest(name, known))
            )
    for name in _ABOUT:
        if not isinstance(raw.get(name, ""), str):
            problems.append(Problem("must be a text", where=where, field=name, value=raw[name]))
    for name in REQUIRED_IN_PRESET:
        if name not in raw:
            problems.append(Problem("is missing", where=where, field=name, remedy="every preset needs it"))
    # The original writes null for what it leaves to its defaults.
    optional = {k: v for k, v in raw.items() if v is not None or k in REQUIRED_IN_PRESET}
    values, wrong = validate(optional, where=where, strict=True)
    problems += wrong
    problems += cross_checks(values, where=where)
    if problems:
        raise UserError(*problems)
    return Preset(
        path=path,
        values=values,
        name=raw.get("name", "") or path.stem,
        description=raw.get("description", ""),
        notices=notices,
    )
