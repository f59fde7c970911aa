"""What JSON holds of a result: its columns, its version, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.anomalies import Anomaly
from anomdet.errors import Problem, UserError
from anomdet.inference.thresholds import Threshold

VERSION = 1
COLUMNS = ("class_num", "class_name", "score", "counted", "bbox_xyxy", "bbox_xywh")


def check_version(document: Any, where: str) -> None:
    """Refuse what is no result, or one of another version.

    Raises:
        UserError: it is.
    """
    version = document.get("version") if isinstance(document, dict) else None
    if version != VERSION:
        got = type(document).__name__ if not isinstance(document, dict) else f"version {version!r}"
        raise UserError(Problem(where, f"a result of version {VERSION}", got, "predict again with this AnomDet"))


def arguments(document: dict[str, Any]) -> dict[str, Any]:
    """Those of :class:`Result`, from what its ``to_dict`` returned."""
    rows, threshold = document["detections"], document["threshold"]
    boxes = np.array([row["bbox_xyxy"] for row in rows], dtype=np.float32).reshape(len(rows), 4)
    optional = {key: document.get(key) for key in ("image", "frame", "time_s")}
    anomaly = document.get("anomaly")
    return {
        **optional,
        "anomaly": None if anomaly is None else Anomaly.from_dict(anomaly),
        "size_hw": (int(document["size_hw"][0]), int(document["size_hw"][1])),
        "bboxes_xyxy": boxes,
        "scores": np.array([row["score"] for row in rows], dtype=np.float32),
        "class_nums": np.array([row["class_num"] for row in rows], dtype=np.int64),
        "class_names": tuple(str(row["class_name"]) for row in rows),
        "part_score": float(document["part_score"]),
        "verdict": document["verdict"],
        "threshold": _threshold(threshold),
        "complete_from": _threshold(document.get("complete_from", threshold)),
        "times": dict(document["times"]),
        "model_sha256": str(document["model_sha256"]),
        "warnings": tuple(map(str, document["warnings"])),
    }


def threshold_document(threshold: Threshold | None) -> Any:
    """What JSON holds of it: its keys are text."""
    return {str(k): v for k, v in threshold.items()} if isinstance(threshold, Mapping) else threshold


def _threshold(content: Any) -> Any:
    if isinstance(content, dict):
        return {int(key): float(value) for key, value in content.items()}
    return None if content is None else float(content)


def shortest(value: float) -> float:
    """The fewest digits that give the same float32 back, where it is one."""
    single = np.float32(value)
    return float(str(single)) if float(single) == value else float(value)


def plain(values: NDArray[np.float32]) -> list[float]:
    """Numbers with the fewest digits that give the same float32 back."""
    return [float(str(value)) for value in values]


def rows_of(boxes: NDArray[np.float32]) -> list[list[float]]:
    """As :func:`plain`, row by row."""
    return [plain(row) for row in boxes]
