"""The table of the presets says what their configs say; its times are measured by benchmarks/presets.py."""

from __future__ import annotations

import pytest

from anomdet.config.preset_facts import FACTS, REFERENCE, table
from anomdet.config.preset_names import PRESETS
from anomdet.config.presets import coco_weights, load_model, walk


def test_every_preset_has_a_row() -> None:
    assert list(FACTS) == list(PRESETS)
    assert [line.split()[0] for line in table().splitlines()[1 : len(PRESETS) + 1]] == list(PRESETS)
    assert FACTS[REFERENCE].times == 1


@pytest.mark.parametrize("name", PRESETS)
def test_weights_and_priors_are_those_of_its_config(name: str) -> None:
    assert FACTS[name].coco_weights == (coco_weights(name) is not None)
    nodes = list(walk(load_model(name)))
    has_anchors = any(str(node.get("type")).endswith("AnchorGenerator") for node in nodes)
    has_queries = any("num_queries" in node for node in nodes)
    assert FACTS[name].priors == ("queries" if has_queries else "anchors" if has_anchors else "points")
