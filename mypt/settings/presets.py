"""Presets: one JSON file each, in the workspace's `configs/` or shipped with the package."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mypt import disk
from mypt.bundle import read_json_object
from mypt.errors import Problem, RunError, UserError
from mypt.files import why_no_file
from mypt.fsio import write_json_atomic
from mypt.names import why_no_name
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
    own = [path for path in sorted((workspace / "configs").rglob("*.json")) if _is_preset_file(path)]
    taken = {path.name for path in own}
    shipped = [path for path in sorted(shipped_directory().glob("*.json")) if path.name not in taken]
    return own + shipped


def shown_path(path: Path, workspace: Path | None = None) -> str:
    """A preset's path as people name it: from the workspace, or from `configs/` for one that is shipped."""
    if workspace is not None and path.is_relative_to(workspace):
        return path.relative_to(workspace).as_posix()
    if path.parent == shipped_directory():
        return f"configs/{path.name}"
    return str(path) if workspace is not None else "/".join(path.parts[_configs_at(path) :])


def find_preset(workspace: Path, name: str) -> Path:
    """The file that `--config_file` means: a path, or a preset's name. Raises `UserError` with those that exist."""
    given = Path(name)
    tries = [given if given.is_absolute() else workspace / given]
    called: list[Path] = []
    if given.name and not given.is_absolute():
        wanted = given if given.suffix == ".json" else given.with_name(f"{given.name}.json")
        tries.append(workspace / "configs" / wanted)
        called = [path for path in list_presets(workspace) if _is_called(path, wanted)]
    for path in tries:
        if path.is_file():
            return path
    if len(called) > 1:
        remedy = f"name one of: {', '.join(shown_path(path, workspace) for path in called)}"
        raise UserError(Problem("is the name of several", field="config_file", value=name, remedy=remedy))
    if called:
        return called[0]
    for path in tries[:1]:
        if (why := why_no_file(path)) and (path.exists() or path.is_symlink()):
            inside = [shown_path(p, workspace) for p in list_presets(workspace) if p.is_relative_to(path)]
            remedy = f"it holds: {', '.join(inside)}" if inside else "name a preset's file"
            raise UserError(Problem(why, field="config_file", value=name, remedy=remedy))
    there = [_name_of(path, workspace) for path in list_presets(workspace)]
    close = nearest(given.stem, there)
    raise UserError(
        Problem(
            "no such preset",
            field="config_file",
            value=name,
            remedy=(f"{close}; " if close else "") + f"there are: {', '.join(there) or 'none'}",
        )
    )


def load_preset(path: Path, workspace: Path | None = None) -> Preset:
    """Read and check a preset. Raises one `UserError` with everything that is wrong with the file.

    Messages name the file as it is seen from `workspace`.
    """
    where = shown_path(path, workspace)
    try:
        raw = read_json_object(path)
    except UserError as error:
        raise UserError(Problem(error.problems[0].message, where=where, remedy="mend the file")) from None
    values, notices, problems = _judged(raw, where)
    if problems:
        raise UserError(*problems)
    return Preset(
        path=path,
        values=values,
        name=raw.get("name", "") or path.stem,
        description=raw.get("description", ""),
        notices=notices,
    )


def save_preset(workspace: Path, name: str, values: dict[str, Any], *, overwrite: bool = False) -> Path:
    """Write `configs/<name>.json` of the workspace, whole or not at all, and return its path.

    `values` are fields as a preset has them (settings as typed or plain values, `name`, `description`); `name` may
    lead into a sub-folder of `configs/`. Raises `UserError` for a name that leaves `configs/` or is taken (unless
    `overwrite`) and for everything that would be wrong with the file, `RunError` where it cannot be written.
    """
    path, problems = _new_path(workspace, name, overwrite)
    where = shown_path(path, workspace)
    content = {key: _plain(value) for key, value in values.items()}
    problems += _judged(content, where)[2]
    if problems:
        raise UserError(*problems)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(path, content)
    except OSError as error:
        what = f"{error.strerror or error}; {disk.remedy(error)}"
        raise RunError(f"{where}: the preset cannot be written: {what}") from error
    return path


def _judged(raw: dict[str, Any], where: str) -> tuple[dict[str, Any], list[str], list[Problem]]:
    """The content of a preset as (typed values, notices, everything that is wrong with it)."""
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
    return values, notices, problems


def _new_path(workspace: Path, name: str, overwrite: bool) -> tuple[Path, list[Problem]]:
    plain = name.removeprefix("configs/").removesuffix(".json")
    path = workspace / "configs" / f"{plain}.json"

    def refuse(message: str, remedy: str) -> tuple[Path, list[Problem]]:
        return path, [Problem(message, field="save_preset", value=name, remedy=remedy)]

    why = next((why for part in plain.split("/") if (why := why_no_name(part))), "")
    if why:
        return refuse(why.replace("its folder", "configs/"), "choose a plain name such as mine, or chat/mine")
    if path.exists() and not overwrite:
        return refuse("exists already", "choose another name, or remove the file first")
    return path, []


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _is_preset_file(path: Path) -> bool:
    return not path.name.startswith(".") and path.is_file()


def _name_of(path: Path, workspace: Path) -> str:
    """What `--config_file` takes: the path below `configs/`, without its ending."""
    own = workspace / "configs"
    return (path.relative_to(own) if path.is_relative_to(own) else Path(path.name)).with_suffix("").as_posix()


def _is_called(path: Path, wanted: Path) -> bool:
    """Whether a listed preset is meant by a mere name, or by `configs/` and the name of a shipped one."""
    if wanted.parent == Path("configs"):
        return path.parent == shipped_directory() and path.name == wanted.name
    return len(wanted.parts) == 1 and path.name == wanted.name


def _configs_at(path: Path) -> int:
    """Where the innermost `configs` stands among the parts of a path; the file's own place where there is none."""
    parts = path.parts
    return next((n for n in reversed(range(len(parts) - 1)) if parts[n] == "configs"), len(parts) - 1)
