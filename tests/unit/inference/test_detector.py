"""A detector turns images into results, whatever its backend."""

from dataclasses import replace
from typing import get_type_hints

import cv2
import numpy as np
import pytest

from anomdet.defaults import NOTHING_PASSES
from anomdet.errors import UserError
from anomdet.inference.artifact import Artifact, ModelInfo, OperatingPoint, Preprocessing
from anomdet.inference.detector import Detector
from anomdet.inference.postprocess import Detections
from anomdet.inference.result import Result

PREPROCESSING = Preprocessing((64, 64), (), (), "rgb", 32)


def artifact(point=OperatingPoint("max_f1", "val", 0.5)):  # noqa: B008 (frozen)
    return Artifact(ModelInfo("toy", {"type": "Toy"}), PREPROCESSING, (7, 4), ("dent", "scratch"), point)


class FakeBackend:
    """Reports one box for each bright pixel's quarter: the score is the image's top left pixel / 255."""

    name, device = "fake", "cpu"

    def __init__(self, boxes=((1, 2, 30, 40),), labels=(0,), factors=(1.0,)):
        self.rows = (np.array(boxes, np.float32), np.array(labels, np.int64), np.array(factors, np.float32))
        self.calls = []

    def run(self, batch, min_score):
        self.calls.append((batch.images.shape, min_score))
        boxes, labels, factors = self.rows
        return [
            Detections(boxes, (image[0, 0, 0] / 255 * factors).astype(np.float32), labels) for image in batch.images
        ]


def grey(value, size_hw=(64, 64)):
    return np.full((*size_hw, 3), value, np.uint8)


def test_a_detection_at_the_operating_point_rejects():
    result = Detector(artifact(), FakeBackend(), sha256="ab")(grey(255))
    assert (result.verdict, result.part_score, result.class_names) == ("reject", 1.0, ("dent",))
    assert result.class_nums.tolist() == [7]
    assert (result.size_hw, result.threshold, result.model_sha256) == ((64, 64), 0.5, "ab")
    assert set(result.times) == {"read", "prepare", "network", "finish"}


def test_below_it_nothing_is_reported_unless_asked_for():
    backend = FakeBackend()
    detector = Detector(artifact(), backend)
    assert (detector(grey(100)).verdict, len(detector(grey(100)))) == ("accept", 0)
    low = detector(grey(100), min_score=0.0)
    assert (low.verdict, len(low)) == ("accept", 1)
    assert [floor for _, floor in backend.calls] == [0.5, 0.5, 0.0]
    high = detector(grey(200), min_score=0.9)
    assert (high.verdict, len(high)) == ("reject", 1), "what rejects a part is always in the result"


def test_a_least_score_of_numpy_is_written_as_any_other():
    """As it comes out of a loop over np.linspace."""
    low = Detector(artifact(), FakeBackend())(grey(100), min_score=np.float32(0.25))
    assert '"complete_from": 0.25' in low.to_json()


def test_a_strip_of_which_the_network_sees_a_line_is_reported():
    detector = Detector(artifact(), FakeBackend())
    (said,) = detector(grey(0, (20, 800))).warnings
    assert said.startswith("the network sees 64 x 2 px of 800 x 20, and no defect in so few")
    for size_hw in ((64, 64), (300, 900), (8, 8), (4, 64)):  # small as they are: nothing is lost
        assert not detector(grey(0, size_hw)).warnings


def test_a_threshold_for_each_class():
    point = OperatingPoint("max_f1", "val", None, {7: 0.9, 4: 0.2})
    backend = FakeBackend(boxes=[(1, 2, 3, 4), (5, 6, 7, 8)], labels=[0, 1], factors=[1.0, 0.5])
    result = Detector(artifact(point), backend)(grey(150))
    assert (result.class_names, result.verdict) == (("scratch",), "reject")
    assert backend.calls[0][1] == 0.2


def test_another_threshold_leaves_the_first_detector_as_it_is():
    detector = Detector(artifact(), FakeBackend())
    assert detector.with_threshold(0.1)(grey(100)).verdict == "reject"
    assert detector.with_threshold({7: 0.1, 4: 1}).thresholds == {7: 0.1, 4: 1.0}
    assert detector(grey(100)).verdict == "accept"


def test_a_result_is_not_judged_by_a_threshold_below_what_it_holds():
    """It would accept a part: the detections that reject it were left out."""
    detector = Detector(artifact(), FakeBackend())
    result = detector(grey(100))  # its only detection has 0.39
    assert detector.with_threshold(0.3)(grey(100)).verdict == "reject"
    for lower in (0.3, {7: 0.3, 4: 0.5}):
        with pytest.raises(UserError, match=r"expected 0\.5 or more, as the detections here, got .*min_score"):
            result.with_threshold(lower)
    assert result.with_threshold(0.6).with_threshold(0.5).verdict == "accept"
    low = detector(grey(100), min_score=0.2)
    assert low.with_threshold(0.3).verdict == "reject"
    for without in (low.above_threshold(), Result.from_dict(low.above_threshold().to_dict())):
        with pytest.raises(UserError, match="judge again"):
            without.with_threshold(0.3)
    assert Result.from_dict(low.to_dict()).with_threshold(0.3).verdict == "reject"
    unknown = replace(low, complete_from=None)
    assert unknown.above_threshold().complete_from is None
    none_of_4 = replace(low, complete_from={7: 0.2, 4: NOTHING_PASSES})
    assert none_of_4.with_threshold({7: 0.3}).verdict == "reject"
    assert "complete_from" in get_type_hints(Result)


@pytest.mark.parametrize("threshold", [-1, "0.5", {7: 0.5}, {7: 0.5, 4: None}, True, float("nan")])
def test_a_threshold_that_is_none(threshold):
    with pytest.raises(UserError, match="threshold: expected a score"):
        Detector(artifact(), FakeBackend()).with_threshold(threshold)


def test_without_an_operating_point_a_threshold_must_be_given():
    with pytest.raises(UserError, match="none was chosen in training; give a threshold"):
        Detector(artifact(None), FakeBackend())
    assert Detector(artifact(None), FakeBackend(), threshold=0.3).thresholds == 0.3


def test_results_come_in_the_order_of_the_images_and_shapes_share_batches():
    backend = FakeBackend()
    images = [grey(255), grey(200, (64, 32)), grey(180), grey(160, (30, 15))]
    results = Detector(artifact(), backend).predict_batch(images, min_score=0.0)
    assert [round(result.part_score * 255) for result in results] == [255, 200, 180, 160]
    assert [result.size_hw for result in results] == [(64, 64), (64, 32), (64, 64), (30, 15)]
    assert [shape for shape, _ in backend.calls] == [(2, 64, 64, 3), (2, 64, 32, 3)]


def test_a_coordinate_that_is_no_number_never_accepts():
    result = Detector(artifact(), FakeBackend(boxes=[(np.nan, 2, 3, 4)]))(grey(255))
    assert (result.verdict, len(result)) == ("reject", 0)
    assert "1 detections left out" in result.warnings[0]
    again = Result.from_dict(result.to_dict())
    assert [one.with_threshold(0.9).verdict for one in (result, again)] == ["reject", "reject"]
    both = replace(Detector(artifact(), FakeBackend())(grey(255)), warnings=result.warnings)
    assert both.reasons and both.with_threshold(NOTHING_PASSES).verdict == "reject"


def test_a_path_is_read_as_training_reads_it(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(cv2.imencode(".png", grey(255))[1].tobytes())
    detector = Detector(artifact(), FakeBackend())
    assert detector(path).image == detector(str(path)).image == str(path)
    assert detector(grey(255)).image is None
    path.write_bytes(b"no image")
    with pytest.raises(UserError, match="expected a readable image"):
        detector(path)


def test_what_it_says_of_itself():
    detector = Detector(artifact(), FakeBackend(), file="best.pth")
    assert detector.classes == {7: "dent", 4: "scratch"}
    assert detector.info["criterion"] == "max_f1"
    assert repr(detector) == "<Detector toy of dent, scratch; fake on cpu>"


def test_many_images_one_by_one(tmp_path):
    for number, value in enumerate([255, 10, 200]):
        (tmp_path / f"{number}.png").write_bytes(cv2.imencode(".png", grey(value))[1].tobytes())
    (tmp_path / "1.png").write_bytes(b"no image")
    detector = Detector(artifact(), FakeBackend())
    outcomes = list(detector.predict(tmp_path, batch_size=2))
    assert [outcome.verdict for outcome in outcomes] == ["reject", "failed", "reject"]
    assert [outcome.image for outcome in outcomes] == [str(tmp_path / f"{number}.png") for number in range(3)]
    (alone,) = detector.predict(grey(255))
    assert alone.verdict == "reject"
    with pytest.raises(UserError):
        next(detector.predict(tmp_path / "nothing"))


@pytest.mark.parametrize(
    "threshold", [50, 2, float("inf"), float("nan"), -1, "0.5", True, [], {7: 0.5}, {7: 0.5, 4: 3}]
)
def test_a_threshold_that_is_none_is_refused(threshold):
    """50, meant as percent, would accept every part."""
    with pytest.raises(UserError, match="threshold: expected a score"):
        Detector(artifact(), FakeBackend()).with_threshold(threshold)


def test_a_threshold_over_every_score_rejects_nothing():
    """As the evaluation chooses it where that is cheapest."""
    assert Detector(artifact(), FakeBackend()).with_threshold(1.01)(grey(255)).verdict == "accept"


def test_the_criterion_is_that_of_the_thresholds():
    detector = Detector(artifact(), FakeBackend())
    assert detector.info["criterion"] == "max_f1"
    assert detector.with_threshold(0.7).info["criterion"] is None


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, "auto", "8"])
def test_a_batch_size_that_is_none_is_refused(batch_size):
    """With -1 no image would be judged."""
    with pytest.raises(UserError, match="batch_size: expected an integer >= 1, or None"):
        Detector(artifact(), FakeBackend()).predict([grey(255)], batch_size=batch_size)


@pytest.mark.parametrize("min_score", [-1, 2, float("nan"), "0", True])
def test_a_least_score_that_is_none_is_refused(min_score):
    detector = Detector(artifact(), FakeBackend())
    for use in (detector, lambda image, **more: detector.predict([image], **more)):
        with pytest.raises(UserError, match="min_score: expected a score from 0 to 1, or None"):
            use(grey(255), min_score=min_score)


@pytest.mark.parametrize("source", [None, 5, 0.5, b"a.png", bytearray(b"x"), object()])
def test_what_is_no_source_is_refused_in_one_line(source):
    with pytest.raises(UserError, match=r"SOURCE: expected a path, .*, or several of them, got") as refused:
        Detector(artifact(), FakeBackend()).predict(source)
    assert len(str(refused.value).splitlines()) == 1


def test_an_array_of_several_images_is_several():
    """It was one that cannot be read."""
    found = list(Detector(artifact(), FakeBackend()).predict(np.stack([grey(255), grey(0)])))
    assert [result.verdict for result in found] == ["reject", "accept"]


def test_a_tensor_is_refused_in_one_line_that_says_how_to_convert_it():
    """One of 320 rows had 320 problems."""
    torch = pytest.importorskip("torch")
    detector = Detector(artifact(), FakeBackend())
    for use in (detector, detector.predict, lambda image: detector.predict([image])):
        with pytest.raises(UserError, match=r"got Tensor; channels last, 0 to 255: .*numpy\(\)$"):
            use(torch.zeros(3, 64, 64))
    with pytest.raises(UserError, match=r"got shape \(3, 64, 64\); put the channels last: image.transpose\(1, 2, 0\)"):
        detector(grey(0).transpose(2, 0, 1))


def test_one_image_is_no_list_of_images(tmp_path):
    detector = Detector(artifact(), FakeBackend())
    for image in (grey(255), grey(255)[..., 0], "a.png", tmp_path / "a.png"):
        with pytest.raises(UserError, match="images: expected a list of images, got one"):
            detector.predict_batch(image)
    assert len(detector.predict_batch(np.stack([grey(255)] * 3))) == 3


def test_an_order_of_channels_that_is_none_is_refused_for_files_too(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), grey(255))
    detector = Detector(artifact(), FakeBackend())
    for use in (detector, detector.predict, lambda image, **more: detector.predict_batch([image], **more)):
        with pytest.raises(UserError, match="channels: expected rgb or bgr, got 'gbr'"):
            use(tmp_path / "a.png", channels="gbr")


@pytest.mark.parametrize(
    ("path", "message"), [("", "'': expected a readable image"), ("a\0.png", "expected a readable image")]
)
def test_a_name_that_no_file_can_have(path, message):
    with pytest.raises(UserError, match=message):
        Detector(artifact(), FakeBackend())(path)


def test_an_array_of_names_is_several_images(tmp_path):
    """As NumPy and pandas keep them: it was one image of a wrong shape."""
    paths = [str(tmp_path / f"{name}.png") for name in "ab"]
    for path, value in zip(paths, (255, 10), strict=True):
        cv2.imwrite(path, grey(value))
    detector = Detector(artifact(), FakeBackend())
    for names in (np.array(paths), np.array(paths, dtype=object)):
        assert [result.verdict for result in detector.predict(names)] == ["reject", "accept"]
        assert [result.verdict for result in detector.predict_batch(names)] == ["reject", "accept"]


@pytest.mark.parametrize("every", [2.5, "2", None, float("nan"), 0])
def test_each_so_many_th_frame_is_a_whole_number(every):
    """Of 2.5, each fifth frame was taken."""
    with pytest.raises(UserError, match="--every: expected an integer >= 1, got"):
        Detector(artifact(), FakeBackend()).predict(grey(1), every=every)


@pytest.mark.parametrize(
    ("image", "hint"),
    [
        (b"bytes of a file", "PIL.Image.open(io.BytesIO(data))"),
        (grey(200).astype(np.float32), "bring the values to 0 to 255"),
        (grey(1).astype(np.float32) / 255, "for values from 0 to 1: (image * 255)"),
    ],
)
def test_what_is_no_image_says_how_it_becomes_one(image, hint):
    with pytest.raises(UserError) as caught:
        Detector(artifact(), FakeBackend())(image)
    assert hint in str(caught.value)
