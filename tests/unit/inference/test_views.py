"""Test-time augmentation: each image in all its views, in few batches, and one result in the image's own pixels."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.inference.artifact import Artifact
from anomdet.inference.detector import Detector
from anomdet.inference.postprocess import Detections, joined
from anomdet.inference.tiling import COMPARABLE
from anomdet.inference.views import merge_views
from anomdet.views import View, Views
from tests.unit.inference.test_tiled_detector import PLAIN, TILED, SpotBackend, board

ALL = Views(("horizontal", "vertical", "both"), (0.5, 1.5))


class OneEyed(SpotBackend):
    """Sees the left half alone, and notes what size it was given."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def _found(self, image, scale_wh):
        self.sizes.append(image.shape[:2])
        seen = image.copy()
        seen[:, image.shape[1] // 2 :] = 0
        return super()._found(seen, scale_wh)


def test_the_plain_view_comes_first_and_every_scale_has_all_flips():
    assert ALL.plan[:4] == (View(), View(1, "horizontal"), View(1, "vertical"), View(1, "both"))
    assert [view.scale for view in ALL.plan] == [1] * 4 + [0.5] * 4 + [1.5] * 4
    assert str(Views((), (1.25,))) == "scales 1.25 (2 passes)"


@pytest.mark.parametrize("view", ALL.plan, ids=str)
def test_a_box_found_in_one_view_comes_back_to_its_place(view):
    """Whatever the view: the object's own pixels, where the image has them."""
    size_hw, box = (50, 100), (10, 5, 31, 9)
    image = board(box, size_hw=size_hw)
    rows, columns = np.nonzero(view.mirrored(image)[..., 0])
    seen = np.float32([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]])
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    found = [nothing] * len(ALL.plan)
    found[ALL.plan.index(view)] = Detections(seen, np.float32([0.5]), np.array([0]))
    merged = merge_views(found, ALL.plan, size_hw)
    assert merged.bboxes_xyxy.tolist() == [list(box)]
    assert merged.scores == pytest.approx([(0.5 + 11 * 0.25) / 12]), "each view without it counts as half"


def test_what_only_a_mirrored_view_shows_is_found_with_a_lower_score():
    image = board((40, 10, 60, 30), size_hw=(64, 64))
    assert len(Detector(PLAIN, OneEyed())(image)) == 0
    result = Detector(replace(PLAIN, tta=Views(("horizontal",))), OneEyed())(image)
    assert result.bboxes_xyxy.tolist() == [[40, 10, 60, 30]]
    assert result.scores == pytest.approx([0.8 * 0.75])


def test_one_object_is_one_detection_with_the_weighted_mean_of_the_views_that_show_it():
    """The third view shows it with less than half of the best score: it counts as half, and does not move the box."""
    boxes = np.float32([[10, 10, 30, 30]])
    found = [
        Detections(boxes + shift, np.float32([score]), np.array([0])) for shift, score in ((0, 0.6), (1, 0.9), (9, 0.3))
    ]
    found[0] = joined([found[0], Detections(boxes + 2, np.float32([0.5]), np.array([0]))])  # a second one of a view
    merged = merge_views(found, (View(), View(2.0), View(0.5)), (64, 64))
    assert merged.bboxes_xyxy[0] == pytest.approx([10.75, 10.75, 30.75, 30.75])
    assert merged.scores[0] == pytest.approx((0.6 + 0.9 + 0.45) / 3)
    assert merged.scores[1:] == pytest.approx([(0.3 + 2 * 0.15) / 3]), "9 px away, a faint object of its own"


def test_what_lies_below_half_of_a_threshold_changes_nothing_above_it():
    """So that the network need report no more than that, and the evaluation, which has all rows, finds the same."""
    num_above, rng, plan = 0, np.random.default_rng(0), Views(("horizontal", "both"), (0.5,)).plan
    for _ in range(50):
        found = []
        for _ in plan:
            places = rng.integers(0, 4, (40, 1)) * 12.0 + rng.uniform(0, 5, (40, 2))
            boxes = np.concatenate([places, places + rng.uniform(10, 14, (40, 2))], axis=1).astype(np.float32)
            found.append(Detections(boxes, rng.uniform(0, 1, 40).astype(np.float32), rng.integers(0, 2, 40)))
        threshold = float(rng.uniform(0.2, 0.9))
        least = [rows.rows(rows.scores >= COMPARABLE * threshold) for rows in found]
        all_rows, few = (merge_views(rows, plan, (64, 64)) for rows in (found, least))
        above = [one.rows(one.scores >= threshold) for one in (all_rows, few)]
        num_above += len(above[0])
        for name in ("bboxes_xyxy", "scores", "labels"):
            assert np.array_equal(getattr(above[0], name), getattr(above[1], name))
    assert num_above > 100


def test_a_row_that_is_not_finite_stays_for_whoever_counts_it():
    odd = Detections(np.float32([[np.nan, 0, 5, 5]]), np.float32([0.9]), np.array([0]))
    whole = Detections(np.float32([[0, 0, 5, 5]]), np.float32([0.6]), np.array([0]))
    merged = merge_views([odd, whole], Views(("horizontal",)).plan, (50, 100))
    assert np.isfinite(merged.bboxes_xyxy).all(axis=1).tolist() == [True, False]


def test_nothing_in_any_view_is_nothing():
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    merged = merge_views([nothing, nothing], Views(("both",)).plan, (5, 5))
    assert merged.bboxes_xyxy.shape == (0, 4)
    assert merged.labels.dtype == np.int64


def test_objects_of_two_classes_at_one_place_stay_two():
    boxes = np.float32([[10, 10, 30, 30]])
    found = [Detections(boxes, np.float32([0.6]), np.array([label])) for label in (0, 1)]
    assert sorted(merge_views(found, (View(), View(2.0)), (64, 64)).labels.tolist()) == [0, 1]


def test_each_view_of_all_images_goes_through_the_network_at_once():
    """So a batch is as large as without views; and the cost is the number of views."""
    backend = OneEyed()
    detector = Detector(replace(PLAIN, tta=ALL), backend)
    images = [board((10, 10, 30, 30), size_hw=(64, 64)) for _ in range(3)]
    assert [len(result) for result in detector.predict_batch(images)] == [1, 1, 1]
    assert backend.batches == [3] * len(ALL.plan)
    assert [size for size in backend.sizes[::3]] == [(64, 64)] * 4 + [(32, 32)] * 4 + [(96, 96)] * 4
    assert detector.info["tta"] == {"flips": ALL.flips, "scales": ALL.scales}


def test_a_part_of_a_tile_that_only_its_mirror_image_shows_joins_the_others():
    """First the views of each tile are one, then the tiles are one: the defect lies over a corner of four."""
    image = board((80, 80, 140, 120))
    both = replace(TILED, tta=Views(("horizontal", "vertical"), (2.0,)))
    backend = SpotBackend()
    result = Detector(both, backend)(image)
    assert np.abs(result.bboxes_xyxy - [[80, 80, 140, 120]]).max() <= 2
    plain = SpotBackend()
    Detector(TILED, plain)(image)
    assert sum(backend.batches) == 6 * sum(plain.batches)


def test_a_large_file_in_strips_is_seen_in_all_views(monkeypatch, tmp_path):
    monkeypatch.setattr("anomdet.images.strips.LARGE_MEGAPIXELS", 0.0)
    monkeypatch.setattr("anomdet.images.strips._LEAST_ROWS", 32)
    path = tmp_path / "board.tif"
    image = board((300, 200, 330, 240))
    cv2.imwrite(str(path), image)
    detector = Detector(replace(TILED, tta=Views(("horizontal",), (1.5,))), SpotBackend())
    in_strips, whole = detector(path), detector(image)
    assert len(whole) == 1
    assert np.array_equal(in_strips.bboxes_xyxy, whole.bboxes_xyxy)
    assert np.array_equal(in_strips.scores, whole.scores)


@pytest.mark.parametrize(
    ("tta", "message"),
    [
        ({"flips": [], "scales": []}, "a flip or a scale"),
        ({"flips": ["diagonal"]}, "some of horizontal, vertical, both"),
        ({"flips": ["both", "both"]}, "each once"),
        ({"scales": [1.0]}, "none of them 1"),
        ({"scales": [1e9]}, "numbers from 0.25 to 4"),
        ({"scales": [0.5, 0.6, 0.7, 0.8, 0.9]}, "up to 4 numbers"),
        ({"flips": ["both"], "crops": 3}, "an unknown key"),
        ("both", "a mapping"),
    ],
)
def test_a_strangers_views_are_checked(tta, message):
    with pytest.raises(UserError, match=message):
        Artifact.from_dict({**PLAIN.to_dict(), "tta": tta})


def test_the_document_keeps_the_views():
    artifact = replace(PLAIN, tta=ALL)
    assert Artifact.from_dict(artifact.to_dict()) == artifact
    assert Artifact.from_dict({key: value for key, value in PLAIN.to_dict().items() if key != "tta"}).tta is None
