"""An exported detector without AnomDet: numpy and ONNX Runtime alone. The same steps for other languages.

    python examples/plain_python.py exported part.ppm

Prints JSON: the verdict, and the detections from the threshold of their class on. The steps and a test vector are
described in docs/other_languages.md. Reads binary PPM files by itself, PNG and JPEG where OpenCV is installed: 8 bit
images without EXIF rotation; AnomDet's own reader knows the others.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def fitted_size(height: int, width: int, size_hw: list[int]) -> tuple[int, int]:
    """Height and width of the largest image of the same shape that fits into ``size_hw``; halves are rounded up."""
    factor = min(size_hw[0] / height, size_hw[1] / width)
    return max(int(height * factor + 0.5), 1), max(int(width * factor + 0.5), 1)


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where the tiles of one axis begin: as few as share ``overlap`` pixels at least, evenly spread over the length."""
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [at * (length - tile) // (count - 1) for at in range(count)]


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image ``(H, W, 3)`` uint8 as OpenCV's ``INTER_LINEAR`` resizes it, bit for bit."""
    if image.shape[:2] == (2 * height, 2 * width):  # to exactly half: the mean of four
        four = [image[top::2, left::2].astype(np.int64) for top in (0, 1) for left in (0, 1)]
        return ((sum(four) + 2) >> 2).astype(np.uint8)
    left, right, across = neighbours(image.shape[1], width, at_edges=False)
    upper, lower, down = neighbours(image.shape[0], height, at_edges=True)
    rows = image[:, left] * across[0, None, :, None] + image[:, right] * across[1, None, :, None] >> 4
    above, below = rows[upper] * down[0, :, None, None] >> 16, rows[lower] * down[1, :, None, None] >> 16
    return (above + below + 2 >> 2).astype(np.uint8)


def neighbours(source: int, target: int, *, at_edges: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pixel of a resized axis: the two pixels it lies between, and their weights ``(2, target)`` of 2048.

    Args:
        source, target: lengths.
        at_edges: weigh the pixel at an edge twice, as OpenCV does down an image; across it counts alone.
    """
    place = ((np.arange(target) + 0.5) * (source / target) - 0.5).astype(np.float32)
    first = np.floor(place)
    share = place - first
    if not at_edges:
        share[(first < 0) | (first >= source - 1)] = 0
    weights = np.rint(np.stack([1 - share, share]) * np.float32(2048)).astype(np.int64)
    first = first.astype(np.int64)
    return first.clip(0, source - 1), (first + 1).clip(0, source - 1), weights


def resize_by_opencv(image: np.ndarray, height: int, width: int, kernel: str) -> np.ndarray:
    """The kernels that are not the default."""
    import cv2

    kernels = {"area": cv2.INTER_AREA, "bicubic": cv2.INTER_CUBIC, "nearest": cv2.INTER_NEAREST}
    return cv2.resize(image, (width, height), interpolation=kernels[kernel])


def prepare(image: np.ndarray, preprocessing: dict) -> tuple[np.ndarray, np.ndarray]:
    """What the graph takes, of an image ``(H, W, 3)`` uint8 BGR.

    Returns:
        images: ``(1, H, W, 3)`` uint8 BGR; sides are multiples of ``pad_multiple``, 0 to the right and below.
        sizes: ``(1, 2)`` int64, height and width of the image in it.
    """
    height, width = fitted_size(image.shape[0], image.shape[1], preprocessing["size_hw"])
    if image.shape[:2] != (height, width):
        kernel = preprocessing["interpolation"]
        linear = kernel == "bilinear"
        image = resize(image, height, width) if linear else resize_by_opencv(image, height, width, kernel)
    multiple = preprocessing["pad_multiple"]
    padded = np.zeros((-(-height // multiple) * multiple, -(-width // multiple) * multiple, 3), np.uint8)
    padded[:height, :width] = image
    return padded[None], np.array([[height, width]], np.int64)


def suppress(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, iou_threshold: float) -> list[int]:
    """Rows that greedy suppression within each class keeps, best first; only for graphs with ``with_nms: false``."""
    waiting = np.lexsort((*boxes.T[::-1], labels, -scores)).tolist()
    boxes = boxes.astype(np.float64)
    kept: list[int] = []
    while waiting:
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        waiting = [
            row for row in waiting if labels[row] != labels[best] or iou(boxes[row], boxes[best]) <= iou_threshold
        ]
    return kept


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes (x1, y1, x2, y2); nothing in common: 0."""
    width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    common = max(float(width), 0.0) * max(float(height), 0.0)
    union = sum(float((box[2] - box[0]) * (box[3] - box[1])) for box in (one, other)) - common
    return common / union if common else 0.0


def to_image(boxes: np.ndarray, size_hw: np.ndarray, original_hw: tuple[int, int]) -> np.ndarray:
    """Boxes ``(N, 4)`` in pixels of the network to pixels of the image."""
    scale_wh = size_hw[::-1] / np.array(original_hw[::-1])
    return boxes * np.tile((1 / scale_wh).astype(np.float32), 2)


def thresholds(artifact: dict) -> dict[int, float]:
    """Class number to the least score that rejects."""
    point = artifact["operating_point"]
    if point["per_class"] is not None:
        return {int(num): score for num, score in point["per_class"].items()}
    return dict.fromkeys(artifact["class_nums"], point["score_threshold"])


def rows_of(network: dict, outputs: list[np.ndarray], threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, scores and labels of the one image in the batch, best first, at most ``max_kept``."""
    if network["with_nms"]:
        boxes, scores, labels, _image = outputs
        order = np.argsort(-scores, kind="stable")
    else:
        labels, rows = np.nonzero(outputs[1][0] > threshold)
        boxes, scores = outputs[0][0][rows], outputs[1][0][labels, rows]
        order = np.array(suppress(boxes, scores, labels, network["iou_threshold"] or 1.0), dtype=np.int64)
    order = order[: network["max_kept"]]
    return boxes[order], scores[order], labels[order]


def judge(folder: Path, image: np.ndarray) -> dict:
    """Verdict and detections of an image ``(H, W, 3)`` uint8 BGR."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    network, artifact = manifest["network"], manifest["artifact"]
    if network["format"] != "onnx" or artifact.get("tiles") or artifact.get("anomaly"):
        raise SystemExit("expected an ONNX export without tiles and anomaly score; use AnomDet for this one")
    session = onnxruntime.InferenceSession(str(folder / network["file"]), providers=["CPUExecutionProvider"])
    least = thresholds(artifact)
    # The graph reports scores above its threshold: one just below lets the threshold itself through.
    below = float(np.nextafter(np.float32(min(least.values())), np.float32(-1)))
    threshold = np.array(max(network["floor"], below, 0.0), np.float32)
    images, sizes = prepare(image, artifact["preprocessing"])
    feeds = {"images": images, "sizes": sizes, **({"threshold": threshold} if network["with_nms"] else {})}
    boxes, scores, labels = rows_of(network, session.run(None, feeds), float(threshold))
    boxes = to_image(boxes, sizes[0], image.shape[:2])
    nums = [artifact["class_nums"][label] for label in labels.tolist()]
    names = dict(zip(artifact["class_nums"], artifact["class_names"], strict=True))
    found = [
        {"class_num": num, "class_name": names[num], "score": float(score), "bbox_xyxy": box.tolist()}
        for num, score, box in zip(nums, scores, boxes, strict=True)
        if float(score) >= least[num]
    ]
    return {"verdict": "reject" if found else "accept", "detections": found}


def read(path: Path) -> np.ndarray:
    """An image ``(H, W, 3)`` uint8 BGR: a binary PPM without comments, or whatever OpenCV reads."""
    content = path.read_bytes()
    if content[:2] != b"P6":
        import cv2

        return cv2.imread(str(path), cv2.IMREAD_COLOR)
    _, width, height, most = content.split(maxsplit=4)[:4]
    size = int(height) * int(width) * 3
    if int(most) != 255 or len(content) < size:
        raise SystemExit(f"expected a binary PPM of 8 bit, got {path}")
    return np.frombuffer(content[-size:], np.uint8).reshape(int(height), int(width), 3)[..., ::-1]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python plain_python.py EXPORTED IMAGE")
    pixels = read(Path(sys.argv[2]))
    if pixels is None:
        raise SystemExit(f"expected an image, got {sys.argv[2]}")
    sys.stdout.write(json.dumps(judge(Path(sys.argv[1]), pixels), indent=2) + "\n")
