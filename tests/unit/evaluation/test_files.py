from __future__ import annotations

import json
import os
import stat

import pytest

from anomdet.errors import UserError
from anomdet.evaluation.files import Evaluation, read_evaluation, write_evaluation, write_json

EVALUATION = Evaluation(
    ground_truth={"images": [{"id": 0, "file_name": "Teil-ö/1.png"}], "annotations": [], "categories": []},
    predictions=[{"image_id": 0, "bbox": [0.1, 1 / 3, 1e-7, 123456.789012345], "score": 0.30000001192092896}],
    metrics={"mAP": None, "per_class": {}},
)


def test_what_is_written_is_read_back_to_the_last_digit(tmp_path):
    written = write_evaluation(tmp_path / "new" / "folder", EVALUATION)
    assert sorted(path.name for path in written) == ["ground_truth.json", "metrics.json", "predictions.json"]
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(written), "a temporary file was left"
    assert read_evaluation(tmp_path / "new" / "folder") == EVALUATION


def test_colleagues_can_read_the_files(tmp_path):
    mask = os.umask(0o022)
    try:
        paths = write_evaluation(tmp_path, EVALUATION)
    finally:
        os.umask(mask)
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o644}


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
    (tmp_path / "predictions.json").write_text("{}")
    (tmp_path / "metrics.json").write_text('{"mAP": ')
    with pytest.raises(UserError) as caught:
        read_evaluation(tmp_path)
    text = str(caught.value).splitlines()
    assert "ground_truth.json: expected a JSON object, got no such file" in text[0]
    assert "predictions.json: expected a JSON array, got dict" in text[1]
    assert "metrics.json: expected a JSON object, got text that is not JSON" in text[2]


def test_not_utf8(tmp_path):
    write_evaluation(tmp_path, EVALUATION)
    (tmp_path / "metrics.json").write_bytes(b'{"\xff": 1}')
    with pytest.raises(UserError, match=r"metrics\.json"):
        read_evaluation(tmp_path)
