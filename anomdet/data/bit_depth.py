"""How many bits the images of a data set use: cameras put 10, 12 or 14 bits into files of 16, which then look black.

No header says it: the significant bits of a PNG (sBIT) are of values that fill the range already, and cameras write no
tag. So the largest value decides. It is one for the data set, not one for each image: images stay comparable.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomdet.defaults import BIT_DEPTHS
from anomdet.images.decode import bytes_of, largest_value
from anomdet.images.headers import BadImageError
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS

FULL = BIT_DEPTHS[-1]
_SAMPLE = 64
_AT_ONCE = 8


@dataclass(frozen=True)
class BitsUsed:
    """What the 16 bit images of a data set use.

    Args:
        bits: the fewest of 8, 10, 12, 14 and 16 that hold all values seen; 16 where there is no such image.
        largest: value seen.
        num_read: images that were read for it.
        num_images: of 16 bit, in all.
    """

    bits: int = FULL
    largest: int = 0
    num_read: int = 0
    num_images: int = 0

    def sentence(self) -> str:
        """For the log; empty where there is nothing to say.

        >>> BitsUsed(16, 65_520, 8, 500).sentence()
        'the 500 images of 16 bit use all of them (the largest value in 8 of them is 65,520)'
        """
        if not self.num_images:
            return ""
        images = f"the {self.num_images:,} images of 16 bit" if self.num_images > 1 else "the image of 16 bit"
        seen = f"the largest value in {self.num_read:,} of them is {self.largest:,}"
        if self.bits == FULL:
            return f"{images} {'use' if self.num_images > 1 else 'uses'} all of them ({seen})"
        scale = f"scaled by {(1 << self.bits) - 1:,}, not by 65,535"
        return f"{images} {'use' if self.num_images > 1 else 'uses'} {self.bits} bits ({seen}): {scale}"


def bits_used(
    images_dir: str | Path,
    names: Sequence[str],
    *,
    max_megapixels: float | None = MAX_IMAGE_MEGAPIXELS,
    read_all: bool = False,
) -> BitsUsed:
    """Look at 64 of the 16 bit images, evenly over the order of their names, or at all.

    Reading ends with the first value that needs more than 14 bits. An image that cannot be read is left out: whoever
    uses it says what is wrong. One with larger values than those seen is clipped when it is read, with a warning.

    Args:
        images_dir: that the names are relative to.
        names: of all images of 16 bit, sorted.
        max_megapixels: larger images are left out.
        read_all: look at all of them.
    """
    num = len(names) if read_all else min(_SAMPLE, len(names))
    chosen = [names[at] for at in np.unique(np.linspace(0, len(names) - 1, num).astype(np.int64)).tolist()]

    def largest_of(name: str) -> int | None:
        try:
            return largest_value(bytes_of(os.path.join(images_dir, name)), max_megapixels=max_megapixels)  # noqa: PTH118
        except (BadImageError, OSError):
            return None

    largest = num_read = 0
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for start in range(0, len(chosen), _AT_ONCE):
            found = [one for one in pool.map(largest_of, chosen[start : start + _AT_ONCE]) if one is not None]
            largest, num_read = max([largest, *found]), num_read + len(found)
            if largest >> BIT_DEPTHS[-2]:
                break
    if not num_read:
        return BitsUsed(num_images=len(names))
    bits = next(bits for bits in BIT_DEPTHS if not largest >> bits)
    return BitsUsed(bits, largest, num_read, len(names))
