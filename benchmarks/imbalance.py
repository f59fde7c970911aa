"""What balanced sampling does for a rare class: DeepPCB with one class in 1 of 100 images, three seeds.

    OMP_NUM_THREADS=1 python benchmarks/imbalance.py ../shared/data/deeppcb

Four images with the rare class and 396 without (a third of them normal) train; as many other images as asked for, with
the class and without, test. Everything else is configs/deeppcb.yaml with fewer epochs. Prints AP and AP_50 of the rare
class and the mAP of all for both methods, with the spread over the seeds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np

from anomdet.config.shipped import configs_dir
from anomdet.data.index.scan import scan
from anomdet.workflows.evaluate import evaluate
from anomdet.workflows.train import train

NAMES = {1: "open", 2: "short", 3: "mousebite", 4: "spur", 5: "copper", 6: "pin-hole"}
METHODS = ("none", "balanced_sampler")


def write_splits(data_dir: Path, folder: Path, rare: int, num_rare: int, num_test: int) -> dict[str, Path]:
    """List files of the splits; the same images for every seed."""
    rng = np.random.default_rng(0)
    with_it: list[str] = []
    without: list[str] = []
    normal: list[str] = []
    for record in scan(data_dir).records:
        present = set(record.labels.class_nums.tolist())
        (with_it if rare in present else without if present else normal).append(record.file_name)
    for names in (with_it, without, normal):
        rng.shuffle(names)
    num_normal, num_other = 33 * num_rare, 66 * num_rare
    parts = {
        "train": [*with_it[:num_rare], *without[:num_other], *normal[:num_normal]],
        "val": with_it[num_rare : num_rare + 20],
        "test": [*with_it[num_rare + 20 :][:num_test], *normal[num_normal:][: num_test // 4]],
    }
    paths = {}
    for name, files in parts.items():
        paths[name] = folder / f"{name}.txt"
        paths[name].write_text("".join(f"{file}\n" for file in sorted(files)), encoding="utf-8")
        print(f"{name}: {len(files)} images", flush=True)
    return paths


def run(data_dir: Path, folder: Path, splits: dict[str, Path], method: str, seed: int, epochs: int) -> dict:
    """Train and test once; returns the metrics."""
    lists = ", ".join(f"{name}: {path}" for name, path in splits.items())
    overrides = [
        f"data.data_dir={data_dir}",
        f"data.split_files={{{lists}}}",
        f"training.epochs={epochs}",
        f"training.val_interval={epochs}",
        f"training.seed={seed}",
        f"training.class_imbalance_handling={{method: {method}}}",
        f"logging.log_dir={folder}/logs",
        f"logging.checkpoint_dir={folder}/checkpoints",
        "logging.log_level=WARNING",
    ]
    config = configs_dir() / "deeppcb.yaml"
    train(config, overrides)
    return evaluate(config, overrides).metrics


def main() -> None:
    """Print a line for each training, then the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--rare", type=int, default=2, help="class number; default: 2, short")
    parser.add_argument("--images", type=int, default=4, help="training images with the rare class")
    parser.add_argument("--test", type=int, default=150)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    name = NAMES[arguments.rare]
    found: dict[str, list[tuple[float, float, float]]] = {method: [] for method in METHODS}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        splits = write_splits(arguments.data_dir, base, arguments.rare, arguments.images, arguments.test)
        for seed in arguments.seeds:
            for method in METHODS:
                metrics = run(arguments.data_dir, base / f"{method}_{seed}", splits, method, seed, arguments.epochs)
                row = metrics["per_class"][name]
                found[method].append((row["AP"], row["AP_50"], metrics["mAP_50"]))
                print(f"seed {seed}  {method:17s} {name} AP {row['AP']:.3f}  AP_50 {row['AP_50']:.3f}", flush=True)
    for method, rows in found.items():
        columns = list(zip(*rows, strict=True))
        texts = [f"{statistics.mean(c):.3f} +- {statistics.stdev(c) if len(c) > 1 else 0:.3f}" for c in columns]
        print(f"{method:17s} {name} AP {texts[0]}   AP_50 {texts[1]}   mAP_50 of all {texts[2]}")


if __name__ == "__main__":
    main()
