"""`python -m mypt.sampling [WORKSPACE]`: lets the checkpoints of a workspace write for whoever is at the other end."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # Before torch is loaded: threads that spin while they wait take the cores from what trains.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from mypt.sampling.server import main

    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
