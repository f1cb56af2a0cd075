"""`mypt-tui [WORKSPACE]`: opens the dashboard."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_LOOK_S = 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Open the dashboard and return the exit status when it is left."""
    parser = argparse.ArgumentParser(
        prog="mypt-tui", description="Launch, watch and stop the training of your own GPT, in one terminal."
    )
    parser.add_argument(
        "workspace", nargs="?", default=".", help="the folder with configs/, checkpoints/ and logs/ [.]"
    )
    parser.add_argument(
        "--readonly", action="store_true", help="show everything; start, stop and delete nothing"
    )
    parser.add_argument("--version", action="store_true")
    options = parser.parse_args(argv)
    if options.version:
        from mypt import __version__

        print(f"mypt-tui {__version__}")
        return 0
    workspace = Path(options.workspace)
    if not workspace.is_dir():
        print(f"mypt-tui: {_no_workspace(workspace)}", file=sys.stderr)
        return 2
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        print("mypt-tui: needs a terminal; in a script, use `mypt status`", file=sys.stderr)
        return 2
    from tui.app import MyptApp

    threading.Thread(target=_leave_with_the_terminal, name="mypt-terminal", daemon=True).start()
    app = MyptApp(workspace, readonly=options.readonly)
    app.run()
    return app.return_code or 0


def _no_workspace(path: Path) -> str:
    """Why one cannot work in `path`, and what to name instead."""
    from mypt.text import printable

    shown = printable(str(path), newline=False)
    if path.exists():
        there = printable(str(path.parent), newline=False)
        return (
            f"{shown} is a file; name the folder that holds configs/, checkpoints/ and logs/, perhaps {there}"
        )
    return f"{shown}: no such folder; make it first, or name another"


def _leave_with_the_terminal() -> None:
    """End when the terminal is gone. Below `make` and the like the hang-up reaches only the process on top."""
    while os.isatty(0):
        time.sleep(_LOOK_S)
    if sys.platform != "win32":
        os.kill(os.getpid(), signal.SIGHUP)
    os._exit(129)


if __name__ == "__main__":
    sys.exit(main())
