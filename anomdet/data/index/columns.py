"""The data set as a few arrays, from which the record of an image is made when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from anomdet.data.labels import NO_OBJECTS, Labels

_PIECE = 1 << 16


@dataclass(frozen=True)
class ImageRecord:
    """One image of the data set.

    Args:
        img_id: position in the index.
        file_name: relative to images/, with forward slashes.
        height: of the upright image, pixels.
        width: of the upright image, pixels.
        labels: its objects, within the image; none: a normal image.
        bit_depth: of a channel of the file.
    """

    img_id: int
    file_name: str
    height: int
    width: int
    labels: Labels
    bit_depth: int = 8


@dataclass(frozen=True, eq=False)
class Columns:
    """N images with M objects.

    Args:
        names: uint8, the file names one behind the other, each with a zero behind it.
        name_starts: int64 ``(N + 1,)``.
        sizes_hw: int32 ``(N, 2)``, of the upright images.
        bit_depths: uint8 ``(N,)``, of a channel of the files.
        box_starts: int64 ``(N + 1,)``: the objects of image i are those from ``box_starts[i]`` on.
        bboxes_xyxy: float32 ``(M, 4)``.
        class_nums: int64 ``(M,)``.
        reopen: makes the same columns in another process, where they are too large to be copied: function, arguments.
    """

    names: NDArray[np.uint8]
    name_starts: NDArray[np.int64]
    sizes_hw: NDArray[np.int32]
    bit_depths: NDArray[np.uint8]
    box_starts: NDArray[np.int64]
    bboxes_xyxy: NDArray[np.float32]
    class_nums: NDArray[np.int64]
    reopen: tuple[Callable, tuple] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.sizes_hw)

    def __reduce__(self) -> tuple[Callable, tuple]:
        return self.reopen or (Columns, tuple(getattr(self, name) for name in ARRAYS))

    def __deepcopy__(self, memo: dict) -> Columns:
        return self  # nobody changes it

    def file_name(self, at: int) -> str:
        """Of one image."""
        return name_bytes(self, at).decode("utf-8", "surrogateescape")

    def file_names(self) -> list[str]:
        """Of all images."""
        return split_names(self.names)

    def name_lines(self, positions: Sequence[int] | NDArray[np.integer]) -> Iterator[bytes]:
        """The names of some images with line breaks between them, in pieces."""
        positions = np.asarray(positions, dtype=np.int64)
        for start in range(0, len(positions), _PIECE):
            piece = positions[start : start + _PIECE]
            firsts, ends = self.name_starts[piece], np.cumsum(self.name_starts[piece + 1] - self.name_starts[piece])
            lengths = np.diff(ends, prepend=0)
            text = self.names[np.repeat(firsts - ends + lengths, lengths) + np.arange(ends[-1])]
            text[ends - 1] = ord("\n")
            yield (text if start + _PIECE < len(positions) else text[:-1]).tobytes()

    def labels(self, at: int) -> Labels:
        """The objects of one image."""
        start, stop = self.box_starts[at], self.box_starts[at + 1]
        if start == stop:
            return NO_OBJECTS
        return Labels(np.array(self.bboxes_xyxy[start:stop]), np.array(self.class_nums[start:stop]))

    def class_counts(self, positions: NDArray[np.integer] | Sequence[int], class_nums: Sequence[int]) -> NDArray:
        """Objects of each class in each of some images, int32 ``(len(positions), len(class_nums))``."""
        counts: NDArray[np.int32] = np.zeros((len(positions), len(class_nums)), dtype=np.int32)
        positions, nums = np.asarray(positions), np.asarray(class_nums)
        for start in range(0, len(positions), _PIECE):  # a rank must not need the room for all at once
            self._count(positions[start : start + _PIECE], nums, counts[start : start + _PIECE])
        return counts

    def class_totals(self, positions: NDArray[np.integer] | Sequence[int], class_nums: Sequence[int]) -> NDArray:
        """Objects of each class in some images together, int64 ``(len(class_nums),)``."""
        totals: NDArray[np.int64] = np.zeros(len(class_nums), dtype=np.int64)
        positions = np.asarray(positions)
        for start in range(0, len(positions), _PIECE):
            totals += self.class_counts(positions[start : start + _PIECE], class_nums).sum(axis=0)
        return totals

    def _count(self, positions: NDArray, class_nums: NDArray, counts: NDArray[np.int32]) -> None:
        starts = self.box_starts[positions]
        lengths = self.box_starts[positions.astype(np.int64) + 1] - starts
        rows = np.repeat(np.arange(len(positions)), lengths)
        if len(rows):
            within = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            nums = self.class_nums[np.repeat(starts, lengths) + within]
            cells = rows * len(class_nums) + np.searchsorted(class_nums, nums)
            counts.reshape(-1)[:] = np.bincount(cells, minlength=counts.size)


ARRAYS = tuple(one.name for one in fields(Columns) if one.name != "reopen")


def name_bytes(columns: Columns, at: int) -> bytes:
    """The name of one image as the file system has it."""
    return columns.names[columns.name_starts[at] : columns.name_starts[at + 1] - 1].tobytes()


def join_names(names: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Names one behind the other, each with a zero behind it, and where each one starts, ``(N + 1,)``."""
    encoded = [name.encode("utf-8", "surrogateescape") for name in names]
    starts = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(name) + 1 for name in encoded], out=starts[1:])
    return np.frombuffer(b"".join(name + b"\0" for name in encoded), dtype=np.uint8), starts


def split_names(names: NDArray[np.uint8]) -> list[str]:
    """The names that :func:`join_names` joined."""
    return names.tobytes().decode("utf-8", "surrogateescape").split("\0")[:-1]


class Records(Sequence[ImageRecord]):
    """The images of some columns, each made at access.

    Args:
        columns: of the data set.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns)

    @overload
    def __getitem__(self, at: int) -> ImageRecord: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[ImageRecord, ...]: ...
    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return tuple(self[one] for one in range(*at.indices(len(self))))
        index = range(len(self))[at]
        height, width = self.columns.sizes_hw[index].tolist()
        bit_depth = int(self.columns.bit_depths[index])
        return ImageRecord(index, self.columns.file_name(index), height, width, self.columns.labels(index), bit_depth)

    def __iter__(self) -> Iterator[ImageRecord]:
        columns = self.columns
        starts = columns.box_starts
        rows = zip(columns.file_names(), columns.sizes_hw.tolist(), columns.bit_depths.tolist(), strict=True)
        for at, (name, (height, width), bit_depth) in enumerate(rows):
            labels = columns.labels(at) if starts[at] != starts[at + 1] else NO_OBJECTS
            yield ImageRecord(at, name, height, width, labels, bit_depth)


def columns_of(records: Iterable[ImageRecord]) -> Columns:
    """The columns of records that were made one by one."""
    if isinstance(records, Records):
        return records.columns
    records = list(records)
    names, name_starts = join_names([record.file_name for record in records])
    box_starts = np.zeros(len(records) + 1, dtype=np.int64)
    np.cumsum([len(record.labels) for record in records], out=box_starts[1:])
    return Columns(
        names,
        name_starts,
        np.array([(record.height, record.width) for record in records], dtype=np.int32).reshape(-1, 2),
        np.array([record.bit_depth for record in records], dtype=np.uint8),
        box_starts,
        np.concatenate([NO_OBJECTS.bboxes_xyxy, *(record.labels.bboxes_xyxy for record in records)]),
        np.concatenate([NO_OBJECTS.class_nums, *(record.labels.class_nums for record in records)]),
    )
