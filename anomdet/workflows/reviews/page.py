"""The page of ``anomdet review``: the suspects, and the images as a browser can show them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from anomdet.errors import UserError
from anomdet.layout import IMAGES_DIR, PICTURES_DIR, REVIEW_PAGE

if TYPE_CHECKING:
    from anomdet.data.index.scan import DataIndex


def write_review_page(document: Mapping[str, Any], index: DataIndex, out_dir: Path) -> Path:
    """Write review.html; an image that no browser shows gets a JPEG in pictures/.

    Args:
        document: the content of review.json.
        index: the data set.
        out_dir: of the review.
    """
    from anomdet.report.review_page import write_page
    from anomdet.workflows.browse_page import class_inks

    folder = index.data_dir / IMAGES_DIR
    names = sorted({one["image"] for one in document["suspects"]})
    colors = class_inks(list(document["classes"].values()))
    classes = [
        {"num": int(num), "name": name, "color": color, "ink": ink}
        for (num, name), (color, ink) in zip(document["classes"].items(), colors, strict=True)
    ]
    content = {**document, "classes": classes, "title": f"Review of {index.data_dir.resolve().name or 'data'}"}
    return write_page(
        content, addresses(names, folder, out_dir, lambda: _bit_depth(index, folder)), out_dir / REVIEW_PAGE
    )


def addresses(names: Sequence[str], folder: Path, out_dir: Path, bits: Callable[[], int]) -> dict[str, str]:
    """Of each image, from the page; empty: it cannot be shown. One that no browser shows gets a JPEG in pictures/.

    Args:
        names: of the images, relative to ``folder``.
        folder: of the images.
        out_dir: of the page.
        bits: that images of 16 bit use; asked once, if there is such an image.
    """
    from anomdet.images.headers import BadImageError
    from anomdet.images.read_header import header_of
    from anomdet.quality.browse.thumbnails import PREVIEW_PX, is_shown, read_small, write_picture
    from anomdet.workflows.browse_page import images_url

    base = images_url(folder, out_dir)
    found, bit_depth = {}, 0
    for number, name in enumerate(names):
        try:
            header = header_of(os.fspath(folder / name))
            if is_shown(header):
                found[name] = base + quote(os.fsencode(name))
                continue
            bit_depth = bit_depth or bits()
            picture = f"{PICTURES_DIR}/{number:05d}.jpg"
            write_picture(out_dir / picture, read_small(folder / name, header, PREVIEW_PX, bit_depth), PREVIEW_PX)
            found[name] = picture
        except (UserError, BadImageError, OSError):  # the page says so in its place
            found[name] = ""
    return found


def _bit_depth(index: DataIndex, folder: Path) -> int:
    from anomdet.data.bit_depth import bits_used

    deep = [record.file_name for record in index.records if record.bit_depth > 8]
    return bits_used(folder, deep).bits if deep else 8
