"""One image to judge: how it is called and how its pixels are got."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError
from anomdet.images.decode import read_to_judge
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS
from anomdet.images.strips import Strips, open_large


class UnreadableImageError(Exception):
    """There is no image to be had; the text says why, in one sentence."""


class NotYetError(UnreadableImageError):
    """The file is still being written."""


class Reading(NamedTuple):
    """How image files are read: as the training of the detector did.

    Args:
        max_megapixels: the largest image to decode; None: any.
        bit_depth: bits that images of 16 bit use.
        in_strips: a large file is only opened; its pixels are read from top to bottom, when they are needed.
    """

    max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS
    bit_depth: int = 16
    in_strips: bool = False


class Noted(NamedTuple):
    """Pixels, and what the user should know of them: for the result of this image."""

    pixels: NDArray[np.uint8]
    note: str


@dataclass(frozen=True, slots=True)
class Item:
    """An image that can be read, once or again.

    Args:
        name: what the result calls it; None for pixels without a name.
        key: unique among all items; names the outputs: relative, with forward slashes, without ``..``.
        read: the pixels, :class:`Noted`, or :class:`anomdet.images.strips.Strips`; its argument says how; raises
            :class:`UnreadableImageError`.
        channels: ``bgr`` or ``rgb``, of what ``read`` returns.
        frame: number in a video, from 0 on.
        time_s: of the frame.
        warnings: for the result.
        stamp: size in bytes and time of change in nanoseconds of its file, where a job has to know whether it changed.
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


def stamped(item: Item) -> Item:
    """With the stamp of its file as it is now, before it is read; without one where there is no such file."""
    try:
        look = None if item.name is None else os.stat(item.name)  # noqa: PTH116 (speed)
    except (OSError, ValueError):  # an address, a file that is gone, a zero byte in the name
        look = None
    return item if look is None else replace(item, stamp=(look.st_size, look.st_mtime_ns))


def failed_item(name: str | None, key: str, reason: str) -> Item:
    """What cannot be read, so that it stands among the results."""

    def read(_reading: Reading | None) -> Any:
        raise UnreadableImageError(reason)

    return Item(name, key, read)


def read_file(path: str, reading: Reading | None = None) -> NDArray[np.uint8] | Noted | Strips:
    """Pixels ``(H, W, 3)``, uint8 BGR, as training reads them, with a note where there is something to know of them;
    of a large file, if so wanted, in strips.

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
        max_megapixels, bit_depth, in_strips = reading or Reading()
        strips = open_large(path, max_megapixels=max_megapixels, bit_depth=bit_depth) if in_strips else None
        if strips is not None:
            return strips
        pixels, note = read_to_judge(path, max_megapixels=max_megapixels, bit_depth=bit_depth)
    except UserError as error:
        raise UnreadableImageError(reason(error)) from None
    return Noted(pixels, note) if note else pixels


def reason(error: UserError) -> str:
    """What was found in place of an image that can be read."""
    problem = error.problems[0]
    return problem.got if isinstance(problem, Problem) else problem


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
