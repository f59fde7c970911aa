"""The box of a COCO annotation that has none of its own: around its polygons, run lengths or keypoints.

Source: https://cocodataset.org/#format-data; run lengths as pycocotools writes them (maskApi.c).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anomdet.formats.dataset import around, is_number
from anomdet.formats.json_files import numbers_of

_Xywh = tuple[float, float, float, float]
_MAX_SIDE = 1_000_000
_ROUNDING_PX = 2.0


def box_around(annotation: dict) -> _Xywh | None:
    """x, y, width, height around all that an annotation marks; None if that is nothing, or is damaged."""
    segments, keypoints = annotation.get("segmentation"), annotation.get("keypoints")
    if isinstance(segments, dict):
        return _around_runs(segments)
    if isinstance(segments, list) and segments:
        lists = [numbers_of(segment, len(segment)) if isinstance(segment, list) else None for segment in segments]
        if None in lists:
            return None
        return around(pair for values in lists for pair in zip((values or [])[::2], (values or [])[1::2], strict=False))
    if isinstance(keypoints, list) and all(map(is_number, keypoints)):
        triples = zip(keypoints[::3], keypoints[1::3], keypoints[2::3], strict=False)
        return around((float(x), float(y)) for x, y, visible in triples if visible)
    return None


def is_elsewhere(annotation: dict, bbox: Sequence[float]) -> bool:
    """Whether less than half of what a box and its segment cover is common to both: one of them was not moved along.

    Args:
        annotation: with a segment or without.
        bbox: x, y, width, height of its box; a pixel or two are no difference.

    >>> is_elsewhere({"segmentation": [[30, 30, 40, 30, 40, 40]]}, (0, 0, 10, 10))
    True
    """
    around = box_around({"segmentation": annotation.get("segmentation")})
    if around is None or min(bbox[2:]) <= 0:
        return False
    x, y, width, height = around
    edges = zip((x, y, x + width, y + height), (*bbox[:2], bbox[0] + bbox[2], bbox[1] + bbox[3]), strict=True)
    if max(abs(one - other) for one, other in edges) <= _ROUNDING_PX:
        return False
    common_x = min(x + width, bbox[0] + bbox[2]) - max(x, bbox[0])
    common_y = min(y + height, bbox[1] + bbox[3]) - max(y, bbox[1])
    common = max(common_x, 0.0) * max(common_y, 0.0)
    return common < (width * height + bbox[2] * bbox[3] - common) / 2


def _around_runs(segment: dict) -> _Xywh | None:
    """Run lengths go down the columns, background first."""
    size, counts = numbers_of(segment.get("size"), 2), _counts(segment.get("counts"))
    if size is None or counts is None or not 0 < size[0] <= _MAX_SIDE or not 0 < size[1] <= _MAX_SIDE:
        return None
    height, width = int(size[0]), int(size[1])
    columns, rows, at = [], [], 0
    for i, count in enumerate(counts):
        first, at = at, at + count
        if i % 2 and count:
            columns += [first // height, (at - 1) // height]
            spans = columns[-2] != columns[-1]
            rows += [0, height - 1] if spans else [first % height, (at - 1) % height]
    if not columns or at > height * width:
        return None
    left, top = min(columns), min(rows)
    return float(left), float(top), float(max(columns) - left + 1), float(max(rows) - top + 1)


def _counts(value: Any) -> Sequence[int] | None:
    """A list, or pycocotools' text: six bits a character, five of the number, the differences to the last but one."""
    if isinstance(value, list):
        whole = all(is_number(one) and one == int(one) and one >= 0 for one in value)
        return [int(one) for one in value] if whole else None
    if not isinstance(value, str):
        return None
    counts: list[int] = []
    number = shift = 0
    for sign in value:
        bits = ord(sign) - 48
        if not 0 <= bits < 64 or shift > 60:
            return None
        number |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            number -= (bits & 16 and 1) << shift
            counts.append(number + (counts[-2] if len(counts) > 2 else 0))
            number = shift = 0
    return counts if min(counts, default=-1) >= 0 and not shift else None
