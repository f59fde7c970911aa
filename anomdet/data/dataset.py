"""The text-label data set as MMDetection sees it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from numpy.typing import NDArray

from anomdet.data.class_names import class_names
from anomdet.data.draw import Draw, global_streams
from anomdet.data.index.changes import FileStamps
from anomdet.data.index.scan import DataIndex, scan
from anomdet.data.pipeline.mmdet_bases import BaseDetDataset
from anomdet.data.pipeline.steps import keep_fitted
from anomdet.data.sampling.hard_normals import read_hard_normals
from anomdet.data.splits.lists import split_hash
from anomdet.data.splits.make import as_split_rule, make_splits
from anomdet.data.tiles.index import TileIndex, TileRule
from anomdet.errors import Problem, UserError
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS
from anomdet.layout import IMAGES_DIR, SPLITS
from anomdet.palette import CLASS_COLORS
from anomdet.registry import DATASETS

_PALETTE = [tuple(bytes.fromhex(color[1:])) for color in CLASS_COLORS]  # RGB


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
        split_rule: the other arguments of :class:`anomdet.data.splits.make.SplitRule`.
        classes: class number to name; a mapping or pairs, since a config file may turn the keys into text.
        missing_labels: error, normal or skip.
        verify_images: header or decode.
        max_image_megapixels: a larger image is a problem.
        tiles: arguments of :meth:`TileRule.of`: the items are tiles, moved from draw to draw in training.
        hard_normals: the list file for ``is_hard_normal``; None: no image is one.
        pipeline: transforms.
        test_mode: an image that the pipeline refuses is an error.
        kwargs: of ``BaseDetDataset``.

    Raises:
        UserError: whatever is wrong with the folder, the classes or the lists.
    """

    index: DataIndex
    _fully_initialized: bool = False
    _rows: NDArray[np.int32] | None = None
    _counts: NDArray[np.int32] | None = None

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
        tiles: Mapping[str, Any] | None = None,
        hard_normals: str | None = None,
        pipeline: Sequence = (),
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if split not in SPLITS:
            raise UserError(Problem("split", f"one of {', '.join(SPLITS)}", repr(split)))
        names, self.split = class_names(classes), split
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
        self.hard_normals = None if hard_normals is None else read_hard_normals(self.index, hard_normals)
        self._images_dir = str(Path(data_root) / IMAGES_DIR)
        self._label_of = {num: label for label, num in enumerate(self.index.class_nums)}
        self._tile_rule = None if tiles is None else TileRule.of(tiles)
        self.tile_index: TileIndex | None = None
        metainfo = {**_metainfo(self.index.class_nums, names), **kwargs.pop("metainfo", {})}
        super().__init__(
            data_root=str(data_root), metainfo=metainfo, pipeline=list(pipeline), test_mode=test_mode, **kwargs
        )
        keep_fitted(self.pipeline.transforms)

    @property
    def split_hashes(self) -> dict[str, str]:
        """Split name to a hash over its images' names, see :func:`split_hash`; ``hard_normals`` too, if they count."""
        hard = {} if self.hard_normals is None else {"hard_normals": self.hard_normals.tolist()}
        return {name: split_hash(self.index, ats) for name, ats in {**self.splits.positions, **hard}.items()}

    def file_stamps(self) -> FileStamps:
        """Sizes and times of the files of this split as they are now, to find out later which have changed."""
        return FileStamps(self.index.data_dir, self.index.columns, self.positions)

    def split_class_counts(self) -> dict[str, NDArray[np.int32]]:
        """Split name to the objects of each class in each of its images, ``(images, classes)``."""
        count, class_nums = self.index.columns.class_counts, self.index.class_nums
        return {name: count(positions, class_nums) for name, positions in self.splits.positions.items()}

    @property
    def image_class_counts(self) -> NDArray[np.integer]:
        """Objects of each class in each item, ``(len(self), num_classes)``; counted at each access, not kept."""
        if self._tile_rule is not None:
            self.full_init()
            assert self.tile_index is not None
            return self.tile_index.class_counts(self.index.class_nums)
        if self._counts is not None:
            return self._counts
        rows = self.positions if self._rows is None else self._rows
        return self.index.columns.class_counts(rows, self.index.class_nums)

    @image_class_counts.setter
    def image_class_counts(self, counts: NDArray[np.int32]) -> None:
        self._counts = counts

    @property
    def is_hard_normal(self) -> NDArray[np.bool_]:
        """``(len(self),)`` items of listed hard normals: normal images on which a detector fired."""
        if not self._fully_initialized:
            self.full_init()
        if self._rows is None:
            raise UserError(Problem("hard_normals", "none with a data set that makes its records", type(self).__name__))
        hard = np.isin(self._rows, () if self.hard_normals is None else self.hard_normals)
        return hard if self.tile_index is None else np.repeat(hard, np.diff(self.tile_index.starts))

    def full_init(self) -> None:
        """Choose the images; their records are made from the index at each access.

        Where ``serialize_data`` is off, or a derived class loads its records in its own way, MMEngine's list is kept.
        """
        if self._fully_initialized:
            return
        if not len(self.positions):
            raise UserError(Problem(f"split {self.split}", "at least one image", "none"))
        rows = np.asarray(self.positions, dtype=np.int32)
        if self._indices is not None:
            rows = _chosen(rows, self._indices)
        if self.serialize_data and _is_plain(type(self)):
            self._set_rows(rows)
            self._fully_initialized = True
            counts = self.index.columns.class_totals(rows, self.index.class_nums)
        elif self._tile_rule is not None:
            raise UserError(Problem("data.tiles", "null with a data set that makes its records", type(self).__name__))
        else:
            super().full_init()
            self._counts = self._counts_of_records()
            counts = self._counts.sum(axis=0)
        lacking = [name for name, count in zip(self.metainfo["classes"], counts, strict=True) if not count]
        if lacking:
            text = f"the {self.split} split has no object of class {', '.join(lacking)}"
            print_log(text, logger="current", level=logging.WARNING)

    def _set_rows(self, rows: NDArray[np.int32]) -> None:
        self._rows, rule = rows, self._tile_rule
        self.tile_index = None if rule is None else TileIndex(self.index.columns, rows, rule)

    @property
    def num_images(self) -> int:
        """Of this split; as many as items, unless these are tiles."""
        return len(self) if self.tile_index is None else len(self.tile_index.rows)

    def image_info(self, at: int) -> dict:
        """The record of the whole image at ``at``, 0 to ``num_images``, also where the items are tiles."""
        return self.get_data_info(at) if self._rows is None else self._data_info(int(self._rows[at]))

    def _counts_of_records(self) -> NDArray[np.int32]:
        """As ``image_class_counts``, of the records that a derived class has loaded or filtered."""
        counts: NDArray[np.int32] = np.zeros((len(self), len(self.metainfo["classes"])), dtype=np.int32)
        for at in range(len(self)):
            for instance in self.get_data_info(at).get("instances", ()):
                counts[at, instance["bbox_label"]] += 1
        return counts

    def load_data_list(self) -> list[dict]:
        """Records of this split: ``img_path, img_id, file_name, height, width, instances``."""
        return [self._data_info(at) for at in self.positions]

    def _data_info(self, position: int) -> dict:
        record = self.index.records[position]
        objects = zip(record.labels.bboxes_xyxy.tolist(), record.labels.class_nums.tolist(), strict=True)
        return {
            "img_path": f"{self._images_dir}/{record.file_name}",
            "img_id": position,
            "file_name": record.file_name,
            "height": record.height,
            "width": record.width,
            "instances": [{"bbox": bbox, "bbox_label": self._label_of[num], "ignore_flag": 0} for bbox, num in objects],
        }

    def get_data_info(self, idx: int) -> dict:
        """The record at ``idx``, without what a :class:`Draw` carries."""
        draw = idx if isinstance(idx, Draw) and not self.test_mode else None
        idx = int(idx)
        if not self._fully_initialized:
            self.full_init()
        if self._rows is None:
            result: dict = super().get_data_info(idx)
            return result
        if self.tile_index is not None:
            return self.tile_index.cut_record(self._data_info, idx % len(self), draw)
        info = self._data_info(int(self._rows[idx]))
        info["sample_idx"] = idx if idx >= 0 else len(self._rows) + idx
        return info

    def __len__(self) -> int:
        """Images (or tiles) of this split, or of the part of it that is kept."""
        if not self._fully_initialized:
            self.full_init()
        if self.tile_index is not None:
            return len(self.tile_index)
        return super().__len__() if self._rows is None else len(self._rows)

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Keep the first (or, below 0, last) ``indices`` images, or those that are named."""
        if not self._fully_initialized:
            self.full_init()
        if self._rows is None:
            super().get_subset_(indices)
            self._counts = None if self._counts is None else _chosen(self._counts, indices)
        else:
            self._set_rows(_chosen(self._rows, indices))

    def get_subset(self, indices: Sequence[int] | int) -> TextLabelDataset:
        """A data set of the first (or, below 0, last) ``indices`` images, or of those that are named."""
        if not self._fully_initialized:
            self.full_init()
        subset: TextLabelDataset
        if self._rows is None:
            subset = super().get_subset(indices)
            subset._counts = None if self._counts is None else _chosen(self._counts, indices)
        else:
            subset = self._copy_without_annotation()
            subset._set_rows(_chosen(self._rows, indices))
        return subset

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline with all its randomness drawn from the :class:`Draw` ``idx``.

        A plain int counts as ``Draw(idx, seed=0, epoch=0, position=idx)``. Where the pipeline refuses an image
        (returns None) in training, another one is drawn from the same stream.
        """
        draw = idx if isinstance(idx, Draw) else Draw(idx, position=int(idx) % len(self))
        mixes = any(getattr(step, "mixes_images", False) for step in self.pipeline.transforms)
        with global_streams(draw):
            for _ in range(self.max_refetch + 1):
                results = self.get_data_info(draw)
                results |= {"draw": draw, "dataset": self} if mixes else {"draw": draw}
                results = self.pipeline(results)
                if results is not None or self.test_mode:
                    break
                draw = Draw(np.random.randint(len(self)), draw.seed, draw.epoch, draw.position)
        if isinstance(results, dict):
            results.pop("draw", None)
            results.pop("dataset", None)
        return results


def _metainfo(class_nums: tuple[int, ...], names: Mapping[int, str] | None) -> dict[str, Any]:
    return {
        "classes": tuple(names[num] if names else str(num) for num in class_nums),
        "class_nums": class_nums,
        "palette": [_PALETTE[at % len(_PALETTE)] for at in range(len(class_nums))],
    }


def _is_plain(kind: type[TextLabelDataset]) -> bool:
    """Whether a class takes its records from the index alone."""
    changed = ("load_data_list", "filter_data", "parse_data_info", "_serialize_data")
    return all(getattr(kind, name) is getattr(TextLabelDataset, name) for name in changed)


def _chosen(rows: NDArray, indices: Sequence[int] | int) -> NDArray:
    """The first (or, below 0, last) rows, or those that are named; a TypeError for anything else."""
    if isinstance(indices, int):
        return rows[:indices] if indices >= 0 else rows[indices:]
    if not isinstance(indices, Sequence):
        raise TypeError(f"indices should be an int or a sequence of int, but got {type(indices)}")
    return rows[np.array(indices, dtype=np.int64)]
