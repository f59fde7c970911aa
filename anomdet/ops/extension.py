"""The content of the stand-in: our operators under mmcv's names, and an answer for every other name."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

import torch

from anomdet.ops import attention, deform, focal, nms, roi_align, roi_pool


def get_compiler_version() -> str:
    """What MMDetection's environment report shows as mmcv's compiler."""
    return "none: operators of torchvision, supplied by anomdet.ops"


def get_compiling_cuda_version() -> str:
    """torchvision's kernels come with torch's CUDA."""
    return torch.version.cuda or "not available"


OPERATORS: dict[str, Callable[..., Any]] = {
    operator.__name__: operator
    for operator in (
        get_compiler_version,
        get_compiling_cuda_version,
        nms.nms,
        nms.softnms,
        nms.nms_match,
        nms.bbox_overlaps,
        roi_align.roi_align_forward,
        roi_align.roi_align_backward,
        roi_pool.roi_pool_forward,
        roi_pool.roi_pool_backward,
        deform.deform_conv_forward,
        deform.deform_conv_backward_input,
        deform.deform_conv_backward_parameters,
        deform.modulated_deform_conv_forward,
        deform.modulated_deform_conv_backward,
        focal.sigmoid_focal_loss_forward,
        focal.sigmoid_focal_loss_backward,
        focal.softmax_focal_loss_forward,
        focal.softmax_focal_loss_backward,
        attention.ms_deform_attn_forward,
        attention.ms_deform_attn_backward,
    )
}


def fill_module(module: ModuleType) -> None:
    """Set every operator on ``module``; any other public name becomes a function that says it is missing.

    mmcv asserts at import that some hundred names exist, most for point clouds, rotated boxes and text; a list of them
    would break with mmcv's next release.
    """
    module.__dict__.update(OPERATORS)
    module.__dict__["__getattr__"] = _missing_operator


def _missing_operator(name: str) -> Callable[..., NoReturn]:
    if name.startswith("_"):
        raise AttributeError(f"module 'mmcv._ext' has no attribute {name!r}")

    def raise_missing(*args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError(
            f"mmcv's operator {name!r} has no counterpart in anomdet.ops: choose a model that does not need it, or "
            "install mmcv with its compiled extension, which is then used by itself"
        )

    raise_missing.__name__ = name
    return raise_missing
