"""The watching core alone in a process: brings its picture of a workspace up to date for each line that it is told.

`python tests/faults/watched.py WORKSPACE`; answers with how many events, runs and bundles it knows.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mypt.watch.inventory import Workspace


def main() -> None:
    """Until standard input ends."""
    picture = Workspace(Path(sys.argv[1]), rescan_s=0.0)
    for _ in sys.stdin:
        picture.poll(1.0)
        while any(run.reading for run in picture.runs):
            picture.poll(1.0)
        bundles = picture.bundles()
        picture.lineage()
        known = {
            "steps": sum(run.history.step for run in picture.runs),
            "runs": len(picture.runs),
            "bundles": len(bundles),
            "bad": sum(run.history.bad_lines for run in picture.runs),
        }
        print(json.dumps(known), flush=True)


if __name__ == "__main__":
    main()
