"""An image to a file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from anomdet.errors import Problem, UserError
from anomdet.outputs import atomic_write
from anomdet.visualization.draw import Image

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MOST_PX = {".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383}  # of a side


def write_image(path: Path, image_bgr: Image) -> None:
    """Encode by the extension of ``path`` and write; the folder is made if need be, any name in any script works.

    An image too large for its format is made as small as that holds: a person looks at it.

    Raises:
        UserError: an extension that is not an image's, or an image too large for its format all the same.
    """
    if path.suffix.lower() not in EXTENSIONS:
        raise UserError(Problem(str(path), f"a name ending in {', '.join(EXTENSIONS)}", path.suffix or "no extension"))
    image_bgr = _fitting(image_bgr, MOST_PX.get(path.suffix.lower()))
    # Encoded in memory: cv2.imwrite fails on names that are not ASCII on Windows, and tells nobody.
    try:
        done, data = cv2.imencode(path.suffix.lower(), image_bgr)
    except cv2.error:
        done, data = False, None
    if not done or data is None:
        height, width = image_bgr.shape[:2]
        raise UserError(Problem(str(path), f"a size that {path.suffix} can hold", f"{width} x {height}", "take .png"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(data.tobytes())


def _fitting(image_bgr: Image, most_px: int | None) -> Image:
    """The image, or a smaller one whose sides have at most so many pixels."""
    factor = 1.0 if most_px is None else min(most_px / max(image_bgr.shape[:2]), 1.0)
    if factor == 1:
        return image_bgr
    size_wh = (max(int(image_bgr.shape[1] * factor), 1), max(int(image_bgr.shape[0] * factor), 1))
    return np.asarray(cv2.resize(image_bgr, size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)
