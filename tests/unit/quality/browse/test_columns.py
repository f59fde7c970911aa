"""The columns of the browse page against cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from anomdet.quality.browse.columns import NORMAL, UNKNOWN, WITH_BOXES, Columns, make_columns
from anomdet.quality.browse.compact import PART_SIZE, num_parts, to_index, to_part
from anomdet.quality.browse.thumbnails import plan_pictures
from anomdet.quality.check.check import Rules, check_data

# Images are 40 high and 60 wide; what reaches out counts as far as it is inside.
TEXTS = {
    "a.png": "7 10 10 16 9\n2 0 0 4 4\n",  # sides 12 and 4
    "b.png": "",
    "c.png": None,
    "d/e.png": "2 50 30 20 20\n",  # 10 x 10 inside
    "f.png": "2 one 2 3 4\n",
    "g.png": "9 20 20 5 5\nnot a box\n",
}
CLASSES = {2: "dent", 7: "scratch", 8: "never"}


@pytest.fixture
def columns(make_data) -> Columns:
    data_dir = make_data(TEXTS)
    (data_dir / "labels" / "orphan.txt").write_text("2 1 2 3 4\n")
    (data_dir / "images" / "h.png").write_bytes(b"no image")
    (data_dir / "labels" / "h.txt").write_text("2 1 1 3 3\n")
    split_of = {"train": ["a.png", "g.png"], "val": [], "test": ["b.png"]}
    checked = check_data(data_dir, Rules(classes=CLASSES))
    return make_columns(checked, classes=CLASSES, split_of=split_of, train_hw=(80, 90))


def test_images_are_in_the_order_of_names(columns):
    assert columns.names == ["a.png", "b.png", "c.png", "d/e.png", "f.png", "g.png", "h.png"]
    assert columns.size_wh.tolist() == [[60, 40]] * 6 + [[0, 0]]
    assert columns.states.tolist() == [WITH_BOXES, NORMAL, UNKNOWN, WITH_BOXES, UNKNOWN, WITH_BOXES, WITH_BOXES]
    assert columns.split_names == ("train", "val", "test")
    assert columns.splits.tolist() == [0, 2, -1, -1, -1, 0, -1]


def test_boxes_belong_to_their_images(columns):
    assert columns.box_starts.tolist() == [0, 2, 2, 2, 3, 3, 4, 5]
    assert columns.class_nums == (2, 7, 8, 9) and columns.class_names == ("dent", "scratch", "never", "9")
    assert columns.labels.tolist() == [1, 0, 0, 3, 0]
    assert columns.bboxes_xywh[3].tolist() == [20, 20, 5, 5]


def test_smallest_box_is_at_training_scale(columns):
    scale = 1.5  # 60 wide into 90 and 40 high into 80: the smaller of 1.5 and 2
    smallest = columns.smallest_px
    assert smallest[[0, 3, 5]].tolist() == pytest.approx([4 * scale, 10 * scale, 5 * scale])
    assert all(math.isnan(smallest[at]) for at in (1, 2, 4, 6))  # none, or an image of unknown size


def test_smallest_box_without_settings_is_in_pixels_of_the_image(make_data):
    columns = make_columns(check_data(make_data(TEXTS), Rules()))
    assert columns.smallest_px[[0, 3]].tolist() == [4, 10]
    assert columns.split_names == () and set(columns.splits.tolist()) == {-1}
    assert columns.class_names == ("2", "7", "9")


def test_findings_go_to_their_images(columns):
    codes = {at: sorted({found.code for found in there}) for at, there in columns.findings.items()}
    assert codes == {
        0: ["class-once"],
        2: ["image-without-label"],
        3: ["box-reaches-out"],
        4: ["label-not-a-number"],
        5: ["class-unknown", "label-field-count"],
        6: ["image-unreadable"],
    }
    assert {found.code for found in columns.general} >= {"label-without-image", "class-unused"}


def test_missing_labels_count_as_the_settings_say(make_data):
    columns = make_columns(
        check_data(make_data({"a.png": None, "b.png": "1 1 1 9 9\n"}), Rules(missing_labels="normal"))
    )
    assert columns.states.tolist() == [NORMAL, WITH_BOXES]


def test_index(columns):
    index = to_index(columns)
    assert index["names"].split("\0") == columns.names
    assert index["splits"] == "02---0-" and index["states"] == "0120200"
    assert index["sizes"] == [(60, 40), (0, 0)] and index["size_of"] == [0, 0, 0, 0, 0, 0, 1]
    assert index["num_boxes"] == [2, 0, 0, 1, 0, 1, 1]
    assert index["smallest"] == [6, -1, -1, 15, -1, 7.5, -1]
    assert [index["class_sets"][at] for at in index["class_set_of"]] == [(0, 1), (), (), (0,), (), (3,), (0,)]
    counts = [(one["num"], one["name"], one["num_boxes"], one["num_images"]) for one in index["classes"]]
    assert counts == [(2, "dent", 3, 3), (7, "scratch", 1, 1), (8, "never", 0, 0), (9, "9", 1, 1)]
    kinds = {kind["code"]: (kind["severity"], np.cumsum(kind["images"]).tolist()) for kind in index["findings"]}
    assert kinds["box-reaches-out"] == ("warning", [3]) and kinds["label-field-count"] == ("error", [5])
    assert index["num_general"] == len(index["general"]) == len(columns.general)


def test_part(columns):
    assert num_parts(columns) == 1
    part = to_part(columns, plan_pictures(columns.files), 0)
    assert part["boxes"][0] == [10, 10, 16, 9, 1, 0, 0, 4, 4, 0]
    assert part["boxes"][1] == [] and part["boxes"][5] == [20, 20, 5, 5, 3]
    assert [told[0] for told in part["findings"][5]] == ["label-field-count", "class-unknown"]
    code, severity, where, message = part["findings"][3][0]
    assert (code, severity, where) == ("box-reaches-out", "warning", "labels/d/e.txt:1") and "expected" in message
    assert part["direct"] == "1111110"
    assert part["thumbs"] == [""] * 7  # these are small enough, or cannot be read


def test_parts_cover_all_images(make_data):
    count = PART_SIZE + 3
    data_dir = make_data({f"{at:04d}.png": f"1 1 1 {1 + at % 30} 9\n" for at in range(count)})
    columns = make_columns(check_data(data_dir, Rules()))
    assert num_parts(columns) == 2
    pictures = plan_pictures(columns.files)
    parts = [to_part(columns, pictures, number) for number in range(2)]
    assert [len(part["boxes"]) for part in parts] == [PART_SIZE, 3]
    assert parts[1]["boxes"][2] == [1, 1, 1 + (count - 1) % 30, 9, 0]


def test_normalised_boxes_of_an_unreadable_image_are_null(make_data):
    data_dir = make_data({f"{at}.png": "0 0.5 0.5 0.25 0.5\n" for at in range(12)})
    (data_dir / "images" / "3.png").write_bytes(b"no image")
    columns = make_columns(check_data(data_dir, Rules()))
    at = columns.names.index("3.png")
    part = to_part(columns, plan_pictures(columns.files), 0)
    assert part["boxes"][at] == [None, None, None, None, 0]
    assert part["boxes"][0] == [22.5, 10, 15, 20, 0]  # as the check reads them, in pixels


def test_an_empty_folder(make_data):
    columns = make_columns(check_data(make_data({}), Rules()))
    assert len(columns) == 0 and num_parts(columns) == 0
    assert to_index(columns)["names"] == "" and to_index(columns)["num_boxes"] == []
