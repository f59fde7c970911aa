"""Which image and which class of the ground truth each prediction of another tool means.

COCO's ``image_id`` is an image's id, but tools also write the stem of its file there, as a text or, where it has only
digits, as a number (Ultralytics' save_json: ``000042.jpg`` becomes 42), and some add ``file_name``. A file is read in
one way for all of its entries, the first that fits all of them and no ``file_name`` contradicts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from anomdet.errors import Problem
from anomdet.evaluation.results import Ints

Id = int | str
_SHOWN = 3  # of equal mistakes


class Images:
    """The images of a ground truth, by id, file name and stem.

    Args:
        ids: of the images.
        names: their files, as the ground truth has them.
        file: the ground truth's own name, for messages.
    """

    def __init__(self, ids: Sequence[Id], names: Sequence[str], file: str) -> None:
        self.ids, self.names, self.file = ids, [name.replace("\\", "/") for name in names], file
        self.by_id: dict[Id, int] = {image_id: at for at, image_id in enumerate(ids)}
        self._by_name: dict[str, list[int]] = {}
        self._by_stem: dict[str, list[int]] = {}
        for at, name in enumerate(self.names):
            path = PurePosixPath(name)
            self._by_name.setdefault(path.name, []).append(at)
            self._by_stem.setdefault(path.stem, []).append(at)

    def of_id(self, value: Any) -> int | None:
        """The id itself."""
        return self.by_id.get(value) if _is_id(value) else None

    def of_stem(self, value: Any) -> int | None:
        """The stem or the name of one file, or the number that its stem's digits make."""
        return _the_one(self.stems(value))

    def stems(self, value: Any) -> list[int]:
        """All of such a stem, name or number: in two folders there may be one each."""
        if isinstance(value, str):
            return self.files(value)
        return self._by_number.get(value, []) if _is_id(value) else []

    def of_digits(self, value: Any) -> int | None:
        """The id, as a text where it is a number, or the other way round."""
        if isinstance(value, str):
            return self.by_id.get(int(value)) if value.isascii() and value.isdigit() and len(value) < 19 else None
        return self.by_id.get(str(value)) if _is_id(value) else None

    def files(self, name: Any) -> list[int]:
        """The images whose file has this name, or ends in it, or has this stem."""
        if not isinstance(name, str) or not name:
            return []
        path = PurePosixPath(name.replace("\\", "/"))
        found = self._by_name.get(path.name) or self._by_stem.get(path.name) or self._by_stem.get(path.stem, [])
        if len(found) > 1:
            found = [at for at in found if _is_tail(path.with_suffix("").parts, self.names[at])]
        return [at for at in found if self.names[at] == str(path)] or found

    @cached_property
    def _by_number(self) -> dict[int, list[int]]:
        """The images of each number that a stem of digits alone makes."""
        numbers: dict[int, list[int]] = {}
        for stem, found in self._by_stem.items():
            if _is_number(stem):
                numbers.setdefault(int(stem), []).extend(found)
        return numbers


def _the_one(places: list[int]) -> int | None:
    return places[0] if len(places) == 1 else None


def _is_number(stem: str) -> bool:
    return stem.isascii() and stem.isdigit() and len(stem) < 19


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str, float)) and not isinstance(value, bool)


def _is_tail(parts: Sequence[str], name: str) -> bool:
    own = PurePosixPath(name).with_suffix("").parts
    return tuple(parts[-len(own) :]) == own[-len(parts) :]


def image_places(entries: Sequence[Mapping[str, Any]], images: Images) -> tuple[Ints | None, str]:
    """The row of the image of each prediction, and a sentence where ``image_id`` is no id; None if no way fits all."""
    named = [entry.get("file_name") for entry in entries]
    of_name: dict[Any, list[int]] = {name: images.files(name) for name in set(filter(_is_text, named))}
    named_places = [of_name[name] if _is_text(name) else [] for name in named]
    ways: tuple[tuple[Callable[[Any], int | None], str], ...] = (
        (images.of_id, ""),
        (images.of_stem, "image_id is taken for the name of the file"),
        (images.of_digits, "image_id is a text in one file and a number in the other; equal digits are taken as equal"),
    )
    for way, note in ways:
        found = _by(way, [entry.get("image_id") for entry in entries])
        if None in found or not all(not could or at in could for could, at in zip(named_places, found, strict=True)):
            continue
        if not note and not any(named_places):
            note = _doubt(entries, images, found)
        return np.array(found, dtype=np.int64), note
    by_name = [_the_one(could) for could in named_places]
    if None not in by_name and all(
        at in images.stems(one.get("image_id")) for at, one in zip(by_name, entries, strict=True)
    ):
        return np.array(by_name, dtype=np.int64), "image_id is taken for the name of the file, file_name for its folder"
    if None not in by_name and not _is_known(entries, images):
        return np.array(by_name, dtype=np.int64), "images are found by file_name: image_id is no id of the other file"
    return None, ""


def _doubt(entries: Sequence[Mapping[str, Any]], images: Images, found: list[int | None]) -> str:
    """A sentence where the ids may be numbers of files as well, which are other images."""
    of_value = {value: images.stems(value) for value in {entry["image_id"] for entry in entries}}
    others = [of_value[entry["image_id"]] for entry in entries]
    at = next((i for i, (one, could) in enumerate(zip(found, others, strict=True)) if one not in could), None)
    if at is None or not all(others):
        return ""
    value, one = entries[at]["image_id"], images.names[found[at] or 0]
    other = " or ".join(images.names[place] for place in others[at][:_SHOWN])
    return f"image_id {value!r} is taken for the id of {one}; if it means {other}, add file_name to the predictions"


def _is_known(entries: Sequence[Mapping[str, Any]], images: Images) -> bool:
    """Whether the image ids mean images of the ground truth, so that another file name is a contradiction."""
    values = [entry.get("image_id") for entry in entries]
    return None not in _by(images.of_id, values) or None not in _by(images.of_stem, values)


def _by(way: Callable[[Any], int | None], values: list[Any]) -> list[int | None]:
    if not all(map(_is_id, values)):
        return [None]
    known = {value: way(value) for value in set(values)}
    return [known[value] for value in values]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def image_problems(entries: Sequence[Any], images: Images, where: str) -> Iterator[Problem]:
    """Why no way to read ``image_id`` fits: ids that nothing has, or file names that contradict them."""
    unknown: list[tuple[int, Any]] = []
    contradicting: list[tuple[int, Any, int, list[int]]] = []
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            continue
        value = entry.get("image_id")
        could = images.files(entry.get("file_name"))
        meant = [at for at in (images.of_id(value), images.of_stem(value)) if at is not None]
        if not meant and images.of_digits(value) is None:
            unknown.append((i, value))
        elif could and meant and not set(could) & set(meant):
            contradicting.append((i, value, meant[0], could))
    for i, value, at, could in contradicting[:_SHOWN]:
        ids = " or ".join(repr(images.ids[place]) for place in could[:_SHOWN])
        yield Problem(
            f"{where}[{i}]",
            f"image_id and file_name of one image of {images.file}",
            f"image_id {value!r}, which is {images.names[at]}, and file_name {entries[i]['file_name']!r}, which is "
            f"image {ids} there",
            "; ".join(_about(could, len(contradicting))),
        )
    expected = "the id of an image in the ground truth"
    shown = unknown[: _SHOWN if len(unknown) > _SHOWN else None]
    for i, value in shown:
        yield Problem(f"{where}[{i}].image_id", expected, _short(value), _hint(images) if i == shown[-1][0] else "")
    if len(unknown) > len(shown):
        yield Problem(where, f"{expected} in every entry", f"another in {len(unknown)} of {len(entries)}")


def _about(could: Sequence[int], count: int) -> Iterator[str]:
    if len(could) > 1:
        yield "only with its folder does file_name say which"
    if count > 1:
        yield f"{count} such entries"


def _hint(images: Images) -> str:
    if not images.ids:
        return f"{images.file} has no images"
    return f"there it is {images.ids[0]!r} or the file's name, as {images.names[0]!r}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def classes_in_numbers(entries: list[Any], names: Mapping[int, str]) -> tuple[list[Any], str]:
    """Predictions whose ``category_id`` is a number, and a sentence where they had texts.

    Args:
        entries: of the predictions; no entry is changed.
        names: number to name of each class.
    """
    values = [entry.get("category_id") if isinstance(entry, dict) else None for entry in entries]
    texts = {value for value in values if isinstance(value, str)}
    if not texts or not all(isinstance(value, str) for value in values):
        return entries, ""
    uses = Counter(names.values())
    ways = (
        ({str(number): number for number in names}, "a text; its digits are taken for the number"),
        ({name: number for number, name in names.items() if uses[name] == 1}, "the name of a class, and taken for it"),
    )
    for table, note in ways:
        if texts <= set(table):
            numbered = [{**entry, "category_id": table[entry["category_id"]]} for entry in entries]
            return numbered, f"category_id is {note}"
    return entries, ""


def group_of_all(categories: Sequence[Mapping[str, Any]], used: Collection[int]) -> set[int]:
    """The number of the category that Roboflow puts in front of the classes: their group, which no object has."""
    above = {str(one.get("supercategory")) for one in categories}
    heads = [one for one in categories if one.get("supercategory") == "none" and str(one.get("name")) in above]
    return {one["id"] for one in heads} - set(used)


def shifted_classes(
    class_ids: set[Any],
    class_nums: Sequence[int],
    agreement: Callable[[int], tuple[int, int]],
    groups: Collection[int] = (),
) -> tuple[int, str]:
    """What to add to each ``category_id`` of the predictions, and a sentence where that is not 0.

    Ultralytics counts classes from 0 or from 1, whatever the ground truth does. A shift by one is taken where some ids
    are unknown and with it none is; or where hardly any box is on an object of its class and with the shift most are;
    or, of few boxes too, where more are and some were of no class but the group of all.

    Args:
        class_ids: of the predictions.
        class_nums: of the ground truth.
        agreement: a shift to the predictions on an object of their class, and on any object.
        groups: of the class numbers, those of :func:`group_of_all`.
    """
    known = set(class_nums)
    if not class_ids or not all(isinstance(value, int) and not isinstance(value, bool) for value in class_ids):
        return 0, ""
    fitting = [shift for shift in (-1, 1) if {value + shift for value in class_ids} <= known]
    if class_ids <= known:
        of_group = not class_ids.isdisjoint(groups)
        fitting = [shift for shift in fitting if _is_clear(agreement(0), agreement(shift), of_group)]
    if len(fitting) != 1:
        return 0, ""
    direction = "less" if fitting[0] < 0 else "more"
    low, high = min(class_ids), max(class_ids)
    return fitting[0], (
        f"category_id is counted from another start: {low} to {high} in the predictions, {min(known)} to {max(known)} "
        f"in the ground truth; each is taken as one {direction}"
    )


def _is_clear(now: tuple[int, int], then: tuple[int, int], of_group: bool) -> bool:
    """At least ten boxes on objects; at most a tenth of them right now, at least half with the shift."""
    if of_group and then[0] > now[0]:
        return True
    return then[1] >= 10 and now[0] <= now[1] / 10 and then[0] >= then[1] / 2
