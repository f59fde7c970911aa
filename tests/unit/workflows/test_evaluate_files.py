"""Other detectors' results from Python: what is given in place of a file."""

from __future__ import annotations

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
