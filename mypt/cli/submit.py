"""Hand a training to SLURM: as mypt train, in a job that saves before its time limit, queues again, and goes on."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import fields as parts
from dataclasses import replace
from pathlib import Path

from mypt.check import check
from mypt.cli import train
from mypt.data.source import vocabulary_rows
from mypt.errors import UserError, raise_for
from mypt.estimate import parameters
from mypt.housekeeping import recover
from mypt.runs.lock import held_by
from mypt.settings.checks import check_shares
from mypt.slurm.ask import HELP, Ask
from mypt.slurm.script import preview, problems
from mypt.slurm.submit import FAILS_THEN, submit
from mypt.text import printable

_SHOWN = {
    "nodes": "N",
    "gpus_per_node": "G",
    "ntasks_per_node": "K",
    "cpus_per_task": "C",
    "time": "HH:MM:SS",
    "partition": "P",
    "account": "A",
    "qos": "Q",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is asked of SLURM, and every setting of a training."""
    job = parser.add_argument_group("SLURM")
    for name, text in HELP.items():
        default = "1" if name == "nodes" else ""
        usual = " [1]" if name in ("nodes", "ntasks_per_node") else ""
        job.add_argument(f"--{name}", default=default, metavar=_SHOWN[name], help=text + usual)
    group = train.add_request(parser)
    group.add_argument("--dry_run", action="store_true", help="print the batch file, and submit nothing")
    train.add_settings(parser)


def run(options: argparse.Namespace, workspace: Path) -> int:
    """Submit what the flags ask for, after what is wrong was found."""
    ask = Ask(**{part.name: getattr(options, part.name) for part in parts(Ask)})
    asked_of_slurm = problems(ask, workspace)
    plain = {name: value for name, value in vars(options).items() if name not in HELP}
    request = train.request_of(argparse.Namespace(**plain))
    if not options.dry_run:
        for sentence in recover(workspace):
            print(printable(f"Note: {sentence}"))
    try:
        found, data = check(request, workspace)
    except UserError as error:
        raise UserError(*asked_of_slurm, *error.problems) from None
    raise_for(asked_of_slurm)
    check_shares(found.settings, ask.ranks, field="ntasks_per_node")
    if options.dry_run:
        print(preview(ask, found, sys.executable), end="")
        return 0
    for notice in [*found.notices, *data.notices]:
        print(printable(f"Note: {notice}"))
    if held := held_by(workspace, found.model_name):
        print(f"Note: {held}: {FAILS_THEN}")
    rows = vocabulary_rows(found, data.tokenizer)
    done = submit(ask, found, found.summary(parameters(replace(found.config, vocab_size=rows))))
    name, file = shlex.quote(found.model_name), done.file.relative_to(workspace)
    processes = f"{ask.ranks} process{'' if ask.ranks == 1 else 'es'}"
    print(
        printable(f"{found.model_name} waits in SLURM as job {done.job}: {processes} on {ask.nodes} node(s)")
    )
    print(printable(f"  Batch file: {file}"))
    print(printable(f"  Watch:      mypt-tui, or mypt status --filter {name}, or squeue -j {done.job}"))
    print(printable(f"  Output:     {done.record.directory(workspace).console.relative_to(workspace)}"))
    print(f"  Cancel:     s in mypt-tui (saves first), or scancel {done.job}")
    return 0
