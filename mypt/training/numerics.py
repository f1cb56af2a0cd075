"""How the arithmetic is done on this machine: device, precision, attention kernel, compile; chosen, said, kept."""

from __future__ import annotations

import contextlib
import platform
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import torch

from mypt import estimate, memory
from mypt.errors import Problem, UserError
from mypt.machine import cpu_has_fast_bf16, processor
from mypt.memory import telling
from mypt.model.kernels import KERNELS, default_kernel
from mypt.model.linear import MATMULS
from mypt.settings.fields import Settings
from mypt.text import size

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# What a checkpoint can have been trained with.
_KNOWN: dict[str, tuple[object, ...]] = {
    "precision": tuple(_DTYPES),
    "attention": KERNELS,
    "matmul": MATMULS,
    "compile": (True, False),
}
_SPELLED = {"onednn": "oneDNN"}
_LONG_NAMES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


@dataclass(frozen=True, slots=True)
class Numerics:
    """What was chosen. `precision` is that of matrix products (autocast); weights and optimizer stay in float32."""

    device: str
    precision: str
    attention: str
    compile: bool
    threads: int
    matmul: str = "torch"

    @property
    def kind(self) -> str:
        """The device's type: cpu, cuda or mps."""
        return self.device.partition(":")[0]

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which forward passes run."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.kind, dtype=_DTYPES[self.precision])

    def to_json(self) -> dict[str, Any]:
        """Plain values for the checkpoint and the log."""
        return asdict(self)

    def __str__(self) -> str:
        compiled = ", compiled" if self.compile else ""
        cores = f", {self.threads} threads" if self.kind == "cpu" else ""
        products = f", products by {_SPELLED[self.matmul]}" if self.matmul in _SPELLED else ""
        return f"{self.device}{cores}, {self.precision}{products}, {self.attention} attention{compiled}"


def choose(
    settings: Settings, kept: Mapping[str, Any] | None = None, before: Mapping[str, Any] | None = None
) -> tuple[Numerics, list[str]]:
    """What to compute with, and notices. A resumed run keeps what its checkpoint was trained with (`kept`).

    Where its settings are others now than `before`, when it was saved, they are obeyed all the same, with a notice.
    Raises `UserError` where a device or a precision is asked for that this machine does not have.
    """
    notices: list[str] = []
    device = pick_device(settings.device)
    kind = device.partition(":")[0]
    same_kind = bool(kept) and str(kept.get("device", "")).partition(":")[0] == kind if kept else False
    if kept and not same_kind:
        notices.append(
            f"the checkpoint was trained on {kept.get('device')}, this is {device}: from here on the run is no "
            "exact continuation"
        )

    if kept:
        # One that does not say how it multiplied did it as torch does.
        kept = {"matmul": "torch", **kept}

    def had(name: str, decided_by: tuple[str, ...]) -> Any:
        """What the checkpoint has, unless the settings that decide it have been changed since; then None."""
        same = all((before or {}).get(n, v) == v for n in decided_by for v in [getattr(settings, n)])
        return kept.get(name) if same and same_kind and kept else None

    def keep(name: str, asked: Any, fresh: Any, decided_by: tuple[str, ...]) -> Any:
        stays = had(name, decided_by)
        if stays not in _KNOWN[name]:
            # Of another version, or by a hand: there is no going on with it as it was.
            stays = None
        value = asked if asked != "auto" else fresh if stays is None else stays
        was = kept.get(name) if same_kind and kept else None
        if was not in (None, value):
            notices.append(
                f"{name} changes from {_word(was)} to {_word(value)}: from here on the run is no exact continuation"
            )
        return value

    by = ("precision", "use_amp", "amp_dtype")
    precision = keep("precision", _asked_precision(settings), _best_precision(kind, settings), by)
    _check_precision(precision, kind)
    wanted = settings.amp_dtype
    if (
        _asked_precision(settings) == "auto"
        and wanted not in ("auto", precision)
        and had("precision", by) is None
    ):
        notices.append(f"amp_dtype: {wanted} is no gain on this {kind}, so {precision} is used")
    fresh_kernel = default_kernel(kind, _DTYPES[precision], settings.block_size, settings.dropout)
    attention = keep("attention", settings.attention, fresh_kernel, ("attention",))
    matmul = keep("matmul", settings.matmul, _best_matmul(kind, precision), ("matmul", *by))
    asked_compile = {"auto": "auto", "on": True, "off": False}[settings.compile]
    compiled = keep("compile", asked_compile, kind == "cuda", ("compile",))
    threads = torch.get_num_threads()
    if same_kind and kept and kind == "cpu" and kept.get("threads") not in (None, threads):
        notices.append(
            f"the checkpoint was trained with {kept['threads']} threads, here are {threads}: sums may differ in "
            "their last bits"
        )
    return Numerics(device, precision, attention, compiled, threads, matmul), notices


def pick_device(asked: str) -> str:
    """The device to use: the one that is asked for, or CUDA, then MPS, then the CPU. Raises `UserError` without it."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if asked == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    gpus = ["cuda", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))] if cuda else []
    found = ["cpu", *["mps"] * mps, *gpus]
    if asked not in found:
        raise UserError(
            Problem(
                "this machine does not have it",
                field="device",
                value=asked,
                remedy=f"use auto, or one of: {', '.join(found)}",
            )
        )
    return asked


def _word(value: object) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _asked_precision(settings: Settings) -> str:
    if settings.precision != "auto":
        return settings.precision
    return "auto" if settings.use_amp else "fp32"


def _best_precision(kind: str, settings: Settings) -> str:
    wanted = settings.amp_dtype
    if kind == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
        return wanted if wanted != "auto" and (wanted == "fp16" or able) else "bf16" if able else "fp16"
    if kind == "cpu":
        return "bf16" if cpu_has_fast_bf16() and wanted in ("auto", "bf16") else "fp32"
    return "fp32"


def _best_matmul(kind: str, precision: str) -> str:
    return "onednn" if kind == "cpu" and precision == "fp32" and cpu_is_left_half_used() else "torch"


def _check_precision(precision: str, kind: str) -> None:
    if precision == "fp16" and kind != "cuda":
        raise UserError(
            Problem("fp16 needs a CUDA GPU", field="precision", value=precision, remedy="use bf16 or fp32")
        )


def peak_flops(numerics: Numerics) -> float | None:
    """Best FLOP/s of the device in the precision of the run; None where nobody can know it."""
    if numerics.kind != "cuda":
        return None
    return estimate.peak_flops(torch.cuda.get_device_name(numerics.device), _LONG_NAMES[numerics.precision])


@lru_cache(maxsize=1)
def cpu_is_left_half_used() -> bool:
    """Whether MKL multiplies here with half of what the processor has: one with AVX-512 that is not of MKL's maker."""
    mkl: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not (mkl and onednn):
        return False
    return torch.backends.cpu.get_cpu_capability() == "AVX512" and "AuthenticAMD" in processor()


def device_name(device: str) -> str:
    """What the device calls itself, for the log."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def telling_memory(device: str, needed: str) -> Iterator[None]:
    """Turn running out of memory into a `RunError` that says what was needed and what to lower."""
    sentence = (
        f"out of memory on {device} ({_in_all(device)}): {needed}. Lower batch_size (and raise grad_accum_steps by as "
        "much), lower block_size, set use_checkpoint to true, or choose a smaller model"
    )
    with telling(sentence), warnings.catch_warnings():
        warnings.filterwarnings("error", memory.WARNED)
        yield


def _in_all(device: str) -> str:
    if device.startswith("cuda"):
        return f"{size(torch.cuda.get_device_properties(device).total_memory)} in all"
    return memory.in_all()
