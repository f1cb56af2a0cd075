"""Where a run's settings came from in the first place, for its checkpoints to keep."""

from __future__ import annotations

from mypt.settings.resolved import Resolved


def origins(run: Resolved) -> dict[str, str]:
    """Setting → source ("command line", "preset 150M", "base model dante"), defaults left out.

    What a resumed run has from its checkpoint came from where the checkpoint says; where that is an older one, which
    does not say, from the checkpoint.
    """
    before = run.checkpoint.training_state.get("sources") if run.checkpoint else None
    found: dict[str, str] = {}
    for name, effective in run.values.items():
        said: object = str(effective.source)
        if effective.source.kind == "checkpoint" and isinstance(before, dict):
            said = before.get(name, "default")
        if isinstance(said, str) and said != "default":
            found[name] = said
    if run.checkpoint is None and run.base is None and run.settings.tokenization == "char":
        # A preset can only guess how many characters a text has.
        found["vocab_size"] = "the text's characters"
    return found
