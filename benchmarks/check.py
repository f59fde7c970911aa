"""How fast is `anomdet check`, and does it stay linear? Label files and image headers; no pixel is decoded.

Three ways of reading take turns in one run: every label file line by line, as unusual ones are, in one process; as it
is done now, in one process; and with all cores.

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from anomdet.data.index.parallel import num_cores
from anomdet.quality.check import read
from anomdet.quality.check.check import Rules, check_data
from anomdet.quality.check.text_format import show_text

NUM_IMAGES = 16
PER_FOLDER = 10_000  # a disk allows only so many links to one file
SIZE_WH = (640, 480)
BY_LINE, ONE_PROCESS, ALL_CORES = WAYS = (
    "line by line, one process",
    "many files at once, one process",
    "many files at once, all cores",
)
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


@contextmanager
def reading(way: str) -> Iterator[None]:
    """Files as they are read in one of the ways."""
    kept = read.num_cores, read._is_plain
    if way != ALL_CORES:
        read.num_cores = lambda: 1
    if way == BY_LINE:
        read._is_plain = lambda text: False
    try:
        yield
    finally:
        read.num_cores, read._is_plain = kept


def processor_time() -> float:
    """Of this process and those that it started, seconds."""
    return sum(os.times()[:4])


def measure(folder: Path, num_files: int, repeats: int) -> float:
    """Best time of several of each way, which take turns, printed; seconds. A busy machine lengthens it, less so the
    processors' own, which is returned for all cores."""
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    checked, memory = None, 0.0
    for _ in range(repeats):
        for way in reversed(WAYS):
            checked = None  # the last one's memory is given back first
            gc.collect()
            with reading(way):
                start, processor_start = time.perf_counter(), processor_time()
                checked = check_data(folder, Rules())
                text = show_text(checked, checked.findings)
                seconds[way].append((time.perf_counter() - start, processor_time() - processor_start))
            memory = memory or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert checked is not None
    print(
        f"{num_files:,} images and as many label files, {len(checked.boxes):,} boxes; "
        f"{len(checked.findings)} findings, {len(text.splitlines())} lines of text; "
        f"peak memory {memory:.0f} MB with all cores"
    )
    best = {way: (min(wall for wall, _ in times), min(core for _, core in times)) for way, times in seconds.items()}
    slowest_wall, slowest_core = best[BY_LINE]
    for way, (wall, core) in best.items():
        print(
            f"  {way:31} {wall:6.2f} s, {num_files / wall:7,.0f} pairs/s, {slowest_wall / wall:.2f} times as fast; "
            f"{core:6.2f} s of processors, {core / slowest_core:.2f} times as much"
        )
    return best[ALL_CORES][1]


def main() -> None:
    """Make the folders, measure, compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {num_cores()} cores, load {load:.1f}")
    times = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for num_files in args.sizes:
            data_dir = make_data(Path(folder) / str(num_files), num_files)
            times[num_files] = measure(data_dir, num_files, args.repeats)
    first, last = args.sizes[0], args.sizes[-1]
    print(f"{last / first:g} times the files take {times[last] / times[first]:.1f} times the processors' time")


if __name__ == "__main__":
    main()
