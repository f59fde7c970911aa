"""What a run says about itself in its log: the data, the exposure of the classes, the best epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from anomdet.data.class_names import sounds_normal
from anomdet.data.contracts import CountsImages, HasClassCounts, HasSplits, HasTiles
from anomdet.data.kept import note_on_kept
from anomdet.data.pipeline.mosaic import CropAroundDefect
from anomdet.data.sampling.sampler import BalancedSampler, class_exposure
from anomdet.engine.contracts import KnowsDraws
from anomdet.engine.hooks.checkpoints import BestAndLastHook
from anomdet.evaluation.results import part_names
from anomdet.layout import BEST, LAST
from anomdet.metric_catalogue import MONITORS, VAL_LOSS
from anomdet.words import counted
from anomdet.workflows.runs.bit_depth import note_on_bits
from anomdet.workflows.runs.own_metric import own_metric
from anomdet.workflows.runs.views import note_on_views

_NEED_OBJECTS = frozenset(MONITORS) - {VAL_LOSS}
_OTHER_SCALE = 1.25  # of the pieces that training sees and the images that validation sees


def checkpoint_hook(runner: Any) -> BestAndLastHook:
    return next(hook for hook in runner.hooks if isinstance(hook, BestAndLastHook))


def log_data(runner: Any, notes: Sequence[str], warnings: Sequence[str] = ()) -> None:
    for note in notes:
        runner.logger.info(note)
    dataset = runner.train_dataloader.dataset
    names = ", ".join(f"{number}: {name}" for number, name in zip(*_classes(dataset.metainfo), strict=True))
    num_images = _num_images(dataset)
    tiles = f" in {len(dataset)} tiles" if num_images != len(dataset) else ""
    runner.logger.info(f"data: {num_images} training images{tiles}; classes {names}")
    if note := runner.cfg.get("tiles_note"):
        runner.logger.info(note)
    if note := note_on_kept(dataset):
        runner.logger.info(f"data: {note}")
    if note := note_on_views(runner.cfg):
        runner.logger.info(note)
    if note := note_on_bits(runner.cfg):
        runner.logger.info(f"data: {note}")
    _log_exposure(runner)
    warmup = max((one.get("warmup_iterations", 0) for one in runner.cfg.get("param_scheduler") or []), default=0)
    if warmup >= runner.max_iters:
        runner.logger.warning(
            f"the run ends within the warm-up of the learning rate: {runner.max_iters} steps, "
            f"training.scheduler.warmup_iterations={warmup}: it will hardly learn"
        )
    of_names = (*_normal_classes(dataset.metainfo), *_numbers_as_names(dataset.metainfo), *_one_part(runner, dataset))
    for note in (*warnings, *of_names, *_long_steps(runner), *_other_scale(dataset), *undefined_metrics(runner)):
        runner.logger.warning(note)
    for note in dataset.index.notes if isinstance(dataset, HasSplits) else ():
        runner.logger.info(f"data: {note}")


def log_best(runner: Any) -> None:
    best = checkpoint_hook(runner)
    if best.best_epoch:
        runner.logger.info(f"best: epoch {best.best_epoch}, {best.monitor} {best.best_score:.4f}")
        if best.monitor in _NEED_OBJECTS and best.best_score == 0:
            runner.logger.warning(
                f"{best.monitor} was 0 in every validation: no box was on an object of its class, and {BEST} finds "
                "nothing yet; train longer (training.epochs; training.early_stopping.warmup_epochs, if it stopped "
                "early), with a lower training.learning_rate if the loss grew, and look at the boxes as the network "
                "sees them: anomdet browse"
            )
    else:
        runner.logger.warning(
            f"no best epoch: no validation gave a value of {best.monitor}, so {BEST} was not written; {LAST} holds the "
            "weights of the last epoch"
        )


def undefined_metrics(runner: Any) -> list[str]:
    """What the validation split cannot measure, and what to do; looked up in its labels, before training."""
    loader = runner.val_dataloader
    if loader is None or not isinstance(loader.dataset, HasClassCounts):
        return []
    monitor = checkpoint_hook(runner).monitor
    has_objects = loader.dataset.image_class_counts.any(axis=1)
    notes = []
    if not has_objects.any() and monitor in _NEED_OBJECTS:
        notes.append(
            f"the validation split has no objects: {monitor} (training.monitor) is undefined, so no epoch is the best, "
            f"{BEST} is not written, and the run does not stop early; put images with defects into the split "
            "(data.val_split), or set training.monitor=val_loss"
        )
    if has_objects.all():
        notes.append(
            "the validation split has no normal images: AUROC and overkill are undefined, and the thresholds "
            "are chosen for boxes, not for parts; put images with an empty label file into the split"
        )
    return notes


def _normal_classes(metainfo: dict[str, Any]) -> list[str]:
    """Classes that are called as good parts are."""
    return [
        f"class {number} is called {name!r}: each object of it makes its part defective; if it marks good parts, "
        "take these lines out of the label files: a normal part has none"
        for number, name in zip(*_classes(metainfo), strict=True)
        if sounds_normal(name)
    ]


def _numbers_as_names(metainfo: dict[str, Any]) -> list[str]:
    """Classes that are called by the number of another one: reports and results name them, and would be misread."""
    pairs = list(zip(*_classes(metainfo), strict=True))
    numbers = {str(number) for number, _ in pairs}
    return [
        f"class {number} is called {name!r}, which is the number of another class: data.classes are names, the numbers "
        "of the label files stay as they are"
        for number, name in pairs
        if name in numbers and name != str(number)
    ]


def _one_part(runner: Any, dataset: Any) -> list[str]:
    """A pattern that keeps no parts apart: there would be one verdict on all images together."""
    group_by = str(own_metric(runner.cfg).get("group_by") or "") if "test_evaluator" in runner.cfg else ""
    names = dataset.index.columns.file_names() if group_by and isinstance(dataset, HasSplits) else []
    if len(names) < 2 or len(parts := set(part_names(names, group_by))) > 1:
        return []
    return [
        f"data.group_by {group_by!r} makes one part of all {len(names):,} images, {parts.pop()!r}: there is one "
        "verdict on them together; put what differs between parts into its first group"
    ]


def _long_steps(runner: Any) -> list[str]:
    """Steps of more batches than an epoch has: each ends with its epoch, whatever `scale_lr` counts."""
    accumulated = (runner.cfg.get("optim_wrapper") or {}).get("accumulative_counts", 1)
    if accumulated == 1 or (batches := len(runner.train_dataloader)) >= accumulated:
        return []
    scaled = f"; scale_lr has set the learning rate for {accumulated}" if runner.cfg.get("scale_lr") else ""
    return [
        f"training.accumulation_steps={accumulated}, but an epoch has {counted(batches, 'batch', 'batches')}: a step "
        f"ends with its epoch: the run makes {counted(runner.max_epochs, 'step')}{scaled}; set it to {batches} or less"
    ]


def _other_scale(dataset: Any) -> list[str]:
    """Pieces at the stored resolution of images that are reduced wherever the detector is used."""
    if not isinstance(dataset, HasSplits) or (isinstance(dataset, HasTiles) and dataset.tile_index is not None):
        return []
    crops = [step for step in dataset.pipeline.transforms if isinstance(step, CropAroundDefect)]  # type: ignore[attr-defined]
    for step in crops:
        scale = float(np.median((dataset.index.columns.sizes_hw / np.array(step.size_hw)).max(axis=1)))
        if scale >= _OTHER_SCALE:
            return [
                f"augmentations.crop shows {step.prob:.0%} of the images in pieces at their stored resolution, "
                f"{scale:.1f} times as large as validation and predict show them: what is learned there is not what is "
                "looked for; set crop=0, or data.tiles, which shows pieces there, too"
            ]
    return []


def _log_exposure(runner: Any) -> None:
    """What the sampler makes of the classes' shares."""
    dataset, sampler = runner.train_dataloader.dataset, runner.train_dataloader.sampler
    items = "images" if _num_images(dataset) == len(dataset) else "tiles"
    names = [*dataset.metainfo["classes"], "no defect"]
    if not isinstance(sampler, KnowsDraws) or not isinstance(dataset, HasClassCounts):
        return
    exposure = class_exposure(dataset.image_class_counts, sampler.expected_draws())
    parts = [f"{name} {images} -> {draws:.0f}" for name, (images, draws) in zip(names, exposure, strict=True)]
    hard = sampler.is_hard if isinstance(sampler, BalancedSampler) else None
    if hard is not None:
        parts.append(f"of these hard normals {int(hard.sum())} -> {sampler.expected_draws()[hard].sum():.0f}")
    runner.logger.info(f"{items} with each class, in the data -> drawn in an epoch: {', '.join(parts)}")


def _num_images(dataset: Any) -> int:
    return dataset.num_images if isinstance(dataset, CountsImages) else len(dataset)


def _classes(metainfo: dict[str, Any]) -> tuple[Sequence[int], Sequence[str]]:
    return metainfo.get("class_nums", range(len(metainfo["classes"]))), metainfo["classes"]
