"""What is wrong with a start of many processes, in one sentence."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest
import torch.distributed as dist

from anomdet.engine.distributed.joining import joining
from anomdet.errors import UserError


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken


def start(monkeypatch: pytest.MonkeyPatch, port: int) -> str:
    """The message of the first of two processes, whose second never comes."""
    values = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": "0", "WORLD_SIZE": "2"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as raised, joining():
        dist.init_process_group("gloo", timeout=timedelta(seconds=1))
    return str(raised.value)


def test_a_port_in_use(monkeypatch: pytest.MonkeyPatch, listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    assert start(monkeypatch, port) == (
        f"rank 0: 127.0.0.1:{port}: expected a free port, got one in use; another run may be using it; choose another "
        "with --master_port, or MASTER_PORT"
    )


@pytest.mark.slow
def test_a_process_that_never_comes(monkeypatch: pytest.MonkeyPatch, listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    listening.close()
    told = start(monkeypatch, port)
    assert told.startswith(f"rank 0: 127.0.0.1:{port}: expected 2 processes that find each other, got ")
    assert told.endswith(
        f"start all 2 processes, on machines that reach 127.0.0.1:{port}; distributed.timeout_minutes limits the wait"
    )
    assert "\n" not in told and len(told) < 500
