"""Requests that are wrong, as bytes on a connection: of each kind in turn, the same for a seed."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Iterator

Make = Callable[[random.Random], bytes]


def requests(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Kind and bytes."""
    source, kinds = random.Random(seed), list(KINDS.items())
    for at in range(count):
        name, make = kinds[at % len(kinds)]
        yield name, make(source)


def status_of(port: int, request: bytes, timeout_s: float = 20) -> int:
    """Of the answer; 0: the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n" not in answer:
            part = connection.recv(4096)
            if not part:
                break
            answer += part
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def http(path: str, body: bytes, kind: str = "application/octet-stream", *more: str, method: str = "POST") -> bytes:
    """A well-formed request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *more, "Connection: close", "", ""]).encode() + body


def _noise(source: random.Random, most: int = 300) -> bytes:
    return b"\xfe" + source.randbytes(source.randrange(most))  # no image, no JSON and no line of HTTP begins so


def _png_head(source: random.Random) -> bytes:
    """The right signature, then what is no chunk."""
    return http("/predict", b"\x89PNG\r\n\x1a\n" + _noise(source), "image/png")


def _json(source: random.Random) -> bytes:
    """JSON of the wrong shape."""
    values = [None, 1, "x", [], {}, [[]], {"a": _text(source)}, True, -1e308]
    keys = ["tasks", "inputs", "outputs", "data", "name", "shape", "id", "parameters"]
    wrong = {source.choice(keys): source.choice(values) for _ in range(source.randrange(1, 4))}
    path, key = source.choice([("/predict", "tasks"), ("/v2/models/fake/infer", "inputs")])
    wrong[key] = source.choice([None, 1, "x", [1], {"a": 1}])
    return http(path, json.dumps(wrong).encode(), "application/json")


def _text(source: random.Random) -> str:
    return "".join(chr(source.randrange(32, 0x2FFF)) for _ in range(source.randrange(50)))


def _form(source: random.Random) -> bytes:
    """A form that is cut, or without a file."""
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + _noise(source)
    return http("/predict", body, f"multipart/form-data{source.choice(['', '; boundary=b', '; boundary=c'])}")


KINDS: dict[str, Make] = {
    "noise as an image": lambda source: http("/predict", _noise(source)),
    "nothing as an image": lambda source: http("/predict", b""),
    "a head without an image": _png_head,
    "a type that is not taken": lambda source: http("/predict", _noise(source), f"text/{source.randrange(10**6)}"),
    "JSON of another shape": _json,
    "noise as JSON": lambda source: http("/predict", _noise(source), "application/json"),
    "deep JSON": lambda source: http("/predict", b"[" * source.randrange(1000, 50_000), "application/json"),
    "a form that is none": _form,
    "a wrong path": lambda source: http(f"/{source.randrange(10**9)}/../x", b"x"),
    "a wrong model": lambda source: http(f"/models/{source.randrange(10**9)}/predict", b"x"),
    "a wrong method": lambda source: http("/predict", b"", method=source.choice(["GET", "PUT", "DELETE", "PATCH"])),
    "a wrong number": lambda source: http(f"/predict?min_score={source.choice(['x', '2', '-1', 'nan'])}", b"x"),
    "a wrong length of the header": lambda source: http(
        "/v2/models/fake/infer", b"{}", "application/json", f"Inference-Header-Content-Length: {source.choice('xyz')}9"
    ),
    "too large a length": lambda source: (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\nx" % source.randrange(2**40, 2**60)
    ),
    "a length that is none": lambda source: (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -%d\r\n\r\nx" % source.randrange(10**6)
    ),
    "no HTTP": lambda source: _noise(source) + b"\r\n\r\n",
    "no host": lambda source: b"GET /%d HTTP/1.1\r\n\r\n" % source.randrange(10**6),
    "a foreign host": lambda source: b"GET /models HTTP/1.1\r\nHost: %d.example\r\n\r\n" % source.randrange(10**6),
    "an endless header": lambda source: b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000,
    "a broken chunk": lambda source: (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + _noise(source)
    ),
}
