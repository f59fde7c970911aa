"""Are near-duplicates found, what else is, and how fast? DeepPCB's 250 normal boards are the twins of its test boards.

    OMP_NUM_THREADS=1 python benchmarks/leaks.py --data ../shared/data/deeppcb
    OMP_NUM_THREADS=1 python benchmarks/leaks.py --sizes 12500 25000 50000 100000 200000

Kinds of hash are those of ImageHash; "mean of blocks" is the sign of each block's mean against the median. A pair that
is not of twins is not false for that: look at the pictures (``--show DIR`` writes them side by side). The peer of the
search is a comparison of all pairs, in the same run. Both run in one thread and are told in seconds of CPU.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anomdet.data.index.scan import scan
from anomdet.data.near_duplicates import audit as audit_module
from anomdet.data.near_duplicates.across import find_leaks
from anomdet.data.near_duplicates.audit import Audit, audit_images
from anomdet.data.near_duplicates.hashes import hash_files, read_thumbnail
from anomdet.data.near_duplicates.kinds import MAX_DISTANCE
from anomdet.data.near_duplicates.likeness import MIN_LIKENESS, likeness_of_pairs
from anomdet.data.near_duplicates.pairs import near_pairs
from anomdet.data.splits.make import SplitRule, make_splits

Bits = NDArray[np.bool_]
DISTANCES = {8: (0, 2, 4, 6, 8, 10, 12), 16: (0, 8, 16, 24, 32, 40, 48, 56, 64, 72)}
ALL_PAIRS_UP_TO = 25_000


def block_mean(picture: Image.Image, hash_size: int) -> imagehash.ImageHash:
    means = np.asarray(picture.resize((hash_size, hash_size), Image.Resampling.BOX), float)
    return imagehash.ImageHash(means > np.median(means))


KINDS: dict[str, Callable[..., imagehash.ImageHash]] = {
    "phash": imagehash.phash,
    "dhash": imagehash.dhash,
    "whash": imagehash.whash,
    "average": imagehash.average_hash,
    "mean of blocks": block_mean,
}


def study_kinds(folder: Path, names: list[str], twins: set[tuple[int, int]]) -> None:
    """Twins found / other pairs, of each kind and size, by distance."""
    thumbnails = [read_thumbnail(folder / name, 64) for name in names]
    pictures = [Image.fromarray(one) for one in thumbnails if one is not None]
    upper = np.triu_indices(len(names), 1)
    is_twin = np.zeros((len(names),) * 2, bool)
    is_twin[tuple(np.array(sorted(twins)).T)] = True
    print("\ntwins found / other pairs, of hashes within a distance")
    for kind, make in KINDS.items():
        for hash_size, distances in DISTANCES.items():
            start = time.perf_counter()
            bits = np.stack([make(picture, hash_size=hash_size).hash.ravel() for picture in pictures]).astype(
                np.float32
            )
            ms = 1000 * (time.perf_counter() - start) / len(pictures)
            counts = bits.sum(axis=1)
            apart = (counts[:, None] + counts - 2 * bits @ bits.T)[upper].round().astype(int)
            of_twins, of_others = apart[is_twin[upper]], apart[~is_twin[upper]]
            cells = (f"{most}: {(of_twins <= most).sum()}/{(of_others <= most).sum()}" for most in distances)
            print(f"  {kind:14} {hash_size:2}  {ms:5.2f} ms an image  {'  '.join(cells)}")


def study_stages(folder: Path, names: list[str], twins: set[tuple[int, int]], show: Path | None) -> None:
    """What the second stage leaves of the first's pairs."""
    bits = hash_files(folder, names).bits
    near = near_pairs(bits, 72)
    start = time.perf_counter()
    likeness = likeness_of_pairs(folder, names, near.pairs)
    ms = 1000 * (time.perf_counter() - start) / len(likeness)
    is_twin = np.array([tuple(pair) in twins for pair in near.pairs.tolist()])
    print(f"\nboth stages ({ms:.1f} ms a pair): twins / others, of which in detail alike from {MIN_LIKENESS} on")
    for most in DISTANCES[16]:
        here, alike = near.distances <= most, (near.distances <= most) & (likeness >= MIN_LIKENESS)
        kept = f"{(alike & is_twin).sum()}/{(alike & ~is_twin).sum()}"
        print(f"  {most:3}: {(here & is_twin).sum()}/{(here & ~is_twin).sum()} -> {kept}")
    missed = twins - {(a, b) for a, b in near.pairs[near.distances <= MAX_DISTANCE].tolist()}
    print("twins not found:", ", ".join(names[first] for first, _ in sorted(missed)))
    if show is not None:
        others = np.flatnonzero(~is_twin)
        for row in others:
            pair = [cv2.imread(str(folder / names[at]), cv2.IMREAD_GRAYSCALE) for at in near.pairs[row]]
            name = f"{near.distances[row]:03}_{likeness[row]:.2f}_{names[near.pairs[row, 0]]}.png"
            cv2.imwrite(str(show / name), np.hstack([cv2.resize(one, (320, 320)) for one in pair]))
        print(f"{len(others)} other pairs drawn in {show}")


def time_audit(data_dir: Path, names: list[str], twins: set[tuple[int, int]]) -> None:
    """The whole audit, without and with its cache, and what leaks through random splits."""
    for state in ("nothing cached", "all cached"):
        audit_module._last.clear()
        start, cpu = time.perf_counter(), time.process_time()
        found = audit_images(data_dir, names)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        per_1000 = 1000 / len(names)
        print(f"audit, {state}: {seconds * per_1000:.2f} s for 1,000 images ({cpu * per_1000:.2f} s of CPU)")
    assert isinstance(found, Audit)
    index = scan(data_dir)
    for seed in range(3):
        for rule in (SplitRule(seed=seed), SplitRule(seed=seed, on_leak="group")):
            positions = make_splits(index, rule).positions
            split_of = {at: name for name, ats in positions.items() for at in ats}
            torn = {pair for pair in twins if split_of[pair[0]] != split_of[pair[1]]}
            leaks, _ = find_leaks(found, positions)
            row_of = {name: row for row, name in enumerate(names)}
            told = {tuple(sorted(row_of[name] for name in leak.names)) for leak in leaks}
            print(
                f"  seed {seed}, on_leak {rule.on_leak}: {len(torn)} twin pairs torn, {len(torn & told)} of them told, "
                f"{len(told - twins)} other pairs told"
            )


def time_search(sizes: list[int]) -> None:
    """Random hashes, one in a hundred beside a near copy; and as many that are all alike."""
    print("\nsearch among hashes (4 times as many: 4 is linear, 16 quadratic)")
    for size in sizes:
        rng = np.random.default_rng(0)
        bits = rng.integers(0, 256, (size, 32), dtype=np.uint8)
        bits[1 : size // 50 : 2] = bits[0 : size // 50 - 1 : 2] ^ (rng.random((size // 100, 32)) < 0.3)
        start = time.process_time()
        found = near_pairs(bits, MAX_DISTANCE)
        seconds = time.process_time() - start
        text = f"  {size:7}: {seconds:6.2f} s, {len(found.pairs)} pairs"
        if size <= ALL_PAIRS_UP_TO:
            start = time.process_time()
            rows = bits.view(np.uint64)
            pairs = sum(
                int((np.bitwise_count(rows[at + 1 :] ^ rows[at]).sum(axis=1, dtype=int) <= MAX_DISTANCE).sum())
                for at in range(size)
            )
            peer = time.process_time() - start
            text += f"; all pairs {peer:.2f} s, {pairs} pairs: {peer / seconds:.0f} times as long"
        start = time.process_time()
        near_pairs(np.zeros((size, 32), np.uint8), MAX_DISTANCE)
        print(f"{text}; all alike, given up after {time.process_time() - start:.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="DeepPCB in our format")
    parser.add_argument("--show", type=Path, help="folder for pictures of the pairs that are no twins")
    parser.add_argument("--sizes", type=int, nargs="*", default=[12_500, 25_000, 50_000, 100_000])
    args = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores, load {load:.1f}")
    if args.data is not None:
        folder = args.data / "images"
        names = sorted(path.name for path in folder.iterdir())
        row_of = {name: row for row, name in enumerate(names)}
        twins = {(row_of[name.replace("_normal", "")], row_of[name]) for name in names if "_normal" in name}
        with tempfile.TemporaryDirectory() as caches:
            os.environ["ANOMDET_CACHE_DIR"] = caches
            time_audit(args.data, names, twins)
        study_kinds(folder, names, twins)
        study_stages(folder, names, twins, args.show)
    time_search(args.sizes)


if __name__ == "__main__":
    main()
