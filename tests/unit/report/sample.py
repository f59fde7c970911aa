"""A plausible evaluation of six classes of defects on drawn parts, in the form of metrics.json and details.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

CLASSES = ("scratch", "dent", "stain", "hole", "edge chip", "foreign fibre")
KINDS = ("missed", "false_alarm", "confusion", "duplicate", "localisation", "found")
OUTCOMES = {"missed": "escape", "false_alarm": "overkill"}
SIZE_HW = (480, 640)
THRESHOLD = 0.31
WHOLE = 100  # seed of the curve of all classes


def make_metrics(seed: int = 0) -> dict[str, Any]:
    """metrics.json with everything in it; the last class has no objects, so its numbers are null."""
    rng = np.random.default_rng(seed)
    per_class, of_classes = {}, {}
    for i, name in enumerate(CLASSES[:-1]):
        precision, recall = at_threshold(make_curve(i, num_gt=40))
        ap = rng.uniform(0.4, 0.75)
        per_class[name] = {
            **{"class_num": 3 * i + 1, "num_gt": int(rng.integers(5, 80)), "AP": ap, "AP_50": min(ap + 0.27, 0.99)},
            **{"precision": precision, "recall": recall, "f1_score": 2 * precision * recall / (precision + recall)},
            **{"mean_iou": rng.uniform(0.7, 0.9), "score_threshold": THRESHOLD, "num_defective": 12 + i},
            **{"auroc": rng.uniform(0.9, 1), "average_precision": rng.uniform(0.8, 0.98), "escapes": i % 3},
        }
        of_classes[name] = {key: around(per_class[name][key], 0.08) for key in ("AP", "AP_50", "recall", "precision")}
    nothing = dict.fromkeys(per_class["scratch"])
    per_class[CLASSES[-1]] = {**nothing, "class_num": 99, "num_gt": 0, "score_threshold": THRESHOLD, "num_defective": 0}
    of_classes[CLASSES[-1]] = {"AP": None, "AP_50": None, "recall": None, "precision": None}
    precision, recall = at_threshold(make_curve(WHOLE, num_gt=210))
    overall = {"mAP": 0.561, "mAP_50": 0.842, "mAP_75": 0.613, "precision": precision, "recall": recall}
    overall["f1_score"] = 2 * precision * recall / (precision + recall)
    scores = anomaly_scores()
    escapes = sum(score < THRESHOLD for score in scores["defective"])
    overkill = sum(score >= THRESHOLD for score in scores["good"])
    parts = {"auroc": 0.968, "average_precision": 0.941, "escape_rate": escapes / 40, "overkill_rate": overkill / 100}
    parts |= {"escapes": escapes, "overkill": overkill, "false_alarms_per_good": 0.04, "froc_mean_recall": 0.8}
    return {
        **overall,
        **{"mAP_95": 0.084, "mAP_small": 0.31, "mAP_medium": 0.6, "mAP_large": None, "mean_iou": 0.79},
        **{"AR_1": 0.4, "AR_10": 0.6, "AR_100": 0.63, "AR_small": 0.4, "AR_medium": 0.65, "AR_large": None},
        **{"score_threshold": THRESHOLD, "matching_iou_threshold": 0.5},
        **{"num_images": 140, "num_gt": 210, "num_predictions": 1930},
        "operating_point": {
            **{"by": "min_recall", "chosen_on": "val", "score_threshold": THRESHOLD, "per_class": None},
            "note": "A recall of 0.95 is out of reach on the validation split; the highest that it has is 0.91.",
        },
        "per_class": per_class,
        "part_level": {
            "unit": "part",
            "num_good": 100,
            "num_defective": 40,
            "escapes": escapes,
            "overkill": overkill,
            **parts,
        },
        "confusion_matrix": confusion(rng),
        "errors": {
            kind: {"count": int(rng.integers(1, 40)), "mAP_cost": float(rng.uniform(0, 0.08))}
            for kind in ("classification", "localisation", "both", "duplicate", "background", "missed")
        },
        "sizes": {
            "tiny": {"range_px": [0, 16], "num_gt": 5, "recall": 0.4, "num_predictions": 9, "precision": 0.31},
            "small": {"range_px": [16, 32], "num_gt": 60, "recall": 0.81, "num_predictions": 70, "precision": 0.72},
            "medium": {"range_px": [32, 96], "num_gt": 145, "recall": 0.93, "num_predictions": 150, "precision": 0.9},
            "large": {"range_px": [96, None], "num_gt": 0, "recall": None, "num_predictions": 0, "precision": None},
        },
        "intervals": {
            **{"confidence": 0.95, "num_resamples": 1000, "unit": "part", "mAP_95": None},
            **{
                key: around(value, 0.04)
                for key, value in (overall | parts).items()
                if key not in ("escapes", "overkill")
            },
            "per_class": of_classes,
        },
        "about": about(rng),
    }


def confusion(rng: np.random.Generator) -> dict[str, Any]:
    """The matrix: most on the diagonal, nothing in the row of the class without objects."""
    counts = rng.poisson(1.2, (7, 7))
    counts[np.arange(5), np.arange(5)] = rng.integers(15, 60, 5)
    counts[5] = counts[6, 6] = 0
    return {"classes": [*CLASSES, "background"], "counts": counts.tolist()}


def about(rng: np.random.Generator) -> dict[str, Any]:
    """Where it all comes from."""
    return {
        **{"title": "Gear housings, camera 2", "split": "test", "checkpoint": "checkpoints/best_model.pth"},
        **{"checkpoint_sha256": "0123456789abcdef" * 4, "created": "2026-01-05T13:20:41+00:00"},
        "speed": {"median_ms": 12.34, "p95_ms": 20.1, "device": "cpu", "batch_size": 16},
        "versions": {"anomdet": "0.1.0", "torch": "2.14.1", "mmdet": "3.5.1", "numpy": "2.2.6"},
        "settings": "model:\n  name: rtmdet_tiny\ntraining:\n  epochs: 10\n  optimizer: adamw\n",
        "splits": {
            split: {
                **{"num_images": number, "num_normal": number * 5 // 7, "hash": "fedcba9876543210" * 4},
                "num_gt": {name: int(rng.integers(number // 20, number // 4)) for name in CLASSES[:-1]},
            }
            for split, number in (("train", 700), ("val", 140), ("test", 140))
        },
    }


def make_details(cases_of_a_kind: int = 8, seed: int = 1) -> dict[str, Any]:
    """details.json with everything in it."""
    rng = np.random.default_rng(seed)
    per_class = {name: make_curve(i, num_gt=40) for i, name in enumerate(CLASSES[:-1])}
    per_class[CLASSES[-1]] = {"score": [], "precision": [], "recall": [], "f1_score": []}
    scores = anomaly_scores()
    good, defective = np.array(scores["good"]), np.array(scores["defective"])
    thresholds = np.sort(np.concatenate([good, defective]))[::-1]
    whole = make_curve(WHOLE, num_gt=210)
    false_boxes = [k * (1 - precision) / 140 for k, precision in enumerate(whole["precision"], start=1)]
    return {
        "curves": {"all": whole, "per_class": per_class},
        "froc": {
            "false_boxes_per_image": false_boxes,
            **{"recall": whole["recall"], "score": whole["score"]},
        },
        "roc": {
            "overkill_rate": [float((good >= threshold).mean()) for threshold in thresholds],
            "detection_rate": [float((defective >= threshold).mean()) for threshold in thresholds],
            "score": thresholds.tolist(),
        },
        "anomaly_scores": scores,
        "cases": [case(rng, kind) for kind in KINDS for _ in range(cases_of_a_kind)],
        "rethreshold": columns(rng),
        "training": {
            "epoch": [1, 2, 3],
            "columns": {
                **{"loss": [1.2, 0.8, 0.6], "val_loss": [1.3, 0.9, None], "lr": [0.001, 0.0005, 1e-06]},
                **{"mAP": [0.1, 0.3, 0.4], "auroc": [None, 0.8, 0.9]},
            },
        },
    }


def columns(rng: np.random.Generator) -> dict[str, Any]:
    """40 defective parts, 100 good ones; each box is alone in its part."""
    scores = anomaly_scores()
    score = [*scores["defective"], *scores["good"]]
    gt_label = rng.integers(0, len(CLASSES) - 1, 40).tolist()
    return {
        **{"floor": 0.0, "classes": list(CLASSES), "class_nums": [1, 4, 7, 10, 13, 99]},
        **{"thresholds": [THRESHOLD] * len(CLASSES), "score": score, "part": list(range(140))},
        **{"label": [*gt_label, *rng.integers(0, len(CLASSES) - 1, 100).tolist()]},
        **{"found": [*range(40), *[-1] * 100], "confusable": [], "gt_label": gt_label},
        "defective": [1] * 40 + [0] * 100,
    }


def make_curve(seed: int, num_gt: int) -> dict[str, list[float]]:
    """Precision, recall and F1 of drawn scores."""
    rng = np.random.default_rng(seed)
    num_right = int(0.95 * num_gt)
    scores = np.concatenate([rng.beta(5, 2, num_right), rng.beta(1.2, 6, 2 * num_gt)])
    order = np.argsort(-scores)[:400]
    right = np.cumsum(order < num_right)
    precision, recall = right / np.arange(1, len(order) + 1), right / num_gt
    f1_score = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    curves = {"score": scores[order], "precision": precision, "recall": recall, "f1_score": f1_score}
    return {key: values.tolist() for key, values in curves.items()}


def anomaly_scores() -> dict[str, list[float]]:
    """Of 100 good and 40 defective parts."""
    rng = np.random.default_rng(7)
    return {"good": rng.beta(1.2, 10, 100).tolist(), "defective": rng.beta(4, 2.5, 40).tolist()}


def at_threshold(curve: dict[str, list[float]]) -> tuple[float, float]:
    """Precision and recall at the threshold."""
    last = max(k for k, score in enumerate(curve["score"]) if score >= THRESHOLD)
    return curve["precision"][last], curve["recall"][last]


def case(rng: np.random.Generator, kind: str) -> dict[str, Any]:
    """One case with its image's other boxes."""
    name, other = (CLASSES[i] for i in rng.choice(5, 2, replace=False))
    size_wh = rng.integers(8, 120, 2)
    x, y = rng.integers(0, [SIZE_HW[1] - size_wh[0], SIZE_HW[0] - size_wh[1]])
    box = [float(value) for value in (x, y, *size_wh)]
    shifted = [box[0] + 0.3 * box[2], box[1] + 0.1 * box[3], box[2], box[3]]
    score, iou = float(rng.uniform(THRESHOLD, 1)), float(rng.uniform(0.1, 0.9))
    truth = [] if kind == "false_alarm" else [{"class": name, "bbox_xywh": box}]
    truth.append({"class": other, "bbox_xywh": [20.0, 30.0, 60.0, 25.0]})
    predicted = {"confusion": other}.get(kind, name)
    predictions = [] if kind == "missed" else [{"class": predicted, "bbox_xywh": shifted, "score": score}]
    below = [{"class": name, "bbox_xywh": shifted, "score": 0.21, "best": True}] if kind == "missed" else []
    below.append({"class": other, "bbox_xywh": [22.0, 31.0, 60.0, 25.0], "score": 0.12})
    return {
        **{"kind": kind, "file_name": f"line_2/part_{rng.integers(500):03d}.png", "size_hw": list(SIZE_HW)},
        **{"outcome": OUTCOMES.get(kind, "found"), "part": f"part {rng.integers(500)}", "below": below},
        **{"class": name, "predicted": None if kind == "missed" else predicted},
        **{"score": None if kind == "missed" else score, "iou": None if kind in ("missed", "false_alarm") else iou},
        "bbox_xywh": box if kind in ("missed", "confusion") else shifted,
        **{"truth": truth, "predictions": predictions},
    }


def around(value: float, half: float) -> list[float]:
    """An interval."""
    return [max(value - half, 0.0), min(value + half, 1.0)]


def image_reader(details: dict[str, Any], noise: float = 6.0) -> Callable[[str], NDArray[np.uint8]]:
    """Draws the image of a file name: brushed metal with what ``truth`` of its cases has, and noise."""

    def read(file_name: str) -> NDArray[np.uint8]:
        rng = np.random.default_rng(sum(file_name.encode()))
        streaks = cv2.GaussianBlur(rng.normal(0, 40, SIZE_HW).astype(np.float32), (31, 1), 12)
        light = np.linspace(110, 175, SIZE_HW[1])[None, :] + np.linspace(-20, 20, SIZE_HW[0])[:, None]
        gray = np.ascontiguousarray(light + streaks, dtype=np.float32)
        for one in details["cases"]:
            for truth in one["truth"] if one["file_name"] == file_name else ():
                x, y, width, height = (int(value) for value in truth["bbox_xywh"])
                center, axes = (x + width // 2, y + height // 2), (width // 2, max(height // 2, 1))
                if truth["class"] == "scratch":
                    cv2.line(gray, (x, y), (x + width, y + height), 225, 2, cv2.LINE_AA)
                else:
                    cv2.ellipse(gray, center, axes, 0, 0, 360, 40 + 9 * len(truth["class"]), -1, cv2.LINE_AA)
        tinted = gray[..., None] * np.array([0.98, 1.0, 1.03]) + rng.normal(0, noise, (*SIZE_HW, 3))
        return np.clip(tinted, 0, 255).astype(np.uint8)

    return read
