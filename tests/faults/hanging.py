"""A disk that does not answer: everything that is asked of it below a folder waits for as long as a switch is there.

`python tests/faults/hanging.py SWITCH WORKSPACE` is `mypt-tui` on such a disk.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CALLS = ("stat", "lstat", "open", "scandir", "listdir", "mkdir", "rename", "replace", "unlink", "access")


def install(root: Path, switch: Path) -> None:
    """From now on, calls of this process below `root` wait while `switch`, which lies elsewhere, exists.

    Where the thread of the screen is the one that waits, the file beside the switch says what it asked for.
    """
    below, look = f"{os.path.realpath(root)}{os.sep}", os.stat
    told = switch.with_suffix(".screen")

    def waits() -> bool:
        try:
            look(switch)
        except OSError:
            return False
        return True

    def hanging(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            asked = args[0] if args else kwargs.get("path")
            if isinstance(asked, str | os.PathLike):
                path = os.path.join(os.getcwd(), os.fspath(asked))  # noqa: PTH118, PTH109 - a Path would ask itself
                if f"{path}/".startswith(below) and waits():
                    if threading.current_thread() is threading.main_thread():
                        with open(told, "a") as file:  # noqa: PTH123
                            traceback.print_stack(file=file)
                    while waits():
                        time.sleep(0.02)
            return call(*args, **kwargs)

        return called

    for name in _CALLS:
        setattr(os, name, hanging(getattr(os, name)))
    io.open = hanging(io.open)


if __name__ == "__main__":
    from tui.cli import main

    install(Path(sys.argv[2]), Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
