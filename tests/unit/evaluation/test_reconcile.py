"""Other tools' image ids, file names and class numbers: understood, said, or refused with both that contradict."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.evaluation.coco_json import results_from_coco, to_coco
from anomdet.evaluation.files import read_results
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.results import Results
from anomdet.evaluation.summary import measure

NUM = 6


def truth(ids: list[Any], names: list[str], classes: tuple[int, ...] = (1, 2, 3)) -> dict:
    """One object an image, of the classes in turn, each in a place of its own."""
    images = [{"id": i, "file_name": name} for i, name in zip(ids, names, strict=True)]
    annotations = [
        {"image_id": image["id"], "category_id": classes[at % len(classes)], "bbox": [10 * at, 0, 9, 9]}
        for at, image in enumerate(images)
    ]
    return {"images": images, "annotations": annotations, "categories": [{"id": number} for number in classes]}


def found(gt: dict, ids: list[Any], names: list[str | None] | None = None, shift: int = 0) -> list[dict]:
    """The perfect detector's results with other ids; the image of each is known by its place of the box."""
    rows = []
    for at, annotation in enumerate(gt["annotations"]):
        row = {"image_id": ids[at], "category_id": annotation["category_id"] + shift, "score": 0.9}
        rows.append({**row, "bbox": annotation["bbox"], **({"file_name": names[at]} if names else {})})
    return rows


def is_perfect(results: Results) -> bool:
    return measure(results, fixed(0.5)).metrics["mAP"] == pytest.approx(1.0)


NAMES = [f"{i:04}.jpg" for i in range(1, NUM + 1)]
FOLDERS = [f"val/cam{i}/part.png" for i in range(NUM)]
ZERO, ONE = list(range(NUM)), list(range(1, NUM + 1))
STEMS = [name[:-4] for name in NAMES]


@pytest.mark.parametrize(
    ("ids", "names", "own_ids", "own_names", "note"),
    [
        (ZERO, NAMES, ZERO, None, ""),
        (ZERO, NAMES, ZERO, NAMES, ""),
        (ONE, NAMES, ONE, None, ""),  # ids and numbers of files agree
        (ZERO, NAMES, STEMS, NAMES, "taken for the name"),
        (ZERO, NAMES, STEMS, None, "taken for the name"),
        (ZERO, NAMES, NAMES, None, "taken for the name"),
        (ZERO, NAMES, ONE, NAMES, "taken for the name"),  # Ultralytics: 0001.jpg is 1
        ([7 * i for i in ONE], NAMES, ONE, None, "taken for the name"),
        (STEMS, NAMES, STEMS, None, ""),  # texts on both sides
        (["a/b", "c", "ü", "0", "1", " "], NAMES, ["a/b", "c", "ü", "0", "1", " "], None, ""),
        ([10, 20, 30, 40, 50, 60], FOLDERS, ["10", "20", "30", "40", "50", "60"], None, "equal digits"),
        (["10", "20", "30", "40", "50", "60"], FOLDERS, [10, 20, 30, 40, 50, 60], None, "equal digits"),
        (ZERO, FOLDERS, FOLDERS, None, "taken for the name"),
        (ZERO, FOLDERS, [f"images/{name}" for name in FOLDERS], None, "taken for the name"),
        (ZERO, FOLDERS, [100 + i for i in ZERO], FOLDERS, "found by file_name"),
        (ZERO, FOLDERS, [100] * NUM, [name.replace("/", "\\") for name in FOLDERS], "found by file_name"),
        (ZERO, [f"images/{name}" for name in NAMES], [100] * NUM, NAMES, "found by file_name"),
        (ZERO, NAMES, ZERO, ["", None, *NAMES[2:]], ""),  # a name that says nothing contradicts nothing
    ],
)
def test_ids_that_are_understood(ids, names, own_ids, own_names, note):
    gt = truth(ids, names)
    results = results_from_coco(gt, found(gt, own_ids, own_names))
    assert is_perfect(results)
    assert bool(note) == bool(results.notes) and note in " ".join(results.notes)


def test_texts_as_ids_are_written_as_they_came():
    gt = truth(STEMS, NAMES)
    written, predictions = to_coco(results_from_coco(gt, found(gt, STEMS)))
    assert [image["id"] for image in json.loads(json.dumps(written))["images"]] == STEMS
    assert {row["image_id"] for row in predictions} == set(STEMS)
    assert is_perfect(results_from_coco(written, predictions))


def test_ids_that_may_be_numbers_of_files_are_said():
    """The first image is never predicted, so that 1 may be the id of 0002.jpg or the number of 0001.jpg."""
    gt = truth(ZERO, NAMES)
    results = results_from_coco(gt, found(gt, ZERO)[1:])
    assert results.notes == (
        "image_id 1 is taken for the id of 0002.jpg; if it means 0001.jpg, add file_name to the predictions",
    )


@pytest.mark.parametrize(
    ("own_ids", "own_names", "place", "names"),
    [
        ([0, 1, 2, 3, 4, 4], NAMES, 5, "got image_id 4, which is 0005.jpg, and file_name '0006.jpg', which is image 5"),
        ([1, 0, 2, 3, 4, 5], NAMES, 1, "got image_id 0, which is 0001.jpg, and file_name '0002.jpg', which is image 1"),
        ([*STEMS[:5], "0001"], NAMES, 5, "got image_id '0001', which is 0001.jpg, and file_name '0006.jpg', which is"),
    ],
)
def test_a_file_that_contradicts_itself_names_both(own_ids, own_names, place, names):
    gt = truth(ZERO, NAMES)
    with pytest.raises(UserError) as caught:
        results_from_coco(gt, found(gt, own_ids, own_names), gt_file="gt.json", predictions_file="p.json")
    assert str(caught.value).startswith(
        f"p.json[{place}]: expected image_id and file_name of one image of gt.json, {names}"
    )


def test_a_name_that_two_folders_have_contradicts_an_image_of_another_name():
    """Ultralytics writes ``cam1/0002.png`` and ``cam2/0002.png`` as image 2 with file_name ``0002.png``."""
    names = [f"cam{1 + at % 2}/{1 + at // 2:04}.png" for at in ZERO]
    gt, numbers, own_names = truth(ONE, names), [1 + at // 2 for at in ZERO], [name[5:] for name in names]
    results = results_from_coco(gt, found(gt, ONE, own_names))
    assert is_perfect(results) and not results.notes
    with pytest.raises(UserError) as caught:
        results_from_coco(gt, found(gt, numbers, own_names), gt_file="gt.json", predictions_file="p.json")
    assert str(caught.value.problems[0]) == (
        "p.json[2]: expected image_id and file_name of one image of gt.json, got image_id 2, which is cam2/0001.png, "
        "and file_name '0002.png', which is image 3 or 4 there; only with its folder does file_name say which; "
        "4 such entries"
    )
    assert results_from_coco(gt, found(gt, numbers)).notes == (
        "image_id 2 is taken for the id of cam2/0001.png; if it means cam1/0002.png or cam2/0002.png, "
        "add file_name to the predictions",
    )


def test_the_folder_in_file_name_says_which_of_two_images():
    names = [f"cam{1 + at % 2}/{1 + at // 2:04}.png" for at in ZERO]
    gt = truth(ONE, names)
    results = results_from_coco(gt, found(gt, [1 + at // 2 for at in ZERO], names))
    assert is_perfect(results)
    assert results.notes == ("image_id is taken for the name of the file, file_name for its folder",)


def test_many_unknown_ids_are_one_message():
    gt = truth(ZERO, NAMES)
    with pytest.raises(UserError) as caught:
        results_from_coco(gt, found(gt, [f"other {i}" for i in ZERO]), gt_file="gt.json", predictions_file="p.json")
    lines = [str(problem) for problem in caught.value.problems]
    assert len(lines) == 4
    assert lines[2].endswith("got 'other 2'; there it is 0 or the file's name, as '0001.jpg'")
    assert lines[3] == "p.json: expected the id of an image in the ground truth in every entry, got another in 6 of 6"


@pytest.mark.parametrize("own", [["part"] * NUM, ["part.png"] * NUM, [True] * NUM, [None] * NUM, [[1]] * NUM])
def test_what_could_be_several_images_is_none(own):
    gt = truth(ZERO, FOLDERS)
    with pytest.raises(UserError, match="expected the id of an image"):
        results_from_coco(gt, found(gt, own))


@pytest.mark.parametrize(("classes", "shift"), [((0, 1, 2), 1), ((1, 2, 3), -1), ((0,), 1), ((1,), -1)])
def test_classes_counted_from_another_start(classes, shift):
    gt = truth(ZERO, NAMES, classes)
    results = results_from_coco(gt, found(gt, ZERO, NAMES, shift))
    assert is_perfect(results)
    assert "counted from another start" in results.notes[-1]
    assert ("less" if shift > 0 else "more") in results.notes[-1]


def test_a_shift_that_the_ids_alone_do_not_show():
    """The last class is never predicted, so every id is known; but no box is on an object of its class."""
    gt = truth(list(range(40)), [f"{i}.png" for i in range(40)], (0, 1, 2))
    rows = [row for row in found(gt, list(range(40)), shift=1) if row["category_id"] != 3]
    results = results_from_coco(gt, rows)
    assert "counted from another start" in results.notes[-1]
    assert measure(results, fixed(0.5)).metrics["precision"] == 1.0


def test_few_boxes_of_the_group_of_all_classes_show_a_shift():
    """Roboflow's exports have the group as category 0; RF-DETR and Ultralytics count the classes from 0."""
    gt = truth(ZERO[:4], NAMES[:4], (1, 2))
    names = {0: ("defects", "none"), 1: ("dent", "defects"), 2: ("spur", "defects")}
    gt["categories"] = [{"id": i, "name": name, "supercategory": above} for i, (name, above) in names.items()]
    results = results_from_coco(gt, found(gt, ZERO, shift=-1))
    assert is_perfect(results) and "each is taken as one more" in results.notes[-1]
    own = [*found(gt, ZERO), {**found(gt, ZERO)[0], "category_id": 0, "score": 0.1}]
    without_last = [row for row in own if row["category_id"] != 2]
    assert not results_from_coco(gt, without_last).notes, "a box of the group among right ones"


def test_a_poor_classifier_is_no_shift():
    """Half of the boxes are of the next class: the detector's fault, which the numbers must show."""
    gt = truth(list(range(40)), [f"{i}.png" for i in range(40)], (0, 1, 2))
    rows = found(gt, list(range(40)))
    for row in rows[::2]:
        row["category_id"] = min(row["category_id"] + 1, 2)
    rows = [row for row in rows if row["category_id"]]  # so that a shift by one would fit the ids
    results = results_from_coco(gt, rows)
    assert not [note for note in results.notes if "start" in note]


def test_classes_of_another_making_are_refused():
    gt = truth(ZERO, NAMES, (0, 5, 9))
    with pytest.raises(UserError, match="expected the id of a category in the ground truth, got 2"):
        results_from_coco(gt, found(gt, ZERO, shift=2))


@pytest.mark.parametrize("marked", ["gt", "p"])
def test_a_byte_order_mark_is_nothing(tmp_path, marked):
    gt = truth(ZERO, NAMES)
    for name, content in (("gt", gt), ("p", found(gt, ZERO, NAMES))):
        mark = b"\xef\xbb\xbf" if name == marked else b""
        (tmp_path / f"{name}.json").write_bytes(mark + json.dumps(content).encode())
    assert is_perfect(read_results(tmp_path / "gt.json", tmp_path / "p.json"))


@pytest.mark.slow
def test_random_ways_never_mix_images_up():
    """Ids, stems, names and numbers, with and without file names: perfect or refused, never another image's boxes."""
    rng = np.random.default_rng(0)
    perfect = 0
    for _ in range(150):
        numbers = rng.permutation(60)[:NUM]
        names = [f"{'x/' * rng.integers(2)}{number:0{rng.integers(1, 5)}}.png" for number in numbers]
        stems = [name.rsplit("/", 1)[-1][:-4] for name in names]
        ids = [ZERO, ONE, [int(n) for n in numbers], stems][rng.integers(4)]
        if len(set(map(str, ids))) < NUM or len({int(stem) for stem in stems}) < NUM:
            continue
        gt = truth(list(ids), names)
        own = [ids, [int(stem) for stem in stems], stems, names][rng.integers(4)]
        rows = found(gt, list(own), names)  # with file names nothing can be mistaken
        assert is_perfect(results_from_coco(gt, rows))
        perfect += 1
    assert perfect > 100


@pytest.mark.parametrize(
    ("texts", "note"),
    [({1: "1", 2: "2", 3: "3"}, "its digits are taken"), ({1: "open", 2: "short", 3: "spur"}, "the name of a class")],
)
def test_classes_by_text(texts, note):
    gt = truth(ONE, NAMES)
    names = {1: "open", 2: "short", 3: "spur"}
    gt["categories"] = [{"id": number, "name": name} for number, name in names.items()]
    entries = [{**one, "category_id": texts[one["category_id"]]} for one in found(gt, ONE)]
    results = results_from_coco(gt, entries)
    assert is_perfect(results)
    assert note in results.notes[-1]
    assert entries[0]["category_id"] == texts[1]


@pytest.mark.parametrize("texts", [["open", "open", 1], ["open", "hole", "open"], ["twice", "open", "open"]])
def test_classes_by_text_that_is_not_clear_are_refused(texts):
    gt = truth(ONE, NAMES)
    names = {1: "open", 2: "twice", 3: "twice"}
    gt["categories"] = [{"id": number, "name": name} for number, name in names.items()]
    entries = [{**one, "category_id": text} for one, text in zip(found(gt, ONE)[:3], texts, strict=True)]
    with pytest.raises(UserError, match=r"there are 1 \(open\), 2 \(twice\)"):
        results_from_coco(gt, entries)
