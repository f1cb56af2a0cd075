"""How the state of a run looks, the same on every screen."""

from __future__ import annotations

from mypt.runs.state import RunState

SIGNS = {
    RunState.QUEUED: "◷",
    RunState.STARTING: "◌",
    RunState.RUNNING: "●",
    RunState.FINISHED: "✓",
    RunState.STOPPED: "■",
    RunState.FAILED: "✗",
    RunState.STALLED: "◍",
    RunState.LAST_SEEN: "○",
}
#: A run that a person keeps on top of the list.
PIN = "▴"
Colours = dict[str, str]
"""The theme's variables, by name."""


def state_word(state: RunState) -> str:
    """A state as people say it."""
    return state.value.replace("_", " ")


def state_style(state: RunState, colours: Colours) -> str:
    """The colour of a state: alive, well, in trouble, or quiet."""
    if state in (RunState.RUNNING, RunState.STARTING):
        return f"bold {colours.get('accent', 'green')}"
    if state in (RunState.FAILED, RunState.STALLED):
        return f"bold {colours.get('error', 'red')}"
    if state is RunState.FINISHED:
        return colours.get("primary", "blue")
    return "dim"
