from __future__ import annotations

import json
import os
import stat

import pytest

from anomdet.documents import VERSION, read_metrics
from anomdet.errors import UserError
from anomdet.evaluation.files import read_results, write_json, write_measured, write_results
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.summary import measure
from anomdet.layout import RESULT_FILES
from tests.unit.evaluation.cases import Case, draw_case, results_of


@pytest.fixture
def written(tmp_path):
    """The folder of an evaluation, made with its parents."""
    folder = tmp_path / "new" / "folder"
    measured = measure(results_of(Case(0)), fixed(0.3))
    write_results(folder, measured.results)
    write_measured(folder, measured)
    return folder


def test_the_files(written):
    assert {path.name for path in written.iterdir()} == set(RESULT_FILES), "no more, no less, no temporary file"
    for name in RESULT_FILES:
        text = (written / name).read_text(encoding="utf-8")
        assert text.endswith("\n")
        if name.endswith(".json"):
            json.loads(text, parse_constant=pytest.fail)


def test_what_is_written_is_measured_alike(written):
    again = measure(read_results(written / "ground_truth.json", written / "predictions.json"), fixed(0.3))
    assert read_metrics(written) == dict(again.metrics)
    ground_truth, _ = draw_case(Case(0))
    assert json.loads((written / "ground_truth.json").read_text())["annotations"] == ground_truth["annotations"]
    assert json.loads((written / "ground_truth.json").read_text())["info"]["version"] == VERSION


def test_names_in_any_script(tmp_path):
    ground_truth, predictions = draw_case(Case(0))
    ground_truth["images"][0]["file_name"] = "Teil-ö/凹み.png"
    write_json(tmp_path / "gt.json", ground_truth)
    write_json(tmp_path / "pred.json", predictions)
    assert "Teil-ö/凹み.png" in (tmp_path / "gt.json").read_text(encoding="utf-8")
    assert read_results(tmp_path / "gt.json", tmp_path / "pred.json").file_names[0] == "Teil-ö/凹み.png"


def test_colleagues_can_read_the_files(tmp_path):
    mask = os.umask(0o022)
    try:
        write_results(tmp_path, results_of(Case(0)))
    finally:
        os.umask(mask)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o644}


def test_nan_is_refused_and_the_old_file_stays(tmp_path):
    path = tmp_path / "metrics.json"
    write_json(path, {"mAP": 0.5})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"mAP": float("nan")})
    assert json.loads(path.read_text()) == {"mAP": 0.5}


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    write_json(path, {"mAP": 0.5})

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"mAP": 0.6})
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.json"]
    assert json.loads(path.read_text()) == {"mAP": 0.5}


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    (tmp_path / "predictions.json").write_text('[{"image_id": ')
    with pytest.raises(UserError) as caught:
        read_results(tmp_path / "ground_truth.json", tmp_path / "predictions.json")
    text = str(caught.value).splitlines()[1:]
    assert "ground_truth.json: expected a JSON file, got no such file" in text[0]
    assert "predictions.json: expected a JSON file, got text that is not JSON" in text[1]


def test_the_files_are_named_in_messages(written):
    (written / "predictions.json").write_text("{}")
    with pytest.raises(UserError, match=r"predictions\.json: expected a JSON array, got dict"):
        read_results(written / "ground_truth.json", written / "predictions.json")
