"""The settings of ``data:``, with their defaults and meanings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, WithJsonSchema, field_validator, model_validator

from anomdet.config.key_types import (
    Channels,
    ClassNames,
    Fraction,
    OpenFraction,
    Pattern,
    Scales,
    Section,
    Seed,
    Transform,
    spell_out,
)
from anomdet.defaults import FITTED_CACHE_GB, MAX_IMAGE_MEGAPIXELS, MISSING_LABELS, TILE_CACHE_GB
from anomdet.tiles import MAX_OVERLAP

TileSide = Annotated[int, Field(ge=32)]
_OVERLAP = f"a share up to {MAX_OVERLAP:g}, or whole pixels from 1 on"


class SplitFiles(Section):
    """Text files that name the images of each split, one file name a line; paths as for `data_dir`."""

    train: str
    """Images to learn from."""
    val: str
    """Images that choose the best checkpoint."""
    test: str | None = None
    """Images that the final metrics come from; null: half of those in the list of `val`, shared out by class."""


class SplitSettings(Section):
    """How images are shared out among the splits."""

    by: Literal["ratio", "files", "group"] | None = None
    """By the ratios; by `split_files`; or by the ratios with groups kept together; null: as the other keys say."""
    group_regex: Pattern | None = None
    """Images whose names have the same first group, `^(lot\\d+)_`, are in one split; null by group: `group_by`."""
    stratify: bool = True
    """Share out each class by the ratios, and normal images; false: by chance."""
    seed: Seed = 0
    """Another seed, other splits; apart from `training.seed`, so that repeated runs share one test set."""
    on_leak: Literal["warn", "error", "group", "ignore"] = "warn"
    """Near-duplicates in two splits: a warning at the start, an error, put in one split, or not looked for."""


class AugmentationSettings(Section):
    """The boolean style of augmentation; a list of Albumentations transforms may stand in its place."""

    horizontal_flip: bool = True
    """Mirror left and right."""
    horizontal_flip_prob: Fraction = 0.5
    """How often."""
    vertical_flip: bool = True
    """Mirror top and bottom."""
    vertical_flip_prob: Fraction = 0.5
    """How often."""
    rotation: bool = True
    """Turn about the centre; what comes in at the corners is grey."""
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 15.0
    """Drawn evenly from -degrees to +degrees."""
    rotation_prob: Fraction = 0.5
    """How often."""
    color_jitter: bool = True
    """Vary brightness, contrast, saturation and hue."""
    brightness: Annotated[float, Field(ge=0)] = 0.2
    """The factor is drawn from 1 - b to 1 + b, never below 0."""
    contrast: Annotated[float, Field(ge=0)] = 0.2
    """As brightness."""
    saturation: Annotated[float, Field(ge=0)] = 0.2
    """As brightness."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """The shift is drawn from -h to +h, in turns of the colour circle."""
    color_jitter_prob: Fraction = 0.5
    """How often."""
    random_crop: bool = False
    """Cut out a piece at a random place."""
    crop_height: PositiveInt = 512
    """Pixels of the stored image; a smaller image is padded first."""
    crop_width: PositiveInt = 512
    """Pixels of the stored image; a smaller image is padded first."""
    random_crop_prob: Fraction = 0.5
    """How often."""
    copy_paste: Fraction = 0.0
    """How often a normal image gets labelled defects of other training images; 0: never."""
    copy_paste_onto_defects: Fraction = 0.25
    """An image with objects gets some so many times as often as a normal one."""
    copy_paste_most: PositiveInt = 2
    """Defects in one image at most; those that lie close together count as one."""
    mosaic: Fraction = 0.0
    """How often four training images are shown as one, cut to `image_size`; 0: never."""
    mosaic_until: Fraction = 0.8
    """The share of the run after which there are no mosaics; whole epochs, unless `epoch_images` is given."""
    crop: Fraction = 0.0
    """How often a larger image is shown as a piece of `image_size`, at its stored resolution, around a defect."""


class TileSettings(Section):
    """Large images as overlapping tiles, in training, evaluation and prediction alike; results are of whole images."""

    size: TileSide | tuple[TileSide, TileSide] | None = Field(
        default=None, json_schema_extra={"$comment": "an integer >= 32, [height, width] of such, or null"}
    )
    """Pixels of the stored image, then fitted into `image_size`; one number for a square; null: `image_size`."""
    overlap: Annotated[
        float, Field(gt=0), WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "$comment": _OVERLAP})
    ] = 0.2
    """What neighbours share, as a share of the tile or in pixels: an object that fits into it is whole in some tile."""
    min_visible: OpenFraction = 0.3
    """A box is cut at the tile's border; of one with less of its area left, that part is blanked out, not taught."""
    empty_share: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of tiles without defects among the drawn, if a sampler balances; null: as in the data, 0.5 at most."""
    include_whole: bool = False
    """Look at the whole image too, scaled down, for defects that are larger than a tile."""
    cache_gb: Annotated[float, Field(ge=0)] = TILE_CACHE_GB
    """GB on disk for decoded images of 1 megapixel and more, so that training decodes each one once; 0: none."""


class DataSettings(Section):
    """Where the data is and how it is read."""

    data_dir: str = "data/"
    """Holds images/ and labels/."""
    classes: ClassNames | None = None
    """Class number to name, `{1: open, 2: short}`; null: the numbers found in the labels, named by themselves."""
    image_size: PositiveInt | tuple[PositiveInt, PositiveInt] = Field(
        default=640, json_schema_extra={"$comment": "an integer >= 1 or [height, width]"}
    )
    """Pixels that the network sees: one number for a square or [height, width]; the shape is kept, the rest padded."""
    tiles: Annotated[Literal["auto"], WithJsonSchema({"type": "string", "enum": ["auto"]})] | TileSettings | None = (
        Field(default=None, json_schema_extra={"$comment": "null, auto or a section of keys"})
    )
    """Cut large images into tiles, so that small defects are seen; `auto`: where the boxes' sizes call for it."""
    missing_labels: Literal["error", "normal", "skip"] = MISSING_LABELS
    """What an image without a label file is: an error, a normal part, or left out."""
    verify_images: Literal["header", "decode"] = "header"
    """How images are checked before training: `header` reads a few hundred bytes, `decode` every pixel."""
    max_image_megapixels: PositiveFloat = MAX_IMAGE_MEGAPIXELS
    """Images of more millions of pixels are refused by their header, unread; 100: 10,000 x 10,000, 0.3 GB a copy."""
    bit_depth: Literal["auto", 8, 10, 12, 14, 16] = "auto"
    """Bits that images of 16 bit use: cameras write 12 bits into 16; `auto`: as the largest value of 64 images says."""
    cache_gb: Annotated[float, Field(ge=0)] = FITTED_CACHE_GB
    """GB on disk for images of 1 megapixel and more as the network sees them: each is decoded once; 0: none."""
    num_workers: NonNegativeInt = 4
    """Processes that load images; never more than the machine has cores."""
    augmentations: AugmentationSettings | list[Transform] = Field(
        default_factory=AugmentationSettings,
        json_schema_extra={"$comment": "a section of keys or a list of Albumentations transforms, [] for none"},
    )
    """The keys below, or a list of Albumentations transforms: `- {type: HorizontalFlip, p: 0.3}`, `- Transpose`."""
    normalize_mean: Channels = Field(default_factory=lambda: [0.485, 0.456, 0.406])
    """RGB, of pixel values from 0 to 1. YOLOX with its COCO weights sees pixels as they are, as in its training."""
    normalize_std: Scales = Field(default_factory=lambda: [0.229, 0.224, 0.225])
    """RGB, of pixel values from 0 to 1."""
    train_split: OpenFraction = 0.7
    """The share of images to learn from; the three splits sum to 1."""
    val_split: OpenFraction = 0.15
    """The share of images that choose the best checkpoint."""
    test_split: OpenFraction = 0.15
    """The share of images that the final metrics come from."""
    split: SplitSettings = Field(default_factory=SplitSettings)
    """How images are shared out among the splits."""
    split_files: SplitFiles | None = None
    """Lists in place of the ratios."""
    group_by: Pattern | None = None
    """Regular expression on the file name, `^(part\\d+)_`: images with the same first group show one part."""
    dataset: dict[str, Any] = Field(default_factory=dict)
    """Arguments over those of the data set; `type` names a plug-in's own: `{type: CsvDataset}`."""
    transforms: list[dict[str, Any]] = Field(default_factory=list)
    """Registered transforms of MMDetection's or a plug-in's, after the augmentations: `[{type: Glare}]`."""

    @field_validator("augmentations", mode="before")
    @classmethod
    def _named_transforms(cls, value: Any) -> Any:
        return spell_out(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _splits_sum_to_one(self) -> DataSettings:
        total = self.train_split + self.val_split + self.test_split
        if self.split_files is None and abs(total - 1) > 1e-6:
            raise ValueError(f"train_split + val_split + test_split: expected a sum of 1, got {total:g}")
        return self
