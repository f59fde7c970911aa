"""The files of one evaluation, in one folder; the report is made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomdet.documents import VERSION, read_json
from anomdet.errors import Problem, UserError
from anomdet.evaluation.coco_json import results_from_coco, to_coco
from anomdet.evaluation.details import details
from anomdet.evaluation.results import Results
from anomdet.evaluation.summary import Measured
from anomdet.evaluation.tables import metrics_csv, per_image_csv
from anomdet.layout import DETAILS, GROUND_TRUTH, METRICS, METRICS_CSV, PER_IMAGE_CSV, PREDICTIONS
from anomdet.outputs import write_text


def write_json(path: Path, content: Any, *, indent: int | None = None) -> None:
    """Write strict JSON (no NaN) so that ``path`` is either the old file or the whole new one.

    Floats are written with all their digits: reading gives the same numbers back.
    """
    text = json.dumps(content, indent=indent, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def write_results(out_dir: Path, results: Results) -> None:
    """Write ground_truth.json (a COCO data set; category ids are the user's class numbers) and predictions.json (a COCO
    results list with ``file_name`` added); the folder is made if need be."""
    out_dir.mkdir(parents=True, exist_ok=True)
    ground_truth, predictions = to_coco(results)
    write_json(out_dir / GROUND_TRUTH, ground_truth)
    write_json(out_dir / PREDICTIONS, predictions)


def write_measured(out_dir: Path, measured: Measured, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write what was measured: metrics.csv, per_image.csv, details.json, and metrics.json last.

    Args:
        out_dir: the folder.
        measured: the evaluation.
        more: goes into details.json.

    Returns:
        The content of details.json.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    write_text(out_dir / METRICS_CSV, metrics_csv(measured.metrics))
    write_text(out_dir / PER_IMAGE_CSV, per_image_csv(measured))
    shown = {"version": VERSION, **details(measured), **(more or {})}
    write_json(out_dir / DETAILS, shown)
    write_json(out_dir / METRICS, measured.metrics, indent=2)
    return shown


def read_results(ground_truth_path: Path, predictions_path: Path) -> Results:
    """Read any detector's results.

    Args:
        ground_truth_path: COCO data set.
        predictions_path: COCO results list.

    Raises:
        UserError: a file is missing, is not JSON or not COCO's; everything that is wrong at once.
    """
    contents, problems = [], []
    for path in (ground_truth_path, predictions_path):
        try:
            contents.append(read_json(path, "anomdet evaluate writes such files"))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    ground_truth, predictions = contents
    results = results_from_coco(
        ground_truth, predictions, gt_file=str(ground_truth_path), predictions_file=str(predictions_path)
    )
    if not results.num_images:
        raise UserError(Problem(f"{ground_truth_path}: images", "at least one image", "an empty list"))
    return results
