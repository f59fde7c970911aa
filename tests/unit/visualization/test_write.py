from __future__ import annotations

import cv2
import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.visualization.write import write_image


@pytest.mark.parametrize("name", ["a.png", "Prüfling 凹み.PNG", "new/folder/a.bmp", "a.tif"])
def test_written_as_it_is(tmp_path, name):
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    write_image(tmp_path / name, image)
    data = np.frombuffer((tmp_path / name).read_bytes(), dtype=np.uint8)
    assert np.array_equal(cv2.imdecode(data, cv2.IMREAD_COLOR), image)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [(tmp_path / name).name]


def test_an_unknown_extension_names_the_known(tmp_path):
    with pytest.raises(UserError, match=r"\.png, \.jpg.*got \.gifx"):
        write_image(tmp_path / "a.gifx", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UserError, match="no extension"):
        write_image(tmp_path / "a", np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize(
    ("name", "size_hw", "written"),
    [
        ("a.jpg", (1, 70_000), (1, 65_500)),
        ("a.jpeg", (131_000, 20), (65_500, 10)),
        ("a.webp", (40, 16_383), (40, 16_383)),
    ],
)
def test_too_large_for_the_format(tmp_path, name, size_hw, written):
    """A line camera's: `predict --save pictures` ended at the first such image."""
    image = np.full((*size_hw, 3), 77, np.uint8)
    write_image(tmp_path / name, image)
    found = cv2.imread(str(tmp_path / name))
    assert found.shape[:2] == written and abs(int(found.mean()) - 77) <= 2


def test_what_cannot_be_encoded_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "imencode", lambda *_: (False, None))
    with pytest.raises(UserError, match="7 x 1"):
        write_image(tmp_path / "a.jpg", np.zeros((1, 7, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_picture(tmp_path, monkeypatch):
    image = np.zeros((4, 4, 3), np.uint8)
    write_image(tmp_path / "a.png", image)
    before = (tmp_path / "a.png").read_bytes()

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_image(tmp_path / "a.png", image + 1)
    assert (tmp_path / "a.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
