"""Many label files at once, for the ordinary ones; whatever is unusual is left to :func:`parse_label_file`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.data.labels import LIMIT_PX
from anomdet.strict_files import LFS_POINTER, MAX_LABEL_BYTES, read_regular

_BATCH = 256
# Of these bytes, float() and int() make nothing but what labels.NUMBER and labels.INTEGER match.
_ORDINARY = b"0123456789 \t\r\n.+-eE"
_MAX_DIGITS = 18
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Written:
    """The objects of some files, one on each line from the first on.

    Args:
        counts: int64 ``(files,)``, objects of each file; 0 for an unusual one.
        values: float64 ``(M, 4)``, the four numbers as they were written.
        class_nums: int64 ``(M,)``.
        unusual: which files were not read, ascending.
    """

    counts: NDArray[np.int64]
    values: NDArray[np.float64]
    class_nums: NDArray[np.int64]
    unusual: list[int]


@dataclass(frozen=True)
class Boxes:
    """The objects of some files.

    Args:
        counts: int64 ``(files,)``, objects of each file; 0 for an unusual one.
        bboxes_xyxy: float32 ``(M, 4)``.
        class_nums: int64 ``(M,)``.
        unusual: which files were not read, ascending.
    """

    counts: NDArray[np.int64]
    bboxes_xyxy: NDArray[np.float32]
    class_nums: NDArray[np.int64]
    unusual: list[int]


def read_ordinary(folder: int | str, names: Sequence[str | None]) -> Boxes:
    """The objects of label files.

    Args:
        folder: labels/, as a descriptor where the system can use one, or as a path.
        names: relative to it; None for a file known to be empty.
    """
    written = parse_ordinary([b"" if name is None else read_bytes(folder, name) for name in names])
    boxes = written.values
    boxes[:, 2:] += boxes[:, :2]
    return Boxes(written.counts, boxes.astype(np.float32, order="C"), written.class_nums, written.unusual)


def parse_ordinary(texts: Sequence[bytes | None]) -> Written:
    """The objects of label files, given as their bytes; None for a file to be left."""
    counts = np.zeros(len(texts), dtype=np.int64)
    parts: list[_Parsed] = []
    unusual = [at for at, text in enumerate(texts) if text is None]
    stripped = [(at, text.rstrip()) for at, text in enumerate(texts) if text is not None]
    pending = [stripped[start : start + _BATCH] for start in range(0, len(stripped), _BATCH)][::-1]
    while pending:
        batch = pending.pop()
        parsed = _parse([text for _, text in batch])
        if parsed is not None:
            counts[[at for at, _ in batch]] = parsed[0]
            parts.append(parsed)
        elif len(batch) == 1:
            unusual.append(batch[0][0])
        else:  # one of them is unusual: the half without it is still read at once
            half = len(batch) // 2
            pending += [batch[half:], batch[:half]]
    values = np.concatenate([np.zeros((0, 4)), *(part[1] for part in parts)])
    return Written(
        counts, values, np.concatenate([np.zeros(0, np.int64), *(part[2] for part in parts)]), sorted(unusual)
    )


_Parsed = tuple[list[int], NDArray[np.float64], NDArray[np.int64]]


def _parse(texts: list[bytes]) -> _Parsed | None:
    """Objects of each text, their numbers and class numbers; None if there is anything to be looked at more closely."""
    joined = b"\n".join([text for text in texts if text])
    if joined.translate(None, _ORDINARY):
        return None
    # A mark at the end of each line: it must come after each fifth word, and nowhere else.
    words = (joined.replace(b"\n", b" ; ") + b" ;").split() if joined else []
    if len(words) % 6 or words[5::6].count(b";") != len(words) // 6 or words.count(b";") != len(words) // 6:
        return None
    nums = words[0::6]
    if nums and max(map(len, nums)) > _MAX_DIGITS:
        return None
    columns = [words[1::6], words[2::6], words[3::6], words[4::6]]
    try:
        class_nums = np.fromiter(map(int, nums), dtype=np.int64, count=len(nums))
        values = np.array([list(map(float, column)) for column in columns]).T
    except ValueError:
        return None
    if not ((np.abs(values) < LIMIT_PX).all() and (values[:, 2:] > 0).all()):
        return None
    counts = [text.count(b"\n") + 1 if text else 0 for text in texts]
    return counts, values, class_nums


def read_bytes(folder: int | str, name: str) -> bytes | None:
    """The whole file in as few system calls as can be; None if it cannot be read, or as labels never are."""
    try:
        if isinstance(folder, str):
            return read_regular(f"{folder}/{name}", MAX_LABEL_BYTES)
        handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    try:
        text = os.read(handle, _BLOCK)
        block = text if len(text) == _BLOCK else b""
        while block:
            block = os.read(handle, _BLOCK)
            text += block
            if len(text) > MAX_LABEL_BYTES:
                return None
    except OSError:
        return None
    finally:
        os.close(handle)
    return None if text.startswith(LFS_POINTER) else text
