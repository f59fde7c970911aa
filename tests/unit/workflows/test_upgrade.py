"""A checkpoint of an earlier version, brought up to date without its data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from anomdet.config.schema import Settings
from anomdet.config.translate import to_mmengine
from anomdet.engine.checkpoint import read_checkpoint
from anomdet.errors import UserError
from anomdet.inference.artifact import Artifact
from anomdet.inference.backends.torch import build_model
from anomdet.workflows.runs.bit_depth import resolve_bit_depth
from anomdet.workflows.runs.build import complete_without_data
from anomdet.workflows.runs.describe import describe
from anomdet.workflows.runs.libraries import load_libraries
from anomdet.workflows.upgrade import stored_values, upgrade

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

SETTINGS = {"model": {"name": "rtmdet_tiny", "pretrained": False}, "data": {"image_size": 64, "data_dir": "gone"}}


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As version 0.1 wrote last.pth: MMEngine's history, numpy's numbers, no document."""
    load_libraries()
    settings = Settings.model_validate(SETTINGS)
    config = complete_without_data(to_mmengine(settings), {3: "dent", 9: "scratch"})
    resolve_bit_depth(config, None)
    network = build_model(describe(config, settings, {}).model, "x")
    point = {"by": "max_f1", "chosen_on": "val", "score_threshold": 0.25, "per_class": None, "note": ""}
    meta = {
        "epoch": 2,
        "cfg": config.pretty_text,
        "dataset_meta": {"classes": ("dent", "scratch"), "class_nums": (3, 9), "palette": [(1, 2, 3), (4, 5, 6)]},
        "split_hashes": {"train": "ab", "val": "cd"},
        "best": {"score": np.float64(0.5), "epoch": 1, "monitor": "mAP"},
        "operating_point": {"criterion": {"by": "max_f1", "per_class": False, "iou_thr": 0.5}, "point": point},
    }
    hub = {
        "log_scalars": {"loss": HistoryBuffer([0.5], [1])},
        "runtime_info": {"eta": np.float64(1)},
        "resumed_keys": {},
    }
    path = tmp_path_factory.mktemp("older") / "last.pth"
    torch.save({"meta": meta, "state_dict": network.state_dict(), "message_hub": hub, "optimizer": {}}, path)
    return path


def test_the_new_file_stands_alone(older: Path, tmp_path: Path) -> None:
    before = hashlib.sha256(older.read_bytes()).hexdigest()
    new = read_checkpoint(upgrade(older, SETTINGS, out=tmp_path / "deep" / "new.pth"))
    assert hashlib.sha256(older.read_bytes()).hexdigest() == before, "the old file stays as it is"
    document = Artifact.from_dict(new.meta.inference)
    assert document.classes == {3: "dent", 9: "scratch"}
    assert document.preprocessing.size_hw == (64, 64)
    assert document.operating_point is not None
    assert document.operating_point.score_threshold == 0.25
    assert document.operating_point.criterion["iou_thr"] == 0.5
    assert document.split_hashes == {"train": "ab", "val": "cd"}
    old = read_checkpoint(older)
    assert set(new.content) == set(old.content)
    assert all(torch.equal(value, new.content["state_dict"][key]) for key, value in old.content["state_dict"].items())
    assert torch.serialization.get_unsafe_globals_in_checkpoint(new.path) == []


def test_images_are_prepared_as_in_its_training(older: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the settings say now."""
    changed: dict[str, Any] = {**SETTINGS, "data": {"image_size": 640, "normalize_mean": [0.1, 0.1, 0.1]}}
    with caplog.at_level("WARNING", logger="anomdet"):
        new = read_checkpoint(upgrade(older, changed, out=tmp_path / "new.pth"))
    document = Artifact.from_dict(new.meta.inference)
    assert document.preprocessing.size_hw == (64, 64)
    assert document.preprocessing.mean == (123.675, 116.28, 103.53)


def test_other_settings_are_refused(older: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected the weights of this model"):
        upgrade(older, {**SETTINGS, "model": {"name": "yolox_tiny", "pretrained": False}}, out=tmp_path / "new.pth")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_nothing_upgraded_twice(older: Path, tmp_path: Path) -> None:
    new = upgrade(older, SETTINGS, out=tmp_path / "new.pth")
    with pytest.raises(UserError, match="expected a new file"):
        upgrade(older, SETTINGS, out=new)
    same: dict[str, Any] = {**SETTINGS, "evaluation": {"operating_point": {"by": "max_f1"}}}
    with pytest.raises(UserError, match="got one that is up to date"):
        upgrade(new, same, out=tmp_path / "again.pth")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a = dict(b=[1, (2, None)], c=dict(d=-1.5, e='x'))", {"a": {"b": [1, (2, None)], "c": {"d": -1.5, "e": "x"}}}),
        ("a = {'b': 1}", {"a": {"b": 1}}),
        ("a = open('x')\nb = 1", {"b": 1}),
        ("a = dict(b=open('x'))", {}),
        ("a = __import__('os')", {}),
        ("a = [x for x in ()]", {}),
        ("a = (", {}),
        ("a = " + "[" * 5000, {}),
        ("", {}),
    ],
)
def test_a_config_is_read_as_data(text: str, found: dict[str, Any]) -> None:
    assert stored_values(text, ("a", "b")) == found
