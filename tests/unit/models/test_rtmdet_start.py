"""RTMDet's quick start: boxes that have a size before training, and positives for every object."""

from __future__ import annotations

import pytest
import torch
from mmengine.structures import InstanceData

from anomdet.config.load import load_settings
from anomdet.config.translate import to_mmengine
from anomdet.workflows.runs.libraries import load_libraries

load_libraries()

from mmdet.models.task_modules.assigners import DynamicSoftLabelAssigner  # noqa: E402
from mmdet.registry import MODELS, TASK_UTILS  # noqa: E402

QUICK = {"bbox_head": {"type": "anomdet.QuickStartRTMDetHead"}}


def scene(seed: int, num_objects: int, side_px: float):
    """Cells of a grid of stride 8 over 64 x 64 px, each with a random box and scores; some objects."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.cartesian_prod(torch.arange(8), torch.arange(8)).flip(1) * 8.0
    boxes = torch.cat([centres - side_px, centres + side_px], 1) + torch.randn(64, 4, generator=generator)
    priors = torch.cat([centres, torch.full((64, 2), 8.0)], 1)
    scores = torch.randn(64, 3, generator=generator)
    corners = torch.rand(num_objects, 2, generator=generator) * 40
    objects = torch.cat([corners, corners + 8 + 12 * torch.rand(num_objects, 2, generator=generator)], 1)
    labels = torch.randint(0, 3, (num_objects,), generator=generator)
    return InstanceData(bboxes=boxes, scores=scores, priors=priors), InstanceData(bboxes=objects, labels=labels)


@pytest.mark.parametrize("seed", range(20))
def test_with_one_positive_it_is_mmdetection_s(seed):
    predictions, objects = scene(seed, num_objects=1 + seed % 5, side_px=8.0)
    theirs = DynamicSoftLabelAssigner(topk=13).assign(predictions, objects)
    ours = TASK_UTILS.build(dict(type="anomdet.QuickStartAssigner", topk=13, min_positives=1)).assign(
        predictions, objects
    )
    assert (theirs.gt_inds > 0).any()
    assert torch.equal(ours.gt_inds, theirs.gt_inds)
    assert torch.equal(ours.labels, theirs.labels)
    assert torch.equal(ours.max_overlaps, theirs.max_overlaps)


@pytest.mark.parametrize("min_positives", [1, 4, 1000])
def test_boxes_without_overlap_still_get_positives(min_positives):
    predictions, objects = scene(3, num_objects=1, side_px=0.0)
    predictions.bboxes[:] = 0  # as RTMDet's own head begins
    assigner = TASK_UTILS.build(dict(type="anomdet.QuickStartAssigner", topk=13, min_positives=min_positives))
    positive = assigner.assign(predictions, objects).gt_inds > 0
    centres, (left, top, right, bottom) = predictions.priors[:, :2], objects.bboxes[0]
    inside = (centres > torch.stack([left, top])).all(1) & (centres < torch.stack([right, bottom])).all(1)
    assert int(positive.sum()) == min(min_positives, int(inside.sum()))
    assert not (positive & ~inside).any()


def test_an_object_between_the_cells_has_those_beside_it():
    """A scratch of 5 px on a grid of 8 px: MMDetection gives it no cell, or beside another object cells of that one."""
    predictions, _ = scene(3, num_objects=1, side_px=8.0)
    scratch, plate = torch.tensor([2.0, 9.5, 62.0, 14.5]), torch.tensor([4.0, 28.0, 60.0, 60.0])
    near = (predictions.priors[:, 1] - 12).abs() <= 4
    for boxes in ([scratch], [scratch, plate]):
        objects = InstanceData(bboxes=torch.stack(boxes), labels=torch.arange(len(boxes)))
        theirs = DynamicSoftLabelAssigner(topk=13).assign(predictions, objects)
        assert not (theirs.gt_inds[near] == 1).any()
        found = TASK_UTILS.build(dict(type="anomdet.QuickStartAssigner", topk=13)).assign(predictions, objects)
        assert (found.gt_inds == 1).sum() >= 4 and near[found.gt_inds == 1].all()
        without = dict(type="anomdet.QuickStartAssigner", topk=13, min_positives=1, reach_strides=0)
        assert torch.equal(TASK_UTILS.build(without).assign(predictions, objects).gt_inds, theirs.gt_inds)


@pytest.mark.parametrize("exp_on_reg", [False, True])
def test_untrained_boxes_are_squares_around_their_cells(exp_on_reg):
    head = {**QUICK["bbox_head"], "start_strides": 2.0, "exp_on_reg": exp_on_reg}
    settings = load_settings(None, ["model.name=rtmdet_tiny", "model.pretrained=false", "data.classes={1: dent}"])
    settings = settings.model_copy(
        update={"model": settings.model.model_copy(update={"overrides": {"bbox_head": head}})}
    )
    built = MODELS.build(to_mmengine(settings).model.bbox_head)
    built.init_weights()
    built.eval()
    with torch.no_grad():
        _, distances = built([torch.zeros(1, 96, 8, 8), torch.zeros(1, 96, 4, 4), torch.zeros(1, 96, 2, 2)])
    for stride, distance in zip((8, 16, 32), distances, strict=True):
        assert torch.allclose(distance, torch.tensor(2.0 * stride), rtol=0.05)
