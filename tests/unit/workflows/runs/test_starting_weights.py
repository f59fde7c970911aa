"""``model.weights``: read before the run, with the normalisation that they know."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from anomdet.config.schema import Settings
from anomdet.config.translate import to_mmengine
from anomdet.engine.checkpoint import save_atomically
from anomdet.errors import UserError
from anomdet.workflows.runs.bit_depth import resolve_bit_depth
from anomdet.workflows.runs.describe import describe
from anomdet.workflows.runs.starting_weights import learned_before, read_start


def complete_config(**model: Any) -> Any:
    config = to_mmengine(Settings.model_validate({"model": {"name": "rtmdet_tiny", **model}}))
    config.test_dataloader.dataset.classes = [[1, "dent"]]
    resolve_bit_depth(config, None)
    return config


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of a run that began with COCO weights, which know BGR."""
    document = describe(complete_config(pretrained=True), None, {}).to_dict()
    save_atomically({"meta": {"inference": document}, "state_dict": {"a": torch.ones(1)}}, tmp_path / "best_model.pth")
    return tmp_path / "best_model.pth"


def test_the_settings_name_the_weights(weights: Path) -> None:
    config = complete_config(weights=str(weights))
    assert config.load_from == str(weights)
    assert "://" not in repr(config.model), "nothing else need be fetched"


def test_weights_keep_the_presets_frozen_layers() -> None:
    """As pretrained ones do: only random weights are thawed."""
    plain = {"name": "faster_rcnn", "backbone": "resnet18", "pretrained": False}
    assert complete_config(**plain).model.backbone.frozen_stages == -1
    assert complete_config(**plain, weights="x.pth").model.backbone.frozen_stages == 1


def test_the_normalisation_is_that_of_the_weights(weights: Path) -> None:
    config = complete_config(pretrained=False, weights=str(weights))
    fitted, notes = copy.deepcopy(config), ["before"]
    assert config.model.data_preprocessor.bgr_to_rgb
    file = read_start(config, fitted, None, notes)
    assert file is not None
    assert file.content["state_dict"]["a"].item() == 1
    for one in (config, fitted):
        assert not one.model.data_preprocessor.bgr_to_rgb
        assert one.model.data_preprocessor.mean == [103.53, 116.28, 123.675]
    assert len(notes) == 2
    assert "its own normalisation is used: BGR" in notes[1]


def test_the_same_normalisation_is_no_news(weights: Path) -> None:
    config, notes = complete_config(pretrained=True, weights=str(weights)), []  # type: ignore[var-annotated]
    assert read_start(config, copy.deepcopy(config), None, notes) is not None
    assert notes == []


def test_a_resumed_run_takes_its_own_checkpoint(weights: Path) -> None:
    config = complete_config(pretrained=False, weights="gone.pth")
    assert read_start(config, copy.deepcopy(config), weights, []) is None
    assert not config.model.data_preprocessor.bgr_to_rgb
    with pytest.raises(UserError, match=r"gone\.pth: expected a checkpoint file, got nothing there"):
        read_start(config, config, None, [])


def test_a_run_that_starts_from_nothing_reads_nothing() -> None:
    config = complete_config(pretrained=False)
    assert read_start(config, config, None, []) is None


@pytest.mark.parametrize("moved", [False, True])
def test_images_that_the_weights_have_learned_from_are_counted(moved: bool, tmp_path: Path) -> None:
    """Data that grew are split anew: images of before go from train to test."""
    folder = tmp_path / "logs" / ("previous/20261201" if moved else "") / "splits"
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("a.png\nb.png\n")
    before = {"train": hashlib.sha256(b"a.png\nb.png").hexdigest(), "val": "1", "test": "2"}
    meta = SimpleNamespace(split_hashes=before)
    file: Any = SimpleNamespace(
        path=tmp_path / "best_model.pth", content={"meta": {"cfg": f"x = 1\nwork_dir = '{tmp_path}/logs'\n"}}, meta=meta
    )
    columns = SimpleNamespace(file_names=lambda: ["a.png", "b.png", "c.png", "d.png"])
    dataset = SimpleNamespace(
        index=SimpleNamespace(columns=columns),
        split_rule=None,
        splits=SimpleNamespace(positions={"train": [0], "val": [3], "test": [1, 2]}),
        hard_normals=None,
        split_class_counts=dict,
        split_hashes={**before, "train": "0"},
    )
    runner = SimpleNamespace(train_dataloader=SimpleNamespace(dataset=dataset))
    (line,) = learned_before(runner, file)
    assert "has learned from 1 of the 3 images of val and test: metrics would be too good" in line
    dataset.split_hashes = before
    assert learned_before(runner, file) == [] == learned_before(runner, None)
    dataset.split_hashes = {**before, "train": "0"}
    (line,) = learned_before(runner, file)
    # The same folder, written as //server/share: Windows would sign in at the server of a stranger's checkpoint.
    file.content = {"meta": {"cfg": f"work_dir = '/{tmp_path}/logs'\n"}}
    assert learned_before(runner, file) == []
    file.content = {"meta": {"cfg": f"work_dir = '{tmp_path}/logs'\n"}}
    (folder / "train.txt").write_text("of another run\n")
    assert learned_before(runner, file) == []
