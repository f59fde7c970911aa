"""The text-label data set as MMDetection sees it."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from numpy.typing import NDArray

from anomdet.data.draw import Draw
from anomdet.data.image_limits import MAX_IMAGE_MEGAPIXELS
from anomdet.data.index import DataIndex, ImageRecord, scan
from anomdet.data.mmdet_bases import BaseDetDataset
from anomdet.data.split_files import SPLITS, split_hash
from anomdet.data.splits import as_split_rule, make_splits
from anomdet.errors import Problem, UserError
from anomdet.registry import DATASETS

# Okabe and Ito's colours, which the colour-blind can tell apart; RGB.
_PALETTE = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))

# The streams of a draw that the pipeline uses; augment.py has its own.
_GLOBAL_STREAM = 0


@DATASETS.register_module()
class TextLabelDataset(BaseDetDataset):
    """Images with ``class_num x_corner y_corner width height`` text labels; one split of a folder.

    ``metainfo`` holds ``classes`` (names), ``class_nums`` (the user's numbers, in the same order, ascending) and
    ``palette``, of the whole data set and not only of the split. Normal images are kept.

    Args:
        data_root: holds images/ and labels/.
        split: train, val or test.
        ratios: of the three splits.
        split_files: split name to list file, in place of the ratios.
        split_rule: the other arguments of :class:`anomdet.data.splits.SplitRule`.
        classes: class number to name; a mapping or pairs, since a config file may turn the keys into text.
        missing_labels: error, normal or skip.
        verify_images: header or decode.
        max_image_megapixels: a larger image is a problem.
        pipeline: transforms.
        test_mode: an image that the pipeline refuses is an error.
        kwargs: of ``BaseDetDataset``.

    Raises:
        UserError: whatever is wrong with the folder, the classes or the lists.
    """

    index: DataIndex
    image_class_counts: NDArray[np.int32]

    def __init__(  # noqa: PLR0913 (MMEngine gives a data set its settings as arguments)
        self,
        data_root: str,
        split: str,
        ratios: Sequence[float] = (0.7, 0.15, 0.15),
        split_files: Mapping[str, str] | None = None,
        split_rule: Mapping[str, Any] | None = None,
        classes: Mapping[Any, str] | Iterable[Sequence] | None = None,
        missing_labels: str = "error",
        verify_images: str = "header",
        max_image_megapixels: float = MAX_IMAGE_MEGAPIXELS,
        pipeline: Sequence = (),
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if split not in SPLITS:
            raise UserError(Problem("split", f"one of {', '.join(SPLITS)}", repr(split)))
        names = class_names(classes)
        self.split = split
        self.index = scan(
            data_root,
            missing_labels=missing_labels,
            verify_images=verify_images,
            classes=names,
            max_image_megapixels=max_image_megapixels,
        )
        self.split_rule = as_split_rule(ratios, split_files, split_rule)
        self.splits = make_splits(self.index, self.split_rule)
        self.positions = self.splits.positions[split]
        class_nums = self.index.class_nums
        metainfo = {
            "classes": tuple(names[num] if names else str(num) for num in class_nums),
            "class_nums": class_nums,
            "palette": [_PALETTE[at % len(_PALETTE)] for at in range(len(class_nums))],
            **kwargs.pop("metainfo", {}),
        }
        super().__init__(
            data_root=str(data_root), metainfo=metainfo, pipeline=list(pipeline), test_mode=test_mode, **kwargs
        )

    @property
    def split_hashes(self) -> dict[str, str]:
        """Split name to a hash over its images' names, see :func:`split_hash`."""
        return {name: split_hash(self.index, positions) for name, positions in self.splits.positions.items()}

    def split_class_counts(self) -> dict[str, NDArray[np.int32]]:
        """Split name to the objects of each class in each of its images, ``(images, classes)``."""
        return {
            name: class_counts([self.index.records[at] for at in positions], self.index.class_nums)
            for name, positions in self.splits.positions.items()
        }

    def full_init(self) -> None:
        """Load the records and ``image_class_counts`` ``(len(self), num_classes)``, objects of each class."""
        if self._fully_initialized:
            return
        if not self.positions:
            raise UserError(Problem(f"split {self.split}", "at least one image", "none"))
        counts = class_counts([self.index.records[at] for at in self.positions], self.index.class_nums)
        super().full_init()
        if isinstance(self._indices, int):
            counts = counts[: self._indices] if self._indices >= 0 else counts[self._indices :]
        elif self._indices is not None:
            counts = counts[list(self._indices)]
        self.image_class_counts = counts
        lacking = [name for name, count in zip(self.metainfo["classes"], counts.sum(axis=0), strict=True) if not count]
        if lacking:
            text = f"the {self.split} split has no object of class {', '.join(lacking)}"
            print_log(text, logger="current", level=logging.WARNING)

    def load_data_list(self) -> list[dict]:
        """Records of this split: ``img_path, img_id, file_name, height, width, instances``."""
        images_dir = Path(self.data_root) / "images"
        label_of = {num: label for label, num in enumerate(self.index.class_nums)}
        return [_data_info(self.index.records[at], images_dir, label_of) for at in self.positions]

    def get_data_info(self, idx: int) -> dict:
        """The record at ``idx``, without what a :class:`Draw` carries."""
        return super().get_data_info(int(idx))

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline with all its randomness drawn from the :class:`Draw` ``idx``.

        A plain int counts as ``Draw(idx, seed=0, epoch=0, position=idx)``. Where the pipeline refuses an image
        (returns None) in training, another one is drawn from the same stream.
        """
        draw = idx if isinstance(idx, Draw) else Draw(idx, position=int(idx) % len(self))
        with _global_streams(draw):
            for _ in range(self.max_refetch + 1):
                results = self.get_data_info(draw)
                results["draw"] = draw
                results = self.pipeline(results)
                if results is not None or self.test_mode:
                    break
                draw = Draw(np.random.randint(len(self)), draw.seed, draw.epoch, draw.position)
        if isinstance(results, dict):
            results.pop("draw", None)
        return results


def class_names(classes: Mapping[Any, str] | Iterable[Sequence] | None) -> dict[int, str] | None:
    """Class number to name, from a mapping with int or text keys or from pairs; None or empty: no names.

    Raises:
        UserError: a key that is no integer, or one number or name twice.
    """
    if not classes:
        return None
    pairs = list(classes.items()) if isinstance(classes, Mapping) else [tuple(pair) for pair in classes]
    names: dict[int, str] = {}
    problems = []
    for key, name in pairs:
        try:
            num = int(key)
        except (TypeError, ValueError):
            problems.append(Problem("data.classes", "an integer as class number", repr(key)))
            continue
        if num in names or str(name) in names.values():
            problems.append(Problem("data.classes", "each number and name once", f"{num}: {name}"))
        names[num] = str(name)
    if problems:
        raise UserError(problems)
    return names


def class_counts(records: Sequence[ImageRecord], class_nums: Sequence[int]) -> NDArray[np.int32]:
    """Objects of each class in each image, ``(len(records), len(class_nums))``."""
    counts: NDArray[np.int32] = np.zeros((len(records), len(class_nums)), dtype=np.int32)
    rows = np.repeat(np.arange(len(records)), [len(record.labels) for record in records])
    if len(rows):
        columns = np.searchsorted(class_nums, np.concatenate([record.labels.class_nums for record in records]))
        np.add.at(counts, (rows, columns), 1)
    return counts


def _data_info(record: ImageRecord, images_dir: Path, label_of: Mapping[int, int]) -> dict:
    objects = zip(record.labels.bboxes_xyxy.tolist(), record.labels.class_nums.tolist(), strict=True)
    return {
        "img_path": f"{images_dir}/{record.file_name}",
        "img_id": record.img_id,
        "file_name": record.file_name,
        "height": record.height,
        "width": record.width,
        "instances": [{"bbox": bbox, "bbox_label": label_of[num], "ignore_flag": 0} for bbox, num in objects],
    }


_SPARE_GENERATOR = np.random.MT19937(0)


@contextmanager
def _global_streams(draw: Draw) -> Iterator[None]:
    """Seed ``random`` and ``np.random`` from the draw, for MMDetection's own transforms; then put them back.

    np.random's generator is exchanged, a hundred times as fast as copying its state; only a normal deviate that it had
    in store is lost.
    """
    words = draw.seed_sequence(_GLOBAL_STREAM).generate_state(4)
    python_state = random.getstate()
    numpy_generator = np.random.get_bit_generator()  # type: ignore[attr-defined]
    nested = numpy_generator is _SPARE_GENERATOR
    np.random.set_bit_generator(np.random.MT19937(0) if nested else _SPARE_GENERATOR)  # type: ignore[attr-defined]
    np.random.seed(words)
    random.seed(int.from_bytes(words.tobytes(), "little"))
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_bit_generator(numpy_generator)  # type: ignore[attr-defined]
