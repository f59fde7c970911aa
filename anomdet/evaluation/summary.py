"""All numbers of one evaluation, and their table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from anomdet.evaluation.coco import coco_numbers, threshold_key
from anomdet.evaluation.matching import Counts, count_matches

COCO_KEYS = ("mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large", "AR_100")
# The name in `metrics.include_metrics` to the key in metrics.json and the head of its column.
MATCHING_KEYS = {"precision": "precision", "recall": "recall", "f1_score": "f1_score", "iou": "mean_iou"}
HEADS = {"precision": "precision", "recall": "recall", "f1_score": "F1", "mean_iou": "mean IoU"}


def evaluate(
    ground_truth: dict,
    predictions: list[dict],
    *,
    iou_thresholds: Sequence[float] = (0.5, 0.75, 0.95),
    matching_iou_threshold: float = 0.5,
    score_threshold: float = 0.3,
    include_metrics: Collection[str] = tuple(MATCHING_KEYS),
) -> dict[str, Any]:
    """The content of ``metrics.json``.

    COCO's numbers use every prediction; precision, recall, F1 and mean IoU those from the score threshold on, summed
    over classes. A value that has nothing to be measured on (AP of a class without objects, precision without
    predictions) is None; mAP of objects without any prediction is 0.

    Args:
        ground_truth: COCO dict; category ids are the user's class numbers. Left as it is.
        predictions: COCO results list. Left as it is.
        iou_thresholds: one ``mAP_<100 t>`` each.
        matching_iou_threshold: least IoU of a right prediction.
        score_threshold: least score of a prediction that counts.
        include_metrics: any of iou, precision, recall, f1_score.

    Returns:
        mAP, mAP_50, mAP_75, mAP_small, mAP_medium, mAP_large, AR_100, ``mAP_<t>``, the included metrics, both
        thresholds, num_images, num_gt, num_predictions, and ``per_class.<name>`` with class_num, num_gt, AP, AP_50 and
        the included metrics.
    """
    included = [key for name, key in MATCHING_KEYS.items() if name in include_metrics]
    coco = coco_numbers(ground_truth, predictions, iou_thresholds)
    counts = count_matches(ground_truth, predictions, iou_thr=matching_iou_threshold, score_thr=score_threshold)
    total = sum(counts.values(), start=Counts())
    names = _unique_names(ground_truth["categories"])
    coco_keys = [*COCO_KEYS, *(threshold_key(iou_thr) for iou_thr in iou_thresholds)]
    return {
        **{key: coco.overall[key] for key in coco_keys},
        **{key: getattr(total, key) for key in included},
        "score_threshold": score_threshold,
        "matching_iou_threshold": matching_iou_threshold,
        "num_images": len(ground_truth["images"]),
        "num_gt": total.num_gt,
        "num_predictions": len(predictions),
        "per_class": {
            name: {
                **coco.per_class[class_num],
                **{key: getattr(counts[class_num], key) for key in included},
                "num_gt": counts[class_num].num_gt,
                "class_num": class_num,
            }
            for class_num, name in names.items()
        },
    }


def _unique_names(categories: list[dict]) -> dict[int, str]:
    """Class number to name; the number is added to a name that several classes bear."""
    uses = Counter(category["name"] for category in categories)
    return {
        category["id"]: category["name"] if uses[category["name"]] == 1 else f"{category['name']} ({category['id']})"
        for category in categories
    }


def format_table(metrics: dict[str, Any]) -> str:
    """``metrics.json`` for the console: a line for each class, one for all, then the other numbers. Plain text."""
    included = [key for key in MATCHING_KEYS.values() if key in metrics]
    table = Table(show_edge=False, pad_edge=False, box=None)
    table.add_column("class", overflow="fold")
    for head in ("objects", "AP", "AP_50", *(HEADS[key] for key in included)):
        table.add_column(head, justify="right", no_wrap=True)
    for name, row in metrics["per_class"].items():
        numbers = [_number(row[key]) for key in ("AP", "AP_50", *included)]
        table.add_row(Text(name), str(row["num_gt"]), *numbers)
    numbers = [_number(metrics[key]) for key in ("mAP", "mAP_50", *included)]
    table.add_row("all", str(metrics["num_gt"]), *numbers)

    output = StringIO()
    Console(file=output, width=100, color_system=None, legacy_windows=False).print(table)
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    return "\n".join([*lines, "", *_footnotes(metrics, included)])


def _footnotes(metrics: dict[str, Any], included: list[str]) -> list[str]:
    shown = {"mAP", "mAP_50"}
    others = [key for key in metrics if key.startswith(("mAP", "AR_")) and key not in shown]
    footnotes = [
        "  ".join(f"{key} {_number(metrics[key])}" for key in others),
        f"{metrics['num_images']} images, {metrics['num_gt']} objects, {metrics['num_predictions']} predictions",
    ]
    if included:
        heads = ", ".join(HEADS[key] for key in included)
        footnotes.append(
            f"{heads}: predictions with score >= {metrics['score_threshold']:g}, "
            f"right from IoU {metrics['matching_iou_threshold']:g} on"
        )
    return footnotes


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
