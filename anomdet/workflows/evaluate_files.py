"""``anomdet evaluate --predictions P.json --ground-truth G.json``: any detector's results, without torch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.workflows.evaluate import Evaluated

_log = logging.getLogger("anomdet")


@dataclass(frozen=True)
class Files:
    """COCO files.

    Args:
        ground_truth, predictions: of the test split.
        val_ground_truth, val_predictions: of the validation split, to choose the operating point on; both or none.
        images: the folder that the images' names start from, for the report's pictures; None: without.
    """

    ground_truth: Path | None = None
    predictions: Path | None = None
    val_ground_truth: Path | None = None
    val_predictions: Path | None = None
    images: Path | None = None

    @property
    def given(self) -> bool:
        """Whether any was given."""
        return any((self.ground_truth, self.predictions, self.val_ground_truth, self.val_predictions, self.images))


def evaluate_files(
    files: Files, config_path: Path | None, overrides: Sequence[str] = (), *, out: Path | None = None
) -> Evaluated:
    """Measure the results of any detector.

    Args:
        files: what to measure.
        config_path: YAML settings, of which ``metrics``, ``evaluation`` and ``data.group_by`` count; None: defaults.
        overrides: ``key=value`` each.
        out: the folder of the results; default: ``evaluation`` beside the predictions.

    Raises:
        UserError: anything wrong with the files or the settings.
    """
    from anomdet.config.load import load_settings
    from anomdet.evaluation.files import read_results
    from anomdet.evaluation.summary import measure
    from anomdet.evaluation.tables import format_table
    from anomdet.outputs import check_apart, check_names, make_folder
    from anomdet.workflows.evaluation_files import ALL_FILES, picture_reader, write_all

    _check(files)
    assert files.ground_truth is not None and files.predictions is not None
    settings = load_settings(config_path, overrides)
    results = _grouped(read_results(files.ground_truth, files.predictions), settings.data.group_by)
    folder = out or files.predictions.parent / "evaluation"
    check_apart(folder, [files.images] if files.images else [], "--out")
    check_names(folder, ALL_FILES, "--out")
    make_folder(folder, "--out")
    metrics = settings.metrics
    measured = measure(
        results,
        _point(files, settings),
        iou_thresholds=metrics.iou_thresholds,
        matching_iou_threshold=metrics.matching_iou_threshold,
        include_metrics=metrics.include_metrics,
    )
    if not len(results.pred):
        _log.warning(f"{files.predictions} holds no predictions at all")
    measured.metrics["about"] = _about(files, settings)
    read_picture = picture_reader(files.images, settings.data.max_image_megapixels) if files.images else None
    written = write_all(measured, folder, settings.evaluation, read_picture, _log.info)
    return Evaluated(format_table(measured.metrics), measured.metrics, written)


def _check(files: Files) -> None:
    problems = [
        Problem(f"--{name.replace('_', '-')}", "a COCO file", "nothing", f"it goes with --{other.replace('_', '-')}")
        for name, other in (
            ("ground_truth", "predictions"),
            ("predictions", "ground_truth"),
            ("val_ground_truth", "val_predictions"),
            ("val_predictions", "val_ground_truth"),
        )
        if getattr(files, name) is None and (getattr(files, other) is not None or not name.startswith("val_"))
    ]
    if files.images is not None and not files.images.is_dir():
        problems.append(Problem("--images", "a folder of images", f"{files.images}, which is none"))
    if problems:
        raise UserError(problems)


def _point(files: Files, settings: Any) -> Any:
    """The settings' threshold, or one chosen on the validation files; never on the test's."""
    from anomdet.evaluation.files import read_results
    from anomdet.evaluation.operating_point import FALLBACK_SCORE, Criterion, fixed
    from anomdet.evaluation.summary import measure

    metrics = settings.metrics
    if metrics.score_threshold is not None:
        return fixed(metrics.score_threshold)
    if files.val_ground_truth is None or files.val_predictions is None:
        note = f"no validation results to choose on: {FALLBACK_SCORE} taken; give --val-ground-truth and "
        return fixed(FALLBACK_SCORE, "default", f"{note}--val-predictions, or metrics.score_threshold=...")
    criterion = Criterion(**settings.evaluation.operating_point.model_dump(), iou_thr=metrics.matching_iou_threshold)
    results = _grouped(read_results(files.val_ground_truth, files.val_predictions), settings.data.group_by)
    return measure(results, criterion, matching_iou_threshold=criterion.iou_thr, complete=False).point


def _grouped(results: Any, group_by: str | None) -> Any:
    from anomdet.evaluation.results import part_names

    return results if group_by is None else replace(results, parts=part_names(results.file_names, group_by))


def _about(files: Files, settings: Any) -> dict[str, Any]:
    from anomdet.config.dump import dump_yaml
    from anomdet.workflows.provenance import now, versions

    return {
        "title": str(files.predictions),
        "created": now(),
        "versions": versions(("numpy",)),
        "settings": dump_yaml(settings),
    }
