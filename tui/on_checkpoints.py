"""What one can do with a checkpoint: on the screen that shows them, and by name from where that is one screen away."""

from __future__ import annotations

from tui.actions import Action

AREA = "Checkpoints"
CHECKPOINT = (
    Action("mark", "space", "Mark", "Mark the checkpoint for comparing, or unmark it", AREA),
    Action("compare", "v", "Compare", "The marked ones side by side, or the last with its gold", AREA),
    Action("sample", "g", "Sample", "Let this one write, or two marked ones side by side", AREA),
    Action("fine_tune", "f", "Fine-tune", "Train a new model from this one", AREA, changes=True),
    Action("resume", "r", "Resume", "Go on training this model from its last checkpoint", AREA, changes=True),
    Action("export", "e", "Export", "Write this checkpoint in a format of others", AREA, changes=True),
    Action("import_checkpoint", "i", "Import", "Bring a checkpoint of others in", AREA, changes=True),
    Action("classifier", "F", "Classifier", "Make a text classifier of this model", AREA, changes=True),
    Action("rename", "R,f2", "Rename", "Give the model another name, log and all", AREA, changes=True),
    Action(
        "delete",
        "D,delete",
        "Delete",
        "Delete this checkpoint, the whole model, or those that are marked",
        AREA,
        changes=True,
    ),
)
