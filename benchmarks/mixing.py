"""What copy-paste costs: processor time of an image in training, with it and without, in turn, in one process.

    python -m benchmarks.mixing SETTINGS [--images 100] [--rounds 5] [KEY=VALUE ...]

SETTINGS is a YAML file; each arm has its data, image size and augmentations, and the same images. A line is the median
over the rounds, in milliseconds an image, and the median of the paired ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Mapping

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

from anomdet import ops  # noqa: E402

ops.install()

import cv2  # noqa: E402
import torch  # noqa: E402
from mmengine.registry import DATASETS, DefaultScope  # noqa: E402

from anomdet.config.load import load_settings  # noqa: E402
from anomdet.config.translate import to_mmengine  # noqa: E402
from anomdet.data.dataset import TextLabelDataset  # noqa: E402
from anomdet.data.draw import Draw  # noqa: E402

ARMS: dict[str, Mapping[str, float]] = {
    "without": {},
    "copy_paste: 0.5": {"copy_paste": 0.5},
    "every image pasted into": {"copy_paste": 1.0, "copy_paste_onto_defects": 1.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_intermixed_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    DefaultScope.get_instance("benchmark", scope_name="mmdet")
    arms = {name: build(args.settings, args.overrides, keys) for name, keys in ARMS.items()}
    times = {name: [] for name in arms}  # type: dict[str, list[float]]
    for number in range(args.rounds + 1):
        for name in list(arms)[:: 1 if number % 2 else -1]:
            dataset, started = arms[name], time.process_time()
            for at in range(args.images):
                dataset[Draw(at * 7919 % len(dataset), 0, number, at)]
            if number:  # the first round is a warm-up
                times[name].append(1000 * (time.process_time() - started) / args.images)
    for name, values in times.items():
        ratio = statistics.median(one / base for one, base in zip(values, times["without"], strict=True))
        print(f"{name:26}{statistics.median(values):8.2f} ms an image{ratio:8.2f}x")


def build(settings: str, overrides: list[str], keys: Mapping[str, float]) -> TextLabelDataset:
    own = [f"data.augmentations.{key}={value}" for key, value in keys.items()]
    config = to_mmengine(load_settings(settings, [*overrides, *own])).train_dataloader.dataset
    config.pipeline[0].bit_depth = 16
    dataset: TextLabelDataset = DATASETS.build(config)
    return dataset


if __name__ == "__main__":
    main()
