"""Boxes with class and score on an image, legible whatever its size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.visualization.color import BLACK, Color, class_colors, ink
from anomdet.visualization.placing import place
from anomdet.visualization.text import line_height, shorten, text_mask, text_width

Image: TypeAlias = NDArray[np.uint8]

SMALLEST_SIDE_PX = 480  # an image with a shorter longer side is enlarged
LARGEST_SIDE_PX = 2048  # no image is enlarged beyond
FONT_PX = (13, 56)
LABEL_SHARE = 0.12  # of the picture that labels may fill
HIDES_TOO_MUCH = 0.5


@dataclass(frozen=True)
class Style:
    """How large things are drawn.

    Attributes:
        scale: whole factor by which the image is enlarged.
        font_px: size of the type.
        line_px: width of a box's line.
    """

    scale: int
    font_px: int
    line_px: int


def choose_style(size_hw: tuple[int, int], num_boxes: int) -> Style:
    """Type that can be read in the whole image; with many boxes it shrinks, then the image grows."""
    longer = max(size_hw)
    scale = max(1, math.ceil(SMALLEST_SIDE_PX / longer))
    # A label of a strip must fit its width.
    font_px = float(np.clip(min(0.021 * longer, 0.12 * min(size_hw)) * scale, *FONT_PX))
    room = LABEL_SHARE * size_hw[0] * size_hw[1] * scale**2 / max(num_boxes, 1)
    font_px = max(FONT_PX[0], min(font_px, math.sqrt(room / 9)))  # a label is about 9 font_px squared
    wanted = math.ceil(scale * math.sqrt(9 * font_px**2 / room))
    scale = max(scale, min(wanted, LARGEST_SIDE_PX // longer))
    return Style(scale, round(font_px), max(2, round(font_px / 8)))


def draw(
    image_bgr: Image,
    bboxes_xyxy: NDArray[np.floating],
    labels: Sequence[str],
    scores: Sequence[float] | NDArray[np.floating] | None = None,
    *,
    colors: Mapping[str, Color] | None = None,
    style: Style | None = None,
) -> Image:
    """A copy of the image with its boxes; small or crowded images come back enlarged by a whole factor.

    A box's line runs just outside of the box, so that it hides nothing of the object. A label stands beside its box;
    where there is no room it is cut to the score (or the first letters), and in a throng left out.

    Args:
        image_bgr: ``(H, W, 3)`` uint8.
        bboxes_xyxy: ``(N, 4)`` in pixels of the image.
        labels: N class names, in any script.
        scores: N, or None for ground truth.
        colors: class name to BGR; None: by the names in this image, sorted.
        style: sizes; None: :func:`choose_style`.

    Returns:
        ``(H * scale, W * scale, 3)`` uint8.
    """
    assert image_bgr.dtype == np.uint8 and image_bgr.ndim == 3 and image_bgr.shape[2] == 3, "draw wants uint8 HxWx3"
    bboxes: NDArray[np.float64] = np.asarray(bboxes_xyxy, dtype=np.float64).reshape(-1, 4)
    assert len(bboxes) == len(labels) and (scores is None or len(scores) == len(labels)), "a label and score each"
    style = style or choose_style((image_bgr.shape[0], image_bgr.shape[1]), len(bboxes))
    colors = class_colors(sorted(labels)) if colors is None else colors
    canvas = enlarge(image_bgr, style.scale)
    bboxes = _outlines(bboxes * style.scale, canvas, style.line_px)
    by_area = np.argsort(-(bboxes[:, 2:] - bboxes[:, :2]).prod(axis=1), kind="stable")
    for i in by_area:  # small boxes over large ones
        _draw_outline(canvas, bboxes[i], colors[labels[i]], style.line_px)
    order = range(len(labels)) if scores is None else np.argsort(-np.asarray(scores), kind="stable")
    _draw_labels(
        canvas, bboxes, [(i, labels[i], None if scores is None else float(scores[i])) for i in order], colors, style
    )
    return canvas


def enlarge(image_bgr: Image, scale: int) -> Image:
    """A copy, ``scale`` times as large, each pixel a square."""
    return (
        np.ascontiguousarray(image_bgr.repeat(scale, axis=0).repeat(scale, axis=1)) if scale > 1 else image_bgr.copy()
    )


def _outlines(bboxes_xyxy: NDArray[np.float64], canvas: Image, line_px: int) -> NDArray[np.float64]:
    """Outer edges of the lines around the boxes, within the image."""
    height, width = canvas.shape[:2]
    outer = bboxes_xyxy + (line_px + _seam_px(line_px)) * np.array([-1, -1, 1, 1])
    outer[:, :2] = np.floor(np.clip(outer[:, :2], 0, [width - 1, height - 1]))
    outer[:, 2:] = np.ceil(np.clip(outer[:, 2:], outer[:, :2] + 1, [width, height]))
    result: NDArray[np.float64] = outer
    return result


def _draw_outline(canvas: Image, outer_xyxy: NDArray[np.float64], color: Color, line_px: int) -> None:
    """A line with a dark seam on both sides, so that it is seen on any ground."""
    x1, y1, x2, y2 = (int(value) for value in outer_xyxy)
    seam_px = _seam_px(line_px)
    for inset, line_color, width in ((-seam_px, BLACK, seam_px), (line_px, BLACK, seam_px), (0, color, line_px)):
        _draw_frame(canvas, (x1 + inset, y1 + inset, x2 - inset, y2 - inset), line_color, width)


def _seam_px(line_px: int) -> int:
    return max(1, line_px // 3)


def _draw_frame(canvas: Image, xyxy: tuple[int, int, int, int], color: Color, width: int) -> None:
    x1, y1, x2, y2 = xyxy
    if x2 - x1 <= 0 or y2 - y1 <= 0:
        return
    sides = ((x1, y1, x2, y1 + width), (x1, y2 - width, x2, y2), (x1, y1, x1 + width, y2), (x2 - width, y1, x2, y2))
    for left, top, right, bottom in sides:
        canvas[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = color


def _draw_labels(
    canvas: Image,
    bboxes_xyxy: NDArray[np.float64],
    labels: list[tuple[int, str, float | None]],
    colors: Mapping[str, Color],
    style: Style,
) -> None:
    size_hw = (canvas.shape[0], canvas.shape[1])
    taken: NDArray[np.float64] = np.empty((0, 4))
    for index, name, score in labels:
        for chip in _chips(name, score, colors[name], style.font_px, size_hw):
            chip_wh = (chip.shape[1], chip.shape[0])
            (x, y), badness = place(bboxes_xyxy, index, taken, chip_wh, size_hw)
            if badness <= HIDES_TOO_MUCH or len(labels) == 1:
                _draw_leader(canvas, bboxes_xyxy[index], (x, y, x + chip_wh[0], y + chip_wh[1]), colors[name])
                canvas[y : y + chip_wh[1], x : x + chip_wh[0]] = chip
                taken = np.concatenate([taken, [[x, y, x + chip_wh[0], y + chip_wh[1]]]])
                break


def _chips(name: str, score: float | None, color: Color, font_px: int, size_hw: tuple[int, int]) -> list[Image]:
    """What the label may be, the fullest first; those that fit the image, or the last one, cut."""
    name = shorten(name, font_px, max(size_hw[1] // 3, 6 * font_px))
    brief = shorten(name, font_px, 3 * font_px)
    texts = [name, brief] if score is None else [f"{name} {score:.2f}", f"{brief} {score:.2f}", f"{score:.2f}"]
    chips = [label_chip(text, color, font_px) for text in dict.fromkeys(texts)]
    fitting = [chip for chip in chips if chip.shape[0] <= size_hw[0] and chip.shape[1] <= size_hw[1]]
    return fitting or [chips[-1][: size_hw[0], : size_hw[1]]]


def label_chip(text: str, color: Color, font_px: int) -> Image:
    """``text`` on a plate of ``color`` with a dark rim."""
    pad = max(2, font_px // 4)
    mask = text_mask(text, font_px)[..., None] / 255
    chip: Image = np.empty((line_height(font_px) + 2, text_width(text, font_px) + 2 * pad + 2, 3), dtype=np.uint8)
    chip[:] = color
    plate = np.asarray(color) * (1 - mask) + np.asarray(ink(color)) * mask
    chip[1:-1, pad + 1 : -pad - 1] = np.rint(plate)
    _draw_frame(chip, (0, 0, chip.shape[1], chip.shape[0]), BLACK, 1)
    return chip


def _draw_leader(
    canvas: Image, bbox_xyxy: NDArray[np.float64], chip_xyxy: tuple[int, int, int, int], color: Color
) -> None:
    """A line from a label to its box, where they do not touch."""
    low = np.maximum(bbox_xyxy[:2], chip_xyxy[:2])
    high = np.minimum(bbox_xyxy[2:], chip_xyxy[2:])
    if (high - low >= -1).all():
        return
    center = (low + high) / 2
    start = np.clip(center, bbox_xyxy[:2], bbox_xyxy[2:] - 1).round().astype(int).tolist()
    end = np.clip(center, chip_xyxy[:2], np.array(chip_xyxy[2:]) - 1).round().astype(int).tolist()
    cv2.line(canvas, start, end, BLACK, 3, cv2.LINE_AA)
    cv2.line(canvas, start, end, color, 1, cv2.LINE_AA)
