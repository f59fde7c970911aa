"""Which box convention a data set follows, from all its boxes together; what they do not show is left open."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anomdet.quality.check.findings import Finding
from anomdet.quality.check.origin import from_one
from anomdet.quality.check.readings import (
    AS_EXPECTED,
    CENTRE,
    CORNERS,
    READINGS,
    SWAPPED,
    SWAPPED_CORNERS,
    Fit,
    read_as,
)
from anomdet.quality.check.table import Boxes, Floats

MIN_BOXES = 10
_MAX_SHARE = 1.05  # the far corner of a normalised box may be rounded up
_MIN_SIDE_PX = 16  # of an image, for boxes under 1 px to be absurd
_MIN_WRONG = 3
_AXES = "x before y or y before x"
_STILL_WRONG = 0.2  # of the boxes that leave the image as read: sloppy ones leave it in every reading
_MIN_CORRELATED = 20
_MIN_ONE_SIDED = 8  # boxes beyond the right and bottom border, where none is as near to the left and top
_CODES = {
    CORNERS: "boxes-two-corners",
    CENTRE: "boxes-centre",
    SWAPPED: "boxes-swapped",
    SWAPPED_CORNERS: "boxes-swapped",
}
_SHIFTS = {
    AS_EXPECTED: "",
    CORNERS: "width = x2 - x1, height = y2 - y1",
    CENTRE: "x = x_centre - width / 2, y = y_centre - height / 2",
    SWAPPED: "exchange x with y and width with height",
    SWAPPED_CORNERS: "x, y = the second and first number, width = fourth - second, height = third - first",
}


@dataclass(frozen=True)
class Convention:
    """How the boxes of a data set are to be read.

    Args:
        reading: a key of ``READINGS``.
        scaled: ``(N,)`` boxes whose values are shares of their image.
        code: of the finding; empty: as expected, or nothing shows otherwise.
        evidence: what the boxes show.
        open_questions: what they cannot show, a sentence each.
        upright: ``(N, 4)`` corner and size, where the boxes are those of images without their EXIF orientation.
    """

    reading: str
    scaled: NDArray[np.bool_]
    code: str = ""
    evidence: str = ""
    open_questions: tuple[str, ...] = field(default=())
    upright: Floats | None = None

    def finding(self) -> Finding | None:
        """None where nothing is wrong."""
        if not self.code:
            return None
        if self.code == "boxes-from-one":
            hint = "subtract 1 from x and y"
            return Finding(self.code, "labels", 0, "x and y that count from 0", f"from 1: {self.evidence}", hint)
        if self.upright is not None:
            hint = "`anomdet check --fix OUT_DIR` writes a converted copy"
            got = f"boxes of the image as its file stores it, without the EXIF orientation: {self.evidence}"
            return Finding(self.code, "labels", 0, "boxes of the image as viewers show it", got, hint)
        what = f"{self.reading}{', in shares of the image' if self.scaled.any() else ''}"
        steps = ["multiply by the image's width and height"] if self.scaled.any() else []
        steps += [_SHIFTS[self.reading]] if _SHIFTS[self.reading] else []
        hint = f"`anomdet check --fix OUT_DIR` writes a converted copy ({'; '.join(steps)})"
        return Finding(self.code, "labels", 0, "corner and size in pixels", f"{what}: {self.evidence}", hint)

    def to_xywh(self, boxes: Boxes) -> Floats:
        """Corner and size in pixels ``(N, 4)``; nan for a normalised box whose image is not known."""
        return self.upright if self.upright is not None else READINGS[self.reading](_to_pixels(boxes, self.scaled))


def find_convention(boxes: Boxes) -> Convention:
    """The convention of all boxes, judged by those whose image is known."""
    scaled = _normalised(boxes)
    known = np.isfinite(boxes.size_wh).all(axis=1)
    if scaled.any():
        known &= scaled
    values, size_wh = _to_pixels(boxes, scaled), boxes.size_wh
    if not known.all():
        values, size_wh = values[known], size_wh[known]
    fits = {reading: read_as(reading, values, size_wh) for reading in READINGS}
    if scaled.any():
        return _normalised_kind(fits, scaled)
    if len(values) < MIN_BOXES:
        told = f"{len(values)} boxes are too few to recognise the convention; at least {MIN_BOXES} are needed"
        return Convention(AS_EXPECTED, scaled, open_questions=(told,))
    for reading, seen in (
        (CORNERS, _is_corners(fits, values / np.tile(size_wh, 2))),
        (CENTRE, _is_centre(fits, values)),
        (SWAPPED, _is_swapped(fits[AS_EXPECTED], fits[SWAPPED])),
        (SWAPPED_CORNERS, _is_swapped(fits[CORNERS], fits[SWAPPED_CORNERS]) and _fits(fits, SWAPPED_CORNERS)),
    ):
        if seen:
            told = seen if isinstance(seen, str) else _compare(fits, reading)
            return Convention(reading, scaled, _CODES[reading], told, _axes_question(fits, reading, size_wh))
    return _as_expected(fits, values, size_wh, scaled)


def _to_pixels(boxes: Boxes, scaled: NDArray[np.bool_]) -> Floats:
    if not scaled.any():
        return boxes.values
    return np.where(scaled[:, None], boxes.values * np.tile(boxes.size_wh, 2), boxes.values)


def _normalised(boxes: Boxes) -> NDArray[np.bool_]:
    """Which boxes hold shares; none, unless most do."""
    small = (np.abs(boxes.values) <= _MAX_SHARE).all(axis=1) & ~(
        boxes.size_wh.min(axis=1, initial=np.inf) < _MIN_SIDE_PX
    )
    return small if len(small) and small.mean() > 0.5 else np.zeros(len(boxes), bool)


def _normalised_kind(fits: dict[str, Fit], scaled: NDArray[np.bool_]) -> Convention:
    """YOLO's centre and size, unless another reading fits better."""
    reading = min((CENTRE, AS_EXPECTED, CORNERS), key=lambda name: fits[name].num_wrong)
    share = f"{100 * scaled.mean():.4g} % of the boxes have no value above 1"
    if not len(fits[CENTRE].wrong):
        return Convention(CENTRE, scaled, "boxes-normalised", f"{share}; as YOLO writes them")
    told = "; ".join(f"read as {name} {fits[name].percent} leave the image" for name in (CENTRE, AS_EXPECTED, CORNERS))
    tie = [name for name in (CENTRE, AS_EXPECTED, CORNERS) if fits[name].num_wrong == fits[reading].num_wrong]
    told += f"; either {' or '.join(tie)}, taken as YOLO writes them" if len(tie) > 1 and reading == CENTRE else ""
    return Convention(reading, scaled, "boxes-normalised", f"{share}; {told}")


def _fits(fits: dict[str, Fit], reading: str) -> bool:
    """Whether a reading corrects nearly all that is wrong as read now."""
    wrong = fits[AS_EXPECTED].num_wrong
    return wrong >= _MIN_WRONG and fits[reading].num_wrong <= _STILL_WRONG * wrong


def _is_corners(fits: dict[str, Fit], shares: Floats) -> bool | str:
    """Two corners: many boxes leave the image as read, hardly any as corners; or far corners follow near ones."""
    if _fits(fits, CORNERS) and fits[AS_EXPECTED].wrong.mean() >= 0.05:
        return True
    if len(shares) < _MIN_CORRELATED or fits[CORNERS].wrong.mean() > 0.01 or np.ptp(shares, axis=0).min() <= 0:
        return False
    # Of the image's size: in images of many sizes everything in pixels grows together.
    along_x, along_y = (np.corrcoef(shares[:, k], shares[:, k + 2])[0, 1] for k in (0, 1))
    if min(along_x, along_y) < 0.8:
        return False
    return (
        f"the third number is above the first and the fourth above the second in {_all_but(fits[CORNERS])} boxes, and "
        f"they follow each other (correlation {along_x:.2f} and {along_y:.2f}), as far corners do and sizes do not"
    )


def _is_centre(fits: dict[str, Fit], values: Floats) -> bool | str:
    """Centre and size: as read, boxes leave by the right and bottom by up to half their size, and never otherwise."""
    if _fits(fits, CENTRE):
        read = fits[AS_EXPECTED]
        share = (read.beyond_px[:, 2:] / values[read.wrong, 2:]).max(axis=1)
        most = float(np.quantile(share, 0.8))  # the others are sloppy, or too small for their rounding
        far = most >= 0.2 and np.median(share) >= 0.1
        one_sided = read.num_wrong >= _MIN_ONE_SIDED and not fits[CENTRE].num_wrong
        if most <= 0.55 and (far or one_sided):
            return True
    doubled = 2 * values[:, :2]
    whole = (doubled % 1 == 0) & (values[:, 2:] % 1 == 0)
    odd = values[:, 2:] % 2 == 1
    if not whole.all() or min(odd.sum(), (~odd).sum()) < MIN_BOXES:
        return False
    if not ((doubled % 2 == 1) == odd).all():
        return False
    return "x and y end in a half exactly where the width and the height are odd, as centres of whole pixels do"


def is_better(read: Fit, other: Fit) -> bool:
    """Whether as read now several boxes are wrong, and hardly any of them in another way."""
    return read.num_wrong >= _MIN_WRONG and other.num_wrong <= _STILL_WRONG * read.num_wrong


def _is_swapped(read: Fit, swapped: Fit) -> bool:
    """y before x: as read, boxes leave the image far; exchanged, hardly any does. Square images show nothing."""
    if not is_better(read, swapped):
        return False
    far = (read.beyond_px / np.tile(np.maximum(read.bboxes_xywh[:, 2:], 1), 2)).max(axis=1)
    return bool(np.mean(far > 0.5) >= 0.2)


def _all_but(fit: Fit) -> str:
    return "all" if not fit.num_wrong else f"all but {fit.num_wrong}"


def _compare(fits: dict[str, Fit], reading: str) -> str:
    read = fits[AS_EXPECTED]
    return (
        f"{read.percent} of the {len(read.wrong)} boxes reach outside when read as {AS_EXPECTED}, "
        f"{fits[reading].percent} when read as {reading}"
    )


def _axes_question(fits: dict[str, Fit], reading: str, size_wh: Floats) -> tuple[str, ...]:
    """Whether x and y may be exchanged, where the boxes do not show it."""
    if (size_wh[:, 0] == size_wh[:, 1]).all():
        what = "--decode compares what the boxes show" if reading in (AS_EXPECTED, CORNERS) else "convert them first"
        return (f"{_AXES}: all images are square; {what}",)
    fits_both_ways = reading == AS_EXPECTED and not fits[SWAPPED].num_wrong
    return (f"{_AXES}: every box fits its image both ways",) if fits_both_ways else ()


def _as_expected(fits: dict[str, Fit], values: Floats, size_wh: Floats, scaled: NDArray[np.bool_]) -> Convention:
    """No other reading is better: say how well this one fits, and what the boxes leave open."""
    read = fits[AS_EXPECTED]
    others = "; ".join(
        f"as {name} {fits[name].percent} would not fit" for name in (CORNERS, CENTRE) if fits[name].num_wrong
    )
    told = f"{read.percent} of the {len(values)} boxes reach outside" + (f"; {others}" if others else "")
    questions: list[str] = []
    if not fits[CENTRE].num_wrong:
        none = "no box is nearer to a border than half its size"
        some = f"{read.num_wrong} boxes reach outside as corner and size, none as centre and size: too few to be sure"
        questions.append(f"corner or centre: {some if read.num_wrong else none}")
    questions += _axes_question(fits, AS_EXPECTED, size_wh)
    ones = from_one(values, size_wh)
    if ones.answer is None:
        questions.append(ones.evidence)
    elif not ones.answer:
        told += f"; {ones.evidence}"
    code, evidence = ("boxes-from-one", ones.evidence) if ones.answer else ("", told)
    return Convention(AS_EXPECTED, scaled, code, evidence, tuple(questions))
