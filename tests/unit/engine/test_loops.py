"""The loss beside the predictions: averages, one pass through the backbone, and a model left as it was."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from anomdet.engine.equal_sizes import equal_sizes
from anomdet.engine.loops import (
    InspectionTrainLoop,
    _averages,
    _number,
    predict_equal_sizes,
)
from anomdet.engine.predict_with_loss import predict_with_loss
from anomdet.errors import UserError


class DropPath(nn.Module):
    """Noise in training, known by its name."""

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        return x


class Detector(nn.Module):
    """Counts the passes through its backbone; its head computes a loss in training mode only."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), DropPath())
        self.head = nn.Conv2d(4, 1, 1)
        self.passes = 0

    def extract_feat(self, inputs: Tensor) -> Tensor:
        self.passes += 1
        return self.backbone(inputs)

    def forward(self, inputs: Tensor, samples: Any, mode: str) -> Any:
        out = self.head(self.extract_feat(inputs))
        if mode == "predict":
            assert not self.head.training
            return [out]
        assert self.head.training
        return {"loss": out.mean(), "accuracy": out.max()}


def test_one_pass_and_nothing_changed() -> None:
    model = Detector().eval()
    model.backbone[1].train()  # whatever the mode was, it comes back
    model.backbone[1].eval()
    inputs = torch.randn(2, 3, 8, 8)
    expected = model(inputs, [], mode="predict")[0]
    model.passes = 0
    statistics = model.backbone[1].running_mean.clone()
    (found,), losses = predict_with_loss(model, inputs, [])
    assert model.passes == 1
    assert torch.equal(found, expected)
    assert torch.equal(losses["loss"], expected.mean())
    assert torch.equal(model.backbone[1].running_mean, statistics)
    assert not any(module.training for module in model.modules())
    assert "extract_feat" not in vars(model)


def test_a_failing_loss_leaves_the_model_as_it_was() -> None:
    model = Detector().eval()
    with pytest.raises(RuntimeError):
        predict_with_loss(model, torch.randn(2, 5, 8, 8), [])
    assert not any(module.training for module in model.modules())
    assert "extract_feat" not in vars(model)


def test_lists_of_losses_are_summed() -> None:
    assert _number([torch.tensor(1.0), torch.tensor([2.0, 4.0])]) == 4.0
    assert _number(torch.tensor([1.0, 3.0])) == 2.0


def test_averages_are_over_images() -> None:
    # Four images with a loss of 1.0 and one with 6.0, in two batches.
    totals = {
        "loss_cls": [(4 * 1.0, 4), (6.0, 1)],
        "loss_bbox": [(2.0, 4)],  # one batch had none
    }
    assert _averages(totals) == {"val_loss": 2.5, "val_loss_cls": 2.0, "val_loss_bbox": 0.5}
    assert _averages({}) == {}


def test_the_order_of_the_batches_shows_in_no_digit() -> None:
    batches = [(0.1, 1), (1e16, 1), (0.3, 1), (-1e16, 1), (0.7, 1)]
    found = {_averages({"loss": list(order)})["val_loss"] for order in itertools.permutations(batches)}
    assert len(found) == 1


def test_a_resumed_epoch_makes_whole_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """8 batches, 3 a step; the epoch is entered behind 2, as after a change of the number of processes: 3, 3."""
    model = nn.Linear(1, 1, bias=False)
    model.norm = nn.BatchNorm1d(1)  # of which the Runner warns once, before any epoch
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0), accumulative_counts=3)
    weights: list[float] = [float(model.weight)]
    said: list[str] = []
    monkeypatch.setattr("mmengine.optim.optimizer.optimizer_wrapper.print_log", lambda text, **_: said.append(text))

    class Loader(list):
        sampler = None

    def run_iter(idx: int, _: Any) -> None:
        wrapper.update_params(model.weight.sum())  # a gradient of one
        if float(model.weight) != weights[-1]:
            weights.append(float(model.weight))
            stepped.append(idx)

    stepped: list[int] = []
    seen: list[tuple[int, int]] = []
    loop = InspectionTrainLoop.__new__(InspectionTrainLoop)
    loop._runner = SimpleNamespace(
        model=model, optim_wrapper=wrapper, call_hook=lambda name: seen.append((loop.first_batch, loop.first_draw))
    )
    loop.dataloader, loop._epoch, loop.run_iter = Loader(range(8)), 0, run_iter
    loop.first_batch, loop.first_draw = 2, 20
    loop.run_epoch()
    assert stepped == [4, 7]
    assert not said
    assert weights[:2] == pytest.approx([weights[2] + 2, weights[2] + 1], abs=1e-5)
    # Hooks at the end of the epoch, which save, still know how it was entered.
    assert seen == [(2, 20)] * 2 and (loop.first_batch, loop.first_draw) == (0, 0)


class Neighbours(nn.Module):
    """Its result for an image depends on how far the batch pads it, as a network's does."""

    def __init__(self) -> None:
        super().__init__()
        self.data_preprocessor = SimpleNamespace(pad_size_divisor=32)
        self.batches: list[int] = []

    def test_step(self, batch: Any) -> list[tuple[str, int]]:
        self.batches.append(len(batch["inputs"]))
        height = max(image.shape[1] for image in batch["inputs"])
        return [(name, -(-height // 32) * 32) for name in batch["data_samples"]]


def batch_of(*heights: int) -> dict[str, list]:
    return {"inputs": [torch.zeros(3, height, 60) for height in heights], "data_samples": [f"{h}" for h in heights]}


@pytest.mark.parametrize("heights", [(64, 64, 64), (64, 33, 100, 50), (100, 10), (1,)])
def test_an_image_is_predicted_as_if_it_were_alone(heights: tuple[int, ...]) -> None:
    model = Neighbours()
    alone = [predict_equal_sizes(model, batch_of(height), model.test_step)[0] for height in heights]
    assert predict_equal_sizes(model, batch_of(*heights), model.test_step) == alone


def test_images_of_one_padded_size_stay_together() -> None:
    model = Neighbours()
    predict_equal_sizes(model, batch_of(64, 100, 33, 64, 96), model.test_step)
    assert model.batches == [3, 1, 1]


def test_a_batch_of_another_making_stays_whole() -> None:
    batch = {"inputs": torch.zeros(2, 3, 8, 8), "data_samples": [1, 2]}
    assert list(equal_sizes(batch, 32)) == [([], batch)]


@pytest.mark.parametrize(("size", "hint"), [(4, "another training.batch_size than 4"), (1, "batch_size=2 or more")])
def test_batch_norm_of_one_value_says_which_setting_helps(size: int, hint: str) -> None:
    norm = nn.BatchNorm2d(3)
    model = SimpleNamespace(
        train_step=lambda data, optim_wrapper: norm(torch.ones(1, 3, 1, 1)), buffers=norm.buffers, train=norm.train
    )
    wrapper = SimpleNamespace(step=None)
    loop = object.__new__(InspectionTrainLoop)
    loop._runner = SimpleNamespace(model=model, optim_wrapper=wrapper, call_hook=lambda *_, **__: None)
    loop._epoch = 0
    loop.dataloader = type("Loader", (), {"batch_size": size, "__len__": lambda self: 3})()
    with pytest.raises(UserError, match=f"epoch 1, batch 3 of 3: expected more than one value for batch norm.*{hint}"):
        loop.run_iter(2, [])
