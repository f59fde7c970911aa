"""Every combination of tags is decoded as other readers decode it, or refused by the header: never something else."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from anomdet.images.decode import decode_image
from anomdet.images.headers import BadImageError, read_header
from tests.unit.images.image_variants import Variant, all_variants

VARIANTS = all_variants()
REFUSED = {
    f"tiff {bits} bit {kind}, {storage}, {order}"
    for order in "<>"
    for bits, kind, storage in (
        (8, "rgb planar", "tiles"),
        (8, "rgb planar", "small tiles"),
        (8, "rgba planar", "tiles"),
        (8, "rgba planar", "small tiles"),
        (8, "grey alpha planar", "tiles"),
        (8, "grey alpha planar", "small tiles"),
        (16, "grey alpha", "predictor"),
        (16, "grey and more", "predictor"),
    )
}
"""What other readers can read: refused all the same, since OpenCV cannot."""


def expected_bgr(variant: Variant) -> np.ndarray:
    assert variant.rgb is not None
    white = (1 << variant.bits) - 1
    return np.floor(variant.rgb[..., ::-1] * (255 / white) + 0.5)


def test_there_are_many():
    kinds = Counter(variant.suffix for variant in VARIANTS)
    assert kinds[".tif"] >= 200 and kinds[".png"] >= 40 and kinds[".jpg"] >= 20 and kinds[".bmp"] >= 10
    names = {variant.name for variant in VARIANTS}
    assert len(names) == len(VARIANTS) and names >= REFUSED
    assert sum(variant.rgb is not None for variant in VARIANTS) > 0.6 * len(VARIANTS)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_decoded_as_others_do_or_refused_by_the_header(variant):
    data = np.frombuffer(variant.data, np.uint8)
    try:
        header = read_header(lambda offset, size: variant.data[offset : offset + size], len(data))
    except BadImageError as error:
        assert "damaged" not in str(error) and "truncated" not in str(error), "it is neither"
        is_expected = variant.rgb is None or variant.name in REFUSED
        assert is_expected, f"{error}: but others read it"
        return
    is_expected = variant.rgb is not None and variant.name not in REFUSED
    assert is_expected, f"{header} of what should be refused"
    assert header.bit_depth == variant.bits or variant.bits == 8
    pixels = decode_image(data)
    assert np.abs(pixels - expected_bgr(variant)).max() <= variant.tolerance
