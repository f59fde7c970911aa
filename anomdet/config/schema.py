"""The settings language: every key of the YAML, its default and its meaning. The one place where a default stands."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from anomdet.config.key_types import (
    BackboneName,
    Channels,
    ClassNames,
    Fraction,
    MetricName,
    OpenFraction,
    Scales,
    Seed,
    Transform,
    spell_out,
)


class Section(BaseModel):
    """One frozen section of the settings; unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=(), allow_inf_nan=False
    )


class ModelSettings(Section):
    """Which network."""

    name: str = "fasterrcnn_resnet50_fpn"
    """A preset (`anomdet config --presets` lists them) or any MMDetection config as `mmdet::faster_rcnn/....py`."""
    detection_model: str | None = None
    """The same as `name`, under the data owner's word; null: build `name` on `backbone` or on a file."""
    pretrained: bool = True
    """Start from COCO weights where the preset has them, else from ImageNet's."""
    num_classes: PositiveInt | None = None
    """Null: as many as the data has. Given, it must agree with the data."""
    backbone: BackboneName | None = None
    """Null: the preset's own. Any network of timm's that gives feature maps, as `timm:convnext_tiny`."""
    custom_backbone_file: str | None = None
    """A Python file that defines `get_custom_backbone(config) -> (backbone, out_channels)`."""
    custom_model_file: str | None = None
    """A Python file that defines `class CustomModel(config)`, with torchvision's detection interface."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Keys of MMDetection's model config, merged over the preset's: `{neck: {out_channels: 96}}`."""

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, data: Any) -> Any:
        """`detection_model` alone means the same as `name` alone."""
        if isinstance(data, dict) and data.get("detection_model") is not None and "name" not in data:
            return {**data, "name": data["detection_model"]}
        return data


class SchedulerSettings(Section):
    """How the learning rate falls."""

    name: Literal["cosine_annealing_warm_restarts", "cosine_annealing", "step_lr", "constant"] = (
        "cosine_annealing_warm_restarts"
    )
    """Updated at each iteration; `step_lr` at the end of an epoch."""
    T_0: PositiveInt = 10
    """Warm restarts: epochs until the first restart."""
    T_mult: PositiveInt = 1
    """Warm restarts: each period is so many times as long as the one before."""
    eta_min: Annotated[float, Field(ge=0)] = 0.0
    """The lowest learning rate of both cosine schedules."""
    step_size: PositiveInt = 3
    """step_lr: epochs between two steps."""
    gamma: OpenFraction = 0.1
    """step_lr: the factor at each step."""
    warmup_iterations: NonNegativeInt = 0
    """Iterations of a linear rise from a hundredth of the learning rate, before any schedule."""


class EarlyStoppingSettings(Section):
    """When to stop before the last epoch."""

    enabled: bool = True
    """Whether to stop early at all."""
    patience: PositiveInt = 5
    """Validations without a better mAP before the training stops."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """How much better counts as better; 0: strictly better."""


class ImbalanceSettings(Section):
    """How rare classes get their share."""

    method: Literal["none", "balanced_sampler"] = "balanced_sampler"
    """`balanced_sampler`: images are drawn by inverse class frequency; normal images keep their share."""
    normal_ratio: Fraction | None = None
    """The share of normal images among the drawn; null: as in the data."""


class TrainingSettings(Section):
    """How to train."""

    epochs: PositiveInt = 10
    """How often the training split is gone through."""
    batch_size: PositiveInt = 16
    """Images in a step, for each process."""
    learning_rate: PositiveFloat = 0.001
    """Of the optimizer, before the scheduler lowers it."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0001
    """Not applied to norms and biases."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """`sgd` runs with momentum 0.9."""
    scheduler: SchedulerSettings = Field(default_factory=SchedulerSettings)
    """How the learning rate falls."""
    seed: Seed = 42
    """Of the weights' initial values, the drawing of images and the augmentation."""
    use_amp: bool = True
    """Mixed precision on a GPU; on a CPU the log says that it runs in full precision."""
    gradient_clip_norm: PositiveFloat | None = 35.0
    """Largest L2 norm of the gradient; null: no clipping."""
    ema: bool = False
    """Evaluate and keep an exponential moving average of the weights."""
    channels_last: bool = False
    """Store images with the channels innermost: faster for small networks on a CPU and for most on a GPU."""
    val_interval: PositiveInt = 1
    """Epochs between two validations; the last epoch always ends with one."""
    early_stopping: EarlyStoppingSettings = Field(default_factory=EarlyStoppingSettings)
    """When to stop before the last epoch."""
    class_imbalance_handling: ImbalanceSettings = Field(default_factory=ImbalanceSettings)
    """How rare classes get their share."""


class SplitFiles(Section):
    """Text files that name the images of each split, one file name a line; paths as for `data_dir`."""

    train: str
    """Images to learn from."""
    val: str
    """Images that choose the best checkpoint."""
    test: str
    """Images that the final figures come from."""


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
    missing_labels: Literal["error", "normal", "skip"] = "error"
    """What an image without a label file is: an error, a normal part, or left out."""
    verify_images: Literal["header", "decode"] = "header"
    """How images are checked before training: `header` reads a few hundred bytes, `decode` every pixel."""
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
    """The share of images that the final figures come from."""
    split_seed: Seed = 0
    """Another seed, other splits; apart from `training.seed`, so that repeated trainings share one test set."""
    split_files: SplitFiles | None = None
    """Lists in place of the ratios."""

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


class MetricsSettings(Section):
    """What evaluation measures."""

    iou_thresholds: Annotated[list[OpenFraction], Field(min_length=1)] = Field(
        default_factory=lambda: [0.5, 0.75, 0.95]
    )
    """One `mAP_<t>` each, beside COCO's."""
    matching_iou_threshold: OpenFraction = 0.5
    """Precision, recall, F1 and mean IoU count a prediction as right from this overlap on."""
    score_threshold: Fraction = 0.3
    """Precision, recall, F1, mean IoU and the pictures leave out predictions below this score."""
    include_metrics: list[MetricName] = Field(default_factory=lambda: list(get_args(MetricName)))
    """Which of these the table and metrics.json hold, beside COCO's."""


class LoggingSettings(Section):
    """Where the outputs go."""

    log_dir: str = "logs"
    """training.log, settings.yaml, config.py, evaluation/ and visualization/."""
    checkpoint_dir: str = "checkpoints"
    """best_model.pth (by validation mAP) and last.pth."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """DEBUG adds a line for each batch."""


class Settings(Section):
    """One run: model, training, data, metrics, logging."""

    model: ModelSettings = Field(default_factory=ModelSettings)
    """Which network."""
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    """How to train."""
    data: DataSettings = Field(default_factory=DataSettings)
    """Where the data is and how it is read."""
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    """What evaluation measures."""
    logging: LoggingSettings = Field(default_factory=LoggingSettings)
    """Where the outputs go."""


FIXED_BACKBONES = {"fasterrcnn_resnet50_fpn": ("resnet50", "faster_rcnn")}
"""Presets whose name fixes the backbone: the backbone, and the preset that takes any."""


def effective_model_name(settings: Settings) -> str:
    """The preset to build, from `model.name` and `model.detection_model`.

    With `detection_model: null` and another backbone (or one from a file), a name that fixes its backbone gives way to
    the preset that takes any: `fasterrcnn_resnet50_fpn` becomes `faster_rcnn`.
    """
    model = settings.model
    name = model.detection_model or model.name
    if model.detection_model is None and name in FIXED_BACKBONES:
        own_backbone, general = FIXED_BACKBONES[name]
        if model.custom_backbone_file is not None or model.backbone not in (None, own_backbone):
            return general
    return name
