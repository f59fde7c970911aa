"""A service with detectors that need no network, on a free port of this machine, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import uvicorn

from anomdet.serving.app import build_app
from anomdet.serving.desk import Desk
from anomdet.serving.meters import Meters
from anomdet.serving.models import Live, Models
from anomdet.serving.settings import ServeSettings
from tests.unit.inference.fake_detector import FakeDetector


@dataclass
class ServedFake(FakeDetector):
    """What a service needs beside."""

    artifact: Any = field(default_factory=lambda: SimpleNamespace(preprocessing=SimpleNamespace(size_hw=(16, 16))))
    backend: Any = field(default_factory=lambda: SimpleNamespace(name="fake"))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Service:
    """A running one."""

    port: int
    desk: Desk

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            given = dict(headers or {})
            connection.request(method, path, body, given, encode_chunked="Transfer-Encoding" in given)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, path: str, body: Any = b"", kind: str = "application/octet-stream", **headers: str) -> Answer:
        """A body of a type."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, body, {"Content-Type": kind, **given})

    def meter(self, line: str) -> float:
        """The value of a line of the metrics; 0: it is not there."""
        text = self.ask("GET", "/metrics").body.decode()
        return next((float(each.rpartition(" ")[2]) for each in text.splitlines() if each.startswith(line + " ")), 0.0)


@contextlib.contextmanager
def service(settings: ServeSettings | None = None, **openers: Callable[[], Any]) -> Iterator[Service]:
    """A service of fakes; without openers of one, ``fake``."""
    given, meters = settings or ServeSettings(port=0), Meters()

    def make(name: str, detector: Any) -> Live:
        return Live(name, detector, given.batch_size, given.megapixels, meters)

    desk = Desk(Models(openers or {"fake": ServedFake}, make), given, meters)
    config = uvicorn.Config(build_app(desk), port=0, http="h11", ws="none", access_log=False, log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield Service(server.servers[0].sockets[0].getsockname()[1], desk)
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the service did not stop"
