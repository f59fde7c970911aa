"""The test vector for other languages is what AnomDet does, and the reference without AnomDet does the same.

python -m tests.unit.test_other_languages    # writes docs/other_languages.json again
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from anomdet.inference.artifact import Preprocessing
from anomdet.inference.postprocess import Detections, at_or_above, suppress, to_original
from anomdet.inference.preprocess import Prepared, fit_inside, fitted_size, stack
from anomdet.tiles import starts

ROOT = Path(__file__).parents[2]
VECTOR = ROOT / "docs" / "other_languages.json"


def vector() -> dict[str, Any]:
    """Everything, computed by AnomDet."""
    sizes = [[300, 600], [600, 300], [640, 640], [1, 1000], [333, 777], [319, 321], [5, 3]]
    return {
        "fitted_size": [
            {"original_hw": size, "size_hw": [320, 320], "fitted_hw": list(fitted_size((size[0], size[1]), (320, 320)))}
            for size in sizes
        ],
        "prepare": [
            prepared(kernel, hw) for kernel in ("bilinear", "area") for hw in ([5, 9], [16, 11], [8, 12], [16, 24])
        ],
        "suppress": [suppressed(seed) for seed in range(3)],
        "to_image": placed(),
        "verdict": verdicts(),
        "tile_starts": [
            {"length": length, "tile": tile, "overlap": overlap, "starts": starts(length, tile, overlap)}
            for length, tile, overlap in ((1000, 400, 80), (300, 400, 80), (401, 400, 80), (4096, 640, 128))
        ],
    }


def prepared(kernel: str, hw: list[int]) -> dict[str, Any]:
    """An image of any pixels into 8 x 12, padded to multiples of 4."""
    rows, columns, channels = np.indices((*hw, 3))
    image = ((rows * 37 + columns * 61 + channels * 101 + rows * columns * 7) % 256).astype(np.uint8)
    settings = {"size_hw": [8, 12], "pad_multiple": 4, "interpolation": kernel}
    preprocessing = Preprocessing((8, 12), (), (), "rgb", 4, interpolation=kernel)  # type: ignore[arg-type]
    batch = stack([Prepared(fit_inside(image, preprocessing), (hw[0], hw[1]))], 4)
    return {
        "preprocessing": settings,
        "image_bgr": image.tolist(),
        "images": batch.images.tolist(),
        "sizes": batch.sizes_hw.tolist(),
    }


def suppressed(seed: int) -> dict[str, Any]:
    """Boxes on a coarse grid, so that many overlap and some scores are equal."""
    source = np.random.default_rng(seed)
    corners = source.integers(0, 20, (24, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + source.integers(4, 12, (24, 2))], axis=1).astype(np.float32)
    scores = (source.integers(1, 12, 24) / 12).astype(np.float32)
    labels = source.integers(0, 2, 24)
    kept = suppress(Detections(boxes, scores, labels), iou_threshold=0.5, max_kept=24)
    rows = [list(boxes.tolist()).index(box) for box in kept.bboxes_xyxy.tolist()]
    return {
        "bboxes_xyxy": boxes.tolist(),
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        "iou_threshold": 0.5,
        "kept_rows": rows,
    }


def placed() -> dict[str, Any]:
    """Boxes of a network of 160 x 320 to an image of 300 x 601."""
    boxes = np.array([[0, 0, 320, 160], [10.5, 20.25, 30, 99]], np.float32)
    scale_wh = np.array([320 / 601, 160 / 300])
    return {
        "bboxes_xyxy": boxes.tolist(),
        "sizes_hw": [160, 320],
        "original_hw": [300, 601],
        "in_image": to_original(boxes, scale_wh).tolist(),
    }


def verdicts() -> list[dict[str, Any]]:
    """Which detections count; a score equal to the threshold does."""
    scores, nums = np.array([0.5, 0.3, 0.1], np.float32), np.array([7, -3, 7])
    found = []
    for threshold in ({7: 0.5, -3: 0.4}, {7: 0.6, -3: 0.4}, {7: 0.6, -3: 0.25}):
        counted = at_or_above(scores, nums, threshold)
        named = {str(num): score for num, score in threshold.items()}
        verdict = "reject" if counted.any() else "accept"
        found.append(
            {
                "scores": scores.tolist(),
                "class_nums": nums.tolist(),
                "thresholds": named,
                "counted": counted.tolist(),
                "verdict": verdict,
            }
        )
    return found


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return json.loads(VECTOR.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    pytest.importorskip("onnxruntime")
    spec = importlib.util.spec_from_file_location("plain_python", ROOT / "examples" / "plain_python.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_vector_is_what_anomdet_does(written: dict[str, Any]) -> None:
    assert written == vector()


def test_the_reference_imports_nothing_of_ours() -> None:
    assert "import anomdet" not in (ROOT / "examples" / "plain_python.py").read_text(encoding="utf-8")


def test_the_reference_prepares_alike(written: dict[str, Any], reference: ModuleType) -> None:
    for case in written["fitted_size"]:
        assert list(reference.fitted_size(*case["original_hw"], case["size_hw"])) == case["fitted_hw"]
    for case in written["prepare"]:
        images, sizes = reference.prepare(np.array(case["image_bgr"], np.uint8), case["preprocessing"])
        assert images.tolist() == case["images"]
        assert sizes.tolist() == case["sizes"]
    for case in written["tile_starts"]:
        assert reference.tile_starts(case["length"], case["tile"], case["overlap"]) == case["starts"]


def test_the_reference_resizes_as_opencv_does_bit_for_bit(reference: ModuleType) -> None:
    source = np.random.default_rng(0)
    for _ in range(60):
        height, width, to_height, to_width = source.integers(1, 160, 4).tolist()
        image = source.integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = cv2.resize(image, (to_width, to_height), interpolation=cv2.INTER_LINEAR)
        assert np.array_equal(reference.resize(image, to_height, to_width), expected), (image.shape, expected.shape)


def test_the_reference_reads_without_opencv(reference: ModuleType, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert cv2.imwrite(str(tmp_path / "a.ppm"), image)
    assert np.array_equal(reference.read(tmp_path / "a.ppm"), image)


def test_the_reference_suppresses_alike(written: dict[str, Any], reference: ModuleType) -> None:
    for case in written["suppress"]:
        boxes, scores = np.array(case["bboxes_xyxy"], np.float32), np.array(case["scores"], np.float32)
        rows = reference.suppress(boxes, scores, np.array(case["labels"]), case["iou_threshold"])
        assert rows == case["kept_rows"]
        assert len(set(rows)) == len(rows) < len(boxes)


def test_the_reference_places_boxes_and_counts_alike(written: dict[str, Any], reference: ModuleType) -> None:
    case = written["to_image"]
    boxes = reference.to_image(
        np.array(case["bboxes_xyxy"], np.float32), np.array(case["sizes_hw"]), tuple(case["original_hw"])
    )
    assert boxes.astype(np.float32).tolist() == case["in_image"]
    for case in written["verdict"]:
        artifact = {"operating_point": {"per_class": case["thresholds"]}}
        least = reference.thresholds(artifact)
        counted = [score >= least[num] for score, num in zip(case["scores"], case["class_nums"], strict=True)]
        assert counted == case["counted"]


if __name__ == "__main__":
    VECTOR.write_text(json.dumps(vector()) + "\n", encoding="utf-8")
