"""Truth and predictions of the same images after each validation, and how they change over the epochs."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from numpy.typing import NDArray

from anomdet.boxes import xywh_to_xyxy
from anomdet.engine.contracts import HasBitDepth, KeepsBoxes
from anomdet.engine.equal_sizes import predict_equal_sizes
from anomdet.engine.loops import InspectionValLoop
from anomdet.engine.trackers import RunImages
from anomdet.errors import UserError
from anomdet.images.decode import read_image
from anomdet.layout import EPOCH_DIR, IMAGES_DIR, STRIP, STRIP_COLUMN, TRAIN, VISUALIZATION_DIR
from anomdet.outputs import fitting_stem
from anomdet.registry import DATASETS, HOOKS
from anomdet.visualization.color import Color, class_colors
from anomdet.visualization.draw import Image, choose_style, draw
from anomdet.visualization.sheets import Objects, side_by_side
from anomdet.visualization.strip import spread, strip_column, thumbnail
from anomdet.visualization.write import write_image

MAX_SHARE = 0.02  # of the run's time, for drawing
_LONGEST_PX = 1024
_EPOCH = re.compile(r"epoch_(\d+)")


@dataclass(frozen=True)
class Drawn:
    """One image as it is to be drawn.

    Args:
        file_name: below images/.
        gt, predictions: in its own pixels; the predictions at the operating point.
    """

    file_name: str
    gt: Objects
    predictions: Objects


@HOOKS.register_module()
class VisualizeHook(Hook):
    """Draws into ``<work_dir>/visualization/epoch_<n>/`` and a strip over the epochs; sends images to the trackers.

    Only the first process draws, from what the validation has predicted already: nothing is waited for, and no random
    number is drawn. An epoch that was drawn before is not drawn again by a run that is resumed.

    Args:
        images: how many, each time the same ones; one of them gives way to the hardest of the validation.
        interval: validations between two sets; None: after each, while drawing takes less than 2 % of the run's time.
        split: val, or train: these are predicted here.
    """

    priority = "ABOVE_NORMAL"  # while the averaged weights are in place

    def __init__(self, images: int = 8, interval: int | None = None, split: str = "val") -> None:
        self.images, self.interval, self.split = images, interval, split
        self.started, self.spent_s, self.last_s = time.monotonic(), 0.0, 0.0
        self.is_off = False

    def before_train(self, runner: Runner) -> None:
        self.started = time.monotonic()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        measured = next((one.last for one in runner.val_loop.evaluator.metrics if isinstance(one, KeepsBoxes)), None)
        folder = Path(runner.work_dir) / VISUALIZATION_DIR / EPOCH_DIR.format(epoch=runner.epoch)
        if self.is_off or runner.rank != 0 or measured is None or (folder / STRIP_COLUMN).exists():
            return
        if not self._is_due(runner):
            return
        began = time.monotonic()
        try:
            self._draw(runner, measured, folder)
        except (OSError, UserError, cv2.error) as error:  # a full disk or a lost image ends no run
            self.is_off = True
            runner.logger.warning(f"no images are drawn any more: {error}")
        self.last_s = time.monotonic() - began
        self.spent_s += self.last_s

    def _is_due(self, runner: Runner) -> bool:
        if self.interval is None:
            return bool(self.spent_s + self.last_s <= MAX_SHARE * (time.monotonic() - self.started))
        is_last = runner.epoch >= runner.max_epochs
        number = math.ceil(runner.epoch / runner.train_loop.val_interval)
        return bool(is_last or number % self.interval == 0)

    def _draw(self, runner: Runner, measured: Any, folder: Path) -> None:
        results = measured.results
        fixed = choose_images(results.gt.image, results.gt.label, results.num_images, results.num_classes, self.images)
        hardest = _hardest(measured, set(fixed))
        if self.split == TRAIN:
            chosen = _of_training(runner, self.images, measured)
            extra = []
        else:
            chosen = [_drawn(measured, image) for image in fixed]
            extra = [] if hardest is None else [_drawn(measured, hardest)]
        read = _reader(runner.val_dataloader.dataset)
        colors = class_colors(list(results.unique_names))
        truth: list[Image] = []
        predicted: list[Image] = []
        for prefix, one in [*(("", one) for one in chosen), *(("hardest_", one) for one in extra)]:
            image, factor = read(one.file_name)
            picture = _compared(image, one, factor, colors)
            name = f"{prefix}{Path(one.file_name).with_suffix('').as_posix().replace('/', '__')}"
            write_image(folder / f"{fitting_stem(name, len('.jpg'))}.jpg", picture)
            _send(runner, f"visualization/{name if not prefix else 'hardest'}", picture)
            if not prefix:
                for column, side in ((truth, one.gt), (predicted, one.predictions)):
                    column.append(thumbnail(image, side.bboxes_xyxy * factor, [colors[name] for name in side.labels]))
        first = folder.parent / STRIP_COLUMN
        if not first.exists():
            write_image(first, strip_column(truth, "ground truth"))
        write_image(folder / STRIP_COLUMN, strip_column(predicted, f"epoch {runner.epoch}"))
        write_strip(folder.parent)


def choose_images(
    image: NDArray[np.int64], label: NDArray[np.int64], num_images: int, num_classes: int, number: int
) -> list[int]:
    """Which images to draw each time: some with each class, the rarest first, and one without any object.

    Args:
        image, label: ``(G,)`` of each object.
        num_images, num_classes: of the split.
        number: of images to draw; the last of them is left to the hardest.

    Returns:
        Positions, rising.

    >>> choose_images(np.array([0, 1, 2, 3]), np.array([0, 0, 0, 1]), 6, 2, 5)
    [1, 2, 3, 4]
    """
    places = min(max(number - 1, 1), num_images)
    has: NDArray[np.bool_] = np.zeros((num_classes, num_images), dtype=bool)
    has[label, image] = True
    normal = np.flatnonzero(~has.any(axis=0))
    chosen = [int(normal[0])] if len(normal) and places > 1 else []
    by_class = [np.flatnonzero(row) for row in sorted(has, key=lambda row: int(row.sum())) if row.any()]
    # Each class begins at another place, so that neighbours in the folder, often alike, are not all that is drawn.
    waiting = [list(np.roll(found, -(len(found) * k // len(by_class)))) for k, found in enumerate(by_class)]
    waiting.append(list(range(num_images)))  # what the classes leave over
    while len(chosen) < places:
        for queue in waiting if len(waiting) == 1 else waiting[:-1]:
            candidate = next((int(place) for place in queue if place not in chosen), None)
            if candidate is not None and len(chosen) < places:
                chosen.append(candidate)
        waiting = [queue for queue in waiting[:-1] if set(queue) - set(chosen)] + waiting[-1:]
    return sorted(chosen)


def write_strip(folder: Path) -> None:
    """``strip.jpg`` of a run's visualization folder, from the columns of its epochs."""
    epochs = sorted(int(found[1]) for path in folder.iterdir() if (found := _EPOCH.fullmatch(path.name)))
    places = [folder / EPOCH_DIR.format(epoch=epoch) / STRIP_COLUMN for epoch in epochs]
    shown = spread([path for path in places if path.exists()])
    columns = [cv2.imread(str(path)) for path in (folder / STRIP_COLUMN, *shown)]
    write_image(folder / STRIP, np.hstack([column for column in columns if column is not None]))


def _hardest(measured: Any, taken: set[int]) -> int | None:
    """The image with the most objects missed and false alarms at the operating point; None: all are right."""
    results, shown = measured.results, measured.shown
    found = measured.matches.found[shown & measured.matches.hit]
    missed = np.setdiff1d(np.arange(len(results.gt)), found)
    wrong = np.concatenate([results.gt.image[missed], results.pred.image[shown & ~measured.matches.hit]])
    errors = np.bincount(wrong, minlength=results.num_images)
    errors[list(taken)] = 0
    return int(errors.argmax()) if errors.any() else None


def _drawn(measured: Any, image: int) -> Drawn:
    results = measured.results
    pred = (results.pred.image == image) & measured.shown
    gt = _objects(results.gt, results.gt.image == image, results.unique_names)
    predictions = _objects(results.pred, pred, results.unique_names, results.pred.score[pred].tolist())
    return Drawn(results.file_names[image], gt, predictions)


def _objects(
    boxes: Any, rows: NDArray[np.bool_], names: Sequence[str], scores: Sequence[float] | None = None
) -> Objects:
    return Objects(xywh_to_xyxy(boxes.bboxes_xywh[rows]), [names[k] for k in boxes.label[rows].tolist()], scores)


@torch.no_grad()
def _of_training(runner: Runner, number: int, measured: Any) -> list[Drawn]:
    """Training images as a validation would see them, predicted one by one on this process alone."""
    dataset = DATASETS.build({**runner.cfg.val_dataloader.dataset, "split": TRAIN})
    counts = dataset.image_class_counts
    image, label = (column.repeat(counts[counts > 0]) for column in np.nonzero(counts))
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    names, score_thrs, drawn = measured.results.unique_names, measured.score_thrs, []
    cuda = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    loop = runner.val_loop
    ours = isinstance(loop, InspectionValLoop)  # a Python config may validate by MMEngine's, which has neither
    tiles, merge_views = (loop.tiles, loop.merge_views) if ours else (None, None)
    for place in choose_images(image, label, len(dataset), counts.shape[1], number + 1):
        info, batch = dataset.get_data_info(place), runner.val_dataloader.collate_fn([dataset[place]])
        with torch.random.fork_rng(devices=cuda):
            samples = predict_equal_sizes(model, batch, model.test_step, tiles, merge_views)
            found = samples[0].pred_instances.cpu().numpy()
        rows = found.scores >= score_thrs[found.labels]
        predictions = Objects(found.bboxes[rows], [names[k] for k in found.labels[rows]], found.scores[rows].tolist())
        boxes = np.array([instance["bbox"] for instance in info["instances"]], dtype=np.float64).reshape(-1, 4)
        truth = Objects(boxes, [names[instance["bbox_label"]] for instance in info["instances"]])
        drawn.append(Drawn(info["file_name"], truth, predictions))
    return drawn


def _reader(dataset: Any) -> Any:
    """File name to ``(image BGR, factor)``, made smaller to at most 1,024 px: what a person looks at."""
    images_dir = Path(dataset.data_root, IMAGES_DIR)
    bits = next((step.bit_depth for step in dataset.pipeline.transforms if isinstance(step, HasBitDepth)), 16)

    def read(file_name: str) -> tuple[Image, float]:
        image = read_image(images_dir / file_name, max_megapixels=None, bit_depth=bits)  # the data set checked its size
        factor = min(1.0, _LONGEST_PX / max(image.shape[:2]))
        if factor == 1:
            return image, 1.0
        size_wh = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8), factor

    return read


def _compared(image: Image, one: Drawn, factor: float, colors: Mapping[str, Color]) -> Image:
    """The image with its objects and with its predictions, side by side."""
    sides = (one.gt, one.predictions)
    style = choose_style((image.shape[0], image.shape[1]), max(len(side.labels) for side in sides))
    left, right = (
        draw(image, side.bboxes_xyxy * factor, side.labels, side.scores, colors=colors, style=style) for side in sides
    )
    captions = (f"ground truth: {len(one.gt.labels)}", f"predictions: {len(one.predictions.labels)}")
    named = {*one.gt.labels, *one.predictions.labels}
    legend = {name: color for name, color in colors.items() if name in named}
    return side_by_side(left, right, captions, title=one.file_name, legend=legend)


def _send(runner: Runner, name: str, picture: Image) -> None:
    """To the trackers; the files are there already."""
    for backend in runner.visualizer._vis_backends.values():
        if not isinstance(backend, RunImages):
            backend.add_image(name, np.ascontiguousarray(picture[..., ::-1]), step=runner.iter)
