"""Images a second on one core at 640 px: our data pipeline as settings make it, MMDetection's, plain decoding.

    python benchmarks/data_pipeline.py [--data DIR ...] [--images 200] [--rounds 9]

The same operations in each. They take turns over the same images in the same process; a line gives the median over the
rounds and the median of the paired ratios. Without --data: DeepPCB (640 x 640, grey) if it lies in
../shared/data/deeppcb, and drawn colour JPEGs of 960 x 800.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import albumentations  # noqa: E402
import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from anomdet import ops  # noqa: E402

ops.install()

import mmdet  # noqa: E402

from anomdet.data.dataset import TextLabelDataset  # noqa: E402
from anomdet.data.draw import Draw  # noqa: E402
from anomdet.data.labels import Labels, write_labels  # noqa: E402
from anomdet.data.pipeline.mmdet_bases import BaseDetDataset  # noqa: E402

DEEPPCB = Path(__file__).resolve().parents[2] / "shared/data/deeppcb"
META_KEYS = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
LOAD_BOXES = {"type": "mmdet.LoadAnnotations", "with_bbox": True}
SIZE_HW = (640, 640)
RESIZE = {"type": "mmdet.Resize", "scale": SIZE_HW[::-1], "keep_ratio": True}
FIT = {"type": "anomdet.FitInside", "size_hw": SIZE_HW}
PACK = {"type": "anomdet.PackInspectionInputs", "meta_keys": META_KEYS}
MMDET_PACK = {"type": "mmdet.PackDetInputs", "meta_keys": META_KEYS}
FLIP = {"type": "anomdet.AlbumentationsAugment", "transforms": [{"type": "HorizontalFlip", "p": 0.5}]}
OURS = [{"type": "anomdet.LoadInspectionImage"}, LOAD_BOXES, {**FIT, "enlarge": False}, FLIP, FIT, PACK]
MMDET = [{"type": "mmdet.LoadImageFromFile"}, LOAD_BOXES, RESIZE, {"type": "mmdet.RandomFlip", "prob": 0.5}, MMDET_PACK]


class RecordDataset(BaseDetDataset):
    """MMDetection's data set over the very records of ours."""

    def __init__(self, records: list[dict], pipeline: list[dict]) -> None:
        self.records = records
        super().__init__(pipeline=pipeline)

    def load_data_list(self) -> list[dict]:
        return self.records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="*", help="data folders with images/ and labels/")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        data_dirs = args.data or [*([DEEPPCB] if DEEPPCB.is_dir() else []), draw_data(Path(folder) / "drawn")]
        for data_dir in data_dirs:
            measure(data_dir, args.images, args.rounds)


def print_machine() -> None:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    versions = {"torch": torch, "mmdet": mmdet, "albumentations": albumentations, "cv2": cv2, "numpy": np}
    print(f"{cpu}, {os.cpu_count()} cores, one used; Python {platform.python_version()}")
    print(", ".join(f"{name} {module.__version__}" for name, module in versions.items()))


def draw_data(data_dir: Path, num_images: int = 60) -> Path:
    """Colour JPEGs of 960 x 800 with grain, a few boxes each."""
    rng = np.random.default_rng(0)
    for name in ("images", "labels"):
        (data_dir / name).mkdir(parents=True)
    for number in range(num_images):
        small = rng.integers(40, 215, (10, 12, 3), dtype=np.uint8)
        image = cv2.resize(small, (960, 800), interpolation=cv2.INTER_CUBIC)
        image = cv2.add(image, rng.integers(0, 24, image.shape, dtype=np.uint8))
        cv2.imwrite(str(data_dir / f"images/{number:03}.jpg"), image)
        corners = rng.uniform(0, 700, (6, 2))
        boxes = np.hstack([corners, corners + rng.uniform(10, 90, (6, 2))]).astype(np.float32)
        write_labels(data_dir / f"labels/{number:03}.txt", Labels(boxes, rng.integers(1, 4, 6)))
    return data_dir


def measure(data_dir: Path, num_images: int, num_rounds: int) -> None:
    ours = TextLabelDataset(str(data_dir), "train", pipeline=OURS)
    num_images = min(num_images, len(ours))
    theirs = RecordDataset([ours.get_data_info(at) for at in range(len(ours))], MMDET)
    paths = [ours.get_data_info(at)["img_path"] for at in range(num_images)]
    epoch = iter(range(10**9))

    def run_ours() -> None:
        number = next(epoch)
        for at in range(num_images):
            ours[Draw(at, 0, number, at)]

    def run_theirs() -> None:
        for at in range(num_images):
            theirs[at]

    def run_decoding() -> None:
        for path in paths:
            cv2.imread(path)

    rates = alternate({"ours": run_ours, "MMDetection": run_theirs, "cv2.imread": run_decoding}, num_images, num_rounds)
    print(f"\n{data_dir.name}: {num_images} images, {num_rounds} rounds")
    print(f"{'':14}{'images/s':>10}{'lowest':>10}{'highest':>10}{'ours is':>10}")
    for name, values in rates.items():
        ratio = statistics.median(mine / other for mine, other in zip(rates["ours"], values, strict=True))
        columns = (statistics.median(values), min(values), max(values))
        print(f"{name:14}" + "".join(f"{value:10.0f}" for value in columns) + f"{ratio:9.2f}x")


def alternate(runs: dict[str, Callable[[], None]], num_images: int, num_rounds: int) -> dict[str, list[float]]:
    """Images a second of each run and round; the order turns round each time, the first round is a warm-up."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(num_rounds + 1):
        for name in list(runs)[:: 1 if number % 2 else -1]:
            start = time.perf_counter()
            runs[name]()
            if number:
                rates[name].append(num_images / (time.perf_counter() - start))
    return rates


if __name__ == "__main__":
    main()
