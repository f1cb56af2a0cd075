"""A run that holds its model, has a record and logs, and has nothing to train: `python … WORKSPACE MODEL [SKEW_S]`.

It goes on until it is asked to stop. With a skew its log's time of change lies so many seconds off the clock, as where
the machine that keeps the files has a clock of its own.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from mypt import events
from mypt.events import LogWriter
from mypt.runs.attach import attach, finish
from mypt.runs.directory import stop_requested
from mypt.runs.lock import ModelLock
from mypt.runs.record import RunRecord

COMMAND = ("-P", str(Path(__file__)))
"""What python runs."""


def launched(workspace: Path, model: str, *, queue: bool = False) -> RunRecord:
    """The record of such a run, started as the dashboard starts a training, or put into the queue."""
    # What runs logs alone, and need not load this.
    from mypt.launch.start import launch

    return launch(
        workspace,
        [str(workspace), model],
        model_name=model,
        log_file=_log(workspace, model),
        settings={},
        queue=queue,
        program=COMMAND,
    )


def _log(workspace: Path, model: str) -> Path:
    return workspace / "logs" / "train" / f"{model}_eval.jsonl"


def main() -> None:
    """Log twenty times a second."""
    workspace, model = Path(sys.argv[1]), sys.argv[2]
    skew = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    path = _log(workspace, model)
    with ModelLock(workspace, model).acquire(command=sys.argv) as lock, LogWriter(path) as log:
        run = attach(workspace, model, path, sys.argv, {})
        lock.name_run(run.run_id)
        config = {"max_iters": 10**6, "start_step": 0, "tokens_per_step": 64}
        log.write(events.TrainingStart(config=config, run_id=run.run_id))
        step = 0
        while (reason := stop_requested(run)) is None:
            step += 1
            log.write(events.Train(iter=step, elapsed_s=step / 20, train_loss=1.0))
            if skew:
                os.utime(path, (time.time() + skew,) * 2)
            time.sleep(0.05)
        log.write(events.TrainingStopped(iter=step, reason=reason))
    finish(run, 0)


if __name__ == "__main__":
    main()
