from __future__ import annotations

import pytest
import torch
from torch import nn

from anomdet.errors import UserError
from anomdet.models.probe import LevelInfo, probe


class _Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, stride=4, padding=1), nn.BatchNorm2d(6))
        self.deep = nn.Conv2d(6, 10, 3, stride=2, padding=1)

    def forward(self, x):
        x = self.stem(x)
        return x, self.deep(x)


def test_channels_and_strides_are_found_and_nothing_changes() -> None:
    backbone = _Backbone().train()
    backbone.deep.eval()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    assert probe(backbone, (64, 96)) == [LevelInfo(6, 4), LevelInfo(10, 8)]
    assert backbone.training and backbone.stem[1].training and not backbone.deep.training
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_a_failing_backbone_is_named_and_gets_its_flags_back() -> None:
    backbone = nn.Sequential(nn.Conv2d(4, 8, 3)).train()
    with pytest.raises(UserError, match=r"backbone Sequential: expected feature maps .* got RuntimeError"):
        probe(backbone)
    assert backbone.training and backbone[0].training


def test_something_other_than_maps_is_refused() -> None:
    with pytest.raises(UserError, match=r"\(N, C, H, W\)"):
        probe(nn.Flatten())
