"""The dashboard: how soon it is there, what it costs beside a run, how fast it answers."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.terminal import Terminal
from mypt import events
from mypt.events import LogWriter

# What one key goes through, as their headings are; the first one is seen at the start.
PANELS = (b"Sample", b"Console", b"Config", b"Machine")
_LABEL = """
from textual.app import App
from textual.widgets import Label
class A(App):
    def compose(self):
        yield Label("hello")
    def on_ready(self):
        self.call_after_refresh(self.exit)
A().run()
"""
_OPEN = """
from pathlib import Path
from tui.app import MyptApp
class A(MyptApp):
    def on_dashboard_settled(self):
        self.call_after_refresh(self.exit)
A(Path.cwd()).run()
"""


def fill(workspace: Path, runs: int, evals: int) -> None:
    """Finished runs with logs of an ordinary length."""
    for number in range(runs):
        with LogWriter(workspace / "logs" / "train" / f"run_{number:02}_eval.jsonl") as log:
            write_run(log, evals)


def write_run(log: LogWriter, evals: int, *, complete: bool = True, start: int = 0) -> None:
    """A run of `evals` evaluations with ten train events each."""
    log.write(
        events.TrainingStart(
            config={"max_iters": evals * 100, "start_step": 0}, model={"total_params": 859264}
        )
    )
    for number in range(start, start + evals):
        step = number * 100
        log.write(
            events.Eval(iter=step, elapsed_s=step / 10, tokens_processed=step * 4096, lr=1e-3, progress_pct=0.0,
                        val_loss=4 / (1 + number / 9), train_loss=3.9 / (1 + number / 9), eval_duration_s=0.1)
        )  # fmt: skip
        for inner in range(1, 11):
            now = step + inner * 10
            log.write(
                events.Train(iter=now, elapsed_s=now / 10, tokens_processed=now * 4096, lr=1e-3,
                             train_loss=3.9 / (1 + now / 900), grad_norm=0.5, tokens_per_sec=40960.0)
            )  # fmt: skip
    if complete:
        log.write(events.TrainingComplete(total_steps=evals * 100, final_val_loss=1.0, best_val_loss=1.0))


def startup(pairs: int = 7) -> None:
    """From nothing to complete on the screen, in pairs with an app that shows one label."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        fill(workspace, 20, 40)
        ratios, ours, label = [], [], []
        for _ in range(pairs + 1):
            with Terminal([sys.executable, "-c", _LABEL], workspace) as terminal:
                label.append(terminal.wait())
            with Terminal([sys.executable, "-c", _OPEN], workspace) as terminal:
                ours.append(terminal.wait())
            ratios.append(ours[-1] / label[-1])
        print(
            f"startup, 20 runs: {statistics.median(ours[1:]):.2f} s, one label {statistics.median(label[1:]):.2f} s, "
            f"ratio {statistics.median(ratios[1:]):.2f} ({min(ratios[1:]):.2f} to {max(ratios[1:]):.2f}); goal < 2.5"
        )


_WRITER = """
import sys, time, json
from pathlib import Path
from mypt import events
from mypt.events import LogWriter
log = LogWriter(Path(sys.argv[1])); every = float(sys.argv[2]); step = 4000
while True:
    step += 10
    log.write(events.Train(iter=step, elapsed_s=step/10, tokens_processed=step*4096, lr=1e-3, train_loss=0.5,
              grad_norm=0.5, tokens_per_sec=40960.0))
    if step % 100 == 0:
        log.write(events.Eval(iter=step, elapsed_s=step/10, tokens_processed=step*4096, lr=1e-3, val_loss=0.5,
                  train_loss=0.5, eval_duration_s=0.1))
    time.sleep(every)
"""


def cost(seconds: float = 20.0) -> None:
    """CPU beside a run whose log grows twice a second, with its chart in view, and with nothing going on."""
    for name, busy, goal in (
        ("a running training, chart in view", True, 3.0),
        ("nothing running", False, 1.0),
    ):
        with tempfile.TemporaryDirectory() as folder:
            workspace = Path(folder)
            fill(workspace, 20, 40)
            path = workspace / "logs" / "train" / "live_eval.jsonl"
            with LogWriter(path) as log:
                write_run(log, 40, complete=not busy)
            writer = None
            if busy:
                writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path), "0.5"])
            try:
                with Terminal([tui()], workspace) as terminal:
                    terminal.drain(6.0)
                    before = terminal.cpu_s()
                    terminal.drain(seconds)
                    used = 100 * (terminal.cpu_s() - before) / seconds
            finally:
                if writer:
                    writer.kill()
                    writer.wait()
        print(f"CPU, {name}: {used:.1f} % of a core; goal < {goal:g} %")


def latency(times: int = 15) -> None:
    """From the moment an event is appended to the moment its value is on the screen."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        fill(workspace, 20, 40)
        took = []
        with LogWriter(workspace / "logs" / "train" / "live_eval.jsonl") as log:
            write_run(log, 40, complete=False)
            with Terminal([tui()], workspace) as terminal:
                terminal.drain(4.0)
                for number in range(times):
                    value = 0.1111 + number / 100
                    began = time.perf_counter()
                    log.write(events.Eval(iter=5000 + number, elapsed_s=500.0 + number, val_loss=value))
                    terminal.until(f"{value:.4f}".encode(), 5.0)
                    took.append(time.perf_counter() - began)
                    terminal.drain(0.3 + 0.13 * (number % 5))
        took.sort()
        print(
            f"event on the screen: median {1000 * statistics.median(took):.0f} ms, worst {1000 * took[-1]:.0f} ms; goal < 500"
        )


def keys(presses: int = 60) -> None:
    """A key's answer while a log of 100,000 events loads."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        fill(workspace, 3, 20)
        line = {"event": "train", "iter": 0, "timestamp": "2026-01-01T00:00:00.000000", "elapsed_s": 0.1,
                "tokens_processed": 4096, "lr": 1e-3, "train_loss": 1.0, "grad_norm": 0.5, "tokens_per_sec": 4e4}  # fmt: skip
        path = workspace / "logs" / "train" / "long_eval.jsonl"
        with path.open("w") as file:
            for number in range(1, 100_001):
                file.write(json.dumps({**line, "iter": number, "elapsed_s": number / 10}) + "\n")
        took = []
        with Terminal([tui()], workspace) as terminal:
            terminal.until(b"Runs", 10.0)
            for number in range(presses):
                terminal.press(b"l")
                took.append(terminal.until(PANELS[(number + 1) % len(PANELS)], 5.0))
        took.sort()
        print(
            f"key while 100,000 events load: median {1000 * statistics.median(took):.0f} ms, "
            f"p95 {1000 * took[int(0.95 * len(took))]:.0f} ms; goal < 30"
        )


_LONG = """
import tui, json, sys, time
from pathlib import Path
from tui.app import MyptApp
from tui.chart.widget import Chart
told = {"started": float(sys.argv[1])}
class A(MyptApp):
    def _display(self, *what):
        super()._display(*what)
        told.setdefault("first paint", time.time())
        if any(len(curve.column) for chart in self.screen.query(Chart) for curve in chart.data.curves):
            told.setdefault("shape", time.time())
    def on_dashboard_settled(self):
        told["all"] = time.time()
        # What getrusage tells begins with the memory of the process that started this one.
        lines = Path("/proc/self/status").read_text().splitlines()
        told["mib"] = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
        Path("told.json").write_text(json.dumps(told))
A(Path.cwd()).run()
"""


def million(events_in_log: int = 1_000_000) -> None:
    """A log of a million evaluations (355 MB): its shape, all of it, what it takes, and keys meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        path = workspace / "logs" / "train" / "long_eval.jsonl"
        path.parent.mkdir(parents=True)
        sets = {f"eval_{name}": 2.5 for name in ("general", "domain", "code", "rag")}
        with path.open("w") as file:
            for number in range(events_in_log):
                loss = round(2 + 8 * math.exp(-8 * number / events_in_log), 6)
                line = {"event": "eval", "iter": number * 100, "timestamp": "2026-01-01T00:00:00.000000",
                        "elapsed_s": number * 31.5, "tokens_processed": number * 9830400, "progress_pct": 1.5,
                        "lr": 1.5e-4, "phase": "default", "val_loss": loss, "train_loss": loss - 0.125,
                        **sets, "eval_duration_s": 12.5}  # fmt: skip
                file.write(json.dumps(line) + "\n")
        told = workspace / "told.json"
        for touched in (False, True):
            took: list[float] = []
            argv = [sys.executable, "-c", _LONG, str(time.time())]
            with Terminal(argv, workspace) as terminal:
                terminal.until(b"Runs", 10.0)
                terminal.drain(0.3)
                while not told.exists():
                    if touched:
                        terminal.press(b"l")
                        took.append(terminal.until(PANELS[(len(took) + 1) % len(PANELS)], 5.0))
                    terminal.drain(0.05)
            said = json.loads(told.read_text())
            told.unlink()
            if not touched:
                print(
                    f"{events_in_log:,} evaluations, {path.stat().st_size / 1e6:.0f} MB: first paint "
                    f"{said['first paint'] - said['started']:.2f} s after the start, the shape "
                    f"{said['shape'] - said['first paint']:.2f} s later (goal 0.3), all of it "
                    f"{said['all'] - said['first paint']:.2f} s later (goal 2.5); {said['mib']:.0f} MiB (goal < 200)"
                )
            else:
                took.sort()
                print(
                    f"key while they load ({len(took)} presses): median {1000 * statistics.median(took):.0f} ms, "
                    f"p95 {1000 * took[int(0.95 * len(took))]:.0f} ms; goal < 30"
                )


_CHART = """
import tui, math, random
from textual.app import App
from textual.widgets import Label
from mypt.watch.column import Column
from tui.chart.model import ChartData, Curve, series_color
from tui.chart.widget import Chart
class A(App):
    BINDINGS = [("l", "turn", "Turn")]
    def compose(self):
        yield Label("Sample", id="word")
        yield Chart()
    def on_mount(self):
        self.columns = [Column() for _ in range(5)]
        for step in range(400):
            for n, c in enumerate(self.columns):
                c.append(step, step, step, 4 / (1 + step / 50) + n / 5 + random.random() / 9)
        self.set_interval(0.25, self.redraw)
    def redraw(self):
        for n, c in enumerate(self.columns):
            step = len(c)
            c.append(step, step, step, 4 / (1 + step / 50) + n / 5 + random.random() / 9)
        curves = [Curve(str(n), str(n), series_color(n), c) for n, c in enumerate(self.columns)]
        self.query_one(Chart).show(ChartData(tuple(curves)))
    def action_turn(self):
        word = self.query_one("#word")
        word.update("Console" if word.content == "Sample" else "Sample")
A().run()
"""


def keys_beside_chart(presses: int = 80) -> None:
    """A key's answer while a chart of five series at 200×50 is redrawn four times a second."""
    with tempfile.TemporaryDirectory() as folder:
        took = []
        with Terminal([sys.executable, "-c", _CHART], Path(folder), (200, 50)) as terminal:
            terminal.until(b"Sample", 10.0)
            terminal.drain(1.0)
            for number in range(presses):
                terminal.press(b"l")
                took.append(terminal.until((b"Console", b"Sample")[number % 2], 5.0))
                terminal.drain(0.013 * (number % 7))
        took.sort()
        print(
            f"key while five series are redrawn four times a second: median {1000 * statistics.median(took):.0f} ms, "
            f"p95 {1000 * took[int(0.95 * len(took))]:.0f} ms; goal < 30"
        )


def tui() -> str:
    """The command that opens the dashboard."""
    return str(Path(sys.executable).with_name("mypt-tui"))


def main() -> None:
    """All of them."""
    print(f"dashboard ({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})")
    startup()
    cost()
    latency()
    keys()
    keys_beside_chart()
    million()


if __name__ == "__main__":
    main()
