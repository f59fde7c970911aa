"""The images on which an export is compared with its checkpoint: of the validation split, or of a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anomdet.config.load import SettingsSource, load_settings
from anomdet.errors import Problem, UserError
from anomdet.inference.preprocess import padded_size
from anomdet.layout import IMAGES_DIR, TRAIN, VAL
from anomdet.workflows.data_folder.index import index_of

if TYPE_CHECKING:
    from anomdet.inference.detector import Detector
    from anomdet.inference.preprocess import Prepared, PreparedTiles
    from anomdet.workflows.exports.source import Source

_CALIBRATION = 300


@dataclass(frozen=True)
class Truth:
    """What is labelled.

    Args:
        content: COCO's data set of the images, for :func:`anomdet.evaluation.coco_json.results_from_coco`.
        group_by: pattern of the part that an image shows, as of the settings; None: each image is a part.
    """

    content: dict[str, Any]
    group_by: str | None = None


@dataclass(frozen=True)
class ParityImages:
    """Images, read and resized.

    Args:
        prepared: to compare on.
        truth: None: they have no labels.
        calibration: paths of training images, each class and normal parts among them; for int8.
    """

    prepared: list[Prepared | PreparedTiles]
    truth: Truth | None = None
    calibration: tuple[Path, ...] = ()

    def example(self, source: Source) -> tuple[Any, ...]:
        """Inputs to trace with: two images where the network takes any number.

        Raises:
            UserError: the network is right at one size only, and the images have several.
        """
        import torch

        from anomdet.inference.preprocess import group_by_padded_size, parts, stack

        multiple = source.detector.artifact.preprocessing.pad_multiple
        seen = [part for image in self.prepared for part in parts(image)]
        if source.graph.is_fixed:
            _check_one_size(str(source.path), seen, multiple)
        batch = stack([seen[at] for at in group_by_padded_size(seen, multiple)[0][:2]], multiple)
        images, sizes = torch.from_numpy(batch.images), torch.from_numpy(batch.sizes_hw)
        if source.graph.finder.takes_one_image:
            images, sizes = images[:1], sizes[:1]
        elif len(images) == 1:
            images, sizes = images.repeat(2, 1, 1, 1), sizes.repeat(2, 1)
        return images, sizes, torch.tensor(0.05)


def parity_images(
    settings: SettingsSource | None, images: str | Path | None, detector: Detector, max_images: int
) -> ParityImages:
    """The images, spread evenly over what there is.

    Raises:
        UserError: none, or one that cannot be read.
    """
    if images is not None:
        from anomdet.inference.sources import open_sources

        paths = [str(item.name) for item in open_sources([str(images)])]
        return ParityImages([detector.prepare(path) for path in _spread(paths, max_images)])
    assert settings is not None
    data = load_settings(settings).data
    from anomdet.workflows.data_folder.planned_splits import planned_splits

    splits, why = planned_splits(data, Path(data.data_dir))
    if splits is None or not splits[VAL]:
        raise UserError(Problem("--config", "a run with validation images", why or "none", "or give --images DIR"))
    index = index_of(data, only_headers=True)
    _check_classes(detector.classes, data.classes, index.class_nums)
    names = _spread(splits[VAL], max_images)
    folder = Path(data.data_dir) / IMAGES_DIR
    prepared = [detector.prepare(str(folder / name), name=name) for name in names]
    calibration = tuple(folder / name for name in _of_each_class(index, splits[TRAIN], _CALIBRATION))
    return ParityImages(prepared, _truth(index, names, detector, data.group_by), calibration)


def _check_classes(trained: Mapping[int, str], named: Any, class_nums: Sequence[int]) -> None:
    """On labels of other data a threshold would be chosen, and a loss of quality measured, that mean nothing."""
    hint = "give the settings of its training"
    if trained and named and dict(named) != dict(trained):
        raise UserError(Problem("--config: data.classes", f"{dict(trained)}, as in training", f"{dict(named)}", hint))
    if trained and (unknown := sorted(set(class_nums) - set(trained))):
        got = f"labels of the class numbers {unknown}"
        raise UserError(Problem("--config", f"data of the classes {dict(trained)}", got, hint))


def _check_one_size(where: str, seen: Sequence[Prepared], multiple: int) -> None:
    """Of a transformer's positions only those of the traced size are in the graph."""
    sizes = Counter((image.size_hw, padded_size(image.size_hw, multiple)) for image in seen)
    if len(sizes) == 1 and all(own == padded for own, padded in sizes):
        return
    counted = ", ".join(
        f"{count} of {own[1]} x {own[0]}" + (f" (padded to {padded[1]} x {padded[0]})" if own != padded else "")
        for (own, padded), count in sizes.most_common(5)
    )
    hint = "this kind of network is exported for one size: give images of one shape, or use the checkpoint as it is"
    raise UserError(Problem(where, "images that have one size after resizing, without padding", counted, hint))


def _spread(names: Sequence[str], most: int) -> list[str]:
    """At most so many, evenly over the list."""
    chosen = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int))
    return [names[at] for at in chosen.tolist()]


def _of_each_class(index: Any, names: Sequence[str], most: int) -> list[str]:
    """In turn one of each class and one normal image, the rarest class first."""
    wanted = set(names)
    groups: dict[int | None, list[str]] = {}
    for record in index.records:
        if record.file_name in wanted:
            for num in set(record.labels.class_nums.tolist()) or {None}:
                groups.setdefault(num, []).append(record.file_name)
    queues = [_spread(group, most) for group in sorted(groups.values(), key=len)]
    turns = (queue[at] for at in range(most) for queue in queues if at < len(queue))
    return list(dict.fromkeys(turns))[:most]


def _truth(index: Any, names: Sequence[str], detector: Detector, group_by: str | None) -> Truth:
    number = {name: at for at, name in enumerate(names)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for record in index.records:
        if (at := number.get(record.file_name)) is None:
            continue
        images.append({"id": at, "file_name": record.file_name, "width": record.width, "height": record.height})
        for box, num in zip(record.labels.bboxes_xyxy.tolist(), record.labels.class_nums.tolist(), strict=True):
            x, y, right, bottom = box
            size = {"bbox": [x, y, right - x, bottom - y], "area": (right - x) * (bottom - y), "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, "image_id": at, "category_id": num, **size})
    categories = [{"id": num, "name": name} for num, name in detector.classes.items()]
    return Truth({"images": images, "annotations": annotations, "categories": categories}, group_by)
