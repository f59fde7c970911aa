"""Predictions that were saved as a COCO data set whose objects have scores, as ``anomdet predict --save coco`` does.

Such a file has ids of its own: an image is meant by its file, a class by its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from anomdet.evaluation.reconcile import Images

_NOTE = "a COCO data set with scores, not a list of results: images are found by their files, classes by their"


class ScoredDataSet(NamedTuple):
    """What a data set says of its predictions.

    Args:
        entries: the predictions.
        files: image id to file.
        classes: category id to name.
    """

    entries: list[dict[str, Any]]
    files: dict[Any, str]
    classes: dict[Any, str]

    def with_ids_of(self, images: Images, names: Mapping[int, str]) -> tuple[list[dict[str, Any]], str]:
        """The predictions by the ids of a ground truth, and a sentence; what it does not know stays as it is."""
        uses = Counter(names.values())
        known = {name: number for number, name in names.items() if uses[name] == 1}
        used = {entry.get("category_id") for entry in self.entries}
        by_name = used <= set(self.classes) and {self.classes[number] for number in used} <= set(known)
        number_of = {number: known[self.classes[number]] for number in used} if by_name else {}
        places = {name: images.of_stem(name) for name in set(self.files.values())}
        ids = {number: name if (at := places[name]) is None else images.ids[at] for number, name in self.files.items()}
        entries = [
            {
                **entry,
                "image_id": ids.get(entry.get("image_id"), entry.get("image_id")),
                "category_id": number_of.get(entry.get("category_id"), entry.get("category_id")),
            }
            for entry in self.entries
        ]
        return entries, f"{_NOTE} {'names' if by_name else 'numbers'}"


def scored_data_set(content: Any) -> ScoredDataSet | None:
    """The predictions of a data set; None of whatever else, as one whose objects have no scores."""
    if not isinstance(content, dict):
        return None
    images, categories, entries = lists = [content.get(key, 0) for key in ("images", "categories", "annotations")]
    if not all(map(_is_list, lists)):
        return None
    if not all("score" in one and _is_id(one.get("image_id")) and _is_id(one.get("category_id")) for one in entries):
        return None
    return ScoredDataSet(entries, _texts(images, "file_name"), _texts(categories, "name"))


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _texts(entries: Any, key: str) -> dict[Any, str]:
    return {one["id"]: one[key] for one in entries if _is_id(one.get("id")) and isinstance(one.get(key), str)}


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)
