"""An evaluation beside a review: the official metrics stay, those without suspected labels stand beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.evaluation.operating_point import given
from anomdet.evaluation.results import only_images
from anomdet.evaluation.summary import Measured, measure
from anomdet.evaluation.tables import format_table
from anomdet.report.headline import without_suspected
from anomdet.workflows.evaluations.suspected import with_suspected_labels
from tests.unit.quality.review.synthetic import detections

RESULTS = detections(40, seed=3)
SUSPECTED = [3, 8, 21]


def write_review(folder: Path, images: list[str], ats: list[int], **more: Any) -> Path:
    """A review that suspects the first label of some images."""
    gt, suspects = RESULTS.gt, []
    for at in ats:
        row = int(np.searchsorted(gt.image, at))
        label = {
            "class_num": int(RESULTS.class_nums[gt.label[row]]),
            "bbox_xywh": np.round(gt.bboxes_xywh[row], 3).tolist(),
        }
        suspects.append({
            "id": len(suspects), "image": RESULTS.file_names[at], "kind": "class", "probability": 0.8,
            "remove": [label], "add": [],
        })  # fmt: skip
    path = folder / "review.json"
    path.write_text(json.dumps({"version": 1, "review": "x", "images": images, "suspects": suspects, **more}))
    return path


def measured() -> Measured:
    return measure(RESULTS, given(0.3, RESULTS.class_nums), iou_thresholds=[0.5])


def test_metrics_without_suspected_labels_are_those_of_the_other_images(tmp_path: Path) -> None:
    official = measured()
    found = with_suspected_labels(official, write_review(tmp_path, RESULTS.file_names, SUSPECTED)).metrics
    assert {key: found[key] for key in official.metrics if key != "notes"} == {
        key: value for key, value in official.metrics.items() if key != "notes"
    }, "the official metrics stay"
    kept = ~np.isin(np.arange(40), SUSPECTED)
    oracle = measure(only_images(RESULTS, kept), official.point, iou_thresholds=[0.5]).metrics
    numbers = found["suspected_labels"]
    for key in ("mAP", "mAP_50", "precision", "recall", "f1_score", "num_images", "num_gt", "part_level"):
        assert numbers["without"][key] == oracle[key]
    assert numbers["without"]["num_images"] == 37
    assert numbers["expected_errors"] == pytest.approx(2.4)
    assert numbers["share"] == pytest.approx(2.4 / len(RESULTS.gt), abs=1e-5)
    assert "note: suspected labels: about 2.4 wrong or missing labels expected" in format_table(found)
    assert "the official metrics are those of all images" in format_table(found)
    table = without_suspected(found)
    assert table is not None
    assert [column.label for column in table.columns] == ["Measure", "Official", "Without suspected labels"]
    assert len(table.rows) > 5
    assert without_suspected(official.metrics) is None


def test_a_part_is_left_out_with_all_of_its_images(tmp_path: Path) -> None:
    pairs = replace(RESULTS, parts=[str(at // 2) for at in range(40)])
    two = measure(pairs, given(0.3, RESULTS.class_nums))
    found = with_suspected_labels(two, write_review(tmp_path, RESULTS.file_names, SUSPECTED)).metrics
    assert found["suspected_labels"]["without"]["num_images"] == 40 - 6


def test_only_images_keeps_what_belongs_to_them() -> None:
    kept = np.arange(40) % 3 == 1
    part = only_images(RESULTS, kept)
    assert part.file_names == [name for name, stays in zip(RESULTS.file_names, kept, strict=True) if stays]
    for boxes, all_boxes in ((part.gt, RESULTS.gt), (part.pred, RESULTS.pred)):
        whole = all_boxes.bboxes_xywh[kept[all_boxes.image]]
        np.testing.assert_array_equal(boxes.bboxes_xywh, whole)
        names = [RESULTS.file_names[at] for at in all_boxes.image[kept[all_boxes.image]].tolist()]
        assert [part.file_names[at] for at in boxes.image.tolist()] == names


def test_without_a_likely_error_no_metrics_are_repeated(tmp_path: Path) -> None:
    found = with_suspected_labels(measured(), write_review(tmp_path, RESULTS.file_names, [])).metrics
    assert "without" not in found["suspected_labels"] and found["suspected_labels"]["share"] == 0


def test_where_every_image_is_suspected_none_are_left_to_measure(tmp_path: Path) -> None:
    labelled = np.unique(RESULTS.gt.image).tolist()
    some = measure(only_images(RESULTS, np.isin(np.arange(40), labelled)), given(0.3, RESULTS.class_nums))
    found = with_suspected_labels(some, write_review(tmp_path, RESULTS.file_names, labelled)).metrics
    assert found["suspected_labels"]["without"] is None


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"images": ["x.png"]}, "expected a review of these 40 images"),
        ({"images": None}, r"review.json: images: expected"),
        ({"suspects": [{"id": 0}]}, r"suspects\[0\].image: expected a value"),
        ({"version": 2}, "version: expected an integer from 1 to 1"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, written: dict[str, Any], message: str) -> None:
    path = write_review(tmp_path, RESULTS.file_names, [])
    path.write_text(json.dumps({**json.loads(path.read_text()), **written}))
    with pytest.raises(UserError, match=message):
        with_suspected_labels(measured(), path)
