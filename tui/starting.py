"""Starting runs from a screen: in a thread, with an answer for the person who asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from mypt.bundle import BundleInfo, check_model_name
from mypt.errors import MyptError
from mypt.files import read_file
from mypt.launch.start import CLASSIFY, TRAIN, launch, program_of
from mypt.runs.record import RunRecord
from mypt.runs.state import RunState
from mypt.slurm.ask import Ask
from mypt.text import printable
from mypt.watch.run import Run
from tui.dashboard import Dashboard
from tui.widgets.states import state_word


def start(
    app: Dashboard,
    arguments: Sequence[str],
    model_name: str,
    *,
    said: str,
    log_file: str = "",
    done: Callable[[RunRecord], None] = lambda record: None,
    refused: Callable[[str], None] | None = None,
    program: Sequence[str] = TRAIN,
    queue: bool = False,
) -> None:
    """Start `mypt train` (or another `program`) with these arguments, detached, and say `said`; or say why it did not
    start, to `refused` where somebody wants to hear it. With `queue` it waits for all before it.
    """

    def work() -> None:
        log = log_file or f"logs/train/{model_name}_eval.jsonl"
        try:
            record = launch(
                app.workspace,
                list(arguments),
                model_name=model_name,
                log_file=log,
                settings={},
                queue=queue,
                program=program,
            )
        except (MyptError, OSError) as error:
            why = printable(str(error))
            if refused is not None:
                app.call_from_thread(refused, why)
                return
            app.call_from_thread(app.notify, why, title="It did not start", severity="error", timeout=12)
            return
        app.live.hint()
        app.call_from_thread(done, record)
        app.call_from_thread(app.notify, said)

    app.run_worker(work, thread=True, group="start", exit_on_error=False)


def refuse_resume(name: str, run: Run | None, last: BundleInfo | None) -> str:
    """Why a model cannot go on from its last checkpoint right now, or an empty string where it can."""
    said = printable(name, newline=False)
    # Of a run on another host nobody here knows whether it lives; the lock does, and decides.
    elsewhere = run is not None and run.state is RunState.LAST_SEEN
    if run is not None and run.record is not None and not run.state.is_over and not elsewhere:
        return f"{said} is {state_word(run.state)}; there is nothing to resume"
    if last is None:
        return f"{said} has no last checkpoint here, so it cannot go on"
    if last.problem:
        return f"{said} cannot go on: {last.problem}; {last.remedy}"
    refused = check_model_name(name)
    return f"{said} cannot go on: {refused[0].message}" if refused else ""


def is_done(last: BundleInfo | None) -> bool:
    """Whether a model has made all the steps that it was to make, and the evaluation after them."""
    goal = last.training_config.get("max_iters") if last else None
    return last is not None and isinstance(goal, int) and last.has_done(goal)


def resume(
    app: Dashboard, name: str, run: Run | None, *, done: Callable[[RunRecord], None] = lambda record: None
) -> None:
    """Go on with a model from its last checkpoint, with the settings that it was saved with."""
    log = run.record.log_file if run is not None and run.record is not None else ""
    said = f"{printable(name, newline=False)} goes on"
    if run is not None and run.record is not None and run.record.origin == "slurm":
        submit_again(app, run.record, done=done)
        return
    last = last_bundle(app, name)
    program = CLASSIFY if last is not None and last.is_classifier else TRAIN
    processes = processes_of(run.record) if run is not None and run.record is not None else 1
    several = ["--nproc", str(processes)] if processes > 1 else []
    start(app, ["--model_name", name, *several], name, said=said, log_file=log, done=done, program=program)


def again(app: Dashboard, run: Run, *, done: Callable[[RunRecord], None] = lambda record: None) -> bool:
    """Start a run that never came to a checkpoint once more, as it was started; False where nobody knows how."""
    record = run.record
    if record is not None and record.origin == "slurm":
        submit_again(app, record, done=done)
        return True
    program = program_of(record.command) if record is not None else None
    if record is None or program is None:
        return False
    arguments = record.command[record.command.index(program[-1]) + 1 :]
    said = f"{run.label} is tried again"
    start(app, arguments, run.name, said=said, log_file=record.log_file, done=done, program=program)
    return True


def submit_again(app: Dashboard, record: RunRecord, *, done: Callable[[RunRecord], None]) -> None:
    """Give the batch file of a run to SLURM again, as a person has left it, and say what came of it."""
    name = printable(record.model_name, newline=False)

    def work() -> None:
        from mypt.slurm.submit import resubmit

        try:
            submitted = resubmit(app.workspace, record)
        except (MyptError, OSError) as error:
            why = f"{printable(str(error))}\nE opens the form, where another place can be chosen"
            app.call_from_thread(
                app.notify, why, title="SLURM did not take it", severity="error", timeout=12, markup=False
            )
            return
        app.live.hint()
        app.call_from_thread(done, submitted.record)
        app.call_from_thread(app.notify, f"{name} waits in SLURM as job {submitted.job}", markup=False)

    app.run_worker(work, thread=True, group="start", exit_on_error=False)


class Place(TypedDict):
    """Where a run is to be started, as the form is told."""

    processes: int | None
    slurm: Ask | None


def place_of(app: Dashboard, record: RunRecord | None) -> Place:
    """The place where a run was started; of one that nobody recorded none."""
    if record is None:
        return {"processes": None, "slurm": None}
    ask = None
    if record.origin == "slurm":
        try:
            ask = Ask.of_file(read_file(record.directory(app.workspace).job_file).decode(errors="replace"))
        except OSError:
            ask = Ask()
    return {"processes": processes_of(record), "slurm": ask}


@dataclass(frozen=True, slots=True)
class FilledIn:
    """What a form has to be filled in with to ask for what a run was started with."""

    preset: str | None
    base: str | None
    model_name: str
    given: dict[str, str]
    resume_from: str


def processes_of(record: RunRecord) -> int:
    """How many processes the command of a run asks for."""
    number = (flags_of(record, TRAIN[-1]) or {}).get("nproc", "")
    return int(number) if number.isdecimal() and len(number) < 5 else 1


def filled_in(record: RunRecord) -> FilledIn | None:
    """The command of a run as the form has it; None where it is none of `mypt train`."""
    given = flags_of(record, TRAIN[-1])
    if given is None:
        return None
    for name in ("reset_optimizer", "nproc", "max_restarts"):
        given.pop(name, None)
    return FilledIn(
        preset=given.pop("config_file", None),
        base=given.pop("init_from_model", None),
        model_name=given.pop("model_name", record.model_name),
        resume_from=given.pop("resume_from", "last"),
        given=given,
    )


def flags_of(record: RunRecord, program: str) -> dict[str, str] | None:
    """The flags that a run of `mypt program` was started with, each with its value; None where it is another's."""
    if (found := program_of(record.command)) is None or found[-1] != program:
        return None
    given: dict[str, str] = {}
    name = ""
    for word in record.command[record.command.index(program) + 1 :]:
        if word.startswith("--"):
            flag, equals, value = word[2:].partition("=")
            name = flag.replace("-", "_")
            given[name] = value
            name = "" if equals else name
        elif name:
            given[name], name = word, ""
    return given


def last_bundle(app: Dashboard, name: str) -> BundleInfo | None:
    """The bundle that resuming a model begins with, as the picture of the workspace has it."""
    path: Path = app.workspace / "checkpoints" / name
    return next((info for info in app.live.bundles if info.path == path), None)
