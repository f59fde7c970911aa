"""What does `anomdet check --report` cost beside the check itself, and does its page stay small?

    OMP_NUM_THREADS=1 python -m benchmarks.health
    OMP_NUM_THREADS=1 python -m benchmarks.health --sizes 1000 100000 --folder DIR

Images are hard links to a few real files of 640 x 480 px, labels are files of their own with 0 to 8 boxes; see
benchmarks/check.py. The report reads the pixels of its sample only. The folder is made first, so the page cache is
warm.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import resource
import tempfile
import time
from pathlib import Path

from anomdet.config.schema import Settings
from anomdet.images.decode import read_image
from anomdet.quality.check.check import Rules, check_data
from anomdet.quality.health.report import measure_health
from anomdet.report.health_page import write_health_page
from anomdet.workflows.health_report import plan_of
from benchmarks.check import make_data


def measure(folder: Path, num_files: int) -> None:
    """Print the seconds of the check, of the numbers and of the page, and the sizes of what is written."""
    data_dir = folder if (folder / "images").is_dir() else make_data(folder, num_files)
    times = [(time.perf_counter(), time.process_time())]

    def lap() -> None:
        times.append((time.perf_counter(), time.process_time()))

    checked = check_data(data_dir, Rules())
    lap()
    plan = plan_of(Settings(), data_dir, known=False)
    health = measure_health(checked, checked.findings, plan)
    lap()
    page = write_health_page(
        health, folder.parent / f"{folder.name}.html", read_image=lambda name: read_image(data_dir / "images" / name)
    )
    lap()
    parts = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(times)]
    told = ", ".join(
        f"{name} {wall:.2f} s ({cpu:.2f} s CPU)"
        for name, (wall, cpu) in zip(("check", "numbers", "page"), parts, strict=True)
    )
    ratio = (parts[1][1] + parts[2][1]) / parts[0][1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{num_files:>9,} images, {len(checked.boxes):>9,} boxes: {told}; report / check {ratio:.2f} (CPU); "
        f"page {page.stat().st_size / 1e6:.2f} MB, JSON {len(json.dumps(health)) / 1e3:.0f} kB; peak {peak:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--folder", type=Path, help="Where the data is made or found; default: a temporary folder.")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as temporary:
        for size in options.sizes:
            measure((options.folder or Path(temporary)) / f"data_{size}", size)


if __name__ == "__main__":
    main()
