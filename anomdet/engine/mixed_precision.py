"""Mixed precision on any device: float16 with a scaler on a GPU, bfloat16 on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from anomdet.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class MixedPrecision(OptimWrapper):
    """Runs the forward pass under autocast; weights, gradients and the optimizer stay in float32.

    Args:
        dtype: bfloat16 or float32 (no mixed precision); float16 needs MMEngine's AmpOptimWrapper and its scaler.
        kwargs: of MMEngine's OptimWrapper.
    """

    def __init__(self, dtype: str = "bfloat16", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dtype: torch.dtype = getattr(torch, dtype)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast on the model's device, within MMEngine's own context."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, self.dtype):
            yield


def computes_bfloat16() -> bool:
    """Whether this CPU is faster in bfloat16: with AMX or AVX-512 BF16 (AMD from Zen 4 on); others emulate it."""
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


# At stride 64 such images are one pixel. There the weight gradient of oneDNN's bfloat16 convolution of stride 2 (torch
# 2.14.1, AVX-512 BF16) is whatever lay in the memory: seen in 12 of 30 tries with 1 x 1, in none from 2 x 2 on.
_TOO_SMALL_PX = 64


def fit_precision(config: Any) -> str:
    """Fit the optimizer wrapper of a whole config to this machine, in place; returns a line for the log, or nothing."""
    steps = [step for step in config.train_dataloader.dataset.get("pipeline", ()) if "size_hw" in step]
    config.optim_wrapper, note = for_device(config.optim_wrapper, min(steps[-1]["size_hw"]) if steps else None)
    return note


def for_device(optim_wrapper: dict[str, Any], side_px: int | None = None) -> tuple[dict[str, Any], str]:
    """The optimizer wrapper's config for this machine, and a line for the log; empty: as asked for.

    Args:
        optim_wrapper: a config; only one for mixed precision is changed.
        side_px: the shorter side of the images that the network sees; None: not known.
    """
    if optim_wrapper.get("type") == "AmpOptimWrapper":
        if torch.cuda.is_available():
            given_auto = {"dtype": "float16"} if optim_wrapper.get("dtype") == "auto" else {}
            return {**optim_wrapper, **given_auto}, ""
        optim_wrapper = {"dtype": "float16", **optim_wrapper, "type": "anomdet.MixedPrecision"}
    if optim_wrapper.get("type") != "anomdet.MixedPrecision":
        return optim_wrapper, ""
    own = {key: value for key, value in optim_wrapper.items() if key not in ("type", "dtype", "loss_scale")}
    dtype = optim_wrapper.get("dtype", "auto")
    if torch.cuda.is_available():
        if dtype == "bfloat16":
            return {"type": "anomdet.MixedPrecision", "dtype": dtype, **own}, ""
        return {"type": "AmpOptimWrapper", "dtype": "float16", **own}, ""
    full = {"type": "OptimWrapper", **own}
    if dtype == "float16":
        return full, "use_amp: float16 needs a GPU, and there is none here: full precision is used"
    if dtype == "auto" and not computes_bfloat16():
        return full, "use_amp: no GPU here, and this CPU is not faster in bfloat16: full precision is used"
    if side_px is not None and side_px <= _TOO_SMALL_PX:
        return full, f"use_amp: bfloat16 is not safe on a CPU for images of {side_px} px: full precision is used"
    emulated = "" if computes_bfloat16() else "use_amp: bfloat16 is no faster on this CPU (no AMX, no AVX-512 BF16)"
    return {"type": "anomdet.MixedPrecision", "dtype": "bfloat16", **own}, emulated
