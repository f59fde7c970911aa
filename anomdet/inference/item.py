"""One image to judge: how it is called and how its pixels are got."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError
from anomdet.images.decode import read_image
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS


class UnreadableImageError(Exception):
    """There is no image to be had; the text says why, in one sentence."""


class NotYetError(UnreadableImageError):
    """The file is still being written."""


class Reading(NamedTuple):
    """How image files are read: as the training of the detector did.

    Args:
        max_megapixels: the largest image to decode; None: any.
        bit_depth: bits that images of 16 bit use.
    """

    max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS
    bit_depth: int = 16


@dataclass(frozen=True, slots=True)
class Item:
    """An image that can be read, once or again.

    Args:
        name: what the result calls it; None for pixels without a name.
        key: unique among all items; names the outputs: relative, with forward slashes, without ``..``.
        read: the pixels; its argument is the largest image to decode, in megapixels; raises
            :class:`UnreadableImageError`.
        channels: ``bgr`` or ``rgb``, of what ``read`` returns.
        frame: number in a video, from 0 on.
        time_s: of the frame.
        warnings: for the result.
        stamp: size in bytes and time of change in nanoseconds of a file that is watched.
    """

    name: str | None
    key: str
    read: Callable[[Reading | None], Any]
    channels: str = "bgr"
    frame: int | None = None
    time_s: float | None = None
    warnings: tuple[str, ...] = ()
    stamp: tuple[int, int] | None = None


def file_item(path: str, key: str, stamp: tuple[int, int] | None = None) -> Item:
    """An image file; it is not touched before it is read."""
    return Item(path, key, partial(read_file, path), stamp=stamp)


def failed_item(name: str | None, key: str, reason: str) -> Item:
    """What cannot be read, so that it stands among the results."""

    def read(_reading: Reading | None) -> Any:
        raise UnreadableImageError(reason)

    return Item(name, key, read)


def read_file(path: str, reading: Reading | None = None) -> NDArray[np.uint8]:
    """Pixels ``(H, W, 3)``, uint8 BGR, as training reads them.

    Args:
        path: the file.
        reading: how; None: by the defaults.

    Raises:
        UnreadableImageError: no regular file (a pipe would never end), or no image that can be decoded.
    """
    try:
        kind = os.stat(path).st_mode  # noqa: PTH116 (a Path costs more than the call)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UnreadableImageError(getattr(error, "strerror", None) or str(error)) from None
    if not stat.S_ISREG(kind):
        raise UnreadableImageError(f"{special_kind(kind)}, where a regular file is expected")
    try:
        max_megapixels, bit_depth = reading or Reading()
        return read_image(path, max_megapixels=max_megapixels, bit_depth=bit_depth)
    except UserError as error:
        problem = error.problems[0]
        assert isinstance(problem, Problem)
        raise UnreadableImageError(problem.got) from None


def special_kind(mode: int) -> str:
    """What a file is that is no regular one."""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "a special file")
