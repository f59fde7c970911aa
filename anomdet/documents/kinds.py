"""The JSON files between the rooms, typed: what each holds, and its version.

``metrics.json`` and ``details.json`` are an evaluation, ``ground_truth.json`` is the side file of ``predictions.json``
(COCO's own formats, with a version in COCO's ``info``), ``splits.json`` says how the splits of a run were made.
:mod:`anomdet.documents.review_kinds` has those of a review.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import NotRequired, TypedDict  # typing's own cannot be validated before Python 3.12

Finite = Annotated[float, Field(ge=-1e100, le=1e100)]  # whole numbers, too
Count = Annotated[int, Field(ge=0, le=2**63)]
Pixels = Annotated[float, Field(ge=-(2**31), le=2**31)]
Box4 = Annotated[list[Pixels], Field(min_length=4, max_length=4)]
"""x, y, width, height"""
Number = Finite | None
"""Null: it could not be measured."""


class Point(TypedDict):
    """The operating point of metrics.json; ``per_class`` goes by the names of the classes."""

    by: str
    chosen_on: str
    score_threshold: Number
    per_class: dict[str, Finite] | None
    note: str
    criterion: NotRequired[dict[str, Any]]


class Parts(TypedDict):
    """The verdict on parts; its numbers stand in the catalogue of metrics."""

    unit: str
    num_good: Count
    num_defective: Count
    escapes: Count
    overkill: Count
    escape_rate: Number
    overkill_rate: Number


class Confusion(TypedDict):
    """``counts[i][j]``: objects of class i reported as class j; the last of both is the background."""

    classes: list[str]
    counts: list[list[Count]]


class Error(TypedDict):
    """One kind of error."""

    count: Count
    mAP_cost: Number


class Size(TypedDict):
    """Objects and boxes of one range of sizes."""

    range_px: Annotated[list[Number], Field(min_length=2, max_length=2)]
    num_gt: Count
    recall: Number
    num_predictions: Count
    precision: Number


class Split(TypedDict):
    """One split of the data."""

    num_images: Count
    num_normal: Count
    hash: str
    num_gt: dict[str, Count]


class About(TypedDict):
    """Where the numbers come from."""

    title: str
    created: str
    versions: dict[str, str]
    settings: str
    split: NotRequired[str]
    checkpoint: NotRequired[str]
    checkpoint_sha256: NotRequired[str]
    images: NotRequired[str | None]
    strip: NotRequired[str | None]
    notes: NotRequired[list[str]]
    speed: NotRequired[dict[str, Any]]
    bit_depth: NotRequired[int]
    tta: NotRequired[str]
    splits: NotRequired[dict[str, Split]]


class Intervals(TypedDict):
    """Beside these keys the low and high end of each number that has an interval, or null."""

    confidence: Finite
    num_resamples: Count
    unit: str
    per_class: dict[str, dict[str, Annotated[list[Finite], Field(min_length=2, max_length=2)] | None]]
    null_reasons: NotRequired[dict[str, str]]


class SuspectedLabels(TypedDict):
    """What a review says about the labels; ``without`` are metrics without the images of likely errors."""

    review: str
    num_images: Count
    num_labels: Count
    expected_errors: Finite
    share: Number
    num_likely: Count
    num_likely_images: Count
    num_unknown: Count
    num_outdated: Count
    without: NotRequired[dict[str, Any] | None]


class Metrics(TypedDict):
    """metrics.json; beside these keys the numbers of the catalogue, as mAP and recall, each a number or null."""

    version: NotRequired[int]
    num_images: Count
    num_gt: Count
    num_predictions: Count
    matching_iou_threshold: Finite
    score_threshold: Number
    operating_point: Point
    per_class: dict[str, dict[str, Number]]
    part_level: Parts
    part_level_of_boxes: NotRequired[dict[str, Number]]  # beside part_level, which is of both, fused
    confusion_matrix: NotRequired[Confusion]
    errors: NotRequired[dict[str, Error]]
    sizes: NotRequired[dict[str, Size]]
    intervals: NotRequired[Intervals]
    notes: NotRequired[list[str]]
    unseen: NotRequired[dict[str, Any]]  # of a detector with a normal-only score, see docs/unseen.md
    suspected_labels: NotRequired[SuspectedLabels]
    about: NotRequired[About]


class Curve(TypedDict):
    """Lists of one length, by falling score."""

    score: list[Finite]
    precision: list[Number]
    recall: list[Number]
    f1_score: list[Number]


class Curves(TypedDict):
    """Of all predictions together and of each class."""

    all: Curve
    per_class: dict[str, Curve]


class Froc(TypedDict):
    """Lists of one length."""

    false_boxes_per_image: list[Finite]
    recall: list[Finite]
    score: list[Finite]


class Roc(TypedDict):
    """Lists of one length."""

    overkill_rate: list[Finite]
    detection_rate: list[Finite]
    score: list[Finite]


class Scores(TypedDict):
    """Anomaly scores of the parts."""

    good: list[Finite]
    defective: list[Finite]


Box = TypedDict("Box", {"class": str, "bbox_xywh": Box4, "score": NotRequired[Number], "best": NotRequired[bool]})
Case = TypedDict(
    "Case",
    {
        "kind": str,
        "file_name": str,
        "size_hw": Annotated[list[Count], Field(min_length=2, max_length=2)],
        "class": str | None,
        "predicted": str | None,
        "score": Number,
        "iou": Number,
        "bbox_xywh": Box4,
        "truth": list[Box],
        "predictions": list[Box],
        "left_out": NotRequired[Count],  # true boxes and predictions of the image that are not listed
        "below": NotRequired[list[Box]],  # boxes under the threshold; best: the one that is nearest to a missed object
        "part": NotRequired[str],
        "outcome": NotRequired[str],  # of the part: escape, overkill, found, good
    },
)


class Rethreshold(TypedDict):
    """Columns to count with at other thresholds, see anomdet/evaluation/rethreshold.py."""

    floor: Finite
    classes: list[str]
    class_nums: list[int]
    thresholds: list[Finite]
    score: list[Finite]
    label: list[Count]
    part: list[Count]
    found: list[Annotated[int, Field(ge=-1, le=2**63)]]
    confusable: list[Annotated[list[Count], Field(min_length=2, max_length=2)]]
    gt_label: list[Count]
    defective: list[Annotated[int, Field(ge=0, le=1)]]
    unlike_normal: NotRequired[list[Annotated[int, Field(ge=0, le=1)]]]  # parts that a normal-only score rejects


class Training(TypedDict):
    """training.csv: a value or null of each epoch, by column."""

    epoch: list[Count]
    columns: dict[str, list[Number]]


class NormalOnly(TypedDict):
    """The normal-only score of each image of ground_truth.json, in its order, as a multiple of the threshold.

    ``spread``: standard deviation of the logarithm of normal images' scores.
    """

    spread: Annotated[float, Field(ge=0, le=1e100)]
    image_ratio: list[Annotated[float, Field(ge=0, le=1e100)]]


CellPercent = Annotated[int, Field(ge=0, le=1000)]
CellRow = Annotated[list[CellPercent], Field(min_length=1, max_length=32)]


class HeatMap(TypedDict):
    """Where an image is unlike the normal ones: ``cells`` are rows of percent of a cell's threshold."""

    file_name: str
    classes: list[str]
    defective: bool
    rejected: bool
    ratio: Annotated[float, Field(ge=0, le=1e100)]
    cells: Annotated[list[CellRow], Field(min_length=1, max_length=32)]


class Details(TypedDict):
    """details.json: what the report shows beside the numbers."""

    version: NotRequired[int]
    curves: Curves
    froc: Froc
    roc: Roc
    anomaly_scores: Scores
    normal_only: NotRequired[NormalOnly]
    heat_maps: NotRequired[Annotated[list[HeatMap], Field(max_length=24)]]
    cases: list[Case]
    rethreshold: NotRequired[Rethreshold]
    training: NotRequired[Training]


class SplitFile(TypedDict):
    """The list of one split, beside splits.json."""

    file: str
    num_images: Count
    hash: str
    objects: NotRequired[str]


class SplitRecord(TypedDict):
    """splits.json: the lists of the splits and the settings that made them."""

    version: NotRequired[int]
    data_dir: str
    splits: dict[str, SplitFile]
    made_by: dict[str, Any]
