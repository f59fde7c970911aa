"""Label Studio's tasks: images inside them or in the service's own folder, never by a path or an address of theirs."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anomdet.anomalies import Anomaly, Region
from anomdet.inference.result import Result
from anomdet.serving.label_studio import Images, Names, prediction, read_names
from anomdet.serving.refusal import Refusal

CONFIG = """<View><Header value="Find"/><Image name="photo" value="$url"/>
<RectangleLabels name="defects" toName="photo"><Label value="dent"/></RectangleLabels></View>"""


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "images"
    (inside / "line1").mkdir(parents=True)
    (inside / "a.png").write_bytes(b"of the root")
    (inside / "line1" / "a.png").write_bytes(b"of line 1")
    (inside / ".hidden").write_bytes(b"hidden")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    return inside


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("/data/local-files/?d=images/line1/a.png", b"of line 1"),
        ("/data/upload/3/a.png", b"of the root"),
        ("http://label-studio:8080/data/line1/a.png?x=1", b"of line 1"),
        ("s3://bucket/any/where/a.png", b"of the root"),
    ],
)
def test_the_end_of_an_address_names_a_file_of_the_folder(folder: Path, address: str, found: bytes) -> None:
    assert Images(folder).read(address, 100) == found


@pytest.mark.parametrize(
    "address",
    [
        "../secret.png",
        "/data/local-files/?d=../secret.png",
        "/data/local-files/?d=line1/../../secret.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "link.png",
        ".hidden",
        "line1",
        "http://[bad",
        "a.png\0",
        "",
        None,
        ["a.png"],
        {"a": 1},
        "data:image/png,notbase64",
        "data:image/png;base64,%%%",
    ],
)
def test_nothing_else_is_read(folder: Path, address: object) -> None:
    with pytest.raises(Refusal) as caught:
        Images(folder).read(address, 100)
    assert caught.value.status == 400


def test_without_a_folder_only_the_image_in_the_task_is_taken(tmp_path: Path) -> None:
    inline = "data:image/png;base64," + base64.b64encode(b"pixels").decode()
    assert Images(None).read(inline, 100) == b"pixels"
    with pytest.raises(Refusal):
        Images(None).read("a.png", 100)


def test_where_uploads_are_is_said(folder: Path) -> None:
    """Label Studio renames them: the folder that they were uploaded from has no such name."""
    with pytest.raises(Refusal, match=r"abcdef12-a\.png'; start with --images and Label Studio's folder media"):
        Images(folder).read("/data/upload/3/abcdef12-a.png", 100)
    (folder / "upload" / "3").mkdir(parents=True)
    (folder / "upload" / "3" / "abcdef12-a.png").write_bytes(b"uploaded")
    assert Images(folder).read("/data/upload/3/abcdef12-a.png", 100) == b"uploaded"


def test_a_file_that_came_later_is_found_and_a_large_one_refused(folder: Path) -> None:
    images = Images(folder)
    with pytest.raises(Refusal, match="at most 3 bytes"):
        images.read("a.png", 3)
    images._listed_at = float("-inf")
    (folder / "new.png").write_bytes(b"new")
    assert images.read("/x/new.png", 100) == b"new"


def test_the_names_are_those_of_the_project() -> None:
    assert read_names(CONFIG) == Names(from_name="defects", to_name="photo", field="url", labels=frozenset({"dent"}))
    assert read_names(None) == Names()


def test_classes_that_a_project_has_no_label_for() -> None:
    """Label Studio shows nothing of their boxes, and says nothing."""
    assert read_names(CONFIG).lacks(["dent"]) == []
    assert read_names(CONFIG.replace('"dent"', '"Dent"')).lacks(["scratch", "dent"]) == ["dent", "scratch"]
    assert read_names(CONFIG.replace('"dent"', '"Beule" alias="dent"')).lacks(["dent"]) == []
    dynamic = CONFIG.replace('toName="photo"', 'toName="photo" value="$labels"')
    assert read_names(dynamic).lacks(["scratch"]) == read_names(None).lacks(["scratch"]) == []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("<View>", "no element found"),
        ("<View/>", "expected <RectangleLabels"),
        ('<!DOCTYPE v [<!ENTITY a "aaaa">]><View>&a;</View>', "an entity"),
        ('<!DOCTYPE v [<!ENTITY a SYSTEM "file:///etc/passwd">]><View>&a;</View>', "an entity"),
    ],
)
def test_a_configuration_that_is_none_is_refused(config: str, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        read_names(config)


def some_result(**changes: object) -> Result:
    plain = Result(
        image=None,
        size_hw=(100, 200),
        bboxes_xyxy=np.array([[20, 10, 60, 30]], np.float32),
        scores=np.array([0.75], np.float32),
        class_nums=np.array([3]),
        class_names=("dent",),
        part_score=0.75,
        verdict="reject",
        threshold=0.5,
        times={},
        model_sha256="ab",
    )
    return replace(plain, **changes)


NO_BOXES = {
    "bboxes_xyxy": np.zeros((0, 4), np.float32),
    "scores": np.zeros(0, np.float32),
    "class_nums": np.zeros(0, np.int64),
    "class_names": (),
    "part_score": 0.0,
}


@pytest.mark.parametrize("labels", ["", '<Label value="unknown"/>'])
@pytest.mark.parametrize("regions", [(), (Region((50, 25, 100, 50), 3.0), Region((0, 0, 20, 10), 1.5))])
def test_a_part_that_is_rejected_as_unknown_has_something_to_see(labels: str, regions: tuple[Region, ...]) -> None:
    """It looked as an accepted one did: no box, score 0."""
    names = read_names(CONFIG.replace('<Label value="dent"/>', f'<Label value="dent"/>{labels}'))
    found = prediction(some_result(**NO_BOXES, anomaly=Anomaly(3.0, 1.0, 0.01, regions)), names, "m-1")
    assert found["score"] == 0.75
    assert len(found["result"]) == max(len(regions), 1)
    first = found["result"][0]
    assert first["value"]["rectanglelabels"] == (["unknown"] if labels else [])
    assert first["meta"]["text"] == ["unknown: 3.0 times the threshold"]
    place = tuple(first["value"][key] for key in ("x", "y", "width", "height"))
    assert place == ((25, 25, 25, 25) if regions else (0, 0, 100, 100))
    assert (first["from_name"], first["to_name"], first["type"]) == ("defects", "photo", "rectanglelabels")


def test_what_is_accepted_or_known_has_no_further_box() -> None:
    ordinary = Anomaly(0.5, 1.0, 0.5)
    accepted = some_result(**NO_BOXES, verdict="accept", anomaly=ordinary)
    assert prediction(accepted, Names(), "m-1")["result"] == []
    assert len(prediction(some_result(anomaly=ordinary), Names(), "m-1")["result"]) == 1
    rejected = some_result(**NO_BOXES, warnings=("1 detections left out",))
    assert prediction(rejected, Names(), "m-1")["result"][0]["meta"]["text"] == ["1 detections left out"]


def test_only_a_label_of_the_boxes_is_the_one_for_the_unknown() -> None:
    other = '<BrushLabels name="b" toName="photo"><Label value="unknown"/></BrushLabels></View>'
    assert not read_names(CONFIG.replace("</View>", other)).has_unknown
    assert read_names(CONFIG.replace("dent", "unknown")).has_unknown


def test_boxes_are_in_percent_of_the_image() -> None:
    result = some_result()
    found = prediction(result, Names(), "m-1")
    region = found["result"][0]
    assert region["value"].pop("rectanglelabels") == ["dent"]
    assert region["value"] == pytest.approx({"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0})
    assert (region["original_width"], region["original_height"]) == (200, 100)
    assert (found["score"], found["model_version"]) == (0.75, "m-1")
