"""The numbers of an evaluation for the console and for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from anomdet.evaluation.auto_point import DEFECT_SHARE
from anomdet.evaluation.counts import count
from anomdet.evaluation.image_level import rejected
from anomdet.evaluation.results import Bools
from anomdet.evaluation.summary import Measured
from anomdet.evaluation.unseen import alone_lines, unseen_lines
from anomdet.metric_catalogue import MATCHING_KEYS, METRICS
from anomdet.outputs import csv_text
from anomdet.terminal import one_line
from anomdet.words import counted

CHOSEN_BY = {"costs": "least cost of escapes and overkill", "max_f1": "best F1", "min_recall": "recall demanded"}
CHOSEN_BY |= {"max_false_alarms": "false alarms allowed"}
HEADS = {metric.key: metric.of_class.label for metric in METRICS if metric.of_class}
_IMAGE_HEADS: tuple[str, ...] = ("file_name", "part", "width", "height", "num_gt", "num_predictions", "num_matched")
_IMAGE_HEADS += ("num_missed", "num_false", *MATCHING_KEYS.values(), "anomaly_score", "verdict")
_FUSED_HEADS = ("normal_only_ratio", "verdict_of_boxes")


def format_table(metrics: Mapping[str, Any]) -> str:
    """``metrics.json`` for the console, plain text: the verdict, what needs attention, a line for each class.

    COCO's other numbers stand in the files.
    """
    if metrics.get("unseen", {}).get("alone"):
        return "\n".join(
            [*_verdict_lines(metrics), *(f"note: {note}" for note in metrics["notes"]), *alone_lines(metrics)]
        )
    included = [key for key in MATCHING_KEYS.values() if key in metrics]
    table = Table(show_edge=False, pad_edge=False, box=None)
    table.add_column("class", overflow="fold")
    heads = ("objects", "escapes", "AP", "AP_50", *(HEADS[key] for key in included), "threshold")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for name, row in metrics["per_class"].items():
        numbers = [_number(row[key]) for key in ("AP", "AP_50", *included, "score_threshold")]
        table.add_row(Text(one_line(name)), str(row["num_gt"]), _count(row["escapes"], row["num_defective"]), *numbers)
    level = metrics["part_level"]
    numbers = [_number(metrics[key]) for key in ("mAP", "mAP_50", *included, "score_threshold")]
    table.add_row("all", str(metrics["num_gt"]), _count(level["escapes"], level["num_defective"]), *numbers)

    output = StringIO()
    Console(file=output, width=110, color_system=None, legacy_windows=False).print(table)
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    return "\n".join(
        [
            *_verdict_lines(metrics),
            *_attention(metrics),
            *unseen_lines(metrics),
            "",
            *lines,
            "",
            *_footnotes(metrics, included),
        ]
    )


def _count(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "-"


def _verdict_lines(metrics: Mapping[str, Any]) -> Iterator[str]:
    level, bounds = metrics["part_level"], metrics.get("intervals", {})
    boxes = metrics.get("part_level_of_boxes")
    for part, whole, words, rate in (
        ("escapes", "num_defective", "defective {unit}s pass as good (escapes)", "escape_rate"),
        ("overkill", "num_good", "good {unit}s are rejected (overkill)", "overkill_rate"),
    ):
        if level[whole]:
            text = f"{level[part]} of {level[whole]} {words.format(unit=level['unit'])}: {100 * level[rate]:.1f} %"
            if bounds.get(rate):
                low, high = (100 * bound for bound in bounds[rate])
                text = f"{text} ({100 * bounds['confidence']:g} % interval: {low:.1f} to {high:.1f} %)"
            yield text + (f"; by the boxes alone {boxes[part]}" if boxes else "")


def _attention(metrics: Mapping[str, Any]) -> Iterator[str]:
    """What a reader must know before believing the table."""
    if metrics["operating_point"]["note"]:
        yield f"note: {metrics['operating_point']['note']}"
    yield from (f"note: {note}" for note in metrics.get("notes", []))


def _footnotes(metrics: Mapping[str, Any], included: list[str]) -> Iterator[str]:
    heads = ", ".join(("escapes", "overkill", *(HEADS[key] for key in included)))
    yield f"{heads}: {_point(metrics)}, right from IoU {metrics['matching_iou_threshold']:g} on"
    level = metrics["part_level"]
    if level["auroc"] is not None:
        by = "boxes and normal-only score" if "part_level_of_boxes" in metrics else "the highest score"
        yield f"good against defective {level['unit']}s by {by}: AUROC {_number(level['auroc'])}"
    yield from _interval_line(metrics)
    nouns = (("num_images", "image"), ("num_gt", "object"), ("num_predictions", "prediction"))
    yield ", ".join(counted(metrics[key], noun) for key, noun in nouns)


def _point(metrics: Mapping[str, Any]) -> str:
    point = metrics["operating_point"]
    by = CHOSEN_BY.get(point["by"], point["by"])
    if point["by"] == "costs" and (point.get("criterion") or {}).get("by") == "auto":
        by += f" where one part in {1 / DEFECT_SHARE:g} is defective,"
    how = {"val": f"{by} on the validation split", "settings": "set"}
    origin = how.get(point["chosen_on"], "not chosen")
    if point["score_threshold"] is None:
        return f"predictions from the threshold of their class on ({origin})"
    return f"predictions with score >= {point['score_threshold']:.3g} ({origin})"


def _interval_line(metrics: Mapping[str, Any]) -> Iterator[str]:
    table = metrics.get("intervals", {})
    bounds = {key: table.get(key) for key in ("mAP", "mAP_50", "recall", "auroc")}
    known = [f"{key} {low:.3f} to {high:.3f}" for key, (low, high) in ((k, b) for k, b in bounds.items() if b)]
    if known:
        yield f"{100 * table['confidence']:g} % intervals: {', '.join(known)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def metrics_csv(metrics: Mapping[str, Any]) -> str:
    """The numbers of metrics.json, one a row: scope (all, part_level, a class, errors, sizes), metric, value, interval.

    The confusion matrix stands in metrics.json only.
    """
    rows: list[Sequence[Any]] = [("scope", "metric", "value", "low", "high")]
    bounds = metrics.get("intervals", {})
    for scope, table, own in (
        ("all", metrics, bounds),
        ("part_level", metrics["part_level"], bounds),
        ("part_level_of_boxes", metrics.get("part_level_of_boxes", {}), {}),
        *((name, row, bounds.get("per_class", {}).get(name, {})) for name, row in metrics["per_class"].items()),
    ):
        for key, value in table.items():
            if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
                rows.append((scope, key, value, *(own.get(key) or ("", ""))))
    rows += [
        (scope, f"{name}_{key}", value, "", "")
        for scope in ("errors", "sizes")
        for name, row in metrics.get(scope, {}).items()
        for key, value in row.items()
        if not isinstance(value, list)
    ]
    return csv_text(rows)


def per_image_csv(measured: Measured) -> str:
    """A row for each image: its counts from the operating point on, its highest score, and the verdict on its part.

    With a normal-only score beside the boxes also that score, as a multiple of its threshold, and what the boxes alone
    would have decided.
    """
    results, metrics = measured.results, measured.metrics
    by_image = count(results, measured.matches, measured.score_thrs)[0]
    boxes = rejected(results, measured.matches, measured.score_thrs)
    verdict, of_boxes = (_verdicts(measured, out) for out in (measured.rejected, boxes))
    ratio = measured.verdicts.image_ratio if measured.verdicts else np.zeros(results.num_images)
    is_alone = measured.verdicts is not None and measured.verdicts.alone
    score = ratio / (1 + ratio) if is_alone else np.zeros(results.num_images)  # from 0 to 1; 0.5 at the threshold
    np.maximum.at(score, results.pred.image[measured.matches.counted], results.pred.score[measured.matches.counted])
    matched, shown, num_gt = (column.astype(int) for column in by_image.columns()[:3])
    columns = [
        results.file_names,
        results.parts or results.file_names,
        results.sizes_hw[:, 1].tolist(),
        results.sizes_hw[:, 0].tolist(),
        *((num_gt).tolist(), shown.tolist(), matched.tolist(), (num_gt - matched).tolist(), (shown - matched).tolist()),
        *(getattr(by_image, key).tolist() for key in MATCHING_KEYS.values()),
        score.tolist(),
        verdict,
    ]
    heads = _IMAGE_HEADS
    if measured.verdicts and not is_alone:
        columns, heads = [*columns, ratio.tolist(), of_boxes], (*heads, *_FUSED_HEADS)
    assert len(columns) == len(heads), metrics.keys()
    return csv_text([heads, *zip(*columns, strict=True)])


def _verdicts(measured: Measured, rejected: Bools) -> list[str]:
    """Of the part of each image."""
    part_of_image = measured.results.part_of_image
    out, defective = rejected[part_of_image], measured.parts.defective[part_of_image]
    words: list[str] = np.where(
        defective, np.where(out, "detected", "escape"), np.where(out, "overkill", "passed")
    ).tolist()
    return words
