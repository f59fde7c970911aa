"""A detector that knows tiles: whole-image results in the image's own pixels, whatever the batches are."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.inference.artifact import Artifact, ModelInfo, OperatingPoint, Preprocessing
from anomdet.inference.detector import Detector
from anomdet.inference.outcome import FailedImage
from anomdet.inference.postprocess import Detections
from anomdet.inference.preprocess import PreparedTiles
from anomdet.inference.tiling import COMPARABLE, Tiling

PLAIN = Artifact(
    ModelInfo("toy", {"type": "Toy"}),
    Preprocessing((64, 64), (), (), "rgb", 32),
    (7, 4),
    ("dent", "scratch"),
    OperatingPoint("max_f1", "val", 0.5),
)
TILED = replace(PLAIN, tiles=Tiling((128, 128), (32, 32)))


class SpotBackend:
    """Finds what is brighter than 100: the box around it, scored by its brightest pixel; sees tiles at half size."""

    name, device = "spot", "cpu"

    def __init__(self):
        self.batches, self.floors = [], []

    def run(self, batch, min_score):
        self.batches.append(len(batch.images))
        self.floors.append(min_score)
        return [self._found(image, scale) for image, scale in zip(batch.images, batch.scales_wh, strict=True)]

    def _found(self, image, scale_wh):
        rows, columns = np.nonzero(image[..., 0] > 100)
        if not len(rows):
            return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
        box = np.float32([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]) / np.tile(scale_wh, 2)
        return Detections(box.astype(np.float32), np.float32([image.max() / 255]), np.array([0]))


def board(*boxes, size_hw=(300, 400)):
    image = np.zeros((*size_hw, 3), np.uint8)
    for x1, y1, x2, y2 in boxes:
        image[y1:y2, x1:x2] = 204
    return image


def test_a_defect_over_a_corner_of_tiles_is_one_in_the_pixels_of_the_image():
    result = Detector(TILED, SpotBackend())(board((80, 80, 140, 120)))
    assert result.size_hw == (300, 400)
    assert (result.verdict, result.class_names) == ("reject", ("dent",))
    assert np.abs(result.bboxes_xyxy - [[80, 80, 140, 120]]).max() <= 2
    assert result.part_score == pytest.approx(0.8, abs=0.01)
    assert set(result.times) == {"read", "prepare", "network", "finish"}


def test_tiles_of_several_images_share_batches_and_each_image_gets_its_own():
    backend = SpotBackend()
    detector = Detector(TILED, backend)
    images = [board((10, 10, 30, 30)), board(), board((350, 250, 390, 290)), board(size_hw=(100, 100))]
    results = detector.predict_batch(images)
    assert [len(result) for result in results] == [1, 0, 1, 0]
    assert sum(backend.batches) == 3 * 12 + 1
    assert max(backend.batches) == 8
    assert sum(batch < 8 for batch in backend.batches) == 1, "only the last batch is not full"
    alone = [detector(image) for image in images]
    for one, other in zip(results, alone, strict=True):
        assert np.array_equal(one.bboxes_xyxy, other.bboxes_xyxy)


def test_the_network_reports_as_much_below_the_threshold_as_the_merging_looks_at():
    backend = SpotBackend()
    Detector(TILED, backend)(board())
    Detector(PLAIN, backend)(board())
    assert backend.floors[0] == 0.5 * COMPARABLE
    assert backend.floors[-1] == 0.5


def test_an_image_no_larger_than_a_tile_gives_what_the_untiled_detector_gives():
    image = board((20, 30, 60, 50), size_hw=(90, 120))
    tiled, plain = (Detector(artifact, SpotBackend())(image) for artifact in (TILED, PLAIN))
    assert np.array_equal(tiled.bboxes_xyxy, plain.bboxes_xyxy)
    assert np.array_equal(tiled.scores, plain.scores)


def test_a_tile_as_large_as_the_network_sees_it_is_not_copied():
    detector = Detector(replace(PLAIN, tiles=Tiling((64, 64), (16, 16))), SpotBackend())
    image = board()
    prepared = detector.prepare(image, channels="bgr")
    assert isinstance(prepared, PreparedTiles)
    assert len(prepared.tiles) == len(prepared.windows) > 1
    assert all(np.shares_memory(tile.pixels, prepared.tiles[0].pixels.base) for tile in prepared.tiles)


def test_the_document_of_a_file_keeps_the_tiles():
    assert Artifact.from_dict(TILED.to_dict()) == TILED
    assert Detector(TILED, SpotBackend()).info["tiles"] == {
        "size_hw": (128, 128),
        "overlap_hw": (32, 32),
        "include_whole": False,
    }


def test_the_batch_that_was_asked_for_is_of_tiles():
    """12 tiles an image; images are read in numbers that fill it."""
    backend = SpotBackend()
    images = [board((10, 10, 30, 30)) for _ in range(4)]
    assert len(list(Detector(TILED, backend).predict(iter(images), batch_size=6))) == 4
    assert set(backend.batches) == {6} and sum(backend.batches) == 4 * 12
    backend.batches.clear()
    assert len(list(Detector(TILED, backend).predict(iter(images), batch_size=24))) == 4
    assert backend.batches == [24, 24]


def test_too_many_tiles_for_the_memory_are_halved_down_to_one():
    class SmallBackend(SpotBackend):
        def run(self, batch, min_score):
            if len(batch.images) > 2:
                raise MemoryError
            return super().run(batch, min_score)

    backend = SmallBackend()
    results = list(Detector(TILED, backend).predict(iter([board((10, 10, 30, 30))]), batch_size=8))
    assert [len(result) for result in results] == [1]
    assert max(backend.batches) == 2 and sum(backend.batches) == 12


@pytest.fixture
def every_file_is_large(monkeypatch):
    monkeypatch.setattr("anomdet.images.strips.LARGE_MEGAPIXELS", 0.0)
    monkeypatch.setattr("anomdet.images.strips._LEAST_ROWS", 32)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
def test_a_large_file_gives_what_its_pixels_give(every_file_is_large, suffix, tmp_path):
    image = board((10, 10, 30, 30), (80, 80, 140, 120), (350, 250, 390, 290))
    path = tmp_path / f"large{suffix}"
    cv2.imwrite(str(path), image)
    backend = SpotBackend()
    detector = Detector(TILED, backend)
    whole, found = detector(cv2.imread(str(path)), channels="bgr"), detector(path)
    assert np.array_equal(found.bboxes_xyxy, whole.bboxes_xyxy) and np.array_equal(found.scores, whole.scores)
    assert found.image == str(path) and found.size_hw == (300, 400)
    assert backend.batches[-3:] == [4, 4, 4], "one row of tiles after the other"
    assert found.times["read"] > 0 and found.times["prepare"] > 0
    other = path.with_stem("other")
    shutil.copy(path, other)
    streamed = list(detector.predict([path, other]))
    assert [one.image for one in streamed] == [str(path), str(other)]
    assert all(np.array_equal(one.bboxes_xyxy, whole.bboxes_xyxy) for one in streamed)


def test_a_large_file_that_ends_early_fails_alone(every_file_is_large, tmp_path):
    good, bad, other = (tmp_path / f"{name}.jpg" for name in ("a", "b", "c"))
    image = board((10, 10, 30, 30))
    image[40:200] = np.random.default_rng(0).integers(0, 90, (160, 400, 3))
    cv2.imwrite(str(good), image)
    data = good.read_bytes()
    bad.write_bytes(data[: len(data) * 2 // 3] + b"\xff\xd9")
    detector = Detector(TILED, SpotBackend())
    shutil.copy(good, other)
    first, failed, last = detector.predict([good, bad, other])
    assert len(first) == len(last) == 1
    assert isinstance(failed, FailedImage) and failed.image == str(bad) and "jpeg" in failed.error.lower()
    with pytest.raises(UserError, match="expected a readable image"):
        detector(bad)


def test_a_memory_that_is_full_in_the_middle_of_a_large_file_is_no_end(every_file_is_large, tmp_path):
    class FullOnce(SpotBackend):
        def run(self, batch, min_score):
            if len(self.batches) == 1 and len(batch.images) > 2:  # in the second row of tiles
                raise MemoryError
            return super().run(batch, min_score)

    path = tmp_path / "large.tif"
    cv2.imwrite(str(path), board((10, 10, 30, 30), (350, 250, 390, 290)))
    backend = FullOnce()
    (found,) = Detector(TILED, backend).predict([path], batch_size=4)
    assert len(found) == 2 and backend.batches == [4, 2, 2, 2, 2, 2, 2]


def test_what_needs_the_whole_image_reads_it_whole():
    assert Detector(TILED, SpotBackend()).reading.in_strips
    assert not Detector(PLAIN, SpotBackend()).reading.in_strips
    with_whole = replace(PLAIN, tiles=Tiling((128, 128), (32, 32), include_whole=True))
    assert not Detector(with_whole, SpotBackend()).reading.in_strips


@pytest.mark.parametrize("in_strips", [False, True])
def test_a_foreign_detector_cannot_ask_for_half_a_million_tiles(in_strips, tmp_path, monkeypatch):
    """An overlap of all but a pixel is one that a file may state; small images still have few tiles."""
    if in_strips:
        monkeypatch.setattr("anomdet.images.strips.LARGE_MEGAPIXELS", 0.0)
    hostile = Detector(replace(PLAIN, tiles=Tiling((128, 128), (127, 127))), SpotBackend())
    cv2.imwrite(str(tmp_path / "a.png"), board(size_hw=(300, 400)))
    (failed,) = hostile.predict([tmp_path / "a.png"])
    assert isinstance(failed, FailedImage)
    assert "47,229 tiles of an image of 400 x 300 px" in failed.error
    with pytest.raises(UserError, match="expected at most 10,000 of this image"):
        hostile(board(size_hw=(300, 400)))
    assert not hostile(board(size_hw=(130, 130))).warnings
