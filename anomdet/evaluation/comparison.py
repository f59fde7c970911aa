"""Two detectors on one test set: the paired bootstrap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from anomdet.errors import Problem, UserError
from anomdet.evaluation.intervals import (
    LEAST_PARTS,
    ROUNDING,
    bootstrap,
    bootstrap_interval,
    parts_behind,
    wilson_interval,
)
from anomdet.evaluation.results import Floats, Results
from anomdet.evaluation.summary import Measured
from anomdet.metric_catalogue import COMPARED, lower_is_better
from anomdet.words import counted

_SAID = ("escape_rate", "overkill_rate", "mAP_50", "f1_score", "auroc")
_SAME = "Both have the same predictions, box for box: are they of one checkpoint?"


def compared(first: Measured, second: Measured, *, num_resamples: int, confidence: float, seed: int = 0) -> dict:
    """Every headline number of both, their difference and its interval.

    Both are measured on the same resampled parts, so that what is hard in the test set weighs on both alike.

    Returns:
        ``confidence``, ``num_resamples``, ``unit``, ``num_images``, ``verdict_by`` (what rejects a part, of both),
        ``counts`` of escapes and overkill, ``sentences``, and ``numbers``: name to ``first``, ``second``,
        ``difference`` (second less first) and ``interval`` of the difference; None where one cannot be measured.

    Raises:
        UserError: the test sets or the matching thresholds differ.
    """
    _check(first, second)
    samples = [bootstrap(measured, num_resamples, seed)[0] for measured in (first, second)]
    numbers = [{**one.metrics, **one.metrics["part_level"]} for one in (first, second)]
    is_same, out = _same_predictions(first.results, second.results), {}
    for name in COMPARED:
        a, b = (one.get(name) for one in numbers)
        out[name] = {"first": a, "second": b, "difference": None, "interval": None}
        if a is not None and b is not None:
            num_parts = min(parts_behind(first)[name], parts_behind(second)[name])
            differences = samples[1][name] - samples[0][name]
            interval = [0.0, 0.0] if is_same and a == b else _interval(b - a, differences, confidence, num_parts)
            out[name] |= {"difference": b - a, "interval": interval}
    table = {
        "confidence": confidence,
        "num_resamples": num_resamples,
        "unit": first.metrics["part_level"]["unit"],
        "num_images": first.results.num_images,
        "verdict_by": {"first": _verdict_by(first), "second": _verdict_by(second)},
        "counts": _counts(*(one.metrics["part_level"] for one in (first, second))),
        "numbers": out,
    }
    same = [_SAME] if is_same else []
    return {**table, "sentences": [*same, *(sentence(name, table) for name in _SAID)]}


def _interval(difference: float, samples: Floats, confidence: float, num_parts: int) -> list[float] | None:
    """Of a difference; None where the parts are too few, or all resamples show the same one.

    Where none shows any, the two differ on no more parts than may fail where none of as many does (Wilson's bound).
    """
    if num_parts < LEAST_PARTS:
        return None
    if np.nanmax(np.abs(np.append(samples, difference))) <= ROUNDING:
        most = wilson_interval(0, num_parts, confidence)
        return None if most is None else [-most[1], most[1]]
    interval = bootstrap_interval(difference, samples, confidence, num_parts)
    return None if interval is None or interval[0] == interval[1] else interval


def _same_predictions(a: Results, b: Results) -> bool:
    return (
        len(a.pred) > 0
        and len(a.pred) == len(b.pred)
        and all(
            np.array_equal(getattr(a.pred, name), getattr(b.pred, name))
            for name in ("image", "label", "bboxes_xywh", "score")
        )
    )


def _verdict_by(measured: Measured) -> str:
    if measured.verdicts is None:
        return "boxes"
    return "normal-only score" if measured.verdicts.alone else "boxes or normal-only score"


def _counts(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Escapes and overkill of both, where there are parts to count them on."""
    wholes = {"escapes": first["num_defective"], "overkill": first["num_good"]}
    return {key: {"first": first[key], "second": second[key], "of": of} for key, of in wholes.items() if of}


def _check(first: Measured, second: Measured) -> None:
    problems = []
    if first.matches.iou_thr != second.matches.iou_thr:
        got = f"{first.matches.iou_thr:g} and {second.matches.iou_thr:g}"
        problems.append(Problem("metrics.matching_iou_threshold", "one for both", got, "evaluate one of them again"))
    difference = _difference(first.results, second.results)
    if difference:
        problems.append(Problem("ground_truth.json", "the same test set in both folders", difference))
    if problems:
        raise UserError(problems)


def _difference(a: Results, b: Results) -> str:
    """How two test sets differ; empty if they do not."""
    if list(a.file_names) != list(b.file_names):
        other = set(a.file_names) ^ set(b.file_names)
        return f"{len(other)} images in one of them only" if other else "the same images under other ids"
    if a.class_nums.tolist() != b.class_nums.tolist():
        return f"classes {a.class_nums.tolist()} and {b.class_nums.tolist()}"
    if a.class_names != b.class_names and sorted(a.class_names) == sorted(b.class_names):
        return f"names that changed places: {', '.join(a.class_names)} and {', '.join(b.class_names)}"
    if (a.parts is None) != (b.parts is None) or list(a.parts or ()) != list(b.parts or ()):
        return "images grouped to other parts"
    same = len(a.gt) == len(b.gt) and np.array_equal(_sorted_objects(a), _sorted_objects(b))
    return "" if same else "other objects"


def _sorted_objects(results: Results) -> Any:
    gt = results.gt
    table = np.column_stack([gt.image, gt.label, gt.bboxes_xywh, gt.crowd])
    return table[np.lexsort(table.T[::-1])]


def comparison_text(table: dict[str, Any], first: str, second: str) -> str:
    """A line for each number, and what it means, in plain words."""
    lines = [f"A: {first}", f"B: {second}", f"{'':22s}{'A':>8s}{'B':>8s}{'B - A':>9s}   interval of B - A"]
    for name, row in table["numbers"].items():
        if row["interval"] is None:
            continue
        low, high = row["interval"]
        lines.append(
            f"{name:22s}{row['first']:8.3f}{row['second']:8.3f}{row['difference']:+9.3f}   {low:+.3f} to {high:+.3f}"
        )
    lines.append("")
    for name, row in table["counts"].items():
        what = f"{row['of']} {'defective' if name == 'escapes' else 'good'} {table['unit']}s"
        lines.append(f"{name}: A {row['first']}, B {row['second']} of {what}")
    by = table["verdict_by"]
    if set(by.values()) != {"boxes"}:
        same = f"both by {by['first']}" if by["first"] == by["second"] else f"A by {by['first']}, B by {by['second']}"
        lines.append(f"{table['unit']}s are rejected: {same}")
    lines.append(
        f"{counted(table['num_images'], 'image')}, {table['num_resamples']} resamples by {table['unit']}, "
        f"{100 * table['confidence']:g} % intervals"
    )
    return "\n".join([*lines, *table["sentences"]])


def sentence(name: str, table: dict[str, Any]) -> str:
    """What the difference of one number says."""
    row = table["numbers"][name]
    if row["interval"] is None:
        few = row["difference"] is not None
        return f"{name}: {'the test set is too small to decide' if few else 'cannot be measured on this test set'}."
    low, high = row["interval"]
    if low > 0 or high < 0:
        better = "B" if (low > 0) != lower_is_better(name) else "A"
        return f"{name}: {better} is better, by {min(abs(low), abs(high)):.3f} to {max(abs(low), abs(high)):.3f}."
    return f"{name}: no difference is shown; it lies between {low:+.3f} and {high:+.3f}."
