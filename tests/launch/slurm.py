"""A real SLURM on this machine: its controller, a node and its key service, in a folder of the test's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "squeue", "scontrol", "sinfo")
_PATIENCE_S = 60.0
# Where the services listen, two a cluster: below the ports that ranks meet at, and those that the system hands out.
_FIRST_PORT, _CLUSTERS, _JOBS = 19_000, 60, 200
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def missing() -> str:
    """Why there can be no SLURM here; empty where there can."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return "" if os.geteuid() == 0 else "SLURM's services want to be started as root here"


class Turf:
    """What a cluster has for itself on this machine while it is there: ports, and numbers of jobs."""

    def __init__(self) -> None:
        import fcntl

        for number in range(_CLUSTERS):
            file = (Path(tempfile.gettempdir()) / f"mypt-test-slurm-{number}.lock").open("w")
            self.ports = _FIRST_PORT + 2 * number, _FIRST_PORT + 2 * number + 1
            # Ranks meet at a port that is computed from the job's number.
            self.first_job = number * _JOBS + 1
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for port in self.ports:
                    with socket.socket() as listener:
                        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        listener.bind(("", port))
                self._held = file
                return
            file.close()
        raise RuntimeError("there are as many clusters on this machine as there can be")

    def leave(self) -> None:
        """Let others have it."""
        self._held.close()


class Slurm:
    """Runs from construction until `close`: one node, a partition `p`, and `urgent` that pre-empts what runs in `p`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        host = socket.gethostname().partition(".")[0]
        self.configuration = folder / "slurm.conf"
        self._turf = Turf()
        self._start_munge()
        for name in ("state", "spool"):
            (folder / name).mkdir()
        lines = {
            "ClusterName": "test",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": self._turf.ports[0],
            "SlurmdPort": self._turf.ports[1],
            "FirstJobId": self._turf.first_job,
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self._socket}",
            "CryptoType": "crypto/munge",
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "StateSaveLocation": folder / "state",
            "SlurmdSpoolDir": folder / "spool",
            "SlurmctldPidFile": folder / "slurmctld.pid",
            "SlurmdPidFile": folder / "slurmd.pid",
            "SlurmctldLogFile": folder / "slurmctld.log",
            "SlurmdLogFile": folder / "slurmd.log",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "SelectType": "select/cons_tres",
            "ReturnToService": 2,
            "MailProg": "/bin/true",
            "SchedulerParameters": "sched_interval=1,bf_interval=1",
            "PreemptType": "preempt/partition_prio",
            "PreemptMode": "REQUEUE",
        }
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        text += f"NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN\n"
        text += f"PartitionName=p Nodes={host} Default=YES MaxTime=INFINITE State=UP GraceTime=60\n"
        text += f"PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10\n"
        self.configuration.write_text(text)
        for name, *flags in (("slurmctld", "-c", "-D"), ("slurmd", "-D")):
            self._start(name, *flags)
        self._wait_until_idle()

    @property
    def environment(self) -> dict[str, str]:
        """What tells SLURM's commands which one is meant."""
        return {"SLURM_CONF": str(self.configuration), "PATH": _PATH}

    def call(self, *command: str, cwd: Path | None = None) -> str:
        """What a command of SLURM's prints; raises CalledProcessError."""
        return subprocess.run(
            command,
            env={**os.environ, **self.environment},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=True,
        ).stdout

    def close(self) -> None:
        """Cancel what runs, and end the services."""
        with contextlib.suppress(subprocess.SubprocessError):
            self.call("scancel", "--signal=KILL", "--full", "--user=root")
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        self._turf.leave()

    def _start_munge(self) -> None:
        own = self.folder / "munge"
        own.mkdir(mode=0o755)
        key = own / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        self._socket = own / "socket"
        # Nobody else may be able to write where the key and the socket lie, up to the root; a test's folder is not.
        self._start(
            "munged",
            "--foreground",
            "--force",
            f"--key-file={key}",
            f"--socket={self._socket}",
            f"--pid-file={own / 'pid'}",
            f"--seed-file={own / 'seed'}",
            f"--log-file={own / 'log'}",
        )
        deadline = time.monotonic() + _PATIENCE_S
        while not self._socket.exists():
            assert time.monotonic() < deadline, (
                (own / "log").read_text() if (own / "log").exists() else "munged"
            )
            time.sleep(0.05)

    def _start(self, name: str, *flags: str) -> None:
        program = shutil.which(name, path=_PATH)
        assert program is not None
        with (self.folder / f"{name}.out").open("wb") as output:
            self._processes.append(
                subprocess.Popen(
                    [program, *flags],
                    env={**os.environ, "SLURM_CONF": str(self.configuration), "PATH": _PATH},
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )

    def _wait_until_idle(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            with contextlib.suppress(subprocess.SubprocessError):
                if "idle" in self.call("sinfo", "--noheader", "--format=%T"):
                    return
            assert time.monotonic() < deadline, "no node became idle"
            time.sleep(0.2)
