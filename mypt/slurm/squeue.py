"""What SLURM says of jobs: one squeue for all of them, seldom, never waited for; an answer that is late is no answer."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO

from mypt.runs.record import RunRecord
from mypt.text import printable

EVERY_S = 10.0
"""How seldom SLURM's controller is asked."""
LIMIT_S = 8.0
"""How long an answer may take."""
OVER = {
    "COMPLETED": "ended without a word",
    "CANCELLED": "was cancelled",
    "FAILED": "failed",
    "TIMEOUT": "was ended at its time limit",
    "DEADLINE": "was ended at its deadline",
    "NODE_FAIL": "lost its node",
    "BOOT_FAIL": "found no node that boots",
    "OUT_OF_MEMORY": "ran out of memory",
    "PREEMPTED": "was pre-empted",
    "REVOKED": "was given to another cluster",
}
"""SLURM's words for a job that is over, and how it came to that."""
WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"})
"""Its words for a job that waits, or is held."""
_KEPT_S = 60.0
_MOST_BYTES = 4 << 20
_COLUMNS = "%A|%T|%S|%k|%N|%r"
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job as squeue has it, every text printable: `state` in SLURM's word, `start` (seconds since the epoch, None where
    unknown) when it began or is expected to, `run_id` of the run that it trains (empty where it names none).
    """

    number: str
    state: str
    reason: str = ""
    start: float | None = None
    nodes: str = ""
    run_id: str = ""


NO_ANSWER = "squeue gives no answer"
# For who cannot go on without one: a busy controller answers late.
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a run's job at one moment.

    `job` is None where squeue knows it no more. `unanswered` says why squeue told nothing of late (then `job` is what it
    told last); empty where it did. `since_s` is the time in seconds since it began, `starts` when it is expected to.
    """

    job: Job | None = None
    unanswered: str = ""
    since_s: float | None = None
    starts: str = ""


def parse(text: str) -> dict[str, Job]:
    """Jobs by their number from squeue's lines; a line that is none of them is passed over."""
    found: dict[str, Job] = {}
    for line in text.split("\n"):
        number, *rest = line.split("|", 5)
        if len(rest) != 5 or not (number.isascii() and number.isdecimal()):
            continue
        state, start, comment, nodes, reason = (printable(part.strip(), newline=False) for part in rest)
        found[number] = Job(
            number=number,
            state=state.upper(),
            reason="" if reason in ("None", "(null)") else reason,
            start=float(start) if start.isascii() and start.isdecimal() and len(start) < 12 else None,
            nodes="" if nodes == "(null)" else nodes,
            run_id="" if comment == "(null)" else comment,
        )
    return found


class Squeue:
    """Asks for the jobs that are wanted, in the background. One thread uses it."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        every_s: float = EVERY_S,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._clock, self._every_s, self._limit_s = clock, every_s, limit_s
        self._wanted: tuple[str, ...] = ()
        self._asked: tuple[str, ...] = ()
        self._known: frozenset[str] = frozenset()
        self._jobs: dict[str, Job] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._files: tuple[IO[bytes], IO[bytes]] | None = None
        self._asked_at = self._answered_at = float("-inf")
        self._why = ""

    def want(self, numbers: Iterable[str]) -> None:
        """From now on these jobs are asked for; one that is wanted for the first time soon."""
        self._wanted = tuple(dict.fromkeys(numbers))

    def poll(self) -> bool:
        """Take an answer that has come, ask where it is time to; True where what is told may be another than before."""
        news = self._take()
        fresh = not set(self._wanted) <= self._known
        due = self._clock() - self._asked_at >= (1.0 if fresh and not self._why else self._every_s)
        if self._process is None and self._wanted and due:
            news = not self._ask() or news
        return news

    def wait(self, limit_s: float) -> None:
        """Wait for the answer to what is asked now, at most so long: for a picture that is taken once."""
        self.poll()
        until = time.monotonic() + limit_s
        while self._process is not None and time.monotonic() < until:
            time.sleep(0.01)
            self._take()
        if self._process is not None:
            self._drop(NO_ANSWER)

    def told(self, number: str | None, run_id: str) -> Told | None:
        """What is known of the job with this number that trains this run; None while its first answer is awaited."""
        if number is None:
            return Told()
        if number not in self._known:
            return Told(unanswered=self._why) if self._why else None
        job = self._jobs.get(number)
        if job is not None and job.run_id not in ("", run_id):
            # Numbers are given again where a cluster was set up anew, and a comment can be changed: nobody can say.
            return Told(unanswered=f"job {number} has another run's comment there")
        late = self._clock() - self._answered_at > _KEPT_S
        now = time.time()
        begun = job is not None and job.start is not None and job.start <= now
        return Told(
            job,
            (self._why or NO_ANSWER) if late else "",
            now - job.start if job is not None and job.start is not None and begun else None,
            _when(job.start, now) if job is not None and job.start is not None and not begun else "",
        )

    def _ask(self) -> bool:
        """Begin to ask; False where that is not possible."""
        self._asked_at, self._asked = self._clock(), self._wanted
        program = shutil.which("squeue")
        if program is None:
            self._why = "there is no squeue here"
            return False
        files = (tempfile.TemporaryFile(), tempfile.TemporaryFile())  # noqa: SIM115 - closed when the answer is taken
        command = [
            program,
            "--noheader",
            "--states=all",
            f"--jobs={','.join(self._asked)}",
            f"--format={_COLUMNS}",
        ]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=files[0],
                stderr=files[1],
                env={**os.environ, "SLURM_TIME_FORMAT": "%s", "LC_ALL": "C"},
                start_new_session=True,
            )
        except OSError as error:
            for file in files:
                file.close()
            self._why = f"squeue cannot be started: {error.strerror}"
            return False
        self._files = files
        return True

    def _take(self) -> bool:
        if self._process is None or self._files is None:
            return False
        code = self._process.poll()
        if code is None:
            if self._clock() - self._asked_at < self._limit_s:
                return False
            self._drop(NO_ANSWER)
            return True
        out, error = (_read(file) for file in self._files)
        self._forget()
        # So it answers for a single job that it has forgotten.
        if code != 0 and "invalid job id" not in error.lower():
            said = next((line for line in error.splitlines() if line.strip()), f"status {code}")
            self._why = printable(f"squeue fails: {said.strip()[:120]}", newline=False)
            return True
        self._jobs, self._known = parse(out), frozenset(self._asked)
        self._answered_at, self._why = self._clock(), ""
        return True

    def _drop(self, why: str) -> None:
        self._why = why
        if self._process is not None:
            with contextlib.suppress(OSError):
                # Also what a squeue that is a script has started.
                os.killpg(self._process.pid, signal.SIGKILL)
        self._forget()

    def _forget(self) -> None:
        for file in self._files or ():
            file.close()
        self._process, self._files = None, None


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_MOST_BYTES).decode(errors="replace")


def _when(moment: float, now: float) -> str:
    """A moment to come as people say it, in this machine's time."""
    try:
        local = time.localtime(moment)
    except (OverflowError, OSError, ValueError):
        return ""
    return time.strftime("%H:%M" if moment - now < _DAY_S / 2 else "%a %d %b %H:%M", local)


def ask_now(records: Sequence[RunRecord]) -> list[Told]:
    """What is known of the job of each, asked once and waited for."""
    asked = Squeue()
    asked.want([record.job for record in records if record.job is not None])
    asked.wait(_PATIENCE_S)
    return [asked.told(record.job, record.run_id) or Told(unanswered=NO_ANSWER) for record in records]
