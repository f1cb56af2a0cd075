"""`python -m tests.faults [PYTEST ARGUMENTS]`: a long round, with a seed that is printed and a report of what was done.

SEED in the environment repeats a round; ROUNDS says how many times as long as the short one of `make test` it is.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from tests.faults.rounds import REPORT_VARIABLE, ROUNDS_VARIABLE, SEED_VARIABLE

LONG = "50"
"""Rounds where nobody says how many."""


def main() -> int:
    """Run the suite in a process of its own, which reads seed and rounds as it starts."""
    seed = os.environ.get("SEED") or str(random.SystemRandom().randrange(10**6))
    rounds = os.environ.get("ROUNDS") or LONG
    for name, value in (("SEED", seed), ("ROUNDS", rounds)):
        if not value.isdecimal():
            print(f"{name} must be a whole number (got {value!r})", file=sys.stderr)
            return 2
    path = Path(os.environ.get("REPORT") or ".pytest_cache/faults.md").absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    print(f"SEED={seed} ROUNDS={rounds}", flush=True)
    environment = {**os.environ, SEED_VARIABLE: seed, ROUNDS_VARIABLE: rounds, REPORT_VARIABLE: str(path)}
    # A long round takes its time: what hangs is found by the time-outs of the processes that tests start.
    words = ["-m", "pytest", "tests/faults", "-o", "timeout=36000", *sys.argv[1:]]
    code = subprocess.run([sys.executable, *words], env=environment, check=False).returncode
    if path.exists():
        print(path.read_text(encoding="utf-8"), end="")
        print(f"SEED={seed} ROUNDS={rounds}; the report is {path}")
    return code


if __name__ == "__main__":
    sys.exit(main())
