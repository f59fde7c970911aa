"""Files that are damaged, cut or made to harm: one sentence for each, no crash, no hang, no memory taken."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from anomdet.data.index.files import check_image
from anomdet.errors import UserError
from anomdet.images.decode import read_image
from anomdet.images.headers import BadImageError, Header, read_header
from tests.unit.images.image_samples import encoded
from tests.unit.images.image_variants import WIDTH, base_tags, png_chunk, tiff_of

ROWS = 37


def header_of(data: bytes) -> Header:
    return read_header(lambda offset, size: data[offset : offset + size], len(data))


def jpeg(**options: object) -> bytes:
    """A surface with noise on it, 480 x 640, whose last rows are of many colours."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, 640)[None, :, None] + rng.integers(0, 40, (480, 640, 3))
    buffer = io.BytesIO()
    Image.fromarray(ramp.astype(np.uint8)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", [b"IDAT", b"iCCP", b"tEXt", b"eXIf", b"PLTE", b"abCd", b"acTL"])
@pytest.mark.parametrize("length", [2**32 - 1, 2**31 - 1, 2**31, 1000])
def test_a_png_chunk_that_claims_more_than_the_file_holds(tmp_path, name, length):
    start = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    data = start + struct.pack(">I", length) + name + bytes(6) + png_chunk(b"IEND", b"")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(BadImageError, match=rf"a truncated PNG \(a chunk claims {length:,} bytes in a file of"):
        check_image(path)
    with pytest.raises(UserError, match=r"a\.png: expected a readable image, got a truncated PNG"):
        read_image(path)


@pytest.mark.parametrize("length", [2**32 - 1, 2**31 - 1, 100_000])
def test_a_png_chunk_behind_the_first_pixels(tmp_path, length):
    """The header alone does not show it: this would read all of each file. Whoever decodes the file sees it."""
    data = encoded("PNG", (64, 64))
    end = data.rindex(b"IEND") - 4
    path = tmp_path / "a.png"
    path.write_bytes(data[:end] + struct.pack(">I", length) + b"IDAT" + bytes(20) + data[end:])
    with pytest.raises(UserError, match="a chunk claims"):
        read_image(path)
    with pytest.raises(BadImageError, match="a chunk claims"):
        check_image(path, decode=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({273: (4, []), 279: (4, [])}, "a TIFF without pixels"),
        ({273: (4, [0])}, "some of its strips or tiles are empty"),
        ({279: (4, [0])}, "some of its strips or tiles are empty"),
        ({278: (4, [1])}, "1 of 37 strips or tiles"),
        ({278: (4, [0])}, "no size"),
        ({279: (4, [WIDTH * ROWS - 1])}, "bytes of pixels"),
        ({273: (4, [2**31])}, "a truncated TIFF"),
        ({256: (4, [])}, "a TIFF without a size"),
        ({257: (4, [0])}, "a size of 0 x 53 pixels"),
        ({258: (3, [])}, "channels of different kinds"),
        ({322: (4, [0]), 323: (4, [16]), 324: (4, [8]), 325: (4, [8])}, "no size"),
    ],
)
def test_a_tiff_without_its_pixels(tmp_path, changes, said):
    tags = tiff_of(base_tags(8, 1, 1), bytes(WIDTH * ROWS), changes=changes)
    path = tmp_path / "a.tif"
    path.write_bytes(tags)
    for decode in (False, True):
        with pytest.raises(BadImageError, match=said):
            check_image(path, decode=decode)
    with pytest.raises(UserError, match=r"a\.tif: expected a readable image, got"):
        read_image(path)


def test_a_tiff_whose_pages_are_a_circle():
    data = bytearray(tiff_of(base_tags(8, 1, 1), bytes(WIDTH * ROWS)))
    at = struct.unpack("<I", data[4:8])[0]
    end = at + 2 + 12 * struct.unpack("<H", data[at : at + 2])[0]
    data[end : end + 4] = struct.pack("<I", at)
    with pytest.raises(BadImageError, match="a TIFF of 2 pages"):
        header_of(bytes(data))


_NOISE = np.random.default_rng(0).integers(0, 256, (96, 80), dtype=np.uint8)


def packed_tiff(compression: str, mode: str) -> tuple[bytearray, int, int]:
    """A TIFF in one strip, where its strip starts, and its length."""
    image = Image.fromarray(_NOISE).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", compression=compression)
    page = tifffile.TiffFile(io.BytesIO(buffer.getvalue())).pages[0]
    return bytearray(buffer.getvalue()), page.tags[273].value[0], page.tags[279].value[0]


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "tiff_lzw", "packbits"])
def test_a_tiff_whose_strip_does_not_unpack(tmp_path, compression, mode):
    """OpenCV prints a line and gives what the failed strip left behind, mostly black, as the pixels."""
    data, at, length = packed_tiff(compression, mode)
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    read_image(path)
    for start in (at, at + length // 2):
        bad = data[:start] + bytes(at + length - start) + data[at + length :]
        path.write_bytes(bad)
        assert check_image(path).upright_hw == (96, 80)  # the header is whole
        with pytest.raises(BadImageError, match="a damaged TIFF"):
            check_image(path, decode=True)
        with pytest.raises(UserError, match=r"a\.tif: expected a readable image, got a damaged TIFF"):
            read_image(path)


@pytest.mark.parametrize("fill_order", [1, 2])
def test_a_deflated_tiff_with_a_flipped_bit_or_too_few_rows(tmp_path, fill_order):
    mirrored = np.array([int(f"{value:08b}"[::-1], 2) for value in range(256)], np.uint8)
    pixels = _NOISE[:ROWS, :WIDTH].tobytes()
    whole = zlib.compress(pixels)
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])  # the checksum
    for packed, said in ((whole, ""), (zlib.compress(pixels * 2), ""), (flipped, "incorrect data check"),
                         (zlib.compress(pixels[:-1]), "1,960 bytes of pixels of 1,961")):  # fmt: skip
        strip = mirrored[np.frombuffer(packed, np.uint8)].tobytes() if fill_order == 2 else packed
        tags = {**base_tags(8, 1, 1), 259: (3, [8]), 266: (3, [fill_order])}
        path = tmp_path / "a.tif"
        path.write_bytes(tiff_of(tags, strip))
        if said:
            with pytest.raises(UserError, match=said):
                read_image(path)
        else:
            assert np.array_equal(read_image(path)[..., 0], _NOISE[:ROWS, :WIDTH])


def test_tiffs_that_are_no_flat_picture(tmp_path):
    inks = tiff_of({**base_tags(8, 4, 5), 332: (3, [2])}, bytes(WIDTH * ROWS * 4))
    volume = tiff_of({**base_tags(8, 1, 1), 32997: (4, [3])}, bytes(WIDTH * ROWS * 3))
    for data, said in ((inks, "inks that are not cyan"), (volume, "a volume of 3 layers")):
        with pytest.raises(BadImageError, match=said):
            header_of(data)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 4}])
@pytest.mark.parametrize("keep", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_jpeg_that_ends_early_with_an_end_marker(tmp_path, options, keep):
    data = jpeg(**options)
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert check_image(path, decode=True).upright_hw == (480, 640)
    path.write_bytes(data[: int(len(data) * keep)] + b"\xff\xd9")
    with pytest.raises(BadImageError, match="a truncated JPEG"):
        check_image(path, decode=True)
    if keep <= 0.9 and "progressive" not in options:  # where rows are missing, each reader sees it
        with pytest.raises(UserError, match=r"a\.jpg: expected a readable image, got a truncated JPEG"):
            read_image(path)


def test_a_whole_jpeg_that_ends_in_one_colour(tmp_path):
    """As a board on black does; and padding behind the end, and a second image there."""
    image = np.full((480, 640, 3), 255, np.uint8)
    image[:200] = np.random.default_rng(0).integers(0, 255, (200, 640, 3))
    path = tmp_path / "a.jpg"
    for pixels in (image, image[..., 0].copy(), np.zeros_like(image)):
        for progressive in (False, True):
            for behind in (b"", bytes(100), b"maker note", jpeg()):
                buffer = io.BytesIO()
                Image.fromarray(pixels).save(buffer, "JPEG", progressive=progressive, optimize=True)
                path.write_bytes(buffer.getvalue() + behind)
                assert check_image(path, decode=True).upright_hw == (480, 640)
                assert read_image(path).shape == (480, 640, 3)


@pytest.mark.parametrize("behind", [b"", bytes(1000)])
def test_a_jpeg_without_pixels(behind):
    data = jpeg()
    start = data.index(b"\xff\xda")
    with pytest.raises(BadImageError, match="end marker stands before the pixels"):
        header_of(data[:start] + b"\xff\xd9" + behind)
    with pytest.raises(BadImageError, match=r"14 bytes are too few for 640 x 480 px"):
        header_of(data[: start + 16] + b"\xff\xd9")


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff" * 50_000_000,
        b"\xff\xd8" + b"\xff\xe1\0\2" * 10_000_000,
        b"\xff\xd8" + b"\xff\xe1\0\0" * 10,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0) + bytes(40_000_000),
        b"RIFF" + struct.pack("<I", 40_000_004) + b"WEBP" + b"ABCD\0\0\0\0" * 5_000_000,
    ],
    ids=["fill bytes", "empty segments", "segments of no length", "empty chunks", "empty blocks"],
)
def test_millions_of_empty_pieces_are_not_walked(data):
    """10,000 are; 10 million take 10 s and more."""
    calls = 0

    def read(offset: int, size: int) -> bytes:
        nonlocal calls
        calls += 1
        return data[offset : offset + size]

    with pytest.raises(BadImageError):
        read_header(read, len(data))
    assert calls < 50_000


_FUZZ = Path(__file__).with_name("fuzz_images.py")


@pytest.mark.slow
def test_any_damage_is_an_image_or_a_bad_image_error():
    """1,500 damaged files in a process of its own: no crash, no other exception, 512 MB and 10 s for each at most."""
    done = subprocess.run(
        [sys.executable, str(_FUZZ), "--num", "1500", "--seed", "0"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-300:] + done.stderr[-2000:]
    outcomes = json.loads(done.stdout.splitlines()[-1])
    assert sum(outcomes.values()) == 1500
    assert outcomes["read"] > 100 and outcomes["refused by the header"] > 100 and outcomes["refused when decoded"] > 20
