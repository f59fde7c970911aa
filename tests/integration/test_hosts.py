"""Two hosts, which are network namespaces of this machine, train and evaluate as one does; see benchmarks/hosts.py."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.hosts import one_host, two_hosts
from benchmarks.namespaces import Network, unavailable


@pytest.fixture(autouse=True)
def hosts_allowed() -> None:
    """Asked when the test runs: a namespace is made for it."""
    if reason := unavailable():
        pytest.skip(reason)


def test_two_hosts_with_own_disks_are_as_one(data_dir: Path, tmp_path: Path) -> None:
    alone = one_host(tmp_path / "one", data_dir, epochs=1, processes=2)
    assert two_hosts(tmp_path / "two", data_dir, epochs=1, processes=1) == alone
    assert len(alone[2]) > 1000  # predictions.json


def test_a_cut_host_hears_nothing_and_no_namespace_is_left(tmp_path: Path) -> None:
    def reached() -> bool:
        script = "import socket; socket.create_connection(('host0', 5000), timeout=1)"
        return not subprocess.run(network.command(1, ["python3", "-c", script]), capture_output=True).returncode

    with pytest.raises(KeyboardInterrupt), Network(tmp_path, 2) as network:
        listen = "server = __import__('socket').create_server(('', 5000)); print(1, flush=True)"
        script = f"{listen}\nwhile True: server.accept()"
        network.start(0, ["python3", "-c", script], tmp_path / "server.txt")
        while not (tmp_path / "server.txt").read_text():
            time.sleep(0.05)
        assert reached()
        network.cut(1)
        assert not reached()
        network.correct(1)
        assert reached()
        raise KeyboardInterrupt
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert network.command(0, [])[3] not in names and network.command(1, [])[3] not in names
