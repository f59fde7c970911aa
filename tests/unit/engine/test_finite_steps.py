"""A step whose loss or gradient is not finite leaves model, optimizer and average as they were."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from anomdet.engine.finite_steps import FiniteSteps, all_finite, blame_losses
from anomdet.engine.hooks import AverageHook
from anomdet.engine.loops import InspectionTrainLoop
from anomdet.errors import UserError


class Model(nn.Module):
    """A batch is a seed, a factor of the loss (NaN), or where it goes wrong: ``"gradient"`` or ``"forward"``."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))

    def forward(self, batch: Any) -> Tensor:
        torch.manual_seed(batch if isinstance(batch, int) else 0)
        inputs = torch.randn(8, 3)
        if batch == "forward":
            inputs[0, 0] = math.inf
        out = self.layers(inputs).square().mean()
        if batch == "gradient":  # sqrt has no slope at 0: finite forwards, infinite backwards
            return out + torch.sqrt(self.layers[0].weight[0, 0] * 0)
        return out * batch if isinstance(batch, float) else out

    def train_step(self, batch: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        with optim_wrapper.optim_context(self):
            loss = self(batch)
        optim_wrapper.update_params(loss)
        return {"loss": loss, "loss_cls": loss}


class Training:
    """As much of a Runner as the loop and the average touch."""

    def __init__(self, *, accumulated: int = 1, clip: float | None = 35.0, nan_limit: int = 5) -> None:
        self.model = Model()
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        clip_grad = dict(max_norm=clip) if clip else None
        self.optim_wrapper = OptimWrapper(optimizer, accumulative_counts=accumulated, clip_grad=clip_grad)
        self.rank, self.epoch = 0, 0
        self.lines: list[str] = []
        self.logger = SimpleNamespace(warning=self.lines.append)
        self.average = AverageHook.__new__(AverageHook)
        self.average.src_model, self.average.begin_iter, self.average.begin_epoch = self.model, 0, 0
        self.average.enabled_by_epoch, self.iter = False, 0
        self.average.ema_model = ExponentialMovingAverage(self.model, momentum=0.5, update_buffers=True)
        loop = InspectionTrainLoop.__new__(InspectionTrainLoop)
        loop._runner, loop.nan_limit, loop._epoch, loop._iter = self, nan_limit, 0, 0
        self.train_loop = loop

    def call_hook(self, name: str, **found: Any) -> None:
        if name == "after_train_iter":
            self.average.after_train_iter(self, found["batch_idx"])

    def run(self, batches: list[Any]) -> Training:
        self.optim_wrapper.initialize_count_status(self.model, 0, len(batches))
        for idx, batch in enumerate(batches):
            self.train_loop.run_iter(idx, batch)
        return self

    def state(self) -> dict[str, Any]:
        return copy.deepcopy(
            dict(
                model=self.model.state_dict(),
                optimizer=self.optim_wrapper.state_dict(),
                average=self.average.ema_model.state_dict(),
            )
        )


def same(left: Any, right: Any) -> bool:
    """Equal to the last bit."""
    if isinstance(left, Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@pytest.mark.parametrize("clip", [None, 35.0, 1e-3])
@pytest.mark.parametrize("accumulated", [1, 3])
def test_a_normal_training_is_the_same_to_the_last_bit(clip: float | None, accumulated: int) -> None:
    guarded = Training(clip=clip, accumulated=accumulated).run([1, 2, 3, 4, 5])
    plain = Training(clip=clip, accumulated=accumulated)
    plain.optim_wrapper.initialize_count_status(plain.model, 0, 5)
    for idx, batch in enumerate([1, 2, 3, 4, 5]):
        plain.model.train_step(batch, plain.optim_wrapper)
        plain.average.after_train_iter(plain, idx)
    assert same(guarded.state(), plain.state())
    assert guarded.lines == []


BAD = {
    "loss NaN": (math.nan, "the loss is not finite (loss_cls nan)"),
    "loss infinite": (math.inf, "the loss is not finite (loss_cls inf)"),
    "gradient": ("gradient", "the gradient is not finite"),
    "forward": ("forward", "the loss is not finite"),  # batch norm's statistics would be NaN for ever
}


@pytest.mark.parametrize("clip", [None, 35.0])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_step_changes_nothing(name: str, clip: float | None) -> None:
    batch, said = BAD[name]
    training = Training(clip=clip).run([1, 2])
    before = training.state()
    training.run([batch])
    assert same(training.state(), before)
    assert said in training.lines[0] and "epoch 1, batch 1" in training.lines[0] and "1 in a row" in training.lines[0]
    # It goes on as if the batch had not been there.
    training.run([3])
    assert same(training.state(), Training(clip=clip).run([1, 2, 3]).state())


def test_an_accumulated_step_is_skipped_whole_and_names_its_batch() -> None:
    training = Training(accumulated=3).run([1, 2, 3])
    before = training.state()
    training.run([4, math.nan, 5, 6, 7, 8])
    assert "epoch 1, batch 2: the loss is not finite" in training.lines[0] and len(training.lines) == 1
    skipped = Training(accumulated=3)
    skipped.run([1, 2, 3])
    assert same(before["model"], skipped.state()["model"])
    skipped.run([6, 7, 8])
    assert same(training.state()["model"], skipped.state()["model"])


def test_too_many_in_a_row_end_the_training() -> None:
    training = Training(nan_limit=3).run(
        [math.nan, math.nan, 1, math.nan, math.nan]
    )  # a good one starts the count anew
    before = training.state()
    with pytest.raises(UserError) as error:
        training.run([math.nan])
    text = str(error.value)
    assert "epoch 1, batch 1: the loss is not finite" in text and "3 steps in a row" in text
    assert "training.nan_limit" in text and "training.learning_rate (now 0.1)" in text
    assert same(training.state(), before)


class Scaler:
    """Of a wrapper for float16: skips by itself and halves its scale."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def get_scale(self) -> float:
        return self.scale


class Scaled(OptimWrapper):
    """As AmpOptimWrapper, which needs a GPU."""

    def __init__(self, *args: Any, scale: float, factor: float = 0.5, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.loss_scaler, self.factor = Scaler(scale), factor

    def step(self, **kwargs: Any) -> None:
        if all(bool(torch.isfinite(p.grad).all()) for p in self.optimizer.param_groups[0]["params"]):
            self.optimizer.step(**kwargs)
        else:
            self.loss_scaler.scale *= self.factor


@pytest.mark.parametrize(
    ("batch", "scale", "factor", "outcome"),
    [
        ("gradient", 65536.0, 0.5, "rescaled"),  # the scaler's own search
        ("gradient", 1.0, 0.5, "skipped"),  # nothing is left to search
        ("gradient", 128.0, 1.0, "skipped"),  # a fixed scale does not search
        (math.nan, 65536.0, 0.5, "skipped"),  # no scale makes that loss finite
    ],
)
def test_a_loss_scaler_searches_its_scale_undisturbed(batch: Any, scale: float, factor: float, outcome: str) -> None:
    model = Model()
    wrapper = Scaled(torch.optim.SGD(model.parameters(), lr=0.1), scale=scale, factor=factor)
    steps, before = FiniteSteps(wrapper, model), copy.deepcopy(list(model.parameters()))
    steps.begin()
    model.train_step(batch, steps)
    assert steps.outcome == outcome
    assert wrapper.loss_scaler.scale == scale * factor
    assert same(list(model.parameters()), before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_who_had_it() -> None:
    assert (
        blame_losses([[True], [False]], 6, {"loss": torch.tensor(1.0)}) == "batch 7 of rank 1: the loss is not finite"
    )
    two = blame_losses([[False, True], [True, False]], 3, {})
    assert two == "batch 3 of rank 0, 4 of rank 1: the loss is not finite"


def test_all_finite_reads_every_tensor() -> None:
    weights = {"a": torch.ones(2), "steps": torch.tensor(3), "name": "x"}
    assert all_finite(weights.values())
    assert not all_finite([*weights.values(), torch.tensor([0.0, -math.inf])])
