"""What one can do on the screen, by key, in the palette and in `?`. All keys are such as a text field leaves alone."""

from __future__ import annotations

from tui.actions import Action

_AREA = "Sample"
FORGET = Action(
    "forget", "f8", "Forget", "Delete all kept prompts and texts of this workspace", _AREA, False, True
)

ACTIONS: tuple[Action, ...] = (
    Action(
        "write",
        "f5,ctrl+s",
        "Write",
        "Let the model go on from the prompt, as ⏎ does there",
        _AREA,
        False,
    ),
    Action(
        "again", "ctrl+r", "Again", "The last prompt once more: another text, unless a seed is set", _AREA
    ),
    Action("choose", "ctrl+o", "Checkpoint", "Choose another checkpoint to write", _AREA),
    Action("beside", "f3", "Beside", "A second checkpoint beside the first, or one alone again", _AREA),
    Action("settings", "f2", "Settings", "Temperature, length, seed and the like", _AREA),
    Action("copy", "ctrl+y", "Copy", "Copy the last text", _AREA),
    Action("clear", "ctrl+l", "Clear", "Put the texts away; prompts stay within reach", _AREA),
    Action("newer", "ctrl+n", "Newer", "Load what has been saved since", _AREA, False),
    Action("swap", "f9", "Swap", "Left becomes right", _AREA, False),
    Action("start", "f4", "Start again", "Start the model process again after it has ended", _AREA, False),
    FORGET,
    Action("back", "escape", "Back", "Stop what is being written; then back to where you came from", _AREA),
)
"""The most important first, since not all fit the last line."""

EMPTY_ACTIONS: tuple[Action, ...] = (ACTIONS[-1],)
"""Where there is no checkpoint yet."""

WRITING_ACTIONS: tuple[Action, ...] = (
    Action("back", "escape", "Stop", "Write no more; what is there stays", _AREA),
    *ACTIONS[2:-1],
)
"""While a text is being written: stopping comes first."""
