"""The schema says what every key means; the files made from it are in step; YAML goes there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from anomdet.config.describe import expected_text, flat_keys, json_schema
from anomdet.config.dump import dump_yaml
from anomdet.config.load import load_settings
from anomdet.config.reference import reference_markdown, schema_text
from anomdet.config.schema import Settings, effective_model_name
from anomdet.config.schema_data import AugmentationSettings

ROOT = Path(__file__).parents[3]
RENEW = "run: python -m anomdet.config.reference"


def test_every_key_has_a_meaning_and_a_kind() -> None:
    keys = flat_keys()
    assert len(keys) > 50
    for key, schema in keys.items():
        assert schema.get("description"), key
        assert expected_text(schema) not in ("a value", ""), key


def test_the_owners_keys_are_all_there() -> None:
    names = (
        "model.name model.detection_model model.pretrained model.num_classes model.backbone model.custom_backbone_file "
        "model.custom_model_file training.epochs training.batch_size training.learning_rate training.weight_decay "
        "training.optimizer training.scheduler.name training.scheduler.T_0 training.scheduler.T_mult "
        "training.scheduler.eta_min training.seed training.use_amp training.early_stopping.enabled "
        "training.early_stopping.patience training.class_imbalance_handling.method data.data_dir data.num_workers "
        "data.augmentations.random_crop_prob data.normalize_mean data.normalize_std data.train_split data.val_split "
        "data.test_split metrics.iou_thresholds metrics.matching_iou_threshold metrics.include_metrics "
        "logging.log_dir logging.checkpoint_dir logging.log_level"
    )
    assert set(names.split()) <= set(flat_keys())


def test_generated_files_are_in_step() -> None:
    assert (ROOT / "docs/config.md").read_text(encoding="utf-8") == reference_markdown(), RENEW
    assert (ROOT / "configs/settings.schema.json").read_text(encoding="utf-8") == schema_text(), RENEW


def test_the_json_schema_speaks_of_each_section() -> None:
    schema = json.loads(schema_text())
    assert schema == json_schema()
    assert list(schema["properties"]) == [
        "model",
        "training",
        "data",
        "metrics",
        "evaluation",
        "report",
        "logging",
        "anomaly",
        "distributed",
        "plugins",
    ]
    assert schema["additionalProperties"] is False
    optimizer = schema["$defs"]["TrainingSettings"]["properties"]["optimizer"]
    assert optimizer["enum"] == ["adam", "adamw", "sgd"] and optimizer["default"] == "adam" and optimizer["title"]


def test_the_reference_names_each_key_default_and_kind() -> None:
    text = reference_markdown()
    row = "| `optimizer` | `'adam'` | one of adam, adamw, sgd | `sgd` runs with momentum 0.9. |"
    assert row in text.splitlines()
    assert "## data.augmentations" in text
    for key in flat_keys():
        assert f"| `{key.rpartition('.')[2]}` |" in text, key


ROUND_TRIPS: list[dict[str, Any]] = [
    {},
    {"model": {"detection_model": "retinanet"}},
    {"model": {"name": "fasterrcnn_resnet50_fpn", "detection_model": None, "backbone": "resnet18"}},
    {"model": {"overrides": {"a": "1e-3", "b": ["no", "12:30", None, 1e-7], "c": {1: "010", "x": {}}, "d": ""}}},
    {"training": {"learning_rate": 1e-7, "gradient_clip_norm": None}},
    {"data": {"image_size": [320, 640], "classes": {-1: "no", 0: "10", 7: "Löcher: groß", 8: "#x", 9: "null"}}},
    {"data": {"augmentations": []}},
    {"data": {"augmentations": [{"type": "OneOf", "transforms": [{"type": "Blur", "blur_limit": [3, 5]}]}]}},
]


@pytest.mark.parametrize("values", ROUND_TRIPS)
def test_yaml_goes_there_and_back(values: dict[str, Any], tmp_path: Path) -> None:
    settings = Settings.model_validate(values)
    path = tmp_path / "settings.yaml"
    path.write_text(dump_yaml(settings), encoding="utf-8")
    assert load_settings(path) == settings
    assert dump_yaml(load_settings(path)) == path.read_text(encoding="utf-8")


def test_the_dump_holds_every_key_and_plain_yaml_reads_it() -> None:
    plain = yaml.safe_load(dump_yaml(Settings()))
    assert plain == json.loads(Settings().model_dump_json())
    assert "image_size: [320, 640]" in dump_yaml(Settings.model_validate({"data": {"image_size": (320, 640)}}))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({}, "fasterrcnn_resnet50_fpn"),
        ({"name": "fcos"}, "fcos"),
        ({"detection_model": "fcos"}, "fcos"),
        ({"detection_model": None, "backbone": "resnet18"}, "faster_rcnn"),
        ({"detection_model": None, "backbone": "resnet50"}, "fasterrcnn_resnet50_fpn"),
        ({"detection_model": None, "custom_backbone_file": "x.py"}, "faster_rcnn"),
        ({"name": "retinanet", "detection_model": None, "backbone": "resnet18"}, "retinanet"),
    ],
)
def test_effective_model_name(model: dict[str, Any], expected: str) -> None:
    assert effective_model_name(Settings.model_validate({"model": model})) == expected


def test_settings_made_in_python_are_checked_and_frozen() -> None:
    settings = Settings()
    assert isinstance(settings.data.augmentations, AugmentationSettings)
    with pytest.raises(ValidationError, match="frozen"):
        settings.training.epochs = 3  # type: ignore[misc]
    for values in (
        {"data": {"train_split": 0.9}},
        {"training": {"epoch": 3}},
        {"training": {"learning_rate": float("inf")}},
        {"model": {"backbone": "resnet19"}},
    ):
        with pytest.raises(ValidationError):
            Settings.model_validate(values)
