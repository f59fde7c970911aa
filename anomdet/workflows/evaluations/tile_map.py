"""tile_map.json of ``anomdet tile``: which tile shows which part of which image, and the objects of the images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from anomdet.documents import read_json
from anomdet.errors import Problem, UserError
from anomdet.fields import shown
from anomdet.workflows.tile import MAP_VERSION

_MOST_SHOWN = 20
_KEYS = ("file_name", "height", "width", "objects", "tiles")
_TILE_KEYS = ("file_name", "window")


@dataclass(frozen=True)
class TileMap:
    """What a map holds.

    Args:
        class_nums: of all objects.
        images: each with ``file_name, height, width, objects, tiles``; an object is ``class_num, x1, y1, x2, y2`` in
            pixels of the image, a tile has ``file_name`` and ``window``, which is ``x1, y1, x2, y2``.
        left_out: names of the images of which no tile was written, so that no results on tiles measure them.
        class_names: of the classes that have one.
    """

    class_nums: tuple[int, ...]
    images: list[dict[str, Any]]
    left_out: list[str]
    class_names: dict[int, str] = field(default_factory=dict)


def read_map(path: Path) -> TileMap:
    """Read and check a map.

    Raises:
        UserError: it is none, another version's, or damaged; up to twenty places at once.
    """
    content = read_json(path, "anomdet tile writes such a file")
    version = content.get("version") if isinstance(content, dict) else None
    if version != MAP_VERSION or not isinstance(content.get("images"), list):
        expected = f"a map of anomdet tile, version {MAP_VERSION}"
        raise UserError(Problem(str(path), expected, f"version {shown(version)}"))
    class_nums = content.get("class_nums")
    if not isinstance(class_nums, list) or not all(type(num) is int for num in class_nums):
        raise UserError(Problem(f"{path}: class_nums", "a list of integers", shown(class_nums)))
    left_out = content.get("left_out", {"images": []})  # maps of before have none
    names = left_out.get("images") if isinstance(left_out, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(Problem(f"{path}: left_out.images", "a list of names", shown(left_out)))
    class_names = content.get("class_names", {})  # maps of before have none
    if not isinstance(class_names, dict) or not all(_is_named(*one) for one in class_names.items()):
        raise UserError(Problem(f"{path}: class_names", "a name for each class number", shown(class_names)))
    images: list[dict[str, Any]] = content["images"]
    entries = [(image, f"{path}: images[{at}]") for at, image in enumerate(images)]
    problems = list(
        islice(chain.from_iterable(_wrong(image, where, class_nums) for image, where in entries), _MOST_SHOWN)
    )
    if problems := problems or list(islice(_repeated(entries), _MOST_SHOWN)):
        raise UserError(problems)
    return TileMap(tuple(class_nums), images, names, {int(num): name for num, name in class_names.items()})


def _wrong(image: Any, where: str, class_nums: list[int]) -> Iterator[Problem]:
    if problem := _wrong_keys(image, _KEYS, where):
        yield problem
    elif not isinstance(image["file_name"], str):
        yield Problem(f"{where}.file_name", "a name", shown(image["file_name"]))
    elif wrong := [key for key in ("height", "width") if not _is_count(image[key])]:
        yield from (Problem(f"{where}.{key}", "an integer >= 1", shown(image[key])) for key in wrong)
    elif not isinstance(image["objects"], list):
        yield Problem(f"{where}.objects", "a list of objects", shown(image["objects"]))
    elif not isinstance(image["tiles"], list) or not image["tiles"]:
        yield Problem(f"{where}.tiles", "a list of at least one tile", shown(image["tiles"]))
    else:
        known = set(class_nums)
        for at, one in enumerate(image["objects"]):
            yield from _wrong_object(one, f"{where}.objects[{at}]", image, known)
        for at, tile in enumerate(image["tiles"]):
            yield from _wrong_tile(tile, f"{where}.tiles[{at}]", image)


def _wrong_keys(entry: Any, keys: tuple[str, ...], where: str) -> Problem | None:
    expected = f"{', '.join(keys[:-1])} and {keys[-1]}"
    if not isinstance(entry, dict):
        return Problem(where, f"a JSON object with {expected}", shown(entry))
    wrong = [f"no {key}" for key in keys if key not in entry]
    wrong += [f"the unknown key {shown(key)}" for key in entry if key not in keys]
    return Problem(where, expected, " and ".join(wrong[:3])) if wrong else None


def _wrong_object(one: Any, where: str, image: dict[str, Any], class_nums: set[int]) -> Iterator[Problem]:
    if not _is_row(one, 5) or type(one[0]) is not int:
        yield Problem(where, "an integer as class number, and x1, y1, x2, y2", shown(one))
        return
    num, x1, y1, x2, y2 = one
    if num not in class_nums:
        yield Problem(where, "a class number of the map's class_nums", str(num))
    if not (x1 <= x2 and y1 <= y2):
        yield Problem(where, "x1 <= x2 and y1 <= y2 in class_num, x1, y1, x2, y2", shown(one))
    elif min(x1, y1) < 0 or x2 > image["width"] or y2 > image["height"]:
        yield Problem(where, f"a box inside the image of {_wide(image)} (width x height)", shown(one[1:]))


def _wrong_tile(tile: Any, where: str, image: dict[str, Any]) -> Iterator[Problem]:
    if problem := _wrong_keys(tile, _TILE_KEYS, where):
        yield problem
        return
    if not isinstance(tile["file_name"], str):
        yield Problem(f"{where}.file_name", "a name", shown(tile["file_name"]))
    window = tile["window"]
    if not _is_row(window, 4) or not all(type(side) is int for side in window):
        yield Problem(f"{where}.window", "a window of four integers, x1, y1, x2, y2", shown(window))
        return
    left, top, right, bottom = window
    if not (0 <= left < right <= image["width"] and 0 <= top < bottom <= image["height"]):
        yield Problem(f"{where}.window", f"a window inside the image of {_wide(image)} (width x height)", shown(window))


def _wide(image: dict[str, Any]) -> str:
    return f"{image['width']} x {image['height']} px"


def _repeated(entries: list[tuple[dict[str, Any], str]]) -> Iterator[Problem]:
    """Names that two images have, or two tiles."""
    image_at: dict[str, str] = {}
    tile_at: dict[str, str] = {}
    for image, where in entries:
        named = [(image_at, image["file_name"], where)]
        named += [(tile_at, tile["file_name"], f"{where}.tiles[{at}]") for at, tile in enumerate(image["tiles"])]
        for places, name, place in named:
            if name in places:
                first = places[name].rpartition(": ")[2]
                yield Problem(f"{place}.file_name", f"a name that only it has, not {first} too", shown(name))
            places.setdefault(name, place)


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value < 2**31


def _is_named(num: str, name: Any) -> bool:
    return re.fullmatch(r"-?[0-9]{1,18}", num) is not None and isinstance(name, str)


def _is_row(value: Any, length: int) -> bool:
    is_list = isinstance(value, list) and len(value) == length
    return is_list and all(type(one) in (int, float) and abs(one) < 2**31 for one in value)
