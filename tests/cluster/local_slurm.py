"""A real Slurm on this machine: munged, slurmctld and one slurmd, on loopback, for tests.

    python -m tests.cluster.local_slurm start|stop FOLDER

Root only. Everything lives in FOLDER, but for links in /etc/slurm: the executor's jobs drop `SLURM_CONF` before they
call `srun`. The node pretends to have two GPUs, which are /dev/null by other names: enough for `CUDA_VISIBLE_DEVICES`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
ETC = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf")
DAEMONS = ("slurmd", "slurmctld", "munged")  # in the order of stopping
NICE = ["nice", "-n", str(max(0, 5 - os.nice(0)))]  # jobs do not go before other work on the machine

# proctrack/pgid ends what has lost its parent too (linuxproc does not, and cgroups may not be had in a container).
# config_overrides: the node may claim more than the machine has. MinJobAge: there are no accounts to ask instead.
CONF = """
ClusterName=test
SlurmctldHost={host}({address})
SlurmUser=root
SlurmdUser=root
SlurmctldPort=26817
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/node
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0
ReturnToService=2
SlurmctldTimeout=20
SlurmdTimeout=60
MinJobAge=3600
KillWait=2
GresTypes=gpu
AccountingStorageType=accounting_storage/none
NodeName=n1 NodeHostname={host} NodeAddr={address} Port=26818 CPUs=4 RealMemory=16000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=n1 Default=YES MaxTime=INFINITE State=UP
"""
GRES = "NodeName=n1 Name=gpu File={folder}/nvidia[0-1]\n"


def why_not() -> str | None:
    """Why no Slurm can be started here; None if it can."""
    if os.getuid() != 0:
        return "not root"
    if not shutil.which("slurmctld") and not shutil.which("apt-get"):
        return "neither Slurm nor apt-get is here"
    taken = [ETC / name for name in FILES if (ETC / name).exists() and not _left_over(ETC / name)]
    return f"{taken[0]} belongs to another Slurm ({taken[0].resolve().parent})" if taken else None


def _left_over(path: Path) -> bool:
    """A link of this module's making whose daemons are gone, as after a kill and a restart."""
    return path.is_symlink() and not any(LocalSlurm(path.resolve().parent).running(daemon) for daemon in DAEMONS)


def install() -> None:
    """The Debian packages, if they are not there, without starting their services."""
    if all(shutil.which(program) for program in ("munged", "slurmctld", "slurmd", "sbatch")):
        return
    policy = Path("/usr/sbin/policy-rc.d")
    if not policy.exists():
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
    subprocess.run([*apt, "update"], check=True, env=environment)
    command = [*apt, "install", "-y", "--no-install-recommends", *PACKAGES]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class LocalSlurm:
    """The daemons whose files are in a folder."""

    folder: Path

    def start(self) -> None:
        """Write the configuration and start the daemons; returns when the node takes jobs."""
        host = socket.gethostname().split(".")[0]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        for number in range(2):
            subprocess.run(["mknod", "-m", "666", self.folder / f"nvidia{number}", "c", "1", "3"], check=True)
        key = self.folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(os.urandom(1024))
        (self.folder / "slurm.conf").write_text(CONF.format(host=host, address="127.0.0.1", folder=self.folder))
        (self.folder / "gres.conf").write_text(GRES.format(folder=self.folder))
        ETC.mkdir(exist_ok=True)
        for name in FILES:
            (ETC / name).unlink(missing_ok=True)  # a left-over
            (ETC / name).symlink_to(self.folder / name)
        options = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
        options |= {"log-file": "munged.log", "seed-file": "munged.seed"}
        named = [f"--{name}={self.folder / file}" for name, file in options.items()]
        subprocess.run(["munged", "--force", *named], check=True, stderr=subprocess.DEVNULL)
        _until(lambda: (self.folder / "munge.socket").exists(), 10, "munged does not start")
        self.start_controller()
        (self.folder / "node").mkdir(exist_ok=True)
        subprocess.run([*NICE, "slurmd", "-N", "n1"], check=True)
        _until(lambda: "idle" in output("sinfo", "--noheader", "--format=%t"), 30, "the node does not come up")

    def start_controller(self) -> None:
        """Start slurmctld, as after a crash if it has run before; returns when it answers."""
        (self.folder / "controller").mkdir(exist_ok=True)
        subprocess.run(["slurmctld"], check=True)
        _until(lambda: "is UP" in output("scontrol", "ping"), 30, "slurmctld does not answer")

    def kill_controller(self) -> None:
        """End slurmctld by SIGKILL: what it has not saved is lost, the jobs run on."""
        self._end("slurmctld", signal.SIGKILL)

    def stop(self) -> None:
        """End the jobs and the daemons, and remove the links."""
        if "is UP" in output("scontrol", "ping"):
            output("scancel", "--user=root", "--full")
            _until(lambda: not output("squeue", "--noheader"), 30, "jobs do not end")
        for daemon in DAEMONS:
            self._end(daemon, signal.SIGTERM)
        for name in FILES:
            if (ETC / name).resolve() == (self.folder / name).resolve():
                (ETC / name).unlink()

    def running(self, daemon: str) -> int | None:
        """The process number of a daemon that was started here and runs."""
        try:
            pid = int((self.folder / f"{daemon}.pid").read_text())
            program = Path(f"/proc/{pid}/exe").resolve().name
        except (OSError, ValueError):
            return None
        return pid if program.startswith(daemon) else None  # Debian's is slurmctld-wlm

    def _end(self, daemon: str, number: signal.Signals) -> None:
        """Signal a daemon and wait for its end."""
        pid = self.running(daemon)
        if pid is not None:
            os.kill(pid, number)
            _until(lambda: not Path(f"/proc/{pid}").exists(), 20, f"{daemon} does not end")


def output(*command: str) -> str:
    """What a command of Slurm prints; nothing if it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def _until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.1)


if __name__ == "__main__":
    slurm = LocalSlurm(Path(sys.argv[2]).absolute())
    if sys.argv[1] == "start":
        reason = why_not()
        if reason:
            sys.exit(f"no Slurm can be started: {reason}")
        install()
        slurm.start()
    else:
        slurm.stop()
