"""What a backbone returns, found by showing it one blank image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from anomdet.errors import Problem, UserError


@dataclass(frozen=True)
class LevelInfo:
    """One feature map: its channels, and how many pixels of the image one of its cells spans."""

    channels: int
    stride: int


def probe(backbone: nn.Module, image_size_hw: tuple[int, int] = (256, 256)) -> list[LevelInfo]:
    """The levels of ``backbone``, in the order in which it returns them.

    The pass runs in evaluation mode without gradients: no statistics change, and every module's training flag is as
    before. ``image_size_hw`` should be a multiple of the coarsest stride.

    Raises:
        UserError: the backbone fails on the image, or returns no maps ``(1, C, h, w)``.
    """
    where = f"backbone {getattr(backbone, 'file', None) or type(backbone).__name__}"
    flags = {module: module.training for module in backbone.modules()}
    weights = next(backbone.parameters(), torch.zeros(1))
    image = torch.zeros(1, 3, *image_size_hw, device=weights.device, dtype=weights.dtype)
    backbone.eval()
    try:
        with torch.no_grad():
            maps = backbone(image)
    except UserError:
        raise
    except Exception as error:
        expected = f"feature maps of an image of {image_size_hw[0]} x {image_size_hw[1]} px"
        raise UserError(Problem(where, expected, f"{type(error).__name__}: {error}")) from error
    finally:
        for module, training in flags.items():
            module.training = training
    maps = [maps] if isinstance(maps, torch.Tensor) else list(maps)
    if not maps or not all(isinstance(level, torch.Tensor) and level.ndim == 4 for level in maps):
        raise UserError(
            Problem(where, "a tuple of tensors (N, C, H, W)", str([type(level).__name__ for level in maps]))
        )
    return [LevelInfo(level.shape[1], max(round(image_size_hw[0] / level.shape[2]), 1)) for level in maps]
