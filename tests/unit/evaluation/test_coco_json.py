from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.evaluation.coco_json import results_from_coco, to_coco
from anomdet.evaluation.files import write_json
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.summary import measure
from tests.unit.evaluation.cases import Case, draw_case, gt_dict, pred

BOX = [0, 0, 10, 10]
NAN, INF = float("nan"), float("inf")
DELETE = object()


def small() -> dict[str, Any]:
    """Two images, three objects, three predictions."""
    truth = gt_dict((0, 1, BOX), (0, 2, BOX), (1, 1, [5, 5, 3, 3]))
    predictions = [pred(0, 1, BOX, 0.9), pred(0, 2, BOX, 0.8), pred(1, 1, BOX, 0.7)]
    return json.loads(json.dumps({"gt": truth, "pred": predictions}))  # no two boxes the same list


def put(data: Any, path: tuple, value: Any) -> None:
    for key in path[:-1]:
        data = data[key]
    if value is DELETE:
        del data[path[-1]]
    else:
        data[path[-1]] = value


def read(data: dict[str, Any]):
    return results_from_coco(data["gt"], data["pred"], gt_file="gt.json", predictions_file="pred.json")


@pytest.mark.parametrize(
    "case", [Case(0), Case(1, crowd_share=0.4), Case(2, per_part=2), Case(3, normal_share=1)], ids=str
)
def test_there_and_back(case):
    ground_truth, predictions = draw_case(case)
    for annotation in ground_truth["annotations"]:
        annotation["area"] /= 2
    results = results_from_coco(ground_truth, predictions)
    truth_again, predictions_again = to_coco(results)
    assert truth_again["images"] == ground_truth["images"]
    given = sorted(ground_truth["categories"], key=lambda category: category["id"])
    assert truth_again["categories"] == [{**category, "supercategory": "defect"} for category in given]
    assert truth_again["annotations"] == ground_truth["annotations"]
    key = json.dumps
    assert sorted(map(key, map(sorted, map(dict.items, predictions_again)))) == sorted(
        map(key, map(sorted, map(dict.items, predictions)))
    )
    again = results_from_coco(truth_again, predictions_again)
    for table in ("gt", "pred"):
        for name, column in vars(getattr(results, table)).items():
            assert np.array_equal(column, getattr(getattr(again, table), name)), name
    assert (again.parts, again.file_names, again.class_names) == (
        results.parts,
        results.file_names,
        results.class_names,
    )


def test_the_input_is_left_as_it_was():
    data = small()
    before = copy.deepcopy(data)
    to_coco(read(data))
    assert data == before


def test_files_in_the_users_terms():
    truth = gt_dict((1, 2, [10.5, 20, 19.5, 40]))
    truth["annotations"][0]["id"] = 77
    results = results_from_coco(truth, [pred(1, 1, [1, 2, 3, 6], 0.25), pred(1, 2, [3, 2, 3, 6], 0.5)])
    written, predictions = to_coco(results)
    assert written["annotations"] == [
        {"id": 1, "image_id": 1, "category_id": 2, "bbox": [10.5, 20, 19.5, 40], "area": 780.0, "iscrowd": 0}
    ]
    assert [(p["category_id"], p["bbox"], p["image_id"], p["file_name"]) for p in predictions] == [
        (2, [3, 2, 3, 6], 1, "1.png"),
        (1, [1, 2, 3, 6], 1, "1.png"),
    ], "by falling score"


def test_only_what_must_be_there():
    truth = {"images": [{"id": 5}], "categories": [{"id": 2}], "annotations": []}
    truth["annotations"] = [{"image_id": 5, "category_id": 2, "bbox": BOX}]
    results = results_from_coco(truth, [])
    assert (results.file_names, results.class_names, results.sizes_hw.tolist()) == (["5"], ["2"], [[0, 0]])
    assert (results.gt.coco_area.tolist(), results.gt.crowd.tolist(), results.parts) == ([100.0], [False], None)


BAD = [
    (("gt",), None, "gt.json: expected a JSON object with images, annotations and categories, got NoneType"),
    (("gt",), [], "gt.json: expected a JSON object with images"),
    (("pred",), {}, "pred.json: expected a JSON array, got dict"),
    (("gt", "images"), DELETE, "gt.json: images: expected an array, got NoneType"),
    (("gt", "annotations"), {"0": 1}, "gt.json: annotations: expected an array, got dict"),
    (("gt", "categories"), "all", "gt.json: categories: expected an array, got str"),
    (("gt", "images", 1), 3, "gt.json: images[1]"),
    (("gt", "images", 1, "id"), DELETE, "gt.json: images[1].id: expected an integer"),
    (("gt", "images", 1, "id"), 0, "gt.json: images[1].id: expected an id that no other has, got 0"),
    (("gt", "images", 1, "id"), 1.5, "gt.json: images[1].id: expected an integer"),
    (("gt", "images", 1, "id"), 2**63, "gt.json: images[1].id: expected an integer"),
    (("gt", "categories", 0, "id"), True, "gt.json: categories[0].id: expected an integer"),
    (("gt", "categories", 0, "id"), -(10**40), "gt.json: categories[0].id: expected an integer"),
    (("gt", "images", 0, "width"), "wide", "gt.json: images[0].width: expected a whole number of pixels"),
    (("gt", "images", 0, "height"), NAN, "gt.json: images[0].height: expected a whole number of pixels"),
    (("gt", "images", 0, "height"), -1, "gt.json: images[0].height: expected a whole number of pixels"),
    (("gt", "images", 0, "height"), 10**30, "gt.json: images[0].height: expected a whole number of pixels"),
    (("gt", "images", 0, "file_name"), ["a"], "gt.json: images[0].file_name: expected a text"),
    (("gt", "images", 0, "file_name"), "\ud800.png", "gt.json: images[0].file_name: expected a text"),
    (("gt", "images", 0, "part"), {}, "gt.json: images[0].part: expected a text"),
    (("gt", "categories", 1, "name"), [], "gt.json: categories[1].name: expected a text"),
    (("gt", "annotations", 2), None, "gt.json: annotations[2]: expected a JSON object, got NoneType"),
    (("gt", "annotations", 2, "image_id"), 9, "gt.json: annotations[2].image_id: expected the id of an image"),
    (("gt", "annotations", 2, "image_id"), True, "gt.json: annotations[2].image_id: expected the id of an image"),
    (("gt", "annotations", 2, "image_id"), [], "gt.json: annotations[2].image_id: expected the id of an image"),
    (
        ("gt", "annotations", 2, "category_id"),
        "1",
        "gt.json: annotations[2].category_id: expected the id of a category",
    ),
    (("gt", "annotations", 2, "bbox"), DELETE, "gt.json: annotations[2].bbox: expected [x, y, width, height]"),
    (("gt", "annotations", 2, "bbox"), [0, 0, 1], "gt.json: annotations[2].bbox: expected [x, y, width, height]"),
    (("gt", "annotations", 2, "bbox"), [0, 0, -1, 1], "gt.json: annotations[2].bbox: expected [x, y, width, height]"),
    (("gt", "annotations", 2, "bbox"), [0, 0, 1e200, 1e200], "gt.json: annotations[2].bbox: expected [x, y, width"),
    (("gt", "annotations", 2, "bbox"), [0, 0, 10**400, 1], "gt.json: annotations[2].bbox: expected [x, y, width"),
    (("gt", "annotations", 2, "bbox"), ["0", "0", "1", "1"], "gt.json: annotations[2].bbox: expected [x, y, width"),
    (("gt", "annotations", 2, "area"), NAN, "gt.json: annotations[2].area: expected a finite number, not negative"),
    (("gt", "annotations", 2, "area"), "12", "gt.json: annotations[2].area: expected a finite number, not negative"),
    (("gt", "annotations", 2, "area"), -1, "gt.json: annotations[2].area: expected a finite number, not negative"),
    (("pred", 1), [], "pred.json[1]: expected a JSON object, got list"),
    (("pred", 1, "image_id"), None, "pred.json[1].image_id: expected the id of an image in the ground"),
    (
        ("pred", 1, "category_id"),
        3,
        "pred.json[1].category_id: expected the id of a category in the ground truth, got 3",
    ),
    (("pred", 1, "bbox"), [[0], [0], [1], [1]], "pred.json[1].bbox: expected [x, y, width, height]"),
    (("pred", 1, "bbox"), [INF, 0, 1, 1], "pred.json[1].bbox: expected [x, y, width, height]"),
    (("pred", 1, "bbox"), {"x": 1}, "pred.json[1].bbox: expected [x, y, width, height]"),
    (("pred", 1, "score"), DELETE, "pred.json[1].score: expected a number from 0 to 1, got None"),
    (("pred", 1, "score"), NAN, "pred.json[1].score: expected a number from 0 to 1, got nan"),
    (("pred", 1, "score"), "0.9", "pred.json[1].score: expected a number from 0 to 1, got '0.9'"),
    (("pred", 1, "score"), True, "pred.json[1].score: expected a number from 0 to 1, got True"),
    (("pred", 1, "score"), -0.5, "pred.json[1].score: expected a number from 0 to 1, got -0.5"),
    (("pred", 1, "score"), 87, "pred.json[1].score: expected a number from 0 to 1, got 87"),
    (("pred", 1, "score"), 10**400, "pred.json[1].score: expected a number from 0 to 1, got 1000"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), BAD, ids=[f"{'.'.join(map(str, b[0]))} {str(b[1])[:20]!r}" for b in BAD]
)
def test_bad_entry(path, value, message):
    data = small()
    put(data, path, value)
    with pytest.raises(UserError) as caught:
        read(data)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 500


def test_all_that_is_wrong_is_said_at_once_but_not_for_ever():
    data = small()
    put(data, ("gt", "annotations", 0, "bbox"), None)
    put(data, ("pred", 2, "score"), None)
    with pytest.raises(UserError) as caught:
        read(data)
    assert [str(problem).split(":")[0] for problem in caught.value.problems] == ["gt.json", "pred.json[2].score"]
    data["pred"] = [{}] * 10_000
    with pytest.raises(UserError) as caught:
        read(data)
    assert len(caught.value.problems) <= 45


@pytest.mark.parametrize(
    ("change", "hint", "num"),
    [
        ({"score": 87.5}, "divide percent by 100", 4),
        ({"score": -3.5}, "of logits take the sigmoid", 4),
        ({"score": None, "confidence": 0.8}, "it is called 'confidence' here: write it as score", 4),
        ({"bbox": None, "segmentation": {"size": [9, 9], "counts": "a"}}, "write the box around it", 4),
        ({"category_id": 7}, "there are 1 (a), 2 (b)", 4),
        ({"category_id": None, "class_id": 1}, "it is called 'class_id' here: write it as category_id", 4),
        ({"category_id": 7, "score": 87.5}, "divide percent by 100", 8),
    ],
)
def test_a_mistake_of_all_entries_is_said_in_few_lines_with_what_to_do(change, hint, num):
    data = small()
    data["pred"] = [{**entry, **change} for entry in data["pred"] * 10]
    with pytest.raises(UserError) as caught:
        read(data)
    problems = list(map(str, caught.value.problems))
    assert len(problems) == num
    assert hint in problems[2 if num == 4 else 6]
    assert "in every entry, got another in 30 of 30" in problems[-1]


@pytest.mark.parametrize("entry", [{"boxes": [[1, 2, 3, 4]], "labels": [1], "scores": [0.9]}, {"name": "a", "box": {}}])
def test_entries_of_another_format_are_one_line(entry):
    """torchvision's are of an image each, those of Ultralytics' ``to_json`` of a box."""
    data = small()
    data["pred"] = [entry] * 9
    with pytest.raises(UserError) as caught:
        read(data)
    (problem,) = map(str, caught.value.problems)
    assert "expected an entry for each box, with image_id, category_id, bbox (x, y, width, height) and score" in problem
    assert f"got entries with {', '.join(map(repr, entry))};" in problem


JUNK = (None, True, -1, 0, 7, 10**25, 10**400, 1.5, -0.0, 1e308, NAN, INF, "", "x", "1", "\ud800", [], {}, [[]], [None])
JUNK += ([1, 2, 3, 4], [0, 0, NAN, 1], {"id": 1}, [{"id": 1}], "a" * 1000, [0, 0, "1", 1], DELETE)


def paths(data: Any, prefix: tuple = ()) -> list[tuple]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path for key, value in items for path in ((*prefix, key), *paths(value, (*prefix, key)))]


@pytest.mark.slow
def test_any_junk_anywhere_is_a_user_error_or_is_harmless(tmp_path):
    """Every place of the files with every junk; what is let through is measured and written as strict JSON."""
    refused = passed = 0
    for path in paths(small()):
        for value in JUNK:
            data = small()
            put(data, path, copy.deepcopy(value))
            if "gt" not in data or "pred" not in data:
                continue
            try:
                results = read(data)
            except UserError as error:
                assert "json" in str(error), path
                refused += 1
                continue
            for part in to_coco(results):
                json.dumps(part, allow_nan=False, ensure_ascii=False).encode()
            assert all(map(math.isfinite, (*results.gt.coco_area, *results.pred.score, *results.pred.area))), path
            passed += 1
            if passed % 10 == 0:
                measured = measure(results, fixed(0.3))
                write_json(tmp_path / "metrics.json", measured.metrics)
    assert refused > 400 and passed > 100


def test_random_junk_in_several_places():
    rng = np.random.default_rng(0)
    places, refused = paths(small()), 0
    for _ in range(400):
        data = small()
        for _ in range(rng.integers(2, 6)):
            value = JUNK[rng.integers(len(JUNK))]
            try:
                put(data, places[rng.integers(len(places))], copy.deepcopy(value))
            except (KeyError, IndexError, TypeError, AttributeError):
                continue  # the place is gone already
        try:
            to_coco(results_from_coco(data.get("gt"), data.get("pred")))
        except UserError:
            refused += 1
    assert refused > 200
