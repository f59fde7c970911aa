"""Any detector's results on the tiles of ``anomdet tile``, put together: results on the images themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anomdet.boxes import xywh_to_xyxy
from anomdet.errors import Problem, UserError
from anomdet.inference.postprocess import Detections
from anomdet.inference.tiling import merge
from anomdet.words import counted
from anomdet.workflows.evaluations.tile_map import TileMap, read_map

if TYPE_CHECKING:
    from anomdet.evaluation.results import Results

_MOST_SHOWN = 20


def read_tiled_results(ground_truth: Path, predictions: Path, tile_map: Path) -> tuple[Results, list[str]]:
    """The columns of an evaluation on whole images, and a sentence for each doubt about the files.

    Args:
        ground_truth: COCO data set of tiles, whose file names, sizes and categories are those of the map; the objects
            come from the map, which its annotations must not contradict.
        predictions: COCO results on them.
        tile_map: of ``anomdet tile``; holds the objects of the images.

    Raises:
        UserError: a file is wrong, the data set and the map contradict each other, or an image lacks some of its tiles.
    """
    from anomdet.evaluation.coco_json import results_from_coco
    from anomdet.evaluation.file_doubts import file_doubts
    from anomdet.evaluation.files import read_results

    both = _Both(read_results(ground_truth, predictions), read_map(tile_map), ground_truth, tile_map)
    if problems := list(islice(both.name_problems(), _MOST_SHOWN)):
        raise UserError(problems)
    images = both.chosen()
    if problems := [*both.size_problems(images), *both.category_problems(images)]:
        raise UserError(problems)
    tiles = both.tiles
    names = str(ground_truth), str(predictions)
    doubts = [*file_doubts(tiles, *names), *both.doubts()]
    truth, rows = _truth(images, tiles), _rows(images, tiles)
    whole = results_from_coco(truth, rows, gt_file=str(tile_map), predictions_file=str(predictions))
    return replace(whole, notes=tuple(dict.fromkeys((*tiles.notes, *whole.notes)))), doubts


@dataclass(frozen=True)
class _Both:
    """A data set of tiles and a map, and where they contradict each other."""

    tiles: Results
    known: TileMap
    truth: Path
    tile_map: Path

    def name_problems(self) -> Iterator[Problem]:
        """Tiles that the map does not have, that are there twice, and images of which some are missing."""
        names, ids = self.tiles.file_names, self.tiles.image_ids.tolist()
        known = {tile["file_name"] for image in self.known.images for tile in image["tiles"]}
        where, ids_of = f"{self.truth}: images", defaultdict(list)
        for name, image_id in zip(names, ids, strict=True):
            ids_of[name].append(repr(image_id))
        for name, own in ids_of.items():
            if name not in known:
                yield Problem(where, f"tiles of {self.tile_map}", repr(name), "give the map of this very data set")
            elif len(own) > 1:
                hint = "its predictions belong to one id: leave the other entries out"
                yield Problem(where, "each tile once", f"{name!r} with the ids {' and '.join(own[:3])}", hint)
        for image in self.known.images:
            missing = [tile["file_name"] for tile in image["tiles"] if tile["file_name"] not in ids_of]
            if 0 < len(missing) < len(image["tiles"]):
                expected = f"all {len(image['tiles'])} tiles of {image['file_name']}"
                hint = "keep the tiles of an image in one split"
                yield Problem(where, expected, f"{len(missing)} missing, as {missing[0]}", hint)

    def chosen(self) -> list[dict[str, Any]]:
        """The images whose tiles are in the data set."""
        wanted = set(self.tiles.file_names)
        return [image for image in self.known.images if image["tiles"][0]["file_name"] in wanted]

    def size_problems(self, images: list[dict[str, Any]]) -> Iterator[Problem]:
        """Boxes on tiles of another size would lie in wrong places."""
        size_of = dict(zip(self.tiles.file_names, self.tiles.sizes_hw.tolist(), strict=True))
        wrong = []
        for tile in (tile for image in images for tile in image["tiles"]):
            left, top, right, bottom = tile["window"]
            size_hw = size_of[tile["file_name"]]
            if any(own not in (0, side) for own, side in zip(size_hw, (bottom - top, right - left), strict=True)):
                wrong.append((tile["file_name"], (right - left, bottom - top), size_hw[::-1]))
        if wrong:
            name, expected, got = wrong[0]
            more = f", and {counted(len(wrong) - 1, 'more tile')} of another size" if len(wrong) > 1 else ""
            yield Problem(
                f"{self.truth}: images: {name}",
                f"{expected[0]} x {expected[1]} px (width x height), as its window in {self.tile_map}",
                f"{got[0]} x {got[1]}{more}",
                "give sizes and boxes in pixels of the tiles as anomdet tile wrote them, not of resized ones",
            )

    def category_problems(self, images: list[dict[str, Any]]) -> Iterator[Problem]:
        """Categories that are not the map's classes: every box would count as one of another class."""
        where, shown = f"{self.truth}: categories", self._categories()
        hint = f"give the categories the class numbers of {self.tile_map} as ids: {self._nums()}"
        nums_of = [{row[0] for row in image["objects"]} for image in images]
        for num in sorted(set().union(*nums_of) - set(shown)):
            yield Problem(
                where,
                f"one with id {num}, a class number of {self.tile_map}",
                ", ".join(shown.values()) or "none",
                hint,
            )
        numbers = {str(num) for num in self.known.class_nums}
        for num, name in zip(self.tiles.class_nums.tolist(), self.tiles.class_names, strict=True):
            if name in numbers - {str(num)}:
                yield Problem(where, f"id {name} for the name '{name}', as the map's class number", f"id {num}", hint)
        yield from self._exchanged_names(hint)
        image_of = {tile["file_name"]: at for at, image in enumerate(images) for tile in image["tiles"]}
        seen: set[int] = set()
        annotated = np.unique(np.stack([self.tiles.gt.label, self.tiles.gt.image], axis=1), axis=0)
        for label, tile in annotated.tolist():
            num, name = int(self.tiles.class_nums[label]), self.tiles.file_names[tile]
            if num not in seen and num not in nums_of[image_of[name]]:
                seen.add(num)
                image = images[image_of[name]]["file_name"]
                got = f"one on {name}, while {self.tile_map} has no object of class {num} on {image}"
                yield Problem(f"{self.truth}: annotations", f"none of category {shown[num]} there", got, hint)

    def _exchanged_names(self, hint: str) -> Iterator[Problem]:
        """Names that the map gives to another class number."""
        num_of = {name: num for num, name in self.known.class_names.items()}
        for num, name in zip(self.tiles.class_nums.tolist(), self.tiles.class_names, strict=True):
            if num_of.get(name, num) != num:
                got = f"id {num}, which is {self.known.class_names.get(num, 'no class')!r} there"
                expected = f"id {num_of[name]} for {name!r}, as in {self.tile_map}"
                yield Problem(f"{self.truth}: categories", expected, got, hint)

    def _other_names(self) -> Iterator[str]:
        for num, name in zip(self.tiles.class_nums.tolist(), self.tiles.class_names, strict=True):
            known = self.known.class_names.get(num, name)
            if name not in (known, str(num), *self.known.class_names.values()):
                yield f"{self.truth}: category {num} is called {name!r}, and {known!r} in {self.tile_map}"

    def doubts(self) -> Iterator[str]:
        """Images that have no tile, categories that no object can have, and sizes that nothing says."""
        if gone := self.known.left_out:
            one, several = (
                "image has no tile, since its objects are larger",
                "images have no tile, since their objects are larger",
            )
            names = ", ".join(gone[:3]) + (" ..." if len(gone) > 3 else "")
            yield f"{self.tile_map}: {counted(len(gone), one, several)} than one: not measured, in no split ({names})"
        counts, shown = np.bincount(self.tiles.pred.label, minlength=len(self.tiles.class_nums)), self._categories()
        for num, count in zip(self.tiles.class_nums.tolist(), counts.tolist(), strict=True):
            if num not in self.known.class_nums:
                of_it = "prediction of it is a false alarm", "predictions of it are false alarms"
                effect = counted(count, *of_it) if count else "no prediction has it"
                yield f"{self.truth}: category {shown[num]} is no class of {self.tile_map} ({self._nums()}); {effect}"
        yield from self._other_names()
        unknown = int((self.tiles.sizes_hw == 0).any(axis=1).sum())
        if unknown:
            tiles = counted(unknown, "tile has no width or height", "tiles have no width or height")
            yield f"{self.truth}: {tiles}; boxes are taken in pixels of the tiles as anomdet tile wrote them"

    def _categories(self) -> dict[int, str]:
        names = zip(self.tiles.class_nums.tolist(), self.tiles.class_names, strict=True)
        return {num: str(num) if name == str(num) else f"{num} ({name})" for num, name in names}

    def _nums(self) -> str:
        return ", ".join(map(str, sorted(self.known.class_nums))) or "none"


def _truth(images: list[dict[str, Any]], tiles: Results) -> dict[str, Any]:
    """A COCO data set of the images, from the objects of the map."""
    annotations: list[dict[str, Any]] = []
    for at, image in enumerate(images):
        for num, x1, y1, x2, y2 in image["objects"]:
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, "image_id": at, "category_id": num, **box})
    names = zip(tiles.class_nums.tolist(), tiles.class_names, strict=True)
    return {
        "images": [
            {"id": at, **{key: image[key] for key in ("file_name", "height", "width")}}
            for at, image in enumerate(images)
        ],
        "annotations": annotations,
        "categories": [{"id": num, "name": name} for num, name in names],
    }


def _rows(images: list[dict[str, Any]], tiles: Results) -> list[dict[str, Any]]:
    """COCO rows of the images, merged from those of their tiles."""
    from anomdet.evaluation.results import by_image

    pred, nums = tiles.pred, tiles.class_nums.tolist()
    boxes, scores = xywh_to_xyxy(pred.bboxes_xywh).astype(np.float32), pred.score.astype(np.float32)
    first = by_image(pred, tiles.num_images).tolist()
    own = {name: slice(*first[at : at + 2]) for at, name in enumerate(tiles.file_names)}
    rows: list[dict[str, Any]] = []
    for at, image in enumerate(images):
        slices = [own[tile["file_name"]] for tile in image["tiles"]]
        found = [Detections(boxes[mine], scores[mine], pred.label[mine]) for mine in slices]
        windows = np.array([tile["window"] for tile in image["tiles"]], dtype=np.int64)
        merged = merge(found, windows, (image["height"], image["width"]))
        columns = (merged.labels.tolist(), merged.bboxes_xyxy.tolist(), merged.scores.tolist())
        for label, (x1, y1, x2, y2), score in zip(*columns, strict=True):
            bbox = [x1, y1, x2 - x1, y2 - y1]
            rows.append({"image_id": at, "category_id": nums[label], "bbox": bbox, "score": score})
    return rows
