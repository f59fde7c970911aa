"""From the boxes of an image's tiles to the boxes of the image; docs/tiling.md has the same in words, step by step.

Two boxes of two tiles show one object if they agree in the region that both tiles see. So an object that is whole in
one tile and cut in its neighbour is one object; parts of an object larger than the overlap are joined; and two objects
that touch stay two, since no tile says that they are one. Pure numpy, and the only implementation there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.boxes import area_xyxy, pairwise_iou
from anomdet.inference.postprocess import Detections, is_valid, joined, suppress
from anomdet.tiles import Tiling, plan

__all__ = ["AGREEING_IOU", "BORDER", "COMPARABLE", "CONTAINED", "Tiling", "merge", "plan"]

AGREEING_IOU = 0.5  # of two boxes of one tile; of two tiles, each cut to the region that both see
CONTAINED = 0.7  # of a cut box's area inside another box
# How far a box may reach out of the other one: a share of its own side or of the other's, 2 px at least, the border at
# most. A detector is that much off; what lies further away is something else.
SLACK_OF_OWN, SLACK_OF_OTHER = 0.25, 0.02
BORDER = 0.01  # of the tile's side, and 2 px at least: a box that comes so near to the border is cut by it
COMPARABLE = 0.5  # a score below this share of another one does not speak against it
_LEAST_BORDER_PX = 2.0

Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class _Rows:
    """All boxes of an image, in its own pixels, best first.

    Args:
        boxes: ``(N, 4)``.
        scores: ``(N,)``.
        labels: ``(N,)``.
        window_of: ``(N,)`` position in the plan.
        is_cut: ``(N,)`` whether it ends at a border that is none of the image.
        border_px: ``(N, 2)`` how near, across and down, counts as at the border.
    """

    boxes: Boxes
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    window_of: NDArray[np.int64]
    is_cut: NDArray[np.bool_]
    border_px: Boxes


def merge(found: Sequence[Detections], windows: NDArray[np.int64], size_hw: tuple[int, int]) -> Detections:
    """The boxes of an image from those of its tiles.

    Args:
        found: of each window, in pixels of the window, suppressed within it.
        windows: ``(N, 4)`` of :func:`plan`.
        size_hw: of the image.

    Returns:
        In pixels of the image, best first. A row that is not finite stays as it is, for whoever counts such rows.

    >>> row = Detections(np.float32([[90, 5, 100, 9]]), np.float32([0.9]), np.array([0]))
    >>> other = Detections(np.float32([[10, 5, 30, 9]]), np.float32([0.8]), np.array([0]))
    >>> joined = merge([row, other], np.array([[0, 0, 100, 50], [80, 0, 180, 50]]), (50, 180))
    >>> joined.bboxes_xyxy.tolist(), joined.scores.round(1).tolist()
    ([[90.0, 5.0, 110.0, 9.0]], [0.8999999761581421])
    """
    if len(found) == 1:
        return found[0]
    odd = [rows.rows(~is_valid(rows)) for rows in found]
    finite = [rows.rows(is_valid(rows)) for rows in found]
    single = [
        suppress(rows, iou_threshold=AGREEING_IOU, max_kept=len(rows)) if len(rows) > 1 else rows for rows in finite
    ]
    rows = _placed(single, windows, size_hw)
    boxes, scores, labels = _merged(rows, windows)
    order = np.argsort(-scores, kind="stable")
    return joined([Detections(boxes[order].astype(np.float32), scores[order].astype(np.float32), labels[order]), *odd])


def _placed(found: Sequence[Detections], windows: NDArray[np.int64], size_hw: tuple[int, int]) -> _Rows:
    """Step 1: into pixels of the image, cut to the window; and which boxes a border cuts."""
    window_of = np.repeat(np.arange(len(found)), [len(rows) for rows in found])
    scores = np.concatenate([rows.scores for rows in found]).astype(np.float64)
    labels = np.concatenate([rows.labels for rows in found])
    boxes = np.concatenate([rows.bboxes_xyxy for rows in found]).astype(np.float64)
    own = windows[window_of].astype(np.float64)
    boxes = _cut(boxes + np.tile(own[:, :2], 2), own)
    order = np.lexsort((*boxes.T[::-1], labels, -scores))
    boxes, own, window_of = boxes[order], own[order], window_of[order]
    border_px = np.maximum((own[:, 2:] - own[:, :2]) * BORDER, _LEAST_BORDER_PX)
    height, width = size_hw
    inner = own != np.array([0, 0, width, height])
    is_near = np.abs(boxes - own) <= np.tile(border_px, 2)
    return _Rows(boxes, scores[order], labels[order], window_of, (inner & is_near).any(axis=1), border_px)


def _merged(rows: _Rows, windows: NDArray[np.int64]) -> tuple[Boxes, NDArray[np.float64], NDArray[np.int64]]:
    """Steps 2 to 6; rows stand best first, so that a lower position is a higher score."""
    agreeing, inside = _neighbours(rows, windows)
    boxes, scores = rows.boxes.copy(), rows.scores.copy()
    is_open = np.ones(len(boxes), dtype=bool)  # no other row stands for it
    for at in np.flatnonzero(~rows.is_cut).tolist():  # step 3: whole in several tiles; the best row stays
        if is_open[at]:
            is_open[[other for other in agreeing[at] if other > at and not rows.is_cut[other]]] = False
    groups = {}
    for at in np.flatnonzero(rows.is_cut).tolist():  # step 4: the parts of an object that is cut here
        if is_open[at]:
            groups[at] = _join(at, rows, agreeing, is_open, boxes)
    for at, members in groups.items():  # step 5: the same object seen whole elsewhere
        agree = {one for member in members for one in agreeing[member]}
        near = agree | {one for member in members for one in inside[member]}
        whole = [one for one in near if is_open[one] and not rows.is_cut[one]]
        whole = [one for one in whole if rows.scores[one] >= COMPARABLE * rows.scores[at]]
        if len(members) > 1:
            whole = [one for one in whole if _explains(one, boxes[at], rows)]
        if whole:
            best = min(whole, key=lambda one: (one not in agree, one))
            is_open[at] = False
            scores[best] = max(scores[best], rows.scores[at])
    joined_rows = [at for at, members in groups.items() if is_open[at] and len(members) > 1]
    _drop_doubles(boxes, scores, rows.labels, agreeing, joined_rows, is_open)
    return boxes[is_open], scores[is_open], rows.labels[is_open]


def _drop_doubles(
    boxes: Boxes,
    scores: NDArray[np.float64],
    labels: NDArray[np.int64],
    agreeing: list[list[int]],
    joined_rows: list[int],
    is_open: NDArray[np.bool_],
) -> None:
    """Step 6: of what overlaps by more than half, whichever tiles say so, the best stays.

    Boxes as they were overlap so only where they agree; a joined one may overlap any.
    """
    pairs: list[NDArray[np.int64]] = [
        np.array([(at, other) for at, others in enumerate(agreeing) for other in others], int).reshape(-1, 2)
    ]
    for at in joined_rows:
        others = np.flatnonzero(is_open & (labels == labels[at]))
        pairs.append(np.stack([np.full(len(others), at), others], axis=1))
    both = np.concatenate(pairs)
    both = both[is_open[both].all(axis=1) & (both[:, 0] != both[:, 1])]
    shared = area_xyxy(_cut(boxes[both[:, 0]], boxes[both[:, 1]]))
    area = area_xyxy(boxes)
    both = both[shared > AGREEING_IOU * (area[both].sum(axis=1) - shared)]
    rank = np.empty(len(boxes), int)
    rank[np.argsort(-scores, kind="stable")] = np.arange(len(boxes))
    both = np.where((rank[both[:, 0]] < rank[both[:, 1]])[:, None], both, both[:, ::-1])
    for better, other in both[np.argsort(rank[both[:, 0]], kind="stable")].tolist():
        if is_open[better]:
            is_open[other] = False


def _join(seed: int, rows: _Rows, agreeing: list[list[int]], is_open: NDArray[np.bool_], boxes: Boxes) -> list[int]:
    """Step 4: the rows of one object, at most one of each tile; the first one, the best, gets the box around all."""
    members, windows = [seed], {int(rows.window_of[seed])}
    for member in members:  # grows while it is gone through
        for other in agreeing[member]:
            is_part = other > seed and is_open[other] and rows.is_cut[other]  # a surer one has had its turn
            is_part = is_part and rows.scores[other] >= COMPARABLE * rows.scores[seed]
            if is_part and int(rows.window_of[other]) not in windows:
                members.append(other)
                windows.add(int(rows.window_of[other]))
    if len(members) == 1:
        return members
    boxes[seed] = np.concatenate([rows.boxes[members, :2].min(axis=0), rows.boxes[members, 2:].max(axis=0)])
    around = {other for member in members for other in agreeing[member] if other > seed and rows.is_cut[other]}
    more_views = [other for other in around if _share_inside_of(rows.boxes[other], boxes[seed]) >= CONTAINED]
    is_open[[*members[1:], *more_views]] = False
    return members


def _explains(whole: int, box: Boxes, rows: _Rows) -> bool:
    return float(_shares_inside(box[None], rows, np.array([whole]))[0, 0]) >= CONTAINED


def _neighbours(rows: _Rows, windows: NDArray[np.int64]) -> tuple[list[list[int]], list[list[int]]]:
    """Step 2: of each row, the rows of other tiles that agree with it, and those in which it lies."""
    agreeing: list[list[int]] = [[] for _ in rows.scores]
    inside: list[list[int]] = [[] for _ in rows.scores]
    for first, second in _pairs(rows, windows):
        same = rows.labels[first][:, None] == rows.labels[second]
        region = _cut(windows[rows.window_of[first[0]]][None], windows[rows.window_of[second[0]]][None].astype(float))
        a, b = _cut(rows.boxes[first], region), _cut(rows.boxes[second], region)
        for at, other in np.argwhere(same & (pairwise_iou(a, b) >= AGREEING_IOU)).tolist():
            agreeing[first[at]].append(int(second[other]))
            agreeing[second[other]].append(int(first[at]))
        for small, large in ((first, second), (second, first)):
            cut = small[rows.is_cut[small]]
            is_in = _shares_inside(rows.boxes[cut], rows, large) >= CONTAINED
            for at, other in np.argwhere(is_in & (rows.labels[cut][:, None] == rows.labels[large])).tolist():
                inside[cut[at]].append(int(large[other]))
    return [sorted(others) for others in agreeing], inside


def _pairs(rows: _Rows, windows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The rows of each two windows that overlap, which reach into what both see."""
    members = [np.flatnonzero(rows.window_of == at) for at in range(len(windows))]
    for at in range(len(windows) - 1):
        if not len(members[at]):
            continue
        regions = _cut(windows[at + 1 :], windows[at][None].astype(float))
        for other in (np.flatnonzero((regions[:, 2:] > regions[:, :2]).all(axis=1)) + at + 1).tolist():
            region = regions[other - at - 1][None]
            first, second = (of[_reaches(rows, of, region)] for of in (members[at], members[other]))
            if len(first) and len(second):
                yield first, second


def _reaches(rows: _Rows, chosen: NDArray[np.int64], region: Boxes) -> NDArray[np.bool_]:
    """Which boxes, widened by their border, have area in a region."""
    cut = _cut(_widened(rows, chosen), region)
    has_area: NDArray[np.bool_] = area_xyxy(cut) > 0
    return has_area


def _widened(rows: _Rows, chosen: NDArray[np.int64]) -> Boxes:
    margin = rows.border_px[chosen]
    widened: Boxes = rows.boxes[chosen] + np.concatenate([-margin, margin], axis=1)
    return widened


def _shares_inside(boxes: Boxes, rows: _Rows, large: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(S, L)`` share of the area of each box ``(S, 4)`` that lies in each large row, widened by the slack."""
    own_wh, other_wh = boxes[:, 2:] - boxes[:, :2], rows.boxes[large, 2:] - rows.boxes[large, :2]
    slack_wh = np.maximum(SLACK_OF_OWN * own_wh[:, None], SLACK_OF_OTHER * other_wh[None])
    slack_wh = np.clip(slack_wh, _LEAST_BORDER_PX, rows.border_px[large][None])
    top_left = np.maximum(boxes[:, None, :2], rows.boxes[large][None, :, :2] - slack_wh)
    size_wh = np.minimum(boxes[:, None, 2:], rows.boxes[large][None, :, 2:] + slack_wh) - top_left
    shares: NDArray[np.float64] = np.maximum(size_wh, 0).prod(axis=2) / np.maximum(area_xyxy(boxes)[:, None], 1e-9)
    return shares


def _share_inside_of(box: Boxes, large: Boxes) -> float:
    return float(area_xyxy(_cut(box[None], large[None]))[0] / max(area_xyxy(box[None])[0], 1e-9))


def _cut(boxes: NDArray, limits: NDArray) -> Boxes:
    """Boxes ``(N, 4)`` cut to a box each, or all to one; one fully outside gets no area."""
    lows, highs = np.tile(limits[:, :2], 2), np.tile(limits[:, 2:], 2)
    cut: Boxes = np.minimum(np.maximum(boxes.astype(np.float64), lows), highs)
    return cut
