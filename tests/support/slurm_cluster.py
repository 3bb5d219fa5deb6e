"""A SLURM cluster within this machine: a controller and nodes, each a machine of its own as far as its programs see.

Two nodes on one loopback interface would not do: `ray symmetric-run` takes every address of the machine for its own,
refuses to start where Ray already runs, and ends all of the machine's Ray processes at its end. So each node has its
own network, processes, host name and local folder (Linux namespaces), and a bridge joins them. Killing a node's first
process ends all of its processes and its network at once, as when a machine loses power.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

# The daemons' folder is often only on root's path.
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
SLURM_TESTS = "tests/search/executors/ray/test_executor_slurm.py"
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "unshare", "nsenter", "setpriv", "ip")
NETWORK = "10.77.0"
OWN_NAMESPACES = ("--pid", "--net", "--mount", "--mount-proc", "--uts")
SETTINGS = """
ClusterName=apertune
SlurmctldHost=controller({network}.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
"""


def skip_reason() -> str:
    """Returns the reason why no SLURM cluster can be started here, or an empty string when one can."""
    missing = [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]
    if missing:
        return f"{missing[0]} is not installed; Debian's packages: slurm-wlm munge iproute2"
    if importlib.util.find_spec("ray") is None:
        return f"Ray is not installed; run: uv run --extra ray pytest -m slow {SLURM_TESTS}"
    if os.getuid() != 0:
        return "SLURM's daemons start as root only"
    if subprocess.run(["unshare", "--fork", *OWN_NAMESPACES, "true"], capture_output=True, check=False).returncode:
        return "no namespaces can be made here: unshare must be allowed"
    return ""


class Machine:
    """Namespaces that look like a machine to what runs in them, and end with this process."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        # Each machine sees a folder of its own in this place.
        local = folder / "local"
        self.own = folder / name
        self.own.mkdir()
        # The first process of the namespaces ends with `unshare`, which ends with this process.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child", *OWN_NAMESPACES]
        self._holder = subprocess.Popen([*command, "sleep", "infinity"])
        self.first_process = self._wait_for_first_process()
        self.run("hostname", name)
        self.run("mount", "--bind", str(folder / "hosts"), "/etc/hosts")
        self.run("mount", "--bind", str(self.own), str(local))
        self.run("ip", "link", "set", "lo", "up")

    def _wait_for_first_process(self) -> int:
        while True:
            assert self._holder.poll() is None, f"no machine {self.name} could be made"
            for child in psutil.Process(self._holder.pid).children():
                if child.name() == "sleep":
                    return child.pid
            time.sleep(0.05)

    def command(self, *words: str, folder: Path | None = None) -> list[str]:
        """Returns a command line that runs this one on the machine."""
        inside = ["nsenter", "--target", str(self.first_process), "--pid", "--net", "--mount", "--uts", "--"]
        return [*inside, "env", "-C", str(folder or "/"), f"PATH={PATH}", *words]

    def run(self, *words: str, folder: Path | None = None) -> str:
        """Runs a command on the machine and returns what it prints."""
        done = subprocess.run(self.command(*words, folder=folder), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def kill(self) -> None:
        """Ends everything on the machine at once."""
        self._holder.kill()
        self._holder.wait()


class SlurmCluster:
    """A running cluster.

    Attributes:
        local: The path of a folder that each machine has for itself; from outside it is the machine's `own`.
        nodes: The machines that run jobs, by name; the first one of a job runs its script.
    """

    def __init__(self, folder: Path, nodes: int) -> None:
        names = [f"node{number}" for number in range(1, nodes + 1)]
        self._folder = folder
        (folder / "local").mkdir()
        hosts = [f"{NETWORK}.{number} {name}\n" for number, name in enumerate(["controller", *names], start=1)]
        (folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(hosts))
        settings = SETTINGS.format(folder=folder, network=NETWORK)
        for number, name in enumerate(names, start=2):
            settings += f"NodeName={name} NodeAddr={NETWORK}.{number} CPUs=1 RealMemory=1000\n"
        settings += f"PartitionName=all Nodes={','.join(names)} Default=YES MaxTime=INFINITE\n"
        (folder / "slurm.conf").write_text(settings)
        self.local = folder / "local"
        self.controller = Machine("controller", folder)
        self.nodes: dict[str, Machine] = {}
        try:
            self.nodes = {name: Machine(name, folder) for name in names}
            self._join()
            self._start()
        except BaseException:
            self.close()
            raise

    def _join(self) -> None:
        """Joins the machines by a bridge, which belongs to the controller's network."""
        self._in_network("ip", "link", "add", "bridge", "type", "bridge")
        self._in_network("ip", "address", "add", f"{NETWORK}.1/24", "dev", "bridge")
        self._in_network("ip", "link", "set", "bridge", "up")
        for number, (name, node) in enumerate(self.nodes.items(), start=2):
            ends = ["type", "veth", "peer", "name", "eth0", "netns", str(node.first_process)]
            self._in_network("ip", "link", "add", name, *ends)
            self._in_network("ip", "link", "set", name, "master", "bridge", "up")
            node.run("ip", "address", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
            node.run("ip", "link", "set", "eth0", "up")
            # Without a default route a name server is unreachable at once; Ray would wait for its answer.

    def _in_network(self, *words: str) -> None:
        """Runs a command in the controller's network that sees the processes of this machine."""
        inside = ["nsenter", "--target", str(self.controller.first_process), "--net", "--", "env", f"PATH={PATH}"]
        subprocess.run([*inside, *words], check=True)

    def _start(self) -> None:
        munge, key = self._folder / "munge", self._folder / "munge" / "key"
        for folder in (munge, self._folder / "state"):
            folder.mkdir()
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        # All machines share these files, and so one munged serves them all.
        files = [f"--{name}={munge / name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
        self.controller.run("munged", "--force", f"--key-file={key}", *files)
        self.controller.run(*self._slurm("slurmctld"))
        for name, node in self.nodes.items():
            (self._folder / f"spool-{name}").mkdir()
            node.run(*self._slurm("slurmd", "-N", name))
        while set(self.controller.run(*self._slurm("sinfo", "-h", "-N", "-o", "%T")).split()) != {"idle"}:
            time.sleep(0.2)

    def _slurm(self, *words: str) -> list[str]:
        return ["env", f"SLURM_CONF={self._folder}/slurm.conf", *words]

    def run(self, *words: str, folder: Path | None = None) -> str:
        """Runs one of SLURM's commands on the controller and returns what it prints."""
        return self.controller.run(*self._slurm(*words), folder=folder)

    def state(self, job: str) -> str:
        """Returns the state of a job, such as RUNNING or COMPLETED."""
        found = re.search(r"JobState=(\S+)", self.run("scontrol", "show", "job", job))
        assert found
        return found[1]

    def lose(self, name: str) -> None:
        """Ends a node without warning, and lets SLURM notice it now instead of after its `SlurmdTimeout`."""
        self.nodes[name].kill()
        self.run("scontrol", "update", f"nodename={name}", "state=down", "reason=lost")

    def logs(self) -> str:
        """Returns what the daemons wrote."""
        return "\n".join(f"{path.name}:\n{path.read_text()}" for path in sorted(self._folder.glob("*.log")))

    def close(self) -> None:
        for machine in (*self.nodes.values(), self.controller):
            machine.kill()


@contextmanager
def slurm_cluster(nodes: int) -> Iterator[SlurmCluster]:
    """Runs a controller and nodes with one processor each, in a folder of short name, as Ray's sockets want it."""
    with tempfile.TemporaryDirectory(prefix="slurm", dir="/tmp") as folder:
        cluster = SlurmCluster(Path(folder), nodes)
        try:
            yield cluster
        finally:
            cluster.close()
