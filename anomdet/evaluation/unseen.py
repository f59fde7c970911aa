"""A detector and a normal-only score on the same parts: each alone, and the verdict of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from anomdet.evaluation.image_level import auroc, average_precision, number
from anomdet.evaluation.intervals import wilson_interval
from anomdet.evaluation.results import Bools, Floats, Ints
from anomdet.evaluation.summary import Measured, Verdicts

_LEAST = 1e-6
_RESAMPLES, _CELLS = 500, 4_000_000  # weights at a time: 32 MB
_MOST_LOG_ODDS = 30.0
_WEIGHT = 0.25  # of a standard deviation of normal images, in log-odds of boxes; chosen on val images of tiles
WAYS = ("detector", "normal_only", "fused")
AT_EQUAL_OVERKILL = "detector_at_equal_overkill"


def detector_margins(class_scores: Floats, score_thrs: Floats) -> Floats:
    """How far a part's boxes are from a rejection, in log-odds: 0 at the threshold of a class, the best class counts.

    Args:
        class_scores: ``(U, K)`` highest score of each class.
        score_thrs: ``(K,)``.
    """
    scores, thresholds = (np.clip(values, _LEAST, 1 - _LEAST) for values in (class_scores, score_thrs))
    margins: Floats = np.log(scores / (1 - scores)) - np.log(thresholds / (1 - thresholds))
    # Clipping must not turn an accept into a reject, nor the other way round.
    sure = np.where(class_scores >= score_thrs, np.maximum(margins, 0.0), np.minimum(margins, -_LEAST))
    return sure.max(axis=1, initial=-np.inf) if class_scores.shape[1] else np.full(len(class_scores), -np.inf)


def fuse(detector: Floats, normal_only: Floats) -> Floats:
    """Margins ``(U,)`` of both into one. Rises with each; from 0 on where either one rejects.

    Among parts of the same verdict the sum of the evidence ranks, with a quarter of the normal-only margin: boxes are
    the better witness wherever the class was labelled.
    """
    least = np.full_like(detector, -_MOST_LOG_ODDS)
    evidence = np.maximum(detector, least) + _WEIGHT * np.maximum(normal_only, least)
    rejected = np.maximum(detector, normal_only) >= 0
    margins: Floats = np.where(rejected, np.logaddexp(0.0, evidence), -np.logaddexp(0.0, -evidence))
    return margins


def fused(measured: Measured, anomaly_scores: Floats, threshold: float, spread: float) -> Measured:
    """An evaluation of boxes with the one verdict of boxes and normal-only score.

    ``part_level`` is of both, and so are the escapes of each class, the scores of the parts and whatever is made of
    them; ``part_level_of_boxes`` keeps what the boxes alone decide. False alarms and FROC are of boxes.

    Args:
        measured: of the boxes, without intervals.
        anomaly_scores: ``(I,)`` of each image.
        threshold: of them.
        spread: standard deviation of the logarithm of normal images' scores, the unit of their margin.
    """
    results, boxes, defective = measured.results, measured.metrics["part_level"], measured.parts.defective
    margins = _margins(measured, anomaly_scores, threshold, spread)
    score = 1 / (1 + np.exp(-np.clip(margins["fused"], -_MOST_LOG_ODDS, _MOST_LOG_ODDS)))  # 0.5 at the threshold
    rejected, unlike_normal = margins["fused"] >= 0, margins["normal_only"] >= 0
    level = parts_level(score, defective, rejected, boxes["unit"])
    escapes = (measured.parts.class_defective & ~rejected[:, None]).sum(axis=0).tolist()
    per_class = measured.metrics["per_class"]
    return replace(
        measured,
        parts=replace(measured.parts, score=score),
        verdicts=Verdicts(anomaly_scores / threshold, rejected, unlike_normal, spread, alone=False),
        metrics={
            **measured.metrics,
            "part_level": {**boxes, **level},
            "part_level_of_boxes": {
                key: boxes[key] for key in level if key not in ("unit", "num_good", "num_defective")
            },
            "per_class": {
                name: {**per_class[name], "escapes": escapes[k]} for k, name in enumerate(results.unique_names)
            },
            "unseen": unseen_level(measured, anomaly_scores, threshold, spread),
        },
    )


def parts_level(score: Floats, defective: Bools, rejected: Bools, unit: str) -> dict[str, Any]:
    """AUROC, escapes and overkill of the parts, by any score and verdict."""
    num_good, num_defective = int((~defective).sum()), int(defective.sum())
    escapes, overkill = int((defective & ~rejected).sum()), int((~defective & rejected).sum())
    return {
        "unit": unit,
        "num_good": num_good,
        "num_defective": num_defective,
        "auroc": number(auroc(score, defective)[0]),
        "average_precision": number(average_precision(score, defective)[0]) if num_good else None,
        "escapes": escapes,
        "overkill": overkill,
        "escape_rate": escapes / num_defective if num_defective else None,
        "overkill_rate": overkill / num_good if num_good else None,
    }


def unseen_level(measured: Measured, anomaly_scores: Floats, threshold: float, spread: float) -> dict[str, Any]:
    """The ``unseen`` of metrics.json.

    Args:
        measured: of the boxes.
        anomaly_scores: ``(I,)`` of each image.
        threshold: of them.
        spread: standard deviation of the logarithm of normal images' scores, the unit of their margin.
    """
    results, parts = measured.results, measured.parts
    margins = _margins(measured, anomaly_scores, threshold, spread)
    normal_only = margins["normal_only"]
    per_class = {
        name: number(auroc(normal_only[kept], parts.defective[kept])[0])
        for name, column in zip(results.unique_names, parts.class_defective.T, strict=True)
        if (kept := parts.good | column).any()
    }
    return {
        "threshold": threshold,
        **{name: _level(values, parts.defective) for name, values in margins.items()},
        "normal_only_auroc_per_class": per_class,
        "rejected_per_class": rejected_per_class(measured, margins),
    }


def rejected_per_class(measured: Measured, margins: Mapping[str, Floats]) -> dict[str, dict[str, int]]:
    """Of the parts that show one class and no other, how many each way rejects.

    ``detector_at_equal_overkill`` are the boxes with a threshold so low that they reject as many good parts as the
    verdict of both does, at most.

    Args:
        measured: of the boxes.
        margins: ``(U,)`` by each way.
    """
    parts, detector = measured.parts, margins["detector"]
    overkill = int((margins["fused"][parts.good] >= 0).sum())
    rejected = {name: values >= 0 for name, values in margins.items()}
    if len(good := np.sort(detector[parts.good])[::-1]) > overkill:  # as many as may be rejected lie above the next
        rejected[AT_EQUAL_OVERKILL] = detector > good[overkill]
    else:  # all of them may be
        rejected[AT_EQUAL_OVERKILL] = np.ones_like(detector, dtype=bool)
    alone = parts.class_defective & (parts.class_defective.sum(axis=1) == 1)[:, None]
    return {
        name: {
            "num_parts": int(column.sum()),
            "num_with_others": int(shown.sum() - column.sum()),
            **{way: int((out & column).sum()) for way, out in rejected.items()},
        }
        for name, column, shown in zip(measured.results.unique_names, alone.T, parts.class_defective.T, strict=True)
    }


def _margins(measured: Measured, anomaly_scores: Floats, threshold: float, spread: float) -> dict[str, Floats]:
    """``(U,)`` by each way to judge; a part is rejected from 0 on."""
    results, parts = measured.results, measured.parts
    log_ratio = np.log(np.maximum(anomaly_scores, _LEAST) / threshold) / max(spread, _LEAST)
    log_ratio = np.where(anomaly_scores >= threshold, np.maximum(log_ratio, 0.0), np.minimum(log_ratio, -_LEAST))
    normal_only = np.full(results.num_parts, -np.inf)
    np.maximum.at(normal_only, results.part_of_image, log_ratio)
    detector = detector_margins(parts.class_score, measured.score_thrs)
    return dict(zip(WAYS, (detector, normal_only, fuse(detector, normal_only)), strict=True))


def _resamples(num_parts: int) -> Iterator[Ints]:
    """How often each part is drawn: ``(r, U)`` at a time, so that they take no more memory with more parts."""
    rng, shares, rows = np.random.default_rng(0), np.full(num_parts, 1 / num_parts), max(1, _CELLS // num_parts)
    for start in range(0, _RESAMPLES, rows):
        yield rng.multinomial(num_parts, shares, min(rows, _RESAMPLES - start))


def _level(margins: Floats, defective: Bools) -> dict[str, Any]:
    """AUROC, escapes and overkill of parts that are rejected from 0 on, with 95 % intervals."""
    out = margins >= 0
    num_good, num_defective = int((~defective).sum()), int(defective.sum())
    escapes, overkill = int((defective & ~out).sum()), int((~defective & out).sum())
    samples = np.concatenate([auroc(margins, defective, weights) for weights in _resamples(len(margins))])
    samples = samples[~np.isnan(samples)]
    bounds = [float(end) for end in np.quantile(samples, [0.025, 0.975])] if len(samples) else None
    return {
        "auroc": number(auroc(margins, defective)[0]),
        "auroc_interval": bounds,
        "escapes": escapes,
        "overkill": overkill,
        "escape_rate_interval": wilson_interval(escapes, num_defective, 0.95),
        "overkill_rate_interval": wilson_interval(overkill, num_good, 0.95),
    }


def unseen_lines(metrics: Mapping[str, Any]) -> Iterator[str]:
    """For the console; nothing for a detector without the score."""
    unseen, parts = metrics.get("unseen"), metrics["part_level"]
    if unseen is None:
        return
    yield ""
    yield "with the normal-only score    AUROC   escapes   overkill"
    for name in WAYS:
        row = unseen[name]
        area = "-" if row["auroc"] is None else f"{row['auroc']:.3f}"
        escapes, overkill = f"{row['escapes']} of {parts['num_defective']}", f"{row['overkill']} of {parts['num_good']}"
        yield f"  {name.replace('_', '-'):<26}{area:>7}{escapes:>10}{overkill:>11}"


def alone_lines(metrics: Mapping[str, Any]) -> list[str]:
    """The lines of each class for the console, and what they rest on."""
    level, threshold = metrics["part_level"], metrics["unseen"]["threshold"]
    heads = f"  {'class':<24}{'escapes':>12}{'AUROC':>8}"
    rows = [
        f"  {name:<24}{row['escapes']:>5} of {row['num_defective']:<4}{_area(row['auroc']):>7}"
        for name, row in metrics["per_class"].items()
    ]
    area = "undefined" if level["auroc"] is None else _area(level["auroc"])
    return [
        *(["", heads, *rows] if rows else []),
        "",
        f"normal-only score: {level['unit']}s are rejected from {threshold:.3g} on; AUROC {area}",
        f"{level['num_good']} good and {level['num_defective']} defective {level['unit']}s",
    ]


def _area(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
