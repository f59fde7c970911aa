"""How probable each image is at one draw of a balanced epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError


def image_probabilities(counts: NDArray[np.integer], normal_ratio: float | None) -> NDArray[np.float64]:
    """Probability ``(N,)`` of each image at one draw, from objects per image and class ``(N, C)``.

    Raises:
        UserError: ``normal_ratio`` outside 0 to 1, or asking for images that the data does not have.
    """
    present = counts > 0
    normal = ~present.any(axis=1)
    num_normal, num_images = int(normal.sum()), len(counts)
    ratio = num_normal / num_images if normal_ratio is None else float(normal_ratio)
    if not 0 <= ratio <= 1:
        raise UserError(Problem("normal_ratio", "a share from 0 to 1", f"{ratio:g}"))
    if ratio == 1 and num_normal < num_images and normal_ratio is not None:
        raise UserError(Problem("normal_ratio", "a share below 1, or nothing is left to detect", f"{ratio:g}"))
    if not num_normal:  # no normal image, whatever share was asked for
        ratio = 0.0
    weights = np.zeros(num_images)
    for images in present.T:
        np.maximum(weights, np.where(images, 1 / max(int(images.sum()), 1), 0.0), out=weights)
    probabilities = weights * ((1 - ratio) / weights.sum()) if num_normal < num_images else weights
    if num_normal:
        probabilities[normal] = ratio / num_normal
    return probabilities


def cap_at_one(expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same sum with no number above 1: what is above is shared among the others in proportion."""
    capped = expected.copy()
    total = round(float(expected.sum()))
    certain: NDArray[np.bool_] = np.zeros(len(expected), dtype=bool)
    while True:
        over = ~certain & (capped > 1)
        if not over.any():
            return capped
        certain |= over
        capped[certain] = 1.0
        rest = capped[~certain].sum()
        if rest > 0:
            capped[~certain] *= (total - certain.sum()) / rest


def share_hard_normals(
    probabilities: NDArray[np.float64], is_normal: NDArray[np.bool_], is_hard: NDArray[np.bool_], share: float
) -> None:
    """Give the hard ones their share of the probability of all normal images, in place.

    Args:
        probabilities: of each image ``(N,)`` at one draw.
        is_normal: ``(N,)``.
        is_hard: ``(N,)``, some of these.
        share: of the hard ones among the drawn normal images.

    Raises:
        UserError: no hard one in the split; or a share that would draw them more rarely than the others.
    """
    where, num_normal, num_hard = "hard_normals", int(is_normal.sum()), int(is_hard.sum())
    if not num_hard:
        hint = "those of other splits are never drawn; leave hard_normals out"
        raise UserError(Problem(where, "a listed image in the training split", "none", hint))
    own = num_hard / num_normal
    if not own < share < 1:
        got = f"{share:g}; {num_hard:,} of {num_normal:,} normal images of the training split are hard"
        raise UserError(Problem(where, f"null, or a share above {own:.3g}, which they have anyway, and below 1", got))
    total = float(probabilities[is_normal].sum())
    probabilities[is_normal] = total * (1 - share) / (num_normal - num_hard)
    probabilities[is_hard] = total * share / num_hard
