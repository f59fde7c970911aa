"""CSV tables of boxes, as TensorFlow's guides and Roboflow write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomdet.errors import UserError
from anomdet.formats.recognise import recognise
from tests.unit.formats.cases import boxes_of, notes_of, problems_of, read, run, write_files

HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
FILES = {
    "train/_annotations.csv": f"{HEADER}a_jpg.rf.0a1b.png,160,100,dent,10,20,40,50\n"
    "b.png,160,100,scratch,1,2,3,4\na_jpg.rf.0a1b.png,160,100,scratch,5,6,7.5,8\n",
    "valid/_annotations.csv": f"{HEADER}b.png,160,100,dent,0,0,160,100\n",
    **dict.fromkeys(("train/a_jpg.rf.0a1b.png", "train/b.png", "train/c.png", "valid/b.png")),
    "README.roboflow.txt": "parts - v1\n==========\n",
}
TENSORFLOW = {
    "data/train_labels.csv": f"{HEADER}a.png,160,100,dent,10,20,40,50\n",
    "data/test_labels.csv": f"{HEADER}a.png,160,100,scratch,1,2,3,4\n",
    "images/train/a.png": None,
    "images/test/a.png": None,
}


def test_roboflow(tmp_path: Path) -> None:
    assert recognise(write_files(tmp_path, FILES)) == {"csv": "_annotations.csv"}
    dataset, findings = read("csv", tmp_path)
    assert not findings.problems
    assert boxes_of(dataset) == {
        "train/a_jpg.rf.0a1b.png": [("dent", 10, 20, 30, 30), ("scratch", 5, 6, 2.5, 2)],
        "train/b.png": [("scratch", 1, 2, 2, 2)],
        "valid/b.png": [("dent", 0, 0, 160, 100)],
    }
    assert [picture.split for picture in dataset.pictures] == ["train", "train", "val"]
    assert [picture.path for picture in dataset.pictures] == [
        tmp_path / name for name in ("train/a_jpg.rf.0a1b.png", "train/b.png", "valid/b.png")
    ]
    assert notes_of(findings) == {"image name that repeats": 3, "image without a row": 1}


def test_images_without_a_row_have_the_split_of_their_folder(tmp_path: Path) -> None:
    """Roboflow's tables do not name images without objects."""
    done = run(write_files(tmp_path / "in", FILES), None, "anomdet", tmp_path / "out", unlabelled="normal")
    assert (done.num_images, done.num_normal) == (4, 1)
    assert (tmp_path / "out/splits/train.txt").read_text() == "train/a_jpg.rf.0a1b.png\ntrain/b.png\ntrain/c.png\n"
    assert (tmp_path / "out/labels/train/c.txt").read_text() == ""
    assert (tmp_path / "out/labels/valid/b.txt").read_text() == "1 0 0 160 100\n"


def test_tensorflow(tmp_path: Path) -> None:
    dataset, findings = read("csv", write_files(tmp_path, TENSORFLOW))
    assert not findings.problems
    found = {picture.file_name: (picture.split, picture.boxes[0].label) for picture in dataset.pictures}
    assert found == {"train/a.png": ("train", "dent"), "test/a.png": ("test", "scratch")}


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}a.png,160,100,dent,1,2,3,4\n",
        f"\ufeff{HEADER}a.png,160,100,dent,1,2,3,4\n".replace("\n", "\r\n"),
        f"{HEADER}a.png,160,100,dent,1,2,3,4".replace(",", ";"),
        f"{HEADER}a.png,160,100,dent,1,2,3,4".replace("\n", "\r"),
        f"{HEADER}\na.png,160,100,dent,1,2,3,4\n\n".replace(",", "\t"),
        '"Class","File Name","xmin","ymin","xmax","ymax"\n"dent","a.png","1","2","3","4"\n',
        "image_path,label,XMin,XMax,YMin,YMax\nC:\\data\\a.png,dent, 1 , 3,2.0,4\n",
        "image_id,class,xmin,ymin,xmax,ymax\na,dent,1,2,3,4\n",
    ],
)
def test_ways_to_write_it(text: str, tmp_path: Path) -> None:
    source = write_files(tmp_path, {"labels.csv": text.encode(), "images/a.png": None})
    for path in (source, source / "labels.csv"):
        assert recognise(path) == {"csv": "labels.csv"}
        dataset, findings = read("csv", path)
        assert not findings.problems
        assert boxes_of(dataset) == {"a.png": [("dent", 1, 2, 2, 2)]}
        assert not notes_of(findings).keys() - {"image found by the end of its name"}


def test_images_in_their_own_folder_and_a_table_that_was_put_together(tmp_path: Path) -> None:
    rows = (f"{HEADER}a.png,160,100,dent,1,2,3,4\n", f"{HEADER}b.png,160,100,dent,1,2,3,4\n")
    files = {"labels.csv": "".join(rows), "images/a.png": None, "images/b.png": None}
    dataset, findings = read("csv", write_files(tmp_path, files))
    assert [picture.file_name for picture in dataset.pictures] == ["a.png", "b.png"]
    assert not findings.problems
    assert notes_of(findings) == {"row that repeats the first line": 1}


def test_class_with_a_separator_and_a_line_break_in_quotes(tmp_path: Path) -> None:
    text = f'{HEADER}a.png,160,100,"dent, deep",1,2,3,4\n"a.png",160,100,"x\ny",1,2,3,4\na.png,160,100,dent,1,2,3\n'
    dataset, findings = read("csv", write_files(tmp_path, {"labels.csv": text, "a.png": None}))
    assert [box.label for box in dataset.pictures[0].boxes] == ["dent, deep", "x\ny"]
    assert problems_of(findings) == [
        "labels.csv:5: expected 8 fields, as the first line has, got 7; "
        "put a text that holds the separator in double quotes"
    ]


def test_rows_without_a_class_and_a_box_are_of_normal_images(tmp_path: Path) -> None:
    text = f"{HEADER}a.png,160,100,,,,,\nb.png,160,100,dent,1,2,3,4\nb.png,,,,,,,\n"
    dataset, findings = read("csv", write_files(tmp_path, {"labels.csv": text, "a.png": None, "b.png": None}))
    assert boxes_of(dataset) == {"a.png": [], "b.png": [("dent", 1, 2, 2, 2)]}
    what = "row without a class and a box"
    assert {fate: dict(places) for (_, fate), places in findings.notes.items()} == {
        "its image taken as a normal one": {"labels.csv:2": 1},
        "left out: its image has others": {"labels.csv:4": 1},
    }
    assert notes_of(findings).keys() == {what}


def test_a_column_of_splits(tmp_path: Path) -> None:
    header = "filename,class,xmin,ymin,xmax,ymax,split\n"
    rows = [
        "a.png,d,1,2,3,4,Train",
        "a.png,d,5,6,7,8,train",
        "b.png,d,1,2,3,4,valid",
        "c.png,d,1,2,3,4,",
        "d.png,,,,,,x",
    ]
    images = dict.fromkeys(f"{name}.png" for name in "abcd")
    text = header + "\n".join(rows)
    dataset, findings = read("csv", write_files(tmp_path, {"test.csv": text, **images}))
    assert [picture.split for picture in dataset.pictures] == ["train", "val", "test", "test"]
    assert not findings.problems
    assert notes_of(findings) == {"split 'x'": 1, "row without a class and a box": 1}
    dataset, findings = read("csv", write_files(tmp_path, {"test.csv": f"{text}\nb.png,d,5,6,7,8,train\n"}))
    assert problems_of(findings) == ["test.csv:7: expected each image in one split, got train, after val"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (",160,100,dent,1,2,3,4", "labels.csv:3: expected the name of an image, got nothing"),
        ("a.png,160,100,,1,2,3,4", "labels.csv:3: expected a class, got nothing; a normal image has a row without"),
        ("a.png,160,100,dent,1,2,,4", "labels.csv:3: expected a finite number as xmax, got nothing"),
        ("a.png,160,100,dent,1,2,x,4", "labels.csv:3: expected a finite number as xmax, got 'x'"),
        (
            'a.png,160,100,dent,"1,5",2,3,4',
            "labels.csv:3: expected a finite number as xmin, got '1,5'; write decimals with a point",
        ),
        ("a.png,160,100,dent,nan,2,3,4", "labels.csv:3: expected a finite number as xmin, got 'nan'"),
        (
            "a.png,160,100,dent,3,2,1,4",
            "labels.csv:3: expected a box with a width and a height > 0, in pixels, got x 3",
        ),
        ("a.png,160,90,dent,1,2,3,4", "labels.csv:3: expected the size 160 x 100 (width x height), as at labels.csv:2"),
        ("a.png,wide,90,dent,1,2,3,4", "labels.csv:3: expected a width and a height in pixels, got 'wide' and '90'"),
        ("c.png,160,100,dent,1,2,3,4", "labels.csv:3: expected the image c.png, got nothing; name their folder with"),
        ("b.png,100,160,dent,1,2,3,4", "labels.csv:3: expected the image's size 160 x 100 (width x height), got 100"),
        ("b.png,160,100,dent,1,2,3,400,", "labels.csv:3: expected 8 fields, as the first line has, got 9; put"),
        ("b.png,160,100,dent,161,2,163,4", "labels.csv:3: expected a box within the image of 160 x 100 pixels"),
    ],
)
def test_mistakes_are_named_with_their_line(row: str, message: str, tmp_path: Path) -> None:
    text = f"{HEADER}a.png,160,100,dent,1,2,3,4\n{row}\n"
    write_files(tmp_path / "in", {"labels.csv": text, "a.png": None, "b.png": None})
    with pytest.raises(UserError) as raised:
        run(tmp_path / "in", "csv", "anomdet", tmp_path / "out")
    assert message in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_fractions_are_refused(tmp_path: Path) -> None:
    text = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\na,x,/m/011k07,1,0.1,0.3,0.2,0.4\n"
    write_files(tmp_path / "in", {"train-annotations-bbox.csv": text, "a.png": None})
    with pytest.raises(UserError, match="these look like fractions of the image's size; multiply them by it"):
        run(tmp_path / "in", None, "anomdet", tmp_path / "out")


def test_what_is_left_out_is_reported(tmp_path: Path) -> None:
    text = "filename,class,xmin,ymin,xmax,ymax,confidence\na.png,dent,1,2,3,4,0.9\n"
    files = {"labels.csv": text, "prices.csv": "part,price\n1,2\n", "a.png": None}
    _, findings = read("csv", write_files(tmp_path, files))
    assert notes_of(findings) == {"column 'confidence'": 1, "CSV file without the columns of boxes": 1}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"labels.csv": "a.png,1,2,3,4,dent\n"},
            "labels.csv:1: expected a first line with the columns filename, class",
        ),
        ({"labels.csv": ""}, "labels.csv:1: expected a first line with the columns"),
        ({"labels.csv": f"{HEADER}café.png,1,1,a,1,2,3,4".encode("latin-1")}, "labels.csv: expected UTF-8 text, got"),
        (
            {"labels.csv": f'{HEADER}"{"a" * 200_000}"\n'},
            "labels.csv:2: expected a row of a CSV table, got field larger",
        ),
        ({"labels.csv": HEADER}, "SRC: expected at least one image with its labels, got none"),
    ],
)
def test_files_that_are_no_tables(files: dict, message: str, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", files) / "labels.csv"
    with pytest.raises(UserError) as raised:
        run(source, "csv", "anomdet", tmp_path / "out")
    assert message in str(raised.value)


def test_a_table_of_other_columns_says_which_are_read(tmp_path: Path) -> None:
    write_files(tmp_path / "in", {"labels.csv": "image,bbox\na.png,1 2 3 4\n", "a.png": None})
    with pytest.raises(UserError, match=r"labels\.csv is read if it has a first line with the columns filename, class"):
        run(tmp_path / "in", None, "anomdet", tmp_path / "out")
    with pytest.raises(UserError, match="expected a CSV file that has a first line with the columns"):
        run(tmp_path / "in", "csv", "anomdet", tmp_path / "out")


def test_other_labels_go_before_a_table_that_was_made_of_them(tmp_path: Path) -> None:
    files = {"a.xml": "<annotation/>", "labels.csv": f"{HEADER}a.png,160,100,dent,1,2,3,4\n", "a.png": None}
    assert recognise(write_files(tmp_path, files)) == {"voc": "a.xml"}
