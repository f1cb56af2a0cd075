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

# Where srun names no port: one that every rank computes alike from the job's number, outside of the usual ones.
_FIRST_PORT, _PORTS = 20_000, 20_000


@dataclass(frozen=True, slots=True)
class Place:
    """One of `world` processes: `rank` among all, `local_rank` among the `local_world` on this machine.

    `address` and `port` are where rank 0 is heard of; `job` is SLURM's number of it where srun started this.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1
    address: str = "127.0.0.1"
    port: int = 0
    job: str = ""

    def say_started(self) -> None:
        """Tell whoever launched the ranks which process this one is; nobody is told where nobody asked."""
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
            _whole(known, "LOCAL_WORLD_SIZE", 1),
            known.get("MASTER_ADDR", "127.0.0.1"),
            _whole(known, "MASTER_PORT", 0),
        )
    elif known.get("SLURM_STEP_ID", "").isdigit() and "SLURM_PROCID" in known:
        # The batch script itself has a SLURM_PROCID too, but is no step with a number.
        job = known.get("SLURM_JOB_ID", "")
        place = Place(
            _whole(known, "SLURM_PROCID"),
            _whole(known, "SLURM_STEP_NUM_TASKS", 1),
            _whole(known, "SLURM_LOCALID", 0),
            _tasks_here(known),
            known.get("MASTER_ADDR") or _first_host(known.get("SLURM_STEP_NODELIST", "")),
            _whole(known, "MASTER_PORT", _FIRST_PORT + int(job or 0) % _PORTS),
            job,
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


def _tasks_here(known: Mapping[str, str]) -> int:
    """How many ranks this machine has, of "2(x3),1": on three machines two, on the fourth one."""
    counts: list[int] = []
    for number, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", known.get("SLURM_STEP_TASKS_PER_NODE", "1")):
        counts += [int(number)] * int(times or 1)
    node = _whole(known, "SLURM_NODEID", 0)
    return counts[node] if node < len(counts) else 1


def _first_host(nodes: str) -> str:
    """The first machine of a list as SLURM writes it: "gpu[03-05,9],login" begins with gpu03."""
    head = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\](.*?)(?:,|$))?", nodes)
    if head is None:
        return "127.0.0.1"
    return head[1] + (head[2] or "") + (head[3] or "")
