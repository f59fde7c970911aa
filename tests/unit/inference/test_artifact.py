"""The document of a detector: it survives its way through files, and a stranger's is checked value by value."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from anomdet.errors import UserError
from anomdet.inference.artifact import Artifact, CustomFile, ModelInfo, OperatingPoint, Preprocessing

ARTIFACT = Artifact(
    model=ModelInfo(
        name="rtmdet_tiny",
        config={"type": "RTMDet", "neck": {"in_channels": (24, 40)}, "test_cfg": {"score_thr": 0.05, "nms": None}},
        channels_last=True,
        custom_file=CustomFile("model.custom_backbone_file", "mine.py", "0" * 64),
    ),
    preprocessing=Preprocessing((320, 640), (103.5, 116.3, 123.7), (57.4, 57.1, 58.4), "rgb", 32, max_megapixels=50),
    class_nums=(-3, 7),
    class_names=("dent", "scratch"),
    operating_point=OperatingPoint("max_f1", "val", None, {-3: 0.5, 7: 1.01}, {"by": "max_f1", "iou_thr": 0.5}, "few"),
    versions={"torch": "2.14.1"},
    split_hashes={"train": "ab12"},
)


def test_there_and_back() -> None:
    assert Artifact.from_dict(ARTIFACT.to_dict()) == ARTIFACT


def test_there_and_back_through_json() -> None:
    """JSON has no tuples, and its keys are text: only the tuples inside the config become lists."""
    found = Artifact.from_dict(json.loads(json.dumps(ARTIFACT.to_dict())))
    assert found.model.config["neck"] == {"in_channels": [24, 40]}
    assert replace(found, model=ARTIFACT.model) == ARTIFACT


def test_what_it_does_not_say_has_a_default() -> None:
    content = ARTIFACT.to_dict()
    for key in ("operating_point", "versions", "split_hashes", "tiles", "anomaly", "version"):
        del content[key]
    found = Artifact.from_dict(content)
    assert found.operating_point is None
    assert found.version == 1


def test_a_newer_document() -> None:
    with pytest.raises(UserError, match=r"x\.pth: inference\.version: expected at most 1, got 2; .*newer AnomDet"):
        Artifact.from_dict({"version": 2, "unknown": 1}, "x.pth: inference")


def changed(path: str, value: Any) -> dict[str, Any]:
    content = ARTIFACT.to_dict()
    *above, key = path.split(".")
    node = content
    for name in above:
        node = node[name]
    node[key] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("preprocessing.size_hw", [640], "inference.preprocessing.size_hw: expected two integers from 1 to 65536"),
        ("preprocessing.size_hw", [640, 0], r"got \[640, 0\]"),
        ("preprocessing.size_hw", [10**9, 10**9], "two integers from 1 to 65536"),
        ("preprocessing.size_hw", [65536, 65536], r"size_hw: expected at most 100 megapixels, got \[65536, 65536\]"),
        ("preprocessing.size_hw", [640.0, 640.0], r"got \[640.0, 640.0\]"),
        ("preprocessing.size_hw", [True, True], "two integers"),
        ("preprocessing.mean", [1.0, 2.0], "mean: expected three numbers, or none"),
        ("preprocessing.mean", [1.0, 2.0, float("nan")], "mean: expected three numbers, or none"),
        ("preprocessing.mean", [], r"std: expected as many numbers as in mean, got \[57.4, 57.1, 58.4\]"),
        ("preprocessing.std", [1.0, 0.0, 1.0], r"std: expected numbers > 0, got \[1.0, 0.0, 1.0\]"),
        ("preprocessing.channel_order", "gbr", "channel_order: expected rgb or bgr, got 'gbr'"),
        ("preprocessing.pad_multiple", 0, "pad_multiple: expected an integer from 1 to 1024, got 0"),
        ("preprocessing.pad_multiple", 2**9000, r"got \.\.\."),
        ("preprocessing.bit_depth", True, "bit_depth: expected 8, 10, 12, 14 or 16, got True"),
        ("preprocessing.bit_depth", 11, "bit_depth: expected 8, 10, 12, 14 or 16, got 11"),
        ("preprocessing.max_megapixels", 0, "max_megapixels: expected a number > 0, got 0"),
        ("preprocessing.crop", 3, "inference.preprocessing.'crop': expected one of size_hw, mean"),
        ("preprocessing", None, "inference.preprocessing: expected a mapping, got None"),
        ("class_nums", [1, 1], "class_nums: expected each class number once"),
        ("class_nums", [1, 2, 3], "class_names: expected one name for each class number"),
        ("class_nums", [2**70, 1], "class_nums: expected a list of integers"),
        ("class_nums", [1, 2], r"per_class: expected a threshold for each class number, got \[-3, 7\]"),
        ("class_names", ["a", "a"], "each once"),
        ("class_names", ["a", "b\x1b[2J"], "class_names: expected a list of text"),
        ("operating_point.score_threshold", 0.5, "a threshold for all classes, or one for each"),
        ("operating_point.per_class", {"x": 0.5}, "per_class: expected class numbers to scores from 0 to 1"),
        ("operating_point.per_class", {"-3": -0.5, "7": 1}, "per_class: expected class numbers to scores from 0 to 1"),
        ("operating_point.per_class", {"-3": 0.5, "7": 50}, "per_class: expected class numbers to scores from 0 to 1"),
        ("model.config", {"neck": {}}, "model.config.type: expected the registered name of a detector, got None"),
        ("model.config", {"type": "A", "b": [{"c": object()}]}, r"model.config.b\[0\].c: expected text, numbers"),
        ("model.config", {"type": "A", 3: 4}, "model.config: expected keys that are text, got 3"),
        ("model.custom_file.name", "../x.py", "custom_file.name: expected a file's name without a folder"),
        ("model.custom_file.sha256", "zz", "custom_file.sha256: expected 64 hex digits"),
        ("model.custom_file.key", "data.data_dir", "custom_file.key: expected model.custom_backbone_file"),
        ("model.name", "x" * 5000, None),
        ("versions", {"torch": 2}, "versions: expected a mapping of text to text"),
        ("tiles", {"size": 4}, "tiles.size_hw: expected a value, got none"),
        ("tiles", {"size_hw": [9, 9], "overlap_hw": [9, 3]}, "tiles.overlap_hw: expected less than the tile's sides"),
        ("tiles", {"size_hw": [9, 0], "overlap_hw": [2, 3]}, "tiles.size_hw: expected two integers from 1 to"),
        ("version", 0, "version: expected 1, got 0"),
        ("version", "1", "version: expected 1, got '1'"),
    ],
)
def test_a_strangers_value(path: str, value: Any, message: str | None) -> None:
    if message is None:
        assert Artifact.from_dict(changed(path, value)) != ARTIFACT
        return
    with pytest.raises(UserError, match=message) as caught:
        Artifact.from_dict(changed(path, value))
    assert len(str(caught.value)) < 400


def test_a_threshold_in_percent_would_accept_every_part() -> None:
    content = changed("operating_point.per_class", None)
    content["operating_point"]["score_threshold"] = 50
    with pytest.raises(UserError, match=r"score_threshold: expected a score from 0 to 1, or null, got 50"):
        Artifact.from_dict(content)


@pytest.mark.parametrize("content", [None, [], "text", 3])
def test_no_document_at_all(content: Any) -> None:
    with pytest.raises(UserError, match="inference: expected a mapping"):
        Artifact.from_dict(content)


def test_a_bottomless_config() -> None:
    config: dict[str, Any] = {"type": "A"}
    node = config
    for _ in range(2000):
        node["below"] = {}
        node = node["below"]
    with pytest.raises(UserError, match="at most 64 levels"):
        Artifact.from_dict({**ARTIFACT.to_dict(), "model": {"name": "a", "config": config}})


def test_all_problems_at_once() -> None:
    content = changed("preprocessing.bit_depth", 11)
    del content["class_nums"]
    content["model"]["channels_last"] = 1
    with pytest.raises(UserError) as caught:
        Artifact.from_dict(content)
    assert len(caught.value.problems) == 3
