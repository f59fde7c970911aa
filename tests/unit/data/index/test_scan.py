from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from anomdet.data.index import cache as index_cache
from anomdet.data.index.scan import scan
from anomdet.errors import UserError
from anomdet.quality.check.check import Rules, check_data
from tests.unit.images.image_samples import oriented


def problems_of(data_dir, **options) -> dict[str, str]:
    """Where and what of each problem of a scan."""
    with pytest.raises(UserError) as caught:
        scan(data_dir, **options)
    return {problem.where: f"{problem.expected}; {problem.got}" for problem in caught.value.problems}


def make_old(data_dir) -> None:
    """Put all files and folders an hour back."""
    for path in (data_dir, *data_dir.rglob("*")):
        os.utime(path, ns=(path.stat().st_mtime_ns - 3600 * 10**9,) * 2)


def test_records_are_sorted_and_hold_what_the_files_say(make_data):
    data_dir = make_data({"b.PNG": "9 1 2 3 4\n-2 5 6 7 8\n", "sub/c.jpg": "9 0 0 60 40\n", "a.bmp": ""})
    index = scan(data_dir)
    assert [record.file_name for record in index.records] == ["a.bmp", "b.PNG", "sub/c.jpg"]
    assert [record.img_id for record in index.records] == [0, 1, 2]
    assert {(record.height, record.width) for record in index.records} == {(40, 60)}
    assert [len(record.labels) for record in index.records] == [0, 2, 1]
    np.testing.assert_array_equal(index.records[1].labels.bboxes_xyxy, [[1, 2, 4, 6], [5, 6, 12, 14]])
    assert index.class_nums == (-2, 9) and index.notes == ()


def test_all_problems_at_once_with_file_and_line(make_data):
    texts = {"a.png": "1 2 3 4\n1 1 1 5 5\n2 70 0 5 5\n", "b.png": None, "c.png": "1 1 1 5 5", "c.jpg": "1 1 1 5 5"}
    data_dir = make_data({**texts, "cut.png": "1 1 1 5 5", "zero.webp": "", "text.png": ""})
    (data_dir / "labels/alone.txt").write_text("1 1 1 5 5\n")
    cut = data_dir / "images/cut.png"
    cut.write_bytes(cut.read_bytes()[:-30])
    (data_dir / "images/zero.webp").write_bytes(b"")
    (data_dir / "images/text.png").write_text("hello")
    found = problems_of(data_dir, classes={2: "dent"})
    assert found == {
        "labels/a.txt:1": "5 numbers 'class_num x_corner y_corner width height'; 4: '1 2 3 4'",
        "labels/a.txt:2": "a class number of data.classes (2); 1 here and on 2 more lines",
        "labels/a.txt:3": "a box within the image of 60 x 40 pixels (width x height); x 70 to 75, y 0 to 5",
        "images/b.png": "labels/b.txt; nothing",
        "images/c.png": "a name of its own; images/c.jpg too, which has the same label file",
        "images/cut.png": "a readable image; a truncated PNG (a chunk claims 7,251 bytes in a file of 7,278)",
        "images/zero.webp": "a readable image; an empty file",
        "images/text.png": "a readable image; a file that starts with b'hello'",
        "labels/alone.txt": "an image images/alone.*; nothing",
    }


@pytest.mark.parametrize("missing", [("images",), ("labels",), ("images", "labels")])
def test_missing_folders(tmp_path, missing):
    for name in {"images", "labels"} - set(missing):
        (tmp_path / name).mkdir()
    assert set(problems_of(tmp_path)) == {str(tmp_path / name) for name in missing}


def test_a_file_in_place_of_a_folder(make_data):
    data_dir = make_data({"a.png": "1 1 1 5 5"})
    (data_dir / "labels/a.txt").unlink()
    (data_dir / "labels").rmdir()
    (data_dir / "labels").write_text("")
    assert problems_of(data_dir) == {str(data_dir / "labels"): "a folder; a file"}


def test_no_images_is_a_problem_and_no_objects_is_none(make_data):
    assert problems_of(make_data({}, name="none")) == {
        "images/": "at least one image (png jpg jpeg bmp tif tiff webp); none"
    }
    normal = scan(make_data({"a.png": ""}, name="normal"))
    assert normal.class_nums == () and len(normal.records) == 1


def test_unknown_choices(make_data):
    assert problems_of(make_data({"a.png": "1 1 1 5 5"}), missing_labels="eror", verify_images="no") == {
        "data.missing_labels": "one of error, normal, skip; 'eror'",
        "data.verify_images": "one of header, decode; 'no'",
    }


def test_relative_boxes_are_recognised(make_data):
    """Reported alone where other images have no label file: in YOLO these are normal images."""
    found = problems_of(make_data({"a.png": "0 0.5 0.5 0.2 0.1\n", "b.png": None}))
    assert list(found) == ["labels/"]
    assert "boxes in pixels" in found["labels/"]


@pytest.mark.parametrize(("mode", "names"), [("normal", ["a.png", "b.png"]), ("skip", ["a.png"])])
def test_images_without_labels(make_data, mode, names):
    index = scan(make_data({"a.png": "1 1 1 5 5", "b.png": None}), missing_labels=mode)
    assert [record.file_name for record in index.records] == names
    assert len(index.records[-1].labels) == (0 if mode == "normal" else 1)
    assert len(index.notes) == 1 and "1 images without a label file" in index.notes[0]


def test_boxes_over_the_edge_are_clipped_and_counted(make_data):
    index = scan(make_data({"a.png": "1 -5 -5 20 20\n1 50 30 20 20\n1 1 1 5 5\n", "b.png": "1 0 0 60 40"}))
    np.testing.assert_array_equal(index.records[0].labels.bboxes_xyxy, [[0, 0, 15, 15], [50, 30, 60, 40], [1, 1, 6, 6]])
    assert index.notes == ("2 boxes in 1 images clipped to their image",)


@pytest.mark.parametrize("box", ["60 0 5 5", "0 40 5 5", "-5 0 5 5", "0 -9 5 5"])
def test_boxes_that_only_touch_the_image_are_outside(make_data, box):
    assert "a box within the image" in problems_of(make_data({"a.png": f"1 1 1 5 5\n\n1 {box}\n"}))["labels/a.txt:3"]


def test_classes_fix_the_numbers(make_data):
    index = scan(make_data({"a.png": "3 1 1 5 5"}), classes={7: "dent", 3: "hole"})
    assert index.class_nums == (3, 7) and index.notes == ("no objects of class 7 (dent)",)


def test_other_and_hidden_files_are_left_alone(make_data):
    data_dir = make_data({"a.png": "1 1 1 5 5"})
    for name in ("images/notes.txt", "images/._a.png", "labels/a.json", "labels/.DS_Store"):
        (data_dir / name).write_bytes(b"x")
    index = scan(data_dir)
    assert len(index.records) == 1
    assert index.notes == (
        "1 other files in images/ ignored, the first is notes.txt",
        "1 other files in labels/ ignored, the first is a.json",
    )


def test_turned_images_count_as_seen(make_data):
    data_dir = make_data({"a.png": "1 1 50 5 5"})
    (data_dir / "images/a.png").write_bytes(oriented("PNG", 8))
    index = scan(data_dir)
    assert (index.records[0].height, index.records[0].width) == (60, 40)
    assert index.notes == ()


def test_the_second_scan_is_the_first_until_a_file_changes(make_data, monkeypatch):
    data_dir = make_data({"a.png": "1 1 1 5 5", "b.png": "2 1 1 5 5"})
    assert scan(data_dir) is not scan(data_dir)  # a file of this very moment may change again and look the same
    make_old(data_dir)
    monkeypatch.setattr(index_cache, "_COARSE_NS", 0)  # no test can put a file's ctime back
    first = scan(data_dir)
    assert scan(data_dir) is first
    assert scan(data_dir, classes={1: "x", 2: "y"}) is not first
    (data_dir / "labels/a.txt").write_text("5 1 1 5 5")
    assert scan(data_dir).class_nums == (2, 5)
    (data_dir / "images/b.png").unlink()
    assert set(problems_of(data_dir)) == {"labels/b.txt"}


def test_decoding_finds_damage_that_headers_hide(make_data):
    data_dir = make_data({"a.png": "1 1 1 5 5", "b.png": ""}, size_hw=(100, 100))
    path = data_dir / "images/b.png"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    assert len(scan(data_dir).records) == 2
    assert set(problems_of(data_dir, verify_images="decode")) == {"images/b.png"}


def make_special(data_dir) -> None:
    """A pipe nobody writes to is waited for without end; /dev/zero ends never; both have no bytes by their stamps."""
    for name in ("images/b.png", "labels/c.txt", "labels/d.txt"):
        (data_dir / name).unlink()
    os.mkfifo(data_dir / "images/b.png")
    os.mkfifo(data_dir / "labels/c.txt")
    (data_dir / "labels/d.txt").symlink_to("/dev/zero")


@pytest.fixture
def in_time():
    """A test that waits without end fails."""

    def fail(*_):
        raise AssertionError("it would wait for ever")

    signal.signal(signal.SIGALRM, fail)
    signal.alarm(20)
    yield
    signal.alarm(0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("options", [{}, {"verify_images": "decode"}, {"missing_labels": "normal"}])
def test_pipes_and_devices_are_never_opened(make_data, in_time, options):
    data_dir = make_data({name: "1 1 1 5 5" for name in ("a.png", "b.png", "c.png", "d.png")})
    make_special(data_dir)
    assert problems_of(data_dir, **options) == {
        "images/b.png": "a readable image; a named pipe",
        "labels/c.txt": "a readable label file; a named pipe",
        "labels/d.txt": "a readable label file; a device",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("decode", [False, True])
def test_a_check_opens_no_pipe_either(make_data, in_time, decode):
    data_dir = make_data({name: "1 1 1 5 5" for name in ("a.png", "b.png", "c.png", "d.png")})
    make_special(data_dir)
    checked = check_data(data_dir, Rules(decode=decode))
    assert {(one.code, one.where, one.got) for one in checked.findings} == {
        ("image-unreadable", "images/b.png", "a named pipe"),
        ("label-unreadable", "labels/c.txt", "a named pipe"),
        ("label-unreadable", "labels/d.txt", "a device"),
    }
    assert checked.counts()["normal_images"] == 0


def test_a_folder_that_only_a_shell_fills_in_is_said(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    for given, full in (("~/parts", "/home/me/parts"), ("$HOME/parts", "/home/me/parts")):
        with pytest.raises(UserError, match="are not filled in: write") as caught:
            scan(given)
        assert str(caught.value).endswith(f"write {full}")
