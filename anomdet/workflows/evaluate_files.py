"""``anomdet evaluate --predictions P.json --ground-truth G.json``: any detector's results, without torch."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from anomdet.config.load import SettingsSource, load_settings
from anomdet.config.schema import Settings
from anomdet.errors import Problem, UserError
from anomdet.layout import EVALUATION_DIR
from anomdet.workflows.evaluate import Evaluation

if TYPE_CHECKING:
    from anomdet.evaluation.results import Results

_log = logging.getLogger("anomdet")


@dataclass(frozen=True)
class Files:
    """COCO files.

    Args:
        ground_truth, predictions: of the test split.
        val_ground_truth, val_predictions: of the validation split, to choose the operating point on; both or none.
        images: the folder that the images' names start from, for the report's images; None: without.
        tile_map: of ``anomdet tile``, where the others are of tiles; None: they are of whole images.
    """

    ground_truth: Path | None = None
    predictions: Path | None = None
    val_ground_truth: Path | None = None
    val_predictions: Path | None = None
    images: Path | None = None
    tile_map: Path | None = None

    @property
    def given(self) -> bool:
        """Whether any was given."""
        return any(vars(self).values())

    def results(self, ground_truth: Path, predictions: Path) -> tuple[Results, list[str]]:
        """The columns of one split, of whole images, and a sentence for each doubt about the files."""
        if self.tile_map is not None:
            from anomdet.workflows.evaluations.tiled import read_tiled_results

            return read_tiled_results(ground_truth, predictions, self.tile_map)
        from anomdet.evaluation.file_doubts import file_doubts
        from anomdet.evaluation.files import read_results

        results = read_results(ground_truth, predictions)
        return results, file_doubts(results, str(ground_truth), str(predictions))


def evaluate_files(  # noqa: PLR0913 (the files of two splits, the settings, and where to write)
    predictions: str | Path | None,
    ground_truth: str | Path | None,
    *,
    val_predictions: str | Path | None = None,
    val_ground_truth: str | Path | None = None,
    images: str | Path | None = None,
    tile_map: str | Path | None = None,
    settings: SettingsSource | None = None,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
) -> Evaluation:
    """Measure the results of any detector, without torch.

    Args:
        predictions: COCO results of the test split.
        ground_truth: its COCO data set.
        val_predictions: of the validation split, to choose the threshold on; both or none.
        val_ground_truth: of the validation split.
        images: the folder that the images' names start from, for the report; None: a report without images.
        tile_map: the files are of the tiles of ``anomdet tile``, which wrote this map: they are put together first.
        settings: of which ``metrics``, ``evaluation`` and ``data.group_by`` count; None: defaults.
        overrides: ``key=value`` each.
        out: the folder of the results; default: ``evaluation`` beside the predictions.

    Raises:
        UserError: anything wrong with the files or the settings.

    >>> anomdet.evaluate_files("predictions.json", "ground_truth.json").metrics["mAP"]  # doctest: +SKIP
    """
    given = (ground_truth, predictions, val_ground_truth, val_predictions, images, tile_map)
    names = [field.name for field in fields(Files)]
    files = Files(*(_path(name, path) for name, path in zip(names, given, strict=True)))
    _check(files)
    return _evaluate(files, load_settings(settings, overrides), out)


def _evaluate(files: Files, settings: Settings, out: str | Path | None) -> Evaluation:
    from anomdet.evaluation.coco_json import to_coco
    from anomdet.evaluation.summary import measure
    from anomdet.evaluation.tables import format_table
    from anomdet.output_rule import check_apart, check_names
    from anomdet.outputs import make_folder
    from anomdet.workflows.evaluations.files import ALL_FILES, picture_reader, with_context, write_all

    assert files.ground_truth is not None and files.predictions is not None
    results, doubts = files.results(files.ground_truth, files.predictions)
    results = _grouped(results, settings.data.group_by)
    folder = Path(out or files.predictions.parent / EVALUATION_DIR)
    check_apart(folder, [files.images] if files.images else [], "--out")
    check_names(folder, ALL_FILES, "--out")
    make_folder(folder, "--out")
    metrics = settings.metrics
    measured = measure(
        results,
        _point(files, settings, results),
        iou_thresholds=metrics.iou_thresholds,
        matching_iou_threshold=metrics.matching_iou_threshold,
        include_metrics=metrics.include_metrics,
    )
    notes = [*(f"{files.predictions}: {note}" for note in results.notes), *doubts]
    for note in notes:
        _log.warning(note)
    if not len(results.pred):
        _log.warning(f"{files.predictions} holds no predictions at all")
    measured = measured.with_criterion(_criterion(settings))
    about = {**_about(files, settings), "notes": [*results.notes, *doubts]}
    read_picture = None
    if files.images:
        _warn_of_missing(files.images, results.file_names, settings)
        most = settings.data.max_image_megapixels
        about["bit_depth"] = _bit_depth(files.images, results.file_names, settings)
        read_picture = picture_reader(files.images, most, about["bit_depth"])
    measured = with_context(measured, about, settings.evaluation)
    written = write_all(measured, folder, settings.evaluation, read_picture, _log.info)
    return Evaluation(format_table(measured.metrics), measured.metrics, to_coco(results)[1], written)


def _path(name: str, given: Any) -> Path | None:
    """What it holds is no path: lists of predictions and objects are in files."""
    if given is None or isinstance(given, (str, os.PathLike)):
        return None if given is None else Path(given)
    hint = "write it into a file first: json.dump(...)" if isinstance(given, (list, dict)) else ""
    raise UserError(Problem(name, "the path of a file" if name != "images" else "a folder", type(given).__name__, hint))


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
    problems += _no_coco(files)
    if files.images is not None and not files.images.is_dir():
        problems.append(Problem("--images", "a folder of images", f"{files.images}, which is none"))
    if problems:
        raise UserError(problems)


def _no_coco(files: Files) -> Iterator[Problem]:
    """Folders of labels, and the lines of predict: what writes a COCO file of them."""
    of_truth = "write one: anomdet convert DATA --to coco --out OUT"
    of_predictions = "write one: anomdet predict --save coco, or save_json=True of Ultralytics' val"
    for name in ("ground_truth", "predictions", "val_ground_truth", "val_predictions"):
        path = getattr(files, name)
        if path is not None and (path.is_dir() or path.suffix == ".jsonl"):
            hint = of_predictions if name.endswith("predictions") else of_truth
            got = f"{path}, which is {'a folder' if path.is_dir() else 'a file of JSON lines'}"
            yield Problem(f"--{name.replace('_', '-')}", "a COCO file", got, hint)


def _point(files: Files, settings: Any, test: Results) -> Any:
    """The settings' threshold, or one chosen on the validation files; never on the test's.

    Raises:
        UserError: the two splits name their classes differently.
    """
    from anomdet.defaults import FALLBACK_SCORE
    from anomdet.evaluation.operating_point import fixed, given
    from anomdet.evaluation.summary import measure
    from anomdet.evaluation.two_splits import check_same_classes, num_shared

    metrics = settings.metrics
    if metrics.score_threshold is not None:
        return given(metrics.score_threshold, test.class_nums)
    if files.val_ground_truth is None or files.val_predictions is None:
        note = f"no validation results to choose on: {FALLBACK_SCORE} taken; give --val-ground-truth and "
        return fixed(FALLBACK_SCORE, "default", f"{note}--val-predictions, or metrics.score_threshold=...")
    criterion = _criterion(settings)
    results, doubts = files.results(files.val_ground_truth, files.val_predictions)
    for note in (*(f"{files.val_predictions}: {note}" for note in results.notes), *doubts):
        _log.warning(note)
    results = _grouped(results, settings.data.group_by)
    check_same_classes(results, test, (str(files.val_ground_truth), str(files.ground_truth)))
    if shared := num_shared(results, test):
        found = f"{shared} of its {results.num_images} images are in {files.ground_truth} too, by their names"
        why = "a threshold chosen on what is measured makes escapes and overkill too good"
        _log.warning(f"{files.val_ground_truth}: {found}: {why}")
    if not len(results.pred):
        _log.warning(f"{files.val_predictions} holds no predictions: no threshold can be chosen on them")
    return measure(results, criterion, matching_iou_threshold=criterion.iou_thr, complete=False).point


def _criterion(settings: Any) -> Any:
    from anomdet.evaluation.operating_point import Criterion

    chosen = settings.evaluation.operating_point.model_dump()
    return Criterion(**chosen, iou_thr=settings.metrics.matching_iou_threshold)


def _grouped(results: Any, group_by: str | None) -> Any:
    from anomdet.evaluation.results import part_names

    return results if group_by is None else replace(results, parts=part_names(results.file_names, group_by))


def _bit_depth(images: Path, names: Sequence[str], settings: Any) -> int:
    """Of the settings, or what the images use."""
    from anomdet.workflows.runs.bit_depth import AUTO, bits_in

    if settings.data.bit_depth != AUTO:
        return int(settings.data.bit_depth)
    inside = [name for name in names if not PurePath(name).is_absolute() and ".." not in PurePath(name).parts]
    return bits_in(images, inside, settings.data.max_image_megapixels)


def _warn_of_missing(images: Path, names: Sequence[str], settings: Any) -> None:
    from anomdet.workflows.evaluations.files import missing_pictures

    if settings.evaluation.report and (lost := missing_pictures(images, names)):
        _log.warning(f"--images: {lost}")


def _about(files: Files, settings: Any) -> dict[str, Any]:
    from anomdet.config.dump import dump_yaml
    from anomdet.workflows.runs.provenance import now, versions

    return {
        "title": settings.report.title or str(files.predictions),
        "created": now(),
        "versions": versions(("numpy",)),
        "images": str(files.images.absolute()) if files.images else None,
        "settings": dump_yaml(settings),
    }
