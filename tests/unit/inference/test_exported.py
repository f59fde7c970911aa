"""The document beside an exported network."""

from __future__ import annotations

from dataclasses import replace

from anomdet.inference.artifact import Artifact, ModelInfo, OperatingPoint, Preprocessing
from anomdet.inference.exported import Manifest, Network


def test_a_later_key_is_written_only_where_it_says_something() -> None:
    """Earlier versions refuse keys that they do not know."""
    preprocessing = Preprocessing((64, 64), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "rgb", 32)
    info, point = ModelInfo("own", {"type": "Own"}), OperatingPoint("fixed", "settings", 0.3)
    artifact = Artifact(info, preprocessing, (3,), ("dent",), point)
    network = Network("onnx", "fp32", "model.onnx", {"model.onnx": "0" * 64}, True, 0.5, 100, 0.001)
    for one_image in (False, True):
        manifest = Manifest(artifact, replace(network, one_image=one_image), "", {}, "")
        content = manifest.to_dict()
        assert ("one_image" in content["network"]) == one_image
        assert Manifest.from_dict(content, "m").network == manifest.network
