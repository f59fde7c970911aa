"""Labels of kinds that are not read: the message names them, and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anomdet.errors import UserError
from tests.unit.formats.cases import run, write_files

KITTI = "Car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
VIA = {"a.png9": {"filename": "a.png", "size": 9, "regions": [], "file_attributes": {}}}
TASK = {"id": 1, "data": {"image": "a.png"}}
COCO = "export it as COCO"
TASKS = "tasks of Label Studio without annotations: submit them, and export the project as 'JSON'"
ONE = "export the project as 'JSON'"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.json", [{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}], "`anomdet evaluate --predictions` measures"),
        ("annotations.json", [{"version": 0, "shapes": [], "tracks": []}], "CVAT's backup: export the task as 'CVAT"),
        ("t.json", [TASK | {"predictions": []}], TASKS),
        ("t.json", TASK | {"annotations": []}, f"t.json holds one task of Label Studio: {ONE}"),
        ("1", json.dumps({"result": [], "task": TASK}), "SRC shows none; name it with --from"),
        ("1.json", {"result": [], "task": TASK}, f"one annotation of Label Studio: {ONE}"),
        ("d.json", {"info": {}, "categories": {}, "items": []}, f"d.json holds Datumaro's JSON: {COCO}"),
        ("via.json", VIA, f"JSON of the VGG Image Annotator: {COCO}"),
        ("via.json", {"_via_settings": {}, "_via_img_metadata": VIA}, f"a project of the VGG Image Annotator: {COCO}"),
        ("_annotations.createml.json", [{"image": "a.png", "annotations": []}], f"CreateML's labels: {COCO}"),
        ("ann/a.png.json", {"size": {}, "objects": []}, f"as Supervisely and ISAT write it: {COCO}"),
        (
            "c.json",
            '{\n"images": [}',
            "c.json holds no JSON that can be read (Expecting value, line 2): export the file again",
        ),
        ("c.json", b'{"a": "\xe9"}', "c.json holds no UTF-8 text: export the file again"),
        ("d.ndjson", '{"type": "dataset"}\n', f"d.ndjson holds lines of JSON: {COCO}"),
        ("train.tfrecord", b"\x01", "train.tfrecord holds TensorFlow's records"),
        ("label_2/a.txt", KITTI, f"KITTI's labels: {COCO}"),
        ("labelTxt/a.txt", "imagesource:X\ngsd:0.1\n1 1 5 1 5 4 1 4 plane 0\n", f"a.txt holds DOTA's labels: {COCO}"),
        ("train/_annotations.txt", "a.png 10,20,30,40,0 1,2,3,4,1\n", "as YOLOv4 PyTorch has them: export it as YOLO"),
        ("labels/a.txt", "dent 0.5 0.5 0.1 0.1\n", "a.txt holds names of classes in place of their numbers: write"),
        ("readme.txt", "These are the parts.\n", "SRC shows none; name it with --from; of other kinds, export it as"),
    ],
)
def test_labels_that_are_not_read(name: str, content: object, message: str, tmp_path: Path) -> None:
    write_files(tmp_path / "in", {name: content, "images/a.png": None})
    with pytest.raises(UserError) as raised:
        run(tmp_path / "in", None, "anomdet", tmp_path / "out")
    assert message in str(raised.value)


def test_a_list_of_images_with_their_boxes_makes_no_normal_images(tmp_path: Path) -> None:
    files = {"_annotations.txt": "a.png 10,20,30,40,0\nb.png\n", "_classes.txt": "dent\n", "a.png": None, "b.png": None}
    with pytest.raises(
        UserError, match=r"_annotations\.txt: expected YOLO's labels, a text file for each image, got im"
    ):
        run(write_files(tmp_path / "in", files), "yolo", "anomdet", tmp_path / "out", unlabelled="normal")
