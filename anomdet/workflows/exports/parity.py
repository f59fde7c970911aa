"""Run an exported network beside its checkpoint on the same images."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.exporting.diagnosis import documents_differ, first_difference
from anomdet.exporting.parity import Parity, compare
from anomdet.inference.exported import Manifest

if TYPE_CHECKING:
    from anomdet.inference.detector import Detector
    from anomdet.inference.preprocess import Prepared, PreparedTiles
    from anomdet.inference.result import Result
    from anomdet.workflows.exports.images import ParityImages, Truth
    from anomdet.workflows.exports.source import Source

_log = logging.getLogger("anomdet")
_BATCH = 8
_LEAST_SCORE = 0.05  # of the rows that are compared; the verdict's are among them


def check_parity(source: Source, manifest: Manifest, images: ParityImages, folder: Path) -> Parity:
    """Compare a written network with its checkpoint, and where they differ find the first stage."""
    manifest = Manifest.from_dict(json.loads(json.dumps(manifest.to_dict())), str(folder))  # as it is read again
    if found := documents_differ(source.detector.artifact, manifest.artifact):
        stage, _, reason = found.partition(": ")
        return Parity(len(images.prepared), 0, 0, 0.0, 0.0, stage=stage, reasons=(reason,))
    exported = open_exported(source, manifest, folder)
    reference = results(source.detector, images.prepared)
    if not any(len(result) for result in reference):
        _log.warning(f"no detection reaches {_LEAST_SCORE:g} on these images: the comparison says little")
    others = results(exported, images.prepared)
    mean_ap = None
    if images.truth is not None and images.truth.content["annotations"]:  # of nothing there is no mAP
        mean_ap = (mean_ap_of(images.truth, reference), mean_ap_of(images.truth, others))
    parity = compare(reference, others, mean_ap, least_score=_LEAST_SCORE)
    if parity.passed or parity.stage:
        return parity
    wrong = {*parity.images, *parity.verdicts}
    worst = next((image for image in images.prepared if image.name in wrong), images.prepared[0])
    return replace(parity, stage=first_difference(source.detector, exported, source.graph, worst))


def open_exported(source: Source, manifest: Manifest, folder: Path, threads: int | None = None) -> Detector:
    """The detector of a written network."""
    from anomdet.inference.detector import Detector

    if manifest.network.format == "torchscript":
        from anomdet.exporting.scripted import ScriptedBackend

        backend: Any = ScriptedBackend(folder, manifest.network)
    else:
        from anomdet.workflows.load import open_network

        backend = open_network(folder, manifest.network, "cpu", threads)
    from anomdet.workflows.scores.exported import open_exported_score

    normality = open_exported_score(folder, manifest, "cpu", threads)
    sha256 = source.detector.sha256
    return Detector(manifest.artifact, backend, file=str(folder), sha256=sha256, normality=normality)


def results(detector: Detector, prepared: Sequence[Prepared | PreparedTiles]) -> list[Result]:
    """Of each image, down to the least score that is compared."""
    found: list[Result] = []
    for start in range(0, len(prepared), _BATCH):
        found += detector.run(prepared[start : start + _BATCH], min_score=_LEAST_SCORE)
    return found


def mean_ap_of(truth: Truth, found: Sequence[Result]) -> float:
    """COCO's mAP of results, over the rows that they hold."""
    return float(measured(truth, found).metrics["mAP"] or 0.0)


def measured(truth: Truth, found: Sequence[Result], point: Any = None) -> Any:
    """The evaluation of results at a point, by default any."""
    from anomdet.evaluation.coco_json import results_from_coco
    from anomdet.evaluation.operating_point import fixed
    from anomdet.evaluation.results import part_names
    from anomdet.evaluation.summary import measure

    number = {image["file_name"]: image["id"] for image in truth.content["images"]}
    predictions = []
    for result in found:
        for box, score, num in zip(
            result.bboxes_xyxy.tolist(), result.scores.tolist(), result.class_nums.tolist(), strict=True
        ):
            x, y, right, bottom = box
            row = {"bbox": [x, y, right - x, bottom - y], "score": score, "category_id": num}
            predictions.append({"image_id": number[result.image], **row})
    columns = results_from_coco(truth.content, predictions)
    if truth.group_by is not None:
        columns = replace(columns, parts=part_names(columns.file_names, truth.group_by))
    return measure(columns, fixed(0.5) if point is None else point, complete=False)
