"""Pascal VOC's XML as the devkit, LabelImg and roLabelImg write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.formats.cases import boxes_of, notes_of, problems_of, read, write_files

# As VOC2012's Annotations/2007_000027.xml is written, with smaller numbers.
DEVKIT = """<annotation>
	<folder>VOC2012</folder>
	<filename>2007_000027.jpg</filename>
	<source>
		<database>The VOC2007 Database</database>
		<annotation>PASCAL VOC2007</annotation>
		<image>flickr</image>
	</source>
	<size>
		<width>160</width>
		<height>100</height>
		<depth>3</depth>
	</size>
	<segmented>0</segmented>
	<object>
		<name>person</name>
		<pose>Left</pose>
		<truncated>1</truncated>
		<difficult>1</difficult>
		<bndbox>
			<xmin>1</xmin>
			<ymin>1</ymin>
			<xmax>160</xmax>
			<ymax>100</ymax>
		</bndbox>
		<part>
			<name>head</name>
			<bndbox><xmin>9</xmin><ymin>9</ymin><xmax>20</xmax><ymax>20</ymax></bndbox>
		</part>
	</object>
</annotation>
"""
# As LabelImg 1.8 writes it.
LABELIMG = """<annotation>
	<folder>images</folder>
	<filename>board 1.png</filename>
	<path>C:\\Users\\me\\images\\board 1.png</path>
	<source>
		<database>Unknown</database>
	</source>
	<size>
		<width>160</width>
		<height>100</height>
		<depth>1</depth>
	</size>
	<segmented>0</segmented>
	<object>
		<name>Kratzer &amp; Delle</name>
		<pose>Unspecified</pose>
		<truncated>0</truncated>
		<difficult>0</difficult>
		<bndbox>
			<xmin>10</xmin>
			<ymin>20</ymin>
			<xmax>30</xmax>
			<ymax>50</ymax>
		</bndbox>
	</object>
</annotation>
"""


def test_devkit(tmp_path: Path) -> None:
    files = {
        "Annotations/2007_000027.xml": DEVKIT,
        "JPEGImages/2007_000027.jpg": None,
        "JPEGImages/2007_000032.jpg": None,
        "ImageSets/Main/train.txt": "2007_000027\n",
        "ImageSets/Main/person_train.txt": "2007_000027  1\n",
    }
    dataset, findings = read("voc", write_files(tmp_path, files))
    assert not findings.problems
    assert boxes_of(dataset) == {"2007_000027.jpg": [("person", 0, 0, 160, 100)]}  # 1-based and inclusive
    assert dataset.pictures[0].split == "train"
    assert notes_of(findings) == {
        "flag truncated": 1,
        "flag difficult": 1,
        "pose": 1,
        "object's 'part'": 1,
        "box with VOC's 1-based corners": 1,
        "image without an XML file": 1,
    }


def test_labelimg_beside_the_images(tmp_path: Path) -> None:
    dataset, findings = read("voc", write_files(tmp_path, {"board 1.xml": LABELIMG, "board 1.png": None}))
    assert not findings.problems
    assert not findings.notes
    assert boxes_of(dataset) == {"board 1.png": [("Kratzer & Delle", 10, 20, 20, 30)]}
    assert dataset.pictures[0].path == tmp_path / "board 1.png"


def test_rotated_box_of_rolabelimg(tmp_path: Path) -> None:
    box = "<cx>50</cx><cy>40</cy><w>20</w><h>10</h><angle>1.5707963267948966</angle>"
    text = f"<annotation><object><type>robndbox</type><name>a</name><robndbox>{box}</robndbox></object></annotation>"
    dataset, findings = read("voc", write_files(tmp_path, {"a.xml": text, "a.png": None}))
    assert boxes_of(dataset) == {"a.png": [("a", 45, 30, 10, 20)]}
    assert notes_of(findings) == {"rotated box": 1}


def test_a_rectangle_that_cvat_turned(tmp_path: Path) -> None:
    """cvat-ai/cvat#5881: its <bndbox> is as before the turn, the degrees are an attribute."""
    box = "<bndbox><xmin>40</xmin><ymin>35</ymin><xmax>60</xmax><ymax>45</ymax></bndbox>"
    turn = "<attributes><attribute><name>rotation</name><value>{}</value></attribute></attributes>"
    objects = "".join(f"<object><name>a</name>{box}{turn.format(value)}</object>" for value in ("-90.0", "0.0", "x"))
    dataset, findings = read(
        "voc", write_files(tmp_path, {"a.xml": f"<annotation>{objects}</annotation>", "a.png": None})
    )
    assert boxes_of(dataset) == {"a.png": [("a", 45, 30, 10, 20), *[("a", 40, 35, 20, 10)] * 2]}
    assert notes_of(findings)["rotated box"] == 1


def test_labelme_keeps_deleted_objects_and_masks(tmp_path: Path) -> None:
    """LabelMe 3.0, as the old LabelMe and CVAT write it."""
    corners = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((10, 20), (30, 20), (30, 25)))
    mask = "<segm><box><xmin>50</xmin><ymin>60</ymin><xmax>70</xmax><ymax>65</ymax></box><mask>m.png</mask></segm>"
    objects = "".join(
        f"<object><name>dent</name><deleted>{deleted}</deleted><occluded>no</occluded>{shape}</object>"
        for deleted, shape in ((0, f"<polygon>{corners}</polygon>"), (1, f"<polygon>{corners}</polygon>"), (0, mask))
    )
    files = {"a.xml": f"<annotation><filename>a.png</filename>{objects}</annotation>", "a.png": None}
    dataset, findings = read("voc", write_files(tmp_path, files))
    assert not findings.problems
    assert boxes_of(dataset) == {"a.png": [("dent", 10, 20, 20, 5), ("dent", 50, 60, 20, 5)]}
    assert notes_of(findings) == {"deleted object": 1, "polygon": 1}


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-16", "GB2312", "gbk", "Shift_JIS", "big5", "EUC-KR"])
def test_the_encoding_that_the_file_names(encoding: str, tmp_path: Path) -> None:
    name = "\ub4dc" if encoding == "EUC-KR" else "\u4e00"
    text = LABELIMG.replace("Kratzer &amp; Delle", name)
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n{text}'
    assert name in text
    dataset, findings = read("voc", write_files(tmp_path, {"a.xml": text.encode(encoding), "a.png": None}))
    assert not findings.problems
    assert {box.label for picture in dataset.pictures for box in picture.boxes} == {name}


def test_problems_name_the_line(tmp_path: Path) -> None:
    bad = {
        "cut.xml": "<annotation>\n<object>",
        "other.xml": "\n<html/>",
        "number.xml": LABELIMG.replace("<xmin>10<", "<xmin>ten<"),
        "empty.xml": LABELIMG.replace("<xmax>30<", "<xmax>10<"),
        "boxes.xml": f"<annotation><object><name>a</name>{'<bndbox/>' * 2}</object></annotation>",
        "nobox.xml": "<annotation>\n<object><name>a</name></object>\n<object/></annotation>",
        "bomb.xml": '<!DOCTYPE a [\n<!ENTITY b "bbb">\n]>\n<annotation>&b;</annotation>',
        "outside.xml": '<!DOCTYPE a SYSTEM "file:///etc/passwd" [<!ENTITY c SYSTEM "file:///etc/passwd">]><annotation/>',
        "deep.xml": "<annotation>" + "<a>" * 5000,
        "encoding.xml": '<?xml version="1.0" encoding="klingon"?><annotation/>',
        "rot13.xml": '<?xml version="1.0" encoding="rot13"?><annotation/>',
        "gbk.xml": b'<?xml version="1.0" encoding="gbk"?><annotation>\xff\xff</annotation>',
        "zero.xml": "",
    }
    told = "\n".join(problems_of(read("voc", write_files(tmp_path, bad))[1]))
    for text in (
        "cut.xml:2: expected XML, got no element found",
        "other.xml:2: expected <annotation>, got <html>",
        "number.xml:19: expected a finite number as xmin, got 'ten'",
        "empty.xml:14: expected a box with a width and a height > 0",
        "boxes.xml:1: expected one <bndbox> in an object, got 2; write an <object> for each",
        "nobox.xml:2: expected a <bndbox>, got nothing",
        "nobox.xml:3: expected a <name>, got nothing",
        "bomb.xml:2: expected plain XML, got the declaration of an entity",
        "outside.xml:1: expected plain XML, got the declaration of an entity",
        "deep.xml:1: expected plain XML, got elements 100 deep",
        "encoding.xml: expected XML in the encoding that its first line names, got unknown encoding: klingon",
        "rot13.xml: expected XML in the encoding that its first line names, got 'rot13' is not a text encoding",
        "gbk.xml: expected XML in the encoding that its first line names, got 'gbk' codec can't decode",
        "zero.xml:1: expected XML, got no element found",
    ):
        assert text in told, told


def test_an_encoding_that_the_file_does_not_name(tmp_path: Path) -> None:
    text = "<annotation><filename>a.jpg</filename><object><name>Kr\u00e4tzer</name></object></annotation>"
    _, findings = read("voc", write_files(tmp_path, {"a.jpg": None, "a.xml": text.encode("latin-1")}))
    assert problems_of(findings)[0].endswith("save it in UTF-8, or name its encoding in the first line")
