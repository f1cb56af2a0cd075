"""torchrun, without what it says to its developers: `python -m mypt.launch.agent FLAGS OF TORCHRUN -- COMMAND`.

Which rank failed first goes into a file for `mypt.launch.torchrun`, which puts it into words.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

from mypt.launch.place import RANKS_VARIABLE


def main() -> int:
    """Run torchrun's agent; 1 where a rank failed."""
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    cut = sys.argv.index("--")
    # Its parser would look for flags of its own among those of the command.
    options = torchrun.parse_args([*sys.argv[1:cut], sys.argv[cut + 1]])  # type: ignore[no-untyped-call]
    options.training_script_args = sys.argv[cut + 2 :]
    try:
        torchrun.run(options)  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        told = {"rank": rank, "code": failure.exitcode}
        (Path(os.environ[RANKS_VARIABLE]) / "failed.json").write_text(json.dumps(told))
        return 1
    except SignalException:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
