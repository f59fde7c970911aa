"""What became of one image: a result, or the entry of an image that could not be read, which is never an accept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from anomdet.inference.result import Result
from anomdet.inference.result_document import VERSION, check_version

FAILED = "failed"


@dataclass(frozen=True)
class FailedImage:
    """An image that could not be read: without a verdict, never an accept.

    Args:
        image, frame, time_s: as in :class:`Result`.
        error: why, in one sentence.
    """

    image: str | None
    error: str
    frame: int | None = None
    time_s: float | None = None
    verdict: ClassVar[str] = FAILED

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        own = {"image": self.image, "frame": self.frame, "time_s": self.time_s}
        return {"version": VERSION, **own, "verdict": FAILED, "error": self.error}

    def to_json(self) -> str:
        """:meth:`to_dict` on one line, ASCII only."""
        return json.dumps(self.to_dict(), allow_nan=False)


Outcome: TypeAlias = "Result | FailedImage"


def outcome_from_dict(document: Any, *, where: str = "result") -> Outcome:
    """A :class:`Result` or a :class:`FailedImage`, from its dictionary.

    Raises:
        UserError: it is neither.
    """
    if isinstance(document, dict) and document.get("verdict") == FAILED:
        check_version(document, where)
        return FailedImage(
            document.get("image"), str(document.get("error")), document.get("frame"), document.get("time_s")
        )
    return Result.from_dict(document, where=where)
