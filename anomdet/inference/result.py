"""What a detector says about one image: detections, score, verdict; checks itself."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anomdet.anomalies import UNKNOWN, Anomaly
from anomdet.boxes import xyxy_to_xywh
from anomdet.errors import Problem, UserError
from anomdet.inference.result_document import (
    COLUMNS,
    VERSION,
    arguments,
    check_version,
    plain,
    rows_of,
    shortest,
    threshold_document,
)
from anomdet.inference.thresholds import Threshold as Threshold
from anomdet.inference.thresholds import check_complete, checked_threshold

ACCEPT, REJECT = "accept", "reject"
TIMES = ("read", "prepare", "network", "finish")  # seconds
REJECTED_FOR_THAT = "rejected for that"  # ends a warning that no threshold takes back

Image: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Result:
    """The detections of one image and the verdict on it. N detections, in the detector's order.

    Args:
        image: the path or address as it was given; None for pixels that came without a name.
        size_hw: height and width of the image, pixels.
        bboxes_xyxy: float32 ``(N, 4)``, in the image's own pixels.
        scores: float32 ``(N,)``, 0 to 1.
        class_nums: int64 ``(N,)``, the numbers of the data's owner.
        class_names: N names.
        part_score: how defective the image is; the highest score, or 0.
        verdict: ``accept`` or ``reject``.
        threshold: a detection counts from this score on; one for all, or class number to score.
        times: seconds; keys of :data:`TIMES`.
        model_sha256: of the model file, in hex digits.
        warnings: a sentence each.
        frame: number of the frame in a video, from 0 on.
        time_s: of the frame, seconds after the beginning.
        anomaly: how unlike the normal images it is; None: the detector has no such score.
        complete_from: the score from which on all detections are here, as ``threshold``; None: nobody knows.

    Raises:
        ValueError: the values do not fit each other; among them an accept with a detection that counts.
    """

    image: str | None
    size_hw: tuple[int, int]
    bboxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_nums: NDArray[np.int64]
    class_names: tuple[str, ...]
    part_score: float
    verdict: str
    threshold: Threshold
    times: Mapping[str, float]
    model_sha256: str
    warnings: tuple[str, ...] = ()
    frame: int | None = None
    time_s: float | None = None
    anomaly: Anomaly | None = None
    complete_from: Threshold | None = None

    def __post_init__(self) -> None:
        wrong = [reason for reason, is_right in _checks(self) if not is_right]
        if wrong:
            raise ValueError(f"no valid result: {'; '.join(wrong)}")
        if self.verdict == ACCEPT and self.reasons:
            raise ValueError("no valid result: an accept with a detection from the threshold on, or an anomaly")

    def __len__(self) -> int:
        return len(self.scores)

    def __bool__(self) -> bool:  # by its length, `if detector(image): reject()` would pass a part rejected as unknown
        raise TypeError("a Result is neither true nor false: ask result.verdict, or len(result) for its detections")

    def __repr__(self) -> str:
        shown = self.above_threshold()
        found = ", ".join(f"{count} {name}" for name, count in Counter(shown.class_names).most_common())
        where = "" if self.image is None else f" {self.image}"
        return f"<Result{where}: {self.verdict} {self.part_score:.3f}{f', {found}' if found else ''}>"

    @property
    def counted(self) -> NDArray[np.bool_]:
        """``(N,)`` the detections from the threshold of their class on."""
        scores = self.scores.astype(np.float64)  # as the evaluation compares them
        if not isinstance(self.threshold, Mapping):
            return scores >= self.threshold
        return scores >= np.array([self.threshold[number] for number in self.class_nums.tolist()], dtype=np.float64)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the part is rejected: ``known: scratch 0.93`` for each class, ``unknown: 3.1 times the threshold``."""
        best: dict[str, float] = {}
        for at in np.flatnonzero(self.counted).tolist():
            name = self.class_names[at]
            best[name] = max(best.get(name, 0.0), float(self.scores[at]))
        known = [f"known: {name} {best[name]:.2f}" for name in sorted(best, key=lambda name: -best[name])]
        if self.anomaly is not None and self.anomaly.is_unknown:
            known.append(f"unknown: {self.anomaly.ratio:.1f} times the threshold")
        return tuple(known)

    def above_threshold(self) -> Result:
        """The same result with the detections that count; the part score stays."""
        rows = self.counted
        complete_from = None if self.complete_from is None else self.threshold
        if rows.all() and self.complete_from == complete_from:
            return self
        names = tuple(name for name, kept in zip(self.class_names, rows.tolist(), strict=True) if kept)
        boxes, scores, numbers = self.bboxes_xyxy[rows], self.scores[rows], self.class_nums[rows]
        return replace(
            self,
            bboxes_xyxy=boxes,
            scores=scores,
            class_nums=numbers,
            class_names=names,
            complete_from=complete_from,
        )

    def with_threshold(self, threshold: Threshold) -> Result:
        """The verdict from another threshold on: one for all classes, or one for each class number.

        What is rejected for detections that are no valid numbers stays so.

        Raises:
            UserError: not a score from 0 to 1, none for a class of a detection, or one below ``complete_from``.
        """
        threshold = checked_threshold(threshold)
        check_complete(threshold, self.complete_from)
        if isinstance(threshold, dict) and (lacking := set(self.class_nums.tolist()) - set(threshold)):
            expected = f"a score for class {', '.join(map(str, sorted(lacking)))} too"
            raise UserError(Problem("threshold", expected, repr(threshold)))
        rejected = replace(self, threshold=threshold, verdict=REJECT)
        is_invalid = any(warning.endswith(REJECTED_FOR_THAT) for warning in self.warnings)
        return rejected if rejected.reasons or is_invalid else replace(rejected, verdict=ACCEPT)

    def to_dict(self) -> dict[str, Any]:
        """Everything, in what JSON can hold; boxes as two corners and as corner and size, in pixels."""
        xyxy, xywh = rows_of(self.bboxes_xyxy), rows_of(xyxy_to_xywh(self.bboxes_xyxy))
        counted = self.counted.tolist()
        columns = (self.class_nums.tolist(), self.class_names, plain(self.scores), counted, xyxy, xywh)
        return {
            "version": VERSION,
            "image": self.image,
            "frame": self.frame,
            "time_s": self.time_s,
            "size_hw": list(self.size_hw),
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "part_score": shortest(self.part_score),
            "threshold": threshold_document(self.threshold),
            "complete_from": threshold_document(self.complete_from),
            "detections": [dict(zip(COLUMNS, row, strict=True)) for row in zip(*columns, strict=True)],
            "anomaly": None if self.anomaly is None else self.anomaly.to_dict(),
            "times": {key: round(value, 6) for key, value in self.times.items()},
            "model_sha256": self.model_sha256,
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """:meth:`to_dict` on one line, ASCII only."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_dict(cls, document: Any, *, where: str = "result") -> Result:
        """What :meth:`to_dict` returned; other keys are left out.

        Args:
            document: the dictionary.
            where: names it in the error.

        Raises:
            UserError: something else, or of another version.
        """
        check_version(document, where)
        try:
            return cls(**arguments(document))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = f"no key {error}" if isinstance(error, KeyError) else str(error)
            raise UserError(Problem(where, "a result that AnomDet wrote", f"something else ({reason})")) from None

    def to_coco(self, image_id: int) -> list[dict[str, Any]]:
        """Entries of a COCO results list; ``bbox`` is corner and size. Source: https://cocodataset.org/#format-results."""
        rows = zip(self.class_nums.tolist(), rows_of(xyxy_to_xywh(self.bboxes_xyxy)), plain(self.scores), strict=True)
        keys = ("image_id", "category_id", "bbox", "score")
        own_id = int(image_id) if isinstance(image_id, Integral) else image_id  # numpy's is nothing that JSON holds
        return [dict(zip(keys, (own_id, *row), strict=True)) for row in rows]

    def to_supervision(self) -> Any:
        """``supervision.Detections``, with the names under ``data["class_name"]``.

        Raises:
            UserError: the package supervision is not installed.
        """
        try:
            from supervision import Detections
        except ImportError as error:
            hint = "run: pip install supervision"
            raise UserError(Problem("to_supervision", "the package supervision", str(error), hint)) from None
        names = {"class_name": np.array(self.class_names, dtype=str)}
        return Detections(xyxy=self.bboxes_xyxy, confidence=self.scores, class_id=self.class_nums, data=names)

    def crop(self, image: Image, *, margin_px: int = 0) -> list[Image]:
        """Copies of the pixels of each detection, whole pixels that it touches, at least one.

        Args:
            image: ``(H, W)`` or ``(H, W, 3)``, of ``size_hw``, any order of channels; or a PIL image.
            margin_px: more on each side, as far as the image goes.

        Raises:
            UserError: no such image, or a margin that is no whole number from 0 on.
        """
        if not isinstance(margin_px, Integral) or margin_px < 0:
            raise UserError(Problem("margin_px", "a whole number of pixels from 0 on", repr(margin_px)))
        image = self._own_pixels(image)
        limit = np.array([self.size_hw[1], self.size_hw[0]])
        first = np.clip(np.floor(self.bboxes_xyxy[:, :2]) - margin_px, 0, limit - 1).astype(int)
        last = np.clip(np.ceil(self.bboxes_xyxy[:, 2:]) + margin_px, first + 1, limit).astype(int)
        return [image[y1:y2, x1:x2].copy() for (x1, y1), (x2, y2) in zip(first.tolist(), last.tolist(), strict=True)]

    def draw(self, image: Image, *, channels: str = "rgb", classes: Sequence[str] | None = None) -> Image:
        """A copy of the image with detections and unknown regions; a small image comes back enlarged by a whole factor.

        Args:
            image: whatever the detector takes but a path, of ``size_hw``; 16 bit as bright as the bits that it uses.
            channels: ``rgb`` or ``bgr``, of an array, and of what is returned: ``(H, W, 3)``, uint8.
            classes: all class names, in the detector's order, so that all images agree on the colours.

        Raises:
            UserError: no such image, or a class that ``classes`` lacks.
        """
        from anomdet.inference.pixels import to_look_at
        from anomdet.visualization.color import class_colors
        from anomdet.visualization.draw import draw

        if classes is not None and not set(self.class_names) <= set(classes):
            got, hint = repr(list(classes)), "list(detector.classes.values())"
            raise UserError(Problem("classes", "the names of all classes", got, hint))
        bgr = to_look_at(self._own_pixels(image), channels)
        colors = None if classes is None else class_colors([*classes, UNKNOWN])
        regions = self.anomaly.regions if self.anomaly is not None else ()
        boxes = np.concatenate([self.bboxes_xyxy, np.array([r.bbox_xyxy for r in regions]).reshape(-1, 4)])
        scores = [*self.scores.tolist(), *(region.ratio for region in regions)]
        drawn = draw(bgr, boxes, [*self.class_names, *(UNKNOWN for _ in regions)], scores, colors=colors)
        return drawn if channels == "bgr" else np.ascontiguousarray(drawn[..., ::-1])

    def _own_pixels(self, image: Any) -> Image:
        """The array itself, or a PIL image's, upright and RGB."""
        from anomdet.inference.pixels import is_pil, pil_pixels

        array, _ = pil_pixels(image) if is_pil(image) else (image, ())
        expected = f"the image of this result, {self.size_hw[1]} x {self.size_hw[0]} pixels"
        if not isinstance(array, np.ndarray):
            hint = "read it first: PIL.Image.open(path)"
            raise UserError(Problem("image", f"{expected}, as an array or a PIL image", type(image).__name__, hint))
        if array.shape[:2] != tuple(self.size_hw):
            got = f"{array.shape[1]} x {array.shape[0]}" if array.ndim > 1 else f"an array of shape {array.shape}"
            raise UserError(Problem("image", expected, got))
        return array


def _checks(result: Result) -> list[tuple[str, bool]]:
    count, boxes, scores, threshold = len(result.scores), result.bboxes_xyxy, result.scores, result.threshold
    of_all = tuple(threshold.values()) if isinstance(threshold, Mapping) else (threshold,)
    lacking = set(result.class_nums.tolist()) - set(threshold) if isinstance(threshold, Mapping) else set()
    return [
        ("a size of two positive numbers", len(result.size_hw) == 2 and min(result.size_hw) > 0),
        ("float32 boxes (N, 4)", boxes.dtype == np.float32 and boxes.shape == (count, 4)),
        ("finite boxes", bool(np.isfinite(boxes).all())),
        ("boxes with x1 <= x2 and y1 <= y2", boxes.shape[-1] == 4 and bool((boxes[:, :2] <= boxes[:, 2:]).all())),
        ("float32 scores (N,) of 0 to 1", scores.dtype == np.float32 and bool(((scores >= 0) & (scores <= 1)).all())),
        ("int64 class numbers (N,)", result.class_nums.dtype == np.int64 and result.class_nums.shape == (count,)),
        ("a class name each", len(result.class_names) == count),
        ("a part score that is a number", math.isfinite(result.part_score)),
        ("a verdict of accept or reject", result.verdict in (ACCEPT, REJECT)),
        ("a threshold that is a score", all(value >= 0 for value in of_all)),
        ("a threshold for each class", not lacking),
    ]
