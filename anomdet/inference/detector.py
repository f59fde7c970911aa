"""A trained detector at work: images in, results out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError
from anomdet.images.decode import read_to_judge
from anomdet.images.strips import Strips, open_large
from anomdet.inference.artifact import Artifact
from anomdet.inference.backends import Backend
from anomdet.inference.item import Reading
from anomdet.inference.outcome import Outcome
from anomdet.inference.pixels import check_channels, is_one_image, to_bgr8
from anomdet.inference.postprocess import Detections, at_or_above, lowest, valid
from anomdet.inference.preprocess import Prepared, PreparedTiles, cut_tiles, fitted, parts
from anomdet.inference.reopen import Origin, reduced
from anomdet.inference.result import ACCEPT, REJECT, REJECTED_FOR_THAT, Result
from anomdet.inference.thresholds import Threshold, check_min_score, chosen_threshold, lower_of
from anomdet.inference.tiles_in_strips import TilesInStrips
from anomdet.inference.tiling import COMPARABLE, merge
from anomdet.inference.unknown import Normality, judged
from anomdet.inference.views import run_views

Image: TypeAlias = "str | os.PathLike[str] | NDArray[np.unsignedinteger] | Any"
"""A path; an array ``(H, W)`` or ``(H, W, 3)`` of uint8 or uint16; or a PIL image."""
Seen: TypeAlias = "Prepared | PreparedTiles | TilesInStrips"
"""An image, ready for the network."""


class Detector:
    """What :func:`anomdet.load` returns.

    Args:
        artifact: what the detector knows of itself.
        backend: its network, ready to run.
        file: where it came from, for messages.
        sha256: of the file.
        threshold: in place of the operating point in the artifact.
        normality: the normal-only score; None: there is none.

    Raises:
        UserError: neither has a threshold; or there is neither a class nor a normal-only score to judge by.
    """

    def __init__(
        self,
        artifact: Artifact,
        backend: Backend,
        *,
        file: str = "",
        sha256: str = "",
        threshold: Threshold | None = None,
        normality: Normality | None = None,
    ) -> None:
        if not artifact.class_nums and normality is None:
            where = file or "the detector"
            raise UserError(Problem(where, "a class, or a normal-only score", "neither", "train again"))
        self.artifact = artifact
        self.normality = normality
        self.backend = backend
        self.file = file
        self.sha256 = sha256
        self.origin: Origin | None = None
        self.thresholds: Threshold = chosen_threshold(artifact, threshold, file)
        self._class_nums: NDArray[np.int64] = np.array(artifact.class_nums, dtype=np.int64)

    @property
    def classes(self) -> dict[int, str]:
        """Class number to name, in the order of the network's outputs."""
        return self.artifact.classes

    @property
    def info(self) -> dict[str, Any]:
        """What can be said of it in plain containers: file, hash, model, classes, input size, thresholds, versions."""
        point = self.artifact.operating_point
        return {
            "file": self.file,
            "sha256": self.sha256,
            "model": self.artifact.model.name,
            "backend": self.backend.name,
            "device": self.backend.device,
            "size_hw": self.artifact.preprocessing.size_hw,
            "classes": self.classes,
            "tiles": asdict(self.artifact.tiles) if self.artifact.tiles else None,
            "tta": asdict(self.artifact.tta) if self.artifact.tta else None,
            "thresholds": self.thresholds,
            "criterion": point.by if point is not None and self.thresholds == point.thresholds else None,
            "anomaly": asdict(self.artifact.anomaly) if self.artifact.anomaly and self.normality else None,
            "versions": dict(self.artifact.versions),
        }

    def __repr__(self) -> str:
        names = ", ".join(self.classes.values()) or "normal parts alone"
        return f"<Detector {self.artifact.model.name} of {names}; {self.backend.name} on {self.backend.device}>"

    def with_threshold(self, threshold: Threshold) -> Detector:
        """The same detector with another least score that rejects: one for all, or one for each class number.

        Raises:
            UserError: not a score, or not one for each class.
        """
        other = object.__new__(type(self))
        vars(other).update(vars(self), thresholds=chosen_threshold(self.artifact, threshold, self.file))
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced(self)

    def __call__(self, image: Image, *, channels: str = "rgb", min_score: float | None = None) -> Result:
        """The result of one image.

        Args:
            image: path, array or PIL image.
            channels: ``rgb`` or ``bgr``, of an array.
            min_score: the least score of a detection in the result; None: the threshold of its class; 0: whatever the
                network says. The verdict goes by the threshold all the same.

        Raises:
            UserError: it cannot be read.
        """
        return self.predict_batch([image], channels=channels, min_score=min_score)[0]

    def predict_batch(
        self, images: Sequence[Image], *, channels: str = "rgb", min_score: float | None = None
    ) -> list[Result]:
        """The results of a few images, in their order, computed together; arguments as for a single one.

        Raises:
            UserError: one cannot be read; or a single image, which is no list.
        """
        check_min_score(min_score)
        if is_one_image(images):
            raise UserError(Problem("images", "a list of images", f"one {type(images).__name__}", "put it into a list"))
        return self.run([self._ready(image, channels) for image in images], min_score=min_score)

    def _ready(self, image: Image, channels: str) -> Seen:
        reading = self.reading
        if reading.in_strips and isinstance(image, (str, os.PathLike)):
            strips = open_large(image, max_megapixels=reading.max_megapixels, bit_depth=reading.bit_depth)
            if strips is not None:
                return self.prepare_strips(strips, name=os.fspath(image))
        return self.prepare(image, channels=channels)

    def predict(
        self,
        source: Any,
        *,
        batch_size: int | None = None,
        every: int = 1,
        channels: str = "rgb",
        min_score: float | None = None,
    ) -> Iterator[Outcome]:
        """Many images, in order: reading overlaps the network, and no more than three batches are in memory.

        Args:
            source: one or several of: image, folder, pattern, list (.txt, .csv), video, camera, array; or an iterator.
            batch_size: images or tiles at once; None: 8 on a CPU, 32 on a GPU.
            every: take each so many-th frame of videos and cameras.
            channels: ``rgb`` or ``bgr``, of arrays.
            min_score: as for a single image.

        Returns:
            A :class:`Result` each, of a file that is named twice only one: ``image`` has its name; a
            :class:`anomdet.inference.outcome.FailedImage` for one that cannot be read.

        Raises:
            UserError: all that is wrong with the sources; raised here, not at the first result.
        """
        from anomdet.inference.sources import open_sources
        from anomdet.inference.stream import check_batch_size, judge_all

        check_min_score(min_score)
        check_batch_size(batch_size)
        sources = open_sources(source, every=every, channels=channels)
        batches = judge_all(
            self, sources, batch_size=batch_size, live=sources.live, min_score=min_score, reading=self.reading
        )
        return (judged.outcome for batch in batches for judged in batch)

    @property
    def reading(self) -> Reading:
        """How image files are read: large ones in strips where nothing needs the whole image at once."""
        preprocessing, tiling = self.artifact.preprocessing, self.artifact.tiles
        in_strips = tiling is not None and not tiling.include_whole and self.normality is None
        return Reading(preprocessing.max_megapixels, preprocessing.bit_depth, in_strips)

    def prepare(self, image: Image, *, channels: str = "rgb", name: str | None = None) -> Prepared | PreparedTiles:
        """Read an image and resize it, or its tiles, for the network; may be called from several threads.

        Args:
            image: path, array or PIL image.
            channels: ``rgb`` or ``bgr``, of an array.
            name: for the result; None: the path, or none.

        Raises:
            UserError: it cannot be read.
        """
        check_channels(channels)
        start = time.perf_counter()
        preprocessing, tiling, views = self.artifact.preprocessing, self.artifact.tiles, self.artifact.tta
        if isinstance(image, (str, os.PathLike)):
            name = os.fspath(image) if name is None else name
            pixels, note = read_to_judge(
                os.fspath(image), max_megapixels=preprocessing.max_megapixels, bit_depth=preprocessing.bit_depth
            )
            warnings: tuple[str, ...] = (note,) if note else ()
        else:
            pixels, warnings = to_bgr8(image, channels, preprocessing.bit_depth)
        read = time.perf_counter()
        ready: Prepared | PreparedTiles = (
            fitted(pixels, preprocessing, views) if tiling is None else cut_tiles(pixels, preprocessing, tiling, views)
        )
        square = None if self.normality is None else self.normality.prepare(pixels)
        times = {"read": read - start, "prepare": time.perf_counter() - read}
        return replace(ready, name=name, warnings=(*ready.warnings, *warnings), times=times, square=square)

    def prepare_strips(self, strips: Strips, *, name: str | None = None) -> TilesInStrips:
        """A large file, opened; its pixels are read by :meth:`run`, while its tiles go through the network."""
        assert self.artifact.tiles is not None
        return TilesInStrips(strips, self.artifact.preprocessing, self.artifact.tiles, self.artifact.tta, name)

    def run(self, prepared: Sequence[Seen], *, min_score: float | None = None, most: int | None = None) -> list[Result]:
        """The results of prepared images, in their order.

        Images of one padded size go through the network together: what is found on one does not depend on the others.
        Tiles of all images fill the batches; of an image in strips, batches of their own.

        Args:
            prepared: by :meth:`prepare`.
            min_score: as for a single image.
            most: images or tiles at once; None: all images, or the device's usual number of tiles.

        Raises:
            UserError: a file that is read in strips is damaged.
        """
        from anomdet.inference.stream import auto_batch_size

        seen = [part for image in prepared if not isinstance(image, TilesInStrips) for part in parts(image)]
        most = most or (len(seen) if self.artifact.tiles is None else auto_batch_size(self.backend.device))
        multiple, floor = self.artifact.preprocessing.pad_multiple, self._floor(min_score)
        own = iter(run_views(self.backend, seen, multiple, most=most, floor=floor, views=self.artifact.tta))
        results = [
            self._result(*image.run(self.backend, most=most, floor=floor), min_score)
            if isinstance(image, TilesInStrips)
            else self._result(image, [next(own) for _ in parts(image)], min_score)
            for image in prepared
        ]
        if self.normality is None:
            return results
        squares = [one.square for one in prepared if not isinstance(one, TilesInStrips) and one.square is not None]
        return judged(results, squares, self.normality, alone=not self.artifact.class_nums)

    def _floor(self, min_score: float | None) -> float:
        """The least score that the network need report; lower where rows are merged, as the evaluation merged them."""
        merges = sum(one is not None for one in (self.artifact.tiles, self.artifact.tta))
        return lowest(lower_of(self.thresholds, min_score)) * float(COMPARABLE**merges)

    def _result(self, image: Seen, found: Sequence[tuple[Detections, float]], min_score: float | None) -> Result:
        """Of an image, from what the network found on it or on its tiles, and the seconds that each took."""
        network = sum(seconds for _, seconds in found)
        if isinstance(image, Prepared):
            return self._finish(image, found[0][0], min_score, network)
        start = time.perf_counter()
        merged = merge([rows for rows, _ in found], image.windows, image.original_hw)
        result = self._finish(image, merged, min_score, network)
        return replace(result, times={**result.times, "finish": time.perf_counter() - start})

    def _finish(self, image: Seen, found: Detections, min_score: float | None, network: float) -> Result:
        start = time.perf_counter()
        detections, num_dropped = valid(found, len(self._class_nums), self.file)
        class_nums, classes, warnings = self._class_nums[detections.labels], self.classes, image.warnings
        counted = at_or_above(detections.scores, class_nums, self.thresholds)
        kept = counted if min_score is None else counted | at_or_above(detections.scores, class_nums, min_score)
        detections, class_nums = detections.rows(kept), class_nums[kept]
        if num_dropped:
            why = f"a coordinate or score is no valid number; {REJECTED_FOR_THAT}"
            warnings = (*warnings, f"{num_dropped} detections left out: {why}")
        return Result(
            image=image.name,
            size_hw=image.original_hw,
            bboxes_xyxy=detections.bboxes_xyxy,
            scores=detections.scores,
            class_nums=class_nums,
            class_names=tuple(classes[num] for num in class_nums.tolist()),
            part_score=float(detections.scores[0]) if len(detections) else 0.0,
            verdict=REJECT if counted.any() or num_dropped else ACCEPT,
            threshold=self.thresholds,
            complete_from=lower_of(self.thresholds, min_score),
            times={**image.times, "network": network, "finish": time.perf_counter() - start},
            model_sha256=self.sha256,
            warnings=warnings,
        )
