"""Several ranks of one training, as forked children of a process that has torch loaded already.

As a program it reads lines of JSON from standard input: {"arguments": […], "world": n, "kill": [rank, signal, step],
"limit": [rank, bytes]}. That rank may write no larger file. It starts `mypt` with these arguments n times, as torchrun would, sends the signal to that rank once the log has come
to that step, and answers with a line {"statuses": […], "said": […]}: exit statuses as `Popen.returncode` has them and
what was printed, both by rank.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.asking import Asking, fork
from tests.workbench import free_port, last_iter

_PATIENCE_S = 60.0


class Ended(NamedTuple):
    """How a training ended: by rank its exit status and what it printed."""

    statuses: list[int]
    said: list[str]


class Together(Asking):
    """Runs `mypt train` in several ranks."""

    def __init__(self) -> None:
        super().__init__("-m", "tests.training.together")

    def train(
        self,
        workspace: Path,
        *arguments: str,
        world: int = 2,
        send: tuple[int, signal.Signals, int] | None = None,
        limit: tuple[int, int] | None = None,
        model: str = "m",
    ) -> Ended:
        """Train `model` in `world` ranks; `send` is which rank gets which signal at which step.

        `limit` is which rank may write no file of more bytes than that.
        """
        answer = self.ask(
            arguments=["--workspace", str(workspace), "train", "--model_name", model, *arguments],
            world=world,
            kill=send and [send[0], int(send[1]), send[2]],
            limit=limit,
            model=model,
        )
        return Ended(**answer)


def _rank(asked: dict[str, Any], rank: int, port: int, output: int) -> int:
    os.dup2(output, 1)
    os.dup2(output, 2)
    if asked["world"] > 1:
        os.environ.update(
            RANK=str(rank),
            WORLD_SIZE=str(asked["world"]),
            LOCAL_RANK=str(rank),
            LOCAL_WORLD_SIZE=str(asked["world"]),
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(port),
        )
    if asked["limit"] and asked["limit"][0] == rank:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["limit"][1],) * 2)
    code: int = importlib.import_module("mypt.cli").main(asked["arguments"])
    return code


def _answer(asked: dict[str, Any], folder: Path) -> Ended:
    port, world = free_port(), asked["world"]
    files = [(folder / f"{rank}.txt").open("w+") for rank in range(world)]
    pids = [fork(partial(_rank, asked, rank, port, file.fileno())) for rank, file in enumerate(files)]
    if asked["kill"]:
        rank, number, step = asked["kill"]
        workspace = Path(asked["arguments"][1])
        deadline = time.monotonic() + _PATIENCE_S
        while last_iter(workspace, asked["model"]) < step and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(pids[rank], number)
    statuses: dict[int, int] = {}
    deadline = time.monotonic() + _PATIENCE_S
    while len(statuses) < world:
        for pid in pids:
            if pid not in statuses:
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    statuses[pid] = os.waitstatus_to_exitcode(status)
                elif time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    said = []
    for file in files:
        file.seek(0)
        said.append(file.read())
        file.close()
    return Ended([statuses[pid] for pid in pids], said)


def main() -> None:
    """Answer each line of standard input."""
    # What takes seconds to import, once for all children.
    for name in ("session", "already", "follower", "rows"):
        importlib.import_module(f"mypt.training.{name}")
    importlib.import_module("torch.distributed.fsdp")
    for line in sys.stdin:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(_answer(json.loads(line), Path(folder))._asdict()), flush=True)


if __name__ == "__main__":
    main()
