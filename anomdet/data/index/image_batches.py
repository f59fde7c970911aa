"""Many image files at once: the header of each, or what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from anomdet.images.headers import BadImageError, Header
from anomdet.images.limits import check_size
from anomdet.images.read_header import header_of

_SPECIAL = "no regular file"


@dataclass(frozen=True)
class ImageCheck:
    """How images are checked.

    Args:
        decode: all pixels, not the headers alone.
        max_megapixels: of the largest image to accept.
        num_threads: that decode at the same time; None: one for each core.
    """

    decode: bool
    max_megapixels: float
    num_threads: int | None = None


def read_headers(
    path: str, folder: int | str, names: Sequence[str | None], check: ImageCheck
) -> list[Header | BadImageError]:
    """Header of each image, or what is wrong with it.

    Args:
        path: of the folder.
        folder: the same, as :func:`open_folder` gives it.
        names: relative to it; None for what must not be opened.
        check: of the images.
    """
    if not check.decode:
        return [_header(path, folder, name, check.max_megapixels) for name in names]
    from anomdet.data.index.files import check_image

    def decode(name: str | None) -> Header | BadImageError:
        if name is None:
            return BadImageError(_SPECIAL)
        try:
            return check_image(f"{path}/{name}", decode=True, max_megapixels=check.max_megapixels)
        except BadImageError as error:
            return error

    with ThreadPoolExecutor(check.num_threads or os.cpu_count()) as pool:  # the decoder lets other threads run
        return list(pool.map(decode, names))


def _header(path: str, folder: int | str, name: str | None, max_megapixels: float) -> Header | BadImageError:
    if name is None:
        return BadImageError(_SPECIAL)
    try:
        header = header_of(name, folder) if isinstance(folder, int) else header_of(f"{path}/{name}")
        check_size(header, max_megapixels)
    except BadImageError as error:
        return error
    return header
