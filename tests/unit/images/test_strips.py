"""A file in strips has the pixels of the whole file, is refused for what the whole one is refused for, and is small."""

from __future__ import annotations

import io
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from anomdet.errors import UserError
from anomdet.images import strips, tiff_rows
from anomdet.images.decode import bytes_of, decode_stored, read_image, read_noted, read_to_judge
from anomdet.images.headers import BadImageError, Header, read_header
from anomdet.images.strips import Strips, open_large, read_tiff_rows
from tests.unit.images.image_variants import Variant, all_variants

HAS_LIBVIPS = find_spec("pyvips") is not None
needs_libvips = pytest.mark.skipif(not HAS_LIBVIPS, reason="pyvips is not installed (anomdet[large])")
HEIGHT, WIDTH = 151, 203
WINDOWS = [(0, 40), (30, 70), (30, 71), (70, 71), (100, 140), (111, 151)]


@pytest.fixture(autouse=True)
def few_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_LEAST_ROWS", 16)
    monkeypatch.setattr(strips, "LARGE_MEGAPIXELS", 0.0)


def header_of(path: Path) -> Header:
    data = path.read_bytes()
    return read_header(lambda at, size: data[at : at + size], len(data))


def opened(path: Path, bit_depth: int = 16) -> Strips:
    return Strips(str(path), bytes_of(str(path)), header_of(path), bit_depth)


def readable_variants() -> list[Variant]:
    found = []
    for variant in all_variants():
        try:
            read_header(lambda at, size, data=variant.data: data[at : at + size], len(variant.data))
        except BadImageError:
            continue
        found.append(variant)
    return found


@pytest.mark.slow
def test_every_kind_of_file_has_the_pixels_of_the_whole_file(tmp_path: Path) -> None:
    variants = readable_variants()
    assert len(variants) > 250
    for number, variant in enumerate(variants):
        path = tmp_path / f"{number}{variant.suffix}"
        path.write_bytes(variant.data)
        whole = read_image(path)
        file = opened(path)
        assert file.size_hw == whole.shape[:2]
        half = whole.shape[0] // 2
        parts = [file.rows(top, bottom) for top, bottom in ((0, half), (half, whole.shape[0])) if bottom > top]
        assert np.array_equal(np.concatenate(parts), whole), variant.name


def photo(channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 16, channels), np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).reshape(HEIGHT, WIDTH, channels)


FILES = {
    "4:2:0.jpg": {"quality": 85},
    "4:2:2.jpg": {"quality": 85, "subsampling": 1},
    "4:4:4.jpg": {"quality": 85, "subsampling": 0},
    "progressive.jpg": {"quality": 85, "progressive": True},
    "restarts.jpg": {"quality": 85, "restart_marker_rows": 1},
    "rgb.png": {},
    "strips.tif": {"compression": "tiff_lzw", "tiffinfo": {278: 7}},
    "one strip.tif": {"tiffinfo": {278: HEIGHT}},
    "jpeg.tif": {"compression": "jpeg", "tiffinfo": {278: 16}},
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("is_grey", [False, True])
def test_rows_that_overlap_are_decoded_once_and_are_those_of_the_whole_file(
    name: str, is_grey: bool, tmp_path: Path
) -> None:
    path = tmp_path / name
    Image.fromarray(photo(1)[..., 0] if is_grey else photo()).save(path, **FILES[name])
    whole, file = read_image(path), opened(path)
    for top, bottom in WINDOWS:
        assert np.array_equal(file.rows(top, bottom), whole[top:bottom])


@pytest.mark.parametrize("is_installed", [pytest.param(True, marks=needs_libvips), False])
def test_a_jpeg_is_read_without_libvips_too(
    is_installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_installed:
        monkeypatch.setitem(sys.modules, "pyvips", None)
    decoded = []
    monkeypatch.setattr(strips, "decode_stored", lambda *of: decoded.append(of) or decode_stored(*of))
    path = tmp_path / "a.jpg"
    Image.fromarray(photo()).save(path)
    assert np.array_equal(opened(path).rows(0, HEIGHT), read_image(path))
    assert len(decoded) == (0 if is_installed else 1), "all rows at once"


@pytest.mark.parametrize("name", ["strips.tif", "one strip.tif"])
def test_a_tiff_is_read_in_strips_of_few_rows(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    Image.fromarray(photo()).save(path, **FILES[name])
    assert max(len(strip) for strip in opened(path)._decoded(0)[1]) <= 16 + 7


@pytest.mark.parametrize("name", ["strips.tif", "one strip.tif", "jpeg.tif", "tiles.tif"])
def test_rows_of_a_tiff_are_read_without_those_above_and_below(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    if name == "tiles.tif":
        tifffile.imwrite(path, photo(), tile=(16, 32), photometric="rgb", compression="deflate")
    else:
        Image.fromarray(photo()).save(path, **FILES[name])
    whole, heights = read_image(path), []
    decode = tiff_rows.decode_tiff
    monkeypatch.setattr(tiff_rows, "decode_tiff", lambda *of: heights.append(of[1].height) or decode(*of))
    for top, bottom in WINDOWS:
        heights.clear()
        rows = read_tiff_rows(path, top, bottom, max_megapixels=1, bit_depth=16)
        assert np.array_equal(rows, whole[top:bottom])
        assert bottom - top <= sum(heights) <= bottom - top + 3 * 16


def test_rows_are_read_of_upright_tiff_files_alone(tmp_path: Path) -> None:
    """Of another file, and where all rows are wanted, the decoder of whole files is as good."""
    for name, options in (("a.jpg", {}), ("a.png", {}), ("turned.tif", {"tiffinfo": {274: 6}}), ("a.tif", {})):
        path = tmp_path / name
        Image.fromarray(photo()).save(path, **options)
        bottom = HEIGHT if name == "a.tif" else 40
        assert read_tiff_rows(path, 0, bottom, max_megapixels=1, bit_depth=16) is None


@pytest.mark.parametrize("options", [{"rowsperstrip": HEIGHT}, {"tile": (160, 32)}])
def test_rows_of_one_compressed_piece_are_left_to_the_decoder_of_whole_files(tmp_path: Path, options: dict) -> None:
    """Its pixels can be kept; here each tile would decode all of them."""
    tifffile.imwrite(tmp_path / "a.tif", photo(), photometric="rgb", compression="deflate", **options)
    assert read_tiff_rows(tmp_path / "a.tif", 30, 70, max_megapixels=1, bit_depth=16) is None
    assert np.array_equal(opened(tmp_path / "a.tif").rows(30, 70), read_image(tmp_path / "a.tif")[30:70])


def test_a_turned_image_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    for suffix in (".jpg", ".tif"):
        path = tmp_path / f"turned{suffix}"
        Image.fromarray(photo()).save(path, exif=exif, **({"tiffinfo": {274: 6}} if suffix == ".tif" else {}))
        file = opened(path)
        assert file.size_hw == (WIDTH, HEIGHT)
        assert np.array_equal(file.rows(0, WIDTH), read_image(path))


def test_clipped_values_are_reported_as_of_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "deep.tif"
    values = np.linspace(0, 5000, HEIGHT * WIDTH).astype(np.uint16).reshape(HEIGHT, WIDTH)
    Image.fromarray(values).save(path, tiffinfo={278: 10})
    whole, note = read_noted(path, bit_depth=12)
    file = opened(path, bit_depth=12)
    assert np.array_equal(file.rows(0, HEIGHT), whole)
    assert file.note == file.note_to_judge == note != ""


def blank_photo() -> np.ndarray:
    pixels = photo()
    pixels[100:] = 128  # so that a file that ends early looks like a whole one
    return pixels


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_damaged_file_is_one_error_whole_and_in_strips(suffix: str, tmp_path: Path) -> None:
    """Bytes are cut out of the middle of the pixels, and the end marker is kept."""
    buffer = io.BytesIO()
    Image.fromarray(blank_photo()).save(buffer, {".jpg": "JPEG", ".png": "PNG"}[suffix])
    data = buffer.getvalue()
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(data[: len(data) // 2] + data[-400:])
    for read in (lambda: read_image(path), lambda: open_large(path).rows(0, HEIGHT)):  # type: ignore[union-attr]
        with pytest.raises(UserError, match="expected a readable image"):
            read()


def test_a_small_image_is_not_opened_and_a_larger_one_than_allowed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(photo()).save(path)
    assert open_large(path) is not None
    with pytest.raises(UserError, match="more than the limit"):
        open_large(path, max_megapixels=0.01)
    with pytest.raises(UserError, match="expected a readable image, got No such file"):
        open_large(tmp_path / "none.jpg")
    monkeypatch.setattr(strips, "LARGE_MEGAPIXELS", 1.0)
    assert open_large(path) is None


def test_a_large_image_of_12_bits_in_16_is_reported(tmp_path: Path) -> None:
    """As of one that is decoded at once: see images.decode.misfit."""
    path = str(tmp_path / "a.png")
    cv2.imwrite(path, np.full((300, 20), 4095, np.uint16))
    file = opened(Path(path), bit_depth=16)
    file.rows(0, 300)
    assert "of a camera of 12 bits" in file.note_to_judge and file.note == ""


def test_bytes_left_over_behind_the_pixels_of_a_large_jpeg_are_reported(tmp_path: Path) -> None:
    """As of one that is decoded at once; more of them, and those that are missing, are refused."""
    buffer, path = io.BytesIO(), tmp_path / "a.jpg"
    Image.fromarray(photo()).save(buffer, "JPEG")
    data = buffer.getvalue()
    path.write_bytes(data[:-2] + b"\x12\x34\x56" + data[-2:])
    file = opened(path)
    for top in range(0, HEIGHT, 100):
        file.rows(top, min(top + 100, HEIGHT))
    assert file.note_to_judge == read_to_judge(path)[1] != ""
    path.write_bytes(data[:-2] + bytes(range(100)) + data[-2:])
    with pytest.raises(UserError, match="bytes are left over"):
        opened(path).rows(0, HEIGHT)
