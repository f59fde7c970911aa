"""How a service behaves: where it listens, how much it takes at once, and whom it answers."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from anomdet.errors import Problem, UserError

MAX_IMAGES = 16  # of one request
MAX_TASKS = 1000  # of Label Studio's, which sends all that were selected at once; their images are read one by one
LOOPBACK = "127.0.0.1"
_LEAST_TOKEN = 16  # characters: 96 bits in Base64


@dataclass(frozen=True)
class ServeSettings:
    """What ``anomdet serve`` is given beside the models.

    Args:
        host: address to listen on.
        port: 0 takes a free one.
        token: that each request but a health check must bring; None: none.
        batch_size: images or tiles that the network sees at once, at most.
        queue_size: requests with a body that are read, waiting or computed at once; one more gets a 503.
        request_mb: largest body, in 2^20 bytes.
        megapixels: largest image, by its header, before it is decoded.
        timeout_s: from the whole request to its answer, and for the request to arrive; seconds.
        images: folder whose files Label Studio's tasks may name; None: none.

    Raises:
        UserError: all that is out of range.
    """

    host: str = LOOPBACK
    port: int = 8000
    token: str | None = None
    batch_size: int = 8
    queue_size: int = 64
    request_mb: float = 32
    megapixels: float = 32
    timeout_s: float = 30
    images: Path | None = None

    def __post_init__(self) -> None:
        ranges = {
            "port": (self.port, 0, 65535),
            "batch": (self.batch_size, 1, 256),
            "queue": (self.queue_size, 1, 10_000),
            "request-mb": (self.request_mb, 0.001, 2048),
            "megapixels": (self.megapixels, 0.001, 10_000),
            "timeout": (self.timeout_s, 0.1, 3600),
        }
        problems = [
            Problem(f"--{name}", f"a number from {least} to {most:,}", repr(value))
            for name, (value, least, most) in ranges.items()
            if not least <= value <= most
        ]
        if self.images is not None and not self.images.is_dir():
            problems.append(Problem("--images", "a folder", f"{self.images}, which is none"))
        if problems:
            raise UserError(problems)

    @property
    def request_bytes(self) -> int:
        """Largest body."""
        return int(self.request_mb * 2**20)

    @property
    def held_bytes(self) -> int:
        """Of all bodies in memory together."""
        return 8 * self.request_bytes

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine is answered."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def read_token(path: Path) -> str:
    """The token in a file, without blanks around it.

    Raises:
        UserError: it cannot be read, or holds no token.
    """
    hint = "make one: python -c 'import secrets; print(secrets.token_urlsafe())' > token.txt"
    try:
        token = path.read_text(encoding="utf-8-sig").strip()  # PowerShell puts a byte order mark in front
    except (OSError, UnicodeDecodeError) as error:
        got = getattr(error, "strerror", None) or "no text"
        raise UserError(Problem(f"--token-file {path}", "a readable file with a token", got, hint)) from None
    if len(token) < _LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        expected = f"one token of at least {_LEAST_TOKEN} ASCII characters without a blank"
        raise UserError(Problem(f"--token-file {path}", expected, f"{len(token)} characters", hint))
    return token
