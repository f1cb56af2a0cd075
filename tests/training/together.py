"""Several ranks of one training, as forked children of a process that has torch loaded already.

As a program it reads lines of JSON from standard input: {"arguments": […], "world": n, "kill": [rank, signal, step]}.
It starts `mypt` with these arguments n times, as torchrun would, sends the signal to that rank once the log has come
to that step, and answers with a line {"statuses": […], "said": […]}: exit statuses as `Popen.returncode` has them and
what was printed, both by rank.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.workbench import environment, last_iter

_PATIENCE_S = 60.0


class Ended(NamedTuple):
    """How a training ended: by rank its exit status and what it printed."""

    statuses: list[int]
    said: list[str]


class Together:
    """Runs `mypt train` in several ranks."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.training.together"],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def train(
        self,
        workspace: Path,
        *arguments: str,
        world: int = 2,
        send: tuple[int, signal.Signals, int] | None = None,
        model: str = "m",
    ) -> Ended:
        """Train `model` in `world` ranks; `send` is which rank gets which signal at which step."""
        asked = {
            "arguments": ["--workspace", str(workspace), "train", "--model_name", model, *arguments],
            "world": world,
            "kill": send and [send[0], int(send[1]), send[2]],
            "model": model,
        }
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return Ended(answer["statuses"], answer["said"])

    def close(self) -> None:
        """End it, and its children with it, whatever they are at."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


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
    code: int = importlib.import_module("mypt.cli").main(asked["arguments"])
    sys.stdout.flush()
    return code


def _answer(asked: dict[str, Any], folder: Path) -> Ended:
    port, world = _free_port(), asked["world"]
    files = [(folder / f"{rank}.txt").open("w+") for rank in range(world)]
    pids: list[int] = []
    for rank, file in enumerate(files):
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                code = _rank(asked, rank, port, file.fileno())
            finally:
                os._exit(code)
        pids.append(pid)
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
    for name in ("mypt.training.session", "mypt.training.already", "mypt.training.follower", "torch._dynamo"):
        importlib.import_module(name)
    for line in sys.stdin:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(_answer(json.loads(line), Path(folder))._asdict()), flush=True)


if __name__ == "__main__":
    main()
