"""Which of the processes that train one model together this one is, as torchrun or SLURM's srun say it. No torch."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mypt.errors import UserError
from mypt.fsio import write_atomic
from mypt.runs.identity import ProcessIdentity

RANKS_VARIABLE = "MYPT_RANKS"
"""The environment variable in which `mypt train --nproc` names the folder where its ranks say what becomes of them."""

# Where srun names no port: one that every rank computes alike from the job's number, below those that systems hand out.
_FIRST_PORT, _PORTS = 20_000, 12_000


@dataclass(frozen=True, slots=True)
class Place:
    """One of `world` processes: `rank` among all, `local_rank` among those on this machine.

    `address` and `port` are where rank 0 is heard of.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    address: str = "127.0.0.1"
    port: int = 0

    def say_started(self) -> None:
        """Tell whoever launched the ranks which process this one is; nobody is told where nobody asked."""
        # How an attempt before this one ended tells nothing of it.
        self._say("exit", "")
        self._say("pid", json.dumps(ProcessIdentity.of_self().to_json()))

    def say_ended(self, code: int) -> None:
        """Tell whoever launched the ranks with which status this one ends."""
        self._say("exit", str(code))

    def _say(self, what: str, text: str) -> None:
        folder = os.environ.get(RANKS_VARIABLE)
        if folder:
            with contextlib.suppress(OSError):
                write_atomic(Path(folder) / f"{what}-{self.rank}", text)

    @property
    def alone(self) -> bool:
        """Whether this process trains by itself."""
        return self.world == 1


def here(environment: Mapping[str, str] | None = None) -> Place:
    """This process's place. Raises `UserError` where what started it contradicts itself."""
    known = os.environ if environment is None else environment
    if "RANK" in known and "WORLD_SIZE" in known:
        place = Place(
            _whole(known, "RANK"),
            _whole(known, "WORLD_SIZE"),
            _whole(known, "LOCAL_RANK", 0),
            known.get("MASTER_ADDR", "127.0.0.1"),
            _whole(known, "MASTER_PORT", 0),
        )
    elif known.get("SLURM_STEP_ID", "").isdigit() and "SLURM_PROCID" in known:
        # The batch script itself has a SLURM_PROCID too, but is no step with a number.
        job = _whole(known, "SLURM_JOB_ID", 0)
        place = Place(
            _whole(known, "SLURM_PROCID"),
            _whole(known, "SLURM_STEP_NUM_TASKS", 1),
            _whole(known, "SLURM_LOCALID", 0),
            known.get("MASTER_ADDR") or _first_host(known.get("SLURM_STEP_NODELIST", "")),
            _whole(known, "MASTER_PORT", _FIRST_PORT + job % _PORTS),
        )
    else:
        return Place()
    if not 0 <= place.rank < place.world:
        raise UserError(
            f"RANK={place.rank} is none of WORLD_SIZE={place.world}; start it by mypt train --nproc"
        )
    return place


def _whole(known: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = known.get(name, "" if default is None else str(default))
    if not text.isdecimal():
        raise UserError(f"{name}={text}: must be a whole number, as torchrun and srun set it")
    return int(text)


def _first_host(nodes: str) -> str:
    """The first machine of a list as SLURM writes it: "gpu[03-05,9],login" begins with gpu03."""
    head = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\](.*?)(?:,|$))?", nodes)
    if head is None:
        return "127.0.0.1"
    return head[1] + (head[2] or "") + (head[3] or "")
