"""The server: its socket, its signals, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import select
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

import uvicorn

from anomdet.errors import Problem, UserError
from anomdet.serving.app import build_app
from anomdet.serving.desk import Desk
from anomdet.serving.settings import ServeSettings

_DRAIN_S = 1.0  # new requests are still taken, and each connection is closed after its answer
_LAST_REQUEST_S = 1.0  # for the next request of a connection that was answered before
_FIRST_REQUEST_S = 5.0  # for that of a connection that was made just before: its client may be slow
_BACKLOG = 2048
_REQUEST_LINE_S = 15.0
log = logging.getLogger("anomdet")


def run(desk: Desk, on_ready: Callable[[str], None]) -> None:
    """Serve until the signal TERM or INT; HUP opens the models again.

    Args:
        desk: what answers.
        on_ready: called with the address, once it listens.

    Raises:
        UserError: the address cannot be listened on.
    """
    listening = _listen(desk.settings)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it warns of each form that is none
    config = uvicorn.Config(
        build_app(desk),
        http="h11",  # bounds the length of headers
        ws="none",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=int(desk.settings.timeout_s) + 5,
        timeout_notify=1,
    )
    server = _Server(config, desk, lambda: on_ready(_address(listening)))
    config.callback_notify = _Lingering(server).close
    server.run([listening])


class _Server(uvicorn.Server):
    """Drains before it stops."""

    def __init__(self, config: uvicorn.Config, desk: Desk, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._desk, self._on_ready = desk, on_ready
        self._tasks: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and hear the signal that reloads."""
        await super().startup(sockets)
        hangup = getattr(signal, "SIGHUP", None)  # Windows has none
        if hangup is not None:
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
                asyncio.get_running_loop().add_signal_handler(hangup, self._begin, self._reload)
        self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains; a second ends at once, without those that wait."""
        if self._desk.is_draining:
            self.should_exit = self.force_exit = True
            return
        self._desk.is_draining = True
        asyncio.get_running_loop().call_soon_threadsafe(self._begin, self._drain)

    async def _drain(self) -> None:
        """Whoever has connected is answered: the socket is closed when no connection waits in its queue."""
        await asyncio.sleep(_DRAIN_S)
        for server in self.servers:
            while server.sockets and select.select(server.sockets, [], [], 0)[0]:
                await asyncio.sleep(0)
            server.close()
        closed = time.monotonic()
        await asyncio.sleep(0.1)  # what was accepted last is among the connections by then
        while any(time.monotonic() < closed + _patience(one) for one in self.server_state.connections):
            await asyncio.sleep(0.02)
        self.should_exit = True

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.ensure_future(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload(self) -> None:
        for name in [live.name for live in self._desk.models]:
            with contextlib.suppress(Exception):  # the log says it, and the model of before serves on
                await self._desk.reload(name)


def _patience(connection: Any) -> float:
    """Seconds that a connection has for its request once nobody can connect any more."""
    return _FIRST_REQUEST_S if getattr(connection, "cycle", None) is None else _LAST_REQUEST_S


class _Lingering:
    """Closes connections that have begun no request, not finished its head, or not read its answer, for too long."""

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server
        self._since: dict[Any, tuple[tuple[Any, int], float]] = {}

    async def close(self) -> None:
        """Called about once a second."""
        now, waiting = time.monotonic(), {}
        for connection in list(self._server.server_state.connections):
            cycle = getattr(connection, "cycle", None)
            unread = connection.transport.get_write_buffer_size()
            if cycle is not None and not cycle.response_complete and not unread:
                continue  # it is being judged
            state = (cycle, unread)  # the answer to a request behind it waits, and holds a place in the queue
            last, since = self._since.get(connection, (state, now))
            waiting[connection] = (state, since if last == state else now)
            if last == state and now - since > _REQUEST_LINE_S:
                connection.transport.abort()  # a close would wait for the client
        self._since = waiting


def _listen(settings: ServeSettings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        hint = "choose another: --port 8001, or 0 for any free one"
        raise UserError(Problem(where, "an address to listen on", error.strerror or str(error), hint)) from None
    listening.listen(_BACKLOG)
    return listening


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
