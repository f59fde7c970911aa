"""Numbers by epoch from scalars.json, as training.csv and the report have them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from anomdet.documents.scalars import as_csv, by_epoch, read_epochs

RECORDS = [
    {"lr": 0.1, "loss": 3.0, "loss_cls": 1.0, "time": 9.0, "epoch": 1, "iter": 10, "memory": 1, "step": 10},
    {"lr": 0.05, "loss": 1.0, "loss_cls": float("nan"), "time": 9.0, "epoch": 1, "iter": 20, "memory": 1, "step": 20},
    {"val/mAP": 0.5, "val/val_loss": 2.0, "step": 1},
    {"lr": 0.01, "loss": 0.5, "loss_cls": 0.2, "epoch": 2, "iter": 30, "step": 30},
]
LINES = [*map(json.dumps, RECORDS), '{"lr": 0.0', "[1]", ""]


def test_losses_are_means_the_rate_is_the_last_and_a_validation_stands_beside_its_epoch() -> None:
    found = by_epoch(LINES)
    assert found["epoch"] == [1, 2]
    assert found["columns"] == {
        "lr": [0.05, 0.01],
        "loss": [2.0, 0.5],
        "loss_cls": [1.0, 0.2],
        "mAP": [0.5, None],
        "val_loss": [2.0, None],
    }


def test_the_csv_has_every_digit_and_nothing_where_there_is_nothing() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(by_epoch(LINES)))))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[0]["lr"]) == 0.05 and rows[1]["mAP"] == ""


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"no json\n"])
def test_a_file_without_numbers_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "scalars.json"
    if content is not None:
        path.write_bytes(content)
    assert read_epochs(path) is None
