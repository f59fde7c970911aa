"""Encoded images for the tests of headers, decoding and the index."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

# Four quarters of different colours, so that each orientation looks different; RGB, 40 high, 60 wide.
QUARTERS = np.zeros((40, 60, 3), np.uint8)
QUARTERS[:20, :30] = (255, 0, 0)
QUARTERS[:20, 30:] = (0, 255, 0)
QUARTERS[20:, :30] = (0, 0, 255)

ORIENTED_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp"}


def oriented(kind: str, orientation: int) -> bytes:
    """``QUARTERS`` stored as they are, with an orientation tag."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    if kind == "TIFF":
        options = {"tiffinfo": {0x0112: orientation}}
    else:
        options["exif"] = exif.tobytes()
    buffer = io.BytesIO()
    Image.fromarray(QUARTERS).save(buffer, kind, **options)
    return buffer.getvalue()


def encoded(kind: str, size_hw: tuple[int, int] = (48, 64), **options: object) -> bytes:
    """Colour noise, so that no format shrinks it to nothing."""
    image = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def cv2_encoded(suffix: str, image: np.ndarray) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()
