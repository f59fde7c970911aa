"""The box around what a COCO annotation marks, against pycocotools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from anomdet.formats.coco_segments import box_around
from tests.unit.formats.cases import boxes_of, notes_of, problems_of, read, write_files
from tests.unit.formats.test_names import coco


@pytest.mark.parametrize(
    ("bbox", "segment", "reported"),
    [
        ([10, 10, 20, 20], [[10, 10, 30, 10, 30, 30]], 0),
        ([10, 10, 20, 20], [[40, 10, 60, 10, 60, 30]], 1),  # the image was cropped, the segment was not
        ([5, 5, 10, 10], [[10, 10, 30, 10, 30, 30]], 1),  # or scaled
        ([10, 10, 2, 2], [[11, 11, 12, 11, 12, 12]], 0),
        ([10, 10, 20, 20], [], 0),
    ],
)
def test_a_box_that_lies_elsewhere_than_its_segment(bbox: list, segment: list, reported: int, tmp_path: Path) -> None:
    content = coco("a.png")
    content["annotations"][0] |= {"bbox": bbox, "segmentation": segment}
    dataset, findings = read("coco", write_files(tmp_path, {"c.json": content, "a.png": None}))
    assert boxes_of(dataset)["a.png"][0][1:] == tuple(bbox)
    assert notes_of(findings).get("box that lies elsewhere than its segment", 0) == reported


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_as_pycocotools_reads_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 300, 2).tolist()
    x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
    pixels = np.zeros((height, width), np.uint8, order="F")
    pixels[y : y + int(rng.integers(1, 90)), x : x + int(rng.integers(1, 90))] = rng.random() < 0.9
    pixels &= rng.random((height, width)) < 0.7
    packed = coco_mask.encode(pixels)
    runs = np.diff(np.flatnonzero(np.diff(np.r_[1 - pixels.ravel("F")[0], pixels.ravel("F"), 2])), prepend=0)
    counts = [0, *runs.tolist()] if pixels.ravel("F")[0] else runs.tolist()
    counts = [count for i, count in enumerate(counts) if i or count or pixels.ravel("F")[0]]
    expected = tuple(coco_mask.toBbox(packed).tolist()) if pixels.any() else None
    assert box_around({"segmentation": {**packed, "counts": packed["counts"].decode()}}) == expected
    assert (
        coco_mask.decode(coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)).sum()
        == pixels.sum()
    )
    assert box_around({"segmentation": {"size": [height, width], "counts": counts}}) == expected


@pytest.mark.parametrize(
    ("annotation", "box"),
    [
        ({"segmentation": [[1, 2, 4, 2, 4, 6], [10, 20, 11, 30]]}, (1, 2, 10, 28)),
        ({"keypoints": [5, 6, 2, 20, 30, 1, 0, 0, 0]}, (5, 6, 15, 24)),
        ({"keypoints": [5, 6, 2]}, None),
        ({"segmentation": []}, None),
        ({"segmentation": [[1, "x"]]}, None),
        ({"segmentation": {"counts": [1, 2], "size": [1, 1]}}, None),
        ({"segmentation": {"counts": [0, -5], "size": [9, 9]}}, None),
        ({"segmentation": {"counts": "\x00", "size": [9, 9]}}, None),
        ({"segmentation": {"counts": "o" * 99, "size": [9, 9]}}, None),
        ({"segmentation": {"counts": [0, 4], "size": [0, 9]}}, None),
        ({"segmentation": {"counts": None, "size": [9, 9]}}, None),
        ({}, None),
    ],
)
def test_what_marks_a_place_and_what_does_not(annotation: dict[str, Any], box: tuple | None) -> None:
    assert box_around(annotation) == box


@pytest.mark.parametrize("bbox", [None, [], [0, 0, 0, 0], [3, 3, 5, 0]])
def test_an_annotation_without_a_box_gets_that_of_its_segment(bbox: list | None, tmp_path: Path) -> None:
    content = coco("a.png")
    content["annotations"][0] |= {"bbox": bbox, "segmentation": [[1, 2, 4, 2, 4, 6]]}
    dataset, _ = read("coco", write_files(tmp_path / "1", {"c.json": content, "a.png": None}))
    assert boxes_of(dataset) == {"a.png": [(1, 1, 2, 3, 4)]}
    content["annotations"][0]["segmentation"] = []
    _, findings = read("coco", write_files(tmp_path / "2", {"c.json": content, "a.png": None}))
    assert problems_of(findings)


def test_ids_that_are_texts(tmp_path: Path) -> None:
    content = coco("a.png", "b.png")
    content["images"][0]["id"], content["annotations"][1]["image_id"] = "1", "2"
    dataset, findings = read("coco", write_files(tmp_path, {"c.json": content, "a.png": None, "b.png": None}))
    assert not findings.problems
    assert boxes_of(dataset) == {"a.png": [(1, 1, 2, 3, 4)], "b.png": [(1, 2, 2, 3, 4)]}
