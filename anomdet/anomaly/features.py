"""The frozen backbone in PyTorch: images to the maps of some of its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anomdet.anomaly.patches import even_light
from anomdet.errors import Problem, UserError
from anomdet.ops.callers import full_precision, plain_defaults
from anomdet.ops.forks import one_thread_if_forked
from anomdet.registry import MODELS

Floats = NDArray[np.float32]
BACKBONES = {"efficientnet_lite0": "anomdet.EfficientNetLite0"}


class TorchFeatures:
    """Maps of a backbone whose weights do not change.

    Args:
        name: of :data:`BACKBONES`.
        layers: its blocks, ascending.
        weights: of the backbone, as :meth:`weights` gave them; None: ImageNet's, from a pip package.
        device: ``cpu`` or ``cuda:0``.

    Attributes:
        network: the backbone, for evaluation.

    Raises:
        UserError: no such backbone or block, the package is missing, or the weights are another backbone's.
    """

    def __init__(
        self, name: str, layers: Sequence[int], *, weights: Mapping[str, Any] | None = None, device: str = "cpu"
    ) -> None:
        if name not in BACKBONES:
            raise UserError(Problem("anomaly.features", f"one of {', '.join(BACKBONES)}", repr(name)))
        config = {"type": BACKBONES[name], "out_blocks": tuple(layers), "pretrained": weights is None}
        with plain_defaults():
            network = MODELS.build(config)
        if weights is not None:
            _load(network, weights)
        self.device = device
        self.network = network.to(device=device, memory_format=torch.channels_last).requires_grad_(False).eval()
        self.network.fold_norms()

    def weights(self) -> dict[str, torch.Tensor]:
        """What a checkpoint holds of the backbone."""
        return {name: value.cpu().contiguous() for name, value in self.network.state_dict().items()}

    @torch.inference_mode()
    def __call__(self, images_bgr: NDArray[np.uint8]) -> list[list[Floats]]:
        """Maps ``(h, w, C)`` of each layer, for each of the images ``(N, S, S, 3)``."""
        one_thread_if_forked()
        planes = torch.from_numpy(even_light(images_bgr)).to(self.device)
        with full_precision(self.device):
            layers = self.network(planes.contiguous(memory_format=torch.channels_last))
        arrays = [layer.permute(0, 2, 3, 1).float().cpu().numpy() for layer in layers]
        return [[np.ascontiguousarray(layer[at]) for layer in arrays] for at in range(len(images_bgr))]


def _load(network: torch.nn.Module, weights: Mapping[str, Any]) -> None:
    own = network.state_dict()
    fits = set(own) == set(weights) and all(
        isinstance(value, torch.Tensor) and value.shape == own[name].shape and bool(torch.isfinite(value).all())
        for name, value in weights.items()
    )
    if not fits:
        raise UserError(Problem("anomaly.backbone", f"the {len(own)} weights of this backbone", "others"))
    network.load_state_dict(dict(weights))
