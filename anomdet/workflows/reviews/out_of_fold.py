"""Predictions for labelled images by detectors that did not learn from them: K folds, or the splits of a checkpoint."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anomdet.config.load import load_settings
from anomdet.config.schema import Settings
from anomdet.data.index.scan import DataIndex
from anomdet.data.splits.folds import Fold, make_folds
from anomdet.data.splits.groups import Grouping, group_images
from anomdet.errors import Problem, UserError
from anomdet.evaluation.results import Ints, Predictions, Results, make_ground_truth, make_predictions
from anomdet.layout import FOLDS_DIR, IMAGES_DIR, RUN_DIR, SPLITS, TEST, TRAIN, VAL
from anomdet.quality.review.second_opinion import SecondOpinion

if TYPE_CHECKING:
    from anomdet.inference.detector import Detector

MIN_SCORE = 0.01  # a label is without support only where not even such a prediction is near
_LEAST_MINUTES = 0.01  # where grouping the images took them all: the first training says how many it needs

_log = logging.getLogger("anomdet")


@dataclass
class Collected:
    """What was predicted so far.

    Args:
        index: the data set.
        positions: of the images, into its records.
        results: of each of them.
        failed: why there is none, by the name of an image.
        names: of the detectors' classes.
        looks: of each detector, how often it looked at an image.
        second: results by position, of detectors that learned from these images.
    """

    index: DataIndex
    positions: list[int] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    looks: list[int] = field(default_factory=list)
    second: dict[int, Any] = field(default_factory=dict)

    def add(self, detector: Detector, positions: Sequence[int]) -> None:
        """Predict some images."""
        self.names |= detector.classes
        self.looks.append(len(detector.artifact.tta.plan) if detector.artifact.tta else 1)
        outcomes = detector.predict(self.paths(positions), min_score=MIN_SCORE)
        for at, outcome in zip(positions, outcomes, strict=True):
            if error := getattr(outcome, "error", ""):
                self.failed[self.index.records[at].file_name] = error
            else:
                self.positions.append(at)
                self.results.append(outcome)

    def ask(self, detector: Detector, positions: Sequence[int], ends: float | None) -> None:
        """The second opinion of a detector that learned from some images, on as many as there is time for."""
        if _is_late(ends):
            return
        outcomes = detector.predict(self.paths(positions), min_score=MIN_SCORE)
        for at, outcome in zip(positions, outcomes, strict=True):
            if not getattr(outcome, "error", ""):
                self.second[at] = outcome
            if _is_late(ends):
                return

    def paths(self, positions: Sequence[int]) -> list[Path]:
        """The files of some images."""
        return [self.index.data_dir / IMAGES_DIR / self.index.records[at].file_name for at in positions]

    def table(self) -> tuple[Results, SecondOpinion]:
        """Labels and predictions of the images that could be read, and the second opinion on them."""
        order = np.argsort(self.positions)
        positions = np.array(self.positions, dtype=np.int64)[order]
        names = {num: str(num) for num in self.index.class_nums} | self.names
        results = _as_results(self.index, positions, [self.results[at] for at in order], names)
        asked = np.array([at in self.second for at in positions.tolist()], dtype=bool)
        pred = _as_predictions([self.second[at] for at in positions[asked].tolist()], results.class_nums)
        return results, SecondOpinion(replace(pred, image=np.flatnonzero(asked)[pred.image]), asked)


def predict_by_folds(
    settings: Settings, index: DataIndex, out_dir: Path, *, num_folds: int, minutes: float | None
) -> Collected:
    """Train a detector for each fold, without the fold's images, and predict these.

    Args:
        settings: of a run; its splits are not used.
        index: the data set.
        out_dir: gets ``folds/1`` and so on, each with its lists in splits/ and its run in run/.
        num_folds: runs.
        minutes: for all of them together; None: each is as the settings say.
    """
    from anomdet.data.splits.lists import freeze
    from anomdet.workflows.reviews.fold_time import training_minutes, warn_of_few_passes
    from anomdet.workflows.reviews.views import with_views
    from anomdet.workflows.train import train

    began = time.monotonic()
    # In a number of minutes the schedule ends with the training: its last epoch needs nobody to choose it.
    chooses = minutes is None
    folds = make_folds(index, _grouping(settings, index), num_folds, settings.data.split.seed, chooses=chooses)
    grouped = time.monotonic()
    fold_minutes = None if minutes is None else max(minutes - (grouped - began) / 60, _LEAST_MINUTES) / num_folds
    collected, trains_for = Collected(index), None
    for number, fold in enumerate(folds, start=1):
        started = time.monotonic()
        folder = out_dir / FOLDS_DIR / str(number)
        folder.mkdir(parents=True)
        lists = freeze(folder, index, fold.splits, {"by": "folds of anomdet review", "fold": number})
        _log.info(f"fold {number} of {num_folds}: {_sizes(fold)}")
        own = _fold_settings(settings, lists, folder / RUN_DIR, trains_for)
        try:
            if number == 1 and fold_minutes is not None:
                trains_for = training_minutes(own, len(fold.test), fold_minutes)
                own = _fold_settings(settings, lists, folder / RUN_DIR, trains_for)
            done = train(own)
        except UserError:
            if number == 1:  # as too few minutes: the folder is free for another try
                _remove_folds(out_dir)
            raise
        if number == 1 and fold_minutes is not None:
            warn_of_few_passes(folder / RUN_DIR, len(fold.train))
        path = done.best_checkpoint if chooses and done.best_checkpoint.is_file() else done.last_checkpoint
        detector, ends = _open(path, settings), None if fold_minutes is None else grouped + 60 * fold_minutes * number
        left_s = None if ends is None else ends - time.monotonic()
        collected.add(with_views(detector, own, collected.paths(fold.test), left_s), list(fold.test))
        collected.ask(detector, list(folds[number % num_folds].test), ends)
        _log.info(f"fold {number} of {num_folds}: done in {(time.monotonic() - started) / 60:.1f} minutes")
    return collected


def _is_late(ends: float | None) -> bool:
    return ends is not None and time.monotonic() > ends


def _remove_folds(out_dir: Path) -> None:
    """What this review has written so far; the folder too, if nothing else is in it."""
    shutil.rmtree(out_dir / FOLDS_DIR, ignore_errors=True)
    with contextlib.suppress(OSError):
        out_dir.rmdir()


def _sizes(fold: Fold) -> str:
    return f"{len(fold.train):,} images to learn from, {len(fold.val):,} to validate, {len(fold.test):,} to review"


def _grouping(settings: Settings, index: DataIndex) -> Grouping:
    """Groups by names and near-duplicates together; by names alone where nearly all images look alike."""
    regex = settings.data.split.group_regex or settings.data.group_by
    if settings.data.split.on_leak == "ignore":
        return group_images(index, group_regex=regex, join_near_duplicates=False)
    try:
        return group_images(index, group_regex=regex, join_near_duplicates=True)
    except UserError as error:
        if regex is not None:
            group_images(index, group_regex=regex, join_near_duplicates=False)  # the pattern may be what is wrong
        _log.warning(f"near-duplicates are not kept in one fold, so a label may be reviewed by its own copy: {error}")
        return group_images(index, group_regex=regex, join_near_duplicates=False)


def _fold_settings(settings: Settings, lists: Path, folder: Path, minutes: float | None) -> Settings:
    """The settings of one training: its lists, its folder, its minutes."""
    values = settings.model_dump(mode="json")
    values["data"] |= {"split_files": {name: str(lists / f"{name}.txt") for name in SPLITS}}
    values["data"]["split"] |= {"by": "files", "group_regex": None, "on_leak": "ignore"}
    values["logging"] |= {"log_dir": str(folder), "checkpoint_dir": str(folder), "trackers": []}
    values["anomaly"] |= {"enabled": False}  # its labels are boxes: the normal-only score says nothing of them
    no_list = {"hard_normals": None, "hard_normals_file": None}  # none of them may be in a fold's training split
    values["training"]["class_imbalance_handling"] |= no_list
    if minutes is not None:
        values["training"]["minutes"] = minutes
    return load_settings(values)


def _open(path: Path, settings: Settings) -> Detector:
    from anomdet.workflows.load import load

    own = settings.model.custom_backbone_file or settings.model.custom_model_file
    return load(path, threshold=0.5, custom_file=own)  # no threshold matters here


def predict_by_checkpoint(settings: Settings, index: DataIndex, checkpoint: Path) -> Collected:
    """Predict the images of the splits that a checkpoint did not learn from: val and test.

    Raises:
        UserError: the splits are not those of its training, so that nobody knows what it learned from.
    """
    from anomdet.config.translate_data import split_arguments
    from anomdet.data.splits.lists import split_hash
    from anomdet.data.splits.make import as_split_rule, make_splits
    from anomdet.engine.checkpoint import read_checkpoint
    from anomdet.workflows.runs.libraries import load_libraries
    from anomdet.workflows.runs.plugins import import_plugins

    load_libraries()
    import_plugins(settings.plugins)
    positions = make_splits(index, as_split_rule(**split_arguments(settings.data))).positions
    learned = read_checkpoint(checkpoint).meta.split_hashes.get(TRAIN)
    if learned != split_hash(index, positions[TRAIN]):
        got = "other images than its training split" if learned else "a checkpoint that does not say"
        hint = "give the settings of its training, with the lists in its log_dir/splits as data.split_files"
        raise UserError(Problem(f"--checkpoint {checkpoint}", "the splits that it was trained with", got, hint))
    collected = Collected(index)
    collected.add(_open(checkpoint, settings), sorted([*positions[VAL], *positions[TEST]]))
    return collected


def _as_results(index: DataIndex, positions: np.ndarray, results: Sequence[Any], names: Mapping[int, str]) -> Results:
    """Rows of the labels and predictions of some images, ascending."""
    columns = index.columns
    class_nums = np.array(sorted(names), dtype=np.int64)
    labels = [columns.labels(at) for at in positions.tolist()]
    gt_xyxy, gt_nums, gt_image = _rows([(one.bboxes_xyxy, one.class_nums) for one in labels])
    return Results(
        np.arange(len(positions)),
        [index.records[at].file_name for at in positions.tolist()],
        columns.sizes_hw[positions].astype(np.int64),
        class_nums,
        [names[num] for num in class_nums.tolist()],
        make_ground_truth(gt_image, np.searchsorted(class_nums, gt_nums), gt_xyxy),
        _as_predictions(results, class_nums),
    )


def _as_predictions(results: Sequence[Any], class_nums: Ints) -> Predictions:
    bboxes_xywh, nums, image = _rows([(one.bboxes_xyxy, one.class_nums) for one in results])
    scores = np.concatenate([np.zeros(0), *(one.scores.astype(np.float64) for one in results)])
    return make_predictions(image, np.searchsorted(class_nums, nums), bboxes_xywh, scores)


def _rows(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corner and size, class numbers and image of all boxes."""
    parts = list(parts)
    boxes = np.concatenate([np.zeros((0, 4)), *(boxes.astype(np.float64) for boxes, _ in parts)])
    boxes[:, 2:] -= boxes[:, :2]
    nums = np.concatenate([np.zeros(0, np.int64), *(nums for _, nums in parts)])
    image = np.repeat(np.arange(len(parts)), [len(nums) for _, nums in parts])
    return boxes, nums, image
