"""A run's config to the document that its checkpoints carry."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import ConfigDict

from anomdet.config.schema import Settings
from anomdet.config.translate import to_mmengine
from anomdet.inference.artifact import Artifact
from anomdet.workflows.runs.bit_depth import resolve_bit_depth
from anomdet.workflows.runs.describe import NotDescribedError, describe


def complete_config(**sections: Any) -> tuple[Any, Settings]:
    settings = Settings.model_validate(sections)
    config = to_mmengine(settings)
    config.test_dataloader.dataset.classes = [[-1, "dent"], [4, "scratch"]]
    resolve_bit_depth(config, None)
    return config, settings


def test_a_preset_with_coco_weights() -> None:
    """RTMDet's COCO weights know BGR; no address is left, and the document survives a stranger's check."""
    config, settings = complete_config(
        model={"name": "rtmdet_tiny"}, data={"image_size": [320, 640], "max_image_megapixels": 7}
    )
    found = describe(config, settings, {"train": "ab"})
    assert found == Artifact.from_dict(found.to_dict())
    assert found.model.name == "rtmdet_tiny"
    assert "://" not in repr(found)
    assert found.preprocessing.size_hw == (320, 640)
    assert found.preprocessing.channel_order == "bgr"
    assert found.preprocessing.mean == (103.53, 116.28, 123.675)
    assert found.preprocessing.pad_multiple == 32
    assert found.preprocessing.max_megapixels == 7
    assert found.classes == {-1: "dent", 4: "scratch"}
    assert found.operating_point is None
    assert found.split_hashes == {"train": "ab"}
    assert "anomdet.registry" not in found.model.plugins
    assert "://" in repr(config.load_from), "the run's own config is not changed"


def test_yolox_sees_pixels_as_they_are() -> None:
    config, settings = complete_config(model={"name": "yolox_tiny"})
    preprocessing = describe(config, settings, {}).preprocessing
    assert (preprocessing.mean, preprocessing.std) == ((), ())


def test_a_threshold_of_the_settings() -> None:
    config, settings = complete_config(
        model={"name": "rtmdet_tiny"}, metrics={"score_threshold": 0.4, "extra": [{"type": "CountError"}]}
    )
    point = describe(config, settings, {}).operating_point
    assert point is not None
    assert (point.by, point.chosen_on, point.score_threshold) == ("fixed", "settings", 0.4)


@pytest.mark.parametrize("key", ["custom_backbone_file", "custom_model_file"])
def test_a_users_file_is_named_and_hashed(tmp_path: Path, key: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text("code = 'stays outside'", encoding="utf-8")
    config, settings = complete_config(model={key: str(path), "detection_model": None, "name": "faster_rcnn"})
    found = describe(config, settings, {})
    assert found.model.custom_file is not None
    assert found.model.custom_file.key == f"model.{key}"
    assert found.model.custom_file.name == "mine.py"
    assert found.model.custom_file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    node = found.model.config["backbone"] if key == "custom_backbone_file" else found.model.config
    assert node["file"] == "mine.py"
    assert "stays outside" not in repr(found)
    if key == "custom_model_file":
        assert found.preprocessing.std == (255.0, 255.0, 255.0)
        assert found.preprocessing.pad_multiple == 1


def test_a_config_that_prepares_images_in_its_own_way() -> None:
    config, _ = complete_config(model={"name": "rtmdet_tiny"})
    config.test_dataloader.dataset.pipeline.insert(2, ConfigDict(type="RandomFlip", prob=0.5))
    with pytest.raises(NotDescribedError, match=r"its test pipeline is .*RandomFlip"):
        describe(config, None, {})
    config, _ = complete_config(model={"name": "rtmdet_tiny"})
    config.model.data_preprocessor.non_blocking = True
    with pytest.raises(NotDescribedError, match="has non_blocking"):
        describe(config, None, {})
    config.model.data_preprocessor = dict(type="MultiBranchDataPreprocessor")
    with pytest.raises(NotDescribedError, match="is MultiBranchDataPreprocessor"):
        describe(config, None, {})
    config.test_dataloader.dataset.pop("classes")
    with pytest.raises(NotDescribedError, match="names no class numbers"):
        describe(config, None, {})
