"""Does the exported network decide as its checkpoint does? The comparison that an export must pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from anomdet.boxes import pairwise_iou
from anomdet.inference.result import Result

BOX_PX, SCORE, UNMATCHED_SHARE, MEAN_AP = 0.05, 1e-4, 1e-3, 1e-4
ANOMALY = 1e-3  # of the threshold
_OVERLAP = 0.45  # no suppression of a preset looks at less
_SHOWN = 20


@dataclass(frozen=True)
class Parity:
    """What the comparison found.

    Args:
        num_images: compared.
        num_rows: detections of the checkpoint at or above the floor of the comparison.
        num_unmatched: of both sides, without a partner.
        num_no_tie: of those, the ones that no equally good or overlapping row stands for.
        worst_box_px: largest difference of a coordinate, in pixels of the image, of matched rows.
        worst_score: largest difference of a score, of matched rows.
        verdicts: images whose verdict differs.
        images: with a row that has no partner, the worst first; some of them.
        mean_ap: of both, where there is truth to compare with.
        stage: the first that differs, where the comparison failed; empty: it passed.
        reasons: why it failed.
        worst_anomaly: largest difference of a normal-only score, as a share of its threshold; None: there is none.
        escapes, overkill: images of both at their operating points; for int8, whose rows differ by design: the rows
            above are then those of the fp32 network that it was made from.
        ms: of both, processor time of one image at a time, from the prepared image to its result.
    """

    num_images: int
    num_rows: int
    num_unmatched: int
    worst_box_px: float
    worst_score: float
    verdicts: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    mean_ap: tuple[float, float] | None = None
    stage: str = ""
    reasons: tuple[str, ...] = field(default=())
    worst_anomaly: float | None = None
    ms: tuple[float, float] | None = None
    num_no_tie: int = 0
    escapes: tuple[int, int] | None = None
    overkill: tuple[int, int] | None = None

    @property
    def passed(self) -> bool:
        """Whether the export may be used."""
        return not self.reasons

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {**asdict(self), "passed": self.passed}


def compare(
    reference: Sequence[Result],
    exported: Sequence[Result],
    mean_ap: tuple[float, float] | None = None,
    *,
    least_score: float = 0.0,
) -> Parity:
    """Compare the results of the same images, in the same order.

    Rows are matched as sets within a class, since equal scores come in any order.

    Args:
        reference: of the checkpoint.
        exported: of the exported network.
        mean_ap: of both.
        least_score: of the rows; one beside it may lie below it on the other side.
    """
    rows = unmatched = no_tie = 0
    worst_box = worst_score = 0.0
    lonely: list[tuple[int, str]] = []
    verdicts = []
    for one, other in zip(reference, exported, strict=True):
        name = one.image or ""
        lonely_rows, box, score = _match(one, other)
        alone = sum(len(some) for some in lonely_rows)
        rows, unmatched = rows + len(one.scores), unmatched + alone
        for own, their, some in ((one, other, lonely_rows[0]), (other, one, lonely_rows[1])):
            no_tie += sum(not _is_tie(own, row, their, least_score) for row in some)
        worst_box, worst_score = max(worst_box, box), max(worst_score, score)
        if alone:
            lonely.append((alone, name))
        if one.verdict != other.verdict:
            verdicts.append(name)
    lonely.sort(key=lambda entry: -entry[0])
    reasons = _reasons(rows, unmatched, no_tie, verdicts, mean_ap)
    shown = tuple(name for _, name in lonely[:_SHOWN])
    found = (len(reference), rows, unmatched, worst_box, worst_score, tuple(verdicts), shown, mean_ap)
    anomaly = worst_anomaly(reference, exported)
    if anomaly is None or anomaly <= ANOMALY:
        return Parity(*found, "", tuple(reasons), anomaly, num_no_tie=no_tie)
    reasons.append(f"a normal-only score differs by {anomaly:.2g} of its threshold; at most {ANOMALY:g} is allowed")
    return Parity(*found, "the normal-only score", tuple(reasons), anomaly, num_no_tie=no_tie)


def worst_anomaly(reference: Sequence[Result], exported: Sequence[Result]) -> float | None:
    """The largest difference of the normal-only scores, as a share of the threshold; None: neither has any."""
    pairs = [(one.anomaly, other.anomaly) for one, other in zip(reference, exported, strict=True)]
    if all(one is None and other is None for one, other in pairs):
        return None
    return max(
        float("inf") if one is None or other is None else abs(one.score - other.score) / one.threshold
        for one, other in pairs
    )


def _reasons(
    rows: int, unmatched: int, no_tie: int, verdicts: Sequence[str], mean_ap: tuple[float, float] | None
) -> list[str]:
    reasons = []
    if verdicts:
        reasons.append(f"the verdict differs on {len(verdicts)} images: {', '.join(verdicts[:5])}")
    if unmatched > UNMATCHED_SHARE * max(rows, 1):
        reasons.append(
            f"{unmatched} detections of {rows} have no partner within {BOX_PX} px and {SCORE:g} of the score; "
            f"at most {100 * UNMATCHED_SHARE:g} % may have none"
        )
    elif no_tie:
        reasons.append(f"{no_tie} detections of {rows} have no partner, and no equally good row stands for them")
    if mean_ap is not None and abs(mean_ap[0] - mean_ap[1]) > MEAN_AP:
        reasons.append(f"mAP is {mean_ap[1]:.5f}, of the checkpoint {mean_ap[0]:.5f}")
    return reasons


def _match(one: Result, other: Result) -> tuple[tuple[list[int], list[int]], float, float]:
    """Rows without a partner of both sides, and the largest differences of those with one."""
    taken = np.zeros(len(other.scores), dtype=bool)
    box = score = 0.0
    alone: list[int] = []
    for at in range(len(one.scores)):
        boxes = np.abs(other.bboxes_xyxy - one.bboxes_xyxy[at]).max(axis=1, initial=0.0)
        scores = np.abs(other.scores - one.scores[at])
        fits = (boxes <= BOX_PX) & (scores <= SCORE) & (other.class_nums == one.class_nums[at]) & ~taken
        if not fits.any():
            alone.append(at)
            continue
        best = int(np.where(fits, boxes / BOX_PX + scores / SCORE, np.inf).argmin())
        taken[best] = True
        box, score = max(box, float(boxes[best])), max(score, float(scores[best]))
    return (alone, np.flatnonzero(~taken).tolist()), box, score


def _is_tie(own: Result, row: int, other: Result, least_score: float) -> bool:
    """Whether rounding alone may have left a row out on the other side.

    Another row of its class there has the same score, or is no worse and overlaps it (then suppression decided between
    the two, or their overlap is at its limit); or the row is at the least score of all.
    """
    score = float(own.scores[row])
    if score - least_score <= SCORE:
        return True
    same = other.class_nums == own.class_nums[row]
    scores, boxes = other.scores[same], other.bboxes_xyxy[same]
    overlaps = pairwise_iou(own.bboxes_xyxy[row : row + 1].astype(np.float64), boxes.astype(np.float64))[0]
    return bool((np.abs(scores - score) <= SCORE).any() or ((scores >= score - SCORE) & (overlaps >= _OVERLAP)).any())
