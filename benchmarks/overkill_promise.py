"""Does the rate of overkill lie in the interval that the normal-only score states? Random splits of normal images.

    OMP_NUM_THREADS=1 python -m benchmarks.overkill_promise DATA --splits 100
    OMP_NUM_THREADS=1 python -m benchmarks.overkill_promise --drawn 320
    OMP_NUM_THREADS=1 python -m benchmarks.overkill_promise DATA --gap 150

The normal images of DATA (images with an empty label file), or so many drawn by the generator of `anomdet demo`. One
half is learned from as by default, without `data.group_by`, the other half is measured. A split holds where the
measured rate is within ``Threshold.rate_interval(images measured)``: the stated interval, with what counting so many
adds. "As indep." states it without what the names tell of series. With --gap, images whose last numbers are no farther
apart are one part, whole parts are split, and the rate is compared with what is said of new series.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anomdet.anomaly.calibration import choose_threshold, share_interval
from anomdet.anomaly.features import TorchFeatures
from anomdet.anomaly.fit import Collected
from anomdet.anomaly.patches import shrink
from anomdet.data.synth.generate import generate
from anomdet.workflows.scores.learn import MIN_NORMALS_PADIM

SIZE, LAYERS = 256, (10, 12)
HEAD = "{:>9}{:>11}{:>10}{:>17}{:>9}{:>9}{:>11}{:>12}{:>14}"


def normal_maps(data: Path) -> tuple[list[str], list[Any]]:
    """Names of the normal images, ascending, and their maps."""
    labels = sorted(path for path in (data / "labels").glob("*.txt") if not path.read_text().strip())
    names = [next((data / "images").glob(f"{path.stem}.*")).name for path in labels]
    features = TorchFeatures("efficientnet_lite0", LAYERS)
    return names, [features(shrink(cv2.imread(str(data / "images" / name)), SIZE)[None])[0] for name in names]


def parts_by_gap(names: list[str], gap: int) -> np.ndarray:
    """``(N,)`` the part of each image: a new one where the last number rises by more than ``gap``."""
    numbers = np.array([int(re.findall(r"\d+", name.rsplit(".", 1)[0])[-1]) for name in names])
    order = np.argsort(numbers, kind="stable")
    parts = np.empty(len(names), dtype=int)
    parts[order] = np.cumsum(np.diff(numbers[order], prepend=numbers.min()) > gap)
    return parts


def measured(names: list[str], maps: list[Any], learned: np.ndarray, overkills: list[float]) -> Iterator[dict]:
    """A row for each overkill, of the images that were not learned."""
    method = "padim" if learned.sum() >= MIN_NORMALS_PADIM else "patchcore"
    collected = Collected(method=method, seed=0)
    for at in np.flatnonzero(learned).tolist():
        collected.add(maps[at], at, names[at])
    model, calibration = collected.fit()
    judged = [model.judge(maps[at]) for at in np.flatnonzero(~learned).tolist()]
    scores = np.array([calibration.mixture.score(one.whole, one.part) for one in judged])
    for overkill in overkills:
        before = choose_threshold(calibration.part_scores, overkill)
        after = choose_threshold(calibration.part_scores, overkill, calibration.num_effective)
        rate = float((scores >= after.value).mean())
        row = {"overkill": overkill, "rate": rate, "worth": after.num_effective, "promised": after.is_promised}
        row["series"] = calibration.series is not None
        for name, threshold in (("before", before), ("after", after)):
            low, high = threshold.rate_interval(len(scores))
            row[name] = low <= rate <= high
        if (apart := calibration.part_scores_apart) is not None:
            assert calibration.series is not None
            row["apart"] = float((apart >= after.value).mean())
            low, high = share_interval(row["apart"], calibration.series.num_effective(apart))
            row["apart_holds"] = low <= rate <= high
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--drawn", type=int, help="normal parts to draw, in place of DATA")
    parser.add_argument("--splits", type=int, default=100)
    parser.add_argument("--gap", type=int, help="split whole parts, which such gaps separate of the last number")
    parser.add_argument("--overkill", type=float, nargs="+", default=[0.01, 0.05])
    args = parser.parse_args()
    if (args.data is None) == (args.drawn is None):
        parser.error("DATA or --drawn, one of them")
    if args.drawn is None:
        names, maps = normal_maps(args.data)
    else:
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder) / "data", num_images=-(-10 * args.drawn // 9), normal_share=0.9, seed=100)
            names, maps = normal_maps(Path(folder) / "data")
    parts = np.arange(len(names)) if args.gap is None else parts_by_gap(names, args.gap)
    rows = []
    for seed in range(args.splits):
        order = np.random.default_rng(seed).permutation(parts.max() + 1)
        rows += measured(names, maps, np.isin(parts, order[: len(order) // 2]), args.overkill)
    print(f"{len(names)} normal images, {parts.max() + 1} to split, {args.splits} splits")
    heads = ("overkill", "mean rate", "in series", "worth (median)", "promised")
    print(HEAD.format(*heads, "as indep.", "stated", "new series", "its interval"))
    for overkill in args.overkill:
        some = [row for row in rows if row["overkill"] == overkill]
        apart = [row["apart"] for row in some if "apart" in row]
        counts = [sum(row.get(key, False) for row in some) for key in ("promised", "before", "after", "apart_holds")]
        rate, worth = np.mean([row["rate"] for row in some]), np.median([row["worth"] for row in some])
        new = f"{np.mean(apart):.4f}" if apart else "-"
        print(HEAD.format(overkill, f"{rate:.4f}", len(apart), f"{worth:g}", *counts[:3], new, counts[3]))


if __name__ == "__main__":
    main()
