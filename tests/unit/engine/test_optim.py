"""Weight decay for kernels only, and every trained parameter once."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from anomdet.engine.optim import TwoGroups, decay_groups
from anomdet.errors import UserError


class Scaled(nn.Module):
    """Two convolutions with one shared kernel, norms, a frozen part, a scalar."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3)
        self.second = nn.Conv2d(3, 3, 3)
        self.second.weight = self.first.weight
        self.norms = nn.ModuleList([nn.BatchNorm2d(3), nn.GroupNorm(1, 3), nn.LayerNorm(3)])
        self.linear = nn.Linear(3, 2)
        self.embedding = nn.Embedding(4, 3)
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


def names(model: nn.Module, parameters: list[nn.Parameter]) -> set[str]:
    known = {id(parameter): name for name, parameter in model.named_parameters()}
    return {known[id(parameter)] for parameter in parameters}


def test_every_trained_parameter_once() -> None:
    model = Scaled()
    decayed, free = decay_groups(model)
    ids = [id(parameter) for parameter in (*decayed, *free)]
    assert len(ids) == len(set(ids))
    assert set(ids) == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}


def test_norms_biases_and_scalars_are_free() -> None:
    model = Scaled()
    decayed, free = decay_groups(model)
    assert names(model, decayed) == {"first.weight", "linear.weight", "embedding.weight"}
    assert all(name.endswith("bias") or name.startswith("norms") or name == "scale" for name in names(model, free))
    assert len(free) == 3 * 2 + 3 + 1


@pytest.mark.parametrize("kind", ["Adam", "AdamW", "SGD"])
def test_the_optimizer(kind: str) -> None:
    build = TwoGroups(
        dict(
            type="OptimWrapper",
            optimizer=dict(type=kind, lr=0.5, weight_decay=0.25),
            clip_grad=dict(max_norm=3.0, norm_type=2),
        )
    )
    for _ in range(2):  # building leaves the config as it was
        wrapper = build(Scaled())
        assert type(wrapper.optimizer).__name__ == kind
        assert [group["weight_decay"] for group in wrapper.optimizer.param_groups] == [0.25, 0.0]
        assert [group["lr"] for group in wrapper.optimizer.param_groups] == [0.5, 0.5]
        assert wrapper.clip_grad_kwargs["max_norm"] == 3.0


def test_decay_shrinks_kernels_only() -> None:
    model = Scaled()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    build = TwoGroups(dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1, weight_decay=0.5)))
    build(model).optimizer.step()
    assert model.first.weight.flatten()[0].item() == pytest.approx(0.95)
    assert model.first.bias[0].item() == model.norms[0].weight[0].item() == model.scale.item() == 1.0
    assert model.frozen.weight.flatten()[0].item() == 1.0


def test_without_kernels_there_is_one_group() -> None:
    build = TwoGroups(dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1)))
    assert len(build(nn.BatchNorm2d(3)).optimizer.param_groups) == 1


class Detector(nn.Module):
    """A backbone, as a part of a name too, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3))
        self.backbone_head = nn.Linear(3, 2)


def test_the_backbone_learns_at_its_share_of_the_rate() -> None:
    model = Detector()
    slower = dict(custom_keys=dict(backbone=dict(lr_mult=0.25)))
    build = TwoGroups(dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.5, weight_decay=0.1)), slower)
    groups = build(model).optimizer.param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (0.5, 0.1),  # the first group's rate is what the log shows
        (0.5, 0.0),
        (0.125, 0.1),
        (0.125, 0.0),
    ]
    assert [names(model, group["params"]) for group in groups] == [
        {"backbone_head.weight"},
        {"backbone_head.bias"},
        {"backbone.0.weight"},
        {"backbone.0.bias", "backbone.1.weight", "backbone.1.bias"},
    ]


@pytest.mark.parametrize(
    "paramwise", [dict(norm_decay_mult=0.0), dict(custom_keys=dict(backbone=dict(lr_mult=0.5, decay_mult=0.0)))]
)
def test_what_would_be_ignored_is_refused(paramwise: dict) -> None:
    build = TwoGroups(dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.5, weight_decay=0.1)), paramwise)
    with pytest.raises(UserError, match=r"paramwise_cfg: expected lr_mult in custom_keys alone, got .*decay_mult"):
        build(Detector())


def test_a_model_without_a_backbone_has_no_share_for_it() -> None:
    slower = dict(custom_keys=dict(backbone=dict(lr_mult=0.25)))
    build = TwoGroups(dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.5)), slower)
    with pytest.raises(UserError, match=r"training\.backbone_lr_mult: expected a model with a part named backbone"):
        build(Scaled())
