"""Which file a name means: spelt otherwise, leading out, repeated, stale; two images never share a file or a label."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from anomdet.data.index.spelling import plain_spelling
from anomdet.errors import UserError
from anomdet.formats import image_files
from anomdet.formats.dataset import Findings
from tests.unit.formats.cases import boxes_of, notes_of, read, run, write_files
from tests.unit.formats.test_labelme import content, shape
from tests.unit.formats.test_labelstudio import annotation, result, task
from tests.unit.formats.test_masks import mask

LINE = "0 0.5 0.5 0.25 0.5\n"
BOX = (0, 60, 25, 40, 50)
SPELT = "label file spelled otherwise than its image"
FOUND = "image found by the end of its name"
DENTS = [{"id": 1, "name": "Dent"}, {"id": 2, "name": "dent"}]


def coco(*file_names: str, **more: Any) -> dict:
    """Each image with one box, whose x is the image's id."""
    images = [{"id": i, "file_name": name} for i, name in enumerate(file_names, start=1)]
    boxes = [{"id": i, "image_id": i, "category_id": 1, "bbox": [i, 2, 3, 4]} for i in range(1, len(images) + 1)]
    return {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "dent"}], **more}


def voc(name: str, *, folder: str = "", x: int = 1, label: str = "dent") -> str:
    box = f"<bndbox><xmin>{x}</xmin><ymin>2</ymin><xmax>{x + 3}</xmax><ymax>6</ymax></bndbox>"
    head = f"<folder>{folder}</folder><filename>{name}</filename>"
    return f"<annotation>{head}<object><name>{label}</name>{box}</object></annotation>"


def refused(source: Path, format_name: str, out: Path, **options: Any) -> str:
    with pytest.raises(UserError) as raised:
        run(source, format_name, "anomdet", out, **options)
    return str(raised.value)


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/p.jpg", "labels/p.TXT"),
        ("images/p.jpg", "Labels/p.txt"),
        ("images/train/p.jpg", "LABELS/train/P.txt"),
        ("images/IMG_1.JPG", "labels/img_1.txt"),
        ("images/d\u00e9cran 1.png", "labels/d%C3%A9cran%201.txt"),
        ("images/a&b.png", "labels/a%26b.txt"),
        ("images/Pr\u00fcfling.png", "labels/Pru\u0308fling.txt"),
        ("images/Pru\u0308fling.png", "labels/Pr\u00fcfling.txt"),
        ("obj_train_data/\u00c5.png", "obj_train_data/A\u030a.txt"),
        ("train/images/p.jpg", "train/Labels/p.txt"),
        ("images/p.jpg", "labels/p.jpg.txt"),
        ("images/P.JPEG", "labels/p.jpeg.txt"),
        ("obj_train_data/p.png", "obj_train_data/p.png.txt"),
    ],
)
def test_yolo_labels_spelt_otherwise_are_the_images(image: str, label: str, tmp_path: Path) -> None:
    dataset, findings = read("yolo", write_files(tmp_path, {image: None, label: LINE}))
    assert not findings.problems
    assert list(boxes_of(dataset).values()) == [[BOX]]
    assert notes_of(findings) == {SPELT: 1}


def test_a_label_goes_to_the_image_of_exactly_its_name(tmp_path: Path) -> None:
    """And never to a second one that is spelt nearly so."""
    files = {"images/a.png": None, "images/A.png": None, "labels/a.txt": LINE, "labels/A.txt": ""}
    dataset, findings = read("yolo", write_files(tmp_path / "1", files))
    assert boxes_of(dataset) == {"a.png": [BOX], "A.png": []}
    assert not findings.notes
    files = {"images/a b.png": None, "images/a%20b.png": None, "labels/a%20b.txt": LINE}
    dataset, findings = read("yolo", write_files(tmp_path / "2", files))
    assert boxes_of(dataset) == {"a%20b.png": [BOX], "a b.png": []}
    assert notes_of(findings) == {"image without a label file": 1}


@pytest.mark.parametrize(
    "files",
    [
        {
            "images/0000_7436.jpeg": None,
            "images/0000_6dd1.jpeg": None,
            "labels/0000.txt": LINE,
        },  # Label Studio's export
        {"images/A.png": None, "images/a.png": None, "labels/%61.txt": LINE},  # either could be meant
        {"images/a.png": None, "images/b.png": None, "labels/a.txt": "", "labels/c.txt": LINE},
        {"obj_train_data/a.png": None, "obj_train_data/b.txt": LINE},
    ],
)
def test_a_label_that_may_be_an_images_is_refused(files: dict, tmp_path: Path) -> None:
    told = refused(write_files(tmp_path / "in", files), "yolo", tmp_path / "out")
    assert "expected an image of the same name, got nothing; it may be that of an image without a label file (" in told
    done = run(tmp_path / "in", "yolo", "anomdet", tmp_path / "out", unlabelled="skip") if len(files) == 4 else None
    assert done is None or any("label file without an image: left out (labels/c.txt)" in note for note in done.notes)


def test_images_that_begin_as_the_label_file_are_named_first(tmp_path: Path) -> None:
    files = {f"images/{name}.png": None for name in ("a1", "b2", "p_x", "P_y", "q")}
    reported = refused(write_files(tmp_path / "in", {**files, "labels/p.txt": LINE}), "yolo", tmp_path / "out")
    assert "(images/p_x.png, images/P_y.png, images/a1.png)" in reported


@pytest.mark.parametrize("lone", ["labels/p9.txt", "labels/old/p.txt", "other/p9.txt"])
def test_a_label_of_no_image_is_listed_and_its_objects_counted(lone: str, tmp_path: Path) -> None:
    files = {"images/p.jpg": None, "labels/p.txt": LINE, lone: LINE * 3, "labels/notes.txt": "looked at by me\n"}
    done = run(write_files(tmp_path / "in", files), "yolo", "anomdet", tmp_path / "out")
    assert done.num_normal == 0
    assert done.notes == (
        f"1 x label file without an image: left out ({lone})",
        f"3 x object in a label file without an image: left out ({lone})",
        "1 x text file that is not of labels: left out (labels/notes.txt)",
    )
    assert f"object in a label file without an image,left out,3,{lone}" in (tmp_path / "out/conversion.csv").read_text()


@pytest.mark.parametrize(
    ("format_name", "files"),
    [
        ("coco", {"c.json": {**coco("a.png"), "categories": DENTS}, "a.png": None}),
        ("yolo", {"images/a.png": None, "labels/a.txt": LINE, "classes.txt": "cold shut\ncold-shut\n"}),
        ("yolo", {"images/a.png": None, "labels/a.txt": LINE, "obj.names": "u\u0308\n\u00fc\n"}),
    ],
)
def test_class_names_that_differ_in_spelling_only_are_reported(format_name: str, files: dict, tmp_path: Path) -> None:
    done = run(write_files(tmp_path / "in", files), format_name, "anomdet", tmp_path / "out")
    assert len(done.names) == 2
    assert any("class name that differs from another in spelling only: kept as classes" in note for note in done.notes)


@pytest.mark.parametrize(
    ("format_name", "files", "told"),
    [
        ("yolo", {"images/a.jpg": None, "images/a.png": None, "labels/a.txt": LINE}, "which has the same label file"),
        ("yolo", {"images/a.jpg": None, "labels/a.txt": LINE, "labels/a.TXT": ""}, "put all objects into one of them"),
        ("yolo", {"images/a.jpg": None, "labels/a.txt": LINE, "images/a.txt": ""}, "one label file for an image"),
        ("anomdet", {"images/a.jpg": None, "images/a.png": None, "labels/a.txt": ""}, "which has the same label file"),
        ("anomdet", {"images/a.jpg": None, "labels/a.txt": "", "labels/a.TXT": ""}, "put all objects into one"),
        ("coco", {"c.json": coco("a.png", "A.png"), "a.png": None}, "expected an image file of its own, got a.png, as"),
        (
            "coco",
            {"c.json": coco("a.png", "./a.png"), "a.png": None},
            "expected an image file of its own, got a.png, as c.json: images[0]; if both are of one image, put all",
        ),
        ("labelme", {"1.json": content(), "2.json": content(), "a 1.png": None}, "an image file of its own"),
        ("voc", {"1.xml": voc("a.png"), "2.xml": voc("a.png"), "a.png": None}, "an image file of its own"),
        (
            "labelstudio",
            {"e.json": [task(f"/data/upload/1/{i * 8}-001.png", annotation()) for i in "ab"], "images/001.png": None},
            "an image file of its own",
        ),
        ("masks", {"images/a.jpg": None, "images/a.png": None, "masks/a.png": mask()}, "which has the same mask"),
        ("masks", {"images/a.jpg": None, "masks/a.png": mask(), "masks/a_mask.png": mask()}, "one mask for an image"),
    ],
)
def test_two_images_never_share_a_file_or_a_label(format_name: str, files: dict, told: str, tmp_path: Path) -> None:
    assert told in refused(write_files(tmp_path / "in", files), format_name, tmp_path / "out")


@pytest.mark.parametrize(
    ("format_name", "files"),
    [
        ("coco", {"c.json": coco("Pr\u00fcfling.JPG"), "images/pru\u0308fling.jpg": None}),
        ("coco", {"c.json": coco("a%20b.png"), "images/a b.png": None}),
        ("voc", {"Annotations/p.xml": voc("P.JPG"), "JPEGImages/p.jpg": None}),
        ("labelme", {"u\u0308.json": content(imagePath="\u00fc.png"), "u\u0308.png": None}),
        ("masks", {"images/IMG_1.JPG": None, "masks/img_1.png": mask((2, 1, 2, 3, 4))}),
        ("masks", {"Images/a.JPG": None, "Masks/dent/A.png": mask((255, 1, 2, 3, 4))}),
    ],
)
def test_images_spelt_otherwise_are_found(format_name: str, files: dict, tmp_path: Path) -> None:
    done = run(write_files(tmp_path / "in", files), format_name, "anomdet", tmp_path / "out")
    assert done.num_images == 1


@pytest.mark.parametrize(
    "name",
    [
        "..\\..\\label-studio\\media\\upload\\4\\a.png",
        "images\\1/a.png",
        "/home/other/proj/images/a.png",
        "C:\\Users\\me\\a.png",
        "../label/a.png",
        "file:///data/a.png",
        "https://host/data/upload/a.png?X-Amz-Signature=0/1",
        "s3://bucket/line%201/a.png",
        "https://[host/images/a.png",
    ],
)
@pytest.mark.parametrize("format_name", ["coco", "labelme", "voc"])
def test_names_that_lead_out_are_found_by_their_end(name: str, format_name: str, tmp_path: Path) -> None:
    files: dict[str, Any] = {"pictures/a.png": None}
    files |= {"coco": {"in/c.json": coco(name)}, "voc": {"in/a.xml": voc(name)}}.get(format_name, {})
    files |= (
        {"in/a.json": content(shape("rectangle", [[1, 2], [4, 6]]), imagePath=name)} if format_name == "labelme" else {}
    )
    write_files(tmp_path, files)
    done = run(tmp_path / "in", format_name, "anomdet", tmp_path / "out", images=tmp_path / "pictures")
    assert (tmp_path / "out/labels/a.txt").read_text() == "1 1 2 3 4\n"
    assert done.num_linked == 1


def test_a_longer_end_tells_repeated_names_apart(tmp_path: Path) -> None:
    files = {"c.json": coco("/x/left/1.png", "D:\\right\\1.png"), "images/left/1.png": None, "images/right/1.png": None}
    dataset, findings = read("coco", write_files(tmp_path / "in", files))
    assert boxes_of(dataset) == {"left/1.png": [(1, 1, 2, 3, 4)], "right/1.png": [(1, 2, 2, 3, 4)]}
    assert notes_of(findings) == {FOUND: 2}
    files = {"c.json": coco("/x/1.png"), "images/left/1.png": b"1", "images/right/1.png": b"2"}
    told = refused(write_files(tmp_path / "two", files), "coco", tmp_path / "out")
    assert "expected one image that /x/1.png can mean, got 2: left/1.png, right/1.png; the names repeat" in told


def test_coco_files_of_several_folders_keep_images_of_one_name_apart(tmp_path: Path) -> None:
    """Roboflow's train/ and valid/, COCO's train2017/ and val2017/, and folders of two lines."""
    for folders, json_name in (
        (("train", "valid"), "{}/_annotations.coco.json"),
        (("train2017", "val2017"), "annotations/instances_{}.json"),
        (("line 1", "line 2"), "{}/labels.json"),
    ):
        place = tmp_path / folders[0]
        write_files(place, {json_name.format(folder): coco("1.jpg") for folder in folders})
        write_files(place, {f"{folder}/1.jpg": None for folder in folders})
        run(place, "coco", "anomdet", tmp_path / f"{folders[0]} out")
        assert sorted(path.name for path in (tmp_path / f"{folders[0]} out/labels").iterdir()) == list(folders)


def test_cvat_subsets_keep_images_of_one_name_apart(tmp_path: Path) -> None:
    images = "".join(
        f'<image id="{i}" name="1.png" subset="{s}" width="160" height="100"/>' for i, s in enumerate("ab")
    )
    files = {"annotations.xml": f"<annotations>{images}</annotations>", "images/a/1.png": None, "images/b/1.png": None}
    dataset, _ = read("cvat", write_files(tmp_path, files))
    assert sorted(picture.file_name for picture in dataset.pictures) == ["a/1.png", "b/1.png"]


@pytest.mark.parametrize(
    ("addresses", "names"),
    [
        (("http://host/a/001.png", "http://host/b/001.png"), ["a/001.png", "b/001.png"]),
        (("s3://bucket/x/a/1.png", "s3://bucket/y/a/1.png"), ["x/a/1.png", "y/a/1.png"]),
        (("https://h/c/line1/c.png?sv=2022&sig=AbC%3D", "gs://b/d.png"), ["c.png", "d.png"]),
        (("/tasks/3/resolve/?fileuri=czM6Ly9idWNrZXQvbGluZS94LnBuZw==", "y.png"), ["x.png", "y.png"]),
        (("https://h/a%20b.png?X-Amz-Signature=1&x=y.txt#z", "/data/upload/1/c d.png"), ["a b.png", "c d.png"]),
    ],
)
def test_label_studio_addresses(addresses: tuple[str, str], names: list[str], tmp_path: Path) -> None:
    tasks = [task(address, annotation(result())) for address in addresses]
    write_files(tmp_path, {"e.json": tasks} | {f"images/{name}": None for name in names})
    dataset, findings = read("labelstudio", tmp_path)
    assert not findings.problems
    assert [picture.file_name for picture in dataset.pictures] == names
    assert [picture.path for picture in dataset.pictures] == [tmp_path / "images" / name for name in names]


STALE = {
    "voc": "<filename> of another image that is there too",
    "labelme": "imagePath of another image that is there too",
}


@pytest.mark.parametrize("format_name", STALE)
def test_an_annotation_belongs_to_the_image_of_its_own_name(format_name: str, tmp_path: Path) -> None:
    """Images were renumbered: 002 still says 001, 003 says 002. What contradicts the file's name is reported."""
    files: dict[str, Any] = {f"{name}.jpg": None for name in ("001", "002", "003")}
    for i in (2, 3):
        own = content(shape("rectangle", [[i, 2], [i + 3, 6]]), imagePath=f"00{i - 1}.jpg")
        files |= {f"00{i}.json": own} if format_name == "labelme" else {f"00{i}.xml": voc(f"00{i - 1}.jpg", x=i)}
    dataset, findings = read(format_name, write_files(tmp_path, files))
    assert boxes_of(dataset) == {"002.jpg": [("dent", 2, 2, 3, 4)], "003.jpg": [("dent", 3, 2, 3, 4)]}
    assert notes_of(findings)[STALE[format_name]] == 2


@pytest.mark.parametrize("format_name", STALE)
def test_the_image_that_is_named_is_taken_where_there_is_no_other(format_name: str, tmp_path: Path) -> None:
    files: dict[str, Any] = {"camera 7.jpg": None, "other.jpg": None}
    files |= (
        {"001.json": content(imagePath="camera 7.jpg")}
        if format_name == "labelme"
        else {"001.xml": voc("camera 7.jpg")}
    )
    dataset, findings = read(format_name, write_files(tmp_path, files))
    assert [picture.file_name for picture in dataset.pictures] == ["camera 7.jpg"]
    assert STALE[format_name] not in notes_of(findings)


def test_neu_det(tmp_path: Path) -> None:
    """Flat XML in annotations/, images in images/<class>/, some names without a suffix; two folders are splits."""
    files: dict[str, Any] = {}
    for folder, names in (("train", ("crazing_1", "patches_1")), ("validation", ("crazing_9",))):
        for name in names:
            kind = name.partition("_")[0]
            files[f"{folder}/images/{kind}/{name}.jpg"] = None
            suffix = ".jpg" if name.endswith("1") else ""
            files[f"{folder}/annotations/{name}.xml"] = voc(name + suffix, folder=kind, label=kind)
    done = run(write_files(tmp_path / "in", files), "voc", "anomdet", tmp_path / "out")
    assert (done.num_images, done.num_normal, done.objects) == (3, 0, {1: 2, 2: 1})
    assert (tmp_path / "out/splits/val.txt").read_text() == "validation/crazing/crazing_9.jpg\n"
    images = tmp_path / "in/train/images"
    done = run(tmp_path / "in/train/annotations", "voc", "anomdet", tmp_path / "apart", images=images)
    assert (done.num_images, done.num_normal) == (2, 0)


def test_gc10_det(tmp_path: Path) -> None:
    """XML in lable/, images in folders of their classes; an image with two classes lies in both."""
    write_files(tmp_path, {"1/img_a.jpg": None, "2/img_a.jpg": None, "2/img_b.jpg": None, "3/img_c.jpg": None})
    write_files(tmp_path, {"lable/img_a.xml": voc("img_a.jpg"), "lable/img_b.xml": voc("img_b.jpg")})
    dataset, findings = read("voc", tmp_path)
    assert not findings.problems
    assert len(dataset.pictures) == 2
    assert notes_of(findings) == {FOUND: 2, "image without an XML file": 1}


def test_classes_of_good_parts_are_reported(tmp_path: Path) -> None:
    """A box on each good part, as classifiers want it, would teach a detector to reject them."""
    names = {1: "No-Defect", 2: "dent", 3: "goodness", 4: "OK"}
    lines = "".join(f"{number} 10 10 20 {20 + number}\n" for number in (1, 2, 3, 4, 4))
    files = {"images/a.png": None, "labels/a.txt": lines, "classes.yaml": yaml.safe_dump({"classes": names})}
    notes = run(write_files(tmp_path / "source", files), "anomdet", "anomdet", tmp_path / "out").notes
    assert [note.partition(":")[0] for note in notes if "good part" in note] == [
        "1 x object of the class 'No-Defect', which sounds like a good part",
        "2 x object of the class 'OK', which sounds like a good part",
    ]
    assert any(note.startswith("1 x object that is there twice: kept; `anomdet check --fix`") for note in notes)


def test_classes_of_areas_to_ignore_are_reported(tmp_path: Path) -> None:
    names = {1: "__ignore__", 2: "dent", 3: "DontCare", 4: "ignored-regions"}
    lines = "".join(f"{number} 10 10 20 {20 + number}\n" for number in names)
    files = {"images/a.png": None, "labels/a.txt": lines, "classes.yaml": yaml.safe_dump({"classes": names})}
    notes = run(write_files(tmp_path / "source", files), "anomdet", "anomdet", tmp_path / "out").notes
    reported = [note.partition(", ")[0] for note in notes if "sounds like an area to ignore: kept as a defect" in note]
    assert reported == [f"1 x object of the class {names[number]!r}" for number in (3, 1, 4)]


def num_equal(one: list[str], other: list[str]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


@pytest.mark.parametrize("seed", range(3))
def test_the_nearest_files_are_those_that_share_the_longest_end(tmp_path, seed):
    """Without folders called as images first, then with them: as all pairs of a name and a file say."""
    rng = random.Random(seed)
    folders = ["a", "B", "images", "img", "c"]

    def path() -> str:
        return "/".join([*rng.choices(folders, k=rng.randint(0, 4)), rng.choice(["x.png", "X.png", "y.png"])])

    write_files(tmp_path, {name: f"of its own: {name}" for name in sorted({path() for _ in range(60)})})
    files = image_files.ImageFiles([tmp_path], Findings())
    for _ in range(200):
        name = rng.choice(["", "D:/", "b//"]) + path()
        candidates = files._named(plain_spelling).get(name.rpartition("/")[2].lower(), [])

        def lengths(file: Path, name: str = name) -> tuple[int, int]:
            ends = [[part.lower() for part in reversed(parts)] for parts in (name.split("/"), file.parts)]
            lean = [[part for part in end if part not in ("images", "img")] for end in ends]
            return num_equal(*lean), num_equal(*ends)

        most = max(map(lengths, candidates), default=(0, 0))
        nearest = [file for file in candidates if lengths(file) == most]
        assert files._nearest(name, candidates) == nearest


def test_the_time_for_names_that_repeat_in_each_folder_grows_as_their_number(tmp_path, monkeypatch):
    """Paths of another machine, and an image of one name in the folder of each part."""
    names = [f"part_{at:03}/cam1.png" for at in range(200)]
    write_files(tmp_path / "src", dict.fromkeys(f"images/{name}" for name in names))
    write_files(tmp_path / "src", {"instances.json": coco(*(f"D:\\scans\\{name}" for name in names))})
    spelled = []
    spell = image_files.plain_spelling
    monkeypatch.setattr(image_files, "plain_spelling", lambda part: spelled.append(part) or spell(part))
    dataset, _ = read("coco", tmp_path / "src")
    assert sorted(str(one.path.relative_to(tmp_path / "src/images")) for one in dataset.pictures) == names
    assert len(spelled) < 100 * len(names)
