"""``anomdet export --int8``: quantise, choose the threshold again, refuse what has become worse."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.exporting.parity import Parity
from anomdet.file_hash import sha256

if TYPE_CHECKING:
    from anomdet.inference.exported import Manifest
    from anomdet.workflows.exports.images import ParityImages, Truth
    from anomdet.workflows.exports.source import Source

MAX_LOSS = 0.01
_log = logging.getLogger("anomdet")


@dataclass(frozen=True)
class Quality:
    """How good a detector is on the labelled images.

    Args:
        mean_ap: COCO's mAP, over the rows from 0.05 on.
        escapes: defective images that it accepts at its operating point.
        overkill: good images that it rejects there.
        point: the operating point, as evaluation has it.
    """

    mean_ap: float
    escapes: int
    overkill: int
    point: Any


def quantise(source: Source, manifest: Manifest, images: ParityImages, folder: Path) -> tuple[Manifest, Parity]:
    """Replace the fp32 network of a folder by an int8 one, if it passes.

    Each rung of the ladder keeps more layers in float; the first that loses at most 0.01 of mAP and lets no further
    defective image pass is taken.

    Raises:
        UserError: none does; with the numbers of each.
    """
    from anomdet.exporting import int8
    from anomdet.workflows.exports.parity import check_parity, results

    parity = check_parity(source, manifest, images, folder)
    if not parity.passed:
        return manifest, parity
    assert images.truth is not None, "checked with the options"
    before = quality(source, images.truth, results(source.detector, images.prepared), manifest)
    failures = []
    for rung, kept in int8.ladder(folder / manifest.network.file).items():
        made, after = _rung(source, manifest, images, folder, kept)
        figures = f"mAP {before.mean_ap:.4f} to {after.mean_ap:.4f}, escapes {before.escapes} to {after.escapes}"
        _log.info(f"int8, {rung}: {figures}, overkill {before.overkill} to {after.overkill}")
        if before.mean_ap - after.mean_ap <= MAX_LOSS and after.escapes <= before.escapes:
            escapes, overkill = (before.escapes, after.escapes), (before.overkill, after.overkill)
            mean_ap = (before.mean_ap, after.mean_ap)
            return made, replace(parity, mean_ap=mean_ap, escapes=escapes, overkill=overkill)
        failures.append(f"{rung}: {figures}")
    expected = f"a loss of mAP of at most {MAX_LOSS} and no new escape on the validation images"
    hint = "export without --int8; more calibration images of each class may help"
    raise UserError(Problem("--int8", expected, "; ".join(failures), hint))


def _rung(
    source: Source, manifest: Manifest, images: ParityImages, folder: Path, kept: list[str]
) -> tuple[Manifest, Quality]:
    from anomdet.exporting import int8
    from anomdet.inference.preprocess import parts
    from anomdet.workflows.exports.parity import open_exported, results

    network, target = manifest.network, "model_int8.xml"
    detector = source.detector
    # Of a tiled image one tile each, another one every time.
    tiles = [parts(detector.prepare(str(path))) for path in images.calibration]
    calibration = [some[at % len(some)] for at, some in enumerate(tiles)]
    multiple = detector.artifact.preprocessing.pad_multiple
    int8.quantise(folder / network.file, folder / target, network, calibration, multiple, kept)
    hashes = {name: sha256(folder / name) for name in (target, "model_int8.bin")}
    made = replace(manifest, network=replace(network, precision="int8", file=target, sha256=hashes))
    assert images.truth is not None
    after = quality(source, images.truth, results(open_exported(source, made, folder), images.prepared), made)
    return replace(made, artifact=_with_point(made.artifact, after.point)), after


def quality(source: Source, truth: Truth, found: Any, manifest: Manifest) -> Quality:
    """Of results, at an operating point that is chosen on them by the criterion of the training."""
    from anomdet.evaluation.operating_point import Criterion, given
    from anomdet.workflows.exports.parity import measured

    point = manifest.artifact.operating_point
    if point is not None and point.criterion:
        chosen: Any = Criterion(**point.criterion)
    else:
        chosen = given(source.detector.thresholds, source.detector.classes)
    result = measured(truth, found, chosen)
    verdict = result.metrics["part_level"]
    return Quality(
        float(result.metrics["mAP"] or 0.0), int(verdict["escapes"] or 0), int(verdict["overkill"] or 0), result.point
    )


def _with_point(artifact: Any, point: Any) -> Any:
    """The artifact with thresholds of the quantised network."""
    own = artifact.operating_point
    if own is None or not own.criterion:
        return artifact
    chosen = {key: value for key, value in asdict(point).items() if key in ("score_threshold", "per_class", "note")}
    note = "chosen again for int8 on the validation images"
    return replace(artifact, operating_point=replace(own, **{**chosen, "chosen_on": "val", "note": note}))
