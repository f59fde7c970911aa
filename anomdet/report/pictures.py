"""The images of the cases: a crop around each box, as JPEG, as good as the page has room for."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.errors import UserError
from anomdet.images.decode import read_image
from anomdet.layout import STRIP, VISUALIZATION_DIR

ReadImage = Callable[[str], NDArray[np.uint8]]
LEAST_PX = 160
STRIP_MEGAPIXELS = 10.0
CONTEXT = 3.0  # sides of the crop, in sides of the box
# Longest side in pixels and JPEG quality. The first at which all pictures fit is taken.
LEVELS = ((360, 85), (360, 70), (360, 55), (300, 55), (240, 50), (200, 40), (160, 30))
PREFIX = "data:image/jpeg;base64,"
LEFT_OUT = "left out to keep this page small"


class Window(NamedTuple):
    """The part of an image that is shown, in whole pixels of it."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Pictures:
    """The images of the cases, and those that there are none of.

    Attributes:
        sources: place of the case to its data URI.
        reasons: place of the case to why there is no image.
        note: what was given up to keep the page small; empty if nothing.
        sizes_hw: place of the case to the size of the image that was read, whatever a file says of it.
    """

    sources: Mapping[int, str]
    reasons: Mapping[int, str]
    note: str = ""
    sizes_hw: Mapping[int, tuple[int, int]] = field(default_factory=dict)


def crop_window(bbox_xywh: Sequence[float], size_hw: Sequence[int]) -> Window:
    """A square around a box where the image is large enough: three times the box, all of it, and at least 160 px.

    Args:
        bbox_xywh: in pixels of the image.
        size_hw: of the image; 0 where it is not known: then it ends nowhere.
    """
    height, width = size_hw
    x, y, box_width, box_height = bbox_xywh
    # By the area: around a long scratch, three times its length would show it as a hair.
    side = CONTEXT * math.sqrt(max(box_width * box_height, 0.0))
    side = round(max(side, 1.3 * max(box_width, box_height), LEAST_PX))
    crop_width, crop_height = min(side, width or side), min(side, height or side)
    left = max(round(x + (box_width - crop_width) / 2), 0)
    top = max(round(y + (box_height - crop_height) / 2), 0)
    left = min(left, width - crop_width) if width else left
    return Window(left, min(top, height - crop_height) if height else top, crop_width, crop_height)


@dataclass(frozen=True)
class Encoded:
    """Place of the case to its image as JPEG at each of the levels and its whole size, or to why there is none."""

    levels: Mapping[int, list[bytes]]
    reasons: Mapping[int, str]
    sizes_hw: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    def none(self) -> Pictures:
        """No image at all: for a page that shows how much room there is for them and what is drawn over them."""
        return Pictures({}, {**dict.fromkeys(self.levels, LEFT_OUT), **self.reasons}, sizes_hw=self.sizes_hw)

    def without_data(self) -> Pictures:
        """All images, but empty: for a page that shows how much room there is for them."""
        return Pictures(dict.fromkeys(self.levels, PREFIX), self.reasons, sizes_hw=self.sizes_hw)


def encode_pictures(files: Sequence[tuple[str, Sequence[float]]], read_image: ReadImage | None) -> Encoded:
    """Crop and encode; each image is read once.

    Args:
        files: file name and box (xywh, pixels) of each case.
        read_image: see :func:`anomdet.report.write.write_report`.
    """
    if read_image is None:
        return Encoded({}, dict.fromkeys(range(len(files)), "written without images"))
    levels: dict[int, list[bytes]] = {}
    reasons: dict[int, str] = {}
    sizes_hw: dict[int, tuple[int, int]] = {}
    by_file: dict[str, list[int]] = {}
    for place, (file_name, _) in enumerate(files):
        by_file.setdefault(file_name, []).append(place)
    for file_name, places in by_file.items():
        try:
            image_rgb = read_image(file_name)
        except (OSError, ValueError, UserError) as error:
            reasons |= dict.fromkeys(places, str(error) or type(error).__name__)
            continue
        for place in places:
            levels[place] = _encode(image_rgb, files[place][1])
            sizes_hw[place] = (image_rgb.shape[0], image_rgb.shape[1])
    return Encoded(levels, reasons, sizes_hw)


def _encode(image_rgb: NDArray[np.uint8], bbox_xywh: Sequence[float]) -> list[bytes]:
    """The crop as JPEG at each level. It is made smaller, never larger: a browser does that as well."""
    height, width = image_rgb.shape[:2]
    window = crop_window(bbox_xywh, (height, width))
    crop = image_rgb[window.y : window.y + window.height, window.x : window.x + window.width, ::-1]
    crop = np.ascontiguousarray(crop)
    found = []
    for longest_px, quality in LEVELS:
        factor = min(longest_px / max(crop.shape[:2]), 1.0)
        size_wh = (max(1, round(window.width * factor)), max(1, round(window.height * factor)))
        small = crop if factor == 1 else cv2.resize(crop, size_wh, interpolation=cv2.INTER_AREA)
        _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
        found.append(data.tobytes())
    return found


def encode_strip(path: str | None) -> str | None:
    """The strip of a run as a data URI; None: there is none, or it is no image that can be read.

    It is decoded and encoded again, and only a file of its name: ``path`` comes from a file, which may name anything.
    """
    if path is None or Path(path).parts[-2:] != (VISUALIZATION_DIR, STRIP) or not Path(path).is_file():
        return None
    try:
        image = read_image(Path(path), max_megapixels=STRIP_MEGAPIXELS)
    except (OSError, UserError):
        return None
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return PREFIX + base64.b64encode(data.tobytes()).decode("ascii")


def choose_pictures(
    encoded: Encoded, order: Sequence[int], budget: int, frames: Mapping[int, int] | None = None
) -> Pictures:
    """The best level at which all fit; if none does, the lowest, and as many as fit.

    Args:
        encoded: all images.
        order: places of the cases, those first that are to keep their image.
        budget: characters that all data URIs and frames may have.
        frames: place to the characters of what is drawn over its image; None: they have their room already.
    """
    levels, reasons, frames = encoded.levels, dict(encoded.reasons), frames or {}
    left = budget - sum(frames.get(place, 0) for place in levels)
    level = next((i for i in range(len(LEVELS)) if _characters(levels.values(), i) <= left), len(LEVELS) - 1)
    sources, used = {}, 0
    for place in order:
        if place not in levels:
            continue
        size = _characters([levels[place]], level) + frames.get(place, 0)
        if used + size > budget:
            reasons[place] = LEFT_OUT
            continue
        used += size
        sources[place] = PREFIX + base64.b64encode(levels[place][level]).decode("ascii")
    notes = []
    if level:
        notes.append(f"images are stored with at most {LEVELS[level][0]} px at JPEG quality {LEVELS[level][1]}")
    if len(sources) < len(levels):
        notes.append(f"the images of {len(levels) - len(sources)} cases are left out")
    note = f"To keep this page small, {' and '.join(notes)}." if notes else ""
    return Pictures(sources, reasons, note, encoded.sizes_hw)


def _characters(pictures: Iterable[list[bytes]], level: int) -> int:
    return sum(len(PREFIX) + 4 * math.ceil(len(levels[level]) / 3) for levels in pictures)
