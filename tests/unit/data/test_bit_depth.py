"""Cameras of 10, 12 and 14 bits in files of 16: how many bits a data set uses, and pixels that go by it."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import pytest

from anomdet.data.bit_depth import BitsUsed, bits_used
from anomdet.data.index.scan import scan
from anomdet.data.pipeline.steps import LoadInspectionImage
from anomdet.errors import UserError
from anomdet.images import decode
from anomdet.images.decode import largest_value, read_image
from anomdet.inference.item import read_file
from anomdet.inference.pixels import to_bgr8
from tests.unit.images.image_variants import base_tags, tiff_of

SIZE = (40, 60)


def write_images(folder, largest: list[int], suffix: str = ".png") -> list[str]:
    """Noise of 16 bit, one image for each largest value."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    names = []
    for at, value in enumerate(largest):
        image = rng.integers(0, value + 1, SIZE).astype(np.uint16)
        image[3, 4] = value
        names.append(f"{at:03}{suffix}")
        assert cv2.imwrite(str(folder / names[-1]), image)
    return names


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    ("largest", "bits"),
    [(0, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16383, 14), (16384, 16)],
)
def test_the_fewest_bits_that_hold_the_largest_value(tmp_path, suffix, largest, bits):
    names = write_images(tmp_path, [0, largest, min(largest, 7)], suffix)
    assert bits_used(tmp_path, names) == BitsUsed(bits, largest, 3, 3)


def test_no_image_of_16_bit_uses_all_of_them(tmp_path):
    assert bits_used(tmp_path, []) == BitsUsed(16, 0, 0, 0)
    assert not bits_used(tmp_path, []).sentence()


def test_64_images_are_read_evenly_or_all(tmp_path):
    names = write_images(tmp_path, [100] * 300)
    write_images(tmp_path, [100] * 299 + [4000])
    assert bits_used(tmp_path, names) == BitsUsed(12, 4000, 64, 300), "the last is among them"
    write_images(tmp_path, [100] * 150 + [4000] + [100] * 149)
    assert bits_used(tmp_path, names).num_read == 64
    assert bits_used(tmp_path, names, read_all=True) == BitsUsed(12, 4000, 300, 300)


def test_nothing_more_is_read_once_all_bits_are_in_use(tmp_path):
    names = write_images(tmp_path, [65535] + [100] * 99)
    assert bits_used(tmp_path, names).num_read == 8


def test_what_cannot_be_read_is_left_out(tmp_path):
    names = write_images(tmp_path, [100, 4095, 200])
    (tmp_path / names[0]).write_bytes(b"hello")
    assert bits_used(tmp_path, [*names, "none.png"]) == BitsUsed(12, 4095, 2, 4)


def test_only_images_of_16_bit_are_asked_for(make_data):
    data_dir = make_data({"a.png": "1 1 1 5 5", "b.png": "", "c.png": ""})
    write_images(data_dir / "images", [4095])
    (data_dir / "images/000.png").rename(data_dir / "images/b.png")
    index = scan(data_dir)
    assert index.columns.bit_depths.tolist() == [8, 16, 8]
    assert [record.bit_depth for record in index.records] == [8, 16, 8]
    assert index.records[1].bit_depth == 16


@pytest.mark.parametrize("bit_depth", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_values_are_scaled_by_the_bits_and_never_wrap(tmp_path, bit_depth, suffix):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), values)
    expected = np.minimum(np.floor(values / ((1 << bit_depth) - 1) * 255 + 0.5), 255)
    found = read_image(tmp_path / f"a{suffix}", bit_depth=bit_depth)
    np.testing.assert_array_equal(found, np.repeat(expected[..., None], 3, axis=2))
    from_array, warnings = to_bgr8(values, bit_depth=bit_depth)
    np.testing.assert_array_equal(from_array, found)
    assert bool(warnings) == (bit_depth < 16)


def test_a_larger_value_is_reported_once_for_each_process(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(decode, "_WARNED_DEPTHS", set())
    names = write_images(tmp_path, [4095, 4096, 5000])
    with caplog.at_level(logging.WARNING, logger="anomdet"):
        for name in names:
            read_image(tmp_path / name, bit_depth=12)
    (record,) = caplog.records
    said = f"{tmp_path / names[1]}: values up to 4,096 were clipped to 4,095, since data.bit_depth is 12"
    assert record.getMessage() == f"{said}; further images are not reported"


def test_12_bits_before_a_detector_of_16_are_reported(tmp_path, caplog, monkeypatch):
    """It sees a black part, on which it finds no defect; a training looks at all images, and says it otherwise."""
    monkeypatch.setattr(decode, "_WARNED_DEPTHS", set())
    dark, bright = write_images(tmp_path, [4095, 4096])
    with caplog.at_level(logging.WARNING, logger="anomdet"):
        read_image(tmp_path / dark)
        found = [read_file(str(tmp_path / name)) for name in (bright, dark, dark)]
    assert isinstance(found[0], np.ndarray) and not caplog.records
    for noted in found[1:]:  # each of them: a line of results is read alone
        assert noted.note.startswith("values up to 4,095 of 65,535, as of a camera of 12 bits")
    _, (warning,) = to_bgr8(np.full((4, 4), 4095, np.uint16))
    assert "nearly black" in warning
    assert not to_bgr8(np.full((4, 4), 4095, np.uint16), bit_depth=12)[1]
    assert not to_bgr8(np.full((4, 4), 4096, np.uint16))[1]


def test_packed_12_bit_says_its_bits_itself(tmp_path):
    """Whatever the bits of files of 16 are."""
    values = np.full((37, 53), 4095, np.uint16)
    packed = np.full(37 * 80, 255, np.uint8).tobytes()
    (tmp_path / "a.tif").write_bytes(tiff_of(base_tags(12, 1, 1), packed))
    for bit_depth in (8, 12, 16):
        assert (read_image(tmp_path / "a.tif", bit_depth=bit_depth) == 255).all()
    assert largest_value(np.fromfile(tmp_path / "a.tif", np.uint8)) == values.max()


def test_white_is_zero_is_inverted_within_the_bits(tmp_path):
    values = np.array([[0, 4095], [2048, 1]], np.uint16)
    tags = {**base_tags(16, 1, 0), 256: (4, [2]), 257: (4, [2]), 278: (4, [2])}
    (tmp_path / "a.tif").write_bytes(tiff_of(tags, values.astype("<u2").tobytes()))
    assert read_image(tmp_path / "a.tif", bit_depth=12)[..., 0].tolist() == [[255, 0], [127, 255]]


def test_the_transform_takes_a_number(tmp_path):
    names = write_images(tmp_path, [4095])
    path = str(tmp_path / names[0])
    assert LoadInspectionImage(bit_depth=12)({"img_path": path})["img"].max() == 255
    assert LoadInspectionImage()({"img_path": path})["img"].max() == 16
    with pytest.raises(UserError, match="one of 8, 10, 12, 14, 16 in a config that is built, got 'auto'"):
        LoadInspectionImage(bit_depth="auto")
