"""`mypt-tui [WORKSPACE]`: opens the dashboard."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mypt.starting import hear_again

if TYPE_CHECKING:
    from tui.dashboard import Dashboard

_LOOK_S = 1.0
# What was begun may come to its end, unless the disk is known not to answer; the screen has gone by then.
_WORK_WITHIN_S = 30.0
_LEAVE_WITHIN_S = 3.0
# As `tui.serve` has it, which is imported only where it is wanted: its libraries are an extra.
_SERVED_BY = "MYPT_SERVED_BY"


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
    parser.add_argument(
        "--serve",
        action="store_true",
        help="show it in a browser, on 127.0.0.1 alone and behind a random token in the address",
    )
    parser.add_argument(
        "--port", type=_port, metavar="N", help="where --serve listens; 0 takes any free one [8642]"
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    options = parser.parse_args(argv)
    if options.version:
        from mypt import __version__

        print(f"mypt-tui {__version__}")
        return 0
    workspace = Path(options.workspace)
    if not workspace.is_dir():
        print(f"mypt-tui: {_no_workspace(workspace)}", file=sys.stderr)
        return 2
    if options.port is not None and not options.serve:
        print("mypt-tui: --port belongs to --serve; add that, or leave it out", file=sys.stderr)
        return 2
    if options.serve:
        hear_again()
        return _serve(workspace, readonly=options.readonly, port=options.port)
    server = os.environ.get(_SERVED_BY, "")
    in_browser = server.isdigit() and "WebDriver" in os.environ.get("TEXTUAL_DRIVER", "")
    if not in_browser and not (sys.stdout.isatty() and sys.stdin.isatty()):
        print(
            "mypt-tui: needs a terminal; in a script, use `mypt status`, for a browser --serve",
            file=sys.stderr,
        )
        return 2
    from tui.app import MyptApp

    if in_browser:
        leave = threading.Thread(target=_leave_with_the_server, args=(int(server),), daemon=True)
    else:
        leave = threading.Thread(target=_leave_with_the_terminal, name="mypt-terminal", daemon=True)
    leave.start()
    app = MyptApp(workspace, readonly=options.readonly)
    threading.Thread(target=_leave_at_last, args=(app,), name="mypt-leave", daemon=True).start()
    # What was loaded stays: without it a look for garbage takes no longer than a frame of a chart that is zoomed.
    gc.freeze()
    hear_again()
    app.run()
    return app.return_code or 0


def _port(text: str) -> int:
    if not text.isdigit() or not 0 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no port; name one from 1024 to 65535, or 0 for any free one"
        )
    return int(text)


def _serve(workspace: Path, *, readonly: bool, port: int | None) -> int:
    try:
        from tui.serve import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("textual_serve", "aiohttp"):
            raise
        print(
            f"mypt-tui: --serve needs {error.name}, which is not installed: pip install 'mypt[web]'",
            file=sys.stderr,
        )
        return 2
    return serve(workspace, readonly=readonly, port=port)


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


def _leave_at_last(app: Dashboard) -> None:
    """End some time after it was left, though threads wait for a disk: nothing that they do is lost by a kill."""
    app.left.wait()
    time.sleep(_WORK_WITHIN_S if app.disk_answers else _LEAVE_WITHIN_S)
    os._exit(app.return_code or 0)


def _leave_with_the_server(server: int) -> None:
    """End when the process is gone that shows this dashboard in a browser, however it went."""
    while sys.platform == "win32" or os.getppid() == server:
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LOOK_S)
    os._exit(129)


if __name__ == "__main__":
    sys.exit(main())
