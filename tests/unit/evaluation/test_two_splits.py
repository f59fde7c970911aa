"""Files of a validation and a test split that do not belong together."""

from __future__ import annotations

import pytest

from anomdet.errors import UserError
from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.results import Results
from anomdet.evaluation.two_splits import check_same_classes, num_shared


def split(files: str, names: dict[int, str], defective: str = "") -> Results:
    images = [{"id": i, "file_name": f"{name}.png"} for i, name in enumerate(files)]
    box = {"category_id": next(iter(names)), "bbox": [1, 2, 3, 4]}
    annotations = [{"id": i, "image_id": i, **box} for i, name in enumerate(files) if name in defective]
    categories = [{"id": number, "name": name} for number, name in names.items()]
    return results_from_coco({"images": images, "annotations": annotations, "categories": categories}, [])


def test_a_number_with_two_names_is_refused() -> None:
    val, test = split("abc", {1: "dent", 2: "spur"}), split("xyz", {1: "spur", 2: "dent", 3: "hole"})
    with pytest.raises(UserError) as raised:
        check_same_classes(val, test, ("v.json", "t.json"))
    told = str(raised.value)
    assert "v.json: category 1: expected the name 'spur', as in t.json, got 'dent'" in told
    assert "v.json: category 2: expected the name 'dent'" in told


def test_classes_of_one_split_alone_are_no_contradiction() -> None:
    check_same_classes(split("abc", {1: "dent"}), split("xyz", {1: "dent", 3: "hole"}), ("v.json", "t.json"))


def test_images_of_both_splits_are_counted() -> None:
    names = {1: "dent"}
    assert num_shared(split("abc", names), split("xyz", names)) == 0
    assert num_shared(split("abc", names, "a"), split("bcx", names)) == 2
    assert num_shared(split("abc", names, "a"), split("a", names)) == 0, "one name, other objects: another folder's"
