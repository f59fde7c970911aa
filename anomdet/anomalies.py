"""What a detector knows and says of defects that nobody labelled: shared by the score's own room and the detector's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from anomdet.fields import WrongValueError, checked, flag, integer, number, one_of, several, text

UNKNOWN = "unknown"
METHODS = ("patchcore", "padim")
MAX_SIDE_PX = 2048


def _positive(value: Any) -> float:
    if number(value) <= 0:
        raise ValueError(value)
    return number(value)


def _share(value: Any) -> float:
    if not 0 < number(value) < 1:
        raise ValueError(value)
    return number(value)


_POSITIVE, _COUNT = checked("a number > 0", _positive), checked("an integer >= 0", partial(integer, least=0))
_TWO = checked("two numbers", several(number, least=2, most=2))


@dataclass(frozen=True)
class AnomalyInfo:
    """What the document of a detector says of its normal-only score; the arrays stand beside it.

    Args:
        features: name of the frozen backbone.
        layers: its blocks, ascending.
        image_size: side of the square that it sees, pixels.
        method: of the patches.
        centres, weights: of the two distances that make up the score.
        threshold: of the score; a part is rejected from it on.
        cell_threshold: of a cell's distance; regions are made of cells from it on.
        overkill: the share of good parts that the threshold may reject.
        num_normals: parts that it was chosen from, each scored by a model of others.
        num_above: of them, how many reach it.
        regions: whether regions are reported.
    """

    features: str = field(metadata=checked("the name of a backbone", text))
    layers: tuple[int, ...] = field(
        metadata=checked("block numbers", several(partial(integer, least=0, most=999), least=1, most=16))
    )
    image_size: int = field(
        metadata=checked(f"an integer from 32 to {MAX_SIDE_PX}", partial(integer, least=32, most=MAX_SIDE_PX))
    )
    method: Literal["patchcore", "padim"] = field(metadata=checked(" or ".join(METHODS), one_of(*METHODS)))
    centres: tuple[float, float] = field(metadata=_TWO)
    weights: tuple[float, float] = field(metadata=_TWO)
    threshold: float = field(metadata=_POSITIVE)
    cell_threshold: float = field(metadata=_POSITIVE)
    overkill: float = field(metadata=checked("a number above 0 and below 1", _share))
    num_normals: int = field(metadata=_COUNT)
    num_above: int = field(metadata=_COUNT)
    regions: bool = field(default=True, metadata=checked("true or false", flag))

    def __post_init__(self) -> None:
        if self.num_above >= max(self.num_normals, 1):
            raise WrongValueError("fewer than num_normals", self.num_above, ".num_above")


@dataclass(frozen=True)
class Region:
    """A part of an image that is unlike the normal ones.

    Args:
        bbox_xyxy: pixels of the image itself.
        ratio: of its farthest cell's distance to the threshold of cells.
    """

    bbox_xyxy: tuple[float, float, float, float]
    ratio: float

    def to_dict(self) -> dict[str, Any]:
        """As a detection of no class."""
        x1, y1, x2, y2 = (round(side, 2) for side in self.bbox_xyxy)
        return {
            "class_num": None,
            "class_name": UNKNOWN,
            "ratio": round(self.ratio, 4),
            "bbox_xyxy": [x1, y1, x2, y2],
            "bbox_xywh": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
        }


@dataclass(frozen=True)
class Anomaly:
    """How unlike the normal images one image is.

    Args:
        score: 1 for an ordinary normal image; no upper end.
        threshold: the part is rejected from this score on.
        p_value: the share of normal parts that score as high or higher.
        regions: where, the farthest first; of an image below the threshold none.

    Raises:
        ValueError: a value that is no number, or negative; a threshold of 0.
    """

    score: float
    threshold: float
    p_value: float
    regions: tuple[Region, ...] = ()

    def __post_init__(self) -> None:
        sides = [side for region in self.regions for side in (*region.bbox_xyxy, region.ratio)]
        if not all(math.isfinite(value) and value >= 0 for value in (self.score, self.threshold, self.p_value, *sides)):
            raise ValueError("an anomaly with a value that is no number >= 0")
        if not self.threshold:
            raise ValueError("an anomaly with a threshold of 0")

    @property
    def is_unknown(self) -> bool:
        """Whether the part is rejected for it."""
        return self.score >= self.threshold

    @property
    def ratio(self) -> float:
        """Of the score to its threshold."""
        return self.score / self.threshold

    @property
    def part_score(self) -> float:
        """From 0 to 1, and 0.5 at the threshold: for a model whose boxes have no scores.

        >>> Anomaly(3.0, 1.0, 0.01).part_score
        0.75
        """
        return self.score / (self.score + self.threshold)

    def to_dict(self) -> dict[str, Any]:
        """In what JSON can hold."""
        return {
            "score": self.score,
            "threshold": self.threshold,
            "p_value": round(self.p_value, 6),
            "regions": [region.to_dict() for region in self.regions],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Anomaly:
        """What :meth:`to_dict` returned.

        Raises:
            KeyError, TypeError, ValueError: something else.
        """
        regions = []
        for row in document["regions"]:
            x1, y1, x2, y2 = (float(side) for side in row["bbox_xyxy"])
            regions.append(Region((x1, y1, x2, y2), float(row["ratio"])))
        score, threshold, p_value = (float(document[key]) for key in ("score", "threshold", "p_value"))
        return cls(score, threshold, p_value, tuple(regions))
