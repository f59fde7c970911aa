"""On which images an export is compared: on those of its own training, or it is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import anomdet
from anomdet.errors import UserError
from anomdet.workflows.exports.images import parity_images
from tests.unit.formats.cases import write_image


@pytest.mark.parametrize(
    ("classes", "label", "said"),
    [
        ({1: "dent"}, 1, r"--config: data\.classes: expected \{1: 'scratch'\}, as in training, got \{1: 'dent'\}"),
        (None, 2, r"--config: expected data of the classes \{1: 'scratch'\}, got labels of the class numbers \[2\]"),
    ],
)
def test_the_settings_of_other_data_are_refused(
    classes: dict[int, str] | None, label: int, said: str, tmp_path: Path
) -> None:
    """Eight-bit thresholds would be chosen on them, and a loss of quality would not be seen."""
    for name in ("images", "labels"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for number in range(8):
        write_image(tmp_path / "data/images" / f"{number}.png", (16 + number, 16))
        (tmp_path / "data/labels" / f"{number}.txt").write_text(f"{label} 2 2 {number + 3} 5\n")
    settings = {"data": {"data_dir": str(tmp_path / "data"), "classes": classes, "split": {"on_leak": "ignore"}}}
    detector: Any = SimpleNamespace(classes={1: "scratch"}, prepare=lambda *_args, **_options: None)
    with pytest.raises(UserError, match=said):
        parity_images(settings, None, detector, 5)


def test_images_and_settings_at_once_are_refused(tmp_path: Path) -> None:
    """The settings would be ignored; with eight bits there was a traceback."""
    options = anomdet.ExportOptions(format="openvino", int8=True)
    with pytest.raises(UserError, match=r"--config: expected the settings of the run, or --images DIR, got both"):
        anomdet.export("none.pth", tmp_path / "out", settings="run.yaml", images=tmp_path, options=options)
