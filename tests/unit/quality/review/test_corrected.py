"""A corrected copy by decisions: what it changes, what it leaves as it is, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from anomdet.data.index.scan import DataIndex, scan
from anomdet.documents import read_decisions
from anomdet.documents.review_kinds import Kind
from anomdet.errors import UserError
from anomdet.quality.review.corrected import Corrected, write_corrected
from anomdet.quality.review.suspects import KINDS
from tests.unit.formats.cases import write_image

SIZE_WH = (80, 60)
FIRST, SECOND = "1 10 10 20 20", "2  40.5 12 9 8"


@pytest.fixture
def index(tmp_path: Path) -> DataIndex:
    for name, text in {"a": f"{FIRST}\r\n\n{SECOND}\n", "sub/b": "", "c": "1 70 50 20 20\n"}.items():
        image = tmp_path / "data/images" / f"{name}.png"
        label = tmp_path / "data/labels" / f"{name}.txt"
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_image(image, SIZE_WH)
        label.write_bytes(text.encode())
    return scan(tmp_path / "data")


def box(class_num: int, *bbox_xywh: float) -> dict[str, Any]:
    return {"class_num": class_num, "bbox_xywh": list(bbox_xywh)}


def decide(image: str, remove: list, add: list, decision: str = "accept", kind: str = "box") -> Any:
    return {"id": 0, "image": image, "kind": kind, "decision": decision, "remove": remove, "add": add}


def write(index: DataIndex, decisions: list, out_dir: Path, hard_normals: list[str] | None = None) -> Corrected:
    numbered = [{**decision, "id": at} for at, decision in enumerate(decisions)]
    decided: Any = {"review": "x", "decisions": numbered, "hard_normals": hard_normals or []}
    return write_corrected(index, decided, out_dir, "decisions.json")


def test_accepted_changes_are_made_and_the_other_lines_stay_as_written(index: DataIndex, tmp_path: Path) -> None:
    decisions = [
        decide("a.png", [box(1, 10, 10, 20, 20)], [box(1, 12, 11, 18.25, 19)]),
        decide("sub/b.png", [], [box(2, 5, 5, 10, 10)], kind="missing"),
    ]
    done = write(index, decisions, tmp_path / "copy")
    assert (tmp_path / "copy/labels/a.txt").read_text() == f"{SECOND}\n1 12 11 18.25 19\n"
    assert (tmp_path / "copy/labels/sub/b.txt").read_text() == "2 5 5 10 10\n"
    assert done.num_images == 3
    with (tmp_path / "copy/changes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    changes = [(row["file"], row["line"], row["action"], row["code"], row["before"], row["after"]) for row in rows]
    assert changes == [
        ("labels/a.txt", "1", "removed", "box", FIRST, ""),
        ("labels/a.txt", "", "added", "box", "", "1 12 11 18.25 19"),
        ("labels/sub/b.txt", "", "added", "missing", "", "2 5 5 10 10"),
    ]


def test_decisions_are_applied_once(index: DataIndex, tmp_path: Path) -> None:
    """Once more on the copy, each missing label would be there twice."""
    missing = [decide("sub/b.png", [], [box(2, 5, 5, 10, 10)], kind="missing")]
    write(index, missing, tmp_path / "copy")
    with pytest.raises(
        UserError, match=r"decisions\[0\]\.add\[0\]: expected a label that .*b\.txt has not yet, got 2 5"
    ):
        write(scan(tmp_path / "copy"), missing, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_label_that_two_decisions_add_is_added_once(index: DataIndex, tmp_path: Path) -> None:
    added = decide("sub/b.png", [], [box(2, 5, 5, 10, 10)], kind="missing")
    done = write(index, [added, added], tmp_path / "copy")
    assert (tmp_path / "copy/labels/sub/b.txt").read_text() == "2 5 5 10 10\n"
    assert len(done.changes) == 1


def test_labels_in_files_called_txt_in_capitals_are_kept_and_corrected(tmp_path: Path) -> None:
    for name, text in {"a": f"{FIRST}\n{SECOND}\n", "b": f"{FIRST}\n"}.items():
        write_image(tmp_path / "data/images" / f"{name}.png", SIZE_WH)
        (tmp_path / "data/labels").mkdir(exist_ok=True)
        (tmp_path / "data/labels" / f"{name}.TXT").write_text(text)
    done = write(scan(tmp_path / "data"), [decide("a.png", [box(1, 10, 10, 20, 20)], [])], tmp_path / "copy")
    assert (tmp_path / "copy/labels/a.txt").read_text() == f"{SECOND}\n"
    assert (tmp_path / "copy/labels/b.txt").read_text() == f"{FIRST}\n"
    assert [change.action for change in done.changes] == ["removed"]


def test_images_that_are_left_out_are_said(index: DataIndex, tmp_path: Path) -> None:
    (tmp_path / "data/labels/c.txt").unlink()
    done = write(scan(tmp_path / "data", missing_labels="skip"), [], tmp_path / "copy")
    assert (done.num_images, done.notes) == (2, ("1 images without a label file left out",))
    assert write(index, [], tmp_path / "whole").notes == ()


def test_class_names_and_splits_come_along(index: DataIndex, tmp_path: Path) -> None:
    for name in ("classes.yaml", "splits/train.txt", "splits/val.txt"):
        (tmp_path / "data" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    write(index, [], tmp_path / "copy")
    for name in ("classes.yaml", "splits/train.txt", "splits/val.txt"):
        assert (tmp_path / "copy" / name).read_text() == name


def test_the_data_and_files_without_a_change_stay_byte_for_byte(index: DataIndex, tmp_path: Path) -> None:
    data = tmp_path / "data"
    before = {path: path.read_bytes() for path in data.rglob("*.*")}
    write(index, [decide("c.png", [box(1, 70, 50, 10, 10)], [])], tmp_path / "copy")
    assert {path: path.read_bytes() for path in data.rglob("*.*")} == before
    assert (tmp_path / "copy/labels/a.txt").read_bytes() == (data / "labels/a.txt").read_bytes()
    assert (tmp_path / "copy/labels/c.txt").read_text() == "", "a label that reaches out is found as it is shown"
    assert len(scan(tmp_path / "copy").records) == 3


def test_only_accepted_decisions_change_anything(index: DataIndex, tmp_path: Path) -> None:
    decisions = [
        decide("a.png", [box(1, 10, 10, 20, 20)], [], "reject"),
        decide("a.png", [box(9, 0, 0, 1, 1)], [], "skip"),
    ]
    assert write(index, decisions, tmp_path / "copy").changes == []


def test_of_two_equal_labels_one_goes(index: DataIndex, tmp_path: Path) -> None:
    (tmp_path / "data/labels/a.txt").write_text(f"{FIRST}\n{FIRST}\n")
    write(index, [decide("a.png", [box(1, 10, 10, 20, 20)], [])], tmp_path / "copy")
    assert (tmp_path / "copy/labels/a.txt").read_text() == f"{FIRST}\n"


REFUSED = {
    "another image": (decide("../a.png", [], [box(1, 1, 1, 5, 5)]), "the name of an image"),
    "a label that is not there": (decide("a.png", [box(1, 11, 10, 20, 20)], []), "labels have changed"),
    "a label of another class": (decide("a.png", [box(2, 10, 10, 20, 20)], []), "labels have changed"),
    "a box outside": (decide("a.png", [], [box(1, 90, 5, 10, 10)]), "within the image of 80 x 60"),
    "a box without area": (decide("a.png", [], [box(1, 5, 5, 0, 10)]), "within the image"),
    "a negative size": (decide("a.png", [], [box(1, 5, 5, -3, 10)]), "within the image"),
    "an unknown class": (decide("a.png", [], [box(7, 5, 5, 10, 10)]), "one of 1, 2"),
    "nothing to do": (decide("a.png", [], []), "neither"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_the_data_is_refused(index: DataIndex, tmp_path: Path, name: str) -> None:
    decision, message = REFUSED[name]
    with pytest.raises(UserError, match=r"decisions.json: decisions\[1\]") as caught:
        write(index, [decide("a.png", [], [box(1, 1, 1, 5, 5)]), decision], tmp_path / "copy")
    assert message in str(caught.value)
    assert not (tmp_path / "copy").exists(), "nothing is written then"


def test_two_decisions_cannot_remove_one_label(index: DataIndex, tmp_path: Path) -> None:
    twice = [decide("a.png", [box(1, 10, 10, 20, 20)], [])] * 2
    with pytest.raises(UserError, match="another decision removes it too"):
        write(index, twice, tmp_path / "copy")


def test_the_copy_is_apart_from_the_data_and_new(index: DataIndex, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--out"):
        write(index, [], tmp_path / "data/images/copy")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    with pytest.raises(UserError, match="an empty or new folder"):
        write(index, [], tmp_path / "full")


GOOD = {"version": 1, "review": "0123", "decisions": [decide("a.png", [], [box(1, 1, 2, 3, 4)])]}
BAD_FILES: dict[str, tuple[Any, str]] = {
    "a list": ([], "dict"),
    "no decisions": ({"version": 1, "review": "x"}, "decisions: expected a value, got none"),
    "another version": ({**GOOD, "version": 2}, "version: expected an integer from 1 to 1, got 2"),
    "a version that is no number": ({**GOOD, "version": "1"}, "version"),
    "a decision of another name": ({**GOOD, "decisions": [{**GOOD["decisions"][0], "decision": "yes"}]}, "'accept'"),
    "three coordinates": ({**GOOD, "decisions": [decide("a.png", [], [box(1, 1, 2, 3)])]}, r"add[0].bbox_xywh"),
    "a text as coordinate": ({**GOOD, "decisions": [decide("a.png", [], [box(1, 1, 2, 3, "4")])]}, "bbox_xywh[3]"),
    "a huge coordinate": ({**GOOD, "decisions": [decide("a.png", [], [box(1, 1, 2, 3, 1e300)])]}, "bbox_xywh[3]"),
    "a class with a point": ({**GOOD, "decisions": [decide("a.png", [], [box(1.5, 1, 2, 3, 4)])]}, "class_num"),
    "a class that is true": ({**GOOD, "decisions": [decide("a.png", [], [box(True, 1, 2, 3, 4)])]}, "class_num"),
    "an image that is a number": ({**GOOD, "decisions": [decide(3, [], [])]}, "image"),
    "a negative id": ({**GOOD, "decisions": [{**GOOD["decisions"][0], "id": -1}]}, "id"),
    "a dict of decisions": ({**GOOD, "decisions": {"0": "accept"}}, "decisions"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_not_the_pages_is_refused(tmp_path: Path, name: str) -> None:
    content, message = BAD_FILES[name]
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_decisions(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", '{"a": 1, "a": 2}', '{"version": NaN}', "[" * 100_000, "\udcff"])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "decisions.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match="JSON"):
        read_decisions(path)


def test_the_pages_own_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "decisions.json").write_text(json.dumps(GOOD))
    assert read_decisions(tmp_path / "decisions.json") == GOOD
    assert np.isfinite(GOOD["decisions"][0]["add"][0]["bbox_xywh"]).all()


def test_confirmed_hard_normals_are_listed_with_those_of_the_data(index: DataIndex, tmp_path: Path) -> None:
    image, label = tmp_path / "data/images/d.png", tmp_path / "data/labels/d.txt"
    write_image(image, SIZE_WH)
    label.write_text("")
    (tmp_path / "data/hard_normals.txt").write_text("d.png\n")
    index = scan(tmp_path / "data")
    done = write(index, [], tmp_path / "copy", ["sub/b.png"])
    assert (tmp_path / "copy/hard_normals.txt").read_text() == "d.png\nsub/b.png\n"
    assert done.num_hard_normals == 2
    found = decide("d.png", [], [box(1, 5, 5, 10, 10)], kind="missing")
    done = write(index, [found], tmp_path / "found", ["sub/b.png"])
    assert (tmp_path / "found/hard_normals.txt").read_text() == "sub/b.png\n", "d.png has a label now"


def test_without_a_hard_normal_there_is_no_list(index: DataIndex, tmp_path: Path) -> None:
    write(index, [], tmp_path / "copy")
    assert not (tmp_path / "copy/hard_normals.txt").exists()


def test_a_hard_normal_is_an_image_of_the_data_without_labels(index: DataIndex, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        write(index, [], tmp_path / "copy", ["a.png", "sub/b.png", "../a.png"])
    assert [problem.where for problem in caught.value.problems] == [
        "decisions.json: hard_normals[0]",
        "decisions.json: hard_normals[2]",
    ]
    assert "got 'a.png' with 2" in str(caught.value)
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": "../labels/a.png"}, r"decisions\[0\]\.image: expected the name of an image in"),
        ({"image": "/etc/passwd"}, "expected the name of an image in"),
        ({"image": "./a.png"}, "expected the name of an image in"),
        ({"image": "a.png\0"}, "expected the name of an image in"),
        ({"kind": "=cmd|' /C calc'!A0"}, r"decisions\[0\]\.kind: expected 'missing', 'class', 'box'"),
        ({"kind": "box\x1b[2J"}, "kind: expected 'missing'"),
        ({"add": [box(1, 1e308, 1, 1, 1)]}, "less than or equal to 2147483648"),
        ({"add": [box(1, 1, 2, -3, 4)]}, "a box within the image of 80 x 60 pixels"),
        ({"add": [box(1, True, 2, 3, 4)]}, "a valid number, got True"),  # type: ignore[list-item]
        ({"add": [box(10**30, 1, 2, 3, 4)]}, "less than 1000000000000000000"),
        ({"id": -1}, "greater than or equal to 0"),
        ({"id": 2**70}, "decisions"),
    ],
)
def test_decisions_of_a_stranger_lead_nowhere(
    index: DataIndex, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = tmp_path / "decisions.json"
    decision = {**decide("a.png", [], [box(1, 12, 11, 18, 19)]), **changes}
    path.write_text(json.dumps({"review": "x", "decisions": [decision]}), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        write_corrected(index, read_decisions(path), tmp_path / "copy", str(path))
    assert not (tmp_path / "copy").exists()


def test_a_suspect_is_decided_once(index: DataIndex, tmp_path: Path) -> None:
    """Else a label would come as often as it is repeated."""
    decided: Any = {"review": "x", "decisions": [decide("a.png", [], [box(1, 12, 11, 18, 19)])] * 2}
    with pytest.raises(UserError, match=r"decisions\[1\]\.id: expected each suspect once, got 0 again"):
        write_corrected(index, decided, tmp_path / "copy", "decisions.json")


def test_kinds_are_those_of_the_review() -> None:
    assert get_args(Kind) == KINDS
