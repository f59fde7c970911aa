from __future__ import annotations

from typing import Any

import pytest

from anomdet.report.gallery import MOST_OVERLAYS, gallery, worst_first
from anomdet.report.pictures import Pictures


def case(**changed: Any) -> dict[str, Any]:
    """A missed scratch in the middle of a large image."""
    box = [490.0, 490.0, 20.0, 20.0]
    return {
        **{"kind": "missed", "file_name": "a/b.png", "size_hw": [1000, 1000], "class": "scratch"},
        **{"predicted": None, "score": None, "iou": None, "bbox_xywh": box, "predictions": []},
        "truth": [{"class": "scratch", "bbox_xywh": box}],
        **changed,
    }


def shown(*cases: dict[str, Any]):
    found = gallery({"cases": list(cases)}, Pictures({}, {}))
    assert found is not None
    return found


def test_boxes_in_percent_of_the_crop():
    (view,) = shown(case()).cases
    assert view.window == (420, 420, 160, 160)
    (overlay,) = view.overlays
    assert (overlay.x, overlay.y, overlay.width, overlay.height) == (43.75, 43.75, 12.5, 12.5)
    assert overlay.focus and overlay.near and overlay.truth
    assert view.alt == "Missed: scratch in a/b.png, 20 by 20 px at 490, 490"
    assert view.short_name == "b.png"


def test_what_is_outside_of_the_crop_is_left_out_and_the_case_never():
    far = {"class": "dent", "bbox_xywh": [0, 0, 30, 30], "score": 0.9}
    (view,) = shown(case(truth=[], predictions=[far])).cases
    assert [(overlay.label, overlay.focus) for overlay in view.overlays] == [("scratch", True)]


@pytest.mark.parametrize("size_hw", [[0, 0], [480, 640], [640, 480]])
def test_boxes_lie_where_the_image_that_was_read_has_them(size_hw):
    """The file of another tool may name no size, or a wrong one."""
    edge = case(size_hw=size_hw, bbox_xywh=[980.0, 980.0, 20.0, 20.0], truth=[])
    found = gallery({"cases": [edge]}, Pictures({}, {}, sizes_hw={0: (1000, 1000)}))
    assert found is not None and found.cases[0].window == (840, 840, 160, 160)
    (overlay,) = found.cases[0].overlays
    assert (overlay.x, overlay.y, overlay.width, overlay.height) == (87.5, 87.5, 12.5, 12.5)
    assert shown(case(size_hw=[0, 0])).cases[0].overlays, "without images, too"


def test_of_a_throng_the_nearest_boxes_are_shown():
    """Cases of a few hundred boxes each left no room in the page for a single image."""
    truth = [{"class": "scratch", "bbox_xywh": [8.0 * at, 490.0, 4.0, 4.0]} for at in range(125)]
    predictions = [{"class": "dent", "bbox_xywh": [8.0 * at, 500.0, 4.0, 4.0], "score": 0.5} for at in range(125)]
    wide = case(bbox_xywh=[490.0, 490.0, 300.0, 20.0], truth=truth, predictions=predictions)
    (view,) = shown(wide).cases
    assert len(view.overlays) == MOST_OVERLAYS + 1 and sum(overlay.focus for overlay in view.overlays) == 1
    near = [overlay for overlay in view.overlays if not overlay.focus]
    assert all(18 < overlay.x < 82 for overlay in near) and {overlay.truth for overlay in near} == {True, False}


def test_a_false_alarm_is_about_its_prediction_not_a_truth_of_the_same_place():
    box = [490.0, 490.0, 20.0, 20.0]
    predictions = [{"class": "dent", "bbox_xywh": box, "score": 0.5}]
    (view,) = shown(case(kind="false_alarm", **{"class": "dent"}, score=0.5, predictions=predictions)).cases
    assert [(overlay.label, overlay.focus) for overlay in view.overlays] == [("scratch", False), ("dent 0.50", True)]
    assert all(overlay.near for overlay in view.overlays)


def test_labels_stay_inside_and_apart():
    name = "a class with quite a long name"
    box = [0.0, 0.0, 30.0, 10.0]
    truth = [{"class": name, "bbox_xywh": box}]
    predictions = [{"class": name, "bbox_xywh": [965.0, 985.0, 35.0, 15.0], "score": 0.25}]
    (first, second) = shown(
        case(bbox_xywh=box, truth=truth),
        case(kind="false_alarm", bbox_xywh=predictions[0]["bbox_xywh"], truth=[], predictions=predictions),
    ).cases
    top, bottom = first.overlays[0], second.overlays[0]
    assert (top.label_x, top.label_y, top.anchor) == (1.0, 0.0, "start") and top.label_dy > 0
    assert (bottom.label_x, bottom.label_y, bottom.anchor) == (99.0, 100.0, "end") and bottom.label_dy < 0
    assert top.label == "a class with quit…" and bottom.label == "a class with quit… 0.25"


def test_filters_know_both_classes_of_a_confusion():
    confusion = case(kind="confusion", predicted="dent", score=0.8, iou=0.7)
    found = shown(case(), confusion, confusion)
    assert found.classes == ["scratch", "dent"]
    assert [view.classes for view in found.cases] == [[0], [0, 1], [0, 1]]
    assert [(kind, number) for kind, _, _, number in found.kinds] == [("missed", 1), ("confusion", 2)]
    assert found.cases[1].title == "Wrong class: scratch, reported as dent"
    assert found.cases[1].facts == [("score", "0.80"), ("IoU", "0.70"), ("size", "20 × 20 px")]


@pytest.mark.parametrize("details", [{}, {"cases": None}, {"cases": []}])
def test_no_cases(details):
    assert gallery(details, Pictures({}, {})) is None


def test_the_worst_of_each_kind_come_first():
    kinds = ("missed", "missed", "missed", "false_alarm", "false_alarm")
    assert worst_first([case(kind=kind) for kind in kinds]) == [0, 3, 1, 4, 2]
