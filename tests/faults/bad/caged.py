"""Within the cage: children are forked that read bad files until one breaks them.

`python -m tests.faults.bad.caged READER NUMBER` reads one spoiled file again, and shows what comes of it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.asking import fork
from tests.faults.bad.cage import Outcome
from tests.faults.bad.judge import Reader, judged
from tests.faults.bad.odd import put, remove, restless
from tests.faults.bad.readers import READERS, warm
from tests.faults.rounds import SEED, draw

#: What a reader may take beyond what the process holds before it reads.
MEMORY = 700 << 20
#: Seconds of processor and of clock that one input may take; a machine under load is slow, a pipe waits for ever.
CPU_S, WALL_S = 10.0, 40.0
_MOST_FAULTS = 25


@dataclass(frozen=True)
class Inputs:
    """Bad inputs of a reader by number: spoiled files, or (`odd`) what is no file at all."""

    reader: str
    corpus: Path
    odd: bool = False

    @property
    def how(self) -> Reader:
        """Who reads them."""
        return READERS[self.reader]

    def held(self) -> dict[Path, bytes]:
        """The good files, by their place below the corpus."""
        return {file.relative_to(self.corpus): file.read_bytes() for file in self.how.files(self.corpus)}

    def read(self, number: int, place: Path, held: dict[Path, bytes]) -> tuple[tuple[Path, ...], str | None]:
        """Make input `number` in `place`, let it be read, and put the good files back: which were bad, and the verdict."""
        names = self.make(number, place, held)
        with contextlib.ExitStack() as around:
            if self.odd and self.how.oddities(self.corpus)[number][1] == "restless":
                around.enter_context(restless(place / names[0], held[names[0]]))
            verdict = judged(self.how, place, names, draw("read", self.reader, number))
        if self.odd:
            # What an error's frames held, files and all.
            gc.collect()
        if self.how.writes:
            shutil.rmtree(place)
            shutil.copytree(self.corpus, place)
        for name in names:
            remove(place / name)
            (place / name).write_bytes(held[name])
        return names, verdict

    def make(self, number: int, place: Path, held: dict[Path, bytes]) -> tuple[Path, ...]:
        """Make input `number` of the good files in `place`; which were made bad."""
        if self.odd:
            name, kind = self.how.oddities(self.corpus)[number]
            put(place / name, kind)
            return (name,)
        changed = self.how.spoil(held, draw("bad", self.reader, number))
        for name, data in changed.items():
            (place / name).write_bytes(data)
        return tuple(changed)


def read_all(inputs: Inputs, numbers: Iterable[int], folder: Path, kept: Path) -> Outcome:
    """Fork children until all were read; one that dies names the input that killed it."""
    outcome, begin, waiting = Outcome(), time.monotonic(), list(numbers)
    progress, result = folder / "progress", folder / "result"
    while waiting and len(outcome.faults) < _MOST_FAULTS:
        result.unlink(missing_ok=True)
        progress.write_text("0")
        status = _in_child(_reading(inputs, waiting, folder / "place", progress, result))
        done = int(progress.read_text())
        told = [json.loads(line) for line in result.read_text().splitlines()] if result.exists() else []
        outcome.faults += [fault for fault in told if "what" in fault]
        outcome.refused += sum("refused" in fault for fault in told)
        if status != 0:
            outcome.faults.append({"number": waiting[done], "what": _death(status)})
            done += 1
        outcome.inputs += done
        waiting = waiting[done:]
    outcome.seconds = time.monotonic() - begin
    for fault in outcome.faults:
        fault["reader"] = inputs.reader
        keep(inputs, fault["number"], kept / f"{inputs.reader}-{SEED}-{fault['number']}{'-odd' * inputs.odd}")
    return outcome


def _death(status: int) -> str:
    why = {-signal.SIGPROF: f"took {CPU_S:.0f} s of processor", -signal.SIGALRM: f"hung for {WALL_S:.0f} s"}
    return why.get(status, f"the process ended with {status}")


def keep(inputs: Inputs, number: int, where: Path) -> None:
    """Put the files of one input where they can be read again."""
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(inputs.corpus, where)
    inputs.make(number, where, inputs.held())


def _in_child(do: Callable[[], None]) -> int:
    def done() -> int:
        try:
            do()
        except BaseException:
            traceback.print_exc()
            raise
        return 0

    return os.waitstatus_to_exitcode(os.waitpid(fork(done), 0)[1])


def make_corpus(reader: str, corpus: Path) -> None:
    """The good files of a reader, made in a child, since who writes them may leave things behind in its process."""

    def make() -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        aside, copy = corpus.with_name(f"{corpus.name}.new"), corpus.with_name(f"{corpus.name}.good")
        aside.mkdir(parents=True)
        READERS[reader].make(aside)
        shutil.copytree(aside, copy)
        for number in range(4):
            if (told := judged(READERS[reader], copy, (), draw("good", reader, number))) != "":
                raise AssertionError(f"good files are not read by {reader}: {told}")
        shutil.rmtree(copy)
        aside.rename(corpus)

    if not corpus.exists() and (status := _in_child(make)) != 0:
        raise RuntimeError(f"the good files of {reader} could not be made ({status})")


def _reading(
    inputs: Inputs, numbers: list[int], place: Path, progress: Path, result: Path
) -> Callable[[], None]:
    def read() -> None:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(inputs.corpus, place)
        held, tell, faults = inputs.held(), os.open(progress, os.O_WRONLY), 0
        gc.collect()
        gc.freeze()
        _limit()
        with result.open("w", buffering=1) as told:
            for done, number in enumerate(numbers):
                os.pwrite(tell, f"{done:<12}".encode(), 0)
                signal.setitimer(signal.ITIMER_PROF, CPU_S)
                signal.setitimer(signal.ITIMER_REAL, WALL_S)
                _, verdict = inputs.read(number, place, held)
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.setitimer(signal.ITIMER_REAL, 0)
                if verdict is None:
                    told.write('{"refused": 1}\n')
                elif verdict:
                    told.write(json.dumps({"number": number, "what": verdict}) + "\n")
                    faults += 1
                    if faults >= _MOST_FAULTS:
                        break
            os.pwrite(tell, f"{done + 1:<12}".encode(), 0)

    return read


def _limit() -> None:
    held = {name: int(value.split()[0]) << 10 for name, value in _status().items() if name in _LIMITS}
    for name, limit in _LIMITS.items():
        if name in held:
            resource.setrlimit(limit, (held[name] + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


_LIMITS = {"VmSize": resource.RLIMIT_AS, "VmData": resource.RLIMIT_DATA}


def _status() -> dict[str, str]:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def replay(reader: str, number: int) -> None:
    """Read one spoiled file again, here and without limits, and show what comes of it."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, place = Path(folder) / "corpus", Path(folder) / "place"
        make_corpus(reader, corpus)
        shutil.copytree(corpus, place)
        inputs = Inputs(reader, corpus)
        names, verdict = inputs.read(number, place, inputs.held())
    print(*names, verdict or "is told as it should be", sep="\n")


def main() -> None:
    """Answer each line of standard input."""
    warm()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        folder, reader = Path(asked["folder"]), asked["reader"]
        inputs = Inputs(reader, folder / "corpus" / reader, asked.get("odd", False))
        make_corpus(reader, inputs.corpus)
        first, count = asked["first"], asked["count"]
        numbers = range(first, first + count)
        if inputs.odd:
            numbers = range(first, len(inputs.how.oddities(inputs.corpus)), count)
        answers.write(json.dumps(vars(read_all(inputs, numbers, folder, Path(asked["kept"])))) + "\n")


if __name__ == "__main__":
    replay(sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 2 else main()
