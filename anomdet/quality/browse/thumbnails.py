"""Thumbnails of the images for a page, each made once and kept until its image changes."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.files import FoundFile, list_files
from anomdet.errors import Problem, UserError
from anomdet.images.decode import imdecode, read_image
from anomdet.images.headers import BadImageError, Header
from anomdet.quality.check.check import CheckedFile

THUMB_PX = 256  # longest side
PREVIEW_PX = 1600
_QUALITY = {THUMB_PX: 80, PREVIEW_PX: 85}
_SMALL_PX, _SMALL_BYTES = 384, 65_536  # an image as small as this is its own thumbnail
_MOST_PIXELS = 64e6  # a larger image is shown by its preview, before it exhausts the memory of the browser
_WEB_KINDS = ("jpeg", "png", "webp", "bmp")
_NAME = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{18}(_large)?\.jpg")
_VERSION = 1  # of what a picture looks like; another one makes all of them anew


@dataclass(frozen=True)
class Pictures:
    """The thumbnails of N images; names relative to the folder of the thumbnails.

    Args:
        thumbs: longest side ``THUMB_PX``; empty: the image itself is small enough, or cannot be read.
        previews: longest side ``PREVIEW_PX``, of an image that a browser cannot show as it is; else empty.
        direct: a browser can show the image itself, upright.
        bit_depth: bits that images of 16 bit use.
    """

    thumbs: Sequence[str]
    previews: Sequence[str]
    direct: Sequence[bool]
    bit_depth: int = 16

    @property
    def names(self) -> set[str]:
        """All files."""
        return {name for name in (*self.thumbs, *self.previews) if name}


def plan_pictures(files: Iterable[CheckedFile], bit_depth: int = 16) -> Pictures:
    """Which images need which thumbnails. Nothing is read: the names come from the images' names, sizes and times."""
    thumbs, previews, direct = [], [], []
    for file in files:
        image, header = file.entry.image, file.header
        assert image is not None
        shown = header is not None and is_shown(header)
        small = header is not None and max(header.upright_hw) <= _SMALL_PX and image.size <= _SMALL_BYTES
        key = _key(image, bit_depth if header is not None and header.bit_depth > 8 else 0)
        thumbs.append("" if header is None or (shown and small) else f"{key[:2]}/{key}.jpg")
        previews.append("" if header is None or shown else f"{key[:2]}/{key}_large.jpg")
        direct.append(shown)
    return Pictures(thumbs, previews, direct, bit_depth)


def is_shown(header: Header) -> bool:
    """Whether browsers show it, with 8 bit, and the same way up as training sees it: they heed EXIF in JPEG only."""
    upright = header.orientation == 1 or header.kind == "jpeg"
    small = header.height * header.width <= _MOST_PIXELS
    return header.kind in _WEB_KINDS and header.bit_depth <= 8 and upright and small


def _key(image: FoundFile, bit_depth: int) -> str:
    scaled = f"\0{bit_depth}" if bit_depth else ""
    text = f"{_VERSION}\0{THUMB_PX}\0{PREVIEW_PX}\0{image.name}\0{image.size}\0{image.modified_ns}{scaled}"
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()


def list_made(folder: Path) -> set[str]:
    """The thumbnails that are there, and no other files; nor empty ones, which a power failure leaves."""
    files = list_files(folder) if folder.is_dir() else []
    return {file.name for file in files if file.size and _NAME.fullmatch(file.name)}


def remove_unused(folder: Path, made: set[str], wanted: set[str]) -> int:
    """Delete the thumbnails of images that are gone or changed, and nothing else; how many."""
    unused = sorted(name for name in made - wanted if _NAME.fullmatch(name))
    for name in unused:
        (folder / name).unlink(missing_ok=True)
    return len(unused)


def make_pictures(
    images_dir: Path, folder: Path, files: Sequence[CheckedFile], pictures: Pictures, places: Iterable[int]
) -> Iterator[tuple[int, str]]:
    """Make the thumbnails of the images at ``places``, on all cores.

    Yields:
        A place, and why there is no thumbnail of it; empty: there is.
    """

    def make(place: int) -> tuple[int, str]:
        file = files[place]
        assert file.entry.image is not None and file.header is not None
        path = images_dir / file.entry.image.name
        try:
            _make_one(path, file.header, folder, (pictures.thumbs[place], pictures.previews[place]), pictures.bit_depth)
        except (UserError, OSError, cv2.error, MemoryError) as error:
            return place, str(error).removeprefix(f"{path}: ") or type(error).__name__
        return place, ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = iter(places)
        running = {pool.submit(make, place) for place in islice(waiting, 64)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(make, place) for place in islice(waiting, len(done))}
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _make_one(path: Path, header: Header, folder: Path, names: tuple[str, str], bit_depth: int) -> None:
    thumb, preview = names
    if preview:  # read once for both
        pixels = read_small(path, header, PREVIEW_PX, bit_depth)
        write_picture(folder / preview, pixels, PREVIEW_PX)
        write_picture(folder / thumb, shrink(pixels, THUMB_PX), THUMB_PX)
    elif thumb:
        write_picture(folder / thumb, read_small(path, header, THUMB_PX, bit_depth), THUMB_PX)


def read_small(path: Path, header: Header, longest_px: int, bit_depth: int = 16) -> NDArray[np.uint8]:
    """The upright image with its longest side at most ``longest_px``; BGR ``(H, W, 3)`` or grey ``(H, W)``, uint8.

    A JPEG is decoded at a half, a quarter or an eighth where that is still large enough: libjpeg then leaves out most
    of the work. The same image as the whole image made smaller, to within a pixel of the small one.

    Raises:
        UserError: it cannot be read.
    """
    factor = next((n for n in (8, 4, 2) if max(header.upright_hw) >= n * longest_px), 1)
    if header.kind == "jpeg" and header.bit_depth == 8:
        grey = header.num_channels == 1
        flags = {
            1: cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR,
            2: cv2.IMREAD_REDUCED_GRAYSCALE_2 if grey else cv2.IMREAD_REDUCED_COLOR_2,
            4: cv2.IMREAD_REDUCED_GRAYSCALE_4 if grey else cv2.IMREAD_REDUCED_COLOR_4,
            8: cv2.IMREAD_REDUCED_GRAYSCALE_8 if grey else cv2.IMREAD_REDUCED_COLOR_8,
        }[factor]
        if header.orientation == 1:  # else OpenCV turns it
            flags |= cv2.IMREAD_IGNORE_ORIENTATION
        pixels = _decoded(path, header.kind, flags)
        height, width = (-(-side // factor) for side in header.upright_hw)
        if pixels is not None and pixels.shape[:2] == (height, width):
            return shrink(pixels, longest_px, header.upright_hw)
    return shrink(read_image(path, max_megapixels=None, bit_depth=bit_depth), longest_px)


def _decoded(path: Path, kind: str, flags: int) -> NDArray | None:
    try:
        return imdecode(np.fromfile(os.fspath(path), dtype=np.uint8), kind, flags)
    except BadImageError as error:
        raise UserError(Problem(str(path), "a readable image", str(error))) from None


def shrink(pixels: NDArray[np.uint8], longest_px: int, size_hw: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Never larger; ``size_hw`` is that of the whole image where ``pixels`` are reduced already."""
    height, width = size_hw or pixels.shape[:2]
    factor = min(longest_px / max(height, width), 1.0)
    size_wh = max(1, round(width * factor)), max(1, round(height * factor))
    if size_wh == pixels.shape[1::-1]:
        return pixels
    result: NDArray[np.uint8] = cv2.resize(pixels, size_wh, interpolation=cv2.INTER_AREA)
    return result


def write_picture(path: Path, pixels: NDArray[np.uint8], longest_px: int) -> None:
    """Not flushed to the disk, as a result is: a hundred thousand flushes take longer than the thumbnails."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY[longest_px]])
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        try:
            temporary.write_bytes(data.tobytes())
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data.tobytes())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
