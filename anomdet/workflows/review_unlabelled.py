"""``anomdet review --unlabelled``: which images to label next, with a detector's boxes to start from."""

from __future__ import annotations

import json
import logging
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.config.load import SettingsSource
from anomdet.errors import Problem, UserError
from anomdet.layout import BEST, IMAGES_DIR, LABEL_STUDIO, TO_LABEL_CSV, TO_LABEL_PAGE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anomdet.data.index.scan import DataIndex
    from anomdet.inference.detector import Detector
    from anomdet.inference.result import Result
    from anomdet.quality.review.label_next import Choice

_MIN_SCORE = 0.05
_log = logging.getLogger("anomdet")


@dataclass(frozen=True)
class ToLabel:
    """Images to label, the best first.

    Args:
        rows: a dict each: ``rank``, ``image`` (relative to the folder), ``score``, ``reason`` and its aspects.
        written: the files.
        text: for the console.
    """

    rows: Sequence[Mapping[str, Any]]
    written: list[Path]
    text: str


def choose_to_label(
    settings: SettingsSource,
    overrides: Sequence[str] = (),
    *,
    unlabelled: str | Path,
    budget: int,
    out: str | Path,
    checkpoint: str | Path | None = None,
) -> ToLabel:
    """Choose the images of a folder to label next.

    Args:
        settings: a YAML file, a dict or :class:`anomdet.Settings`; they name the labelled data.
        overrides: ``key=value`` each.
        unlabelled: a folder of images, with its subfolders.
        budget: how many images at most.
        out: a new or empty folder.
        checkpoint: default: ``<checkpoint_dir>/best_model.pth``.

    Raises:
        UserError: anything wrong with what the user gave.

    >>> anomdet.choose_to_label("run.yaml", unlabelled="new", budget=50, out="next").rows[0]  # doctest: +SKIP
    """
    from anomdet.inference.folders import files_below, is_image
    from anomdet.workflows.load import load
    from anomdet.workflows.review import prepared

    if budget < 1:
        raise UserError(Problem("--budget", "an integer >= 1", str(budget)))
    folder = Path(unlabelled)
    if not folder.is_dir():
        raise UserError(Problem("--unlabelled", "a folder of images", f"{folder}, which is none"))
    loaded, index, out_dir = prepared(settings, overrides, Path(out), [folder])
    paths = [Path(path) for path, error in files_below(str(folder)) if error is None and is_image(path)]
    if not paths:
        raise UserError(Problem(f"--unlabelled {folder}", "images", "none"))
    own = loaded.model.custom_backbone_file or loaded.model.custom_model_file
    detector = load(checkpoint or Path(loaded.logging.checkpoint_dir) / BEST, custom_file=own)
    results = _predicted(detector, paths)
    choices = _choices(index, detector, results, budget)
    return _written(folder, list(results.values()), choices, detector, out_dir)


def _predicted(detector: Detector, paths: Sequence[Path]) -> dict[Path, Result]:
    """The result of each image that can be read; the others are named."""
    from anomdet.inference.outcome import FailedImage

    results = {}
    for path, outcome in zip(paths, detector.predict(list(paths), min_score=_MIN_SCORE), strict=True):
        if isinstance(outcome, FailedImage):
            _log.warning(f"{path} is left out: {outcome.error}")
        else:
            results[path] = outcome
    if not results:
        raise UserError(Problem("--unlabelled", "images that can be read", "none"))
    return results


def _choices(index: DataIndex, detector: Detector, results: Mapping[Path, Result], budget: int) -> list[Choice]:
    import numpy as np

    from anomdet.quality.review.features import image_features
    from anomdet.quality.review.label_next import box_doubt, choose, class_need, thresholds_of, verdict_doubt

    nums = list(detector.classes)
    totals = index.columns.class_counts(range(len(index.columns)), index.class_nums).sum(axis=0).tolist()
    counts = dict.fromkeys(nums, 0.0) | dict(zip(index.class_nums, map(float, totals), strict=True))
    aspects: dict[str, list[float]] = {"boxes": [], "verdict": [], "classes": []}
    for one in results.values():
        scores, own = one.scores.astype(np.float64), one.class_nums.tolist()
        thresholds = thresholds_of(own, detector.thresholds)
        aspects["boxes"].append(box_doubt(scores, thresholds))
        aspects["verdict"].append(verdict_doubt(scores, thresholds))
        own_counts = np.array([counts[num] for num in own])
        aspects["classes"].append(class_need(scores, thresholds, own_counts, min(counts.values())))
    labelled = [index.data_dir / IMAGES_DIR / name for name in index.columns.file_names()]
    paths = list(results)
    columns = {name: np.array(values) for name, values in aspects.items()}
    groups = _groups(labelled, paths)
    return choose(columns, image_features(paths), image_features(labelled), groups, budget)


def _groups(labelled: Sequence[Path], unlabelled: Sequence[Path]) -> NDArray[np.int64]:
    """Number of each unlabelled image's near-duplicates; -1: one of these is labelled."""
    import numpy as np

    from anomdet.data.near_duplicates.audit import find_pairs
    from anomdet.data.splits.groups import join
    from anomdet.quality.review.label_next import number_free_groups

    paths = [os.path.realpath(path) for path in (*labelled, *unlabelled)]
    root = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120 (texts, for speed)
    pairs = find_pairs(Path(root), [os.path.relpath(path, root) for path in paths])
    return number_free_groups(join(np.arange(len(paths)), pairs), len(labelled))


def _written(
    folder: Path, results: Sequence[Result], choices: Sequence[Choice], detector: Detector, out_dir: Path
) -> ToLabel:
    from anomdet.outputs import csv_text, make_folder, write_text

    rows = [
        {
            "rank": rank,
            "image": os.path.relpath(str(results[choice.at].image), folder).replace(os.sep, "/"),
            "score": round(choice.score, 4),
            "reason": choice.reason,
            **{name: round(value, 4) for name, value in choice.aspects.items()},
        }
        for rank, choice in enumerate(choices, start=1)
    ]
    tasks = [_task(row, results[choice.at], detector) for row, choice in zip(rows, choices, strict=True)]
    make_folder(out_dir, "--out")
    heads = list(rows[0]) if rows else ["rank", "image", "score", "reason"]
    table = csv_text([heads, *(row.values() for row in rows)]).encode("utf-8", "backslashreplace").decode()
    written = [
        write_text(out_dir / TO_LABEL_CSV, table),
        write_text(out_dir / LABEL_STUDIO, json.dumps(tasks, indent=1, allow_nan=False) + "\n"),
    ]
    left = f"{len(rows):,} of {len(results):,} images chosen; near-duplicates of these and of the labelled are left out"
    written.append(_write_page(folder, rows, [results[choice.at] for choice in choices], detector, left, out_dir))
    text = "\n".join(f"{row['rank']:>4}  {row['score']:.2f}  {row['image']}  {row['reason']}" for row in rows[:20])
    back = f"anomdet convert EXPORT --to anomdet --out DIR --images {shlex.quote(str(folder))} --classes SETTINGS"
    return ToLabel(rows, written, f"{text}\n{left}\nlabels come back, with the class numbers of now, by {back}")


def _write_page(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    shown: Sequence[Result],
    detector: Detector,
    left: str,
    out_dir: Path,
) -> Path:
    """to_label.html: the chosen images with their reasons and the detector's boxes."""
    from anomdet.boxes import xyxy_to_xywh
    from anomdet.report.to_label_page import write_to_label_page
    from anomdet.workflows.reviews.page import addresses

    names = [str(row["image"]) for row in rows]
    bits = detector.artifact.preprocessing.bit_depth
    address_of = addresses(names, folder, out_dir, lambda: bits)
    cells = []
    for row, result in zip(rows, shown, strict=True):
        counted = _counted(result, detector)
        places = xyxy_to_xywh(result.bboxes_xyxy[counted]).round(1).tolist()
        nums, scores = result.class_nums[counted].tolist(), result.scores[counted].tolist()
        boxes = [
            {"name": detector.classes[num], "score": score, "bbox_xywh": place}
            for num, score, place in zip(nums, scores, places, strict=True)
        ]
        cells.append({**row, "address": address_of[row["image"]], "size_wh": result.size_hw[::-1], "boxes": boxes})
    return write_to_label_page(f"To label next: {folder.resolve().name}", cells, left, out_dir / TO_LABEL_PAGE)


def _counted(result: Result, detector: Detector) -> NDArray[np.bool_]:
    """``(N,)`` the boxes from the threshold of their class on."""
    from anomdet.quality.review.label_next import thresholds_of

    counted: NDArray[np.bool_] = result.scores >= thresholds_of(result.class_nums.tolist(), detector.thresholds)
    return counted


def _task(row: Mapping[str, Any], result: Result, detector: Detector) -> dict[str, Any]:
    """The image as a task of Label Studio, with the boxes from the threshold of their class on."""
    from anomdet.boxes import xyxy_to_xywh
    from anomdet.formats.dataset import Box, Picture
    from anomdet.formats.labelstudio import prediction_task

    counted = _counted(result, detector)
    height, width = result.size_hw
    places = xyxy_to_xywh(result.bboxes_xyxy[counted]).tolist()
    boxes = [Box(num, *place) for num, place in zip(result.class_nums[counted].tolist(), places, strict=True)]
    picture = Picture(str(row["image"]), "", width=width, height=height, boxes=boxes)
    scores = [round(float(score), 4) for score in result.scores[counted]]
    task = prediction_task(int(row["rank"]), picture, dict(detector.classes), scores, detector.artifact.model.name)
    task["data"] |= {"reason": row["reason"]}
    return task
