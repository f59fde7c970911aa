"""Backbones and models. Importing it registers ours under MMEngine's MODELS; timm and torchvision wait until used."""

from anomdet.models import (  # noqa: F401
    efficientnet_lite,
    file_backbone,
    file_model,
    no_boxes,
    rtmdet_start,
    timm_backbones,
    torchvision_backbones,
)

__all__ = ["efficientnet_lite", "file_model", "fit", "mmdet_heads", "probe", "user_file"]
