"""The demo: what a newcomer sees after 15, 30, 60 and 90 seconds."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mypt.events import Sample, read_log


def main() -> None:
    """Start the demo's command, wait, and print the loss and the sample that stood in the log at each moment."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "mypt",
            "train",
            "--config_file",
            "tiny_char",
            "--model_name",
            "demo",
        ]
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        try:
            for moment in (15, 30, 60, 90):
                time.sleep(max(0.0, moment - (time.monotonic() - began)))
                _show(moment, Path(folder) / "logs" / "train" / "demo_eval.jsonl")
        finally:
            process.kill()
            process.wait()


def _show(moment: int, log: Path) -> None:
    found = read_log(log)[0] if log.is_file() else []
    steps = [getattr(event, "iter", 0) for event in found]
    losses = [event.train_loss for event in found if hasattr(event, "train_loss")]
    samples = [event for event in found if isinstance(event, Sample)]
    text = " ".join((samples[-1].prompt + samples[-1].text).split()) if samples else ""
    print(
        f"demo after {moment} s: step {max(steps, default=0)}, loss {losses[-1] if losses else None}: {text[:160]}"
    )


if __name__ == "__main__":
    main()
