"""Nothing is lost in silence: marks without a box, images without labels, turned images, files of other kinds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from anomdet.errors import UserError
from anomdet.formats import pictures
from tests.unit.formats.cases import boxes_of, read, run, write_files
from tests.unit.formats.test_labelme import content, shape
from tests.unit.formats.test_labelstudio import annotation, result, task
from tests.unit.formats.test_masks import mask
from tests.unit.formats.test_names import coco, voc
from tests.unit.images.image_samples import oriented

BOX = shape("rectangle", [[1, 2], [4, 6]])


def cvat(shapes: str, name: str = "a.png") -> dict[str, Any]:
    image = f'<image id="0" name="{name}" width="160" height="100">{shapes}</image>'
    return {"annotations.xml": f"<annotations>{image}</annotations>", f"images/{name}": None}


def labelme(*shapes: dict) -> dict[str, Any]:
    return {"a 1.json": content(*shapes), "a 1.png": None}


def label_studio(*results: dict) -> dict[str, Any]:
    return {"e.json": [task("a.png", annotation(*results))], "images/a.png": None}


@pytest.mark.parametrize(
    ("format_name", "files", "box"),
    [
        ("labelme", labelme(shape("linestrip", [[5, 5], [20, 12], [40, 14]])), (5, 5, 35, 9)),
        ("labelme", labelme(shape("line", [[5, 10], [40, 10]])), (5, 9.5, 35, 1)),  # level: a pixel thick
        ("labelme", labelme(shape("rotation", [[20, 5], [30, 15], [20, 25], [10, 15]])), (10, 5, 20, 20)),
        ("labelme", labelme(shape("points", [[1, 2], [3, 9]])), (1, 2, 2, 7)),
        ("labelme", labelme(shape("cuboid", [[1, 1], [9, 1], [9, 9], [1, 9], [3, 0], [11, 0]])), (1, 0, 10, 9)),
        ("cvat", cvat('<polyline label="d" points="5,5;20,12;40,14"/>'), (5, 5, 35, 9)),
        ("cvat", cvat('<points label="d" points="5,5;20,12"/>'), (5, 5, 15, 7)),
        (
            "cvat",
            cvat(
                '<skeleton label="d"><points label="1" points="10,10"/><points label="2" points="30,20"/>'
                '<points label="3" outside="1" points="0,0"/></skeleton>'
            ),
            (10, 10, 20, 10),
        ),
        (
            "cvat",
            cvat(
                '<cuboid label="d" xtl1="1" ytl1="2" xbl1="1" ybl1="20" xtr1="20" ytr1="2" xbr1="20" ybr1="20" '
                'xtl2="3" ytl2="1" xbl2="3" ybl2="18" xtr2="22" ytr2="1" xbr2="22" ybr2="18"/>'
            ),
            (1, 1, 21, 19),
        ),
        (
            "labelstudio",
            label_studio(result("vectorlabels", vertices=[{"x": 10, "y": 10}, {"x": 20, "y": 30}])),
            (16, 10, 16, 20),
        ),
        (
            "voc",
            {"a.png": None, "a.xml": voc("a.png").replace("<bndbox>", "<polygon>").replace("</bndbox>", "</polygon>")},
            (1, 2, 3, 4),
        ),
        ("coco", {"c.json": coco("a.png"), "a.png": None}, (1, 2, 3, 4)),
    ],
)
def test_a_mark_whose_points_are_known_becomes_its_box(
    format_name: str, files: dict, box: tuple, tmp_path: Path
) -> None:
    if format_name == "coco":
        files["c.json"]["annotations"][0] |= {"bbox": None, "segmentation": [[1, 2, 4, 2, 4, 6]]}
    dataset, findings = read(format_name, write_files(tmp_path, files))
    assert not findings.problems
    assert not dataset.pictures[0].left_out
    assert [found[1:] for found in boxes_of(dataset)[dataset.pictures[0].file_name]] == [pytest.approx(box)]


@pytest.mark.parametrize(
    ("format_name", "files"),
    [
        ("labelme", labelme(BOX, shape("point", [[9, 9]]))),
        ("labelme", labelme(shape("point", [[9, 9]]))),
        ("labelme", labelme(shape("linestrip", [[9, 9], [9, 9]]))),
        ("labelme", {"a 1.json": content(flags={"ok": False, "scratched": True}), "a 1.png": None}),
        ("cvat", cvat('<tag label="scratch"/>')),
        ("cvat", cvat('<points label="d" points="1,2"/><box label="d" xtl="1" ytl="2" xbr="3" ybr="4"/>')),
        ("cvat", cvat('<box label="d" xtl="1" ytl="2" xbr="3" ybr="4"/><tag label="scratch"/>')),
        ("cvat", cvat('<splatter label="d"/>')),
        ("labelstudio", label_studio(result("brushlabels", rle=[0, 1], format="rle"))),
        ("labelstudio", label_studio(result(), result("keypointlabels", x=5, y=5, width=1))),
        ("labelstudio", label_studio(result("rectanglelabels", labels=[]))),
        ("labelstudio", label_studio(result("choices", labels=["scratched"]))),
        (
            "labelstudio",
            label_studio({"id": "z", "type": "rectangle", "value": {"x": 1, "y": 1, "width": 2, "height": 2}}),
        ),
        ("labelstudio", {"e.json": [task("a.png", annotation(), annotation(result()))], "images/a.png": None}),
    ],
)
def test_an_image_with_a_mark_that_has_no_box_is_left_out(format_name: str, files: dict, tmp_path: Path) -> None:
    """Without the mark it would be taught as free of it."""
    write_files(tmp_path / "in", files)
    dataset, _ = read(format_name, tmp_path / "in")
    assert [bool(picture.left_out) for picture in dataset.pictures] == [True]
    with pytest.raises(UserError, match="expected at least one image with its labels, got none; all were left out"):
        run(tmp_path / "in", format_name, "anomdet", tmp_path / "out")


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    files = {"a 1.json": content(BOX, BOX, shape("point", [[9, 9]])), "a 1.png": None}
    files |= {"b.json": content(BOX, imagePath="b.png"), "b.png": None}
    done = run(write_files(tmp_path / "in", files), "labelme", "anomdet", tmp_path / "out")
    assert (done.num_images, done.num_normal) == (1, 0)
    assert done.notes == (
        "2 x box on an image that is left out: left out (a 1.json)",
        "1 x image with a mark that has no box: left out (a 1.json)",
        "1 x shape 'point': left out with its image: it has no box (a 1.json)",
    )
    assert (tmp_path / "out/conversion.csv").read_text().count("\n") == 4


@pytest.mark.parametrize(
    ("format_name", "files"),
    [
        ("cvat", cvat('<box label="scratch" xtl="1" ytl="2" xbr="3" ybr="4"/><tag label="scratch"/>')),
        ("labelme", {"a 1.json": content(BOX, flags={"blurred": True}), "a 1.png": None}),
        ("labelstudio", label_studio(result("choices", labels=["blurred"]), result())),
        ("labelstudio", label_studio(result(), result("choices", labels=["blurred"]))),
        ("labelstudio", label_studio(result(), {"type": "relation", "from_id": "a", "to_id": "b"})),
        ("labelstudio", label_studio(result(), {"id": "Dx_aB91ISN", "type": "rectangle", "value": {"x": 1, "y": 1}})),
        ("labelstudio", label_studio(result(), {"id": "t", "type": "textarea", "value": {"text": ["ok"]}})),
    ],
)
def test_what_only_adds_to_a_box_leaves_the_image_in(format_name: str, files: dict, tmp_path: Path) -> None:
    done = run(write_files(tmp_path / "in", files), format_name, "anomdet", tmp_path / "out")
    assert (done.num_images, done.num_normal) == (1, 0)
    assert len(done.notes) == 1


UNLABELLED: dict[str, dict[str, Any]] = {
    "anomdet": {"images/a.png": None, "labels/a.txt": "1 1 2 3 4\n", "images/b.png": None},
    "coco": {"c.json": coco("a.png"), "a.png": None, "b.png": None},
    "cvat": {**cvat('<box label="d" xtl="1" ytl="2" xbr="3" ybr="4"/>'), "images/b.png": None},
    "csv": {"labels.csv": "filename,class,xmin,ymin,xmax,ymax\na.png,d,1,2,3,4\n", "a.png": None, "b.png": None},
    "deeppcb": {
        "group1/1/2_test.jpg": None,
        "group1/1/3_test.jpg": None,
        "group1/1_not/2.txt": "1 2 3 4 5\n",
    },
    "labelme": {**labelme(BOX), "b.png": None},
    "labelstudio": {**label_studio(result()), "images/b.png": None},
    "masks": {"images/a.png": None, "masks/a.png": mask((2, 1, 2, 3, 4)), "images/b.png": None},
    "voc": {"a.xml": voc("a.png"), "a.png": None, "b.png": None},
    "yolo": {"images/a.png": None, "labels/a.txt": "0 0.5 0.5 0.1 0.1\n", "images/b.png": None},
}
DEFAULT = {"anomdet": "error", "masks": "normal", "yolo": "normal"}  # what these formats mean; the others: skip


@pytest.mark.parametrize("unlabelled", [None, "normal", "skip", "error"])
@pytest.mark.parametrize("format_name", UNLABELLED)
def test_images_without_labels(format_name: str, unlabelled: str | None, tmp_path: Path) -> None:
    write_files(tmp_path / "in", UNLABELLED[format_name])
    fate = unlabelled or DEFAULT.get(format_name, "skip")
    if fate == "error":
        with pytest.raises(UserError, match=r"choose --unlabelled normal or skip|name their folder"):
            run(tmp_path / "in", format_name, "anomdet", tmp_path / "out", unlabelled=unlabelled)
        return
    done = run(tmp_path / "in", format_name, "anomdet", tmp_path / "out", unlabelled=unlabelled)
    assert (done.num_images, done.num_normal) == ((2, 1) if fate == "normal" else (1, 0))
    assert len(done.notes) == 1
    assert re.search("taken as normal" if fate == "normal" else "left out as not labelled", done.notes[0])


def test_listed_images_without_objects_are_normal_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    content_ = coco("a.png", "b.png")
    del content_["annotations"][1]
    write_files(tmp_path / "in", {"c.json": content_, "a.png": None, "b.png": None})
    assert run(tmp_path / "in", "coco", "anomdet", tmp_path / "1").num_normal == 1
    assert run(tmp_path / "in", "coco", "anomdet", tmp_path / "2", unlabelled="skip").num_images == 1
    with pytest.raises(UserError, match="expected labels for each image"):
        run(tmp_path / "in", "coco", "anomdet", tmp_path / "3", unlabelled="error")
    with pytest.raises(UserError, match="--unlabelled: expected one of normal, skip, error, got 'ignore'"):
        run(tmp_path / "in", "coco", "anomdet", tmp_path / "3", unlabelled="ignore")


@pytest.mark.parametrize(
    ("format_name", "files"),
    [
        ("coco", {"c.json": coco("a.jpg")}),
        ("labelme", {"a.json": content(BOX, imagePath="a.jpg", imageWidth=None, imageHeight=None)}),
        ("voc", {"a.xml": voc("a.jpg")}),
        ("yolo", {"a.txt": "0 0.2 0.2 0.1 0.1\n"}),
        ("labelstudio", {"e.json": [task("a.jpg", annotation())]}),
    ],
)
@pytest.mark.parametrize("orientation", [1, 2, 3, 6])
def test_images_turned_by_exif_are_reported(format_name: str, files: dict, orientation: int, tmp_path: Path) -> None:
    write_files(tmp_path / "in", {**files, "a.jpg": oriented("JPEG", orientation)})
    done = run(tmp_path / "in", format_name, "anomdet", tmp_path / "out")
    told = [
        note
        for note in done.notes
        if "image turned by its EXIF orientation: boxes taken as those of the upright" in note
    ]
    assert len(told) == (orientation != 1)


def test_images_of_other_kinds_are_listed(tmp_path: Path) -> None:
    files = {"images/a.png": None, "labels/a.txt": "", "images/b.gif": b"GIF89a", "images/c.HEIC": b"x"}
    done = run(write_files(tmp_path / "in", files), "yolo", "anomdet", tmp_path / "out")
    assert done.notes == (
        "1 x image of a kind that is not read (.gif): left out (images/b.gif)",
        "1 x image of a kind that is not read (.heic): left out (images/c.HEIC)",
    )


@pytest.mark.parametrize("name", ["classes.txt", "labels/classes.txt", "obj.names"])
@pytest.mark.parametrize(
    "text", ["dent\n\nscratch\nhole\n", "dent\r\n \r\nscratch\r\nhole\r\n\r\n", "\ufeffdent\n\nscratch\nhole"]
)
def test_a_blank_line_of_the_class_names_keeps_its_number(name: str, text: str, tmp_path: Path) -> None:
    files = {"images/a.png": None, "labels/a.txt": "2 0.5 0.5 0.1 0.1\n", name: text.encode()}
    done = run(write_files(tmp_path / "in", files), "yolo", "anomdet", tmp_path / "out")
    assert done.names == {0: "dent", 2: "scratch", 3: "hole"}
    assert done.objects == {0: 0, 2: 1, 3: 0}
    (tmp_path / "in/labels/a.txt").write_text("1 0.5 0.5 0.1 0.1\n")
    with pytest.raises(UserError, match="expected a class of the names"):
        run(tmp_path / "in", "yolo", "anomdet", tmp_path / "again")


def test_two_names_that_one_disk_cannot_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk that knows no letter case the second image must not replace the first."""
    files = {"images/a.png": None, "images/A.png": None, "labels/a.txt": "", "labels/A.txt": ""}

    def as_on_windows(_source: str, target: Path) -> None:
        if target.with_name(target.name.lower()).exists():
            raise FileExistsError
        target.with_name(target.name.lower()).touch()

    monkeypatch.setattr(pictures.os, "link", as_on_windows)
    with pytest.raises(UserError, match="differ in more than letter case or Unicode form on this disk"):
        run(write_files(tmp_path / "in", files), "anomdet", "coco", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("code", [13, 30])
def test_an_output_that_cannot_be_written_is_named(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that the user named, not the hidden one that it is written in."""

    def denied(*_: object, **__: object) -> None:
        raise OSError(code, "not allowed", ".y.1a2b.partial")

    write_files(tmp_path / "in", {"images/a.png": None, "labels/a.txt": ""})
    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(UserError) as raised:
        run(tmp_path / "in", "anomdet", "yolo", tmp_path / "y")
    assert str(raised.value).startswith(
        f"--out: expected a folder that can be written, got {tmp_path / 'y'} (not allowed)"
    )


@pytest.mark.parametrize(
    ("format_name", "files", "told"),
    [
        ("yolo", {"images/a.png": None, "images/b.png": None}, "expected label files, labels/x.txt for images/x"),
        ("yolo", {"images/a.png": None, "labels/a.xml": "<annotation/>"}, "expected label files, labels/x.txt"),
        ("masks", {"images/a.png": None, "masks/readme.md": ""}, "masks: expected at least one mask, got nothing"),
        ("masks", {"images/a.png": None, "masks/a.gif": b"GIF89a"}, "masks/a.gif: expected a mask as png jpg"),
        ("masks", {"images/a.png": None, "masks/dent/a_mask.npy": b"x"}, "expected a mask as png jpg"),
    ],
)
def test_where_no_labels_are_found_nothing_becomes_normal(
    format_name: str, files: dict, told: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as raised:
        run(write_files(tmp_path / "in", files), format_name, "anomdet", tmp_path / "out")
    assert told in str(raised.value)


def test_an_image_in_two_lists_of_a_converted_folder(tmp_path: Path) -> None:
    files = {"images/a.png": None, "labels/a.txt": "", "splits/train.txt": "a.png\n", "splits/val.txt": "a.png\n"}
    with pytest.raises(
        UserError, match=r"splits/val.txt:1: expected each image in one split, got a.png again, after train"
    ):
        run(write_files(tmp_path / "in", files), "anomdet", "coco", tmp_path / "out")


def test_hidden_files_that_macos_leaves_are_passed_over(tmp_path: Path) -> None:
    write_files(tmp_path / "1", {**UNLABELLED["labelstudio"], "._e.json": b"\x00"})
    write_files(tmp_path / "2", {**UNLABELLED["cvat"], "._annotations.xml": b"\x00"})
    write_files(tmp_path / "3", {**UNLABELLED["yolo"], "._data.yaml": b"\x00", "labels/._a.txt": b"\x00"})
    for folder, format_name in zip("123", ("labelstudio", "cvat", "yolo"), strict=True):
        assert run(tmp_path / folder, None, "anomdet", tmp_path / f"out {folder}").recognised.startswith(format_name)
