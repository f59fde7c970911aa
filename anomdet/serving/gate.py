"""What every request passes first: who asks, how much, and whether there is room; an ASGI middleware.

The body is read here, whole and within limits, so that what is behind gets it at once or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from anomdet.serving.desk import Desk
from anomdet.serving.refusal import Refusal

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

# Probes of a cluster come without a token; the page and its description hold nothing of the models.
_OPEN = frozenset({"/", "/docs", "/openapi.json", "/health", "/v2/health/live", "/v2/health/ready"})
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_DISCARD_BYTES, _DISCARD_S, _QUIET_S = 2**24, 2.0, 0.2


class _Gone(Exception):
    """The client has closed the connection."""


class Gate:
    """See above.

    Args:
        app: what is behind.
        desk: knows the limits, and how much is held.
    """

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]], desk: Desk) -> None:
        self._app, self._desk = app, desk
        self._token = None if desk.settings.token is None else desk.settings.token.encode()
        # A page of a stranger may resolve its own name to 127.0.0.1 and so read answers: it cannot forge this header.
        self._hosts = _LOOPBACK_NAMES if desk.settings.is_loopback and self._token is None else None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-content-type-options", b"nosniff")]
                if self._desk.is_draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self._pass(scope, receive, send_noted)
        except _Gone:
            status = 499
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._desk.meters.requests.labels(route, status or 500).inc()
            self._desk.meters.seconds.labels(route).observe(time.perf_counter() - start)

    async def _pass(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        taken: int | None = None
        try:
            self._check_sender(scope["path"], headers)
            if scope["method"] in _WITH_BODY:
                taken = self._take_place(headers)
                body = await self._read(receive)
                receive = _replay(body, receive)
        except Refusal as refusal:
            if taken is not None:
                self._desk.give_place(taken)
            await self._answer(refusal, headers, receive, send)
            return
        except BaseException:
            if taken is not None:
                self._desk.give_place(taken)
            raise
        try:
            await self._app(scope, receive, send)
        finally:
            if taken is not None:
                self._desk.give_place(taken)

    def _check_sender(self, path: str, headers: dict[bytes, bytes]) -> None:
        if self._hosts is not None:
            host = headers.get(b"host", b"").decode("latin-1")
            name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
            if name.lower() not in self._hosts:
                raise Refusal(421, f"expected a request to this machine by localhost or 127.0.0.1, got {host!r:.100}")
        if self._token is None or path in _OPEN:
            return
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._token):
            raise Refusal(401, "expected the header Authorization: Bearer <token>")

    def _take_place(self, headers: dict[bytes, bytes]) -> int:
        """Bytes that are set aside for the body."""
        limit = self._desk.settings.request_bytes
        length = headers.get(b"content-length", b"")
        num_bytes = int(length) if length.isdigit() else limit
        if num_bytes > limit:
            raise _too_large(limit)
        self._desk.take_place(num_bytes)
        return num_bytes

    async def _read(self, receive: Receive) -> bytes:
        timeout_s = self._desk.settings.timeout_s
        try:
            return await asyncio.wait_for(_body(receive, self._desk.settings.request_bytes), timeout_s)
        except asyncio.TimeoutError:
            self._desk.meters.refused.labels("slow request").inc()
            raise Refusal(408, f"the request did not arrive within {timeout_s:g} s") from None

    async def _answer(self, refusal: Refusal, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        """A client that is still sending sees no answer before its last byte: the rest is read, within reason."""
        if headers.get(b"expect", b"").lower() != b"100-continue" and refusal.status != 408:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(_discard(receive), _DISCARD_S)
        body = refusal.body()
        given = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers()}
        raw = [(key.encode(), value.encode()) for key, value in given.items()]
        await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"expected at most {limit:,} bytes; whoever runs the service can raise --request-mb")


async def _body(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _discard(receive: Receive) -> None:
    size = 0
    while size < _DISCARD_BYTES:
        message = await asyncio.wait_for(receive(), _QUIET_S)
        size += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body in one piece, then what comes after it."""
    waiting = [body]

    async def replay() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay
