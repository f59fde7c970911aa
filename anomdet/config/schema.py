"""The settings language: every key of the YAML, its meaning and default (schema_data.py, schema_training.py too)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from anomdet.config.key_types import (
    BackboneName,
    FlipName,
    MetricName,
    OpenFraction,
    ScoreThreshold,
    Section,
    TrackerName,
    ViewScale,
)
from anomdet.config.schema_anomaly import AnomalySettings
from anomdet.config.schema_data import DataSettings
from anomdet.config.schema_training import TrainingSettings
from anomdet.defaults import MATCHING_IOU_THR
from anomdet.metric_catalogue import MATCHING_KEYS
from anomdet.views import FLIPS, MOST_SCALES


class ModelSettings(Section):
    """Which network."""

    name: str | None = "fasterrcnn_resnet50_fpn"
    """A preset (`anomdet config --presets` lists them) or any MMDetection config as `mmdet::faster_rcnn/....py`;
    null: no network for boxes, only the normal-only score of `anomaly`, whatever `anomaly.enabled` says."""
    detection_model: str | None = None
    """The same as `name`, under the data owner's word; null: build `name` on `backbone` or on a file."""
    pretrained: bool = True
    """Start from COCO weights where the preset has them, else from ImageNet's."""
    weights: str | None = None
    """Start from a checkpoint of AnomDet or MMDetection, or safetensors: a file or an address. What fits is loaded."""
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


class MetricsSettings(Section):
    """What evaluation measures."""

    iou_thresholds: Annotated[list[OpenFraction], Field(min_length=1)] = Field(
        default_factory=lambda: [0.5, 0.75, 0.95]
    )
    """One `mAP_<t>` each, beside COCO's."""
    matching_iou_threshold: OpenFraction = MATCHING_IOU_THR
    """Precision, recall, F1 and mean IoU count a prediction as right from this overlap on."""
    score_threshold: ScoreThreshold = None
    """Predictions below this score do not count, or `{1: 0.4, 2: 0.3}` by class number; null: as
    `evaluation.operating_point` chooses on the validation split."""
    include_metrics: list[MetricName] = Field(default_factory=lambda: list(MATCHING_KEYS))
    """Which of these the table and metrics.json hold, beside COCO's."""
    extra: list[dict[str, Any]] = Field(default_factory=list)
    """Registered metrics of MMDetection's or a plug-in's, beside ours: `[{type: CountError}]`."""


class OperatingPointSettings(Section):
    """How the score threshold is chosen on the validation split; it is kept in the checkpoint."""

    by: Literal["auto", "max_f1", "min_recall", "max_false_alarms", "costs"] = "auto"
    """`auto`: by the costs below if the split has good parts, else by F1; or F1; or one of the demands below."""
    per_class: bool | None = None
    """A threshold for each class, or one for all; null: for each with `auto`."""
    min_recall: OpenFraction = 0.95
    """With `min_recall`: the highest score that finds at least this share of the objects."""
    max_false_alarms: NonNegativeFloat = 10.0
    """With `max_false_alarms`: the lowest score that rejects at most so many of 1,000 good parts."""
    escape_cost: NonNegativeFloat = 10.0
    """With `costs` and `auto`: of a defective part that passes."""
    overkill_cost: NonNegativeFloat = 1.0
    """With `costs` and `auto`: of a good part that is rejected."""


class TtaSettings(Section):
    """Look at each image several times; every view is one more pass of the network."""

    flips: Annotated[list[FlipName], Field(max_length=len(FLIPS))] = Field(default_factory=lambda: ["horizontal"])
    """Mirrored views besides the plain one; `both`: turned by 180 degrees."""
    scales: Annotated[list[ViewScale], Field(max_length=MOST_SCALES)] = Field(default_factory=list)
    """Further sizes besides `data.image_size`, as shares of it, in each of the flips."""


class EvaluationSettings(Section):
    """What evaluation does beside measuring."""

    batch_size: PositiveInt | None = None
    """Images in a batch of validation and evaluation; null: `training.batch_size`. It changes no result."""
    operating_point: OperatingPointSettings = Field(default_factory=OperatingPointSettings)
    """The score threshold of precision, recall, F1, the verdict on parts and the drawn images."""
    tta: bool | TtaSettings | None = Field(
        default=None, json_schema_extra={"$comment": "null, true, false or a section of keys"}
    )
    """Test-time augmentation in validation, evaluation, prediction and export alike; true: the keys' defaults; null: as
    the checkpoint says; false: none, whatever it says."""
    resamples: NonNegativeInt = 1000
    """Bootstrap resamples of the intervals; 0: none."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Of the intervals."""
    report: bool = True
    """Write report.html."""
    review: str | None = None
    """review.json of `anomdet review`: reports name the share of labels that it suspects, and metrics without these."""


class ReportSettings(Section):
    """The page of an evaluation."""

    title: str | None = None
    """Over the page; null: the name of the settings file."""


class DistributedSettings(Section):
    """Of a run with many processes (torchrun); one process does not look at it."""

    backend: Literal["auto", "nccl", "gloo"] = "auto"
    """How processes talk; auto: nccl between GPUs, gloo between CPUs."""
    timeout_minutes: PositiveFloat = 10.0
    """A process that does not answer for so long ends the job."""
    find_unused_parameters: bool = False
    """Look at each step for weights that had no part in the loss: slower, for models of yours that skip layers."""
    sync_bn: bool = True
    """Batch norm over the images of all processes; on GPUs only."""
    static_graph: bool = False
    """Every step computes the same: lets DDP plan ahead."""
    gradient_compression: Literal["none", "bfloat16"] = "none"
    """Send gradients in half the bytes; the weights then differ in the last digits."""


class VisualizeSettings(Section):
    """Images of truth and predictions during a run."""

    enabled: bool | None = None
    """Null: where a run has five validations or more."""
    images: PositiveInt = 8
    """Images each time: the same ones, some with each class and a normal one; and the hardest of the validation."""
    interval: PositiveInt | None = None
    """Validations between two sets; null: after each, while drawing takes less than 2 % of the run's time."""
    split: Literal["val", "train"] = "val"
    """Which images: `val`, or `train` (not augmented) to look at what is learned."""


class LoggingSettings(Section):
    """Where the outputs go."""

    log_dir: str = "logs"
    """training.log, settings.yaml, config.py, evaluation/ and visualization/."""
    checkpoint_dir: str = "checkpoints"
    """best_model.pth (by `training.monitor`) and last.pth."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """DEBUG adds a line for each batch."""
    visualize: VisualizeSettings = Field(default_factory=VisualizeSettings)
    """Images of truth and predictions during the run, in log_dir/visualization and in the trackers."""
    trackers: list[TrackerName] = Field(default_factory=list)
    """Where losses and metrics go besides the log; each needs its package, and writes below log_dir."""


class Settings(Section):
    """One run: model, training, data, metrics, logging, and what to import for them."""

    model: ModelSettings = Field(default_factory=ModelSettings)
    """Which network."""
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    """How to train."""
    data: DataSettings = Field(default_factory=DataSettings)
    """Where the data is and how it is read."""
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    """What evaluation measures."""
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    """The operating point, the intervals, the report."""
    report: ReportSettings = Field(default_factory=ReportSettings)
    """The page of an evaluation."""
    logging: LoggingSettings = Field(default_factory=LoggingSettings)
    """Where the outputs go."""
    anomaly: AnomalySettings = Field(default_factory=AnomalySettings)
    """Defects that nobody labelled: a score that is learned from the normal images alone."""
    distributed: DistributedSettings = Field(default_factory=DistributedSettings)
    """Many processes on one or more machines."""
    plugins: list[Annotated[str, Field(pattern=r"^[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)*$")]] = Field(default_factory=list)
    """Python modules to import first, as `my_package.my_module`: what they register can be named above."""


NORMAL_ONLY = "normal_only"
"""What a model without a network for boxes is called."""
NO_BOXES = "anomdet.NoBoxes"
"""The model of a run that learns the normal-only score alone."""
FIXED_BACKBONES = {"fasterrcnn_resnet50_fpn": ("resnet50", "faster_rcnn")}
"""Presets whose name fixes the backbone: the backbone, and the preset that takes any."""


def effective_model_name(settings: Settings) -> str:
    """The preset to build, from `model.name` and `model.detection_model`.

    With `detection_model: null` and another backbone (or one from a file), a name that fixes its backbone gives way to
    the preset that takes any: `fasterrcnn_resnet50_fpn` becomes `faster_rcnn`.
    """
    model = settings.model
    name = model.detection_model or model.name or NORMAL_ONLY
    if model.detection_model is None and name in FIXED_BACKBONES:
        own_backbone, general = FIXED_BACKBONES[name]
        if model.custom_backbone_file is not None or model.backbone not in (None, own_backbone):
            return general
    return name
