"""What an import would bring, as one JSON object that a program without torch can ask for. No torch here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Preview:
    """A checkpoint as `mypt import --dry_run --json` tells it. `problem` is empty where it can be imported."""

    path: str
    #: What people call the format: "nanoGPT", "Hugging Face Llama".
    title: str = ""
    #: The description that `mypt.inspect_checkpoint` gives, without what stands below.
    info: Mapping[str, Any] = field(default_factory=dict)
    #: Which tokenizer comes along, in words; `tokenizer_known` is false where it has to be named.
    tokenizer: str = ""
    tokenizer_known: bool = False
    #: What a person might not expect.
    notes: tuple[str, ...] = ()
    #: Bytes that the bundle will take.
    size: int = 0
    #: Sentences, one a line: why it cannot be imported.
    problem: str = ""
    #: The folder of the bundle, once it is written.
    imported: str = ""

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=True, allow_nan=True)


def command(
    path: str | os.PathLike[str],
    *,
    model_name: str = "",
    tokenizer: str = "",
    n_head: str = "",
    max_seq_len: str = "",
    dry_run: bool = True,
) -> list[str]:
    """The command whose output `read` understands; it is to be run in the workspace."""
    flags = {"model_name": model_name, "tokenizer": tokenizer, "n_head": n_head, "max_seq_len": max_seq_len}
    given = [f"--{name}={value}" for name, value in flags.items() if value]
    # A path may begin like a flag.
    shown = os.fspath(path)
    shown = os.path.join(os.curdir, shown) if shown.startswith("-") else shown  # noqa: PTH118
    return [sys.executable, "-m", "mypt", "import", shown, *given, "--json", *["--dry_run"] * dry_run]


def read(output: str, errors: str = "") -> Preview:
    """The preview in what the command printed. Where it printed none, `errors` (or that) is the problem."""
    for line in reversed(output.splitlines()):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and isinstance(value.get("path"), str):
            known = {name: value[name] for name in Preview.__dataclass_fields__ if name in value}
            return Preview(**{**known, "notes": tuple(known.get("notes") or ())})
    said = errors.strip() or output.strip() or "the import ended without a word"
    return Preview("", problem=said.removeprefix("mypt: "))
