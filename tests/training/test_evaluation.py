"""What evaluations look at: sets, masks, and every valid token once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.training.runs import train
from tests.workbench import (
    SHAPE,
    TINY,
    events,
    ids_of,
    story,
    write_dataset,
)


def test_masks_are_learned_from_only_where_asked(workspace: Path) -> None:
    ids = ids_of(story(1500))
    write_dataset(workspace / "data" / "a", train=[ids], val=[ids[:300]], mask="<u4")
    flags = [*SHAPE, *TINY[-8:], "--dataset_dir", "data/a", "--max_iters", "2"]
    assert train(workspace, "--model_name", "on", *flags, "--use_loss_mask") == 0
    assert train(workspace, "--model_name", "off", *flags) == 0
    losses = [events(workspace, name, "eval")[0]["val_loss"] for name in ("on", "off")]
    assert losses[0] != losses[1] and all(np.isfinite(losses))
