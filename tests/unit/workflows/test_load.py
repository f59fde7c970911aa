"""What is no detector is called what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomdet.errors import UserError
from anomdet.workflows.load import load


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "model.xml"])
def test_a_file_of_an_exported_folder_names_the_folder(tmp_path: Path, name: str) -> None:
    """It was called no checkpoint, which it is not meant to be."""
    for one in ("manifest.json", name):
        (tmp_path / one).write_text("{}")
    with pytest.raises(UserError, match=rf"expected the whole exported folder, got a file of it; name {tmp_path}"):
        load(tmp_path / name)


@pytest.mark.parametrize("model", [None, 3, b"best_model.pth", {"state_dict": {}}])
def test_what_is_no_path_is_refused_in_one_line(model: object) -> None:
    with pytest.raises(UserError, match=rf"model: expected the path of best_model.pth, .*, got {type(model).__name__}"):
        load(model)  # type: ignore[arg-type]
