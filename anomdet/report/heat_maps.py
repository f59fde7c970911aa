"""The images that the normal-only score says most about, each beside its heat map."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.errors import UserError
from anomdet.images.heat import heat
from anomdet.report.pictures import PREFIX, ReadImage

LONGEST_PX, QUALITY = 280, 75  # of one of the two; 24 of them are about 0.7 MB
_GAP_PX = 4


@dataclass(frozen=True)
class HeatView:
    """One entry.

    Attributes:
        title: what became of the part.
        short_name: the file name without its folders.
        facts: name and value.
        source: data URI of the image and its heat map, side by side; empty if there is none, ``reason`` says why.
    """

    title: str
    file_name: str
    short_name: str
    facts: list[tuple[str, str]]
    source: str
    reason: str


def heat_views(details: Mapping[str, Any], read_image: ReadImage | None) -> list[HeatView]:
    """Those of ``details.json`` in its order; none of a model without a normal-only score.

    Args:
        details: content of details.json.
        read_image: see :func:`anomdet.report.write.write_report`.
    """
    return [_view(entry, read_image) for entry in details.get("heat_maps") or ()]


def _view(entry: Mapping[str, Any], read_image: ReadImage | None) -> HeatView:
    name, source, reason = entry["file_name"], "", "written without images"
    if read_image is not None:
        try:
            source = _encode(read_image(name), entry["cells"])
        except (OSError, ValueError, UserError) as error:
            reason = str(error) or type(error).__name__
    facts = [("score", f"{entry['ratio']:.2f} × the threshold")]
    facts += [("class", ", ".join(entry["classes"]))] if entry["classes"] else []
    return HeatView(_title(entry), name, name.rpartition("/")[2], facts, source, reason)


def _title(entry: Mapping[str, Any]) -> str:
    by_score = entry["ratio"] >= 1
    if not entry["defective"]:
        return "Good, rejected as unlike normal" if by_score else "Good"
    if by_score:
        return "Defective, unlike normal"
    return "Defective, rejected by its boxes alone" if entry["rejected"] else "Defective, passes as good"


def _encode(image_rgb: NDArray[np.uint8], cells: list[list[int]]) -> str:
    factor = min(LONGEST_PX / max(image_rgb.shape[:2]), 1.0)
    size_wh = tuple(max(1, round(side * factor)) for side in image_rgb.shape[1::-1])
    small = np.ascontiguousarray(cv2.resize(image_rgb, size_wh, interpolation=cv2.INTER_AREA)[..., ::-1])
    hot = heat(small, np.array(cells, dtype=np.float32) / 100)
    # One under the other where that is nearer to a square.
    axis = 1 if small.shape[0] >= small.shape[1] else 0
    gap = np.zeros((small.shape[0], _GAP_PX, 3) if axis else (_GAP_PX, small.shape[1], 3), dtype=np.uint8)
    _, data = cv2.imencode(".jpg", np.concatenate([small, gap, hot], axis=axis), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return PREFIX + base64.b64encode(data.tobytes()).decode("ascii")
