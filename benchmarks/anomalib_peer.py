"""AnomDet's normal-only score and Anomalib's PatchCore on the same lists, backbone and weights, in one table.

    python -m venv peers && peers/bin/pip install anomalib          # its own environment, which also needs AnomDet's
    OMP_NUM_THREADS=1 taskset -c 0 python -m benchmarks.anomalib_peer DATA --train train.txt --val val.txt \
        --peer-python peers/bin/python --normals 100 --coreset-ratio 0.02

Each learns from the same normal images of the train list and is measured on the val list, in a process of its own, by
processor time: reading the images is timed in neither. AnomDet as by default (``anomaly.method: auto``); Anomalib's
PatchcoreModel as its own default (9 neighbours, 256 x 256, ImageNet's constants), with the EfficientNet-Lite0 of
AnomDet in the place of its feature extractor, at two choices of blocks: those of strides 8 and 16, which are its rule
for ResNets, and those of AnomDet (``--blocks``). A ``--coreset-ratio`` of 0.1 is its default; its greedy choice looks
at all patches for each one that it keeps: minutes for 100 images at stride 8.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import cv2  # noqa: E402
import numpy as np  # noqa: E402

SIZE = 256
PEER_BLOCKS = {"strides 8 and 16": (4, 10), "AnomDet's": (10, 12)}


def read(data: Path, listed: str, num_normals: int | None = None) -> tuple[list[Any], np.ndarray]:
    """BGR images of a list and whether they are defective; only so many normal ones where a number is given."""
    names = [line.strip() for line in Path(listed).read_text(encoding="utf-8").splitlines() if line.strip()]
    defective = [bool((data / "labels" / name).with_suffix(".txt").read_text().strip()) for name in names]
    if num_normals is not None:
        normal = [name for name, bad in zip(names, defective, strict=True) if not bad]
        chosen = np.random.default_rng(0).permutation(len(normal))[:num_normals]
        names, defective = [normal[at] for at in sorted(chosen)], [False] * len(chosen)
    return [cv2.imread(str(data / "images" / name)) for name in names], np.array(defective)


def auroc(scores: np.ndarray, defective: np.ndarray) -> float:
    """By all pairs of a defective and a good image."""
    above = np.subtract.outer(scores[defective], scores[~defective])
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def timed(fit: Callable[[], Callable[[Any], float]], images: list[Any], defective: np.ndarray) -> dict[str, float]:
    """Processor seconds of the fit, milliseconds of the median image, AUROC."""
    started = time.process_time()
    score_of = fit()
    fit_s = time.process_time() - started
    scores, times = [], []
    for image in images:
        started = time.process_time()
        scores.append(score_of(image))
        times.append(time.process_time() - started)
    return {"fit_s": fit_s, "image_ms": 1e3 * float(np.median(times)), "auroc": auroc(np.array(scores), defective)}


def run_anomdet(args: argparse.Namespace) -> dict[str, Any]:
    """The score as a run learns it: calibration and threshold included."""
    from anomdet.anomaly.features import TorchFeatures
    from anomdet.anomaly.fit import Collected
    from anomdet.anomaly.patches import shrink
    from anomdet.workflows.scores.learn import MIN_NORMALS_PADIM

    data = Path(args.data)
    normals, _ = read(data, args.train, args.normals)
    images, defective = read(data, args.val)
    method = "padim" if len(normals) >= MIN_NORMALS_PADIM else "patchcore"

    def fit() -> Callable[[Any], float]:
        features = TorchFeatures("efficientnet_lite0", (10, 12))
        collected = Collected(method=method, seed=0)
        for at, image in enumerate(normals):
            collected.add(features(shrink(image, SIZE)[None])[0], at)
        model, calibration = collected.fit()

        def score_of(image: Any) -> float:
            seen = model.judge(features(shrink(image, SIZE)[None])[0])
            return calibration.mixture.score(seen.whole, seen.part)

        return score_of

    return {f"AnomDet {method}": timed(fit, images, defective)}


def run_anomalib(args: argparse.Namespace) -> dict[str, Any]:
    """Its PatchCore, without Lightning around it."""
    import anomalib
    import torch
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    from anomdet.models.efficientnet_lite import EfficientNetLite0

    torch.set_num_threads(1)
    data = Path(args.data)
    normals, _ = read(data, args.train, args.normals)
    images, defective = read(data, args.val)
    mean, std = (torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    class Maps(torch.nn.Module):
        def __init__(self, blocks: tuple[int, ...]) -> None:
            super().__init__()
            self.blocks = blocks
            self.network = EfficientNetLite0(blocks, pretrained=True).eval().requires_grad_(False)

        def forward(self, planes: torch.Tensor) -> dict[str, torch.Tensor]:
            names = [str(block) for block in self.blocks]
            return dict(zip(names, self.network(planes), strict=True))

    def planes_of(image: Any) -> torch.Tensor:
        interpolation = cv2.INTER_AREA if min(image.shape[:2]) > SIZE else cv2.INTER_LINEAR
        rgb = cv2.resize(image, (SIZE, SIZE), interpolation=interpolation)[..., ::-1]
        return ((torch.from_numpy(rgb.transpose(2, 0, 1).copy()).float() / 255 - mean) / std)[None]

    found = {}
    for words, blocks in [(words, PEER_BLOCKS[words]) for words in args.blocks]:

        def fit(blocks: tuple[int, ...] = blocks) -> Callable[[Any], float]:
            torch.manual_seed(0)
            names = [str(block) for block in blocks]
            model = PatchcoreModel(["layer2", "layer3"], backbone="resnet18", pre_trained=False)
            model.layers, model.feature_extractor = names, Maps(blocks)
            model.train()
            model.feature_extractor.eval()
            for image in normals:
                model(planes_of(image))
            model.subsample_embedding(args.coreset_ratio)
            model.eval()

            def score_of(image: Any) -> float:
                with torch.inference_mode():
                    return float(model(planes_of(image)).pred_score)

            return score_of

        found[f"Anomalib {anomalib.__version__} PatchCore, blocks of {words}"] = timed(fit, images, defective)
    return found


def run_apart(python: str, role: str) -> dict[str, Any]:
    """One of both in a process of its own; its last line is the result."""
    command = [python, "-m", "benchmarks.anomalib_peer", *sys.argv[1:], "--role", role]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--train", required=True)
    parser.add_argument("--val", required=True)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--normals", type=int, default=100)
    parser.add_argument("--coreset-ratio", type=float, default=0.1)
    parser.add_argument("--blocks", nargs="+", choices=tuple(PEER_BLOCKS), default=list(PEER_BLOCKS))
    parser.add_argument("--role", choices=("anomdet", "anomalib"))
    args = parser.parse_args()
    if args.role:
        print(json.dumps(run_anomdet(args) if args.role == "anomdet" else run_anomalib(args)))
        return
    rows = {**run_apart(sys.executable, "anomdet"), **run_apart(args.peer_python, "anomalib")}
    own = next(iter(rows.values()))
    print(f"{'':<52}{'AUROC':>7}{'fit s':>9}{'ms/image':>10}{'fit x':>8}{'image x':>9}")
    for name, row in rows.items():
        ratios = f"{own['fit_s'] / row['fit_s']:>8.2f}{own['image_ms'] / row['image_ms']:>9.2f}"
        print(f"{name:<52}{row['auroc']:>7.3f}{row['fit_s']:>9.1f}{row['image_ms']:>10.1f}{ratios}")


if __name__ == "__main__":
    main()
