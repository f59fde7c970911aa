"""Test-time augmentation: the views of an image that a detector looks at, in evaluation and on the line alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from anomdet.fields import WrongValueError, checked, number, one_of, several

if TYPE_CHECKING:  # what a checkpoint says of its views is read without numpy
    import numpy as np
    from numpy.typing import NDArray

FLIPS = ("horizontal", "vertical", "both")
LEAST_SCALE, MOST_SCALE, MOST_SCALES = 0.25, 4.0, 4


def _scale(value: Any) -> float:
    scale = number(value)
    if not LEAST_SCALE <= scale <= MOST_SCALE or scale == 1:
        raise ValueError(value)
    return scale


class View(NamedTuple):
    """One way to look at an image.

    Args:
        scale: of the size that the network sees.
        flip: of :data:`FLIPS`; None: as it is.
    """

    scale: float = 1.0
    flip: str | None = None

    def size_hw(self, size_hw: Sequence[int]) -> tuple[int, int]:
        """What the image is fitted into, where the plain one is fitted into ``size_hw``.

        >>> View(1.25).size_hw((320, 640))
        (400, 800)
        """
        return max(round(size_hw[0] * self.scale), 1), max(round(size_hw[1] * self.scale), 1)

    def mirrored(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """An image ``(H, W, 3)`` as this view shows it, in the same memory."""
        rows, columns = self.flip in ("vertical", "both"), self.flip in ("horizontal", "both")
        return pixels[:: -1 if rows else 1, :: -1 if columns else 1]


@dataclass(frozen=True)
class Views:
    """What a checkpoint and an exported network say of their test-time augmentation.

    Args:
        flips: the image is looked at mirrored, too: left and right, top and bottom, or both at once.
        scales: it is looked at in these sizes, too; 1 is the size of the plain image.
    """

    flips: tuple[str, ...] = field(
        default=(), metadata=checked(f"some of {', '.join(FLIPS)}", several(one_of(*FLIPS), most=len(FLIPS)))
    )
    scales: tuple[float, ...] = field(
        default=(),
        metadata=checked(
            f"up to {MOST_SCALES} numbers from {LEAST_SCALE:g} to {MOST_SCALE:g}, none of them 1",
            several(_scale, most=MOST_SCALES),
        ),
    )

    def __post_init__(self) -> None:
        for name, values in (("flips", self.flips), ("scales", self.scales)):
            if len(set(values)) != len(values):
                raise WrongValueError("each once", values, f".{name}")
        if not self.flips and not self.scales:
            raise WrongValueError("a flip or a scale", self.flips, ".flips")

    @property
    def plan(self) -> tuple[View, ...]:
        """All views, the plain image first; the network runs so many times.

        >>> Views(("horizontal",), (1.25,)).plan[2:]
        (View(scale=1.25, flip=None), View(scale=1.25, flip='horizontal'))
        """
        return tuple(View(scale, flip) for scale, flip in product((1.0, *self.scales), (None, *self.flips)))

    def __str__(self) -> str:
        named = [f"{name} {', '.join(map(str, values))}" for name, values in self._parts if values]
        return f"{'; '.join(named)} ({len(self.plan)} passes)"

    @property
    def _parts(self) -> tuple[tuple[str, tuple[Any, ...]], ...]:
        return ("flips", self.flips), ("scales", tuple(f"{scale:g}" for scale in self.scales))
