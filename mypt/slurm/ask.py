"""What is asked of SLURM for a run: nodes, processes, time, and who pays; as text that flags and forms hand over. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from mypt.errors import Problem

LEAD_S = 120
"""How long before its time limit a run is told to save and to queue again."""
HELP = {
    "nodes": "how many machines",
    "gpus_per_node": "GPUs on each machine, one process a GPU",
    "ntasks_per_node": "processes on each machine, where it is not one a GPU",
    "cpus_per_task": "cores for each process",
    "time": "the job's time limit; the run saves two minutes before it, queues again and goes on",
    "partition": "the partition of the cluster",
    "account": "the account that is charged",
    "qos": "the quality of service",
}
"""Each of the fields of `Ask`, for people."""
# SLURM looks at limits once a minute, so the signal may come a minute earlier than asked for.
_LEAST_S = 300
_MOST = 100_000
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_WORD = re.compile(r"[A-Za-z0-9_.,:@+/=-]+")
_DIRECTIVE = re.compile(r"\s*#SBATCH\s+--([a-z-]+)[=\s]+(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of SLURM, as text: whole numbers, a time as SLURM writes it, names; empty where unsaid."""

    nodes: str = "1"
    gpus_per_node: str = ""
    ntasks_per_node: str = ""
    cpus_per_task: str = ""
    time: str = ""
    partition: str = ""
    account: str = ""
    qos: str = ""

    @property
    def ranks(self) -> int:
        """How many processes share the training. Needs an `Ask` without problems."""
        return int(self.nodes) * int(self.tasks)

    @property
    def tasks(self) -> str:
        """Processes on each node: one a GPU unless said otherwise."""
        return self.ntasks_per_node or self.gpus_per_node or "1"

    def argv(self) -> list[str]:
        """The flags of `mypt submit` that ask for the same; what it does by default is not said."""
        asked = [(part.name, getattr(self, part.name), part.default) for part in fields(self)]
        return [
            word
            for name, text, usual in asked
            if text != usual
            for word in (f"--{name.replace('_', '-')}", text)
        ]

    @classmethod
    def from_json(cls, value: Any) -> Ask | None:
        """What `dataclasses.asdict` made of one; None where it is none."""
        names = {part.name for part in fields(cls)}
        if not isinstance(value, Mapping) or not all(isinstance(value.get(name), str) for name in names):
            return None
        return cls(**{name: value[name] for name in names})

    @classmethod
    def of_file(cls, text: str) -> Ask:
        """What a batch file asks for by its directives, also one that a person has edited."""
        known = {part.name for part in fields(cls)}
        found = {
            name: match[2]
            for line in text.splitlines()
            if (match := _DIRECTIVE.fullmatch(line)) and (name := match[1].replace("-", "_")) in known
        }
        ask = cls(**found)
        # What would be so without being said.
        return replace(ask, ntasks_per_node="") if ask.ntasks_per_node == (ask.gpus_per_node or "1") else ask

    def problems(self) -> list[Problem]:
        """Everything that is wrong with it."""
        found = []
        for name in ("nodes", "gpus_per_node", "ntasks_per_node", "cpus_per_task"):
            text = getattr(self, name)
            asked = text or name == "nodes"
            if asked and not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= _MOST):
                remedy = f"use a number from 1 to {_MOST}" + (", or leave it away" if name != "nodes" else "")
                found.append(Problem("must be a whole number", field=name, value=text, remedy=remedy))
        if self.time and (seconds := seconds_of(self.time)) is None:
            remedy = "write HH:MM:SS, D-HH:MM:SS or minutes"
            found.append(
                Problem("is not a time as SLURM writes it", field="time", value=self.time, remedy=remedy)
            )
        elif self.time and seconds is not None and seconds < _LEAST_S:
            message = (
                f"leaves no time to train: {LEAD_S} s before its end, or a minute earlier, the run saves"
            )
            remedy = f"use at least {_LEAST_S // 60} minutes"
            found.append(Problem(message, field="time", value=self.time, remedy=remedy))
        for name in ("partition", "account", "qos"):
            text = getattr(self, name)
            if text and not _WORD.fullmatch(text):
                message = "is not a name of SLURM's"
                found.append(Problem(message, field=name, value=text, remedy="sinfo and sacctmgr list them"))
        return found


def seconds_of(text: str) -> int | None:
    """A time limit (minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS) in seconds; None where it is none."""
    match = _TIME.fullmatch(text)
    if match is None or not text.isascii() or len(text) > 20:
        return None
    days, *parts = match.groups()
    known = [int(part) for part in parts if part is not None]
    if days is not None:
        hours, minutes, seconds = (*known, 0, 0)[:3]
    elif len(known) == 3:
        hours, minutes, seconds = known
    else:
        hours, (minutes, seconds) = 0, (*known, 0)[:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
