"""Predictions and the training's loss of one batch, from one pass through the backbone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch.distributed as dist
from torch import nn

_NORMS = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)
_OTHER_NOISE = ("DropPath", "DropBlock", "StochasticDepth")  # timm's, mmcv's and torchvision's, by name


def predict_with_loss(model: Any, inputs: Any, samples: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
    """What ``mode="predict"`` and ``mode="loss"`` return for one batch, from one pass through the backbone.

    Args:
        model: in evaluation mode, not wrapped.
        inputs: ``(N, 3, H, W)``, preprocessed.
        samples: N of MMDetection's DetDataSample, with ``gt_instances`` in pixels of ``inputs``.
    """
    with _features_once(model):
        with _loss_mode(model), _alone():
            losses = model(inputs, samples, mode="loss")
        return model(inputs, samples, mode="predict"), losses


@contextmanager
def _loss_mode(model: nn.Module) -> Iterator[None]:
    """Training mode, which many heads need to compute a loss, but for norms and dropout."""
    before = {module: module.training for module in model.modules()}
    model.train()
    for module in model.modules():
        if isinstance(module, _NORMS) or type(module).__name__.startswith(_OTHER_NOISE):
            module.training = False
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training


@contextmanager
def _alone() -> Iterator[None]:
    """Within, losses are averaged over this process's own targets.

    Heads average them over all processes. But no image is validated twice, so that one process may have a batch more
    than another, and would wait there for ever.
    """
    is_initialized = dist.is_initialized
    dist.is_initialized = lambda: False
    try:
        yield
    finally:
        dist.is_initialized = is_initialized


@contextmanager
def _features_once(model: Any) -> Iterator[None]:
    """Within, ``extract_feat`` of the same images is computed once."""
    if not hasattr(model, "extract_feat"):
        yield
        return
    extract, known = model.extract_feat, {}

    def extract_once(inputs: Any) -> Any:
        key = id(inputs)
        if key not in known:
            known[key] = extract(inputs)
        return known[key]

    model.extract_feat = extract_once
    try:
        yield
    finally:
        del model.extract_feat
