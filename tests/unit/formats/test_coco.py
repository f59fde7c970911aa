"""COCO as its authors, CVAT and Roboflow lay it out."""

from __future__ import annotations

from pathlib import Path

import pytest
from pycocotools.coco import COCO

from tests.unit.formats.cases import boxes_of, notes_of, problems_of, read, run, write_files

# As instances_val2017.json is written.
OFFICIAL = {
    "info": {"description": "COCO 2017 Dataset", "year": 2017},
    "licenses": [{"url": "http://creativecommons.org/licenses/by-nc-sa/2.0/", "id": 1, "name": "x"}],
    "images": [
        {
            "license": 4,
            "file_name": "000000397133.jpg",
            "coco_url": "http://images.cocodataset.org/val2017/000000397133.jpg",
            "height": 100,
            "width": 160,
            "date_captured": "2013-11-14 17:02:52",
            "flickr_url": "http://farm7.staticflickr.com/x.jpg",
            "id": 397133,
        },
        {"license": 1, "file_name": "000000037777.jpg", "height": 100, "width": 160, "id": 37777},
    ],
    "annotations": [
        {
            "segmentation": [[10.5, 20.0, 30.0, 20.0, 30.0, 40.25]],
            "area": 200.0,
            "iscrowd": 0,
            "image_id": 397133,
            "bbox": [10.5, 20.0, 19.5, 20.25],
            "category_id": 44,
            "id": 82445,
        },
        {
            "segmentation": {"counts": [102, 4, 96, 4, 96, 4], "size": [100, 160]},
            "area": 9.0,
            "iscrowd": 1,
            "image_id": 397133,
            "bbox": [1, 2, 3, 4],
            "category_id": 1,
            "id": 900100397133,
        },
    ],
    "categories": [
        {"supercategory": "person", "id": 1, "name": "person"},
        {"supercategory": "kitchen", "id": 44, "name": "bottle"},
    ],
}


def test_official_layout(tmp_path: Path) -> None:
    files = {"annotations/instances_val2017.json": OFFICIAL}
    files |= {f"val2017/{image['file_name']}": None for image in OFFICIAL["images"]}
    write_files(tmp_path, files)
    dataset, findings = read("coco", tmp_path)
    assert not findings.problems
    assert boxes_of(dataset) == {
        "000000397133.jpg": [(44, 10.5, 20, 19.5, 20.25), (1, 1, 2, 3, 4)],
        "000000037777.jpg": [],
    }
    assert dataset.names == {1: "person", 44: "bottle"}
    assert [picture.split for picture in dataset.pictures] == ["val", "val"]
    assert all(picture.path is not None for picture in dataset.pictures)
    assert notes_of(findings) == {
        "crowd (iscrowd: 1)": 1,
        "segment": 2,
        "category's supercategory": 1,
        "image's 'license'": 2,
        "image's 'coco_url'": 1,
        "image's 'date_captured'": 1,
        "image's 'flickr_url'": 1,
    }


def test_roboflow_layout(tmp_path: Path) -> None:
    def split(number: int) -> dict:
        return {
            "images": [{"id": 0, "file_name": f"{number}.jpg", "height": 100, "width": 160, "extra": {"name": "x"}}],
            "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "segmentation": []}],
            "categories": [{"id": 0, "name": "defects"}, {"id": 1, "name": "dent", "supercategory": "defects"}],
        }

    folders = ("train", "valid", "test")
    files = {f"{name}/_annotations.coco.json": split(i) for i, name in enumerate(folders)}
    write_files(tmp_path, files | {f"{name}/{i}.jpg": None for i, name in enumerate(folders)})
    dataset, findings = read("coco", tmp_path)
    assert not findings.problems
    assert [(picture.file_name, picture.split) for picture in dataset.pictures] == [
        ("2.jpg", "test"),
        ("0.jpg", "train"),
        ("1.jpg", "val"),
    ]
    assert all(picture.path is not None for picture in dataset.pictures)


def test_the_group_that_roboflow_lists_is_no_class(tmp_path: Path) -> None:
    """It is often called as one of the classes; where an annotation uses it, it is a class all the same."""
    categories = [
        {"id": 0, "name": "dent", "supercategory": "none"},
        {"id": 1, "name": "dent", "supercategory": "dent"},
        {"id": 2, "name": "hole", "supercategory": "dent"},
        {"id": 3, "name": "none of them", "supercategory": "none"},
    ]
    for used, names in ((1, {1: "dent", 2: "hole", 3: "none of them"}), (0, {0: "dent", 1: "dent", 2: "hole"})):
        annotation = {"id": 0, "image_id": 0, "category_id": used, "bbox": [1, 2, 3, 4]}
        content = {"images": [{"id": 0, "file_name": "a.png"}], "annotations": [annotation], "categories": categories}
        dataset, findings = read("coco", write_files(tmp_path / str(used), {"train/a.json": content}))
        assert not findings.problems
        assert {number: dataset.names[number] for number in names} == names
        assert (0 in dataset.names) == (used == 0)
        assert any("the group of the others" in what for what in notes_of(findings)) == (used == 1)


def test_attributes_keypoints_and_unknown_keys_are_reported(tmp_path: Path) -> None:
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "attributes": {"occluded": False}}
    annotation |= {"keypoints": [1, 2, 2], "num_keypoints": 1, "rotation": 12.0}
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "x", "skeleton": []}],
        "videos": [],
    }
    _, findings = read("coco", write_files(tmp_path, {"c.json": content, "images/a.png": None}) / "c.json")
    assert set(notes_of(findings)) == {
        "top-level key 'videos'",
        "category's 'skeleton'",
        "keypoints",
        "annotation's 'attributes'",
        "annotation's 'rotation'",
    }


def test_a_rectangle_that_cvat_turned(tmp_path: Path) -> None:
    """cvat-ai/cvat#4745: its bbox is as before the turn; a polygon's is around it already."""
    turned = {"image_id": 1, "category_id": 1, "bbox": [40, 35, 20, 10], "attributes": {"rotation": 90.0}}
    polygon = {**turned, "segmentation": [[40, 35, 60, 35, 60, 45]]}
    whole = {**turned, "attributes": {"rotation": 360}}
    other = {**turned, "attributes": {"rotation": "left"}}
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"id": at, **one} for at, one in enumerate((turned, polygon, whole, other))],
        "categories": [{"id": 1, "name": "x"}],
    }
    dataset, findings = read("coco", write_files(tmp_path, {"c.json": content, "images/a.png": None}) / "c.json")
    assert boxes_of(dataset) == {"a.png": [(1, 45, 30, 10, 20), *[(1, 40, 35, 20, 10)] * 3]}
    assert notes_of(findings)["rotated box"] == 1


def test_ids_that_a_table_has_made_texts_or_floats(tmp_path: Path) -> None:
    annotation = {"id": 1.0, "image_id": 7.0, "category_id": 1.0, "bbox": [1, 2, 3, 4]}
    for image_id in (7, "7", 7.0):
        images = [{"id": image_id, "file_name": "a.png"}, {"id": 7.5 if image_id == 7 else "7.5", "file_name": "b.png"}]
        content = {"images": images[:1], "annotations": [annotation], "categories": [{"id": 1, "name": "dent"}]}
        dataset, findings = read("coco", write_files(tmp_path, {"c.json": content, "a.png": None}))
        assert not findings.problems
        assert boxes_of(dataset) == {"a.png": [(1, 1, 2, 3, 4)]}


@pytest.mark.parametrize(("number", "used"), [("2", 2), (2, "2"), ("2", "2"), (2.0, "2")])
def test_a_class_number_that_a_tool_has_made_a_text(number: object, used: object, tmp_path: Path) -> None:
    annotation = {"id": 1, "image_id": 1, "category_id": used, "bbox": [1, 2, 3, 4]}
    content = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [annotation]}
    content["categories"] = [{"id": number, "name": "dent"}]
    dataset, findings = read("coco", write_files(tmp_path, {"c.json": content, "a.png": None}))
    assert not findings.problems
    assert boxes_of(dataset) == {"a.png": [(2, 1, 2, 3, 4)]}


def test_boxes_that_look_like_two_corners_are_listed(tmp_path: Path) -> None:
    boxes = [[60, 50, 150, 95], [100, 40, 140, 90], [90, 70, 120, 99]]
    content = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "dent"}]}
    content["annotations"] = [{"id": i, "image_id": 1, "category_id": 1, "bbox": box} for i, box in enumerate(boxes)]
    done = run(write_files(tmp_path / "in", {"c.json": content, "a.png": None}), "coco", "anomdet", tmp_path / "out")
    assert any(
        note.startswith("3 x box that looks like two corners: kept as a corner and a size") for note in done.notes
    )


def test_every_bad_entry_is_told_with_its_place(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}, {"id": [2]}, 3],
        "annotations": [
            {"image_id": 9, "category_id": True, "bbox": [1, 2, 3]},
            {"image_id": 1, "category_id": 1, "bbox": [1, 2, 0, 4]},
            {"image_id": 1, "category_id": 1, "bbox": [1, 2, float("nan"), 4]},
            {"image_id": 1, "category_id": 1, "bbox": [1, 2, 10**400, 4]},
        ],
        "categories": [{"id": 1, "name": ""}, {"id": 1, "name": "x"}],
    }
    _dataset, findings = read("coco", write_files(tmp_path, {"c.json": content}) / "c.json")
    told = "\n".join(problems_of(findings))
    for place in (
        "c.json: images[1].id: expected an id that no other has, got 1",
        "c.json: images[2].id: expected a number or a text, got [2]",
        "c.json: images[2].file_name: expected a text, got nothing",
        "c.json: images[3]: expected an object, got 3",
        "c.json: annotations[0].image_id: expected the id of an image, got 9",
        "c.json: annotations[0].category_id: expected the id of a category, got True",
        "c.json: annotations[0].bbox: expected [x, y, width, height], finite numbers, got [1, 2, 3]",
        "c.json: annotations[1]: expected a box with a width and a height > 0",
        "c.json: annotations[2].bbox: ",
        "c.json: annotations[3].bbox: ",
        "c.json: categories[0].name: expected a text, got ''",
    ):
        assert place in told, told


def test_files_that_are_no_coco(tmp_path: Path) -> None:
    bad = {
        "cut.json": '{"images": [\n{',
        "list.json": [1],
        "none.json": {},
        "bytes.json": b"\xff{",
        "deep.json": "[" * 99999,
        "twice.json": '{"images": [], "annotations": [], "categories": [], "annotations": [1]}',
        "huge.json": '{"images": [{"id": ' + "9" * 5000 + "}]}",
    }
    write_files(tmp_path, bad)
    told = {name: "\n".join(problems_of(read("coco", tmp_path / name)[1])) for name in bad}
    assert "cut.json:2: expected JSON" in told["cut.json"]
    assert "expected an object with images, annotations and categories, got list" in told["list.json"]
    assert told["none.json"].count("expected an array, got nothing") == 3
    assert "expected UTF-8 text, got byte 0xff at 0" in told["bytes.json"]
    assert "expected JSON" in told["deep.json"]
    assert "the key 'annotations' twice" in told["twice.json"]
    assert "expected JSON" in told["huge.json"] and len(told["huge.json"]) < 300
    (tmp_path / "empty").mkdir()
    assert "name the JSON file itself" in problems_of(read("coco", tmp_path / "empty")[1])[0]


def test_pycocotools_reads_what_is_written(tmp_path: Path) -> None:
    source = {"images/a b.png": None, "labels/a b.txt": "-7 10.25 20 30.5 40\n255 1 2 3 4\n", "images/n.png": None}
    run(write_files(tmp_path / "source", source | {"labels/n.txt": ""}), "anomdet", "coco", tmp_path / "out")
    coco = COCO(str(tmp_path / "out/annotations/instances.json"))
    assert coco.getCatIds() == [-7, 255]
    assert {image["file_name"] for image in coco.loadImgs(coco.getImgIds())} == {"a b.png", "n.png"}
    assert [one["bbox"] for one in coco.loadAnns(coco.getAnnIds(catIds=[-7]))] == [[10.25, 20, 30.5, 40]]
    assert coco.loadAnns(coco.getAnnIds(areaRng=[1219, 1221]))[0]["category_id"] == -7
