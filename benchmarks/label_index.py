"""The label index: cold, from its cache, and in further ranks, beside Ultralytics' label cache on the same images.

    python -m pip install --no-deps --target /tmp/peer ultralytics
    python benchmarks/label_index.py --peer /tmp/peer

Ultralytics is for this alone and stays in a folder of its own; torch, numpy, OpenCV and Pillow are those of AnomDet. It
gets what it needs: the same images, and labels of its own format (relative centres) with the same boxes. It verifies
each image too, as ours does. The data (tiny images, no to six boxes each) are made once in ``--work`` and kept there.

Each measurement runs in a fresh process. ``cpu`` is processor time of all its processes: on a busy machine it says more
than the wall clock. Memory of a rank is what /proc/self/smaps_rollup says it has more than before it opened the data:
``private`` pages are its own, ``pss`` counts shared pages in parts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from multiprocessing import Process
from pathlib import Path

import cv2
import numpy as np

NUM_CLASSES = 6


def pictures() -> list[tuple[str, int, int, bytes]]:
    """Suffix, height, width and bytes of some tiny images."""
    rng = np.random.default_rng(0)
    found = []
    for at in range(32):
        height, width = (int(value) for value in rng.integers(48, 97, 2))
        cells = rng.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        pixels = np.repeat(np.repeat(cells, 8, 0), 8, 1)[:height, :width]
        suffix = (".jpg", ".png")[at % 2]
        found.append((suffix, height, width, cv2.imencode(suffix, pixels)[1].tobytes()))
    return found


def label_lines(rng: np.random.Generator, height: int, width: int) -> list[tuple[int, float, int, int, int]]:
    """Class, left, top, width, height of each box; a fifth of the images have none."""
    if rng.random() < 0.2:
        return []
    rows = []
    for _ in range(int(rng.integers(1, 7))):
        box_width, box_height = (int(value) for value in rng.integers(3, 30, 2))
        left, top = int(rng.integers(0, width - box_width)), int(rng.integers(0, height - box_height))
        num = min(int(rng.exponential(1.2)), NUM_CLASSES - 1)
        rows.append((num, left + int(rng.integers(2)) / 2, top, box_width - 1, box_height))
    return rows


def make_some(folder: Path, start: int, stop: int, with_peer: bool) -> None:
    """The images and labels with the numbers from start to stop."""
    images = pictures()
    handles = {name: os.open(folder / name, os.O_RDONLY) for name in ("images", "labels", "peer/labels")}

    def write(kind: str, name: str, content: bytes) -> None:
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=handles[kind])
        os.write(handle, content)
        os.close(handle)

    for at in range(start, stop):
        rng = np.random.default_rng(at)
        suffix, height, width, content = images[at * 7 % len(images)]
        rows = label_lines(rng, height, width)
        write("images", f"part_{at:07d}{suffix}", content)
        write("labels", f"part_{at:07d}.txt", "".join("{} {:g} {} {} {}\n".format(*row) for row in rows).encode())
        if with_peer:
            relative = [
                f"{num} {(x + w / 2) / width:.6f} {(y + h / 2) / height:.6f} {w / width:.6f} {h / height:.6f}\n"
                for num, x, y, w, h in rows
            ]
            write("peer/labels", f"part_{at:07d}.txt", "".join(relative).encode())


def make_data(folder: Path, num_images: int, with_peer: bool) -> None:
    """The data set, unless it is there; the peer's folder beside it shows the same images."""
    done = folder / "done"
    if done.exists() and (done.read_text() == "peer" or not with_peer):
        return
    for name in ("images", "labels", "peer/labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if not (folder / "peer/images").exists():
        (folder / "peer/images").symlink_to(folder / "images")
    edges = (0, num_images // 2, num_images)
    parts = [Process(target=make_some, args=(folder, *edges[at : at + 2], with_peer)) for at in range(2)]
    for part in parts:
        part.start()
    for part in parts:
        part.join()
    done.write_text("peer" if with_peer else "ours")
    time.sleep(3)  # or the youngest files would not be trusted


def memory() -> dict[str, float]:
    """Private and proportional memory of this process, in MB."""
    lines = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    kilobytes = {words[0]: int(words[1]) for words in lines}
    private = kilobytes["Private_Clean:"] + kilobytes["Private_Dirty:"]
    return {"private": private / 1024, "pss": kilobytes["Pss:"] / 1024}


def measured(work) -> dict[str, float]:
    """Seconds, processor seconds and memory of a piece of work; the peak is of all that the process ever did."""
    before, cpu_before, started = memory(), os.times(), time.perf_counter()
    result = work()
    seconds, cpu = time.perf_counter() - started, os.times()
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    own, children = (resource.getrusage(who).ru_maxrss / 1024 for who in whose)
    after = memory()
    assert len(result)
    return {
        "seconds": seconds,
        "cpu": sum(cpu[:4]) - sum(cpu_before[:4]),
        "peak": own + children,
        **{name: after[name] - before[name] for name in after},
    }


def measure_scan(folder: Path) -> dict[str, float]:
    """Ours: one scan."""
    from anomdet.data.index.scan import scan

    return measured(lambda: scan(folder).records)


def open_data_sets(folder: Path) -> list:
    """What a training opens: three data sets and the balanced sampler."""
    from anomdet.data.dataset import TextLabelDataset
    from anomdet.data.index.scan_once import one_look
    from anomdet.data.sampling.sampler import BalancedSampler

    with one_look():
        sets = [TextLabelDataset(str(folder), split) for split in ("train", "val", "test")]
    return [*sets, BalancedSampler(sets[0], seed=0)]


def load_libraries() -> None:
    """All that a training imports."""
    from anomdet.workflows.runs.libraries import load_libraries

    load_libraries()
    import anomdet.data.dataset
    import anomdet.data.sampling.sampler  # noqa: F401


def measure_data_sets(folder: Path) -> dict[str, float]:
    """Ours: the data sets of a training."""
    load_libraries()
    return measured(lambda: open_data_sets(folder))


def serve_rank(folder: Path) -> dict[str, float]:
    """One rank: opens the data when told, draws an epoch's order, and tells its memory when told."""
    load_libraries()
    before = memory()
    print("ready", flush=True)
    sys.stdin.readline()
    data = open_data_sets(folder)
    draws = iter(data[3])
    for _ in range(2000):
        data[0].get_data_info(next(draws))
    print("open", flush=True)
    sys.stdin.readline()
    found = {name: value - before[name] for name, value in memory().items()}
    print(json.dumps(found), flush=True)
    sys.stdin.readline()  # the pages are shared until all have looked
    return found


def measure_peer(folder: Path) -> dict[str, float]:
    """Ultralytics: its data set, from its cache if there is one."""
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.utils import LOGGER

    LOGGER.setLevel("ERROR")
    data = {"names": dict(enumerate("abcdef")), "channels": 3}
    return measured(lambda: YOLODataset(img_path=str(folder / "peer/images"), data=data, task="detect", augment=False))


MEASURES = {"scan": measure_scan, "data sets": measure_data_sets, "rank": serve_rank, "peer": measure_peer}


def start(name: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen:
    """A measurement in a process of its own."""
    command = [sys.executable, __file__, "--measure", name, "--work", str(folder)]
    pipe = subprocess.PIPE
    environment = {**os.environ, **environment}
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)


def finish(process: subprocess.Popen) -> dict[str, float]:
    """Its result: the last line that it printed."""
    text, _ = process.communicate("\n")
    assert process.returncode == 0, text
    return json.loads(text.splitlines()[-1])


def measure_ranks(folder: Path, environment: dict[str, str], num_ranks: int) -> list[dict[str, float]]:
    """Memory of ranks that have the data open at the same time."""
    as_torchrun = {"TORCHELASTIC_RUN_ID": "benchmark", "LOCAL_WORLD_SIZE": str(num_ranks)}
    ranks = [start("rank", folder, {**environment, **as_torchrun}) for _ in range(num_ranks)]
    for expected in ("ready\n", "open\n", "{"):
        for rank in ranks:
            while not rank.stdout.readline().startswith(expected):
                pass
        for rank in ranks if expected != "{" else ():
            rank.stdin.write("\n")
            rank.stdin.flush()
    return [finish(rank) for rank in ranks]


def show(num_images: int, name: str, one: dict[str, float]) -> None:
    """A line of the table."""
    rate = num_images / one["seconds"] if "seconds" in one else 0
    times = f"{one['seconds']:8.2f} s {one['cpu']:8.2f} s cpu {rate:9.0f} images/s" if rate else " " * 45
    peak = f"{one['peak']:7.0f} MB peak" if "peak" in one else " " * 15
    held = f"{one['private']:7.1f} MB private {one['pss']:7.1f} MB pss"
    print(f"{num_images:9d}  {name:24s} {times} {peak} {held}", flush=True)


def measure_size(work: Path, num_images: int, peer: Path | None, repeats: int) -> None:
    """All measurements of one number of images."""
    folder, cache = work / f"images_{num_images}", work / "cache"
    make_data(folder, num_images, peer is not None)
    environment = {"ANOMDET_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}

    def best(name: str, before=lambda: None, times: int = repeats) -> dict[str, float]:
        found = []
        for _ in range(times):
            before()
            found.append(finish(start(name, folder, environment)))
        return min(found, key=lambda one: one["seconds"])

    best("scan", times=1)  # fills the page cache
    show(num_images, "cold", best("scan", lambda: shutil.rmtree(cache, ignore_errors=True)))
    show(num_images, "cached", best("scan"))
    show(num_images, "data sets, first time", best("data sets", times=1))
    show(num_images, "data sets, cached", best("data sets"))
    for at, rank in enumerate(measure_ranks(folder, environment, 3)):
        show(num_images, f"rank {at} of 3", rank)
    if peer is None:
        return
    environment |= {"PYTHONPATH": os.pathsep.join([*sys.path, str(peer)]), "YOLO_CONFIG_DIR": str(work / "yolo")}
    peer_cache = folder / "peer/labels.cache"
    show(num_images, "Ultralytics, cold", best("peer", lambda: peer_cache.unlink(missing_ok=True), 1))
    show(num_images, "Ultralytics, cached", best("peer"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--work", type=Path, default=Path("/tmp/anomdet_label_index"), help="gets 3 million files")
    parser.add_argument("--peer", type=Path, help="folder with ultralytics; default: without the peer")
    parser.add_argument("--repeats", type=int, default=3, help="the quickest counts")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(MEASURES[options.measure](options.work)))
        return
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    machine = f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} cores, load {load}"
    print(f"{machine}, Python {platform.python_version()}, numpy {np.__version__}")
    options.work.mkdir(parents=True, exist_ok=True)
    for num_images in options.sizes:
        measure_size(options.work, num_images, options.peer, options.repeats)


if __name__ == "__main__":
    main()
