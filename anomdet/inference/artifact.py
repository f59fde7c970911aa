"""What a trained detector knows of itself: the document inside a checkpoint and beside an exported network.

One dict of plain containers, under ``meta["inference"]`` of a checkpoint and as JSON in the metadata of an exported
file. It names everything between an image file and a verdict, so that the file alone is enough. It may come from a
stranger: :meth:`Artifact.from_dict` checks every value, and nothing of it is run or fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

from anomdet.anomalies import AnomalyInfo
from anomdet.defaults import BIT_DEPTHS, MAX_IMAGE_MEGAPIXELS, NOTHING_PASSES
from anomdet.errors import Problem, UserError
from anomdet.fields import (
    WrongValueError,
    checked,
    class_number,
    flag,
    from_mapping,
    integer,
    mapping,
    nested,
    number,
    one_of,
    optional,
    plain,
    sentence,
    several,
    text,
)
from anomdet.tiles import Tiling
from anomdet.views import Views

ARTIFACT_VERSION = 1
MAX_SIDE_PX = 2**16
_SHA256 = 64
_SIZE_HW = checked(
    f"two integers from 1 to {MAX_SIDE_PX}, height and width",
    several(partial(integer, least=1, most=MAX_SIDE_PX), least=2, most=2),
)
_PER_CHANNEL = checked("three numbers, or none", lambda value: _three_or_none(value))
_TEXT = checked("text on one line", text)
_TEXTS = checked("a list of text", several(text))
_TEXT_BY_NAME = checked("a mapping of text to text", mapping(text, text))
_FLAG = checked("true or false", flag)
_SCORE = checked("a score from 0 to 1, or null", optional(lambda value: _score(value)))


@dataclass(frozen=True)
class CustomFile:
    """The user's Python file that a network needs; its code is never inside.

    Args:
        key: of the settings, ``model.custom_backbone_file`` or ``model.custom_model_file``.
        name: of the file, without its folder.
        sha256: of its bytes, in hex.
    """

    key: str = field(
        metadata=checked(
            "model.custom_backbone_file or model.custom_model_file",
            one_of("model.custom_backbone_file", "model.custom_model_file"),
        )
    )
    name: str = field(metadata=checked("a file's name without a folder", lambda value: _file_name(value)))
    sha256: str = field(metadata=checked("64 hex digits", lambda value: _hex(value)))


@dataclass(frozen=True)
class ModelInfo:
    """The network.

    Args:
        name: as in the settings, ``rtmdet_tiny``; for a person.
        config: the complete config that MMDetection's registry builds it from, for the test; no address of weights in
            it. A user's file stands in it by its name alone.
        channels_last: whether it runs in that memory format; the last bits of a score depend on it.
        plugins: the modules that must have been imported first; they are not imported from here.
        custom_file: the user's Python file; None: there is none.
    """

    name: str = field(metadata=_TEXT)
    config: dict[str, Any] = field(metadata=checked("a model config", lambda value: _model_config(value)))
    channels_last: bool = field(default=False, metadata=_FLAG)
    plugins: tuple[str, ...] = field(default=(), metadata=_TEXTS)
    custom_file: CustomFile | None = field(default=None, metadata=nested(CustomFile, optional=True))


@dataclass(frozen=True)
class Preprocessing:
    """From a file to what the network takes: decode, resize, order of the channels, normalise, pad.

    Args:
        size_hw: the image is made as large as fits inside, its aspect ratio kept, each side rounded to the nearest
            pixel (halves up), at least 1.
        mean, std: of the pixel values from 0 to 255, in the network's order of channels; both empty: not normalised.
        channel_order: of the network's three channels; images are decoded as BGR.
        pad_multiple: each side is padded at the bottom and the right to a multiple of this.
        pad_value: of the padding, after the normalisation.
        resize: ``fit_inside``, the only one there is.
        interpolation: OpenCV's: ``bilinear`` is ``INTER_LINEAR``.
        bit_depth: bits that images of 16 bit use: they are scaled by the largest value of so many bits.
        max_megapixels: a larger image is refused.
    """

    size_hw: tuple[int, int] = field(metadata=_SIZE_HW)
    mean: tuple[float, ...] = field(metadata=_PER_CHANNEL)
    std: tuple[float, ...] = field(metadata=_PER_CHANNEL)
    channel_order: Literal["rgb", "bgr"] = field(metadata=checked("rgb or bgr", one_of("rgb", "bgr")))
    pad_multiple: int = field(metadata=checked("an integer from 1 to 1024", partial(integer, least=1, most=1024)))
    pad_value: float = field(default=0.0, metadata=checked("a number", number))
    resize: Literal["fit_inside"] = field(default="fit_inside", metadata=checked("fit_inside", one_of("fit_inside")))
    interpolation: Literal["bilinear", "area", "bicubic", "nearest"] = field(
        default="bilinear",
        metadata=checked("bilinear, area, bicubic or nearest", one_of("bilinear", "area", "bicubic", "nearest")),
    )
    bit_depth: int = field(
        default=BIT_DEPTHS[-1], metadata=checked("8, 10, 12, 14 or 16", lambda value: _bit_depth(value))
    )
    max_megapixels: float = field(default=100.0, metadata=checked("a number > 0", lambda value: _positive(value)))

    def __post_init__(self) -> None:
        if self.size_hw[0] * self.size_hw[1] > MAX_IMAGE_MEGAPIXELS * 1e6:
            raise WrongValueError(f"at most {MAX_IMAGE_MEGAPIXELS:g} megapixels", self.size_hw, ".size_hw")
        if len(self.mean) != len(self.std):
            raise WrongValueError("as many numbers as in mean", self.std, ".std")
        if any(value <= 0 for value in self.std):
            raise WrongValueError("numbers > 0", self.std, ".std")


@dataclass(frozen=True)
class OperatingPoint:
    """The score threshold of the verdict, and how it came about.

    Args:
        by: ``max_f1``, ``min_recall``, ``max_false_alarms``, ``costs`` or ``fixed``.
        chosen_on: ``val``, ``settings`` (fixed there) or ``default`` (there was nothing to choose on).
        score_threshold: of all classes; None: each has its own.
        per_class: class number to threshold; None: all have one.
        criterion: the arguments of the choice, as evaluation's ``Criterion.as_dict``; empty: it was fixed.
        note: a sentence, where the choice needs one.
    """

    by: str = field(metadata=_TEXT)
    chosen_on: str = field(metadata=_TEXT)
    score_threshold: float | None = field(metadata=_SCORE)
    per_class: dict[int, float] | None = field(
        default=None,
        metadata=checked(
            "class numbers to scores from 0 to 1, or null",
            optional(mapping(class_number, lambda value: _score(value))),
        ),
    )
    criterion: dict[str, Any] = field(
        default_factory=dict, metadata=checked("a mapping", lambda value: _mapping(value))
    )
    note: str = field(default="", metadata=checked("text", sentence))

    def __post_init__(self) -> None:
        if (self.score_threshold is None) == (self.per_class is None):
            expected = "a threshold for all classes, or one for each in per_class"
            raise WrongValueError(expected, self.score_threshold, ".score_threshold")

    @property
    def thresholds(self) -> float | dict[int, float]:
        """Of all classes, or of each."""
        if self.per_class is not None:
            return dict(self.per_class)
        assert self.score_threshold is not None, "one of the two is there"
        return self.score_threshold


@dataclass(frozen=True)
class Artifact:
    """Everything between an image file and a verdict.

    Args:
        model: the network.
        preprocessing: what happens to an image first.
        class_nums: the user's class numbers, in the order of the network's outputs; none: the normal-only score
            judges alone.
        class_names: one for each.
        operating_point: None: none was chosen; a threshold must then be given.
        versions: package to version, of the training.
        split_hashes: split to a hash over its images' names.
        tiles: how a large image is cut; None: it is not.
        tta: in which views an image or a tile is looked at; None: once, as it is.
        anomaly: the normal-only score; None: there is none.
        version: of this document.
    """

    model: ModelInfo = field(metadata=nested(ModelInfo))
    preprocessing: Preprocessing = field(metadata=nested(Preprocessing))
    class_nums: tuple[int, ...] = field(metadata=checked("a list of integers", several(class_number)))
    class_names: tuple[str, ...] = field(metadata=_TEXTS)
    operating_point: OperatingPoint | None = field(default=None, metadata=nested(OperatingPoint, optional=True))
    versions: dict[str, str] = field(default_factory=dict, metadata=_TEXT_BY_NAME)
    split_hashes: dict[str, str] = field(default_factory=dict, metadata=_TEXT_BY_NAME)
    tiles: Tiling | None = field(default=None, metadata=nested(Tiling, optional=True))
    tta: Views | None = field(default=None, metadata=nested(Views, optional=True))
    anomaly: AnomalyInfo | None = field(default=None, metadata=nested(AnomalyInfo, optional=True))
    version: int = field(default=ARTIFACT_VERSION, metadata=checked(str(ARTIFACT_VERSION), one_of(ARTIFACT_VERSION)))

    def __post_init__(self) -> None:
        if len(set(self.class_nums)) != len(self.class_nums):
            raise WrongValueError("each class number once", self.class_nums, ".class_nums")
        if len(self.class_names) != len(self.class_nums) or len(set(self.class_names)) != len(self.class_names):
            raise WrongValueError("one name for each class number, each once", self.class_names, ".class_names")
        point = self.operating_point
        if point is not None and point.per_class is not None and set(point.per_class) != set(self.class_nums):
            got = sorted(point.per_class)
            raise WrongValueError("a threshold for each class number", got, ".operating_point.per_class")

    @property
    def classes(self) -> dict[int, str]:
        """Class number to name, in the order of the network's outputs.

        >>> preprocessing = Preprocessing((640, 640), (), (), "rgb", 32)
        >>> Artifact(ModelInfo("rtmdet_tiny", {"type": "RTMDet"}), preprocessing, (4, 7), ("dent", "scratch")).classes
        {4: 'dent', 7: 'scratch'}
        """
        return dict(zip(self.class_nums, self.class_names, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, which weights-only loading and JSON take."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Any, where: str = "inference") -> Artifact:
        """The document of a file; it may come from a stranger.

        Args:
            content: what the file holds, of a checkpoint or from JSON.
            where: for the messages, ``best_model.pth: inference``.

        Raises:
            UserError: all that is wrong with it, or it was written by a newer AnomDet.
        """
        version = content.get("version") if isinstance(content, Mapping) else None
        if isinstance(version, int) and version > ARTIFACT_VERSION:
            hint = "it was written by a newer AnomDet: install that one"
            raise UserError(Problem(f"{where}.version", f"at most {ARTIFACT_VERSION}", str(version), hint))
        return from_mapping(cls, content, where)


def _three_or_none(value: Any) -> tuple[float, ...]:
    numbers: tuple[float, ...] = several(number, most=3)(value)
    if len(numbers) not in (0, 3):
        raise ValueError(value)
    return numbers


def _bit_depth(value: Any) -> int:
    if integer(value, least=BIT_DEPTHS[0]) not in BIT_DEPTHS:
        raise ValueError(value)
    return int(value)


def _score(value: Any) -> float:
    """50, meant as percent, would accept every part."""
    if not 0 <= number(value) <= NOTHING_PASSES:
        raise ValueError(value)
    return number(value)


def _positive(value: Any) -> float:
    if number(value) <= 0:
        raise ValueError(value)
    return number(value)


def _file_name(value: Any) -> str:
    if text(value) in (".", "..") or "/" in value or "\\" in value:
        raise ValueError(value)
    return text(value)


def _hex(value: Any) -> str:
    if len(text(value)) != _SHA256 or set(value) - set("0123456789abcdef"):
        raise ValueError(value)
    return text(value)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(value)
    return dict(plain(dict(value)))


def _model_config(value: Any) -> dict[str, Any]:
    config = _mapping(value)
    if not isinstance(config.get("type"), str):
        raise WrongValueError("the registered name of a detector", config.get("type"), ".type")
    return config
