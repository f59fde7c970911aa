"""The images whose map of the normal-only score is worth a look, and their maps as numbers for a file."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.evaluation.results import Ints
from anomdet.evaluation.summary import Measured

MOST_MAPS, MOST_CELLS, MOST_PERCENT = 24, 32, 1000  # images; cells along a side; of a cell's threshold


def worth_a_look(measured: Measured) -> list[int]:
    """Up to 24 images, a third each, the farthest from the normal ones first: defective ones that the score rejects,
    good ones that it rejects, and defective ones that it lets pass; what one third leaves free, the others take."""
    verdicts = measured.verdicts
    if verdicts is None:
        return []
    ratio, of_image = verdicts.image_ratio, measured.results.part_of_image
    defective, rejected = measured.parts.defective[of_image], ratio >= 1
    order = np.argsort(-ratio, kind="stable")
    kinds: list[Ints] = [
        order[mask[order]] for mask in (defective & rejected, ~defective & rejected, defective & ~rejected)
    ]
    turns = [rows[at] for at in range(MOST_MAPS) for rows in kinds if at < len(rows)]
    chosen = set(int(row) for row in turns[:MOST_MAPS])
    return [row for rows in kinds for row in rows.tolist() if row in chosen]


def heat_maps(measured: Measured) -> list[dict[str, Any]]:
    """The ``heat_maps`` of details.json: of each image its cells, rows of whole percent of a cell's threshold."""
    verdicts, results = measured.verdicts, measured.results
    if verdicts is None:
        return []
    out = []
    for image, cells in verdicts.cell_ratios.items():
        part = int(results.part_of_image[image])
        labels = results.gt.label[(results.gt.image == image) & ~results.gt.crowd]
        out.append(
            {
                "file_name": results.file_names[image],
                "classes": [results.unique_names[label] for label in np.unique(labels).tolist()],
                "defective": bool(measured.parts.defective[part]),
                "rejected": bool(verdicts.rejected[part]),
                "ratio": float(verdicts.image_ratio[image]),
                "cells": np.clip(np.round(100 * _fewer(cells)), 0, MOST_PERCENT).astype(int).tolist(),
            }
        )
    return out


def _fewer(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most 32 cells along a side; the farthest of those that become one counts."""
    step = int(np.ceil(max(cells.shape) / MOST_CELLS))
    if step == 1:
        return cells
    grown = cv2.dilate(cells, np.ones((step, step), np.uint8), anchor=(0, 0))
    return np.asarray(grown[::step, ::step], dtype=np.float32)
