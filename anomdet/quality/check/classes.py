"""Class numbers: unknown ones, and those that are too rare to be meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from anomdet.data.class_names import sounds_normal
from anomdet.quality.check.findings import Finding
from anomdet.quality.check.table import Boxes
from anomdet.words import counted

_NORMAL_HINT = "each such object makes its part defective; if it marks good parts, delete it: a normal part has none"


def check_classes(boxes: Boxes, classes: Mapping[int, str] | None) -> Iterator[Finding]:
    """Class numbers that are not meant.

    Args:
        boxes: with their class numbers.
        classes: number to name, of the settings; None: any number is right.
    """
    nums, first, counts = np.unique(boxes.class_nums, return_index=True, return_counts=True)
    if classes:
        unknown = ~np.isin(boxes.class_nums, list(classes))
        allowed = ", ".join(map(str, sorted(classes)))
        for at in np.flatnonzero(unknown):
            got = str(boxes.class_nums[at])
            yield Finding("class-unknown", *boxes.place(at), f"a class number of data.classes ({allowed})", got)
        for num in sorted(classes.keys() - set(nums.tolist())):
            yield Finding("class-unused", "", 0, f"objects of class {num} ({classes[num]})", "none")
    for num, at, count in zip(nums.tolist(), first.tolist(), counts.tolist(), strict=True):
        if count == 1 and len(boxes) > 1 and not (classes and num not in classes):
            got = f"class {num} only here"
            hint = "a slip of the pen? one object is too few to learn a class from"
            yield Finding("class-once", *boxes.place(at), "a class more than once", got, hint)
        if classes and sounds_normal(classes.get(num, "")):
            got = f"class {num} ({classes[num]}), {counted(count, 'object')}"
            yield Finding("class-normal", *boxes.place(at), "a class of defects", got, _NORMAL_HINT)
