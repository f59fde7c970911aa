"""All images of a data folder as columns: what a page can filter and sort by, whatever is wrong with the folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.quality.check.check import Checked, CheckedFile
from anomdet.quality.check.findings import Finding

WITH_BOXES, NORMAL, UNKNOWN = 0, 1, 2


@dataclass(frozen=True)
class Columns:
    """N images with M boxes of C classes, in the order of names.

    Args:
        files: ``(N,)``, each with an image.
        splits: int8 ``(N,)``, position in ``split_names``; -1: in none of them.
        split_names: as train, val, test; empty: not known.
        states: int8 ``(N,)``, WITH_BOXES, NORMAL (a whole label file without objects), or UNKNOWN (no label file, or
            one that cannot be read to its end and shows no box).
        size_wh: int32 ``(N, 2)`` of the upright image, pixels; 0 where it is not known.
        bboxes_xywh: float64 ``(M, 4)``, corner and size in pixels; nan where they are not known.
        box_starts: int64 ``(N + 1,)``, the boxes of image i are ``box_starts[i]`` to ``box_starts[i + 1]``.
        labels: int64 ``(M,)``, position in ``class_nums``.
        class_nums: ``(C,)`` the user's numbers.
        class_names: ``(C,)``.
        smallest_px: float64 ``(N,)``, square root of the area of the smallest box at training scale; nan: none known.
        findings: position of an image to its findings.
        general: findings about no image of the folder.
        bit_depth: bits that images of 16 bit use.
    """

    files: Sequence[CheckedFile]
    splits: NDArray[np.int8]
    split_names: tuple[str, ...]
    states: NDArray[np.int8]
    size_wh: NDArray[np.int32]
    bboxes_xywh: NDArray[np.float64]
    box_starts: NDArray[np.int64]
    labels: NDArray[np.int64]
    class_nums: tuple[int, ...]
    class_names: tuple[str, ...]
    smallest_px: NDArray[np.float64]
    findings: Mapping[int, Sequence[Finding]]
    general: Sequence[Finding]
    bit_depth: int = 16

    def __len__(self) -> int:
        return len(self.files)

    @property
    def names(self) -> list[str]:
        """File names relative to images/."""
        return [file.entry.image.name for file in self.files if file.entry.image is not None]


def make_columns(
    checked: Checked,
    *,
    classes: Mapping[int, str] | None = None,
    split_of: Mapping[str, Iterable[str]] | None = None,
    train_hw: tuple[int, int] | None = None,
) -> Columns:
    """The columns of a checked folder.

    Args:
        checked: see :func:`anomdet.quality.check.check.check_data`.
        classes: class number to name; numbers that it lacks are named by themselves and come last.
        split_of: split name to the names of its images; None: not known.
        train_hw: height and width that the network sees, which the image is fitted into; None: its own size.
    """
    files = [file for file in checked.files if file.entry.image is not None]
    counts = np.array([file.read.num_rows if file.read else 0 for file in files], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    assert starts[-1] == len(checked.boxes)
    size_wh = np.array([file.header.upright_hw[::-1] if file.header else (0, 0) for file in files], dtype=np.int32)
    size_wh = size_wh.reshape(-1, 2)
    found_nums = set(checked.boxes.class_nums.tolist())
    class_nums = (*sorted(classes or ()), *sorted(found_nums - set(classes or ())))
    names = tuple((classes or {}).get(num, str(num)) for num in class_nums)
    positions = {file.entry.image.name: at for at, file in enumerate(files) if file.entry.image is not None}
    findings, general = _by_image(checked.findings, files)
    return Columns(
        files=files,
        splits=_splits(positions, split_of),
        split_names=tuple(split_of or ()),
        states=np.array([_state(file) for file in files], dtype=np.int8),
        size_wh=size_wh,
        bboxes_xywh=checked.bboxes_xywh,
        box_starts=starts,
        labels=_labels(checked.boxes.class_nums, class_nums),
        class_nums=class_nums,
        class_names=names,
        smallest_px=_smallest_px(checked.bboxes_xywh, counts, size_wh, train_hw),
        findings=findings,
        general=general,
        bit_depth=checked.bit_depth,
    )


def _state(file: CheckedFile) -> int:
    read = file.read
    if read is not None and read.num_rows:
        return WITH_BOXES
    if read is None:
        return NORMAL if file.entry.label is None and file.entry.whole else UNKNOWN
    return NORMAL if read.complete else UNKNOWN


def _labels(box_nums: NDArray[np.int64], class_nums: Sequence[int]) -> NDArray[np.int64]:
    """Position in ``class_nums``, which need not ascend, of each box's number."""
    order = np.argsort(class_nums, kind="stable") if len(class_nums) else np.zeros(0, np.int64)
    if not len(box_nums):
        return np.zeros(0, np.int64)
    return order[np.searchsorted(np.asarray(class_nums)[order], box_nums)]


def _splits(positions: Mapping[str, int], split_of: Mapping[str, Iterable[str]] | None) -> NDArray[np.int8]:
    splits = np.full(len(positions), -1, dtype=np.int8)
    for at, names in enumerate((split_of or {}).values()):
        splits[[positions[name] for name in names]] = at
    return splits


def _smallest_px(
    bboxes_xywh: NDArray[np.float64],
    counts: NDArray[np.int64],
    size_wh: NDArray[np.int32],
    train_hw: tuple[int, int] | None,
) -> NDArray[np.float64]:
    """Boxes count as far as they lie within their image, as in training."""
    known: NDArray[np.bool_] = np.all(size_wh > 0, axis=1)
    rows = np.repeat(np.arange(len(counts)), counts)
    limits = np.where(known[:, None], size_wh, np.inf)[rows]
    corners = np.minimum(np.maximum(bboxes_xywh[:, :2], 0), limits)
    far_corners = np.minimum(np.maximum(bboxes_xywh[:, :2] + bboxes_xywh[:, 2:], 0), limits)
    sides = np.sqrt(np.prod(np.maximum(far_corners - corners, 0), axis=1))
    smallest = np.full(len(counts), np.inf)
    np.fmin.at(smallest, rows, sides)
    if train_hw is not None:
        sizes = np.where(known[:, None], size_wh, np.nan)
        smallest *= np.minimum(train_hw[1] / sizes[:, 0], train_hw[0] / sizes[:, 1])
    return np.where(np.isfinite(smallest), smallest, np.nan)


def _by_image(
    findings: Iterable[Finding], files: Sequence[CheckedFile]
) -> tuple[dict[int, list[Finding]], list[Finding]]:
    """Those of an image or its label file by the image's position, and the others."""
    positions: dict[str, int] = {}
    for at, file in enumerate(files):
        if file.entry.image is not None:
            positions[f"images/{file.entry.image.name}"] = at
        if file.entry.label is not None:
            positions[f"labels/{file.entry.label.name}"] = at
    found: dict[int, list[Finding]] = {}
    general: list[Finding] = []
    for finding in findings:
        place = positions.get(finding.file)
        if place is None:
            general.append(finding)
        else:
            found.setdefault(place, []).append(finding)
    return found, general
