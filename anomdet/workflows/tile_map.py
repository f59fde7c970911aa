"""Any detector's results on the tiles of ``anomdet tile``, put together: results on the images themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anomdet.boxes import xywh_to_xyxy
from anomdet.documents import read_json
from anomdet.errors import Problem, UserError
from anomdet.fields import shown
from anomdet.inference.postprocess import Detections
from anomdet.inference.tiling import merge
from anomdet.workflows.tile import MAP_VERSION

_MOST_SHOWN = 20


def read_tiled_results(ground_truth: Path, predictions: Path, tile_map: Path) -> Any:
    """The columns of an evaluation on whole images.

    Args:
        ground_truth: COCO data set of tiles, whose file names are those of the map; its annotations do not count.
        predictions: COCO results on them.
        tile_map: of ``anomdet tile``; holds the objects of the images.

    Raises:
        UserError: a file is wrong, a tile is not in the map, or an image lacks some of its tiles.
    """
    from anomdet.evaluation.coco_json import results_from_coco
    from anomdet.evaluation.files import read_results

    tiles = read_results(ground_truth, predictions)
    images = _chosen(tiles.file_names, read_map(tile_map), ground_truth, tile_map)
    position = {name: at for at, name in enumerate(tiles.file_names)}
    truth: dict[str, Any] = {"images": [], "annotations": []}
    rows: list[dict[str, Any]] = []
    nums = sorted({int(num) for num in tiles.class_nums})
    names = dict(zip([int(num) for num in tiles.class_nums], tiles.class_names, strict=True))
    for at, image in enumerate(images):
        truth["images"].append({key: image[key] for key in ("file_name", "height", "width")} | {"id": at})
        for num, x1, y1, x2, y2 in image["objects"]:
            if num not in names:
                expected = f"one of {', '.join(map(str, nums))}, the categories of {ground_truth}"
                raise UserError(Problem(f"{tile_map}: {image['file_name']}: class number", expected, str(num)))
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
            truth["annotations"].append(
                {"id": len(truth["annotations"]) + 1, "image_id": at, "category_id": num, **box}
            )
        rows += _rows(at, image, tiles, position, nums)
    truth["categories"] = [{"id": num, "name": names[num]} for num in nums]
    return results_from_coco(truth, rows, gt_file=str(tile_map), predictions_file=str(predictions))


def read_map(path: Path) -> list[dict[str, Any]]:
    """The images of a map, each with ``file_name, height, width, objects, tiles``.

    Raises:
        UserError: it is none, or another version's.
    """
    content = read_json(path, "anomdet tile writes such a file")
    version = content.get("version") if isinstance(content, dict) else None
    if version != MAP_VERSION or not isinstance(content.get("images"), list):
        expected = f"a map of anomdet tile, version {MAP_VERSION}"
        raise UserError(Problem(str(path), expected, f"version {shown(version)}"))
    problems = [
        Problem(f"{path}: images[{at}]", expected, got)
        for at, image in enumerate(content["images"])
        for expected, got in _wrong(image)
    ]
    if problems:
        raise UserError(problems[:_MOST_SHOWN])
    images: list[dict[str, Any]] = content["images"]
    return images


def _wrong(image: Any) -> list[tuple[str, str]]:
    if not isinstance(image, dict) or set(image) != {"file_name", "height", "width", "objects", "tiles"}:
        return [("file_name, height, width, objects and tiles", type(image).__name__)]
    if not isinstance(image["file_name"], str) or not all(_is_count(image[key]) for key in ("height", "width")):
        return [("a name and two integers >= 1, height and width", repr(image.get("file_name"))[:60])]
    if not isinstance(image["objects"], list) or not all(_is_row(one, 5) for one in image["objects"]):
        return [("objects of class number, x1, y1, x2, y2", "something else")]
    if not isinstance(image["tiles"], list) or not image["tiles"]:
        return [("at least one tile", "none")]
    for tile in image["tiles"]:
        if not isinstance(tile, dict) or not isinstance(tile.get("file_name"), str):
            return [("tiles of a file_name and a window", "something else")]
        window: Any = tile.get("window")
        if not _is_row(window, 4) or not all(type(side) is int for side in window):
            return [("a window of four integers", repr(window)[:60])]
        left, top, right, bottom = window
        if not (0 <= left < right <= image["width"] and 0 <= top < bottom <= image["height"]):
            return [("a window inside the image", repr(window))]
    return []


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value < 2**31


def _is_row(value: Any, length: int) -> bool:
    is_list = isinstance(value, list) and len(value) == length
    return is_list and all(type(one) in (int, float) and abs(one) < 2**31 for one in value)


def _chosen(names: Sequence[str], images: list[dict[str, Any]], truth: Path, tile_map: Path) -> list[dict[str, Any]]:
    """The images whose tiles are in the data set, in full."""
    wanted = set(names)
    known = {tile["file_name"] for image in images for tile in image["tiles"]}
    problems = [
        Problem(f"{truth}: images", f"tiles of {tile_map}", repr(name), "give the map of this very data set")
        for name in names
        if name not in known
    ]
    chosen = []
    for image in images:
        missing = [tile["file_name"] for tile in image["tiles"] if tile["file_name"] not in wanted]
        if missing and len(missing) < len(image["tiles"]):
            expected = f"all {len(image['tiles'])} tiles of {image['file_name']}"
            hint = "keep the tiles of an image in one split"
            problems.append(Problem(f"{truth}: images", expected, f"{len(missing)} missing, as {missing[0]}", hint))
        elif not missing:
            chosen.append(image)
    if problems:
        raise UserError(problems[:_MOST_SHOWN])
    return chosen


def _rows(
    at: int, image: dict[str, Any], tiles: Any, position: dict[str, int], nums: list[int]
) -> list[dict[str, Any]]:
    """COCO rows of one image, merged from those of its tiles."""
    found = []
    own_nums = np.asarray(tiles.class_nums)
    for tile in image["tiles"]:
        mine = tiles.pred.image == position[tile["file_name"]]
        boxes = xywh_to_xyxy(tiles.pred.bboxes_xywh[mine]).astype(np.float32)
        labels = np.searchsorted(nums, own_nums[tiles.pred.label[mine]])
        found.append(Detections(boxes, tiles.pred.score[mine].astype(np.float32), labels.astype(np.int64)))
    windows = np.array([tile["window"] for tile in image["tiles"]], dtype=np.int64)
    merged = merge(found, windows, (image["height"], image["width"]))
    return [
        {"image_id": at, "category_id": nums[label], "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
        for label, (x1, y1, x2, y2), score in zip(
            merged.labels.tolist(), merged.bboxes_xyxy.tolist(), merged.scores.tolist(), strict=True
        )
    ]
