"""A `mypt` command as a process of its own: weights and torch stay out of the dashboard. No Textual here."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mypt.launch.start import environment
from mypt.text import printable

_KEPT_LINES = 200
_MOST_OUTPUT = 4 * 1024 * 1024
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended: its status, what it wrote to standard output, and the last lines of standard error
    (printable).
    """

    code: int
    out: str
    errors: tuple[str, ...]


async def run_mypt(
    workspace: Path, arguments: Sequence[str], said: Callable[[str], None] = lambda line: None
) -> Outcome:
    """Run `mypt` with these arguments in `workspace`; `said` hears each line of standard error as it comes.

    Cancelling ends the process too: it is asked to stop, and killed where it does not.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "mypt", "--workspace", str(workspace), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=workspace,
        env={**environment(), "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        out, errors = await asyncio.gather(_whole(process.stdout), _lines(process.stderr, said))
        code = await process.wait()
    except asyncio.CancelledError:
        await _end(process)
        raise
    return Outcome(code, out, tuple(errors))


async def _whole(stream: asyncio.StreamReader) -> str:
    parts: list[bytes] = []
    length = 0
    while part := await stream.read(65536):
        # What is read beyond any sense is read, so that the process goes on, and dropped.
        if length < _MOST_OUTPUT:
            parts.append(part)
            length += len(part)
    return b"".join(parts).decode("utf-8", "replace")


async def _lines(stream: asyncio.StreamReader, said: Callable[[str], None]) -> list[str]:
    """The last lines; of one that is written over by carriage returns every version is heard and the last kept."""
    lines: list[str] = []
    rest = ""
    while part := await stream.read(4096):
        rest += part.decode("utf-8", "replace").replace("\r\n", "\n")
        *ended, rest = rest.split("\n")
        for line in ended:
            shown = printable(line.rstrip("\r").rpartition("\r")[2], newline=False)
            lines.append(shown)
            said(shown)
        del lines[:-_KEPT_LINES]
        if "\r" in rest and (latest := rest.rstrip("\r").rpartition("\r")[2]):
            said(printable(latest, newline=False))
    if rest.strip():
        lines.append(printable(rest.rpartition("\r")[2], newline=False))
        said(lines[-1])
    return [line for line in lines if line.strip()]


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask the process to stop, and wait until it has: a dashboard that is left cancels once more while this waits."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    loop, killed = asyncio.get_running_loop(), False
    deadline = loop.time() + _PATIENCE_S
    while True:
        try:
            if killed:
                await process.wait()
            else:
                # To the end of its output, so that nothing of its pipes is left to a loop that may be over by then.
                await asyncio.wait_for(process.communicate(), max(deadline - loop.time(), 0.0))
            return
        except TimeoutError:
            killed = True
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        except asyncio.CancelledError:
            continue
