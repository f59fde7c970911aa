"""Copy-paste by boxes alone: defects of training images shown in other ones, above all in normal ones.

After Dwibedi et al. 2017 (Cut, Paste and Learn) and Ghiasi et al. 2021 (Simple Copy-Paste), for labels without masks:
the box is shown with a soft border, in the brightness and contrast of the place where it goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from mmcv.transforms.base import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes
from numpy.typing import NDArray

from anomdet.boxes import area_xyxy
from anomdet.data.draw import draw_of
from anomdet.data.pipeline.donors import Donors, dataset_of, load_whole
from anomdet.registry import TRANSFORMS

_STREAM = 4  # of the streams of a draw
_TRIES = 12  # places that are looked at for a defect
_SPREAD = 0.05  # standard deviation about the place where the class was seen, as a share of the image's sides
_MOST_COVERED = 0.05  # of an object by what is pasted over or around it, or of what is pasted
_MOST_OF_IMAGE = 0.25  # what is larger is a surface, not a defect on one
_TOUCHES_PX = 1.5  # from the image's border: the defect goes on beyond it
_GAIN = 1.5  # most that contrast is raised or lowered
_NOISE = 0.01  # of the range of values: what differs by less is flat
_MOST_CLIPPED = 0.1  # of its contrast that a defect may lose at the end of the range: white on white is none
_MOST_UNLIKE = 0.1  # of the range of values, between the surroundings of a defect and of its new place
_COARSE = 16  # pixels of a side on which uneven light is looked at


@TRANSFORMS.register_module()
class CopyPaste(BaseTransform):
    """Defects of the training split pasted into an image, with their boxes and classes.

    A class is drawn, each alike, and one of its objects; objects that lie close to it come along, so that none is
    shown without its label. It goes where an object of the class was seen in some image, by its relative place, moved a
    little; what touches a border of its image, to the same border. Boxes keep their size; nothing leaves the image,
    or covers an object or ignored region by more than a twentieth; the surroundings of the place look as its own do.
    Where no place is found, nothing is pasted.

    Required keys: ``img`` ``(H, W)`` or ``(H, W, C)`` of any depth, ``gt_bboxes`` (HorizontalBoxes),
    ``gt_bboxes_labels``, ``gt_ignore_flags``, ``img_id`` and ``dataset``, which a data set gives to the steps that have
    ``mixes_images``. Optional keys: ``draw``, from which all randomness comes; ``window`` of a tile.

    Args:
        prob: how often an image without objects gets some.
        onto_defects: an image with objects gets some so many times as often.
        most: defects that are pasted at most; from one on, all numbers are alike.
    """

    mixes_images = True

    def __init__(self, prob: float, onto_defects: float = 0.25, most: int = 2) -> None:
        self.prob, self.onto_defects, self.most = prob, onto_defects, most
        self._donors: tuple[Any, Donors] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_donors": None}

    def transform(self, results: dict) -> dict:
        rng = draw_of(results).rng(_STREAM)
        share = self.onto_defects if len(results["gt_bboxes"]) else 1.0
        if rng.random() < self.prob * share:
            for _ in range(int(rng.integers(1, self.most, endpoint=True))):
                self._paste_one(results, rng)
        return results

    def _paste_one(self, results: dict, rng: np.random.Generator) -> None:
        dataset = dataset_of(results, self)
        if self._donors is None or self._donors[0] is not dataset:
            self._donors = dataset, Donors.of(dataset)
        donors = self._donors[1]
        if not donors.of_class:
            return
        label = sorted(donors.of_class)[int(rng.integers(len(donors.of_class)))]
        alike = donors.of_class[label]
        chosen = int(rng.choice(alike))
        info = dataset.image_info(int(donors.images[chosen]))
        patch = _Patch(info, int(donors.rows[chosen]))
        target = _Target(results)
        if patch.is_ignored or patch.area > _MOST_OF_IMAGE * min(target.area, info["width"] * info["height"]):
            return
        donor = load_whole(dataset, int(donors.images[chosen]))["img"]
        if donor.dtype != results["img"].dtype or donor.shape[2:] != results["img"].shape[2:]:
            return
        for shift in target.places(patch, donors.centers[alike], rng):
            placed = Placed(results["img"], donor, patch.solid_xyxy, shift, patch.feather)
            if placed.unlikeness() <= _MOST_UNLIKE and placed.clipped() <= _MOST_CLIPPED:
                results["img"] = placed.blended()
                _add(results, patch, shift)
                return


class _Patch:
    """A defect of an image and those close to it: ``solid_xyxy`` in whole pixels, ``feather`` pixels around it."""

    def __init__(self, info: dict[str, Any], row: int) -> None:
        boxes = np.array([one["bbox"] for one in info["instances"]], np.float32).reshape(-1, 4)
        hull = boxes[row]
        while True:
            feather = feather_of(hull)
            near = ((boxes[:, :2] < hull[2:] + feather) & (boxes[:, 2:] > hull[:2] - feather)).all(axis=1)
            grown = np.concatenate([boxes[near, :2].min(axis=0), boxes[near, 2:].max(axis=0)])
            if (grown == hull).all():
                break
            hull = grown
        own = [info["instances"][at] for at in np.flatnonzero(near)]
        self.size_wh = np.array([info["width"], info["height"]])
        self.bboxes_xyxy = boxes[near]
        self.labels = np.array([one["bbox_label"] for one in own], np.int64)
        self.is_ignored = any(one["ignore_flag"] for one in own)
        self.center_xy = (boxes[row, :2] + boxes[row, 2:]) / 2
        self.feather = feather
        corners = np.concatenate([np.floor(hull[:2]), np.minimum(np.ceil(hull[2:]), self.size_wh)])
        self.solid_xyxy = corners.astype(np.int64)
        self.area = float(area_xyxy(hull[None])[0])
        self.touches_low = hull[:2] <= _TOUCHES_PX
        self.touches_high = hull[2:] >= self.size_wh - _TOUCHES_PX


class _Target:
    """The image, or the tile of one, that something goes into; ``origin_xy`` is its place in the whole image."""

    def __init__(self, results: dict) -> None:
        height, width = results["img"].shape[:2]
        self.size_wh, self.area = np.array([width, height]), width * height
        window = results.get("window")
        self.origin_xy: NDArray[np.int64] = np.zeros(2, np.int64) if window is None else np.asarray(window[:2])
        columns = results["dataset"].index.columns
        self.whole_wh = self.size_wh if window is None else columns.sizes_hw[results["img_id"]][::-1].astype(np.int64)
        self.occupied = results["gt_bboxes"].tensor.numpy()

    def places(self, patch: _Patch, seen: NDArray[np.float32], rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """By how many pixels ``(x, y)`` the patch may move from its image into this one, by chance."""
        centers = seen * self.whole_wh - self.origin_xy
        centers = centers[((centers >= 0) & (centers <= self.size_wh)).all(axis=1)]
        lowest, highest = -patch.solid_xyxy[:2], self.size_wh - patch.solid_xyxy[2:]
        edge_low, edge_high = -self.origin_xy, self.whole_wh - patch.size_wh - self.origin_xy
        lowest = np.where(patch.touches_high, np.maximum(lowest, edge_high), lowest)
        highest = np.where(patch.touches_high, np.minimum(highest, edge_high), highest)
        lowest = np.where(patch.touches_low, np.maximum(lowest, edge_low), lowest)
        highest = np.where(patch.touches_low, np.minimum(highest, edge_low), highest)
        if not len(centers) or (lowest > highest).any():
            return
        for _ in range(_TRIES):
            center = centers[int(rng.integers(len(centers)))] + rng.normal(0, _SPREAD, 2) * self.whole_wh
            shift = np.clip(np.rint(center - patch.center_xy).astype(np.int64), lowest, highest)
            if self._is_free(patch, shift):
                yield np.asarray(shift)

    def _is_free(self, patch: _Patch, shift: NDArray[np.int64]) -> bool:
        if not len(self.occupied):
            return True
        border = patch.feather * np.array([-1, -1, 1, 1])
        covered = (patch.solid_xyxy + np.tile(shift, 2) + border)[None].astype(np.float64)
        sides = np.minimum(covered[:, 2:], self.occupied[:, 2:]) - np.maximum(covered[:, :2], self.occupied[:, :2])
        common = np.maximum(sides, 0).prod(axis=1)
        smaller = np.minimum(area_xyxy(self.occupied), patch.area)
        return bool((common <= _MOST_COVERED * smaller).all())


def feather_of(bbox_xyxy: NDArray[np.floating]) -> int:
    """Pixels around a box in which it fades into the image: a fifth of its mean side, 3 to 16.

    >>> feather_of(np.array([0.0, 0, 50, 32]))
    8
    """
    width, height = bbox_xyxy[2:] - bbox_xyxy[:2]
    return int(np.clip(round(0.2 * float(np.sqrt(width * height))), 3, 16))


class Placed:
    """A rectangle of one image at its place in another one, fading at its border.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``, integers or floats; it is not changed.
        donor: of the same kind, of any size.
        solid_xyxy: ``(4,)`` pixels of the donor that are shown in full; they lie in the image when moved.
        shift_xy: ``(2,)`` from the donor's pixels to the image's.
        feather: width of the border, where the two images reach so far.
    """

    def __init__(
        self, image: NDArray, donor: NDArray, solid_xyxy: NDArray[np.int64], shift_xy: NDArray[np.int64], feather: int
    ) -> None:
        reach = np.array([-1, -1, 1, 1]) * feather + solid_xyxy
        low = np.maximum(reach[:2], np.maximum(0, -shift_xy))
        high = np.minimum(reach[2:], np.minimum(donor.shape[1::-1], np.array(image.shape[1::-1]) - shift_xy))
        first, last = low + shift_xy, high + shift_xy
        self.image, self.at = image, (slice(first[1], last[1]), slice(first[0], last[0]))
        self.is_integer = np.issubdtype(image.dtype, np.integer)
        self.lowest = np.iinfo(image.dtype).min if self.is_integer else None
        self.range = float(np.iinfo(image.dtype).max if self.is_integer else np.ptp(image)) or 1.0
        self.under = image[self.at].astype(np.float32)
        over = donor[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        ramps = (_ramp(low[axis], high[axis], solid_xyxy[[axis, axis + 2]], feather) for axis in (1, 0))
        self.alpha: NDArray[np.float32] = np.outer(*ramps)
        self.border = (self.alpha < 1).astype(np.float32)
        self.over = over * self._gain(over)

    def _gain(self, over: NDArray[np.float32]) -> np.float32:
        """By which the donor's contrast becomes that of the place, both seen beside the defect."""
        ring = self.border > 0
        if not ring.any():
            return np.float32(1)
        own, wanted = (float(part[ring].std(axis=0).mean()) + _NOISE * self.range for part in (over, self.under))
        return np.float32(np.clip(wanted / own, 1 / _GAIN, _GAIN))

    def unlikeness(self) -> float:
        """Of the surroundings in the two images, but for brightness: in coarse pixels, as a share of the values' range.

        A defect of a circuit's line looks wrong beside the line, and one of a surface on the surface's edge.
        """
        ring = _coarse(self.border) > 0.5
        if not ring.any():
            return 0.0
        differences = _coarse(self.over - self.under)[ring]
        return float(differences.std(axis=0).max()) / self.range

    @cached_property
    def mixed(self) -> NDArray[np.float32]:
        """The pixels at the place with it, as they would be without an end of the range.

        The difference of the two borders is carried on into the inside, smoothly: uneven light is followed, and no edge
        is left, while what the defect differs by from its own surroundings stays.
        """
        shape = (*self.border.shape, *[1] * (self.under.ndim - 2))
        over = self.over
        if self.border.any():
            sums, masses = _spread_out((self.under - over) * self.border.reshape(shape)), _spread_out(self.border)
            over = over + sums / masses.reshape(shape)
        return np.asarray(self.under + self.alpha.reshape(shape) * (over - self.under), np.float32)

    def clipped(self) -> float:
        """What is lost at the ends of the range, as a share of the contrast of what is pasted."""
        if not self.is_integer:
            return 0.0
        lost = float(np.abs(self.mixed - np.clip(self.mixed, self.lowest, self.range)).mean())
        contrast = float(np.abs(self.over - np.median(self.over, axis=(0, 1))).mean())
        return lost / max(contrast, 1e-3 * self.range)

    def blended(self) -> NDArray:
        """A copy of the image with it."""
        result = self.image.copy()
        mixed = np.clip(np.rint(self.mixed), self.lowest, self.range) if self.is_integer else self.mixed
        result[self.at] = mixed.astype(self.image.dtype)
        return result


def _ramp(low: int, high: int, solid: NDArray[np.int64], feather: int) -> NDArray[np.float32]:
    """Weight of each pixel along an axis: 1 in the solid part, and falling smoothly to 0 beside it."""
    pixels = np.arange(low, high)
    distance = np.maximum(np.maximum(solid[0] - pixels, pixels - (solid[1] - 1)), 0)
    share = np.clip(1 - distance / (feather + 1), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def _coarse(values: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = values.shape[:2]
    small = cv2.resize(values, (min(width, _COARSE), min(height, _COARSE)), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _spread_out(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums about each pixel, weighted by a bell a third as wide as the array; on few pixels, since they are smooth."""
    small = _coarse(values)
    height, width = small.shape[:2]
    kernel = (2 * width + 1, 2 * height + 1)
    smooth = cv2.GaussianBlur(small, kernel, sigmaX=width / 3, sigmaY=height / 3, borderType=cv2.BORDER_CONSTANT)
    wide = cv2.resize(smooth, values.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide, np.float32).reshape(values.shape)


def _add(results: dict, patch: _Patch, shift: NDArray[np.int64]) -> None:
    """The pasted objects behind those that are there."""
    boxes = patch.bboxes_xyxy + np.tile(shift, 2).astype(np.float32)
    before = results["gt_bboxes"].tensor.numpy()
    results["gt_bboxes"] = HorizontalBoxes(np.concatenate([before, boxes]))
    results["gt_bboxes_labels"] = np.concatenate([results["gt_bboxes_labels"], patch.labels])
    results["gt_ignore_flags"] = np.concatenate([results["gt_ignore_flags"], np.zeros(len(boxes), bool)])
