"""What a person has chosen and typed so far, as one plain value: it becomes a request, a command line, a run. No Textual."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypt.settings.resolve import Request, Resolved

GIVEN_BY = "form"


@dataclass(frozen=True, slots=True)
class Draft:
    """The form at one moment. `data` is (setting, value), or None where preset or checkpoint decide; `given` is text."""

    model_name: str = ""
    preset: str | None = None
    base: str | None = None
    resume_from: str = "last"
    data: tuple[str, str] | None = None
    given: dict[str, str] = field(default_factory=dict)

    def request(self, without: frozenset[str] = frozenset()) -> Request:
        """What `resolve` is asked; settings named in `without` are left away."""
        from mypt.settings.resolve import Request

        given: dict[str, Any] = dict([self.data]) if self.data else {}
        given |= self.given
        return Request(
            model_name=self.model_name,
            config_file=self.preset,
            init_from_model=self.base,
            resume_from=self.resume_from,
            given={name: value for name, value in given.items() if name not in without},
            given_by=GIVEN_BY,
        )


def arguments(resolved: Resolved) -> list[str]:
    """The flags of `mypt train`; a value that looks like a flag is tied to its own with `=`."""
    found: list[str] = []
    for word in resolved.argv():
        is_value = bool(found) and found[-1].startswith("--") and "=" not in found[-1]
        if is_value and found[-1] != "--reset_optimizer" and word.startswith("-"):
            found[-1] = f"{found[-1]}={word}"
        else:
            found.append(word)
    return found


def command(resolved: Resolved) -> str:
    """The line that does the same in a shell."""
    return shlex.join(["mypt", "train", *arguments(resolved)])


def summary(resolved: Resolved, parameters: int) -> dict[str, Any]:
    """The settings that lists and filters show of a run, as the trainer itself records them."""
    s = resolved.settings
    names = ("max_iters", "learning_rate", "batch_size", "block_size", "grad_accum_steps", "seed", "dropout")
    data = s.dataset_dir or s.input_file or (s.curriculum.phases[0].dataset_dir if s.curriculum else None)
    return {
        **{name: getattr(s, name) for name in names},
        "preset": resolved.preset.label if resolved.preset else None,
        "base": resolved.base.name if resolved.base else None,
        "data": data,
        "parameters": parameters,
    }


def data_of(path: str, workspace: Path) -> tuple[str, str]:
    """The setting that a typed path means: a folder is a dataset, anything else a text."""
    if path.startswith("builtin:"):
        return ("input_file", path)
    typed = Path(path).expanduser()
    full = workspace / typed
    value = str(typed) if path.startswith("~") else path
    return ("dataset_dir" if full.is_dir() else "input_file", value)
