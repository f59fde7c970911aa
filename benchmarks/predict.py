"""predict against a bare loop over MMDetection: processor time of an image on one core, stage by stage.

    python benchmarks/predict.py --model best_model.pth [--images ../shared/data/deeppcb/images] [--num 1000]

The bare loop decodes, resizes, normalises, runs the network and MMDetection's own post-processing, and throws the boxes
away; it has no checks, no hash, no result, no thread. Both work through the same blocks of images in turn, the order
turned round each time, and the processor time of all threads is summed. The stages are timed in a third loop.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import torch

from anomdet.images.decode import read_image
from anomdet.inference.backends.torch import _samples, build_model
from anomdet.inference.detector import Detector
from anomdet.inference.preprocess import Prepared, fit_inside, stack
from anomdet.workflows.load import load, read_artifact
from anomdet.workflows.predict import predict
from anomdet.workflows.predictions.job import PredictJob

DEEPPCB = Path(__file__).parents[2] / "shared" / "data" / "deeppcb" / "images"
BLOCK = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--images", type=Path, default=DEEPPCB)
    parser.add_argument("--num", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--out", type=Path, default=None, help="time the command's results.jsonl too, into this folder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    detector = load(args.model, device="cpu")
    paths = [str(path) for path in sorted(args.images.iterdir())[: args.num]]
    print(f"{detector}; {len(paths)} images, batches of {args.batch_size}, torch {torch.__version__}, one core")
    for name, score_thr in (("its floor", None), ("the operating point", _lowest(detector))):
        bare = BareLoop(args.model, detector, score_thr)
        compare(name, detector, bare, paths, args.batch_size)
    show_stages(BareLoop(args.model, detector, None), detector, paths[:200], args.batch_size)
    if args.out is not None:
        start = time.process_time()
        predict(PredictJob(detector, tuple(paths), out=args.out, batch_size=args.batch_size))
        print(f"with results.jsonl written {_ms(time.process_time() - start, len(paths))}")


class BareLoop:
    """MMDetection's model as the checkpoint has it, with its own suppression.

    Args:
        path: of the checkpoint.
        detector: of the same.
        score_thr: of MMDetection's post-processing; None: the config's.
    """

    def __init__(self, path: Path, detector: Detector, score_thr: float | None) -> None:
        checkpoint = torch.load(path, weights_only=False)
        artifact = read_artifact(checkpoint, path)
        self.model: Any = build_model(artifact.model, str(path)).eval()
        self.model.load_state_dict(checkpoint["state_dict"])
        self.how = detector.artifact.preprocessing
        self.channels_last = artifact.model.channels_last
        if self.channels_last:
            self.model.to(memory_format=torch.channels_last)
        if score_thr is not None:
            self.head.test_cfg.score_thr = score_thr

    @property
    def head(self) -> Any:
        return self.model.roi_head if hasattr(self.model, "roi_head") else self.model.bbox_head

    @torch.no_grad()
    def __call__(self, paths: Sequence[str]) -> int:
        inputs, samples = self.inputs([self.read(path) for path in paths])
        return sum(len(sample.pred_instances) for sample in self.model(inputs, samples, mode="predict"))

    def read(self, path: str) -> Prepared:
        pixels = read_image(path)
        return Prepared(fit_inside(pixels, self.how), pixels.shape[:2])

    def inputs(self, prepared: Sequence[Prepared]) -> tuple[torch.Tensor, list[Any]]:
        batch = stack(prepared, self.how.pad_multiple)
        planes = list(torch.from_numpy(batch.images).permute(0, 3, 1, 2))
        data = self.model.data_preprocessor({"inputs": planes, "data_samples": _samples(batch)}, False)
        inputs = data["inputs"]
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return inputs, data["data_samples"]


def batches(paths: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(paths), size):
        yield paths[start : start + size]


def compare(name: str, detector: Detector, bare: BareLoop, paths: Sequence[str], batch_size: int) -> None:
    """Both on the same blocks in turn."""

    def run_bare(block: Sequence[str]) -> int:
        return sum(bare(batch) for batch in batches(block, batch_size))

    def run_ours(block: Sequence[str]) -> int:
        return sum(len(outcome) for outcome in detector.predict(list(block), batch_size=batch_size))

    contestants: dict[str, Callable[[Sequence[str]], int]] = {"bare loop": run_bare, "predict": run_ours}
    for run in contestants.values():
        run(paths[:BLOCK])  # warm
    seconds = dict.fromkeys(contestants, 0.0)
    found = dict.fromkeys(contestants, 0)
    for at, block in enumerate(batches(paths, BLOCK)):
        for key in list(contestants)[:: 1 if at % 2 else -1]:
            start = time.process_time()
            found[key] += contestants[key](block)
            seconds[key] += time.process_time() - start
    ratio = seconds["predict"] / seconds["bare loop"]
    print(f"MMDetection's post-processing from {name} on:")
    for key, value in seconds.items():
        print(f"  {key:10} {_ms(value, len(paths))}, {found[key]} boxes")
    print(f"  predict / bare loop {ratio:.3f}")


@torch.no_grad()
def show_stages(bare: BareLoop, detector: Detector, paths: Sequence[str], batch_size: int) -> None:
    """Where the time goes, in both."""
    spent: dict[str, float] = {}

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        start = time.process_time()
        yield
        spent[stage] = spent.get(stage, 0.0) + time.process_time() - start

    for batch in batches(paths, batch_size):
        with timed("decode"):
            pixels = [read_image(path) for path in batch]
        with timed("resize"):
            prepared = [Prepared(fit_inside(image, bare.how), image.shape[:2]) for image in pixels]
        with timed("normalise"):
            inputs, samples = bare.inputs(prepared)
        with timed("network and MMDetection's post-processing"):
            bare.model(inputs, samples, mode="predict")
        with timed("backbone and neck"):
            bare.model.extract_feat(inputs)
        with timed("normalise, network and our post-processing"):
            found = detector.backend.run(stack(prepared, bare.how.pad_multiple), _lowest(detector))
        with timed("results"):
            for image, detections in zip(prepared, found, strict=True):
                detector._finish(image, detections, None, 0.0)
    print(f"stages, {len(paths)} images:")
    for stage, value in spent.items():
        print(f"  {stage:42} {_ms(value, len(paths))}")


def _lowest(detector: Detector) -> float:
    return min(detector.thresholds.values()) if isinstance(detector.thresholds, dict) else float(detector.thresholds)


def _ms(seconds: float, count: int) -> str:
    return f"{1000 * seconds / count:8.2f} ms an image"


if __name__ == "__main__":
    main()
