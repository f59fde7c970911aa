"""A custom backbone: MobileNetV2 from torchvision, four feature maps.

In run.yaml::

    model:
      name: faster_rcnn
      custom_backbone_file: examples/custom_backbone_mobilenet_v2.py
"""

from torchvision.models import mobilenet_v2
from torchvision.models.feature_extraction import create_feature_extractor

# The last layer at each of the strides 4, 8, 16 and 32, and its channels.
LAYERS = {"features.3": 24, "features.6": 32, "features.13": 96, "features.17": 320}


def get_custom_backbone(config):
    """What AnomDet calls.

    Args:
        config: the settings as a dict; ``model.pretrained`` true loads ImageNet's weights.

    Returns:
        The backbone, a torch.nn.Module from images (N, 3, H, W) to a dict of maps, and the channels of each map.
    """
    network = mobilenet_v2(weights="IMAGENET1K_V2" if config.get("model", {}).get("pretrained") else None)
    backbone = create_feature_extractor(network, list(LAYERS))
    return backbone, list(LAYERS.values())
