"""Albumentations as a step of MMDetection's pipelines. The one file that knows Albumentations."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms.base import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes

from anomdet.boxes import clip_xyxy
from anomdet.data.draw import draw_of
from anomdet.errors import Problem, UserError
from anomdet.registry import TRANSFORMS

_AUGMENT_STREAM = 1

# These map the picture onto itself: a box within it stays within it.
_ONTO_ITSELF = frozenset(["D4", "HorizontalFlip", "NoOp", "RandomRotate90", "Transpose", "VerticalFlip"])

# These move boxes without a look at what Albumentations keeps of them.
_MOVES_BOXES_ONLY = _ONTO_ITSELF | {"Rotate"}

# These treat the three channels alike or not at all, so that BGR in gives exactly the BGR of what RGB gives.
_COLOUR_BLIND = frozenset(
    [
        "Affine",
        "AtLeastOneBBoxRandomCrop",
        "BBoxSafeRandomCrop",
        "CenterCrop",
        "Compose",
        "Crop",
        "D4",
        "HorizontalFlip",
        "LongestMaxSize",
        "NoOp",
        "OneOf",
        "Pad",
        "PadIfNeeded",
        "Perspective",
        "RandomBrightnessContrast",
        "RandomCrop",
        "RandomResizedCrop",
        "RandomRotate90",
        "RandomScale",
        "RandomSizedBBoxSafeCrop",
        "Resize",
        "Rotate",
        "SafeRotate",
        "Sequential",
        "ShiftScaleRotate",
        "SmallestMaxSize",
        "SomeOf",
        "Transpose",
        "VerticalFlip",
    ]
)


@TRANSFORMS.register_module()
class AlbumentationsAugment(BaseTransform):
    """Albumentations transforms on an image and its boxes.

    Required keys: ``img`` (uint8 BGR ``(H, W, 3)``), ``gt_bboxes`` (HorizontalBoxes), ``gt_bboxes_labels`` (int64) and
    ``gt_ignore_flags``; all are set anew, and ``img_shape``. Optional keys: ``draw``, from which all randomness comes;
    without it, from np.random; and ``scale_factor``. Two such steps in one pipeline have streams of their own.

    Boxes are cut to the image before and after; those without area, cut or shrunk below ``min_size_px`` or less visible
    than ``min_visibility`` are dropped. An image left without boxes stays, as a normal image.

    Args:
        transforms: ``dict(type=<Albumentations class>, **arguments)``, nested under ``transforms`` for OneOf and the
            like.
        min_visibility: least share of a box's area within the image for it to stay.
        min_size_px: least width and height of a box afterwards, in pixels of before ``scale_factor``; half of its
            shorter side for one that was smaller already: a hair is a defect, too.

    Raises:
        UserError: an unknown transform or argument, or one whose value Albumentations refuses.
    """

    _compose: Any = None

    def __init__(self, transforms: Sequence[Mapping], min_visibility: float = 0.1, min_size_px: float = 2) -> None:
        self.transforms = [dict(transform) for transform in transforms]
        self.min_visibility = min_visibility
        self.min_size_px = min_size_px
        self._build()

    def _build(self) -> None:
        """Compose once a process; all transforms share the two generators, which each call sets anew."""
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else the import opens a URL
        import albumentations

        built = [_build_transform(transform) for transform in self.transforms]
        self._filters = not all(map(_moves_boxes_only, built))
        params = albumentations.BboxParams(
            format="pascal_voc",
            min_visibility=self.min_visibility,  # `_keep` knows which size is too small
            check_each_transform=_count_movers(built) > 1,
        )
        self._bit_generator = np.random.PCG64(0)
        self._python_random = random.Random(0)
        self._compose = albumentations.Compose(built, bbox_params=params if self._filters else None)
        # Not set_random_seed: it seeds each transform alike, so that two flips with p = 0.5 always come together.
        self._compose.set_random_state(np.random.Generator(self._bit_generator), self._python_random)
        self._needs_rgb = not all(map(_is_colour_blind, self.transforms))

    def __getstate__(self) -> dict[str, Any]:
        built = ("_bit_generator", "_python_random", "_compose", "_filters", "_needs_rgb")
        return {key: value for key, value in self.__dict__.items() if key not in built}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def transform(self, results: dict) -> dict:
        if self._compose is None:  # in another process
            self._build()
        self._seed(results)
        image = results["img"]
        before_hw = image.shape[:2]
        boxes = _numbered_boxes(results["gt_bboxes"].tensor.numpy(), *before_hw)
        if self._needs_rgb:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        image, boxes = self._filtered(image, boxes) if self._filters else self._moved(image, boxes)
        if self._needs_rgb:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        results["img"] = np.ascontiguousarray(image)
        results["img_shape"] = image.shape[:2]
        self._keep(results, boxes, before_hw)
        return results

    def _filtered(self, image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        augmented = self._compose(image=image, bboxes=boxes)
        return augmented["image"], np.asarray(augmented["bboxes"], dtype=np.float32).reshape(-1, boxes.shape[1])

    def _moved(self, image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of shares of the image, as the transforms take them, without the checks at both ends: a third."""
        augmented = self._compose(image=image, bboxes=boxes / _unit(image))
        image = augmented["image"]
        boxes = np.asarray(augmented["bboxes"], dtype=np.float32) * _unit(image)
        visible = clip_xyxy(boxes[:, :4], *image.shape[:2])
        return image, boxes[_areas(visible) >= self.min_visibility * _areas(boxes)]

    def _seed(self, results: dict) -> None:
        step = results["augment_steps"] = results.get("augment_steps", -1) + 1
        sequence = draw_of(results).seed_sequence(_AUGMENT_STREAM, step)
        self._bit_generator.state = np.random.PCG64(sequence).state
        self._python_random.seed(int.from_bytes(sequence.generate_state(4).tobytes(), "little"))

    def _keep(self, results: dict, boxes: np.ndarray, before_hw: tuple[int, int]) -> None:
        """Put the boxes that are left, with their labels, into the results, unless they became too small."""
        height, width = results["img_shape"]
        bboxes_xyxy = clip_xyxy(boxes[:, :4], height, width)
        size_wh = bboxes_xyxy[:, 2:] - bboxes_xyxy[:, :2]
        least_wh = self.min_size_px * np.asarray(results.get("scale_factor", (1.0, 1.0)))
        numbers = boxes[:, 4].astype(np.int64)
        before = clip_xyxy(results["gt_bboxes"].tensor.numpy()[numbers], *before_hw)
        before_wh = before[:, 2:] - before[:, :2]
        was_large = (before_wh >= least_wh).all(axis=1, keepdims=True)
        least_wh = np.where(was_large, least_wh, before_wh.min(axis=1, keepdims=True) / 2)
        large = (size_wh >= least_wh).all(axis=1) & (size_wh > 0).all(axis=1)
        kept = numbers[large]
        results["gt_bboxes"] = HorizontalBoxes(bboxes_xyxy[large])
        results["gt_bboxes_labels"] = results["gt_bboxes_labels"][kept]
        results["gt_ignore_flags"] = results["gt_ignore_flags"][kept]


def _numbered_boxes(bboxes_xyxy: np.ndarray, height: int, width: int) -> np.ndarray:
    """Boxes within the image, with their number as fifth column: Albumentations raises on any other box."""
    clipped = clip_xyxy(bboxes_xyxy, height, width)
    numbers = np.flatnonzero((clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1]))
    return np.column_stack([clipped[numbers], numbers]).astype(np.float32)


def _unit(image: np.ndarray) -> np.ndarray:
    """What a box's shares of the image, and its number, are multiplied with: ``(5,)``."""
    height, width = image.shape[:2]
    return np.array([width, height, width, height, 1], dtype=np.float32)


def _areas(bboxes_xyxy: np.ndarray) -> np.ndarray:
    """Of rows that begin with a box: ``(N,)``."""
    area: np.ndarray = (bboxes_xyxy[:, 2] - bboxes_xyxy[:, 0]) * (bboxes_xyxy[:, 3] - bboxes_xyxy[:, 1])
    return area


def _build_transform(config: Mapping) -> Any:
    import albumentations

    arguments = dict(config)
    name = arguments.pop("type", None)
    kind = getattr(albumentations, str(name), None)
    if not isinstance(kind, type):
        raise UserError(Problem("augmentations", "the name of an Albumentations transform", repr(name)))
    if "transforms" in arguments:
        arguments["transforms"] = [_build_transform(inner) for inner in arguments["transforms"]]
    try:
        built = kind(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(Problem(f"augmentations: {name}", "arguments that it takes", str(error))) from None
    unknown = getattr(built, "invalid_args", None)
    if unknown:
        raise UserError(Problem(f"augmentations: {name}", "arguments that it has", ", ".join(unknown)))
    return built


def _is_colour_blind(config: Mapping) -> bool:
    """No transform that knows colours, no colour to fill with."""
    if config.get("type") not in _COLOUR_BLIND:
        return False
    if any(key.startswith("fill") and not isinstance(value, (int, float)) for key, value in config.items()):
        return False
    return all(map(_is_colour_blind, config.get("transforms", ())))


def _moves_boxes_only(transform: Any) -> bool:
    import albumentations

    kind = type(transform)
    return issubclass(kind, albumentations.ImageOnlyTransform) or kind.__name__ in _MOVES_BOXES_ONLY


def _count_movers(transforms: Sequence) -> int:
    """Transforms that may push a box over the edge.

    From the second on, Albumentations must drop lost boxes after each step, which is slow: else one that was cropped
    away comes back when a later step widens the image.
    """
    import albumentations

    movers = 0
    for transform in transforms:
        if isinstance(transform, albumentations.BaseCompose):
            movers += _count_movers(transform.transforms)
        elif not isinstance(transform, albumentations.ImageOnlyTransform):
            movers += type(transform).__name__ not in _ONTO_ITSELF
    return movers
