"""The cases to look at: what each is about, its image, and the boxes over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from anomdet.boxes import pairwise_iou, xywh_to_xyxy
from anomdet.report.pictures import Pictures, Window, crop_window

# Kind to its name for one and for many, and what it means.
KINDS = {
    "missed": ("Missed", "Missed", "a defect that no box reports"),
    "false_alarm": ("False alarm", "False alarms", "a box where there is no defect"),
    "confusion": ("Wrong class", "Wrong class", "the place is right, the class is not"),
    "duplicate": ("Duplicate", "Duplicates", "a second box on a defect that is found already"),
    "localisation": ("Poor box", "Poor boxes", "the class is right, the box overlaps too little"),
    "found": ("Found", "Found", "a defect that is reported with the right class"),
}
OUTCOMES = {
    "escape": ("Escapes", "cases of defective {unit}s that pass as good"),
    "overkill": ("Overkill", "cases of good {unit}s that are rejected"),
}
ABOUT_A_TRUTH = ("missed", "confusion")
SAME_BOX_PX = 0.5
MOST_OVERLAYS = 60  # over a picture; more are a throng, and a few hundred of them in each would fill the page
LABEL_LETTERS = 18  # of a class name over a picture
LONG_LABEL = 14
EDGE = 9  # percent; nearer to the edge of the picture, a label stands inside its box


@dataclass(frozen=True)
class Overlay:
    """A box over an image; places and sizes in percent of the image.

    Attributes:
        truth: drawn solid, its label above; else a prediction, dashed, its label below.
        focus: the box that the case is about.
        near: it touches that box, so its label is shown in the small image too.
        score, label_index: of a prediction, its class as a place in the list of thresholds; None: it does not change.
        below: under the threshold, so it is not shown, but for the ``best`` of a missed object, which is dotted.
        label_x, label_y, label_dy: where the label is; ``label_dy`` in CSS pixels.
        anchor: start or end, of the text.
    """

    x: float
    y: float
    width: float
    height: float
    label: str
    truth: bool
    focus: bool
    near: bool
    label_x: float
    label_y: float
    label_dy: int
    anchor: str
    score: float | None = None
    label_index: int | None = None
    below: bool = False
    best: bool = False


@dataclass(frozen=True)
class Case:
    """One entry of the gallery.

    Attributes:
        short_name: the file name without its folders.
        outcome: of its part: escape, overkill, found or good; empty: not known.
        classes: places of its classes in the list of the page, for the filter.
        window: what the image shows.
        source: data URI; empty if there is none, ``reason`` says why.
    """

    kind: str
    title: str
    file_name: str
    short_name: str
    facts: list[tuple[str, str]]
    alt: str
    classes: list[int]
    window: Window
    overlays: list[Overlay]
    source: str
    reason: str
    outcome: str = ""


@dataclass(frozen=True)
class Gallery:
    """All cases with what they can be filtered by: kind, label, meaning and number of each; the classes.

    Attributes:
        outcomes: as ``kinds``, of the verdict on the part.
        note: what was given up to keep the page small.
        legend: what the order of the cases is.
        noun: what the page calls them.
        predictions: whether there are any, for the legend.
    """

    cases: list[Case]
    kinds: list[tuple[str, str, str, int]]
    classes: list[str]
    note: str
    legend: str = "The worst of each kind come first."
    noun: str = "cases"
    predictions: bool = True
    outcomes: list[tuple[str, str, str, int]] = field(default_factory=list)


def gallery(details: Mapping[str, Any], pictures: Pictures, unit: str = "image") -> Gallery | None:
    """The cases of ``details.json`` in its order; None if it has none.

    Args:
        details: content of details.json.
        pictures: of its cases.
        unit: image or part.
    """
    cases = details.get("cases")
    if not cases:
        return None
    names = list(dict.fromkeys(name for case in cases for name in _classes(case)))
    kinds = [(kind, *_kind(kind)[1:], number) for kind, number in Counter(case["kind"] for case in cases).items()]
    columns = details.get("rethreshold") or {}
    indices = {name: index for index, name in enumerate(columns.get("classes") or ())}
    views = [_view(case, place, names, pictures, indices) for place, case in enumerate(cases)]
    numbers = Counter(case.get("outcome") for case in cases)
    outcomes = [
        (key, label, meaning.format(unit=unit), numbers[key])
        for key, (label, meaning) in OUTCOMES.items()
        if numbers[key]
    ]
    return Gallery(views, kinds, names, pictures.note, outcomes=outcomes)


def worst_first(cases: Sequence[Mapping[str, Any]]) -> list[int]:
    """Places of the cases: the worst of each kind, then the second of each, and so on."""
    seen: dict[str, int] = {}
    ranks = []
    for case in cases:
        ranks.append(seen.setdefault(case["kind"], 0))
        seen[case["kind"]] += 1
    return sorted(range(len(cases)), key=lambda place: ranks[place])


def _kind(kind: str) -> tuple[str, str, str]:
    return KINDS.get(kind, (kind, kind, ""))


def _classes(case: Mapping[str, Any]) -> list[str]:
    return [name for name in (case.get("class"), case.get("predicted")) if name is not None]


def _view(
    case: Mapping[str, Any], place: int, names: list[str], pictures: Pictures, indices: Mapping[str, int]
) -> Case:
    title = f"{_kind(case['kind'])[0]}: {_what(case)}"
    window = crop_window(case["bbox_xywh"], pictures.sizes_hw.get(place, case["size_hw"]))
    x, y, width, height = (round(value) for value in case["bbox_xywh"])
    return Case(
        kind=case["kind"],
        title=title,
        file_name=case["file_name"],
        short_name=case["file_name"].rpartition("/")[2],
        facts=_facts(case),
        alt=f"{title} in {case['file_name']}, {width} by {height} px at {x}, {y}",
        classes=sorted({names.index(name) for name in _classes(case)}),
        window=window,
        overlays=overlays(case, window, about_truth=case["kind"] in ABOUT_A_TRUTH, indices=indices),
        source=pictures.sources.get(place, ""),
        reason=pictures.reasons.get(place, ""),
        outcome=case.get("outcome") or "",
    )


def _what(case: Mapping[str, Any]) -> str:
    name, predicted = case.get("class"), case.get("predicted")
    if case["kind"] == "confusion" and predicted is not None:
        return f"{name}, reported as {predicted}"
    return f"{name}"


def _facts(case: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = []
    if case.get("score") is not None:
        facts.append(("score", f"{case['score']:.2f}"))
    if case.get("iou") is not None:
        facts.append(("IoU", f"{case['iou']:.2f}"))
    facts += [("best score", f"{box['score']:.2f}") for box in case.get("below") or () if box.get("best")]
    width, height = case["bbox_xywh"][2:]
    facts += [("boxes not shown", str(case["left_out"]))] if case.get("left_out") else []
    return [*facts, ("size", f"{width:.0f} × {height:.0f} px")]


def overlays(
    case: Mapping[str, Any], window: Window, *, about_truth: bool, indices: Mapping[str, int] | None = None
) -> list[Overlay]:
    """All boxes of the image that reach into the crop; large ones first, so that small ones lie on top.

    Args:
        case: with its box and the others, ``truth`` and ``predictions``.
        window: the part of the image that is shown.
        about_truth: the box of the case is a true one, not a prediction.
        indices: class to its place in the list of thresholds; None: the boxes are as they are.
    """
    boxes = _shown(case, window)
    hidden = {id(box) for box in case.get("below") or []}
    if not any(_same(box, case) and truth == about_truth for box, truth in boxes):
        own = {"class": case.get("class"), "bbox_xywh": case["bbox_xywh"], "score": case.get("score")}
        boxes.append((own, about_truth))
    boxes.sort(key=lambda item: -item[0]["bbox_xywh"][2] * item[0]["bbox_xywh"][3])
    near = _touching(case["bbox_xywh"], [box["bbox_xywh"] for box, _ in boxes])
    found = []
    for (box, truth), touches in zip(boxes, near, strict=True):
        below = id(box) in hidden
        is_focus = _same(box, case) and truth == about_truth and not below
        overlay = _overlay(box, truth, window, focus=is_focus, near=touches)
        if not truth and box.get("score") is not None and indices is not None:
            index, best = indices.get(box["class"]), bool(box.get("best"))
            overlay = replace(overlay, score=box["score"], label_index=index, below=below, best=best)
        elif below:
            continue
        found.append(overlay)
    return found


def _shown(case: Mapping[str, Any], window: Window) -> list[tuple[Mapping[str, Any], bool]]:
    """The boxes that reach into the crop, the nearest to that of the case where they are many; and which are true."""
    boxes = [(box, key == "truth") for key in ("truth", "predictions", "below") for box in case.get(key) or []]
    boxes = [item for item in boxes if _reaches(item[0]["bbox_xywh"], window)]
    if len(boxes) > MOST_OVERLAYS:
        x, y, width, height = (np.array([box["bbox_xywh"] for box, _ in boxes]) - case["bbox_xywh"]).T
        nearest = np.argsort(np.hypot(x + width / 2, y + height / 2), kind="stable")[:MOST_OVERLAYS]
        boxes = [boxes[at] for at in nearest.tolist()]
    return boxes


def _reaches(bbox_xywh: Sequence[float], window: Window) -> bool:
    x, y, width, height = bbox_xywh
    return -width < x - window.x < window.width and -height < y - window.y < window.height


def _same(box: Mapping[str, Any], case: Mapping[str, Any]) -> bool:
    return all(abs(a - b) <= SAME_BOX_PX for a, b in zip(box["bbox_xywh"], case["bbox_xywh"], strict=True))


def _touching(bbox_xywh: Sequence[float], others_xywh: Sequence[Sequence[float]]) -> list[bool]:
    one, others = (xywh_to_xyxy(np.asarray(boxes, dtype=np.float64)) for boxes in ([bbox_xywh], others_xywh))
    return list(map(bool, pairwise_iou(one, others)[0] > 0))


def _overlay(box: Mapping[str, Any], truth: bool, window: Window, *, focus: bool, near: bool) -> Overlay:
    x, y, width, height = box["bbox_xywh"]
    left, right = (100 * (value - window.x) / window.width for value in (x, x + width))
    top, bottom = (100 * (value - window.y) / window.height for value in (y, y + height))
    label = _label(box, truth)
    label_x, anchor = _label_side(left, right, label)
    label_y, label_dy = _label_height(top, bottom, truth)
    return Overlay(
        x=round(left, 2),
        y=round(top, 2),
        width=round(right - left, 2),
        height=round(bottom - top, 2),
        label=label,
        truth=truth,
        focus=focus,
        near=near or focus,
        label_x=round(label_x, 2),
        label_y=round(label_y, 2),
        label_dy=label_dy,
        anchor=anchor,
    )


def _label(box: Mapping[str, Any], truth: bool) -> str:
    name = f"{box['class']}"
    if len(name) > LABEL_LETTERS:
        name = f"{name[: LABEL_LETTERS - 1].rstrip()}…"
    return name if truth or box.get("score") is None else f"{name} {box['score']:.2f}"


def _label_side(left: float, right: float, label: str) -> tuple[float, str]:
    """Flush with the box on the side where the image has more room; a long one from the edge of the image."""
    long = len(label) > LONG_LABEL
    if left + right > 100:
        return (99.0 if long else min(right, 99.0)), "end"
    return (1.0 if long else max(left, 1.0)), "start"


def _label_height(top: float, bottom: float, truth: bool) -> tuple[float, int]:
    """Of a truth above the box, of a prediction below it, so that the two of one defect do not collide."""
    if truth:
        return (top, -4) if top >= EDGE else (max(top, 0.0), 13)
    return (bottom, 13) if bottom <= 100 - EDGE else (min(bottom, 100.0), -5)
