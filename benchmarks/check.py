"""How fast is `anomdet check`, and does it stay linear? Label files and image headers; no pixel is decoded.

    OMP_NUM_THREADS=1 python benchmarks/check.py
    OMP_NUM_THREADS=1 python benchmarks/check.py --sizes 10000 100000 --folder DIR

Images are hard links to a few real files, labels are files of their own with 0 to 8 boxes, one in 500 with a fault. The
folder is made first, so the page cache is warm.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from anomdet.data.check.run import Rules, check_data
from anomdet.data.check.show import show_text

NUM_IMAGES = 16
PER_FOLDER = 10_000  # a disk allows only so many links to one file
SIZE_WH = (640, 480)
FAULTS = ("1,10,10,20,20", "1 10 10 20", "1 600 10 80 20", "1 10 10 -5 20", "2 nan 1 2 3")


def make_data(folder: Path, num_files: int) -> Path:
    """A data set of that many images and label files."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    encoded = [
        cv2.imencode(".jpg", rng.integers(0, 255, (SIZE_WH[1], SIZE_WH[0]), dtype=np.uint8))[1].tobytes()
        for _ in range(NUM_IMAGES)
    ]
    sources: list[Path] = []
    for at in range(num_files):
        name = f"{at:07d}"
        if at % PER_FOLDER == 0:
            sources = [folder / f"source_{at // PER_FOLDER}_{k}.jpg" for k in range(NUM_IMAGES)]
            for source, data in zip(sources, encoded, strict=True):
                source.write_bytes(data)
        os.link(sources[at % NUM_IMAGES], folder / "images" / f"{name}.jpg")
        num = int(rng.integers(0, 9))
        size = rng.integers(5, 80, (num, 2))
        corner = (rng.random((num, 2)) * (np.array(SIZE_WH) - size)).astype(int)
        lines = [f"{1 + k % 6} {x} {y} {w} {h}\n" for k, (x, y, w, h) in enumerate(np.hstack([corner, size]).tolist())]
        if at % 500 == 0:
            lines.append(f"{FAULTS[at // 500 % len(FAULTS)]}\n")
        (folder / "labels" / f"{name}.txt").write_text("".join(lines))
    return folder


def measure(folder: Path, num_files: int, repeats: int) -> float:
    """Best time of several, printed; seconds. A busy machine lengthens it, less so the core's own."""
    times, processor = [], []
    checked = None
    for _ in range(repeats):
        checked = None  # the last one's memory is given back first
        gc.collect()
        start, processor_start = time.perf_counter(), time.process_time()
        checked = check_data(folder, Rules())
        text = show_text(checked, checked.findings)
        times.append(time.perf_counter() - start)
        processor.append(time.process_time() - processor_start)
    assert checked is not None
    wall, core = min(times), min(processor)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{num_files:>9,} images and as many label files, {len(checked.boxes):>9,} boxes: {wall:.2f} s, "
        f"{num_files / wall:,.0f} pairs/s; {core:.2f} s of one core, {num_files / core:,.0f} pairs/s; "
        f"peak memory {memory:.0f} MB; {len(checked.findings)} findings, {len(text.splitlines())} lines of text"
    )
    return core


def main() -> None:
    """Make the folders, measure, compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores, load {load:.1f}")
    times = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for num_files in args.sizes:
            data_dir = make_data(Path(folder) / str(num_files), num_files)
            times[num_files] = measure(data_dir, num_files, args.repeats)
    first, last = args.sizes[0], args.sizes[-1]
    print(f"{last / first:g} times the files take {times[last] / times[first]:.1f} times the core's time")


if __name__ == "__main__":
    main()
