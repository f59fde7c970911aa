"""Why a request gets no result: the status, one sentence, and what a client needs to try again."""

from __future__ import annotations

import json


class Refusal(Exception):
    """Answered as ``{"error": message}``.

    Args:
        status: of HTTP, 400 to 599.
        message: one sentence.
        retry_after_s: seconds after which another try makes sense; None: none does.
    """

    def __init__(self, status: int, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after_s = status, message, retry_after_s

    def headers(self) -> dict[str, str]:
        """Of the answer, beside its type."""
        found = {} if self.retry_after_s is None else {"retry-after": str(self.retry_after_s)}
        return {**found, "www-authenticate": "Bearer"} if self.status == 401 else found

    def body(self) -> bytes:
        """JSON."""
        return json.dumps({"error": self.message}).encode()
