"""Results on tiles become results on images; a data set of tiles that is not the map's is an error."""

import copy
import json
import logging

import pytest

from anomdet.errors import UserError
from anomdet.workflows.evaluate_files import evaluate_files
from anomdet.workflows.evaluations.tiled import read_tiled_results

WINDOWS = {"x0_y0": [0, 0, 60, 50], "x40_y0": [40, 0, 100, 50]}
OBJECTS = {"a": [[1, 10, 10, 20, 20]], "b": [[2, 70, 10, 80, 20]], "c": [[1, 5, 5, 15, 15], [2, 80, 30, 90, 45]]}


def a_map():
    images = [
        {
            "file_name": f"{name}.png",
            "height": 50,
            "width": 100,
            "objects": copy.deepcopy(objects),  # a test changes them
            "tiles": [{"file_name": f"{name}_{at}.png", "window": window} for at, window in WINDOWS.items()],
        }
        for name, objects in OBJECTS.items()
    ]
    return {"version": 1, "size_hw": [50, 60], "overlap_hw": [10, 20], "class_nums": [1, 2], "images": images}


def on_tiles(content):
    """The COCO data set of the tiles of a map, and perfect results."""
    images, annotations, rows = [], [], []
    for image in content["images"]:
        for tile in image["tiles"]:
            left, top, right, bottom = tile["window"]
            size = {"width": right - left, "height": bottom - top}
            images.append({"id": len(images) + 1, "file_name": tile["file_name"], **size})
            for num, x1, y1, x2, y2 in image["objects"]:
                if left <= x1 and x2 <= right:
                    box = {"image_id": len(images), "category_id": num, "bbox": [x1 - left, y1, x2 - x1, y2 - y1]}
                    annotations.append({"id": len(annotations) + 1, **box})
                    rows.append({**box, "score": 0.9})
    categories = [{"id": 1, "name": "scratch"}, {"id": 2, "name": "dent"}]
    return {"images": images, "annotations": annotations, "categories": categories}, rows


@pytest.fixture
def files(tmp_path):
    """Writes a ground truth, predictions and the map, each changed at will, and names them."""

    def write(change=lambda truth, rows: None, change_map=lambda content: None):
        content = a_map()
        truth, rows = copy.deepcopy(on_tiles(content))
        change(truth, rows)
        change_map(content)
        paths = [tmp_path / name for name in ("g.json", "p.json", "m.json")]
        for path, one in zip(paths, (truth, rows, content), strict=True):
            path.write_text(json.dumps(one))
        return paths

    return write


def problems(paths):
    with pytest.raises(UserError) as caught:
        read_tiled_results(*paths)
    return [str(problem).replace(f"{paths[0].parent}/", "") for problem in caught.value.problems]


def test_perfect_results_are_perfect_and_without_a_doubt(files):
    results, doubts = read_tiled_results(*files())
    assert results.file_names == ["a.png", "b.png", "c.png"]
    assert results.gt.bboxes_xywh.tolist() == results.pred.bboxes_xywh.tolist()
    assert results.gt.label.tolist() == results.pred.label.tolist() == [0, 1, 0, 1]
    assert doubts == [] and results.notes == ()


def test_a_tile_that_is_listed_twice_is_an_error_with_both_ids(files):
    """The predictions on one of the ids would be dropped: an escape that is none."""

    def twice(truth, rows):
        truth["images"].append({**truth["images"][0], "id": 70})

    (problem,) = problems(files(twice))
    assert problem.startswith("g.json: images: expected each tile once, got 'a_x0_y0.png' with the ids 1 and 70")


def test_tiles_of_another_size_are_an_error(files):
    def resized(truth, rows):
        for image in truth["images"]:
            image.update(width=640, height=640)

    (problem,) = problems(files(resized))
    assert "g.json: images: a_x0_y0.png: expected 60 x 50 px (width x height), as its window in m.json" in problem
    assert "got 640 x 640, and 5 more tiles of another size; give sizes and boxes in pixels of the tiles" in problem


def test_tiles_of_unknown_size_are_said(files):
    def unknown(truth, rows):
        for image in truth["images"][:2]:
            del image["width"]

    _, (doubt,) = read_tiled_results(*files(unknown))
    assert "g.json: 2 tiles have no width or height; boxes are taken in pixels of the tiles" in doubt


def counted_from_another_start(truth, rows):
    """A trainer that keeps 1 for the background: its 2 and 3 are the map's 1 and 2."""
    truth["categories"] = [{"id": 1, "name": "none"}, {"id": 2, "name": "scratch"}, {"id": 3, "name": "dent"}]
    for row in (*truth["annotations"], *rows):
        row["category_id"] += 1


def test_categories_that_mean_other_classes_are_an_error(files):
    """By the annotations: metrics would be 0 without a word about the cause."""
    by_image = problems(files(counted_from_another_start))
    assert by_image == [
        "g.json: annotations: expected none of category 2 (scratch) there, got one on a_x0_y0.png, while m.json has "
        "no object of class 2 on a.png; give the categories the class numbers of m.json as ids: 1, 2",
        "g.json: annotations: expected none of category 3 (dent) there, got one on b_x40_y0.png, while m.json has "
        "no object of class 3 on b.png; give the categories the class numbers of m.json as ids: 1, 2",
    ]


def test_categories_named_by_other_class_numbers_are_an_error(files):
    def renamed(truth, rows):
        truth["annotations"] = []
        truth["categories"] = [{"id": 1, "name": "2"}, {"id": 2, "name": "1"}]

    first, second = problems(files(renamed))
    assert "g.json: categories: expected id 2 for the name '2', as the map's class number, got id 1" in first
    assert "expected id 1 for the name '1'" in second


def test_a_class_without_a_category_is_an_error(files):
    def without(truth, rows):
        truth.update(categories=truth["categories"][:1], annotations=[])
        rows.clear()

    (problem,) = problems(files(without))
    assert "g.json: categories: expected one with id 2, a class number of m.json, got 1 (scratch)" in problem


@pytest.mark.parametrize(("num_rows", "effect"), [(0, "no prediction has it"), (2, "2 predictions of it are false")])
def test_a_category_beyond_the_map_is_fine_and_said(files, num_rows, effect):
    def more(truth, rows):
        truth["categories"].append({"id": 5, "name": "crack"})
        rows += [{**rows[0], "category_id": 5, "image_id": image_id} for image_id in (1, 2)[:num_rows]]

    _, (doubt,) = read_tiled_results(*files(more))
    assert "category 5 (crack) is no class of " in doubt and f"(1, 2); {effect}" in doubt


def test_how_the_ids_were_understood_is_said_as_without_a_map(files, tmp_path, caplog):
    def from_zero(truth, rows):
        for row in rows:
            row["category_id"] -= 1

    truth, rows, tile_map = files(from_zero)
    said = []
    for name, more in (("whole", {}), ("tiled", {"tile_map": tile_map})):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "anomdet"):
            found = evaluate_files(rows, truth, **more, out=tmp_path / name)
        assert found.metrics["mAP"] == 1
        said.append([text for text in caplog.messages if "category_id is counted from another start" in text])
    assert len(said[0]) == 1 and said[0] == said[1]


def test_boxes_that_are_fractions_of_a_tile_are_an_error_as_without_a_map(files):
    """Moved to their places in the image they would look like boxes in pixels."""

    def fractions(truth, rows):
        for row in rows:
            row["bbox"] = [0.1, 0.2, 0.3, 0.4]

    (problem,) = problems(files(fractions))
    assert problem.startswith("p.json: expected boxes in pixels")


def test_an_object_outside_of_its_image_is_named_in_the_map(files):
    def outside(content):
        content["images"][1]["objects"][0] = [2, 170, 10, 180, 20]

    (problem,) = problems(files(change_map=outside))
    assert problem.startswith("m.json: images[1].objects[0]: expected a box inside the image of 100 x 50 px")


def test_images_of_which_no_tile_was_written_are_named(files):
    """They are measured nowhere, and must not be forgotten."""
    paths = files(change_map=lambda content: content.update(left_out={"tiles": [], "images": ["big.png"]}))
    assert any("1 image has no tile" in doubt and "big.png" in doubt for doubt in read_tiled_results(*paths)[1])
    assert read_tiled_results(*files())[1] == []
    (problem,) = problems(files(change_map=lambda content: content.update(left_out=["big.png"])))
    assert problem.startswith("m.json: left_out.images: expected a list of names")


def test_names_of_classes_are_compared(files):
    """Ids alone say nothing where both numbers are classes of the map."""

    def names(**of):
        return lambda content: content.update(class_names=of)

    assert read_tiled_results(*files(change_map=names(**{"1": "scratch", "2": "dent"})))[1] == []
    found = problems(files(change_map=names(**{"1": "dent", "2": "scratch"})))
    assert [text.split(";")[0] for text in found] == [
        "g.json: categories: expected id 2 for 'scratch', as in m.json, got id 1, which is 'dent' there",
        "g.json: categories: expected id 1 for 'dent', as in m.json, got id 2, which is 'scratch' there",
    ]
    (doubt,) = read_tiled_results(*files(change_map=names(**{"1": "Kratzer", "2": "dent"})))[1]
    assert "category 1 is called 'scratch', and 'Kratzer' in " in doubt
    (problem,) = problems(files(change_map=names(one="dent")))
    assert problem.startswith("m.json: class_names: expected a name for each class number")
