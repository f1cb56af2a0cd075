"""Files that claim what they do not hold, that are damaged, or that want to run code: refused, in little memory."""

from __future__ import annotations

import json
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import mypt
from mypt.errors import UserError
from tests.interop.foreign import modded_state, write_modded
from tests.workbench import environment
from tests.workbench import mypt as command


class Attack:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (Path("attacked"), "x"))


def packed(file: Path) -> None:
    """A few kilobytes that unpack to a quarter of a gigabyte."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (1 << 28))
        archive.writestr("archive/version", "3")


def header(file: Path, claims: dict[str, object], data: bytes = b"") -> None:
    text = json.dumps(claims).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


def terabytes(file: Path) -> None:
    header(file, {"w": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}})


def overflow(file: Path) -> None:
    header(file, {"w": {"dtype": "F32", "shape": [2**62, 8], "data_offsets": [0, 64]}}, b"\0" * 64)


def long_header(file: Path) -> None:
    file.write_bytes(struct.pack("<Q", 2**62) + b"{}")


def beyond(file: Path) -> None:
    header(file, {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, b"\0" * 8)


def overlapping(file: Path) -> None:
    tensor = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    header(file, {"a": tensor, "b": tensor}, b"\0" * 16)


def many_layers(file: Path) -> None:
    state = {"embed.weight": torch.ones(4, 8), "blocks.99999999.mlp.c_fc.weight": torch.ones(32, 8)}
    torch.save({"model": {**state, "lm_head.weight": torch.ones(4, 8)}}, file)


def repeated(file: Path) -> None:
    state = modded_state(width=8)
    state["lm_head.weight"] = torch.zeros(1, 1).expand(10**11, 8)
    write_modded(file, state)


def old_format(file: Path) -> None:
    torch.save({"model": {"x": torch.ones(4)}}, file, _use_new_zipfile_serialization=False)


LIES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a packed archive": ("a.pt", packed, r"is packed, and claims to hold 268 MB in \d+ kB"),
    "terabytes": ("a.safetensors", terabytes, r"is cut short, damaged or no safetensors file"),
    "more numbers than there are": ("a.safetensors", overflow, r"no safetensors file"),
    "a header without an end": ("a.safetensors", long_header, r"no safetensors file"),
    "data that is cut short": ("a.safetensors", beyond, r"no safetensors file"),
    "two tensors in one place": ("a.safetensors", overlapping, r"no safetensors file"),
    "a layer of a high number": ("a.pt", many_layers, r"has a layer 99999999, but lacks layer 0"),
    "one number a hundred billion times": (
        "a.pt",
        repeated,
        r"1 weights claim more numbers than the file holds",
    ),
    "an empty file": ("a.pt", lambda file: file.write_bytes(b""), r"cut short or damaged"),
    "a text": ("a.pt", lambda file: file.write_text("hello\n"), r"a\.pt"),
    "zeros": ("a.pt", lambda file: file.write_bytes(b"\0" * 4096), r"a\.pt"),
    "a lone number": ("a.pt", lambda file: torch.save(3, file), r"holds a int and no checkpoint"),
    "no weights": ("a.pt", lambda file: torch.save({"model": {}}, file), r"it holds no tensors by name"),
    "torch's old format": ("a.pt", old_format, r"is of no format.*its weights are called x"),
}


@pytest.mark.parametrize("name", LIES)
def test_what_is_not_so_is_refused(name: str, tmp_path: Path) -> None:
    file_name, make, said = LIES[name]
    make(tmp_path / file_name)
    with pytest.raises(UserError, match=said):
        mypt.inspect_checkpoint(tmp_path / file_name)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("name", ["a packed archive", "terabytes", "one number a hundred billion times"])
def test_lies_cost_no_memory(name: str, tmp_path: Path) -> None:
    file_name, make, _ = LIES[name]
    make(tmp_path / file_name)
    code = (
        "import sys, resource, torch, mypt\nfrom mypt.interop import checkpoints\nfrom mypt.errors import UserError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"try: checkpoints.recognise(__import__('pathlib').Path({str(tmp_path / file_name)!r}))\n"
        "except UserError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    kilobytes = int(done.stdout)
    assert kilobytes < 100_000


@pytest.mark.parametrize("place", ["weights", "beside"])
def test_a_pickle_with_code_is_refused_with_the_reason_and_never_run(place: str, workspace: Path) -> None:
    state: dict[str, object] = dict(modded_state(width=8))
    content: dict[str, object] = {"model": state}
    (state if place == "weights" else content)["evil"] = Attack()
    torch.save(content, workspace / "evil.pt")
    done = command(workspace, "import", "evil.pt", "--model_name", "evil")
    assert done.returncode == 2 and "which could run code" in done.stderr
    assert "Traceback" not in done.stderr and not (workspace / "attacked").exists()
    assert not (workspace / "checkpoints").exists()


def test_a_bare_pickle_with_code_is_refused_as_well(workspace: Path) -> None:
    (workspace / "evil.pt").write_bytes(pickle.dumps({"model": Attack()}))
    done = command(workspace, "import", "evil.pt", "--model_name", "evil")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert not (workspace / "attacked").exists()


def test_a_truncated_file_is_called_damaged(tmp_path: Path) -> None:
    file = write_modded(tmp_path / "a.pt", modded_state(width=8))
    whole = file.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 100):
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match="cut short or damaged"):
            mypt.inspect_checkpoint(file)


def test_a_folder_with_one_checkpoint_is_that_one(tmp_path: Path) -> None:
    write_modded(tmp_path / "best_state_step000125_val3.2500.pt", modded_state(width=8))
    assert mypt.inspect_checkpoint(tmp_path)[0]["checkpoint_format"] == "small"
    write_modded(tmp_path / "state_step000250.pt", modded_state(width=8))
    with pytest.raises(
        UserError, match=r"holds several checkpoints: best_state_.*\.pt, state_step000250\.pt; name one"
    ):
        mypt.inspect_checkpoint(tmp_path)


def test_names_of_weights_are_shown_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": {"a\x1b[31m": torch.ones(1)}}, tmp_path / "a.pt")
    with pytest.raises(UserError) as refused:
        mypt.inspect_checkpoint(tmp_path / "a.pt")
    assert "\x1b" not in str(refused.value) and r"a\x1b[31m" in str(refused.value)
    state = modded_state(width=8)
    write_modded(tmp_path / "b.pt", state | {"x\x1bc": torch.ones(1)})
    with pytest.raises(UserError) as refused:
        mypt.inspect_checkpoint(tmp_path / "b.pt")
    assert "\x1b" not in str(refused.value)
