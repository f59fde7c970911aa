"""An image to a file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2

from anomdet.errors import Problem, UserError
from anomdet.outputs import atomic_write
from anomdet.visualization.draw import Image

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def write_image(path: Path, image_bgr: Image) -> None:
    """Encode by the extension of ``path`` and write; the folder is made if need be, any name in any script works.

    Raises:
        UserError: an extension that is not an image's, or an image too large for its format.
    """
    if path.suffix.lower() not in EXTENSIONS:
        raise UserError(Problem(str(path), f"a name ending in {', '.join(EXTENSIONS)}", path.suffix or "no extension"))
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
