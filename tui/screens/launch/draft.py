"""What a person has chosen and typed so far, as one plain value: it becomes a request, a command line, a run. No Textual."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mypt.slurm.ask import Ask

if TYPE_CHECKING:
    from mypt.settings.resolve import Request, Resolved

GIVEN_BY = "form"
MOST_PROCESSES = 1024


@dataclass(frozen=True, slots=True)
class Draft:
    """The form at one moment. `data` is (setting, value), or None where preset or checkpoint decide; `given` is text.

    It is to run in `processes` here, or as `slurm` says.
    """

    model_name: str = ""
    preset: str | None = None
    base: str | None = None
    resume_from: str = "last"
    data: tuple[str, str] | None = None
    given: dict[str, str] = field(default_factory=dict)
    processes: int = 1
    slurm: Ask | None = None

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


def arguments(resolved: Resolved, processes: int = 1) -> list[str]:
    """What `mypt train` is given to train it in so many processes."""
    return [*resolved.argv(), *(["--nproc", str(processes)] if processes > 1 else [])]


def command(resolved: Resolved, draft: Draft) -> str:
    """The line that does the same in a shell."""
    if draft.slurm is not None:
        return shlex.join(["mypt", "submit", *draft.slurm.argv(), *resolved.argv()])
    return shlex.join(["mypt", "train", *arguments(resolved, draft.processes)])


def data_of(path: str, workspace: Path) -> tuple[str, str]:
    """The setting that a typed path means: a folder is a dataset, anything else a text.

    Of what is not there its name tells: texts have an ending.
    """
    if path.startswith("builtin:"):
        return ("input_file", path)
    typed = Path(path).expanduser()
    full = workspace / typed
    value = str(typed) if path.startswith("~") else path
    is_folder = full.is_dir() or (bool(path) and not full.suffix and not full.exists())
    return ("dataset_dir" if is_folder else "input_file", value)
