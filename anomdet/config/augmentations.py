"""Augmentation settings to Albumentations transforms, as plain dicts, and the check of a user's own list of them.

Albumentations is imported by :func:`find_faults` only, when a list is checked.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pydantic

from anomdet.config.problems import KeyPath, did_you_mean, dotted, nearest, show_value
from anomdet.config.schema_data import AugmentationSettings
from anomdet.errors import Problem, UserError

TransformDict = dict[str, Any]

# ImageNet's mean colour: with the default normalisation the network sees 0, "nothing here". A mirrored border would
# show defects a second time, without boxes, and teach the network to overlook them.
FILL_RGB = (124, 116, 104)

COMPOSITIONS = ("OneOf", "SomeOf", "RandomOrder", "Sequential")

_REFUSED = {
    "Normalize": "data.normalize_mean and data.normalize_std do it",
    "ToFloat": "data.normalize_mean and data.normalize_std do it",
    "FromFloat": "the images are 8 bit already",
    "ToTensorV2": "the pipeline makes the tensor",
    "ToTensor3D": "the pipeline makes the tensor",
    "Lambda": "a function cannot be written in YAML",
    "Compose": "use Sequential",
    "ReplayCompose": "use Sequential",
    "OneOrOther": "use OneOf",
    "SelectiveChannelTransform": "list its transforms directly",
}
# What a transform may ask for beside the image; masks and the metadata of other images we do not have.
_AVAILABLE = {"image", "images", "bboxes"}
# What the constructors raise over values of a wrong kind, beside what pydantic finds first.
_FROM_CONSTRUCTORS = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
    OSError,
)


def to_albumentations(settings: AugmentationSettings) -> list[TransformDict]:
    """The transforms of the boolean style, in order: geometry, then colour, on the fewer pixels of a crop.

    Returns:
        ``dict(type=<Albumentations class>, **arguments)`` each; what is off, or can change nothing, is left out.
    """
    transforms: list[TransformDict] = []
    if settings.horizontal_flip and settings.horizontal_flip_prob:
        transforms.append(dict(type="HorizontalFlip", p=settings.horizontal_flip_prob))
    if settings.vertical_flip and settings.vertical_flip_prob:
        transforms.append(dict(type="VerticalFlip", p=settings.vertical_flip_prob))
    if settings.rotation and settings.rotation_prob and settings.rotation_degrees:
        degrees = float(settings.rotation_degrees)
        # The box around the turned ellipse inside the old box; around its turned corners, boxes grow with each degree.
        box = dict(rotate_method="ellipse", border_mode=0, fill=list(FILL_RGB))
        transforms.append(dict(type="Rotate", limit=[-degrees, degrees], **box, p=settings.rotation_prob))
    if settings.random_crop and settings.random_crop_prob:
        size = dict(height=settings.crop_height, width=settings.crop_width)
        padding = dict(pad_if_needed=True, border_mode=0, fill=list(FILL_RGB))
        transforms.append(dict(type="RandomCrop", **size, **padding, p=settings.random_crop_prob))
    strengths = {name: getattr(settings, name) for name in ("brightness", "contrast", "saturation", "hue")}
    if settings.color_jitter and settings.color_jitter_prob and any(strengths.values()):
        transforms.append(dict(type="ColorJitter", **strengths, p=settings.color_jitter_prob))
    return transforms


# These do the same to an image of any size, in less time to a smaller one.
_OF_ANY_SIZE = frozenset(
    ["ColorJitter", "HorizontalFlip", "NoOp", "RandomBrightnessContrast", "Rotate", "VerticalFlip"]
)
# So do these where height and width are fitted into the same.
_EXCHANGE_SIDES = frozenset(["D4", "RandomRotate90", "Transpose"])


def take_any_size(transforms: Sequence[Mapping[str, Any]], size_hw: tuple[int, int]) -> bool:
    """Whether an image may be fitted into ``size_hw`` before these transforms, with the same result but for rounding.

    Example:
        >>> take_any_size([dict(type="D4")], (320, 320)), take_any_size([dict(type="D4")], (320, 480))
        (True, False)
    """
    known = _OF_ANY_SIZE | (_EXCHANGE_SIDES if size_hw[0] == size_hw[1] else frozenset())
    return all(transform.get("type") in known and not transform.get("crop_border") for transform in transforms)


def to_mixing(
    settings: AugmentationSettings, size_hw: tuple[int, int], epochs: int, epoch_images: int | None
) -> list[TransformDict]:
    """The steps before these that show parts of other training images, or of one; what is off is left out.

    Args:
        settings: of the augmentations.
        size_hw: what the network sees.
        epochs: of the run.
        epoch_images: that an epoch draws; None: as many as the sampler has.
    """
    steps: list[TransformDict] = []
    if settings.copy_paste:
        onto, most = settings.copy_paste_onto_defects, settings.copy_paste_most
        steps.append(dict(type="anomdet.CopyPaste", prob=settings.copy_paste, onto_defects=onto, most=most))
    if settings.mosaic:
        length = dict(end=_mosaic_end(settings, epochs, epoch_images), epoch_draws=epoch_images)
        steps.append(dict(type="anomdet.InspectionMosaic", size_hw=size_hw, prob=settings.mosaic, **length))
    if settings.crop:
        steps.append(dict(type="anomdet.CropAroundDefect", size_hw=size_hw, prob=settings.crop))
    return steps


def _mosaic_end(settings: AugmentationSettings, epochs: int, epoch_images: int | None) -> float:
    """In epochs; a run of whole epochs must leave one for mosaics, or none would come in silence."""
    end = settings.mosaic_until * epochs
    if epoch_images is None and end < 1:
        hint = "or give training.epoch_images: then parts of an epoch count"
        expected, got = f"at least {1 / epochs:.2g}, one of {epochs} epochs", f"{settings.mosaic_until:g}"
        raise UserError(Problem("data.augmentations.mosaic_until", expected, got, hint))
    return end


@dataclass(frozen=True)
class Fault:
    """What is wrong with a list of transforms; ``path`` starts in the list: ``("[0]", "p")``."""

    path: KeyPath
    expected: str
    got: str
    hint: str = ""


def check_transforms(transforms: list[TransformDict], where: str) -> list[Problem]:
    """Everything wrong with a list of Albumentations transforms.

    Args:
        transforms: ``dict(type=<Albumentations class>, **arguments)`` each.
        where: the name of the list, ``run.yaml:3: data.augmentations``.
    """
    return [
        Problem(f"{where}{dotted(fault.path)}", fault.expected, fault.got, fault.hint)
        for fault in find_faults(transforms)
    ]


def find_faults(transforms: list[Any], path: KeyPath = ()) -> list[Fault]:
    """As :func:`check_transforms`, with paths in place of names."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the network for news
    import albumentations

    return [
        fault
        for position, item in enumerate(transforms)
        for fault in _item_faults(item, (*path, f"[{position}]"), albumentations)
    ]


def _item_faults(item: Any, path: KeyPath, library: ModuleType) -> Iterator[Fault]:
    if not isinstance(item, dict):
        yield Fault(path, "an Albumentations transform, as {type: HorizontalFlip, p: 0.5}", show_value(item))
        return
    kind = item.get("type")
    refusal = _refusal(kind, library)
    if refusal:
        key = (*path, "type")
        if "type" in item:
            yield Fault(key, refusal[0], show_value(kind), refusal[1])
        else:
            yield Fault(key, refusal[0], "nothing", "name the transform: type: HorizontalFlip")
        return
    made = getattr(library, str(kind))
    known = [name for name in inspect.signature(made.__init__).parameters if name != "self"]
    unknown = [name for name in item if name not in known and name != "type"]
    for name in unknown:
        near = nearest(name, known)
        hint = did_you_mean(repr(near)) if near else f"the arguments are {', '.join(known)}"
        yield Fault((*path, name), f"an argument of {kind}", repr(name), hint)
    arguments = {name: value for name, value in item.items() if name in known}
    if kind in COMPOSITIONS:
        yield from _composition_faults(arguments, path)
    else:
        yield from _argument_faults(made, arguments, path)


def _refusal(kind: Any, library: ModuleType) -> tuple[str, str] | None:
    """Why a type cannot be used, as (expected, hint); None if it can."""
    transforms = _transform_types(library)
    if not isinstance(kind, str) or kind not in {*transforms, *COMPOSITIONS, *_REFUSED}:
        near = nearest(kind, [*transforms, *COMPOSITIONS])
        hint = did_you_mean(near) if near and near not in _REFUSED else _REFUSED.get(str(near), "")
        return "an Albumentations transform", hint
    if kind in _REFUSED:
        return "a transform of 8-bit images and boxes", _REFUSED[kind]
    if kind in COMPOSITIONS:
        return None
    targets = {str(getattr(target, "value", target)) for target in _as_tuple(transforms[kind]._targets)}
    if "Image" not in targets:
        return "a transform of images", "this one works on volumes"
    if issubclass(transforms[kind], library.DualTransform) and "BBoxes" not in targets:
        return "a transform that moves boxes along", "this one cannot"
    return None


def _transform_types(library: ModuleType) -> dict[str, Any]:
    base = library.BasicTransform
    abstract = {"BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D"}
    found = {name: getattr(library, name) for name in dir(library) if name not in abstract}
    return {name: made for name, made in found.items() if inspect.isclass(made) and issubclass(made, base)}


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _composition_faults(arguments: dict[str, Any], path: KeyPath) -> Iterator[Fault]:
    """Compositions do not check their arguments themselves."""
    inner = arguments.get("transforms")
    if isinstance(inner, list) and inner:
        yield from find_faults(inner, (*path, "transforms"))
    else:
        got = show_value(inner) if "transforms" in arguments else "nothing"
        yield Fault((*path, "transforms"), "a list of transforms", got)
    chance, count = arguments.get("p", 0.5), arguments.get("n", 1)
    if isinstance(chance, bool) or not isinstance(chance, (int, float)) or not 0 <= chance <= 1:
        yield Fault((*path, "p"), "a number from 0 to 1", show_value(chance))
    most = len(inner) if isinstance(inner, list) and not arguments.get("replace") else None
    if type(count) is not int or count < 1 or (most and count > most):
        yield Fault((*path, "n"), f"an integer from 1 to {most}" if most else "an integer >= 1", show_value(count))


def _argument_faults(made: Any, arguments: dict[str, Any], path: KeyPath) -> Iterator[Fault]:
    """Make the transform, and see whether it refuses its arguments or wants data that we have not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            transform = made(**arguments)
    except _FROM_CONSTRUCTORS as error:
        cause = error.__cause__
        yield from _in_words(cause if isinstance(cause, pydantic.ValidationError) else error, arguments, path)
        return
    missing = sorted(set(transform.targets_as_params) - _AVAILABLE)
    if missing:
        expected = "a transform that needs the image and its boxes only"
        yield Fault((*path, "type"), expected, repr(made.__name__), f"this one needs {', '.join(missing)}")


def _in_words(error: Exception, arguments: dict[str, Any], path: KeyPath) -> Iterator[Fault]:
    """One fault for each argument that was refused."""
    if not isinstance(error, pydantic.ValidationError):
        yield Fault(path, "arguments that fit together", show_value(arguments), str(error).strip().splitlines()[0])
        return
    found = error.errors(include_url=False)
    for name in dict.fromkeys(fault["loc"][0] if fault["loc"] else "" for fault in found):
        here = [fault for fault in found if fault["loc"][:1] == ((name,) if name else ())]
        said = " or ".join(dict.fromkeys(_said(fault["msg"]) for fault in here))
        if not name:
            yield Fault(path, "arguments that fit together", show_value(arguments), said)
        elif here[0]["type"] == "missing":
            yield Fault((*path, name), f"a value for {name}", "nothing")
        elif here[0]["type"] in ("value_error", "assertion_error"):
            yield Fault((*path, name), "a value that fits", show_value(arguments.get(str(name))), said)
        else:
            yield Fault((*path, name), said, show_value(arguments.get(str(name))))


def _said(message: str) -> str:
    """Pydantic's sentence as the end of ``expected ...``."""
    for long, short in (
        ("Input should be ", ""),
        ("Value error, ", ""),
        ("Assertion failed, ", ""),
        ("a valid ", "a "),
        ("a integer", "an integer"),
        ("greater than or equal to", ">="),
        ("less than or equal to", "<="),
        ("greater than", ">"),
        ("less than", "<"),
    ):
        message = message.replace(long, short)
    return message.split(", unable to")[0]
