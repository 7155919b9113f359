"""A real Slurm of one node for the tests: installed where that can be, with its own keys, ports and folders."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol", "munged")
PACKAGES = ("slurm-wlm", "munge")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
KillWait=5
InactiveLimit=0
JobRequeue=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def installed() -> bool:
    return all(shutil.which(program) for program in PROGRAMS)


def install() -> None:
    """Bring Slurm where that can be done: by root on Debian. Skips the test elsewhere."""
    if installed():
        return
    if os.name == "nt" or os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"Slurm is not here, and only root on Debian can bring {' and '.join(PACKAGES)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (("update",), ("install", "-y", "--no-install-recommends", *PACKAGES)):
        done = subprocess.run(["apt-get", "-q", *words], capture_output=True, text=True, timeout=400, env=environment)
    if not installed():
        pytest.skip(f"Slurm cannot be installed here: {done.stderr.strip()[-300:]}")


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Start it; yields the environment by which its commands find it."""
    install()
    if os.geteuid() != 0:
        pytest.skip("Slurm's own processes are started by root here")
    host = socket.gethostname().split(".")[0]
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir(parents=True)
    (folder / "munge" / "key").write_bytes(os.urandom(128))
    (folder / "munge" / "key").chmod(0o600)
    configuration = folder / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(host=host, folder=folder, ports=_free_ports(2)))
    munge = [f"--{name}={folder / 'munge' / file}" for name, file in (
        ("socket", "socket"), ("key-file", "key"), ("pid-file", "pid"), ("seed-file", "seed"), ("log-file", "log"),
    )]  # fmt: skip
    programs = (
        ["munged", "--foreground", "--force", *munge],
        ["slurmctld", "-D", "-f", str(configuration)],
        ["slurmd", "-D", "-f", str(configuration), "-N", host],
    )
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    with ExitStack() as stack:
        for program in programs:
            log = stack.enter_context((folder / f"{program[0]}.out").open("w"))
            process = subprocess.Popen(program, stdout=log, stderr=log, env=environment)
            stack.callback(_end, process)
            time.sleep(1.0)
        _wait_until_idle(environment, folder)
        yield environment


def _wait_until_idle(environment: dict[str, str], folder: Path) -> None:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        states = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, env=environment)
        if states.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    logs = "\n".join(path.read_text()[-1500:] for path in sorted(folder.glob("*.out")) + sorted(folder.glob("*.log")))
    raise AssertionError(f"Slurm's node does not come up: {states.stdout}{states.stderr}\n{logs}")


def job_states(environment: dict[str, str], job: str) -> str:
    """What Slurm says of a job."""
    return subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, env=environment).stdout


def waiting(environment: dict[str, str], job: str) -> bool:
    """Whether a job has tasks that run, or wait to."""
    asked = ["squeue", "-h", "-j", job]
    return bool(subprocess.run(asked, capture_output=True, text=True, env=environment).stdout.strip())


def processes(*words: str) -> list[int]:
    """Numbers of the processes in whose command line all words stand."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            line = place.read_text(errors="replace").split("\0")
            if set(words) <= set(line):
                found.append(int(place.parent.name))
    return found


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
