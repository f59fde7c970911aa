"""Sheets of several images: two side by side under a title with a legend, and a grid of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.visualization.color import WHITE, Color, class_colors
from anomdet.visualization.draw import FONT_PX, Image, choose_style, draw, label_chip
from anomdet.visualization.text import line_height, shorten, text_mask

GROUND: Color = (38, 36, 34)


@dataclass(frozen=True)
class Objects:
    """What is to be drawn on one image.

    Attributes:
        bboxes_xyxy: ``(N, 4)`` in pixels of the image.
        labels: N class names.
        scores: N, or None for ground truth.
    """

    bboxes_xyxy: NDArray[np.floating]
    labels: Sequence[str]
    scores: Sequence[float] | NDArray[np.floating] | None = None


def comparison(
    image_bgr: Image,
    ground_truth: Objects,
    predictions: Objects,
    *,
    title: str = "",
    captions: tuple[str, str] | None = None,
    colors: Mapping[str, Color] | None = None,
) -> Image:
    """One image twice: its ground truth on the left, its predictions on the right, both at one scale.

    Args:
        image_bgr: ``(H, W, 3)`` uint8.
        ground_truth, predictions: the boxes.
        title: the file name.
        captions: over the left and the right; None: what they are and how many.
        colors: class name to BGR for all classes of the data set; None: by the names in this image.
    """
    names = [*ground_truth.labels, *predictions.labels]
    colors = class_colors(sorted(names)) if colors is None else colors
    num_boxes = max(len(ground_truth.labels), len(predictions.labels))
    style = choose_style((image_bgr.shape[0], image_bgr.shape[1]), num_boxes)
    left, right = (
        draw(image_bgr, side.bboxes_xyxy, side.labels, side.scores, colors=colors, style=style)
        for side in (ground_truth, predictions)
    )
    captions = captions or (f"ground truth: {_count(ground_truth)}", f"predictions: {_count(predictions)}")
    legend = {name: color for name, color in colors.items() if name in set(names)}
    return side_by_side(left, right, captions, title=title, legend=legend)


def side_by_side(
    left: Image,
    right: Image,
    captions: tuple[str, str],
    *,
    title: str = "",
    legend: Mapping[str, Color] | None = None,
) -> Image:
    """Two images under their captions; a title over both, a legend of class colours under both.

    An image that is less high is enlarged to the height of the other. Nothing is made smaller.
    """
    height = max(left.shape[0], right.shape[0])
    panels = [_to_height(panel, height) for panel in (left, right)]
    font_px = int(np.clip(0.021 * max(height, *(panel.shape[1] for panel in panels)), *FONT_PX))
    panels = [_to_width(panel, 14 * font_px) for panel in panels]  # room for the captions
    gap = max(6, font_px // 2)
    columns = [
        np.vstack([text_line(caption, panel.shape[1], font_px), panel])
        for panel, caption in zip(panels, captions, strict=True)
    ]
    body = np.hstack([columns[0], _ground(columns[0].shape[0], gap), columns[1]])
    rows = [text_line(title, body.shape[1], font_px)] if title else []
    rows.append(body)
    rows += [_legend(legend, body.shape[1], font_px)] if legend else []
    sheet = np.vstack(rows)
    return _framed(sheet, gap)


def contact_sheet(images: Sequence[Image], columns: int, *, cell_px: int = 640) -> Image:
    """A grid, row by row; an image larger than a cell of ``cell_px`` is made smaller, none larger.

    Returns:
        The grid, ``uint8``; cells are as large as the largest image in them.
    """
    assert images and columns >= 1 and cell_px >= 1, "a sheet wants an image and a column"
    fitted = [_fit(image, cell_px) for image in images]
    columns = min(columns, len(fitted))
    gap = max(4, cell_px // 80)
    cell_h, cell_w = (max(image.shape[axis] for image in fitted) for axis in (0, 1))
    num_rows = -(-len(fitted) // columns)
    sheet = _ground(num_rows * (cell_h + gap) + gap, columns * (cell_w + gap) + gap)
    for i, image in enumerate(fitted):
        height, width = image.shape[:2]
        y = gap + i // columns * (cell_h + gap) + (cell_h - height) // 2
        x = gap + i % columns * (cell_w + gap) + (cell_w - width) // 2
        sheet[y : y + height, x : x + width] = image
    return sheet


def _count(objects: Objects) -> str:
    number = len(objects.labels)
    return f"{number or 'no'} object{'s' * (number != 1)}"


def _fit(image: Image, longest_px: int) -> Image:
    factor = longest_px / max(image.shape[:2])
    if factor >= 1:
        return image
    size_wh = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _to_height(image: Image, height: int) -> Image:
    if image.shape[0] == height:
        return image
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _to_width(image: Image, least_px: int) -> Image:
    """The image in the middle of a ground that is at least so wide."""
    missing = max(0, least_px - image.shape[1])
    height = image.shape[0]
    return np.hstack([_ground(height, missing // 2), image, _ground(height, missing - missing // 2)])


def _ground(height: int, width: int) -> Image:
    return np.full((height, width, 3), GROUND, dtype=np.uint8)


def _framed(sheet: Image, gap: int) -> Image:
    framed = _ground(sheet.shape[0] + gap, sheet.shape[1] + 2 * gap)
    framed[: sheet.shape[0], gap:-gap] = sheet
    return framed


def text_line(text: str, width: int, font_px: int) -> Image:
    """One line of white text on the ground, cut to ``width``."""
    pad = max(3, font_px // 3)
    line = _ground(line_height(font_px) + 2 * pad, width)
    mask = text_mask(shorten(text, font_px, width), font_px)[:, :width, None] / 255
    area = line[pad:-pad, : mask.shape[1]]
    area[:] = np.rint(area * (1 - mask) + np.asarray(WHITE) * mask)
    return line


def _legend(legend: Mapping[str, Color], width: int, font_px: int) -> Image:
    """Plates of the class names in their colours, in as many rows as they need."""
    gap = max(3, font_px // 3)
    rows: list[list[Image]] = [[]]
    used = 0
    for name, color in legend.items():
        plate = label_chip(shorten(name, font_px, max(width - 3 * font_px, font_px)), color, font_px)[:, :width]
        if used and used + plate.shape[1] > width:
            rows.append([])
            used = 0
        rows[-1].append(plate)
        used += plate.shape[1] + gap
    row_height = rows[0][0].shape[0] + gap
    picture = _ground(len(rows) * row_height + gap, width)
    for r, row in enumerate(rows):
        x = 0
        for plate in row:
            y = gap + r * row_height
            picture[y : y + plate.shape[0], x : x + plate.shape[1]] = plate
            x += plate.shape[1] + gap
    return picture
