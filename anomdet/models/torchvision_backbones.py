"""VGG16 from torchvision. Simonyan and Zisserman, arXiv:1409.1556."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from anomdet.errors import Problem, UserError
from anomdet.registry import MODELS

# The layer of torchvision's `features` that ends each map: conv3_3, conv4_3, conv5_3 with their ReLU, and pool5.
LAYERS = (15, 22, 29, 30)
CHANNELS = (256, 512, 512, 512)
STRIDES = (4, 8, 16, 32)


@MODELS.register_module()
class VGG16(nn.Module):
    """VGG16 without batch norm: maps at the strides 4, 8, 16 and 32 with 256, 512, 512 and 512 channels.

    Args:
        checkpoint: file of torchvision's vgg16 weights; null starts at random.
        out_indices: which maps to keep, counted from the finest; null keeps all. Later layers are not built.
        init_cfg: accepted for MMDetection's sake and unused.

    Attributes:
        channels, strides: one number for each map.

    Raises:
        UserError: out_indices out of range, or the checkpoint cannot be read or is another network's.
    """

    def __init__(self, checkpoint: str | None = None, out_indices: Sequence[int] | None = None, init_cfg: None = None):
        super().__init__()
        from torchvision.models.vgg import cfgs, make_layers

        del init_cfg
        indices = tuple(range(len(LAYERS)) if out_indices is None else out_indices)
        if not indices or not all(0 <= i < len(LAYERS) for i in indices) or list(indices) != sorted(set(indices)):
            raise UserError(Problem("VGG16: out_indices", f"0 to {len(LAYERS) - 1}, ascending", str(list(indices))))
        self.layers = tuple(LAYERS[i] for i in indices)
        self.channels = tuple(CHANNELS[i] for i in indices)
        self.strides = tuple(STRIDES[i] for i in indices)
        # Not by torchvision's vgg16(): it would fill the classifier's 120 million numbers first.
        self.features = make_layers(cfgs["D"], batch_norm=False)[: self.layers[-1] + 1]
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        if checkpoint is not None:
            self._load(checkpoint)

    def init_weights(self) -> None:
        """Nothing: the constructor did it. MMDetection calls this on every backbone."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images ``(N, 3, H, W)`` to maps ``(N, channels[i], H / strides[i], W / strides[i])``."""
        maps, x = [], images
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.layers:
                maps.append(x)
        return tuple(maps)

    def _load(self, checkpoint: str) -> None:
        stored = _read(checkpoint)
        wanted = self.state_dict()
        bad = [name for name, value in wanted.items() if getattr(stored.get(name), "shape", None) != value.shape]
        if bad:
            problem = Problem(f"VGG16: {checkpoint}", "torchvision's vgg16 weights", f"a file without {bad[0]}")
            raise UserError(problem)
        self.load_state_dict({name: stored[name] for name in wanted})


def _read(checkpoint: str) -> dict[str, Tensor]:
    where = f"VGG16: {checkpoint}"
    try:
        result: dict[str, Tensor] = torch.load(Path(checkpoint).expanduser(), map_location="cpu", weights_only=True)
        return result
    except OSError as error:
        hint = "give the path of torchvision's file, or set pretrained: false"
        raise UserError(Problem(where, "a file that can be read", str(error), hint)) from error
    except Exception as error:
        raise UserError(Problem(where, "torchvision's vgg16 weights", f"{type(error).__name__}: {error}")) from error
