from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from anomdet.data.pipeline.steps import LoadInspectionImage
from anomdet.errors import UserError
from anomdet.images.decode import read_image
from tests.unit.images.image_samples import ORIENTED_FORMATS, QUARTERS, SUFFIXES, cv2_encoded, encoded, oriented


@pytest.mark.parametrize("kind", ORIENTED_FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_upright_as_pillow_shows_them(tmp_path, kind, orientation):
    path = tmp_path / f"a{SUFFIXES[kind]}"
    path.write_bytes(oriented(kind, orientation))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    image = read_image(path)
    np.testing.assert_array_equal(image[..., ::-1], expected)
    assert (orientation == 1) == (
        image.shape == QUARTERS.shape and np.abs(image[..., ::-1].astype(int) - QUARTERS).max() < 10
    )
    assert image.flags.c_contiguous and image.flags.writeable


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("num_channels", [1, 3, 4])
def test_sixteen_bit_is_divided_by_257(tmp_path, suffix, num_channels):
    values = np.random.default_rng(0).integers(0, 65536, (20, 30, num_channels), dtype=np.uint16)
    values[0, :2] = [[0] * num_channels, [65535] * num_channels]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(cv2_encoded(suffix, values))
    expected = np.round(values[..., :3] / 257).astype(np.uint8)
    image = read_image(path)
    np.testing.assert_array_equal(image, np.broadcast_to(expected, (20, 30, 3)))
    assert image.dtype == np.uint8


def test_sixteen_bit_turned_tiff(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (20, 30), dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "a.tif", tiffinfo={0x0112: 6})
    expected = np.rot90(np.round(values / 257).astype(np.uint8), -1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[..., 0], expected)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_alpha_is_dropped(tmp_path, suffix):
    image = np.random.default_rng(0).integers(1, 255, (20, 30, 4), dtype=np.uint8)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(cv2.imencode(suffix, image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes())
    np.testing.assert_array_equal(read_image(path), image[..., :3])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_other_modes_become_three_channels(tmp_path, mode):
    grey = np.tile(np.array([0, 255], np.uint8), (8, 8))
    Image.fromarray(grey).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.repeat(grey[..., None], 3, axis=2))


def test_grey_jpeg_equals_opencvs_own_reading(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(cv2_encoded(".jpg", np.random.default_rng(0).integers(0, 255, (33, 47), dtype=np.uint8)))
    np.testing.assert_array_equal(read_image(path), cv2.imread(str(path)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_cut_file_is_a_user_error_with_its_name(tmp_path, kind):
    path = tmp_path / "a.img"
    path.write_bytes(encoded(kind)[:-100])
    with pytest.raises(UserError, match=r"a\.img: expected a readable image, got a truncated"):
        read_image(path)


def test_missing_and_empty_and_text(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("1 2 3 4 5\n")
    for name, got in (("none.png", "No such file"), ("empty.png", "an empty file"), ("text.png", "starts with")):
        with pytest.raises(UserError, match=got):
            read_image(tmp_path / name)


def test_float_pixels_are_refused(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((20, 30), np.float32)).save(buffer, "TIFF")
    (tmp_path / "a.tif").write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match="8 and 16 bit integers"):
        read_image(tmp_path / "a.tif")


def test_transform_sets_the_keys(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(oriented("JPEG", 6))
    results = LoadInspectionImage()({"img_path": str(path)})
    assert results["img"].shape == (60, 40, 3)
    assert results["img_shape"] == results["ori_shape"] == (60, 40)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0" * 60, "zero bytes in place of an image"),
        (b"GIF89a", "a GIF file"),
        (b"\0\0\0\x20ftypavif", "an AVIF file"),
        (b"\0\0\0\x18ftypheic", "a HEIC file, as phones write them"),
        (b"\0\0\0\x18ftypisom", "a video, whose frames anomdet predict judges"),
        (b"RIFF\x10\0\0\0AVI LIST", "a video, whose frames anomdet predict judges"),
        (b"\x1aE\xdf\xa3\x01\0\0", "a video, whose frames anomdet predict judges"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "a gzip file; unpack it"),
        (b"/9j/4AAQSkZJ", "an image in Base64; decode it"),
        (b"iVBORw0KGgo", "an image in Base64; decode it"),
        (b"P6\n64 64\n255\n", "a PPM file; save it as PNG"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file"),
        (b"\xff\x4f\xff\x51\0\x2f", "a JPEG 2000 file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"<!DOCTYPE html>", "a page of HTML"),
        (b"\0\x05\x16\x07\0\2\0\0", "a file of attributes that macOS leaves"),
    ],
)
def test_what_is_no_image_is_called_what_it_is(tmp_path, start, kind):
    path = tmp_path / "a.jpg"
    path.write_bytes(start + b"\0" * 50)
    with pytest.raises(UserError, match=kind):
        read_image(path)
