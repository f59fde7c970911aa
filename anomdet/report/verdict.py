"""The head of the page, for who decides: two large numbers, what to do, and images of what went wrong and right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anomdet.report.cells import interval_of, percent
from anomdet.report.headline import interval_name, unit

NUM_SHOWN = 6
FLATTERS = "A threshold that is chosen on these images flatters: confirm it on others."


@dataclass(frozen=True)
class Tile:
    """A large number: ``4 of 63``, its share, its interval, and what it counts.

    Attributes:
        key: escapes or overkill.
        is_good: nothing went wrong.
        beside: what the boxes alone decide, where the verdict is of boxes and normal-only score.
    """

    key: str
    label: str
    count: int
    whole: int
    share: str
    interval: str
    meaning: str
    is_good: bool
    beside: str = ""


@dataclass(frozen=True)
class Strip:
    """Up to six cases of one outcome; ``places`` are those in the gallery, one of each part."""

    key: str
    title: str
    places: list[int]
    empty: str


def tiles(metrics: Mapping[str, Any]) -> list[Tile]:
    """Escapes and overkill, where there are parts to count them on."""
    level, noun, intervals = metrics.get("part_level") or {}, unit(metrics), metrics.get("intervals") or {}
    found = []
    for key, whole_key, rate_key, meaning in (
        ("escapes", "num_defective", "escape_rate", f"defective {noun}s that pass as good"),
        ("overkill", "num_good", "overkill_rate", f"good {noun}s that are rejected"),
    ):
        count, whole = level.get(key), level.get(whole_key)
        if count is None or not whole:
            continue
        pair = interval_of(intervals, rate_key)
        text = f"{interval_name(intervals)}: {percent(pair[0])} to {percent(pair[1])}" if pair else ""
        share = percent(count / whole)
        boxes = (metrics.get("part_level_of_boxes") or {}).get(key)
        beside = "" if boxes is None else f"by boxes and normal-only score; by the boxes alone {boxes} of {whole}"
        found.append(Tile(key, key.capitalize(), count, whole, share, text, meaning, count == 0, beside))
    return found


def strips(metrics: Mapping[str, Any], details: Mapping[str, Any]) -> list[Strip]:
    """Six escapes, six rejected good parts, six that are found; empty without cases."""
    noun, overkill = unit(metrics), (metrics.get("part_level") or {}).get("overkill") or 0
    by_score = f"{overkill} good {noun}s are rejected by the normal-only score, without a box to show."
    cases = details.get("cases") or []
    if not any("outcome" in case for case in cases):
        return []
    wanted = (
        ("escapes", "Escapes", "escape", ("missed",), f"No defective {noun} passes as good."),
        ("overkill", "Overkill", "overkill", (), by_score if overkill else f"No good {noun} is rejected."),
        ("found", "Found", "found", ("found",), "Nothing is found."),
    )
    return [
        Strip(key, title, _one_of_each_part(cases, outcome, kinds), empty)
        for key, title, outcome, kinds, empty in wanted
    ]


def _one_of_each_part(cases: Sequence[Mapping[str, Any]], outcome: str, kinds: Sequence[str]) -> list[int]:
    places: dict[str, int] = {}
    for place, case in enumerate(cases):
        if case.get("outcome") == outcome and (not kinds or case["kind"] in kinds):
            places.setdefault(case.get("part", case["file_name"]), place)
    return list(places.values())[:NUM_SHOWN]


def advice(metrics: Mapping[str, Any], details: Mapping[str, Any]) -> list[str]:
    """What to do about escapes and overkill, from the scores of the parts; empty where both are 0 or not counted."""
    level, columns, noun = metrics.get("part_level") or {}, details.get("rethreshold"), unit(metrics)
    escapes, overkill = level.get("escapes") or 0, level.get("overkill") or 0
    if not columns or not escapes + overkill:
        return []
    found = _about_escapes(columns, noun, escapes) if escapes else []
    if overkill:
        found += _about_overkill(columns, noun, overkill)
    return [*found, FLATTERS]


def _about_escapes(columns: Mapping[str, Any], noun: str, escapes: int) -> list[str]:
    highest = _highest(columns)
    passed = [part for part in _by_boxes(columns) if columns["defective"][part]]
    silent = sum(part not in highest for part in passed)
    found = []
    if silent:
        what = "has no box" if silent == 1 else "have no box"
        at = f"from a score of {columns['floor']:.3g} on" if columns["floor"] else "at any score"
        found.append(
            f"{silent} of the {escapes} escapes {what} {at}, so no threshold finds them: label more defects of "
            "that kind, train longer, or set a larger data.image_size."
        )
    if silent < escapes:
        lowest = min(highest[part] for part in passed if part in highest)
        good = columns["defective"].count(0)
        passing = [part for part in _by_boxes(columns) if not columns["defective"][part]]
        threshold = _round_down(lowest)
        killed = good - len(passing) + sum(highest.get(part, -1.0) >= threshold for part in passing)
        found.append(
            f"With one threshold of {threshold:g} for all classes, "
            f"{'no escape remains' if not silent else f'only those {silent} remain'}, and {killed} of {good} good "
            f"{noun}s are rejected (metrics.score_threshold={threshold:g})."
        )
    return found


def _about_overkill(columns: Mapping[str, Any], noun: str, overkill: int) -> list[str]:
    """Which class rejects good parts most often."""
    blamed: Counter[int] = Counter()
    for part, label in {
        (part, label)
        for part, label, score in zip(columns["part"], columns["label"], columns["score"], strict=True)
        if not columns["defective"][part] and score >= columns["thresholds"][label]
    }:
        del part
        blamed[label] += 1
    columns_of_parts = zip(columns["defective"], columns.get("unlike_normal") or (), strict=False)
    unlike = sum(is_unlike and not bad for bad, is_unlike in columns_of_parts)
    by_score = [
        f"{_rejected(unlike, overkill, noun)} unlike the normal images of the training: look closer "
        "with `anomdet predict --save pictures`; add such good images to the training split, or lower anomaly.overkill."
    ]
    by_score = by_score if unlike else []
    if not blamed:
        return by_score
    label, number = blamed.most_common(1)[0]
    return [
        f"{_rejected(number, overkill, noun, 'has', 'have')} a box of class {columns['classes'][label]}: look below; "
        "where there are real defects, label them, else add such good images to the training split.",
        *by_score,
    ]


def _rejected(number: int, overkill: int, noun: str, one: str = "is", several: str = "are") -> str:
    """The subject of a sentence, with its verb."""
    if overkill == 1:
        return f"The rejected good {noun} {one}"
    return f"{number} of the {overkill} rejected good {noun}s {one if number == 1 else several}"


def _by_boxes(columns: Mapping[str, Any]) -> list[int]:
    """The parts whose boxes alone decide: all but those that the normal-only score rejects."""
    unlike_normal = columns.get("unlike_normal") or [0] * len(columns["defective"])
    return [part for part, is_unlike in enumerate(unlike_normal) if not is_unlike]


def _highest(columns: Mapping[str, Any]) -> dict[int, float]:
    """Part to its highest score."""
    highest: dict[int, float] = {}
    for part, score in zip(columns["part"], columns["score"], strict=True):
        highest[part] = max(score, highest.get(part, 0.0))
    return highest


def _round_down(score: float) -> float:
    """Three digits after the point, and two that are not 0; not above the score."""
    scale = 10.0 ** (max(3, 1 - math.floor(math.log10(score))) if score else 3)
    return math.floor(score * scale) / scale
