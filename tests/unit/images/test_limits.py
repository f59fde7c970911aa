"""Images that are too large, or claim to be: refused by their header, with no memory taken."""

from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from anomdet.config.schema_data import DataSettings
from anomdet.data.index.files import check_image
from anomdet.data.index.scan import scan
from anomdet.errors import UserError
from anomdet.formats.dataset import Findings, Source
from anomdet.formats.masks import read as read_masks
from anomdet.images.decode import decode_image, read_image
from anomdet.images.headers import BadImageError, Header, read_header
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS, TooLargeImageError, check_size
from anomdet.quality.check.check import Rules, check_data
from tests.unit.images.image_bombs import BOMB_KINDS, bomb, png_with_side_bomb, tiff_of_two_sizes
from tests.unit.images.image_samples import cv2_encoded, encoded

SAID = r"50,000 x 50,000 pixels \(2,500 megapixels, 7\.5 GB in memory\), more than the limit of 100 megapixels"


def test_the_settings_have_the_same_default():
    assert DataSettings().max_image_megapixels == MAX_IMAGE_MEGAPIXELS


def test_the_limit_itself_is_allowed_and_one_more_row_is_not():
    check_size(Header("png", 1000, 1000), 1.0)
    with pytest.raises(TooLargeImageError):
        check_size(Header("png", 1001, 1000), 1.0)
    check_size(Header("png", 10**6, 10**6), None)


def test_the_message_has_the_upright_size_and_twice_the_memory_for_16_bit():
    header = Header("tiff", 20_000, 10_000, orientation=6, bit_depth=16)
    with pytest.raises(TooLargeImageError, match=r"20,000 x 10,000 pixels \(200 megapixels, 1\.2 GB in memory\)"):
        check_size(header, 100)


@pytest.mark.parametrize("kind", BOMB_KINDS)
def test_a_bomb_is_refused_wherever_it_is_met(tmp_path, kind):
    data = bomb(kind)
    assert len(data) < 20_000
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    path = tmp_path / f"images/big.{kind}"
    path.write_bytes(data)
    (tmp_path / "labels/big.txt").write_text("1 2 3 4 5\n")
    with pytest.raises(TooLargeImageError, match=SAID):
        decode_image(np.frombuffer(data, np.uint8))
    with pytest.raises(UserError, match=rf"big\.{kind}: expected a readable image, got {SAID}; cut it into tiles, or"):
        read_image(path)
    for decode in (False, True):
        with pytest.raises(TooLargeImageError, match=SAID):
            check_image(path, decode=decode)
        with pytest.raises(UserError, match=SAID):
            scan(tmp_path, verify_images="decode" if decode else "header")
        findings = check_data(tmp_path, Rules(decode=decode)).findings
        assert [found.code for found in findings if found.severity == "error"] == ["image-too-large"]


def test_a_jpeg_bomb_is_refused_as_cut():
    """Each block of its pixels takes two bits at least; one of 50,000 px with enough of them is no small file."""
    with pytest.raises(BadImageError, match="too few for 50000 x 50000 px"):
        decode_image(np.frombuffer(bomb("jpg"), np.uint8))
    with pytest.raises(TooLargeImageError, match=SAID):
        data = bomb("jpg")
        check_size(read_header(lambda offset, size: data[offset : offset + size], 20_000_000), 100)


def test_a_second_size_hides_nothing():
    """What the header is read as must be what a decoder would take: the first size of a TIFF, the canvas of a WebP."""
    with pytest.raises(TooLargeImageError, match=SAID):
        decode_image(np.frombuffer(tiff_of_two_sizes(), np.uint8))
    data = bomb("webp")
    at = data.index(b"VP8X")
    small = data[at : at + 12] + (63).to_bytes(3, "little") * 2
    with pytest.raises(TooLargeImageError, match=SAID):
        decode_image(np.frombuffer(data[: at + 18] + small + data[at + 18 :], np.uint8))


def test_the_setting_raises_and_lowers_the_limit(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "images/a.png").write_bytes(encoded("PNG", (100, 200)))
    (tmp_path / "labels/a.txt").write_text("1 2 3 4 5\n")
    assert read_image(tmp_path / "images/a.png", max_megapixels=0.02).shape == (100, 200, 3)
    assert len(scan(tmp_path, max_image_megapixels=0.02).records) == 1
    with pytest.raises(UserError, match=r"200 x 100 pixels .* more than the limit of 0\.019 megapixels"):
        scan(tmp_path, max_image_megapixels=0.019)
    assert not [found for found in check_data(tmp_path, Rules(max_image_megapixels=0.02)).findings if found.line == 0]
    codes = {found.code for found in check_data(tmp_path, Rules(max_image_megapixels=0.019)).findings}
    assert "image-too-large" in codes


def test_a_mask_bomb_is_told_without_the_setting_that_convert_does_not_read(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    (tmp_path / "images/a.png").write_bytes(encoded("PNG", (16, 16)))
    (tmp_path / "masks/a.png").write_bytes(bomb("png"))
    findings = Findings()
    read_masks(Source(tmp_path, None, findings))
    (problem,) = findings.problems
    assert "more than the limit" in str(problem)
    assert "data.max_image_megapixels" not in str(problem)


def test_a_large_file_is_decoded_from_its_map(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (2400, 2400, 3), dtype=np.uint8)
    path = tmp_path / "a.bmp"
    path.write_bytes(cv2_encoded(".bmp", image))
    assert path.stat().st_size > 2**24
    read = read_image(path)
    assert np.array_equal(read, image)
    assert read.flags.writeable
    assert type(read) is np.ndarray


_MEASURE = r"""
import json, re, sys
from pathlib import Path
import cv2, numpy as np
from anomdet.images.decode import decode_image, read_image
from anomdet.errors import UserError

def peak_mb():
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024

decode_image(cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1])
start, told = peak_mb(), {}
for path in sys.argv[1:]:
    try:
        read_image(path)
        result = "read"
    except UserError as error:
        result = str(error)
    told[path] = (result, peak_mb() - start)
print(json.dumps(told))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_no_memory_is_taken(tmp_path):
    """In a process of its own, whose peak is known; the last file is honest, to show that the measure sees memory."""
    paths = []
    for kind in (*BOMB_KINDS, "jpg"):
        paths.append(tmp_path / f"big.{kind}")
        paths[-1].write_bytes(bomb(kind))
    for name in (b"iCCP", b"zTXt", b"iTXt"):
        paths.append(tmp_path / f"side_{name.decode()}.png")
        paths[-1].write_bytes(png_with_side_bomb(name, 200_000_000))
    paths.append(tmp_path / "raw.bmp")  # 240 MB of a file that is all there
    with paths[-1].open("wb") as file:
        file.write(b"BM" + np.array([54 + 240_000_000, 0, 54, 40, 40_000, 2_000], "<u4").tobytes())
        file.write(np.array([1, 24], "<u2").tobytes() + bytes(24))
        file.truncate(54 + 240_000_000)
    honest = tmp_path / "honest.png"
    honest.write_bytes(cv2.imencode(".png", np.zeros((5000, 5000, 3), np.uint8))[1].tobytes())
    code = _MEASURE.replace("read_image(path)\n", "read_image(path, max_megapixels=79 if 'raw' in path else 100)\n")
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths), str(honest)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for path in paths:
        result, growth_mb = told[str(path)]
        assert growth_mb < 40, path.name
        assert "more than the limit" in result or path.suffix == ".jpg" or path.name.startswith("side_"), result
    assert told[str(honest)][0] == "read"
    assert told[str(honest)][1] > 70
