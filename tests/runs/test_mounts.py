from __future__ import annotations

from pathlib import Path

import pytest

from mypt.runs.mounts import locks_reach_everyone

TABLE = """\
22 1 0:21 / / rw,relatime - ext4 /dev/vda rw
23 22 0:22 / /home rw - nfs4 server:/home rw,vers=4.2,local_lock=none,addr=10.0.0.1
24 22 0:23 / /old rw - nfs server:/old rw,vers=3,nolock,local_lock=all
25 22 0:24 / /flock rw - nfs server:/flock rw,vers=3,local_lock=flock
26 22 0:25 / /ssh rw shared:5 - fuse.sshfs me@there:/ rw,user_id=0
27 22 0:26 / /scratch rw - lustre 10.0.0.2@tcp:/s rw,flock
28 22 0:27 / /quick rw - lustre 10.0.0.2@tcp:/q rw,localflock
29 22 0:28 / /windows\\040share rw - cifs //pc/share rw,nobrl
30 22 0:29 / /usb rw - fuseblk /dev/sdb1 rw
31 22 0:30 / /home/covered rw - 9p host rw
not a line of the table
"""


@pytest.mark.parametrize(
    ("place", "reach"),
    [
        ("/anywhere/x", True),
        ("/home/me/work", True),
        ("/homely", True),
        ("/old/work", False),
        ("/flock/work", False),
        ("/ssh/work", False),
        ("/scratch/work", True),
        ("/quick/work", False),
        ("/windows share/work", False),
        ("/usb/work", True),
        ("/home/covered/work", False),
    ],
)
def test_locks_reach_as_far_as_the_mount_lets_them(tmp_path: Path, place: str, reach: bool) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)
    assert locks_reach_everyone(Path(place), table) is reach


def test_where_nothing_is_known_the_kernel_is_believed(tmp_path: Path) -> None:
    assert locks_reach_everyone(tmp_path, tmp_path / "none")
    assert locks_reach_everyone(tmp_path)
