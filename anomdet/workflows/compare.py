"""``anomdet compare A B``: is the second detector better than the first, or is it chance?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.layout import COMPARISON


@dataclass(frozen=True)
class Compared:
    """What a comparison found.

    Args:
        text: for the console.
        written: comparison.json, if a folder was given.
    """

    text: str
    written: list[Path]


def compare(first: Path, second: Path, *, num_resamples: int, confidence: float, out: Path | None) -> Compared:
    """Compare two evaluations of one test set, each at its own operating point.

    Args:
        first, second: folders that ``anomdet evaluate`` wrote.
        num_resamples: bootstrap resamples of the parts; both detectors are measured on the same ones.
        confidence: of the intervals.
        out: where comparison.json goes; None: nowhere.

    Raises:
        UserError: a file is missing or wrong, the test sets or the matching thresholds differ.
    """
    from anomdet.evaluation.comparison import compared, comparison_text
    from anomdet.evaluation.files import write_json
    from anomdet.outputs import check_names, make_folder, make_room

    if num_resamples < 1:
        raise UserError(Problem("--resamples", "an integer >= 1", str(num_resamples)))
    if not 0 < confidence < 1:
        raise UserError(Problem("--confidence", "a share above 0 and below 1", f"{confidence:g}"))
    if out is not None:
        check_names(out, [COMPARISON], "--out")
    table = compared(_measured(first), _measured(second), num_resamples=num_resamples, confidence=confidence)
    text = comparison_text(table, str(first), str(second))
    if out is None:
        return Compared(text, [])
    path = make_folder(out, "--out") / COMPARISON
    make_room(out, [COMPARISON], "--out")
    write_json(path, {"first": str(first), "second": str(second), **table}, indent=2)
    return Compared(text, [path])


def _measured(folder: Path) -> Any:
    """An evaluation again, from its files."""
    from anomdet.evaluation.files import GROUND_TRUTH, PREDICTIONS, read_metrics, read_results
    from anomdet.evaluation.operating_point import OperatingPoint
    from anomdet.evaluation.summary import measure

    if not folder.is_dir():
        got = f"{folder}, which is {'a file' if folder.exists() else 'not there'}"
        raise UserError(Problem("compare", "a folder that anomdet evaluate wrote", got))
    metrics = read_metrics(folder)
    results = read_results(folder / GROUND_TRUTH, folder / PREDICTIONS)
    try:
        point = dict(metrics["operating_point"])
        if point["per_class"] is not None:
            nums = {name: row["class_num"] for name, row in metrics["per_class"].items()}
            point["per_class"] = {nums[name]: value for name, value in point["per_class"].items()}
        iou_thr = float(metrics["matching_iou_threshold"])
        return measure(results, OperatingPoint(**point), matching_iou_threshold=iou_thr, complete=False)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        got = f"another ({type(error).__name__}: {error})"
        raise UserError(
            Problem(str(folder / "metrics.json"), "one that this version wrote", got, "evaluate again")
        ) from error
