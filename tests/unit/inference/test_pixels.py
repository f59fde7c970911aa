"""Arrays and PIL images become the pixels that the decoder of files gives."""

import cv2
import numpy as np
import PIL.Image
import pytest

from anomdet.errors import UserError
from anomdet.images.decode import read_image
from anomdet.inference.pixels import to_bgr8

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
RGB16 = RNG.integers(0, 65536, (20, 30, 3), dtype=np.uint16)
GREY16 = RGB16[..., 0]


def from_file(pixels_bgr, tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(cv2.imencode(".png", pixels_bgr)[1].tobytes())
    return read_image(path)


@pytest.mark.parametrize("rgb", [RGB, RGB[..., 0], RGB16, GREY16, np.dstack([RGB, RGB[..., :1]])])
def test_as_from_a_png(rgb, tmp_path):
    bgr = rgb if rgb.ndim == 2 else cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR if rgb.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
    expected = from_file(bgr, tmp_path)
    for pixels, channels in ((rgb, "rgb"), (bgr, "bgr")):
        found, warnings = to_bgr8(pixels, channels)
        np.testing.assert_array_equal(found, expected)
        assert found.flags.c_contiguous
        assert warnings == ()


@pytest.mark.parametrize(
    "image",
    [
        PIL.Image.fromarray(RGB),
        PIL.Image.fromarray(RGB[..., 0]),
        PIL.Image.fromarray(GREY16),
        PIL.Image.fromarray(RGB).convert("RGBA"),
        PIL.Image.fromarray(RGB).convert("P"),
        PIL.Image.fromarray(RGB[..., 0]).convert("1"),
    ],
)
def test_pil_as_from_its_png(image, tmp_path):
    path = tmp_path / "x.png"
    image.save(path)
    found, _ = to_bgr8(image, "bgr")  # a PIL image says its order itself
    np.testing.assert_array_equal(found, read_image(path))


def test_pil_is_turned_upright_and_says_so(tmp_path):
    path = tmp_path / "x.jpg"
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(RGB).save(path, exif=exif, quality=100)
    with PIL.Image.open(path) as image:
        found, warnings = to_bgr8(image)
    assert found.shape == (30, 20, 3) == read_image(path).shape
    assert "orientation 6" in warnings[0]


def test_a_pil_image_whose_file_is_cut(tmp_path):
    """PIL reads the pixels only when they are asked for; an error of its own would end a whole job."""
    path = tmp_path / "x.jpg"
    PIL.Image.fromarray(RGB).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with (
        PIL.Image.open(path) as image,
        pytest.raises(UserError, match=r"whose pixels can be read, got .*trunc"),
    ):
        to_bgr8(image)


def test_a_pil_image_whose_file_is_closed(tmp_path):
    PIL.Image.fromarray(RGB).save(tmp_path / "x.png")
    with PIL.Image.open(tmp_path / "x.png") as image:
        pass
    with pytest.raises(UserError, match=r"got one whose file is closed; call image.load\(\)"):
        to_bgr8(image)


def test_a_wide_pil_image_becomes_one_as_the_message_says():
    """convert("L"), as it said before, makes all white from 255 on."""
    image = PIL.Image.fromarray(GREY16.astype(np.int32))
    with pytest.raises(UserError, match=r"mode I; for 16 bit: np.asarray\(image\).astype\(np.uint16\)"):
        to_bgr8(image)
    np.testing.assert_array_equal(to_bgr8(np.asarray(image).astype(np.uint16))[0], to_bgr8(GREY16)[0])


def test_views_and_other_byte_orders():
    view = RGB[::2, ::-1]
    np.testing.assert_array_equal(to_bgr8(view)[0], to_bgr8(view.copy())[0])
    np.testing.assert_array_equal(to_bgr8(GREY16.astype(">u2"))[0], to_bgr8(GREY16)[0])
    np.testing.assert_array_equal(to_bgr8(RGB[..., :1])[0], to_bgr8(RGB[..., 0])[0])


@pytest.mark.parametrize(
    ("image", "channels", "message"),
    [
        (RGB.astype(np.float32) / 255, "rgb", r"expected an array .*, got float32; .*\* 255"),
        (RGB.astype(np.int64), "rgb", "got int64"),
        (RGB > 5, "rgb", "got bool"),
        (RGB[None], "rgb", r"got shape \(1, 20, 30, 3\)"),
        (RGB[..., :2], "rgb", r"got shape \(20, 30, 2\)"),
        (RGB[:0], "rgb", r"got shape \(0, 30, 3\)"),
        (RGB.tolist(), "rgb", "got list; several images go to predict or predict_batch"),
        ((True, RGB), "rgb", "got tuple; several images go to predict or predict_batch"),
        (RGB[None], "rgb", "several images go to predict or predict_batch"),
        (None, "rgb", "got NoneType; cv2.imread gives None for a file that is not there"),
        (cv2.UMat(RGB), "rgb", "got UMat; call image.get()"),
        (RGB, "gbr", "channels: expected rgb or bgr, got 'gbr'"),
        (PIL.Image.fromarray(RGB[..., 0].astype(np.float32)), "rgb", "got mode F"),
    ],
)
def test_what_is_no_image(image, channels, message):
    with pytest.raises(UserError, match=message):
        to_bgr8(image, channels)
