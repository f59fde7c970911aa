"""A detector that knows tiles: whole-image results in the image's own pixels, whatever the batches are."""

from dataclasses import replace

import numpy as np
import pytest

from anomdet.inference.artifact import Artifact, ModelInfo, OperatingPoint, Preprocessing
from anomdet.inference.detector import Detector
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
