"""An eight-bit export keeps what it promises, or is refused with what was found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.exporting.int8 import LADDER, ladder
from anomdet.exporting.parity import Parity
from anomdet.workflows.exports import int8 as export_int8
from anomdet.workflows.exports.images import Truth
from anomdet.workflows.exports.int8 import Quality

BEFORE = Quality(0.60, escapes=2, overkill=5, point=None)
WORSE = Quality(0.5899, escapes=2, overkill=0, point=None)
BLIND = Quality(0.70, escapes=3, overkill=0, point=None)
GOOD = Quality(0.5901, escapes=2, overkill=40, point=None)


def quantised(monkeypatch: pytest.MonkeyPatch, found: Iterator[Quality], parity: Parity | None = None) -> Any:
    """What is written where the rungs are as good as this."""
    monkeypatch.setattr("anomdet.workflows.exports.parity.check_parity", lambda *_: parity or Parity(5, 9, 0, 0.0, 0.0))
    monkeypatch.setattr("anomdet.workflows.exports.parity.results", lambda *_: [])
    monkeypatch.setattr(export_int8, "quality", lambda *_: BEFORE)
    rungs = {str(rung): [at] for at, rung in enumerate(LADDER)}
    monkeypatch.setattr("anomdet.exporting.int8.ladder", lambda _path: rungs)
    monkeypatch.setattr(export_int8, "_rung", lambda _source, _manifest, _images, _folder, kept: (kept[0], next(found)))
    source: Any = SimpleNamespace(detector=None)
    images: Any = SimpleNamespace(truth=object(), prepared=[])
    manifest: Any = SimpleNamespace(network=SimpleNamespace(file="model.xml"))
    return export_int8.quantise(source, manifest, images, Path("unused"))


@pytest.mark.parametrize(
    ("found", "rung"), [([GOOD], 0), ([WORSE, GOOD], 1), ([BLIND, GOOD], 1), ([WORSE, BLIND, GOOD], 2)]
)
def test_the_boldest_rung_that_loses_little_is_taken(
    found: list[Quality], rung: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, parity = quantised(monkeypatch, iter(found))
    assert taken == rung
    assert parity.mean_ap == (BEFORE.mean_ap, GOOD.mean_ap)


@pytest.mark.parametrize("bad", [WORSE, BLIND])
def test_where_none_does_it_is_refused_with_the_figures_of_each(bad: Quality, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError) as caught:
        quantised(monkeypatch, iter([bad] * len(LADDER)))
    said = str(caught.value)
    assert "--int8: expected a loss of mAP of at most 0.01 and no new escape on the validation images" in said
    for rung in LADDER:
        assert f"{rung}: mAP 0.6000 to {bad.mean_ap:.4f}, escapes 2 to {bad.escapes}" in said


def test_of_a_network_that_decides_otherwise_nothing_is_quantised(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Parity(5, 9, 9, 0.0, 0.0, stage="network: other", reasons=("9 detections of 9 have no partner",))
    assert quantised(monkeypatch, iter([]), failed)[1] is failed


def test_layers_are_counted_from_the_ends_of_the_branches(tmp_path: Path) -> None:
    """A network of a stem and two branches, of one layer and of two."""
    openvino = pytest.importorskip("openvino")
    from openvino import opset13 as op

    def layer(name: str, source: Any, channels: int) -> Any:
        weights = op.constant(np.ones((4, channels, 1, 1), np.float32))
        node = op.convolution(source, weights, [1, 1], [0, 0], [0, 0], [1, 1])
        node.set_friendly_name(name)
        return node

    image = op.parameter([1, 3, 8, 8], np.float32)
    stem = layer("stem", image, 3)
    ends = [layer("short", stem, 4), layer("long.1", layer("long.0", stem, 4), 4)]
    openvino.save_model(openvino.Model(ends, [image]), str(tmp_path / "m.xml"), compress_to_fp16=False)
    rungs = ladder(tmp_path / "m.xml")
    assert [sorted(kept) for kept in rungs.values()] == [
        [],
        ["long.1", "short"],
        ["long.1", "short", "stem"],
        ["long.0", "long.1", "short", "stem"],
    ]
    assert list(rungs)[2] == "all but the first and the last layer of each branch"


def labelled(*classes: int | None) -> dict[str, Any]:
    """COCO's data set of an image for each, with a box of that class, or none."""
    box = {"bbox": [0, 0, 10, 10], "area": 100, "iscrowd": 0}
    images = [{"id": at, "file_name": f"p{at // 2}_{at}.png", "width": 64, "height": 64} for at in range(len(classes))]
    objects = [(at, num) for at, num in enumerate(classes) if num is not None]
    annotations = [{"id": n, "image_id": at, "category_id": num, **box} for n, (at, num) in enumerate(objects, 1)]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }


def results_of(truth: dict[str, Any], found: dict[int, tuple[int, float]]) -> list[Any]:
    """A box of a class and score on some of the images."""
    return [
        SimpleNamespace(
            image=image["file_name"],
            bboxes_xyxy=np.array([[0.0, 0, 10, 10]] * (image["id"] in found)).reshape(-1, 4),
            class_nums=np.array([found[image["id"]][0]] if image["id"] in found else [], np.int64),
            scores=np.array([found[image["id"]][1]] if image["id"] in found else []),
        )
        for image in truth["images"]
    ]


def quality_of(truth: Truth, found: dict[int, tuple[int, float]], criterion: dict[str, Any] | None = None) -> Quality:
    point = SimpleNamespace(criterion=criterion or {})
    source: Any = SimpleNamespace(detector=SimpleNamespace(thresholds={1: 0.3, 2: 0.8}, classes={1: "a", 2: "b"}))
    manifest: Any = SimpleNamespace(artifact=SimpleNamespace(operating_point=point))
    return export_int8.quality(source, truth, results_of(truth.content, found), manifest)


def test_each_class_has_its_own_threshold() -> None:
    """At the lowest of them a part was found that the detector lets pass."""
    quality = quality_of(Truth(labelled(1, 2, None)), {0: (1, 0.4), 1: (2, 0.5), 2: (2, 0.5)})
    assert (quality.escapes, quality.overkill) == (1, 0)


def test_parts_of_several_images_have_one_verdict() -> None:
    """As in the evaluation that chose the threshold: an image of a defective part need not show the defect."""
    truth, found = labelled(1, 1, None, None), {0: (1, 0.9)}
    assert quality_of(Truth(truth), found).escapes == 1
    assert quality_of(Truth(truth, group_by=r"^(p\d)"), found).escapes == 0
