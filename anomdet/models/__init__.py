"""Backbones and models. Importing it registers ours under MMEngine's MODELS."""

from anomdet.models import efficientnet_lite  # noqa: F401
