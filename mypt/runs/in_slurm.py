"""What state a run is in that SLURM starts: what SLURM tells of its job, beside what the run itself has said. Pure."""

from __future__ import annotations

from mypt.runs.directory import CANCELLED
from mypt.runs.evidence import STALLED_AFTER_S, STARTING_GRACE_S, TRAINS, Evidence, RunState, span
from mypt.runs.identity import Alive
from mypt.runs.record import RunRecord
from mypt.slurm.squeue import OVER, WAITING, Job, Told


def in_slurm(evidence: Evidence, record: RunRecord) -> tuple[RunState, str] | None:
    """The state of a run that SLURM starts; None where its own last word tells more than SLURM does."""
    told = evidence.slurm or Told(unanswered="SLURM was not asked")
    job, said = told.job, evidence.exit is not None or evidence.closing is not None
    if evidence.exit is not None and evidence.exit.reason == CANCELLED:
        # Whoever took it from the queue knows that before SLURM is asked again.
        return None
    if told.unanswered:
        return _unanswered(evidence, record, told)
    if job is None:
        if said:
            return None
        if record.job is None:
            young = evidence.silent_s is not None and evidence.silent_s < STARTING_GRACE_S
            if young:
                return RunState.STARTING, "is being submitted to SLURM"
            return RunState.FAILED, "was never submitted to SLURM"
        when = "without a word (killed?)" if evidence.wrote_event else "before it trained"
        return RunState.FAILED, f"its SLURM job {record.job} ended {when}"
    if job.state in WAITING:
        again = "saved, and queued again in SLURM" if record.started_at else "waits in SLURM"
        start = f"; expected to start {told.starts}" if told.starts else ""
        return RunState.QUEUED, f"{again} (job {job.number}){_reason(job)}{start}"
    if job.state == "CONFIGURING":
        return RunState.STARTING, f"SLURM makes its nodes ready (job {job.number})"
    if job.state in ("SUSPENDED", "STOPPED"):
        return RunState.STALLED, f"suspended by SLURM (job {job.number})"
    if job.state in OVER:
        return _over_in_slurm(evidence, job)
    if evidence.exit is not None:
        if evidence.exit.requeues:
            return RunState.RUNNING, f"has saved, and is queued again by its job (SLURM job {job.number})"
        return None
    return _runs_in_slurm(evidence, told, job)


def _runs_in_slurm(evidence: Evidence, told: Told, job: Job) -> tuple[RunState, str]:
    where = f"on {job.nodes or 'its nodes'} (SLURM job {job.number})"
    silent, since = evidence.silent_s, told.since_s
    # What it said before it was queued again tells nothing of this start.
    fresh = silent is None or not evidence.wrote_event or (since is not None and since <= silent)
    quiet = since if fresh else silent
    if quiet is not None and quiet >= STALLED_AFTER_S:
        return (
            RunState.STALLED,
            f"no word for {span(quiet)}{' since it was started' if fresh else ''} {where}",
        )
    if evidence.stop is not None:
        return RunState.RUNNING, f"is saving and stopping, as requested, {where}"
    if job.state == "COMPLETING":
        return RunState.RUNNING, f"is ending {where}"
    return (RunState.STARTING, f"is starting {where}") if fresh else (RunState.RUNNING, f"{TRAINS} {where}")


def _over_in_slurm(evidence: Evidence, job: Job) -> tuple[RunState, str] | None:
    """The state of a run whose job is over for SLURM."""
    if evidence.exit is not None or evidence.closing is not None:
        return None
    when = "" if evidence.wrote_event else " before it trained"
    state = RunState.STOPPED if job.state == "CANCELLED" else RunState.FAILED
    return state, f"its SLURM job {job.number} {OVER[job.state]}{when}"


def _unanswered(evidence: Evidence, record: RunRecord, told: Told) -> tuple[RunState, str] | None:
    """The state of a run of which SLURM tells nothing: as it was last seen, and never that it is dead."""
    requeues = evidence.exit is not None and evidence.exit.requeues
    if (evidence.exit is not None or evidence.closing is not None) and not requeues:
        return None
    if not requeues and evidence.trainer is Alive.ALIVE:
        return None
    fresh = evidence.silent_s is not None and evidence.silent_s < STALLED_AFTER_S
    if not requeues and evidence.trainer is Alive.OTHER_HOST and evidence.wrote_event and fresh:
        return None
    if told.job is not None:
        doing = told.job.state.lower().replace("_", " ")
    elif requeues:
        doing = "saved before its time limit, to queue again"
    else:
        doing = "training" if evidence.wrote_event else "waiting"
    number = told.job.number if told.job else record.job
    return RunState.LAST_SEEN, f"last seen {doing} in SLURM (job {number}); {told.unanswered}"


def _reason(job: Job) -> str:
    words = _REASONS.get(job.reason, job.reason).replace("JOB", job.number)
    return f": {words}" if words else ""


_REASONS = {
    "Resources": "no node is free for it",
    "Priority": "others are before it",
    "BeginTime": "SLURM lets a while pass",
    "Dependency": "another job is to end first",
    "JobHeldUser": "held; scontrol release JOB lets it go on",
    "JobHeldAdmin": "held by an administrator",
    "ReqNodeNotAvail": "a node that it needs is not available",
    "PartitionDown": "its partition is down",
    "PartitionTimeLimit": "its time limit is above the partition's",
    "PartitionNodeLimit": "it asks for more nodes than the partition has",
    "BadConstraints": "no node can ever give what it asks for",
}
