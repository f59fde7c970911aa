"""Proposals are MMDetection's where scores differ, and do not hang on the last bit where they are equal."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from torch import nn

import anomdet.registry  # noqa: F401 - supplies mmcv's operators
from anomdet.ops.proposals import Proposals, rank, settle

SIZES = ((16, 20), (8, 10))


def outputs(logits: list[torch.Tensor]) -> Any:
    """In place of the convolutions of a head: what it puts out."""
    generator = torch.Generator().manual_seed(1)
    return logits, [0.2 * torch.randn(1, 12, *size, generator=generator) for size in SIZES]


def head(logits: list[torch.Tensor], *, nms_pre: int = 300, max_per_img: int = 50) -> Any:
    """MMDetection's RPNHead over two levels of three anchors a place."""
    nms = {"type": "nms", "iou_threshold": 0.7}
    config = ConfigDict(
        {
            "type": "RPNHead",
            "in_channels": 4,
            "anchor_generator": {"type": "AnchorGenerator", "scales": [8], "ratios": [0.5, 1, 2], "strides": [8, 16]},
            "test_cfg": {"nms_pre": nms_pre, "max_per_img": max_per_img, "nms": nms, "min_bbox_size": 0},
        }
    )
    made: Any = MODELS.build(config)
    made.forward = lambda _features: outputs(logits)
    return made


def found(logits: list[torch.Tensor], *, settled: bool, **limits: int) -> torch.Tensor:
    """``(K, 5)`` boxes and scores of one image."""
    rpn = head(logits, **limits)
    if settled:
        model = nn.Module()
        model.rpn_head = rpn
        settle(model)
        assert isinstance(rpn.predict, Proposals)
    sample = DetDataSample(metainfo={"img_shape": (128, 160)})
    (one,) = rpn.predict(tuple(torch.zeros(1, 4, *size) for size in SIZES), [sample], rescale=False)
    return torch.cat([one.bboxes, one.scores[:, None]], dim=1)


def distinct_logits(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randperm(3 * height * width, generator=generator).float() / 128 - 4).reshape(1, 3, height, width)
        for height, width in SIZES
    ]


@pytest.mark.parametrize("limits", [{}, {"nms_pre": 100}, {"max_per_img": 7}, {"nms_pre": 10_000}])
def test_distinct_scores_give_mmdetections_proposals(limits: dict[str, int]) -> None:
    logits = distinct_logits(3)
    ours, theirs = (found(logits, settled=settled, **limits) for settled in (True, False))
    assert len(theirs) > 5
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def plain_background(noise: float) -> list[torch.Tensor]:
    """One score almost everywhere, as on a plain background, rounded in another way each time."""
    generator = torch.Generator().manual_seed(5)
    return [-2.0 + noise * torch.randn(1, 3, *size, generator=generator) for size in SIZES]


def test_rounding_changes_no_proposal_of_a_plain_background() -> None:
    boxes, others = (found(plain_background(noise), settled=True)[:, :4] for noise in (0.0, 1e-7))
    torch.testing.assert_close(boxes, others, rtol=0, atol=0)
    boxes, others = (found(plain_background(noise), settled=False)[:, :4] for noise in (0.0, 1e-7))
    assert boxes.shape != others.shape or not torch.equal(boxes, others), "MMDetection's stay the same, too"


def test_ranks_rise_with_the_logits_and_are_whole_numbers() -> None:
    ranks = rank(torch.linspace(-3000, 3000, 1001))
    assert bool((ranks == ranks.round()).all())
    assert bool((ranks > 0).all())
    assert bool((ranks[1:] >= ranks[:-1]).all())
    assert bool((rank(torch.tensor([20.0, 40.0, 80.0])).diff() > 0).all()), "equal as float32 after a sigmoid"


def test_another_suppression_stays_mmdetections() -> None:
    rpn = head(distinct_logits(0))
    rpn.test_cfg.nms = ConfigDict(type="soft_nms", iou_threshold=0.5)
    model = nn.Module()
    model.rpn_head = rpn
    settle(model)
    assert "predict" not in vars(rpn)
