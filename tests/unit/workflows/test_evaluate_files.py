"""Other detectors' results from Python: what is given in place of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anomdet.errors import UserError
from anomdet.workflows.evaluate_files import evaluate_files


@pytest.mark.parametrize(
    ("given", "got"), [([], r"list; write it into a file first: json\.dump"), ({}, "dict; write"), (7, "int$")]
)
def test_what_is_no_path_is_refused_in_one_line(given: Any, got: str) -> None:
    with pytest.raises(UserError, match=f"^predictions: expected the path of a file, got {got}"):
        evaluate_files(given, "truth.json")


def test_what_writes_a_coco_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        evaluate_files(tmp_path / "results.jsonl", tmp_path)
    first, second = map(str, caught.value.problems)
    assert first.startswith("--ground-truth: expected a COCO file, got") and "anomdet convert DATA --to coco" in first
    assert "results.jsonl, which is a file of JSON lines; write one: anomdet predict --save coco" in second
