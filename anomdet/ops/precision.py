"""Half precision: torchvision lacks some bfloat16 kernels, so we compute in float32 and round the result once."""

from __future__ import annotations

import torch
from torch import Tensor

_REDUCED = (torch.float16, torch.bfloat16)


def upcast(tensor: Tensor) -> Tensor:
    """float16 and bfloat16 as float32; float32 and float64 as they are."""
    return tensor.float() if tensor.dtype in _REDUCED else tensor
