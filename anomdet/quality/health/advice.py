"""What to change before the training, by stated rules from the numbers; nothing is said that they do not support."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

FIRST, LIKELY, MAYBE = "first", "likely", "maybe"
# Code to when it is said; docs/data_check.md holds the same.
RULES = {
    "errors": "the check found errors",
    "leak": "the check found images of one part in two splits",
    "imbalance": "the commonest class has 10 times the objects of the rarest or more, and imbalance is not handled",
    "rare-classes": "a class is in fewer than 50 images",
    "unmeasured-classes": "a class is in fewer than 3 images",
    "few-in-val": "a class has fewer than 30 objects in the validation split",
    "few-in-test": "a class has fewer than 30 objects in the test split",
    "no-normal-in-val": "there are normal images, but none in the validation split",
    "no-normal-in-test": "there are normal images, but none in the test split",
    "no-normal": "there is no normal image",
    "few-normal": "fewer than 10 % of the labelled images are normal",
    "many-normal": "more than 90 % of the labelled images are normal, and normal_ratio is not set",
    "unlabelled": "images have no labels that can be read",
    "image-size": "more than 10 % of the boxes are under 8 px as the network sees them; init has another size",
    "tiles": "the same, where anomdet init would take tiles",
    "few-pixels": "the same, where what anomdet init would choose shows them with no more",
    "specks": "the same, where what anomdet init would choose shows a tenth of them with less than 2 px",
    "smaller-image-size": "99 % of at least 50 boxes have 32 px or more as the network sees them",
    "padding": "25 % or more of what the network sees is padding, and the images' own shape saves half of that or more",
    "anchors": "10 % of the boxes or more are 4 times as long as wide or more, and the model has fixed anchors",
    "large-boxes": "a box covers more than 80 % of its image",
    "crowded": "an image has more than 100 objects",
    "double-boxes": "the check found equal or nearly equal boxes in one image",
    "mixed-depth": "the check found images of different bit depths",
    "mixed-sizes": "images of one data set are scaled by factors that differ by more than 1.5 times",
    "blank-images": "an image has a contrast below 2 grey levels",
    "odd-brightness": "a mean grey lies more than 6 robust standard deviations and 25 levels from the median",
    "dark": "95 % of the images that were read have a mean grey below 32 of 255",
}
Health = Mapping[str, Any]


class Advice(NamedTuple):
    """One thing to do.

    Args:
        code: never changes.
        level: ``first``: before anything else; ``likely``: mostly better; ``maybe``: worth a thought.
        text: what to do.
        why: the numbers it rests on, and what follows from them.
        settings: as for the command line, ``data.image_size=960``; or empty.
    """

    code: str
    level: str
    text: str
    why: str
    settings: str = ""


def percent(share: float) -> str:
    """``12 %``; ``0.4 %`` below one."""
    return f"{100 * share:.{0 if share >= 0.01 else 1}f} %"


def listed(names: Sequence[str], most: int = 6) -> str:
    """``a, b and 3 more``."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
