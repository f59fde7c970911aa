from __future__ import annotations

from pathlib import Path

import pytest
import torch

from anomdet.errors import UserError
from anomdet.models.file_backbone import FileBackbone
from anomdet.models.probe import LevelInfo, probe
from anomdet.registry import MODELS

EXAMPLE = Path(__file__).parents[3] / "examples" / "custom_backbone_mobilenet_v2.py"

HEADER = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.form = form
        self.fine, self.coarse = nn.Conv2d(3, 4, 3, 4, 1), nn.Conv2d(3, 8, 3, 8, 1)

    def forward(self, x):
        fine, coarse = self.fine(x), self.coarse(x)
        return eval(self.form)
"""


def _write(tmp_path: Path, body: str) -> str:
    path = tmp_path / "mine.py"
    path.write_text(HEADER + body)
    return str(path)


def test_the_example_is_a_backbone_of_four_levels() -> None:
    backbone = MODELS.build({"type": "anomdet.FileBackbone", "file": str(EXAMPLE), "config": {"pretrained": False}})
    levels = [LevelInfo(24, 4), LevelInfo(32, 8), LevelInfo(96, 16), LevelInfo(320, 32)]
    assert probe(backbone, (64, 64)) == levels
    few = FileBackbone(str(EXAMPLE), {}, out_indices=(1, 3))
    assert probe(few, (64, 64)) == [levels[1], levels[3]]


@pytest.mark.parametrize(
    ("form", "channels", "levels"),
    [
        ("fine", "4", [(4, 4)]),
        ("[fine, coarse]", "[4, 8]", [(4, 4), (8, 8)]),
        ("(coarse, fine)", "(8, 4)", [(4, 4), (8, 8)]),
        ("{'b': coarse, 'a': fine}", "[8, 4]", [(4, 4), (8, 8)]),
        ("(fine, fine[..., ::2, ::2])", "4", [(4, 4), (4, 8)]),
    ],
)
def test_every_form_becomes_maps_from_fine_to_coarse(form: str, channels: str, levels: list, tmp_path: Path) -> None:
    file = _write(tmp_path, f'def get_custom_backbone(config):\n    return Net("{form}"), {channels}\n')
    assert probe(FileBackbone(file, {}), (64, 64)) == [LevelInfo(*level) for level in levels]


def test_the_config_reaches_the_function(tmp_path: Path) -> None:
    body = "def get_custom_backbone(config):\n    return Net('fine'), config['width']\n"
    assert FileBackbone(_write(tmp_path, body), {"width": 4}).out_channels == 4


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def other(config): pass", r"mine\.py: expected function get_custom_backbone\(config\), got .*Net, other"),
        ("def get_custom_backbone(config): return Net('fine')", r"expected \(backbone.*, got Net"),
        ("def get_custom_backbone(config): return 'x', 4", r"backbone: expected a torch.nn.Module, got str"),
        ("def get_custom_backbone(config): return Net('fine'), [4, -1]", r"out_channels: expected an integer >= 1"),
        ("def get_custom_backbone(config):\n    return 1 / 0", r"mine\.py:15: expected .*ZeroDivisionError"),
        ("x = 1\nraise OSError('disc')", r"mine\.py:15: expected .* got OSError: disc"),
        ("def (", r"mine\.py:14: expected .* got SyntaxError"),
        ("import no_such_module_here", r"mine\.py:14: expected .*No module named 'no_such_module_here'"),
    ],
)
def test_a_bad_file_is_named_with_its_line(body: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        FileBackbone(_write(tmp_path, body), {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.py: expected a Python file that defines .*, got no such file"):
        FileBackbone(str(tmp_path / "none.py"), {})


@pytest.mark.parametrize(
    ("form", "channels", "message"),
    [
        ("fine.flatten(1)", "4", r"map 0: expected a tensor \(N, C, H, W\), got shape"),
        ("'text'", "4", r"forward: expected .*, got str"),
        ("[fine, 3]", "4", r"map 1: expected .*, got int"),
        ("[fine, coarse]", "4", r"expected maps with \[4, 4\] channels, got \[4, 8\]"),
        ("[fine, coarse]", "[4]", r"expected maps with \[4\] channels, got \[4, 8\]"),
    ],
)
def test_bad_maps_are_named(form: str, channels: str, message: str, tmp_path: Path) -> None:
    file = _write(tmp_path, f'def get_custom_backbone(config):\n    return Net("{form}"), {channels}\n')
    with pytest.raises(UserError, match=message):
        FileBackbone(file, {})(torch.zeros(1, 3, 32, 32))


def test_a_level_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = _write(tmp_path, "def get_custom_backbone(config):\n    return Net('fine'), 4\n")
    with pytest.raises(UserError, match="out_indices: expected 0 to 0"):
        FileBackbone(file, {}, out_indices=(1,))(torch.zeros(1, 3, 32, 32))
