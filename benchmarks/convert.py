"""``anomdet convert``: images a second from AnomDet's folder into each format and back, the largest error in pixels.

python benchmarks/convert.py [images]     one process; CPU seconds, so that a busy machine does not change the figures.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from anomdet.data.labels import parse_labels
from anomdet.formats.convert import Job, convert
from anomdet.formats.formats import FORMATS


def draw(folder: Path, count: int) -> Path:
    """Images of 640 x 480 pixels with 0 to 5 boxes of eleven classes."""
    rng = np.random.default_rng(0)
    data = cv2.imencode(".png", np.full((480, 640), 90, np.uint8))[1].tobytes()
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for i in range(count):
        (folder / "images" / f"{i:07}.png").write_bytes(data)
        boxes = np.hstack([rng.uniform(0, 400, (i % 6, 2)), rng.uniform(1, 79, (i % 6, 2))])
        lines = (f"{rng.integers(-2, 9)} {' '.join(f'{value:.3f}' for value in box)}\n" for box in boxes)
        (folder / "labels" / f"{i:07}.txt").write_text("".join(lines))
    return folder


def timed(job: Job) -> float:
    started = time.process_time()
    convert(job)
    return time.process_time() - started


def worst_error(first: Path, second: Path) -> float:
    worst = 0.0
    for path in (first / "labels").glob("*.txt"):
        one, two = parse_labels(path)[0], parse_labels(second / "labels" / path.name)[0]
        assert one.class_nums.tolist() == two.class_nums.tolist()
        worst = max(worst, float(np.abs(one.bboxes_xyxy - two.bboxes_xyxy).max(initial=0)))
    return worst


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source = draw(root / "source", count)
        for name in sorted(name for name, one in FORMATS.items() if one.write is not None):
            there = timed(Job(source, "anomdet", name, root / name))
            back = timed(Job(root / name, name, "anomdet", root / f"from {name}"))
            error = worst_error(source, root / f"from {name}")
            print(
                f"{name:12} there {count / there:6.0f}/s  back {count / back:6.0f}/s  largest error {error:.1e} px",
                flush=True,
            )


if __name__ == "__main__":
    main()
