"""Every number that an evaluation reports, once: key, label, meaning, why it may be null, and how it is shown.

What measures, tabulates, draws, logs, monitors or compares a number takes its facts from here. In texts ``{unit}``
stands for ``part`` or ``image``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

Group = Literal["boxes", "more", "point", "parts", "fact"]
Format = Literal["ratio", "share", "decimal", "count"]

NO_OBJECTS = "the split has no objects to measure it on"
NO_OBJECTS_OF_CLASS = "no objects of this class in the split"
NOTHING_REPORTED = "nothing is reported at this threshold"
NO_BOX_RIGHT = "no box is right"
NEEDS_BOTH = "needs both good and defective {unit}s"
NEEDS_CLASS = "needs {unit}s with and without this class"
NO_DEFECTIVE, NO_GOOD = "the split has no defective {unit}s", "the split has no good {unit}s"


@dataclass(frozen=True)
class OfClass:
    """The same number of one class: its key in ``per_class`` of metrics.json, and its words."""

    key: str
    label: str
    meaning: str
    null_reason: str


@dataclass(frozen=True)
class Metric:
    """One number of metrics.json.

    Args:
        key: in metrics.json, or in its ``part_level``.
        label, meaning: for people.
        null_reason: why the number may be null; empty: it never is.
        group: ``boxes`` over all scores, ``more`` of COCO's, ``point`` at the operating point, ``parts``, or ``fact``.
        format: a ``ratio`` from 0 to 1, a count that is a ``share`` of another, a ``decimal``, or a ``count``.
        higher_is_better: False for escapes and alarms.
        headline: shown in the first tables of the report.
        compared: ``anomdet compare`` tests the difference of it.
        interval: key of its interval in ``intervals``; empty: it has none.
        share_of: the count that a ``share`` is a part of.
        setting: its name in ``metrics.include_metrics``, where that is another.
        monitored: ``training.monitor`` may name it.
        logged: stands in the line of each epoch.
        of_class: the same of each class.
    """

    key: str
    label: str
    meaning: str
    null_reason: str
    group: Group
    format: Format = "ratio"
    higher_is_better: bool = True
    headline: bool = False
    compared: bool = False
    interval: str = ""
    share_of: str = ""
    setting: str = ""
    monitored: bool = False
    logged: bool = False
    of_class: OfClass | None = None

    def worded(self, unit: str) -> Metric:
        """The same with the unit, ``part`` or ``image``, put into its texts."""
        own = self.of_class
        return replace(
            self,
            label=self.label.format(unit=unit),
            meaning=self.meaning.format(unit=unit),
            null_reason=self.null_reason.format(unit=unit),
            of_class=own
            and replace(own, meaning=own.meaning.format(unit=unit), null_reason=own.null_reason.format(unit=unit)),
        )


def _coco(key: str, meaning: str, group: Group = "boxes", null_reason: str = NO_OBJECTS) -> Metric:
    """One of COCO's: those of ``boxes`` are headline numbers with an interval."""
    first = group == "boxes"
    return Metric(
        *(key, key, meaning, null_reason, group),
        headline=first,
        interval=key if first else "",
        compared=first and key != "mAP_75",
        monitored=first,
        logged=first and key != "mAP_75",
    )


def _sized(key: str, size: str) -> Metric:
    start = "mAP" if key.startswith("mAP") else "Share found with up to 100 boxes an image,"
    return _coco(key, f"{start} of objects {size}.", "more", "no such objects in the split")


def _found(most: int) -> Metric:
    boxes = "1 box" if most == 1 else f"{most} boxes"
    meaning = f"Share of defects found with up to {boxes} an image, mean over overlaps and classes."
    return _coco(f"AR_{most}", meaning, "more")


def _at_point(key: str, label: str, meaning: str, null_reason: str, of_class: OfClass, setting: str = "") -> Metric:
    return Metric(
        *(key, label, meaning, null_reason, "point"),
        headline=True,
        compared=True,
        interval=key,
        setting=setting or key,
        logged=key != "mean_iou",
        of_class=of_class,
    )


def _separation(key: str, label: str, meaning: str, of_class: OfClass, *, logged: bool) -> Metric:
    return Metric(
        *(key, label, meaning, NEEDS_BOTH, "parts"),
        headline=True,
        compared=True,
        interval=key,
        logged=logged,
        of_class=of_class,
    )


def _mistakes(key: str, label: str, meaning: str, null_reason: str, share_of: str, of_class: OfClass | None) -> Metric:
    return Metric(
        *(key, label, meaning, null_reason, "parts", "share"),
        higher_is_better=False,
        headline=True,
        interval=f"{key.removesuffix('s')}_rate",
        share_of=share_of,
        of_class=of_class,
    )


def _rate(key: str, label: str, meaning: str, null_reason: str) -> Metric:
    return Metric(*(key, label, meaning, null_reason, "parts"), higher_is_better=False, compared=True, interval=key)


def _fact(key: str, label: str, meaning: str, format_: Format = "count", null_reason: str = "not counted") -> Metric:
    return Metric(
        *(key, label, meaning, null_reason, "fact", format_), of_class=OfClass(key, label, meaning, null_reason)
    )


METRICS: tuple[Metric, ...] = (
    _fact("class_num", "No.", "the number of the class in the label files", null_reason="has none"),
    _fact("num_gt", "Objects", "true objects of the split"),
    replace(
        _coco(
            "mAP",
            "Quality of the boxes over all scores, as the mean over classes and over overlaps (IoU) from 0.50 to 0.95.",
        ),
        of_class=OfClass("AP", "AP", "mean over overlaps (IoU) from 0.50 to 0.95", NO_OBJECTS_OF_CLASS),
    ),
    replace(
        _coco("mAP_50", "The same where half an overlap (IoU 0.50) is enough: are defects found?"),
        of_class=OfClass("AP_50", "AP_50", "at an overlap (IoU) of 0.50", NO_OBJECTS_OF_CLASS),
    ),
    _coco("mAP_75", "The same with an overlap of 0.75: are the boxes tight?"),
    _sized("mAP_small", "below 32 px"),
    _sized("mAP_medium", "of 32 to 96 px"),
    _sized("mAP_large", "from 96 px on"),
    *map(_found, (1, 10, 100)),
    _sized("AR_small", "below 32 px"),
    _sized("AR_medium", "of 32 to 96 px"),
    _sized("AR_large", "from 96 px on"),
    _at_point(
        *("precision", "Precision", "Of the reported boxes, the share that is a real defect of that class."),
        NOTHING_REPORTED,
        OfClass("precision", "Precision", "of the reported boxes, the share that is right", NOTHING_REPORTED),
    ),
    _at_point(
        *("recall", "Recall", "Of the real defects, the share that is reported with the right class.", NO_OBJECTS),
        OfClass("recall", "Recall", "of the objects, the share that is found", NO_OBJECTS_OF_CLASS),
    ),
    _at_point(
        *("f1_score", "F1-score", "Balance of precision and recall: high only if both are.", NO_OBJECTS),
        OfClass("f1_score", "F1", "balance of precision and recall", NO_OBJECTS_OF_CLASS),
    ),
    _at_point(
        *("mean_iou", "Mean IoU", "How well the right boxes fit their defects; 1 is exact.", NO_BOX_RIGHT),
        OfClass("mean_iou", "Mean IoU", "overlap of the right boxes with their objects", NO_BOX_RIGHT),
        setting="iou",
    ),
    _fact("num_defective", "Defective", "{unit}s with an object of the class"),
    _separation(
        *("auroc", "AUROC", "Chance that a defective {unit} scores higher than a good one; 0.5 is guessing."),
        OfClass("auroc", "AUROC", "good {unit}s against those with this class, by their highest score", NEEDS_CLASS),
        logged=True,
    ),
    _separation(
        *("average_precision", "Average precision"),
        "How many of the {unit}s with the highest scores are defective, over all thresholds.",
        OfClass("average_precision", "Avg. precision", "the same {unit}s, sorted by score", NEEDS_CLASS),
        logged=False,
    ),
    _mistakes(
        *("escapes", "Escapes", "Defective {unit}s that pass as good.", NO_DEFECTIVE, "num_defective"),
        OfClass("escapes", "Escapes", "{unit}s with this class that pass as good", "no {unit}s with this class"),
    ),
    _mistakes("overkill", "Overkill", "Good {unit}s that are rejected.", NO_GOOD, "num_good", None),
    _rate("escape_rate", "Escape rate", "Escapes, as a share of the defective {unit}s.", NO_DEFECTIVE),
    _rate("overkill_rate", "Overkill rate", "Overkill, as a share of the good {unit}s.", NO_GOOD),
    Metric(
        *("false_alarms_per_good", "False alarms per good {unit}", "False boxes on an average good {unit}."),
        *(NO_GOOD, "parts", "decimal"),
        higher_is_better=False,
        headline=True,
        compared=True,
        interval="false_alarms_per_good",
    ),
    Metric(
        *("froc_mean_recall", "FROC mean recall"),
        "Share of the defects found, as the mean over several allowed rates of false boxes.",
        *(NO_OBJECTS, "parts"),
        headline=True,
    ),
    _fact("score_threshold", "Threshold", "a box counts from this score on", "ratio", "each class has its own"),
)
METRIC = {metric.key: metric for metric in METRICS}
COCO_KEYS = tuple(metric.key for metric in METRICS if metric.group in ("boxes", "more"))
MATCHING_KEYS = {metric.setting: metric.key for metric in METRICS if metric.group == "point"}
"""The name in ``metrics.include_metrics`` to the key in metrics.json."""
VAL_LOSS = "val_loss"
MONITORS = (*(metric.key for metric in METRICS if metric.monitored), VAL_LOSS)
"""What ``training.monitor`` may name."""
LOGGED = (VAL_LOSS, *(metric.key for metric in METRICS if metric.logged))
"""What the line of an epoch shows, in this order."""
COMPARED = tuple(metric.key for metric in METRICS if metric.compared)

_OVERLAP = re.compile(r"mAP_(\d+(?:\.\d+)?)")


def threshold_key(iou_thr: float) -> str:
    """``mAP_50`` for 0.5, ``mAP_33.3`` for 0.333."""
    return f"mAP_{100 * iou_thr:g}"


def of_key(key: str) -> Metric | None:
    """The metric of a key, ``mAP_33`` and the like included; None for a number that is not ours.

    >>> of_key("mAP_33").meaning
    'The same with an overlap of 0.33.'
    """
    found = _OVERLAP.fullmatch(key)
    if key in METRIC or found is None:
        return METRIC.get(key)
    further = _coco(key, f"The same with an overlap of {float(found[1]) / 100:.2f}.")
    return replace(further, compared=False, monitored=False, logged=False)


def lower_is_better(key: str) -> bool:
    """Losses, escapes and false alarms; a number that is not ours is better when higher, unless it is a loss.

    >>> lower_is_better("val_loss"), lower_is_better("escape_rate"), lower_is_better("mAP")
    (True, True, False)
    """
    metric = of_key(key)
    return "loss" in key if metric is None else not metric.higher_is_better
