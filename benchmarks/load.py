"""The dashboard under load: many runs that write at once, and a workspace of many checkpoints and logs."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.dashboard import tui, write_run
from benchmarks.terminal import Terminal
from mypt.events import LogWriter

_WRITERS = """
import sys, time
from pathlib import Path
from mypt import events
from mypt.events import LogWriter
runs, each = int(sys.argv[2]), float(sys.argv[3])
logs = [LogWriter(Path(sys.argv[1]) / f"live_{n:02}_eval.jsonl") for n in range(runs)]
step, began = 4000, time.perf_counter()
while True:
    step += 1
    for log in logs:
        log.write(events.Train(iter=step, elapsed_s=step/10, tokens_processed=step*4096, lr=1e-3, train_loss=0.5,
                  grad_norm=0.5, tokens_per_sec=40960.0))
    time.sleep(max(0.0, began + (step - 4000) * each - time.perf_counter()))
"""
_OPEN = """
import json, sys, time
from pathlib import Path
from tui.app import MyptApp
from tui.screens.checkpoints.screen import CheckpointsScreen
told = {"started": float(sys.argv[1])}
class A(MyptApp):
    def _display(self, *what):
        super()._display(*what)
        if self.live.workspace.runs:
            told.setdefault("runs", time.time())
        if len(self.live.bundles) == int(sys.argv[2]):
            told.setdefault("bundles", time.time())
    def on_dashboard_settled(self):
        told["settled"] = time.time()
        self.set_interval(0.05, self.look)
    def look(self):
        if "bundles" in told:
            told["logs"] = len(self.live.workspace.runs)
            Path("told.json").write_text(json.dumps(told))
            self.exit()
A(Path.cwd()).run()
"""


def busy(runs: int = 20, a_second: float = 50.0, seconds: float = 20.0) -> None:
    """CPU beside `runs` logs that grow by `a_second` events a second each."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        logs = workspace / "logs" / "train"
        for number in range(runs):
            with LogWriter(logs / f"live_{number:02}_eval.jsonl") as log:
                write_run(log, 40, complete=False)
        writer = subprocess.Popen([sys.executable, "-c", _WRITERS, str(logs), str(runs), str(1 / a_second)])
        try:
            with Terminal([tui()], workspace) as terminal:
                terminal.drain(8.0)
                before, began = terminal.cpu_s(), time.perf_counter()
                terminal.drain(seconds)
                used = 100 * (terminal.cpu_s() - before) / (time.perf_counter() - began)
        finally:
            writer.kill()
            writer.wait()
    print(f"CPU, {runs} runs that log {a_second:g} events a second each: {used:.1f} % of a core; goal < 15 %")


def listing(checkpoints: int = 1000, logs: int = 500, rounds: int = 3) -> None:
    """From the start to all checkpoints and logs being listed."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        for number in range(logs):
            with LogWriter(workspace / "logs" / "train" / f"run_{number:03}_eval.jsonl") as log:
                write_run(log, 40)
        for number in range(checkpoints):
            _bundle(workspace / "checkpoints" / f"run_{number:04}")
        first, all_logs, all_bundles = [], [], []
        for _ in range(rounds + 1):
            command = [sys.executable, "-c", _OPEN, str(time.time()), str(checkpoints)]
            with Terminal(command, workspace) as terminal:
                terminal.wait()
            told = json.loads((workspace / "told.json").read_text())
            assert told["logs"] == logs
            first.append(told["runs"] - told["started"])
            all_logs.append(told["settled"] - told["started"])
            all_bundles.append(told["bundles"] - told["started"])
        print(
            f"{checkpoints} checkpoints and {logs} logs: the first runs on the screen {_median(first)} s after the start, "
            f"all logs read after {_median(all_logs)} s, all checkpoints known after {_median(all_bundles)} s; "
            "goal 1 s, the visible part first"
        )


def _bundle(path: Path) -> None:
    """A bundle's metadata, and files in place of its weights: nobody opens these to list it."""
    path.mkdir(parents=True)
    config = {
        "batch_size": 8,
        "block_size": 64,
        "vocab_size": 64,
        "n_embd": 32,
        "n_head": 2,
        "n_layer": 2,
        "dropout": 0.0,
        "bias": False,
        "tie_weights": True,
    }
    state = {"step": 100, "optimizer_file": "optimizer.pt", "training_config": {"max_iters": 100}}
    (path / "config.json").write_text(json.dumps(config))
    (path / "training_state.json").write_text(json.dumps(state))
    (path / "tokenizer.json").write_text('{"token_kind": "gpt2"}')
    for name in ("model.pt", "optimizer.pt"):
        (path / name).write_bytes(b"\0" * 4096)


def _median(values: list[float]) -> str:
    return f"{statistics.median(values[1:]):.2f}"


def main() -> None:
    """Both."""
    print(f"load ({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})")
    busy()
    listing()


if __name__ == "__main__":
    main()
