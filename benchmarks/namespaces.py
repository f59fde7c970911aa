"""Hosts of a small network, made of this machine's network namespaces: own addresses, names and, if wanted, disks.

Needs iproute2 and the rights of root. Each host hangs at a switch in a namespace of its own by one cable, which can be
cut. Nothing of the machine's own network or files is changed; leaving the ``with`` ends the hosts' processes and takes
the namespaces away, also after an error or Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_PREFIX = "anomdet-"
# $1 name of the host, $2 its hosts file, $3 and $4 its disk and where it is mounted ("" for none).
_ENTER = (
    'hostname "$1" && mount --bind "$2" /etc/hosts && { [ -z "$3" ] || mount --bind "$3" "$4"; } && '
    'cd "$5" && shift 5 && exec "$@"'
)


def unavailable() -> str:
    """Why there can be no hosts here; empty if there can."""
    for tool in ("ip", "unshare", "mount", "hostname"):
        if shutil.which(tool) is None:
            return f"no command {tool} (iproute2, util-linux)"
    try:
        with tempfile.TemporaryDirectory() as folder, Network(Path(folder), 1) as network:
            done = subprocess.run(network.command(0, ["true"]), capture_output=True, text=True, check=False)
    except subprocess.CalledProcessError as error:
        return f"no network namespaces: {error.stderr.strip()}"
    return done.stderr.strip()


class Network:
    """``count`` hosts ``host0``, ``host1``, ... with the addresses 10.77.0.1, 10.77.0.2, ...

    Args:
        folder: where the hosts' programs run; existing. Files of the hosts go to ``<folder>/.hosts``.
        count: of hosts.
        disk: a folder that is another one on each host, under the same path; None: the hosts share all files.
    """

    def __init__(self, folder: Path, count: int, disk: Path | None = None) -> None:
        self.folder, self.count, self.disk = folder.resolve(), count, disk
        self._files = self.folder / ".hosts"
        self._names = [f"{_PREFIX}{os.getpid()}-{number}" for number in range(count)]
        self._switch = f"{_PREFIX}{os.getpid()}-switch"

    def __enter__(self) -> Network:
        _sweep()
        self._stack = contextlib.ExitStack()
        if threading.current_thread() is threading.main_thread():
            self._stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, _exit))
        with contextlib.ExitStack() as failing:
            failing.push(self._stack)
            self._build()
            failing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def address(self, host: int) -> str:
        """Of a host."""
        return f"10.77.0.{host + 1}"

    def own_disk(self, host: int) -> Path:
        """Where ``disk`` of a host is seen from outside."""
        return self._files / f"disk{host}"

    def command(self, host: int, arguments: Sequence[str]) -> list[str]:
        """The command line that runs ``arguments`` on a host."""
        disk = [str(self.own_disk(host)), str(self.disk)] if self.disk else ["", ""]
        inside = [f"host{host}", str(self._files / "hosts" / str(host)), *disk, str(self.folder)]
        enter = ["unshare", "--uts", "--mount", "sh", "-c", _ENTER, "sh"]
        return ["ip", "netns", "exec", self._names[host], *enter, *inside, *arguments]

    def start(self, host: int, arguments: Sequence[str], output: Path, **variables: str) -> subprocess.Popen[str]:
        """A program on a host, its output added to a file; ``variables`` go to its environment."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
        with output.open("a", encoding="utf-8") as file:
            return subprocess.Popen(
                self.command(host, arguments), env=environment, stdout=file, stderr=file, text=True, process_group=0
            )

    def cut(self, host: int) -> None:
        """Pull the host's cable out of the switch: packets are lost, nobody is told."""
        _ip("-n", self._switch, "link", "set", f"port{host}", "down")

    def correct(self, host: int) -> None:
        """Put the cable back."""
        _ip("-n", self._switch, "link", "set", f"port{host}", "up")

    def crash(self, host: int) -> None:
        """End everything on a host at once (SIGKILL), as a loss of power does; its cable is out before."""
        self.cut(host)
        _kill_all(self._names[host])
        self.correct(host)

    def _build(self) -> None:
        # /etc/hosts of each host maps its own name to its address: gloo and torchrun look there for it.
        (self._files / "hosts").mkdir(parents=True, exist_ok=True)
        self._stack.callback(shutil.rmtree, self._files / "hosts", ignore_errors=True)
        lines = "".join(f"{self.address(number)} host{number}\n" for number in range(self.count))
        self._add(self._switch)
        _ip("-n", self._switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "switch", "up")
        for number, name in enumerate(self._names):
            (self._files / "hosts" / str(number)).write_text(f"127.0.0.1 localhost\n{lines}", encoding="utf-8")
            if self.disk:
                self.disk.mkdir(parents=True, exist_ok=True)
                self.own_disk(number).mkdir(parents=True, exist_ok=True)
            self._add(name)
            port = f"port{number}"
            _ip("link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", port, "netns", self._switch)
            _ip("-n", self._switch, "link", "set", port, "master", "switch", "up")
            _ip("-n", name, "address", "add", f"{self.address(number)}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")

    def _add(self, name: str) -> None:
        _ip("netns", "add", name)
        self._stack.callback(_remove, name)


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _kill_all(name: str) -> None:
    """Until none is left: torchrun's processes may be starting others."""
    for _ in range(100):
        pids = [int(pid) for pid in _ip("netns", "pids", name).split()]
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _remove(name: str) -> None:
    with contextlib.suppress(subprocess.CalledProcessError):
        _kill_all(name)
        _ip("netns", "delete", name)


def _sweep() -> None:
    """Take away what a script left that was killed itself."""
    for line in _ip("netns", "list").splitlines():
        name = line.split()[0] if line.split() else ""
        owner = name.removeprefix(_PREFIX).split("-")[0]
        if name.startswith(_PREFIX) and owner.isdigit() and not Path(f"/proc/{owner}").exists():
            _remove(name)
