"""``anomdet compare A B``: is the second detector better than the first, or is it chance?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anomdet.errors import Problem, UserError
from anomdet.layout import COMPARISON, COMPARISON_PAGE, DETAILS, EVALUATION_DIR, GROUND_TRUTH, METRICS, PREDICTIONS

if TYPE_CHECKING:
    from anomdet.documents import Metrics

_FILES = (COMPARISON, COMPARISON_PAGE)


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Args:
        table: metric to its value for both, the difference and its interval; the content of comparison.json.
        text: for the console.
        written: comparison.json and comparison.html, if a folder was given.
    """

    table: dict[str, Any]
    text: str
    written: list[Path]


def compare(
    first: str | Path,
    second: str | Path,
    *,
    num_resamples: int = 1000,
    confidence: float = 0.95,
    out: str | Path | None = None,
) -> Comparison:
    """Compare two evaluations of one test set, each at its own operating point and by its one verdict on each part.

    Args:
        first: a folder that ``anomdet evaluate`` wrote, or a run's that holds one as ``evaluation``.
        second: likewise.
        num_resamples: bootstrap resamples of the parts; both detectors are measured on the same ones.
        confidence: of the intervals.
        out: where comparison.json and comparison.html go; None: nowhere.

    Raises:
        UserError: a file is missing or wrong, the test sets or the matching thresholds differ.

    >>> anomdet.compare("logs_a/evaluation", "logs_b/evaluation").table["numbers"]["mAP_50"]  # doctest: +SKIP
    """
    from anomdet.evaluation.comparison import compared, comparison_text
    from anomdet.evaluation.files import write_json
    from anomdet.output_rule import check_names, make_room
    from anomdet.outputs import make_folder
    from anomdet.report.comparison import write_comparison

    if not isinstance(num_resamples, Integral) or num_resamples < 1:
        raise UserError(Problem("--resamples", "an integer >= 1", str(num_resamples)))
    if other := [one for one in (first, second) if not isinstance(one, (str, os.PathLike))]:
        expected, hint = "folders that anomdet evaluate wrote", "of an Evaluation: evaluation.written[0].parent"
        raise UserError(Problem("compare", expected, type(other[0]).__name__, hint))
    if not 0 < confidence < 1:
        raise UserError(Problem("--confidence", "a share above 0 and below 1", f"{confidence:g}"))
    if out is not None:
        check_names(Path(out), _FILES, "--out")
    table = compared(
        _measured(Path(first)), _measured(Path(second)), num_resamples=int(num_resamples), confidence=confidence
    )
    text = comparison_text(table, str(first), str(second))
    if out is None:
        return Comparison(table, text, [])
    folder = make_folder(out, "--out")
    path = folder / COMPARISON
    make_room(folder, _FILES, "--out")
    write_json(path, {"first": str(first), "second": str(second), **table}, indent=2)
    page = write_comparison(table, str(first), str(second), folder / COMPARISON_PAGE)
    return Comparison(table, text, [path, page])


def _measured(folder: Path) -> Any:
    """An evaluation again, from its files."""
    from anomdet.documents import read_metrics
    from anomdet.evaluation.files import read_results
    from anomdet.evaluation.operating_point import OperatingPoint
    from anomdet.evaluation.summary import measure
    from anomdet.workflows.evaluations.files import check_evaluation

    if not (folder / METRICS).exists() and (folder / EVALUATION_DIR / METRICS).is_file():
        folder = folder / EVALUATION_DIR  # the log folder of a run
    metrics = read_metrics(check_evaluation(folder, "compare"))
    results = read_results(folder / GROUND_TRUTH, folder / PREDICTIONS)
    point = {key: value for key, value in metrics["operating_point"].items() if key != "criterion"}
    if metrics["operating_point"]["per_class"] is not None:
        nums = {name: row["class_num"] for name, row in metrics["per_class"].items()}
        point["per_class"] = {nums[name]: value for name, value in metrics["operating_point"]["per_class"].items()}
    iou_thr = metrics["matching_iou_threshold"]
    measured = measure(results, OperatingPoint(**cast(Any, point)), matching_iou_threshold=iou_thr, complete=False)
    return _with_score(measured, metrics, folder)


def _with_score(measured: Any, metrics: Metrics, folder: Path) -> Any:
    """The evaluation with the verdicts of its normal-only score, where it has one.

    Raises:
        UserError: the score of each image is not in the files.
    """
    unseen = metrics.get("unseen")
    if unseen is None:
        return measured
    import numpy as np

    from anomdet.documents import read_details
    from anomdet.evaluation.alone import score_alone
    from anomdet.evaluation.unseen import fused

    kept, num_images = read_details(folder).get("normal_only"), measured.results.num_images
    if kept is None or len(kept["image_ratio"]) != num_images:
        got = "none" if kept is None else f"{len(kept['image_ratio'])} numbers"
        expected = f"the normal-only score of {num_images} images"
        raise UserError(Problem(f"{folder / DETAILS}: normal_only", expected, got, "evaluate again"))
    ratio = np.array(kept["image_ratio"], dtype=np.float64)
    if unseen.get("alone"):
        return score_alone(measured, ratio, 1.0, kept["spread"], 0.95)
    return fused(measured, ratio, 1.0, kept["spread"])
