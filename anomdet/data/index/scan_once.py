"""How long a data folder that was looked at counts as known. Imports nothing: every command opens it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_known: dict[tuple, Any] | None = None


@contextmanager
def one_look() -> Iterator[None]:
    """Within this block, a folder that was scanned is not looked at again: all splits of a command see the same files.

    Of the processes that torchrun starts on one machine, one looks for all.
    """
    global _known
    before = _known
    _known = {} if before is None else before
    try:
        yield
    finally:
        _known = before


def known() -> dict[tuple, Any] | None:
    """What was scanned in the block that is open; None outside of any."""
    return _known
