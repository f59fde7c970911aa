"""Pixels that come as an array or a PIL image: to what the decoder of files gives, uint8 BGR."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.defaults import BIT_DEPTHS
from anomdet.errors import Problem, UserError
from anomdet.images.decode import misfit

CHANNEL_ORDERS = ("rgb", "bgr")
_EXPECTED = "an array (H, W), (H, W, 3) or (H, W, 4) of uint8 or uint16"
TO_ARRAY = "channels last, 0 to 255: (255 * tensor).round().byte().permute(1, 2, 0).cpu().numpy()"
_TO_UINT8 = "bring the values to 0 to 255 and call .astype(np.uint8)"
_FROM_BYTES = "open it first: PIL.Image.open(file), of bytes PIL.Image.open(io.BytesIO(data))"
_SEVERAL = "several images go to predict or predict_batch, as a list"
_NOTHING_READ = "cv2.imread gives None for a file that is not there or is no image; give the path itself"
_ORIENTATION = 0x0112  # EXIF
_PLAIN_PIL_MODES = ("L", "RGB", "I;16", "I;16L", "I;16B")
_WIDE_PIL_MODES = ("I", "F")
_UNREADABLE_PIL = (OSError, EOFError, SyntaxError, ValueError, AssertionError)  # the last: a file that is closed


def is_pil(image: Any) -> bool:
    """Whether it is an image of PIL's, which is not imported for that."""
    return any(f"{kind.__module__}.{kind.__name__}" == "PIL.Image.Image" for kind in type(image).__mro__)


def is_one_image(given: Any) -> bool:
    """Whether it is a path, a PIL image or an array of one image, and not several of them, nor an array of paths."""
    one_array = isinstance(given, np.ndarray) and given.ndim < 4 and not (given.ndim == 1 and given.dtype.kind in "OU")
    return one_array or isinstance(given, (str, os.PathLike)) or is_pil(given)


def is_tensor(given: Any) -> bool:
    """Whether it is PyTorch's, whose values may be anything: they are scaled and normalised for networks."""
    return any(f"{kind.__module__}.{kind.__name__}".startswith("torch.") for kind in type(given).__mro__)


def to_bgr8(image: Any, channels: str = "rgb", bit_depth: int = 16) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Pixels ``(H, W, 3)`` uint8 BGR, C-contiguous, and what the user should know of them.

    16 bit is scaled by the bits that are used, so that white becomes white, and larger values are clipped; grey is
    spread over three channels; alpha is dropped.

    Args:
        image: ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` or ``(H, W, 4)``, uint8 or uint16; or a PIL image.
        channels: ``rgb`` or ``bgr``, of an array; a PIL image says it itself.
        bit_depth: bits that are used of 16.

    Raises:
        UserError: another shape or type.

    >>> pixels, _ = to_bgr8(np.full((2, 2, 3), (255, 0, 0), dtype=np.uint8))
    >>> pixels[0, 0].tolist()
    [0, 0, 255]
    """
    check_channels(channels)
    warnings: tuple[str, ...] = ()
    if is_pil(image):
        image, warnings = pil_pixels(image)
        channels = "rgb"
    if not isinstance(image, np.ndarray):
        raise UserError(
            Problem("image", f"a path, {_EXPECTED} or a PIL image", type(image).__name__, _how_to_give(image))
        )
    array = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or not array.size:
        is_planar = array.ndim == 3 and len(array) in (3, 4)
        hint = "put the channels last: image.transpose(1, 2, 0)" if is_planar else _SEVERAL if array.ndim == 4 else ""
        raise UserError(Problem("image", _EXPECTED, f"shape {image.shape}", hint))
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise UserError(Problem("image", _EXPECTED, str(image.dtype), _how_to_convert(image)))
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    if array.dtype == np.uint16:
        white = (1 << bit_depth) - 1
        note = misfit(int(array.max()), bit_depth)
        warnings = (*warnings, note) if note else warnings
        array = cv2.convertScaleAbs(array, alpha=255 / white)
    return _three_channels(array, channels), warnings


def to_look_at(image: Any, channels: str = "rgb") -> NDArray[np.uint8]:
    """As :func:`to_bgr8`, for a drawing: 16 bit are as bright as the bits that this image uses, those of a camera of 12
    bits, too, whatever the detector takes for white.

    Raises:
        UserError: as :func:`to_bgr8`.
    """
    if is_pil(image):
        (image, _), channels = pil_pixels(image), "rgb"
    bits = BIT_DEPTHS[-1]
    if isinstance(image, np.ndarray) and image.dtype.newbyteorder("=") == np.uint16 and image.size:
        bits = next(depth for depth in BIT_DEPTHS if int(image.max()) < 1 << depth)
    return to_bgr8(image, channels, bits)[0]


def _three_channels(array: NDArray[np.uint8], channels: str) -> NDArray[np.uint8]:
    if array.ndim == 2:
        return np.asarray(cv2.cvtColor(array, cv2.COLOR_GRAY2BGR))
    if array.shape[2] == 4:
        return np.asarray(cv2.cvtColor(array, cv2.COLOR_RGBA2BGR if channels == "rgb" else cv2.COLOR_BGRA2BGR))
    return np.asarray(cv2.cvtColor(array, cv2.COLOR_RGB2BGR)) if channels == "rgb" else array


def _how_to_give(image: Any) -> str:
    if image is None:
        return _NOTHING_READ
    if isinstance(image, (list, tuple)):
        return _SEVERAL
    if isinstance(image, cv2.UMat):
        return "call image.get()"
    is_file = isinstance(image, bytes) or hasattr(image, "read")
    return TO_ARRAY if is_tensor(image) else _FROM_BYTES if is_file else ""


def _how_to_convert(image: NDArray[Any]) -> str:
    if image.dtype.kind == "f":
        is_unit = not image.size or 0 <= np.nanmin(image) <= np.nanmax(image) <= 1
        return "for values from 0 to 1: (image * 255).round().astype(np.uint8)" if is_unit else _TO_UINT8
    return _TO_UINT8


def check_channels(channels: str) -> None:
    """Refuse another order.

    Raises:
        UserError: it is neither.
    """
    if channels not in CHANNEL_ORDERS:
        raise UserError(Problem("channels", " or ".join(CHANNEL_ORDERS), repr(channels)))


def pil_pixels(image: Any) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Grey or RGB, turned upright, as the decoder of files does; and what the user should know of it.

    Raises:
        UserError: of a mode whose white is not known; or its file, which PIL reads only now, is damaged.
    """
    if image.mode in _WIDE_PIL_MODES:  # of which convert("L") makes all white from 255 on
        hint = "for 16 bit: np.asarray(image).astype(np.uint16); for values from 0 to 255: .astype(np.uint8)"
        raise UserError(Problem("image", "a PIL image of 8 or 16 bit integers", f"mode {image.mode}", hint))
    try:
        return _pil_pixels(image)
    except _UNREADABLE_PIL as error:
        got, hint = str(error) or "one whose file is closed", "call image.load() while its file is open"
        raise UserError(
            Problem("image", "a PIL image whose pixels can be read", got, "" if str(error) else hint)
        ) from None


def loaded(image: Any) -> Any:
    """A PIL image with its pixels in memory, so that its file may be closed; damage is reported by whoever uses it."""
    with contextlib.suppress(*_UNREADABLE_PIL):
        image.load()
    return image


def _pil_pixels(image: Any) -> tuple[NDArray[Any], tuple[str, ...]]:
    warnings: tuple[str, ...] = ()
    orientation = image.getexif().get(_ORIENTATION, 1)
    if orientation in range(2, 9):
        from PIL.ImageOps import exif_transpose

        image = exif_transpose(image)
        warnings = (f"turned upright, as its EXIF orientation {orientation} says: boxes are in the upright image",)
    return np.asarray(image if image.mode in _PLAIN_PIL_MODES else image.convert("RGB")), warnings
