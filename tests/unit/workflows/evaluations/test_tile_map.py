"""The map that ``anomdet tile`` writes, and what is said of a damaged one."""

import json

import pytest

from anomdet.errors import UserError
from anomdet.workflows.evaluations.tile_map import read_map


def a_map():
    tiles = [
        {"file_name": "a_x0_y0.png", "window": [0, 0, 60, 50]},
        {"file_name": "a_x40_y0.png", "window": [40, 0, 100, 50]},
    ]
    image = {"file_name": "a.png", "height": 50, "width": 100, "objects": [[1, 10, 10, 20, 20]], "tiles": tiles}
    head = {"version": 1, "size_hw": [50, 60], "overlap_hw": [10, 20]}
    return {**head, "class_nums": [1, 2], "images": [image]}


def written(tmp_path, content):
    path = tmp_path / "tile_map.json"
    path.write_text(json.dumps(content))
    return path


def test_a_map_is_read_as_it_is(tmp_path):
    found = read_map(written(tmp_path, a_map()))
    assert found.class_nums == (1, 2)
    assert found.images == a_map()["images"]


def _set(key, value):
    return lambda content: content["images"][0].update({key: value})


def _tile(**changes):
    return lambda content: content["images"][0]["tiles"][0].update(changes)


ONE = r"images\[0\]"
OBJECT = rf"{ONE}\.objects\[0\]"
TILE = rf"{ONE}\.tiles\[0\]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(version=2), "a map of anomdet tile, version 1, got version 2"),
        (lambda content: content.pop("version"), "got version None"),
        (lambda content: content.update(version="9" * 10**6), r"got version '9{56}\.\.\."),
        (lambda content: content.update(images=None), "a map of anomdet tile"),
        (lambda content: content.update(class_nums="12"), "class_nums: expected a list of integers, got '12'"),
        (lambda content: content.pop("class_nums"), "class_nums: expected a list of integers, got None"),
        (lambda content: content["images"].insert(0, 3), rf"{ONE}: expected a JSON object with file_name, .*, got 3"),
        (lambda content: content["images"][0].pop("tiles"), rf"{ONE}: expected file_name, .* and tiles, got no tiles$"),
        (_set("camera", "left"), rf"{ONE}: expected file_name, .* and tiles, got the unknown key 'camera'"),
        (_set("file_name", 5), rf"{ONE}\.file_name: expected a name, got 5"),
        (_set("height", 0), rf"{ONE}\.height: expected an integer >= 1, got 0"),
        (_set("width", 2.5), rf"{ONE}\.width: expected an integer >= 1, got 2\.5"),
        (_set("objects", None), rf"{ONE}\.objects: expected a list of objects, got None"),
        (_set("objects", [[1, 2, 3]]), rf"{OBJECT}: expected an integer as class number, and x1, .* got \[1, 2, 3\]"),
        (_set("objects", [[1, 2, "3", 4, 5]]), rf"{OBJECT}: expected an integer as class number, and x1, y1, x2, y2"),
        (_set("objects", [[1.5, 2, 3, 4, 5]]), rf"{OBJECT}: expected an integer as class number, and x1, y1, x2, y2"),
        (_set("objects", [[7, 2, 3, 4, 5]]), rf"{OBJECT}: expected a class number of the map's class_nums, got 7"),
        (_set("objects", [[1, 9, 3, 4, 5]]), rf"{OBJECT}: expected x1 <= x2 and y1 <= y2 in .*, got \[1, 9, 3, 4, 5\]"),
        (_set("objects", [[1, 9, 9, 101, 10]]), rf"{OBJECT}: expected a box inside the image of 100 x 50 px"),
        (_set("objects", [[1, -1, 9, 10, 10]]), rf"{OBJECT}: expected a box inside the image of 100 x 50 px"),
        (_set("tiles", []), rf"{ONE}\.tiles: expected a list of at least one tile"),
        (_set("tiles", [4]), rf"{TILE}: expected a JSON object with file_name and window, got 4"),
        (_set("tiles", [{"file_name": "x.png"}]), rf"{TILE}: expected file_name and window, got no window"),
        (_tile(scale=2), rf"{TILE}: expected file_name and window, got the unknown key 'scale'"),
        (_tile(file_name=None), rf"{TILE}\.file_name: expected a name, got None"),
        (_tile(window=[0, 0, 9.5, 9]), rf"{TILE}\.window: expected a window of four integers"),
        (_tile(window=[0, 0, 999, 9]), rf"{TILE}\.window: expected a window inside the image of 100 x 50 px"),
        (_tile(window=[9, 0, 9, 9]), rf"{TILE}\.window: expected a window inside the image"),
        (_tile(window=[-1, 0, 9, 9]), rf"{TILE}\.window: expected a window inside the image"),
        (
            _tile(file_name="a_x40_y0.png"),
            rf"{ONE}\.tiles\[1\]\.file_name: expected a name that only it has, not {TILE} too, got 'a_x40_y0\.png'",
        ),
    ],
)
def test_a_damaged_map_is_one_message_that_names_the_place(tmp_path, change, message):
    content = a_map()
    change(content)
    path = written(tmp_path, content)
    with pytest.raises(UserError, match=message) as caught:
        read_map(path)
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(str(path))


def test_all_places_are_named_at_once(tmp_path):
    content = a_map()
    content["images"][0]["objects"] = [[1, 9, 3, 4, 5], [7, 2, 3, 4, 5]]
    content["images"][0]["tiles"][1]["window"] = [0, 0, 999, 9]
    with pytest.raises(UserError) as caught:
        read_map(written(tmp_path, content))
    assert len(caught.value.problems) == 3
