"""`python -m benchmarks [NAME …]`: runs the named benchmarks, or all."""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "dashboard",
    "chart",
    "demo",
    "prepare",
    "load",
    "memory",
    "training",
    "ranks",
    "importing",
    "forecast",
)


def main() -> int:
    """Run them one after the other, since they disturb each other."""
    wanted = sys.argv[1:] or NAMES
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in wanted:
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
