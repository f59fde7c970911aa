"""A custom model: torchvision's Faster R-CNN on MobileNetV3, its own losses and post-processing.

In run.yaml::

    model:
      custom_model_file: examples/custom_model_torchvision.py

AnomDet gives ``images``, a list of RGB tensors (3, h, w) from 0 to 1, and in training ``targets``, a list of dicts with
``boxes`` (n, 4) xyxy pixels and ``labels`` (n,) from 1. In training the model returns a dict of losses, in evaluation a
list of dicts with ``boxes``, ``labels`` and ``scores``.
"""

from torch import nn
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn


class CustomModel(nn.Module):
    """What AnomDet makes; ``config`` is the settings as a dict, ``model.num_classes`` filled in."""

    def __init__(self, config):
        super().__init__()
        pretrained = bool(config["model"].get("pretrained"))
        longest_px = config.get("data", {}).get("image_size", 640)
        self.detector = fasterrcnn_mobilenet_v3_large_320_fpn(
            weights=None,
            weights_backbone="IMAGENET1K_V1" if pretrained else None,
            num_classes=config["model"]["num_classes"] + 1,  # torchvision counts the background, as class 0
            min_size=longest_px if isinstance(longest_px, int) else min(longest_px),
            max_size=longest_px if isinstance(longest_px, int) else max(longest_px),
        )

    def forward(self, images, targets=None):
        return self.detector(images, targets)
