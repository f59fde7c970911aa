"""CVAT for images 1.1, as CVAT 2 writes it."""

from __future__ import annotations

from pathlib import Path

from tests.unit.formats.cases import boxes_of, notes_of, problems_of, read, write_files

EXPORT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>106</id>
      <name>boards</name>
      <labels>
        <label>
          <name>spur</name>
          <color>#2080c0</color>
          <type>any</type>
          <attributes>
          </attributes>
        </label>
        <label>
          <name>dent</name>
          <attributes></attributes>
        </label>
      </labels>
    </task>
    <dumped>2024-01-15 08:13:45.0</dumped>
  </meta>
  <image id="0" name="line a/x.png" subset="Validation" task_id="106" width="160" height="100">
    <box label="dent" source="manual" occluded="1" xtl="10.50" ytl="20.00" xbr="30.00" ybr="40.25" z_order="0">
      <attribute name="depth">deep</attribute>
    </box>
    <box label="dent" source="manual" occluded="0" xtl="40" ytl="30" xbr="60" ybr="40" rotation="90.0" z_order="0">
    </box>
    <polygon label="spur" source="manual" occluded="0" points="1.00,2.00;5.00,2.50;3.00,9.00" z_order="0">
    </polygon>
    <ellipse label="spur" source="manual" occluded="0" cx="50" cy="40" rx="5" ry="4" z_order="0"></ellipse>
    <mask label="spur" source="manual" occluded="0" rle="2, 1" left="7" top="8" width="3" height="1" z_order="0"></mask>
    <points label="dent" source="manual" occluded="0" points="1,2" z_order="0"></points>
    <polyline label="dent" source="manual" occluded="0" points="1,2;3,4" z_order="0"></polyline>
    <tag label="dent" source="manual"></tag>
  </image>
  <image id="1" name="y.png" width="160" height="100">
  </image>
</annotations>
"""


def test_export(tmp_path: Path) -> None:
    files = {"annotations.xml": EXPORT, "images/Validation/line a/x.png": None, "images/y.png": None}
    for path in (write_files(tmp_path, files), tmp_path / "annotations.xml"):
        dataset, findings = read("cvat", path)
        assert not findings.problems
        assert boxes_of(dataset) == {
            "line a/x.png": [
                ("dent", 10.5, 20, 19.5, 20.25),
                ("dent", 45, 25, 10, 20),
                ("spur", 1, 2, 4, 7),
                ("spur", 45, 36, 10, 8),
                ("spur", 7, 8, 3, 1),
                ("dent", 1, 2, 2, 2),  # around the line
            ],
            "y.png": [],
        }
        assert dataset.numbers == {"spur": 1, "dent": 2}  # in the order of the task
        assert [picture.split for picture in dataset.pictures] == ["val", ""]
        assert all(picture.path is not None for picture in dataset.pictures)
        assert dataset.pictures[0].left_out == "<points>"  # one point has no box
        assert notes_of(findings) == {
            "occluded: 1": 1,
            "attribute": 1,
            "rotated box": 1,
            "<polygon>": 1,
            "<ellipse>": 1,
            "<mask>": 1,
            "<points>": 1,
            "<polyline>": 1,
            "<tag>": 1,
        }


def test_problems_name_the_line(tmp_path: Path) -> None:
    text = EXPORT.replace('xtl="10.50"', 'xtl="inf"').replace('label="spur" source="manual" occluded="0" cx', "cx")
    text = (
        text.replace("1.00,2.00;", "1.00;")
        .replace(' name="y.png"', "")
        .replace('width="160" height="100">\n  </im', 'width="x" height="1">\n  </im')
    )
    text = text.replace("</annotations>", '<track id="0" label="dent"></track></annotations>')
    told = "\n".join(problems_of(read("cvat", write_files(tmp_path, {"annotations.xml": text}))[1]))
    for expected in (
        "annotations.xml:25: expected a finite number as xtl, got 'inf'",
        "annotations.xml:30: expected points as x1,y1;x2,y2, got '1.00;5.00,2.50;3.00,9.00'",
        "annotations.xml:32: expected a shape with a label, got nothing",
        "annotations.xml:38: expected an image with a name, got nothing",
        "annotations.xml:38: expected a width and a height in pixels, got 'x' and '1'",
        "annotations.xml:40: expected images, got a track of a video; export it as 'CVAT for images 1.1'",
    ):
        assert expected in told, told


def test_an_ellipse_is_turned_as_an_ellipse(tmp_path: Path) -> None:
    """A circle stays where it is; the box around the corners of its box would be 1.4 times too large."""
    turned = EXPORT.replace('rx="5" ry="4"', 'rx="5" ry="5" rotation="45"')
    dataset, findings = read("cvat", write_files(tmp_path, {"annotations.xml": turned}))
    assert ("spur", 45, 35, 10, 10) in boxes_of(dataset)["line a/x.png"]
    assert notes_of(findings)["rotated box"] == 2


def test_frames_of_a_video_have_no_suffix(tmp_path: Path) -> None:
    """CVAT names the frame in the XML, and adds the suffix to the file alone."""
    text = EXPORT.replace('name="y.png"', 'name="frame_000001"')
    files = {"annotations.xml": text, "images/Validation/line a/x.png": None, "images/frame_000001.PNG": None}
    for path in (write_files(tmp_path, files), tmp_path / "annotations.xml"):
        dataset, findings = read("cvat", path)
        assert not findings.problems
        assert list(boxes_of(dataset)) == ["line a/x.png", "frame_000001.PNG"]
        assert dataset.pictures[1].path == tmp_path / "images/frame_000001.PNG"
