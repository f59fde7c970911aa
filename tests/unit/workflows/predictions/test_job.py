"""What predict is asked to do from Python: values that the command line never gives."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomdet.errors import UserError
from anomdet.inference.result import Result
from anomdet.workflows.predict import predict
from anomdet.workflows.predictions.job import PredictJob
from tests.unit.inference.fake_detector import FakeDetector

PIXELS = np.full((16, 24, 3), 250, np.uint8)


@pytest.mark.parametrize(("sources", "count"), [(PIXELS, 1), (Image.fromarray(PIXELS), 1), (np.stack([PIXELS] * 3), 3)])
def test_an_array_is_one_image_and_not_its_rows(sources: Any, count: int, tmp_path: Path) -> None:
    """Each row was judged as a grey image of its own."""
    assert predict(PredictJob(FakeDetector(), sources, out=tmp_path / "out")).num_images == count


def test_numbers_of_numpy_are_written_as_any_other(tmp_path: Path) -> None:
    job = PredictJob(FakeDetector(), PIXELS, out=tmp_path, threshold=np.float32(0.5), min_score=np.float32(0.25))  # type: ignore[arg-type]
    assert predict(job).num_images == 1
    assert '"min_score": 0.25' in (tmp_path / "predict.json").read_text()


@pytest.mark.parametrize("score", ["0.5", {7: 0.5}, True, float("nan"), 50])
def test_what_is_no_score_is_refused_in_one_line(score: Any, tmp_path: Path) -> None:
    for changes in ({"threshold": score}, {"min_score": score}):
        with pytest.raises(UserError, match=r"^--.*: expected a score from 0 to 1, got"):
            predict(PredictJob(FakeDetector(), PIXELS, out=tmp_path / "out", **changes))


class AtTheEdge(FakeDetector):
    """A box that lay beside the image and was cut to it: a two-stage network's may be left without a width."""

    def _result(self, image: np.ndarray) -> Result:
        return replace(super()._result(image), bboxes_xyxy=np.array([[24, 3, 24, 9]], np.float32))


def test_labels_to_start_from_have_a_size(tmp_path: Path) -> None:
    """Training and ``convert`` refused the files that ``predict`` had written."""
    predict(PredictJob(AtTheEdge(), PIXELS, out=tmp_path / "out", save=("labels", "coco")))
    (labels,) = (tmp_path / "out/labels").iterdir()
    assert labels.read_text() == "7 23 3 1 6\n"
    (annotation,) = json.loads((tmp_path / "out/coco.json").read_text())["annotations"]
    assert annotation["bbox"] == [23.0, 3.0, 1.0, 6.0] and annotation["area"] == 6.0
