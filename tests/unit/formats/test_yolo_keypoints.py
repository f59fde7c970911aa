"""A box and its keypoints have as many numbers as a polygon."""

from __future__ import annotations

import math

import pytest

from anomdet.formats.yolo_keypoints import like_keypoints

POSES = {
    "two points": [0.5, 0.5, 0.2, 0.2, 0.45, 0.45, 0.55, 0.55],
    "one of them not seen": [0.5, 0.5, 0.2, 0.2, 0.45, 0.45, 0, 0],
    "two points with flags": [0.3, 0.6, 0.2, 0.2, 0.35, 0.65, 2, 0.25, 0.55, 1],
    "one not seen, with flags": [0.3, 0.6, 0.2, 0.2, 0.35, 0.65, 2, 0, 0, 0],
    "corners of a plate": [0.7, 0.7, 0.3, 0.1, 0.55, 0.65, 0.85, 0.65, 0.85, 0.75, 0.55, 0.75],
}
POLYGONS = {
    "triangle": [0.1, 0.1, 0.3, 0.1, 0.2, 0.4],
    "rotated box": [0.5, 0.4, 0.6, 0.5, 0.5, 0.6, 0.4, 0.5],
    "upright box": [0.45, 0.45, 0.55, 0.45, 0.55, 0.55, 0.45, 0.55],
    "pentagon in the middle": [0.5, 0.5, 0.55, 0.5, 0.6, 0.55, 0.55, 0.6, 0.5, 0.55],
    "long line": [0.1, 0.1, 0.9, 0.9, 0.9, 0.91, 0.1, 0.11],
}
for sides in (5, 8, 20):
    turns = [2 * math.pi * side / sides for side in range(sides)]
    for at, size in ((0.5, 0.3), (0.5, 0.02), (0.2, 0.1)):
        ring = [value for turn in turns for value in (at + size * math.cos(turn), at + size * math.sin(turn))]
        POLYGONS[f"{sides} sides at {at}, size {size}"] = ring


@pytest.mark.parametrize("name", POSES)
def test_a_box_and_its_keypoints(name: str) -> None:
    assert like_keypoints(POSES[name])


@pytest.mark.parametrize("name", POLYGONS)
def test_a_polygon(name: str) -> None:
    assert not like_keypoints(POLYGONS[name])
