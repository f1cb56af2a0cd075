"""Weights, optimizer and state into bundles and back. Pickles are only ever read with `weights_only=True`."""

from __future__ import annotations

import contextlib
import copy
import errno
import pickle
import platform
import sys
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import torch

from mypt import bundle
from mypt.bundle import BundleInfo
from mypt.disk import remedy
from mypt.errors import Problem, RunError, UserError
from mypt.fsio import finite, fsync_file, write_json_atomic
from mypt.memory import ran_out
from mypt.model import LanguageModel, build_model
from mypt.model.weights import check_size, load_weights
from mypt.settings.model_config import GPTConfig
from mypt.text import size
from mypt.training import disk
from mypt.training import optimizer as adamw
from mypt.version import VERSION

# A file of a megabyte takes no more memory than any program needs anyway.
_SMALL = 1_000_000
_DTYPE_NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


Files = dict[str, tuple[Any, torch.dtype | None]]
"""What `torch.save` makes of a bundle: by the file's name its content, and what all tensors in it are stored as (None: as they are)."""
Put = Callable[[Files, Path], None]
"""Writes files into a folder, each whole. Raises OSError where the disk will not take them."""


def save(
    target: Path,
    model: LanguageModel,
    tokenizer: dict[str, Any],
    state: dict[str, Any],
    *,
    device: str,
    optimizer: dict[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
    parents: bool = True,
    weights: dict[str, Any] | None = None,
    put: Put | None = None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Write the bundle `target`, whole or not at all. Raises `RunError` where the disk will not take it.

    `weights` are the model's where they are not to be asked of it now, and `put` writes them where it is not done as
    ever. `state` is the content of `training_state.json`; weights are stored as `dtype`. Folders above that of bundles
    are made with `parents`. `check` is called before the bundle takes its place, and keeps it from that by raising.
    """
    held = dict(model.state_dict() if weights is None else weights)
    if model.config.tie_weights:
        # One storage for both names, so that the file holds the matrix once.
        held["lm_head.weight"] = held["token_embedding_table.weight"]
    config = {**model.config.to_dict(), "device": device}
    needed = disk.needed_space(model)
    write(
        target,
        held,
        config,
        tokenizer,
        state,
        dtype=dtype,
        optimizer=optimizer,
        needed=needed,
        parents=parents,
        put=put,
        check=check,
    )


def write(
    target: Path,
    weights: dict[str, Any],
    config: dict[str, Any],
    tokenizer: dict[str, Any],
    state: dict[str, Any],
    *,
    dtype: torch.dtype,
    needed: int,
    optimizer: dict[str, Any] | None = None,
    parents: bool = True,
    put: Put | None = None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """`save` of what its files hold: `weights`, to be stored as `dtype`, and the content of the three documents.

    `needed` are the bytes to tell where the disk has no room.
    """
    name = _DTYPE_NAMES[dtype]
    try:
        with bundle.writing(target, parents=parents) as folder:
            (put or put_whole)(files_of(weights, optimizer, dtype), folder)
            if optimizer is not None:
                state = {**state, "optimizer_file": bundle.OPTIMIZER}
            # What came along from files of others may hold numbers that are none.
            write_json_atomic(folder / bundle.CONFIG, finite(config))
            write_json_atomic(folder / bundle.TOKENIZER, finite(tokenizer))
            write_json_atomic(folder / bundle.STATE, finite({**state, "checkpoint_dtype": name}))
            _check_there(folder, with_optimizer=optimizer is not None)
            check()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        before = "the previous one is intact" if target.is_dir() else "nothing was written"
        what = remedy(error, needed)
        raise RunError(
            f"{target.name}: the checkpoint could not be saved ({reason}); {before}; {what}"
        ) from error


def files_of(weights: dict[str, Any], optimizer: dict[str, Any] | None, dtype: torch.dtype) -> Files:
    """The files of a bundle that hold tensors, as their readers want them."""
    content = {
        "state_dict": weights,
        "checkpoint_dtype": _DTYPE_NAMES[dtype],
        "model_dtype": str(dtype).removeprefix("torch."),
    }
    files: Files = {bundle.MODEL: (content, dtype)}
    return files if optimizer is None else {**files, bundle.OPTIMIZER: (optimizer, None)}


def put_whole(files: Files, folder: Path) -> None:
    """Write `files` into `folder`, one after the other; each is brought to the disk while the next one is written."""
    with contextlib.ExitStack() as stack:
        for name, (content, dtype) in files.items():
            _write(content if dtype is None else _stored_as(content, dtype), folder / name)
            if name != list(files)[-1]:
                stack.enter_context(_synced_meanwhile(folder / name))


def _stored_as(content: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """`content` of `model.pt` with its tensors on the CPU as `dtype`; those that were one stay one."""
    held = content["state_dict"]
    stored = {id(tensor): tensor.detach().to("cpu", dtype) for tensor in held.values()}
    return {**content, "state_dict": {name: stored[id(tensor)] for name, tensor in held.items()}}


def _check_there(folder: Path, *, with_optimizer: bool) -> None:
    """Raises FileNotFoundError where somebody has removed one of the files while others were written.

    The manifest lists what there is: without a look it would call the rest a whole bundle.
    """
    for name in (bundle.MODEL, *[bundle.OPTIMIZER] * with_optimizer, bundle.CONFIG, bundle.TOKENIZER):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                errno.ENOENT, f"{name} was removed while it was saved", str(folder / name)
            )


def check_target(folder: Path) -> None:
    """Raises `UserError` where a bundle in `folder` would take the place of something else."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / bundle.CONFIG).is_file():
        reason = "holds other files, and no checkpoint"
    elif folder.exists() and not folder.is_dir():
        reason = "is a file"
    elif not folder.name or folder.name == "..":
        reason = "is no folder with a name of its own"
    else:
        return
    remedy = "name a folder for this checkpoint alone, such as checkpoints/dante"
    raise UserError(Problem(reason, field="checkpoint_dir", value=str(folder), remedy=remedy))


@contextlib.contextmanager
def _synced_meanwhile(file: Path) -> Iterator[None]:
    """Bring `file` to the disk while the block runs; `bundle.writing` syncs it again, and tells what fails."""

    def sync() -> None:
        with contextlib.suppress(OSError), file.open("rb+") as handle:
            fsync_file(handle.fileno())

    thread = threading.Thread(target=sync, name="mypt-sync")
    try:
        thread.start()
    except RuntimeError:
        # Without another thread it is synced afterwards.
        yield
        return
    try:
        yield
    finally:
        thread.join()


def _write(content: object, file: Path) -> None:
    """`torch.save`. Raises OSError where the disk will not take it."""
    # Nothing that loads a checkpoint looks at the sums of its zip archive, and they take longer than the writing.
    sums = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        with file.open("wb") as handle:
            torch.save(content, handle)
    except RuntimeError as error:
        # torch covers what the disk said with an error of its own about the archive that broke off.
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__context__
        if cause is None:
            raise
        raise cause from None
    finally:
        torch.serialization.set_crc32_options(sums)


def read_weights(info: BundleInfo, *, mapped: bool = False) -> dict[str, Any]:
    """The state dict in a bundle's `model.pt` (wrapped or raw), on the CPU. Raises `UserError` for what is none."""
    content = load_pickle(info.path / bundle.MODEL, mapped=mapped)
    weights = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(weights, dict):
        raise UserError(Problem("holds no state dict", where=f"{info.name}/{bundle.MODEL}"))
    return weights


def updates_done(info: BundleInfo) -> int | None:
    """Updates that a bundle's weights have behind them; None where nothing in it says so.

    The original's closing bundles say one less than the optimizer's own count. Ours say the truth, which an optimizer
    that started anew, or skipped fp16 overflows, does not know. Raises `UserError` for a damaged `optimizer.pt`.
    """
    if "progress" in info.training_state or bundle.OPTIMIZER not in info.files:
        return info.step
    # Mapped: of gigabytes of moments only the counts are read.
    state = load_pickle(info.path / bundle.OPTIMIZER, mapped=True)
    counted = adamw.steps_done(state) if isinstance(state, dict) else None
    return max(info.step or 0, counted) if counted is not None else info.step


def load_pickle(path: Path, *, mapped: bool = False) -> Any:
    """What `torch.save` wrote, tensors on the CPU (`mapped`: read only where they are looked at); nothing in it is run.

    Raises `UserError` for a file that is no such thing, `RunError` where memory does not hold what is in it.
    """
    where = "/".join(path.parts[-2:])
    try:
        with warnings.catch_warnings():
            # Of older protocols torch says on the side what the error says, or what does not matter.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and _is_archive(path))
    except FileNotFoundError:
        raise UserError(Problem("is missing", where=where)) from None
    except PermissionError as error:
        raise UserError(Problem(f"cannot be read: {error.strerror}", where=where)) from None
    except pickle.UnpicklingError as error:
        reason = str(error)
        if "Unsupported" in reason or "WeightsUnpickler" in reason or "GLOBAL" in reason:
            found = reason.split("GLOBAL ")[-1].split(" ")[0] if "GLOBAL " in reason else "other objects"
            raise UserError(
                Problem(
                    f"asks for more than tensors and plain values ({found}), which could run code",
                    where=where,
                    remedy="it is refused; save the state dict alone",
                )
            ) from None
        raise UserError(
            Problem("is damaged or no checkpoint", where=where, remedy="restore the file")
        ) from None
    # A damaged pickle raises almost anything.
    except Exception as error:
        if ran_out(error):
            # The file is as it should be, and must not be called damaged: its owner might throw it away.
            length = path.stat().st_size
            if length < _SMALL:
                raise RunError(
                    f"{where}: out of memory while reading it, although it holds no more than {size(length)}: either "
                    "other programs have taken all memory, or it is damaged"
                ) from None
            raise RunError(
                f"{where}: out of memory while reading it (it holds {size(length)}). Close other programs, or read it on a "
                "machine with more"
            ) from None
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            Problem(
                f"cannot be read, it is cut short or damaged ({first[:120]})",
                where=where,
                remedy="restore the file",
            )
        ) from None


def _is_archive(path: Path) -> bool:
    # Only the archives of torch 1.6 and later can be mapped.
    return zipfile.is_zipfile(path)


def load_model(info: BundleInfo, config: GPTConfig | None = None) -> LanguageModel:
    """The model of a bundle with its weights, in float32 on the CPU. Raises `UserError` where they do not fit."""
    if config is None:
        config = GPTConfig.from_dict(info.config, where=f"{info.name}/{bundle.CONFIG}")
    weights, where = read_weights(info), f"{info.name}/{bundle.MODEL}"
    check_size(config, weights, where=where)
    model = build_model(copy.deepcopy(config), seed=None)
    load_weights(model, weights, where=where)
    return model


def versions() -> dict[str, str]:
    """What the arithmetic depends on, for the record."""
    return {
        "mypt": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": f"{sys.platform}-{platform.machine()}",
    }
