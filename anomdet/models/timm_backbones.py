"""Any timm model that knows ``features_only``, as a detector's backbone."""

from __future__ import annotations

import difflib
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any
from urllib.parse import urlparse
from urllib.request import getproxies

from torch import Tensor, nn

from anomdet.errors import Problem, UserError
from anomdet.registry import MODELS


@MODELS.register_module()
class TimmBackbone(nn.Module):
    """The feature maps of a timm model, from the finest to the coarsest.

    Args:
        name: as in ``timm.list_models()``, ``resnet18`` or ``convnext_tiny.fb_in22k``.
        pretrained: load timm's weights, from its cache or the network.
        out_indices: which maps to keep, counted from the finest; null keeps all.
        init_cfg: accepted for MMDetection's sake and unused.

    Attributes:
        channels, strides: one number for each map.

    Raises:
        UserError: timm is missing, the name is unknown, it has no feature maps, or its weights cannot be had.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool = False,
        out_indices: Sequence[int] | None = None,
        init_cfg: None = None,
    ):
        super().__init__()
        del init_cfg
        self.model = _create(name, pretrained, out_indices)
        self.channels = tuple(self.model.feature_info.channels())
        self.strides = tuple(self.model.feature_info.reduction())
        self.channels_last = str(getattr(self.model, "output_fmt", "NCHW")).endswith("NHWC")

    def init_weights(self) -> None:
        """Nothing: timm did it. MMDetection calls this on every backbone."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images ``(N, 3, H, W)`` to maps ``(N, channels[i], H / strides[i], W / strides[i])``."""
        maps = self.model(images)
        return tuple(level.permute(0, 3, 1, 2).contiguous() if self.channels_last else level for level in maps)


def _create(name: str, pretrained: bool, out_indices: Sequence[int] | None) -> nn.Module:
    where = f"backbone timm:{name}"
    try:
        import timm
    except ImportError as error:
        raise UserError(Problem(where, "the pip package timm", "no such package", "run: pip install timm")) from error
    if not timm.is_model(name.split(".")[0]):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() names them"
        raise UserError(Problem(where, "a model that timm knows", repr(name), hint))
    chosen: dict[str, Any] = {} if out_indices is None else {"out_indices": tuple(out_indices)}
    try:
        with _quick_offline() if pretrained else nullcontext():
            return timm.create_model(name, pretrained=pretrained, features_only=True, **chosen)
    except Exception as error:  # timm and the hub's client raise what they please
        got = f"{type(error).__name__}: {error}"
        if not pretrained:
            raise UserError(Problem(where, "a model with feature maps", got)) from error
        hint = "load them once where there is a network, or set pretrained: false"
        raise UserError(Problem(where, "feature maps with pretrained weights", got, hint)) from error


@contextmanager
def _quick_offline() -> Iterator[None]:
    """Without a network the hub's client tries again for most of a minute; within, it looks into its cache at once."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _reachable(str(constants.ENDPOINT))
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _reachable(address: str) -> bool:
    """Whether an address has a chance: a proxy may know it, or the name is known here."""
    if getproxies():
        return True
    try:
        socket.getaddrinfo(urlparse(address).hostname, None)
    except OSError:
        return False
    return True
