from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from anomdet.data.index.files import check_image, list_files
from anomdet.images.headers import BadImageError, Header, read_header
from tests.unit.images.image_samples import ORIENTED_FORMATS, SUFFIXES, cv2_encoded, encoded, oriented


def header_of(data: bytes) -> Header:
    return read_header(lambda offset, size: data[offset : offset + size], len(data))


@pytest.mark.parametrize("kind", ORIENTED_FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_and_upright_size(kind, orientation):
    header = header_of(oriented(kind, orientation))
    assert (header.height, header.width, header.orientation) == (40, 60, orientation)
    assert header.upright_hw == ((60, 40) if orientation >= 5 else (40, 60))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"comment": b"\xff\xd9" * 3000}),
        ("JPEG", {"icc_profile": bytes(100_000)}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"icc_profile": bytes(11)}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"big_tiff": True}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
    ],
)
def test_whole_files_pass_and_cut_ones_do_not(tmp_path, kind, options):
    data = encoded(kind, (37, 53), **options)
    path = tmp_path / f"a{SUFFIXES[kind]}"
    path.write_bytes(data)
    assert check_image(path).upright_hw == (37, 53)
    assert check_image(path, decode=True).upright_hw == (37, 53)
    for keep in (0, 1, 5, 17, 60, len(data) // 4, len(data) // 2, len(data) - 40, len(data) - 2):
        path.write_bytes(data[:keep])
        with pytest.raises(BadImageError):
            check_image(path)
        with pytest.raises(BadImageError):
            check_image(path, decode=True)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("padding", [b"\0" * 512, b"\0" * 20_000, b"maker note"])
def test_bytes_behind_the_end_are_accepted(tmp_path, kind, padding):
    path = tmp_path / "a.bin"
    path.write_bytes(encoded(kind) + padding)
    assert check_image(path).upright_hw == (48, 64)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sizes_of_other_modes(kind, mode):
    buffer = io.BytesIO()
    Image.new(mode, (31, 17)).save(buffer, kind)
    header = header_of(buffer.getvalue())
    assert header.upright_hw == (17, 31)
    assert header.bit_depth == {"1": 1, "I;16": 16}.get(mode, 8) or mode == "P"


def test_bmp_that_starts_at_the_top():
    data = bytearray(encoded("BMP", (37, 53)))
    data[22:26] = struct.pack("<i", -37)
    assert header_of(bytes(data)).upright_hw == (37, 53)


def test_png_orientation_behind_the_pixels():
    data = oriented("PNG", 6)
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    last = data.index(b"IEND") - 4
    assert header_of(data[:start] + data[end:last] + data[start:end] + data[last:]).orientation == 6


def test_broken_exif_counts_as_upright():
    data = oriented("JPEG", 6)
    at = data.index(b"Exif\0\0") + 6
    assert header_of(data[:at] + b"XX" + data[at + 2 :]).orientation == 1
    assert header_of(data[: at + 4] + b"\xff\xff\xff\xff" + data[at + 8 :]).orientation == 1


@pytest.mark.parametrize("content", [b"", b"not an image\n", b"GIF89a" + bytes(90), b"RIFF\x10\0\0\0WAVEfmt "])
def test_other_content_is_refused(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(BadImageError, match=r"empty file|starts with|a GIF file"):
        check_image(path)


def test_missing_file(tmp_path):
    with pytest.raises(BadImageError, match="No such file"):
        check_image(tmp_path / "none.png")


def test_any_bytes_give_a_header_or_a_bad_image_error(tmp_path):
    """1,500 damaged files: no other exception, no endless loop, no giant read."""
    rng = np.random.default_rng(0)
    samples = [oriented(kind, 6) for kind in ORIENTED_FORMATS] + [encoded("BMP"), encoded("TIFF", big_tiff=True)]
    outcomes = set()
    path = tmp_path / "a.bin"
    for number in range(1500):
        data = bytearray(samples[number % len(samples)])
        places = rng.integers(2, min(len(data), 400), rng.integers(1, 6))
        for place in places:
            data[place] = rng.integers(0, 256)
        if number % 7 == 0:
            path.write_bytes(data)
        try:
            outcomes.add(type(check_image(path) if number % 7 == 0 else header_of(bytes(data))))
        except BadImageError:
            outcomes.add(BadImageError)
    assert outcomes == {Header, BadImageError}


def test_damage_inside_is_seen_when_decoding(tmp_path):
    data = bytearray(cv2_encoded(".png", np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)))
    data[len(data) // 2] ^= 255
    path = tmp_path / "a.png"
    path.write_bytes(data)
    assert check_image(path).upright_hw == (200, 200)
    with pytest.raises(BadImageError):
        check_image(path, decode=True)


def test_list_files_walks_folders_and_links_but_not_in_circles(tmp_path):
    for name in ("b.png", "a/c.png", "a/.hidden.png", ".cache/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"123")
    (tmp_path / "a/up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    files = list_files(tmp_path)
    assert [file.name for file in files] == ["a/c.png", "b.png", "gone.png"]
    assert [file.size for file in files] == [3, 3, 0]
    assert files[0].stem == "a/c" and files[0].suffix == ".png"
