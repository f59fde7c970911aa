"""What a review says about the labels that an evaluation or a check looks at. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError

if TYPE_CHECKING:
    from anomdet.evaluation.summary import Measured
    from anomdet.quality.review.known import KnownSuspects

CAVEAT = (
    "the official metrics are those of all images: an error of the detector raises suspicion too, so that leaving "
    "these images out may flatter it"
)


def read_known(path: Path, names: Any, image: Any, class_nums: Any, bboxes_xywh: Any) -> KnownSuspects:
    """What a review says about these images; see :func:`anomdet.quality.review.known.known_suspects`.

    Raises:
        UserError: it is no review, or one of other images.
    """
    from anomdet.documents import read_review
    from anomdet.quality.review.known import known_suspects

    known = known_suspects(read_review(path), names, image, class_nums, bboxes_xywh)
    if not known.num_images:
        got = f"{path}, which has reviewed none of them"
        hint = "review these data or this split, or leave evaluation.review out"
        raise UserError(Problem("evaluation.review", f"a review of these {len(names):,} images", got, hint))
    return known


def to_numbers(known: KnownSuspects, path: Path) -> dict[str, Any]:
    """As metrics.json and health.json hold it."""
    return {
        "review": str(path),
        "num_images": known.num_images,
        "num_labels": known.num_labels,
        "expected_errors": round(known.expected_errors, 1),
        "share": None if known.share is None else round(known.share, 5),
        "num_likely": known.num_likely,
        "num_likely_images": len(known.images),
        "num_unknown": known.num_unknown,
        "num_outdated": known.num_outdated,
    }


def sentence(numbers: dict[str, Any]) -> str:
    """One for the console and the pages."""
    share = "" if numbers["share"] is None else f" ({numbers['share']:.1%})"
    text = (
        f"about {numbers['expected_errors']:g} wrong or missing labels expected among the {numbers['num_labels']:,} "
        f"of {numbers['num_images']:,} reviewed images{share}, says {numbers['review']}; {numbers['num_likely']:,} "
        f"suspected errors in {numbers['num_likely_images']:,} images are more likely errors than not"
    )
    if numbers["num_outdated"]:
        text += f"; {numbers['num_outdated']:,} suspects do not fit the labels any more and do not count: review again"
    if numbers["num_unknown"]:
        text += f"; {numbers['num_unknown']:,} suspects have no probability and do not count"
    return text


def with_suspected_labels(measured: Measured, path: Path) -> Measured:
    """An evaluation with the suspected share of wrong labels, and its metrics without the images of likely ones.

    Raises:
        UserError: as :func:`read_known`.
    """
    results = measured.results
    gt = results.gt
    known = read_known(path, results.file_names, gt.image, results.class_nums[gt.label], gt.bboxes_xywh)
    numbers = to_numbers(known, path)
    note = f"suspected labels: {sentence(numbers)}"
    if known.images and measured.verdicts is None and known.num_likely:
        numbers["without"] = _without(measured, set(known.images))
    if numbers.get("without"):
        note += f"; metrics without these images stand beside the others as suspected_labels.without: {CAVEAT}"
    return measured.with_metrics(suspected_labels=numbers, notes=[*measured.metrics.get("notes", []), note])


def _without(measured: Measured, left_out: set[str]) -> dict[str, Any] | None:
    """The numbers of the other images, at the same operating point; None: there are none."""
    import numpy as np

    from anomdet.evaluation.results import only_images
    from anomdet.evaluation.summary import measure
    from anomdet.metric_catalogue import MATCHING_KEYS, of_key

    # A part is good or defective by all of its images: it is left out as a whole.
    suspected = np.array([name in left_out for name in measured.results.file_names])
    parts = measured.results.part_of_image
    kept = ~np.isin(parts, parts[suspected])
    if not kept.any():
        return None
    other = measure(
        only_images(measured.results, kept),
        measured.point,
        iou_thresholds=measured.iou_thresholds,
        matching_iou_threshold=measured.matches.iou_thr,
        include_metrics=[name for name, key in MATCHING_KEYS.items() if key in measured.metrics],
        complete=False,
    ).metrics
    shown = {key: value for key, value in other.items() if of_key(key) is not None}
    return {**shown, **{key: other[key] for key in ("num_images", "num_gt", "part_level")}}
