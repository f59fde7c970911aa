"""What mixed precision becomes on each device, and what it computes in."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from anomdet.engine import mixed_precision
from anomdet.engine.mixed_precision import MixedPrecision, for_device

OURS = "anomdet.MixedPrecision"
# GPU, CPU computes bfloat16, dtype asked for; then type, dtype and words of the log.
CASES = [
    (True, False, "auto", "AmpOptimWrapper", "float16", ""),
    (True, False, "float16", "AmpOptimWrapper", "float16", ""),
    (True, False, "bfloat16", OURS, "bfloat16", ""),
    (False, True, "auto", OURS, "bfloat16", ""),
    (False, False, "auto", "OptimWrapper", None, "this CPU is not faster in bfloat16: full precision is used"),
    (False, True, "float16", "OptimWrapper", None, "float16 needs a GPU"),
    (False, True, "bfloat16", OURS, "bfloat16", ""),
    (False, False, "bfloat16", OURS, "bfloat16", "no faster on this CPU"),
]


@pytest.mark.parametrize(("gpu", "native", "asked", "kind", "dtype", "words"), CASES)
def test_for_device(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, native: bool, asked: str, kind: str, dtype: str | None, words: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(mixed_precision, "computes_bfloat16", lambda: native)
    given = {"type": OURS, "dtype": asked, "optimizer": {"type": "SGD"}, "clip_grad": None}
    found, note = for_device(given)
    assert (found["type"], found.get("dtype")) == (kind, dtype)
    assert (found["optimizer"], found["clip_grad"]) == ({"type": "SGD"}, None)
    assert words in note and bool(words) == bool(note)
    assert given["type"] == OURS


def test_tiny_images_on_a_cpu_are_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(mixed_precision, "computes_bfloat16", lambda: True)
    given = {"type": OURS, "dtype": "auto", "optimizer": {}}
    found, note = for_device(given, 64)
    assert found["type"] == "OptimWrapper" and "images of 64 px" in note
    assert for_device(given, 96)[0]["type"] == OURS
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert for_device(given, 64)[0]["type"] == "AmpOptimWrapper"


def test_mmengines_own_wrapper_needs_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found, note = for_device({"type": "AmpOptimWrapper", "loss_scale": "dynamic", "optimizer": {}})
    assert found == {"type": "OptimWrapper", "optimizer": {}}
    assert "full precision is used" in note
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    given = {"type": "AmpOptimWrapper", "loss_scale": 512.0, "optimizer": {}}
    assert for_device(given) == (given, "")


def test_others_stay_as_they_are() -> None:
    given: dict[str, Any] = {"type": "OptimWrapper", "optimizer": {}}
    assert for_device(given) == (given, "")


def test_the_forward_pass_is_in_bfloat16_and_the_weights_are_not() -> None:
    model = nn.Linear(4, 3)
    wrapper = MixedPrecision(optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    before = model.weight.clone()
    with wrapper.optim_context(model):
        out = model(torch.ones(2, 4))
        assert out.dtype == torch.bfloat16
    wrapper.update_params(out.float().sum())
    assert model.weight.dtype == torch.float32
    assert not torch.equal(model.weight, before)
    assert model(torch.ones(2, 4)).dtype == torch.float32
