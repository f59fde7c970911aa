"""Images of 16 bit: how many of them are used, and whether the settings say the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anomdet.data.bit_depth import FULL, BitsUsed, bits_used
from anomdet.data.index.files import FoundFile
from anomdet.images.headers import Header
from anomdet.layout import IMAGES_DIR
from anomdet.quality.check.findings import WARNING, Finding


def check_bit_depth(
    data_dir: Path, images: Sequence[FoundFile], headers: Sequence[Header | None], asked: int | str, *, read_all: bool
) -> tuple[int, list[Finding]]:
    """Bits that images of 16 bit are scaled by, and what is worth saying of them.

    Args:
        data_dir: holds images/.
        images: below images/.
        headers: of each; None: a bad one.
        asked: ``data.bit_depth``.
        read_all: look at all images, not at 64.
    """
    wide = [
        image.name
        for image, header in zip(images, headers, strict=True)
        if header is not None and header.bit_depth == FULL
    ]
    used = bits_used(data_dir / IMAGES_DIR, wide, max_megapixels=None, read_all=read_all) if wide else BitsUsed()
    chosen = used.bits if isinstance(asked, str) else asked
    if not used.num_read or used.bits == chosen == FULL:
        return chosen, []
    seen = f"the largest value in {used.num_read:,} of {len(wide):,} images is {used.largest:,}"
    found = f"{used.bits} bits in use ({seen})"
    white = (1 << chosen) - 1
    where = f"images/{wide[0]}"
    if isinstance(asked, str):
        hint = f"data.bit_depth=auto scales them by {white:,}; set data.bit_depth if the camera has more bits"
        return chosen, [Finding("images-few-bits", where, 0, "16 bits in use", found, hint)]
    if used.bits > chosen:
        hint = f"values above {white:,} are clipped: set data.bit_depth={used.bits}, or leave it auto"
        return chosen, [Finding("images-over-bits", where, 0, f"{chosen} bits, as data.bit_depth says", found, hint)]
    if used.bits < chosen:
        hint = f"they are scaled by {white:,} and look dark: set data.bit_depth={used.bits}, or leave it auto"
        expected = f"{chosen} bits, as data.bit_depth says"
        return chosen, [Finding("images-few-bits", where, 0, expected, found, hint, WARNING)]
    return chosen, []
