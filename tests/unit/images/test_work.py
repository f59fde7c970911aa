"""Files whose pieces, a few bytes each, cost a decoder far more than their pixels: refused by all that decode."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomdet.data.index.files import check_image
from anomdet.data.near_duplicates.hashes import read_thumbnail
from anomdet.errors import UserError
from anomdet.formats.dataset import Findings, Source
from anomdet.formats.masks import read as read_masks
from anomdet.images.decode import check_pixels, decode_image, read_image
from anomdet.images.headers import BadImageError
from anomdet.images.strips import Strips
from anomdet.quality.browse.thumbnails import read_small
from anomdet.quality.health.pixels import _grey
from tests.unit.images.image_bombs import jpeg_of_scans, png_with_side_bomb
from tests.unit.images.image_samples import encoded
from tests.unit.images.image_variants import png_chunk

SCANS = ("a.jpg", jpeg_of_scans(60), "a JPEG of 70 scans, where at most 64 are supported")
TEXTS = ("a.png", png_with_side_bomb(b"zTXt", 1000, 17), "a PNG of more than 16 compressed texts")
MORE_TEXTS = ("a.png", png_with_side_bomb(b"iTXt", 1000, 17), "a PNG of more than 16 compressed texts")
BOMBS = pytest.mark.parametrize(("name", "data", "said"), [SCANS, TEXTS, MORE_TEXTS], ids=["scans", "zTXt", "iTXt"])


@BOMBS
def test_reading_says_what_is_in_the_file(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    for read in (read_image, lambda given: read_small(given, check_image(given), 64)):
        with pytest.raises(UserError, match=said):
            read(path)
    with pytest.raises(BadImageError, match=said):
        check_pixels(np.frombuffer(data, np.uint8))


@BOMBS
@pytest.mark.parametrize(
    ("reader", "nothing"),
    [
        (lambda path: read_thumbnail(path, 64), None),
        (lambda path: _grey(str(path), check_image(path), 16), None),
        (lambda path: _large(path), "refused"),
        (lambda path: _as_mask(path), "refused"),
    ],
    ids=["near-duplicates", "health report", "strips", "masks"],
)
def test_no_reader_decodes_it(
    tmp_path: Path, name: str, data: bytes, said: str, reader: Callable[[Path], Any], nothing: Any
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert reader(path) == nothing


def _large(path: Path) -> str:
    """As an image of 50 megapixels is read, with libvips where it is installed."""
    data, header = np.fromfile(path, np.uint8), check_image(path)
    with pytest.raises(UserError, match=r"scans|compressed texts"):
        Strips(str(path), data, header, 16).rows(0, header.height)
    return "refused"


def _as_mask(path: Path) -> str:
    folders = [path.parent / name for name in ("images", "masks")]
    for folder in folders:
        folder.mkdir()
    (folders[0] / path.name).write_bytes(encoded("PNG" if path.suffix == ".png" else "JPEG", (16, 16)))
    (folders[1] / path.name).write_bytes(path.read_bytes())
    findings = Findings()
    read_masks(Source(path.parent, None, findings))
    assert [one for one in findings.problems if "scans" in str(one) or "compressed texts" in str(one)]
    return "refused"


def test_what_encoders_write_is_read() -> None:
    for data in (jpeg_of_scans(0), png_with_side_bomb(b"zTXt", 1000, 16), png_with_side_bomb(b"iCCP", 1000)):
        assert decode_image(np.frombuffer(data, np.uint8)).size
    plain, text = encoded("PNG", (16, 16)), png_chunk(b"iTXt", b"Comment\0\0\0\0\0not compressed")
    with_texts = plain[:33] + text * 100 + plain[33:]
    assert (decode_image(np.frombuffer(with_texts, np.uint8)) == decode_image(np.frombuffer(plain, np.uint8))).all()
