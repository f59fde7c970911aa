"""The JSON files between the rooms, typed: what each holds, and its version.

``metrics.json`` and ``details.json`` are an evaluation, ``ground_truth.json`` is the side file of ``predictions.json``
(COCO's own formats, with a version in COCO's ``info``), ``splits.json`` says how the splits of a run were made.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import NotRequired, TypedDict  # typing's own cannot be validated before Python 3.12

VERSION = 1
"""Of all these files; a file without one was written before there were versions, and is read as 1."""

Number = float | None  # whole numbers, too; null: it could not be measured


class Point(TypedDict):
    """The operating point of metrics.json; ``per_class`` goes by the names of the classes."""

    by: str
    chosen_on: str
    score_threshold: Number
    per_class: dict[str, float] | None
    note: str


class Parts(TypedDict):
    """The verdict on parts; its numbers stand in the catalogue of metrics."""

    unit: str
    num_good: int
    num_defective: int
    escapes: int
    overkill: int
    escape_rate: Number
    overkill_rate: Number


class Confusion(TypedDict):
    """``counts[i][j]``: objects of class i reported as class j; the last of both is the background."""

    classes: list[str]
    counts: list[list[int]]


class Error(TypedDict):
    """One kind of error."""

    count: int
    mAP_cost: Number


class Size(TypedDict):
    """Objects and boxes of one range of sizes."""

    range_px: list[Number]
    num_gt: int
    recall: Number
    num_predictions: int
    precision: Number


class Split(TypedDict):
    """One split of the data."""

    num_images: int
    num_normal: int
    hash: str
    num_gt: dict[str, int]


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
    splits: NotRequired[dict[str, Split]]


class Metrics(TypedDict):
    """metrics.json; beside these keys the numbers of the catalogue, as mAP and recall, each a number or null."""

    version: NotRequired[int]
    num_images: int
    num_gt: int
    num_predictions: int
    matching_iou_threshold: float
    score_threshold: Number
    operating_point: Point
    per_class: dict[str, dict[str, Number]]
    part_level: Parts
    confusion_matrix: NotRequired[Confusion]
    errors: NotRequired[dict[str, Error]]
    sizes: NotRequired[dict[str, Size]]
    intervals: NotRequired[dict[str, Any]]
    about: NotRequired[About]


class Curve(TypedDict):
    """Lists of one length, by falling score."""

    score: list[float]
    precision: list[Number]
    recall: list[Number]
    f1_score: list[Number]


class Curves(TypedDict):
    """Of all predictions together and of each class."""

    all: Curve
    per_class: dict[str, Curve]


class Froc(TypedDict):
    """Lists of one length."""

    false_boxes_per_image: list[float]
    recall: list[float]
    score: list[float]


class Roc(TypedDict):
    """Lists of one length."""

    overkill_rate: list[float]
    detection_rate: list[float]
    score: list[float]


class Scores(TypedDict):
    """Anomaly scores of the parts."""

    good: list[float]
    defective: list[float]


Box = TypedDict("Box", {"class": str, "bbox_xywh": list[float], "score": NotRequired[Number]})
Case = TypedDict(
    "Case",
    {
        "kind": str,
        "file_name": str,
        "size_hw": list[int],
        "class": str | None,
        "predicted": str | None,
        "score": Number,
        "iou": Number,
        "bbox_xywh": list[float],
        "truth": list[Box],
        "predictions": list[Box],
    },
)


class Details(TypedDict):
    """details.json: what the report shows beside the numbers."""

    version: NotRequired[int]
    curves: Curves
    froc: Froc
    roc: Roc
    anomaly_scores: Scores
    cases: list[Case]


class SplitFile(TypedDict):
    """The list of one split, beside splits.json."""

    file: str
    num_images: int
    hash: str


class SplitRecord(TypedDict):
    """splits.json: the lists of the splits and the settings that made them."""

    version: NotRequired[int]
    data_dir: str
    splits: dict[str, SplitFile]
    made_by: dict[str, Any]
