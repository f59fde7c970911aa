"""What the settings say about a run, as far as it bears on the data's health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from anomdet.defaults import MISSING_LABELS
from anomdet.quality.propose.choices import Preset
from anomdet.quality.propose.network import CPU


@dataclass(frozen=True)
class Plan:
    """How the data would be used.

    Args:
        size_hw: what the network sees, pixels; images are fitted inside, their shape kept.
        model: name of the preset.
        anchored: the model matches boxes to anchors of fixed shapes.
        imbalance: ``training.class_imbalance_handling.method``.
        normal_ratio: share of normal images among the drawn; None: as in the data.
        classes: class number to name; None: the numbers are the names.
        missing_labels: an image without a label file is an ``error``, a ``normal`` image, or left out (``skip``).
        split_of: file name of an image to its split; None: not known.
        ratios: of train, val and test; None: the splits come from lists, or are not known.
        splits_note: why the splits are not known.
        tiles: height and width of ``data.tiles``, pixels; ``auto``: as the boxes call for; None: images as a whole.
        preset: limits of what the machine trains in sensible time.
    """

    size_hw: tuple[int, int]
    model: str
    anchored: bool
    imbalance: str
    normal_ratio: float | None = None
    classes: Mapping[int, str] | None = None
    missing_labels: str = MISSING_LABELS
    split_of: Mapping[str, str] | None = None
    ratios: tuple[float, float, float] | None = None
    splits_note: str = ""
    tiles: tuple[int, int] | Literal["auto"] | None = None
    preset: Preset = CPU
