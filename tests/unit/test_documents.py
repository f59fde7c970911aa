"""The files between the rooms: what is written is read back, and what a stranger wrote is refused in clear words."""

from __future__ import annotations

import copy
import json

import pytest

from anomdet.documents import VERSION, read_details, read_metrics
from anomdet.errors import UserError
from anomdet.evaluation.files import write_measured
from anomdet.evaluation.operating_point import Criterion
from anomdet.evaluation.summary import measure
from tests.unit.evaluation.cases import RANDOM_CASES, Case, results_of


@pytest.mark.parametrize("case", RANDOM_CASES, ids=lambda case: f"seed {case.seed}")
def test_what_an_evaluation_writes_is_read_back(case, tmp_path):
    measured = measure(results_of(case), Criterion(per_class=bool(case.seed % 2)), iou_thresholds=[0.33])
    write_measured(tmp_path, measured)
    assert read_metrics(tmp_path) == dict(measured.metrics)
    assert read_metrics(tmp_path)["version"] == read_details(tmp_path)["version"] == VERSION


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """metrics.json and details.json of one evaluation, as values."""
    folder = tmp_path_factory.mktemp("sound")
    write_measured(folder, measure(results_of(Case(0)), Criterion()))
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in ("metrics", "details")}


def spoilt(sound, tmp_path, name, *places, value=None):
    """A copy of a document with one value put in, or taken out."""
    content = copy.deepcopy(sound[name])
    node = content
    for place in places[:-1]:
        node = node[place]
    if value is None:
        del node[places[-1]]
    else:
        node[places[-1]] = value
    (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("places", "value", "message"),
    [
        (["version"], 2, "version: expected an integer from 1 to 1, got 2; update AnomDet, or evaluate again"),
        (["version"], True, "version: expected an integer from 1 to 1, got True"),
        (["num_images"], "6", "num_images: expected a valid integer, got '6'"),
        (["num_images"], -1, "num_images: expected greater than or equal to 0, got -1"),
        (["num_gt"], None, "num_gt: expected a value, got none"),
        (["mAP"], "high", "mAP: expected a number or null, got str"),
        (["mAP_50"], [0.5], "mAP_50: expected a number or null, got list"),
        (["part_level", "escapes"], 0.5, "part_level.escapes: expected a valid integer, got 0.5"),
        (["part_level", "auroc"], True, "part_level.auroc: expected a number or null, got bool"),
        (["per_class", "c7"], [], "per_class.c7: expected a valid dictionary, got []"),
        (["confusion_matrix", "counts"], [[1]], "confusion_matrix.counts: expected 5 rows of as many counts, got [1]"),
        (["sizes", "tiny", "range_px"], [1], "sizes.tiny.range_px: expected"),
        (["operating_point"], "0.3", "operating_point: expected a valid dictionary, got '0.3'"),
        (["operating_point", "per_class"], {"x": 0.1}, "operating_point.per_class.x: expected a class of per_class"),
        (["intervals"], {"confidence": 0.95, "num_resamples": 9, "unit": "image", "per_class": {}, "mAP": [1]},
         "intervals.mAP: expected two numbers or null, got [1]"),
    ],
)  # fmt: skip
def test_metrics_of_a_stranger(sound, tmp_path, places, value, message):
    names = list(sound["metrics"]["per_class"])
    places = [names[0] if place == "c7" else place for place in places]
    with pytest.raises(UserError) as caught:
        read_metrics(spoilt(sound, tmp_path, "metrics", *places, value=value))
    assert message.replace("c7", names[0]) in str(caught.value)
    assert str(tmp_path / "metrics.json") in str(caught.value)


@pytest.mark.parametrize(
    ("places", "value", "message"),
    [
        (["cases", 0, "bbox_xywh"], [1, 2, 3], "cases[0].bbox_xywh: expected"),
        (["cases", 0, "bbox_xywh"], [1, 2, -3, 4], "cases[0]: expected boxes as [x, y, width, height], no size"),
        (["cases", 0, "bbox_xywh"], [1, 2, 10**400, 4], "cases[0].bbox_xywh[2]: expected"),
        (["cases", 0, "file_name"], 7, "cases[0].file_name: expected a valid string, got 7"),
        (["curves", "all", "score"], [0.5], "curves.all: expected lists of one length, got lengths [1, "),
        (["froc"], None, "froc: expected a value, got none"),
        (["anomaly_scores", "good"], ["high"], "anomaly_scores.good[0]: expected a valid number, got 'high'"),
    ],
)  # fmt: skip
def test_details_of_a_stranger(sound, tmp_path, places, value, message):
    with pytest.raises(UserError) as caught:
        read_details(spoilt(sound, tmp_path, "details", *places, value=value))
    assert message in str(caught.value)


def test_all_that_is_wrong_is_said_at_once_but_not_for_ever(sound, tmp_path):
    content = {**sound["metrics"], "num_images": "x", "num_gt": "y"}
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        read_metrics(tmp_path)
    assert len(caught.value.problems) == 2
    (tmp_path / "details.json").write_text(json.dumps({**sound["details"], "cases": [0] * 1000}))
    with pytest.raises(UserError) as caught:
        read_details(tmp_path)
    assert len(caught.value.problems) == 20


def test_files_of_before_there_were_versions(sound, tmp_path):
    assert read_metrics(spoilt(sound, tmp_path, "metrics", "version"))["num_images"] == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"\xff": 1}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b'{"mAP": NaN}', "not JSON"),
        (b'{"mAP": -Infinity}', "not JSON"),
        (b"", "not JSON"),
        (b"[]", "expected a valid dictionary"),
        (b"null", "expected a valid dictionary"),
    ],
)
def test_metrics_that_cannot_be_read(tmp_path, content, message):
    (tmp_path / "metrics.json").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_metrics(tmp_path)


def test_a_byte_order_mark_is_nothing(sound, tmp_path):
    (tmp_path / "metrics.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(sound["metrics"]).encode())
    assert read_metrics(tmp_path)["num_images"] == 6


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "metrics.json").mkdir()
    with pytest.raises(UserError, match=r"metrics\.json: expected a JSON file, got Is a directory"):
        read_metrics(tmp_path)
