"""Does drawing hard normal images more often lower overkill? The balanced sampler with `hard_normals` and without.

For each seed: a split of the data, near-duplicates together, and a training with the balanced sampler. Its detector
looks at the normal training images, and those with the highest scores, --share of them, are the hard ones; the data's
own labels confirm that they are normal. A second training has the same seed and number of steps and draws them more
often. The rest of the data decides nothing and measures both. Finished trainings in --out are not repeated:

    OMP_NUM_THREADS=1 python benchmarks/hard_normals.py DATA --out /tmp/hard --steps 600 --seeds 0 1

The table has the overkill, the share of good images that are rejected, where the same number of defective images
escapes: a threshold for each number of escapes. Scores are those of the strongest box of an image.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import anomdet
from anomdet.data.index.scan import scan

ESCAPES = (0.0, 0.02, 0.05, 0.1)  # shares of the defective images


def settings_of(args: argparse.Namespace, folder: Path, seed: int, hard: Path | None) -> dict[str, Any]:
    """Settings by the rules of `init`; the same for both ways but the list of hard normals."""
    sampler = "method: balanced_sampler" + (f", hard_normals: {args.drawn}, hard_normals_file: {hard}" if hard else "")
    overrides = [
        f"data.train_split={args.train_share}",
        f"data.val_split={0.98 - args.train_share}",
        "data.test_split=0.02",
        "data.split.on_leak=group",
        f"data.split.seed={seed}",
        f"training.seed={seed}",
        f"training.class_imbalance_handling={{{sampler}}}",
        f"training.epoch_images={args.steps * 8 // args.epochs}",
        f"training.epochs={args.epochs}",
        f"training.val_interval={args.epochs}",
        "training.batch_size=8",
        "training.monitor=mAP_50",
        "training.val_loss=false",
        "training.early_stopping.enabled=false",
        "data.num_workers=0",
        f"logging.log_dir={folder}/run",
        f"logging.checkpoint_dir={folder}/run",
        *args.set,
    ]
    return dict(anomdet.propose_settings(args.data, overrides, device="cpu").settings.model_dump(mode="json"))


def train(args: argparse.Namespace, folder: Path, seed: int, hard: Path | None) -> dict[str, Any]:
    """Train and measure once; the figures, and the score of each image outside the training, are kept in ``folder``."""
    report = folder / "figures.json"
    if report.is_file():
        return dict(json.loads(report.read_text(encoding="utf-8")))
    shutil.rmtree(folder, ignore_errors=True)
    started = time.process_time()
    score = anomdet.train(settings_of(args, folder, seed, hard)).best_score  # of the one validation
    seconds = time.process_time() - started
    splits = folder / "run" / "splits"
    outside = [name for split in ("val", "test") for name in read_list(splits / f"{split}.txt")]
    defective = {one.file_name for one in scan(args.data).records if len(one.labels.class_nums)}
    found: dict[str, Any] = {"mAP_50": score, "seconds": round(seconds)}
    found["scores"] = scores_of(args, folder, outside)
    found["is_defective"] = [name in defective for name in outside]
    report.write_text(json.dumps(found), encoding="utf-8")
    return found


def read_list(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def scores_of(args: argparse.Namespace, folder: Path, names: list[str]) -> list[float]:
    detector = anomdet.load(folder / "run" / "last.pth", threshold=0.5)  # no threshold matters here
    paths = [args.data / "images" / name for name in names]
    return [float(one.scores.max(initial=0.0)) for one in detector.predict(paths, min_score=0.01)]


def list_hard(args: argparse.Namespace, folder: Path) -> Path:
    """hard_normals.txt of the detector in ``folder``: the normal training images with the highest scores."""
    path = (folder / "hard_normals.txt").resolve()
    if not path.is_file():
        normal = {one.file_name for one in scan(args.data).records if not len(one.labels.class_nums)}
        names = [name for name in read_list(folder / "run" / "splits" / "train.txt") if name in normal]
        scores = np.array(scores_of(args, folder, names))
        kept = np.argsort(-scores, kind="stable")[: max(1, round(args.share * len(names)))]
        told = f"{len(kept)} hard of {len(names)} normal training images, scores from {scores[kept[-1]]:.2f} on"
        print(told, flush=True)
        path.write_text("".join(f"{names[at]}\n" for at in kept.tolist()), encoding="utf-8")
    return path


def overkill(found: dict[str, Any], share: float) -> float:
    """The share of good images that are rejected by the threshold at which this share of the defective ones escapes."""
    scores, defective = np.array(found["scores"]), np.array(found["is_defective"])
    of_defective = np.sort(scores[defective])
    return float((scores[~defective] >= of_defective[int(share * len(of_defective))]).mean())


def auroc(found: dict[str, Any]) -> float:
    scores, defective = np.array(found["scores"]), np.array(found["is_defective"])
    above = scores[defective][:, None] - scores[~defective]
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


def table(args: argparse.Namespace, rows: dict[str, list[dict[str, Any]]]) -> str:
    first = rows["without"][0]["is_defective"]
    lines = [
        f"{args.data.name}, {args.steps} steps a training, about {len(first) - sum(first)} good and {sum(first)} "
        f"defective images to measure on; {platform.processor() or platform.machine()}, "
        f"{datetime.datetime.now(datetime.UTC).date()}; seeds {', '.join(map(str, args.seeds))}",
        "",
        "| hard normals | seconds | mAP_50 | AUROC | "
        + " | ".join(f"overkill at {one:.0%} escapes" for one in ESCAPES),
        "|---|---|---|---|" + "---|" * len(ESCAPES),
    ]
    lines[2] += " |"
    for name, runs in rows.items():
        cells = [name, f"{statistics.fmean(one['seconds'] for one in runs):.0f}"]
        cells += [spread([one["mAP_50"] for one in runs]), spread([auroc(one) for one in runs])]
        cells += [spread([overkill(one, share) for one in runs]) for share in ESCAPES]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def spread(values: list[float]) -> str:
    several = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{several}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that holds images/ and labels/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600, help="of each training, of 8 images: its time")
    parser.add_argument("--epochs", type=int, default=4, help="parts of a training, for its log alone")
    parser.add_argument("--train-share", type=float, default=0.6, help="share of the images to learn from")
    parser.add_argument("--share", type=float, default=0.1, help="share of the normal training images that are hard")
    parser.add_argument("--drawn", type=float, default=0.5, help="hard_normals: their share of the drawn normal images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--set", nargs="*", default=[], help="further settings, key=value")
    args = parser.parse_args()
    rows: dict[str, list[dict[str, Any]]] = {"without": [], "with": []}
    for seed in args.seeds:
        base = args.out / str(seed) / "without"
        rows["without"].append(train(args, base, seed, None))
        rows["with"].append(train(args, args.out / str(seed) / "with", seed, list_hard(args, base)))
        print(table(args, rows), flush=True)
    (args.out / "table.md").write_text(table(args, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
