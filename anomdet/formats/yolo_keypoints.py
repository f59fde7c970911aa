"""Whether the long lines of YOLO labels hold keypoints behind a box, where no ``kpt_shape`` says so.

Such a line can have as many numbers as one of a polygon. Read as a polygon, it would give a box of another place.
"""

from __future__ import annotations

from collections.abc import Sequence

from anomdet.formats.dataset import enclosing

_Point = tuple[float, float]
_MARGIN = 0.1  # of the box: a keypoint may lie a little outside


def like_keypoints(values: Sequence[float]) -> bool:
    """Whether the numbers behind a class are a box and its keypoints rather than the points of a polygon.

    Keypoints lie in their box. Of a polygon the second point is a neighbour of the first; the width and height of a
    box, taken as a point, mostly lie far from everything else. With flags, every third number is 0, 1 or 2.

    Args:
        values: fractions of the image's size, at least six.

    >>> like_keypoints([0.5, 0.5, 0.2, 0.2, 0.45, 0.45, 0.55, 0.55])
    True
    >>> like_keypoints([0.1, 0.1, 0.3, 0.1, 0.3, 0.4, 0.1, 0.4])
    False
    """
    rest = values[4:]
    if len(rest) % 3 == 0 and all(flag in (0, 1, 2) for flag in rest[2::3]):
        flagged = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
        return _are_inside([(x, y) for x, y, flag in flagged if flag], values)
    points = list(zip(rest[::2], rest[1::2], strict=False))
    if len(values) % 2 or len(points) < 2 or _is_parallelogram(values):
        return False
    seen = [point for point in points if point != (0, 0)]
    others = [(values[0], values[1]), *seen]
    return bool(seen) and _are_inside(seen, values) and _is_apart((values[2], values[3]), others)


def _are_inside(points: Sequence[_Point], box: Sequence[float]) -> bool:
    x, y, width, height = box[:4]
    reach_x, reach_y = width * (0.5 + _MARGIN), height * (0.5 + _MARGIN)
    return min(width, height) > 0 and all(abs(px - x) <= reach_x and abs(py - y) <= reach_y for px, py in points)


def _is_apart(point: _Point, others: Sequence[_Point]) -> bool:
    """Whether a point is farther from the box around the others than that box is long."""
    x, y, width, height = enclosing(others)
    reach = max(width, height)
    return not (x - reach <= point[0] <= x + width + reach and y - reach <= point[1] <= y + height + reach)


def _is_parallelogram(values: Sequence[float]) -> bool:
    """As the four corners of a rotated box."""
    if len(values) != 8:
        return False
    return all(abs(values[i] + values[i + 4] - values[i + 2] - values[i + 6]) < 1e-3 for i in (0, 1))
