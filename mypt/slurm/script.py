"""The batch file of a run: text that a person can read, edit and give to sbatch again. Pure."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from mypt import signals
from mypt.bundle import MANIFEST
from mypt.errors import Problem
from mypt.launch.place import RANKS_VARIABLE
from mypt.runs.attach import RUN_DIR_VARIABLE
from mypt.runs.directory import RunDirectory, runs_folder
from mypt.settings import fields
from mypt.settings.fields import Rule
from mypt.settings.resolved import Resolved
from mypt.slurm.ask import LEAD_S, Ask

_SHORT = 48
# What a checkpoint decides when it is resumed need not be said again.
_TAKEN = (Rule.LIVE, Rule.TRAINING, Rule.DEVICE)


def batch_file(ask: Ask, run: Resolved, directory: RunDirectory, python: str) -> str:
    """The whole file for a run whose record lies in `directory`, trained by the interpreter `python`."""
    named, saved = shlex.quote(run.model_name), shlex.quote(f"checkpoints/{run.model_name}/{MANIFEST}")
    train = ["srun", "--kill-on-bad-exit=1", python, "-P", "-m", "mypt", "train"]
    begin, go_on = run.argv(), _going_on(run)
    lines = [
        "#!/bin/bash",
        f"# Trains {named}. Written by mypt submit; edited, it can be given to sbatch again.",
        "",
        *_directives(ask, run, directory),
        "",
        f"cd {shlex.quote(str(run.workspace))} || exit",
        "# The run's record, log and output are found by this.",
        f"export {RUN_DIR_VARIABLE}={shlex.quote(str(directory.path))}",
        "# One that is submitted anew after its end is not to stop any more; one that is started again has not ended yet.",
        f'[ "${{SLURM_RESTART_COUNT:-0}}" != 0 ] || [ ! -e "${RUN_DIR_VARIABLE}/{directory.exit_file.name}" ] ||',
        f'    rm -f "${RUN_DIR_VARIABLE}/{directory.stop_file.name}"',
        f'rm -f "${RUN_DIR_VARIABLE}/{directory.exit_file.name}"',
        "# Each process uses the cores that it is given, and no more.",
        "export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}",
        "export OMP_NUM_THREADS=$SRUN_CPUS_PER_TASK",
        "",
    ]
    if begin == go_on:
        lines += ["# Begins, or goes on from the newest checkpoint.", _words("flags", begin)]
    else:
        lines += [
            "# Begins so, until it has saved a checkpoint of its own,",
            _words("flags", begin),
            "# and goes on so from the newest.",
            f'[ -e "${RUN_DIR_VARIABLE}/began" ] || touch "${RUN_DIR_VARIABLE}/began"',
            f'if [ {saved} -nt "${RUN_DIR_VARIABLE}/began" ]; then',
            *(f"    {line}" for line in _words("flags", go_on).splitlines()),
            "fi",
        ]
    asked, ended = signals.STATUS["SIGUSR1"], signals.STATUS["SIGTERM"]
    lines += [
        "",
        "# Processes that stop together end with 0, so that srun kills none that still saves; the first one tells more.",
        f'export {RANKS_VARIABLE}="${RUN_DIR_VARIABLE}/ranks"',
        f'mkdir -p "${RANKS_VARIABLE}" && rm -f "${RANKS_VARIABLE}"/*',
        "status=0",
        f'{shlex.join(train)} "${{flags[@]}}" || status=$?',
        f'[ "$status" != 0 ] || [ ! -s "${RANKS_VARIABLE}/exit-0" ] || status=$(cat "${RANKS_VARIABLE}/exit-0")',
        "",
        f"# Told of the time limit it has saved and ended with {asked}, and with {ended} where another job takes its place.",
        f'if [ "$status" = {ended} ] && [ ! -e "${RUN_DIR_VARIABLE}/{directory.stop_file.name}" ] &&',
        "    scontrol show job \"$SLURM_JOB_ID\" | grep -q ' PreemptTime=[0-9]'; then",
        f"    status={asked}",
        f'    printf \'{{"code": %d}}\' "$status" > "${RUN_DIR_VARIABLE}/{directory.exit_file.name}"',
        "fi",
        "# Then it queues again, and goes on.",
        f'if [ "$status" = {asked} ]; then',
        '    scontrol requeue "$SLURM_JOB_ID" && exit 0',
        "fi",
        "# What ended before it could say how.",
        f'[ -e "${RUN_DIR_VARIABLE}/{directory.exit_file.name}" ] ||',
        f'    printf \'{{"code": %d}}\' "$status" > "${RUN_DIR_VARIABLE}/{directory.exit_file.name}"',
        'exit "$status"',
    ]
    return "\n".join(lines) + "\n"


def _directives(ask: Ask, run: Resolved, directory: RunDirectory) -> list[str]:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", run.model_name)[:_SHORT]
    groups: list[tuple[str, list[tuple[str, str | None]]]] = [
        ("What squeue shows: the model, and the run", [("job-name", name), ("comment", directory.run_id)]),
        (
            "What it gets: nodes, and on each as many processes",
            [
                ("nodes", ask.nodes),
                ("ntasks-per-node", ask.tasks),
                ("gpus-per-node", ask.gpus_per_node),
                ("cpus-per-task", ask.cpus_per_task),
            ],
        ),
        (
            "For how long, where, and who pays",
            [("time", ask.time), ("partition", ask.partition), ("account", ask.account), ("qos", ask.qos)],
        ),
        (
            f"{LEAD_S} s before the time limit it is told to save; pre-empted, or on a node that fails, it queues again",
            [("signal", f"USR1@{LEAD_S}"), ("requeue", None)],
        ),
        (
            "What it prints, over all its starts",
            [("output", _quoted(str(directory.console).replace("%", "%%"))), ("open-mode", "append")],
        ),
    ]
    lines: list[str] = []
    for comment, pairs in groups:
        said = [
            f"#SBATCH --{flag}{'' if value is None else f'={value}'}" for flag, value in pairs if value != ""
        ]
        if said:
            lines += [*([""] if lines else []), f"# {comment}", *said]
    return lines


def _going_on(run: Resolved) -> list[str]:
    """The flags of a start after the first save: those that a resume may take, and none that would begin anew."""
    request = run.request
    kept = {name: value for name, value in request.given.items() if fields.rule(name) in _TAKEN}
    again = dataclasses.replace(
        request, init_from_model=None, resume_from="last", reset_optimizer=False, given=kept
    )
    return dataclasses.replace(run, request=again).argv()


def _words(name: str, words: Sequence[str]) -> str:
    """A bash array, a flag with its value a line."""
    lines: list[str] = []
    for word in words:
        if word.startswith("--") or not lines:
            lines.append(f"    {shlex.quote(word)}")
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return "\n".join([f"{name}=(", *lines, ")"])


def _quoted(text: str) -> str:
    """A value as sbatch reads it in a file: in double quotes where a character would end it."""
    if re.fullmatch(r"[A-Za-z0-9_./%+=:@,-]+", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def preview(ask: Ask, run: Resolved, python: str) -> str:
    """The file as it would be: nothing is recorded yet, so the run has no name."""
    return batch_file(ask, run, RunDirectory(runs_folder(run.workspace) / "RUN"), python)


def problems(ask: Ask, workspace: Path) -> list[Problem]:
    """Everything that keeps a batch file from being written for `ask` in this workspace."""
    found = ask.problems()
    if any(ord(char) < 32 for char in str(workspace)):
        found.append(
            Problem("its path holds a control character, which no batch file can name", field="workspace")
        )
    return found
