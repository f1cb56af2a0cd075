"""A training that somebody watches, in a real terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.workbench import TINY, command, environment, events, last_iter, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="terminals are POSIX")]
pexpect = pytest.importorskip("pexpect")


def watched(workspace: Path, *flags: str, **env: str) -> pexpect.spawn:  # type: ignore[name-defined]
    words = command(workspace, "train", "--model_name", "m", *TINY, *flags)
    environ = environment(TERM="xterm-256color", **env)
    environ.pop("NO_COLOR", None) if "NO_COLOR" not in env else None
    return pexpect.spawn(
        words[0],
        words[1:],
        env=environ,
        dimensions=(24, 80),
        encoding="utf-8",
        timeout=120,
        # Under nohup the tests ignore hang-ups, and what they start would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )


@pytest.mark.parametrize("no_colour", [False, True])
def test_colour_and_a_progress_line_out_of_the_way_of_the_log(workspace: Path, no_colour: bool) -> None:
    env = {"NO_COLOR": "1"} if no_colour else {}
    child = watched(workspace, "--max_iters", "4", "--eval_interval", "2", **env)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    shown = child.before
    assert ("\x1b[33m  🏆 New GOLD checkpoint!" in shown) is not no_colour
    assert re.search(r"\r\x1b\[K█*░+ [1-4]/4  loss \d\.\d{4}", shown)
    assert max(len(piece) for piece in re.findall(r"█*░* \d/4 [^\r\n\x1b]*", shown)) < 80
    # The last line is not a remainder of the progress.
    tail = re.sub(r"\x1b\[[0-9;]*[mK]", "", shown).splitlines()[-1]
    assert tail == "  Generate: mypt generate --model_name m"


def test_a_terminal_that_is_closed_stops_a_run_after_it_saved(workspace: Path) -> None:
    child = watched(workspace, "--max_iters", "10000000", "--eval_interval", "1000000")
    assert wait_for(lambda: last_iter(workspace, "m") >= 2)
    os.close(child.child_fd)
    child.closed = child.ptyproc.closed = True  # it would close the number again, whosever it is by then
    _, ended = os.waitpid(child.pid, 0)
    assert os.waitstatus_to_exitcode(ended) == 129
    stop = events(workspace, "m")[-1]
    assert (stop["event"], stop["reason"]) == ("training_stopped", "signal")
    assert f"SIGHUP at step {stop['iter']}" in stop["message"]
    state = json.loads((workspace / "checkpoints" / "m" / "training_state.json").read_text())
    assert state["step"] == stop["iter"] >= 2
