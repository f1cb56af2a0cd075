"""From a path to what lies there: tensors by name, on disk until they are used, and the JSON beside them.

Nothing that a file claims is believed before it is held against the file's size, and nothing in it is run.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from mypt import bundle
from mypt.errors import Problem, UserError
from mypt.files import why_no_file
from mypt.interop.formats import Checkpoint
from mypt.interop.mapping import listed
from mypt.memory import ran_out
from mypt.model.weights import bare_name
from mypt.text import size
from mypt.training.checkpointing import load_pickle

INDEX = "model.safetensors.index.json"
_PICKLED = "pytorch_model.bin"
# Where programs put the weights in what they pickle.
_HOLDERS = ("state_dict", "model_state_dict", "model", "model_state")
_ENDINGS = (".pt", ".pth", ".bin", ".ckpt")


def read(path: Path) -> Checkpoint:
    """What lies at `path`, a file or a folder. Raises `UserError` for what is missing, damaged or asks to run code."""
    if not path.exists():
        raise UserError(
            Problem("no such checkpoint", where=str(path), remedy="name a file, or a checkpoint's folder")
        )
    if path.is_dir():
        return _read_folder(path)
    if why := why_no_file(path):
        raise UserError(Problem(why, where=str(path)))
    if path.suffix == ".json" and path.name == INDEX:
        return _read_safetensors(path.parent)
    if path.suffix == ".safetensors":
        # One of several is a part of what its folder holds.
        return _read_safetensors(path.parent if (path.parent / INDEX).is_file() else path)
    if path.name == bundle.MODEL and (path.parent / bundle.CONFIG).is_file():
        return _read_folder(path.parent)
    beside = path.name == _PICKLED and (path.parent / bundle.CONFIG).is_file()
    return _read_pickle(path, path, _documents(path.parent) if beside else {})


def _read_folder(path: Path) -> Checkpoint:
    if (path / bundle.MODEL).is_file():
        documents: dict[str, Mapping[str, Any]] = {}
        if (path / bundle.CONFIG).is_file():
            whole = bundle.find(path.resolve().parent, path.resolve().name)
            documents = {
                bundle.CONFIG: whole.config,
                bundle.TOKENIZER: whole.tokenizer,
                bundle.STATE: whole.training_state,
            }
        return _read_pickle(path / bundle.MODEL, path, documents)
    if any(path.glob("*.safetensors")):
        return _read_safetensors(path)
    files = sorted(file for file in path.iterdir() if file.suffix in _ENDINGS and file.is_file())
    if len(files) == 1:
        return _read_pickle(files[0], path, _documents(path))
    names = ", ".join(file.name for file in files[:8]) + (
        f" and {len(files) - 8} more" if len(files) > 8 else ""
    )
    if files:
        raise UserError(
            Problem(f"holds several checkpoints: {names}", where=str(path), remedy="name one of them")
        )
    remedy = "name the file that holds the weights"
    raise UserError(Problem(f"has no {bundle.MODEL} and no *.safetensors", where=str(path), remedy=remedy))


def _documents(folder: Path) -> dict[str, Mapping[str, Any]]:
    """The config that a foreign checkpoint has beside it; its tokenizer is looked for where it is wanted."""
    return (
        {bundle.CONFIG: bundle.read_json_object(folder / bundle.CONFIG)}
        if (folder / bundle.CONFIG).is_file()
        else {}
    )


def _read_pickle(file: Path, path: Path, documents: Mapping[str, Mapping[str, Any]]) -> Checkpoint:
    _refuse_packed(file)
    content = load_pickle(file, mapped=True)
    if not isinstance(content, dict):
        raise UserError(Problem(f"holds a {type(content).__name__} and no checkpoint", where=str(file)))
    holder = next((name for name in _HOLDERS if isinstance(content.get(name), Mapping)), None)
    if holder is None:
        # A state dict and nothing else: its keys are names of weights.
        holder, content = _HOLDERS[0], {_HOLDERS[0]: content}
    held = content[holder]
    state: dict[str, Any] = {}
    others = []
    for name, value in held.items():
        bare = bare_name(str(name))
        if isinstance(value, torch.Tensor) and bare not in state:
            state[bare] = value
        else:
            others.append(str(name))
    return Checkpoint(path, content, state, documents, tuple(others))


def _refuse_packed(file: Path) -> None:
    """Raise `UserError` where the file is an archive that holds more than it has bytes."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # none that torch maps: it is read whole
    length = file.stat().st_size
    claimed = sum(entry.file_size for entry in entries)
    if claimed > length or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        # torch writes no such thing, and a few bytes of it could fill all memory.
        what = f"is packed, and claims to hold {size(claimed)} in {size(length)}"
        raise UserError(Problem(what, where=str(file), remedy="save it anew with torch.save"))


def _read_safetensors(path: Path) -> Checkpoint:
    folder = path if path.is_dir() else path.parent
    files = _parts(path)
    state: dict[str, Any] = {}
    for file, names in files.items():
        if why := why_no_file(file):
            raise UserError(Problem(why, where=str(file)))
        try:
            with safe_open(file, framework="pt", device="cpu") as tensors:
                there = set(tensors.keys())
                if names is not None and there != names:
                    missing, more = listed(names - there), listed(there - names)
                    said = "; ".join(
                        t for t in (f"lacks {missing}" * bool(missing), f"has {more}" * bool(more)) if t
                    )
                    raise UserError(Problem(f"is not as {INDEX} says: it {said}", where=str(file)))
                for name in tensors.keys():  # noqa: SIM118
                    state[bare_name(name)] = tensors.get_tensor(name)
        except (
            SafetensorError,
            OSError,
            ValueError,
            TypeError,
            AttributeError,
            RuntimeError,
            MemoryError,
        ) as error:
            if ran_out(error):
                # The file is as it should be.
                raise MemoryError from error
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                Problem(
                    f"is cut short, damaged or no safetensors file ({first[:120]})",
                    where=str(file),
                    remedy="restore the file",
                )
            ) from None
    return Checkpoint(path, {"state_dict": state}, state, _documents(folder))


def _parts(path: Path) -> dict[Path, set[str] | None]:
    """The files that hold the weights, each with the names that the index says (None where there is no index)."""
    if path.is_file():
        return {path: None}
    if not (path / INDEX).is_file():
        files = sorted(path.glob("*.safetensors"))
        if len(files) > 1:
            names = ", ".join(file.name for file in files[:8])
            remedy = f"restore {INDEX}, or name one file"
            raise UserError(
                Problem(f"holds several parts without an index: {names}", where=str(path), remedy=remedy)
            )
        return {files[0]: None}
    where = str(path / INDEX)
    parts = bundle.read_json_object(path / INDEX).get("weight_map")
    if not isinstance(parts, dict) or not parts:
        raise UserError(Problem("must map the names of weights to files", where=where, field="weight_map"))
    found: dict[Path, set[str] | None] = {}
    for name, file in parts.items():
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(".safetensors"):
            raise UserError(Problem("must be a file beside the index", where=where, field=name, value=file))
        there = found.setdefault(path / file, set())
        assert there is not None
        there.add(name)
    if lost := [file.name for file in found if why_no_file(file)]:
        shown = ", ".join(lost[:8])
        raise UserError(Problem(f"names files that are missing: {shown}", where=where, remedy="restore them"))
    return found
