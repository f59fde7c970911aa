"""Names of classes from the files that other tools leave."""

from __future__ import annotations

import pytest

from anomdet.formats.names_beside import names_beside
from tests.unit.formats.cases import run, write_files


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.yaml", "data:\n  classes:\n    1: dent\n    2: hole\n"),
        ("classes.yaml", "1: dent\n2: hole\n"),
        ("classes.yaml", "classes: {1: dent, 2: hole}\n"),
        ("data.yaml", "names: {0: background, 1: dent, 2: hole}\n"),
        ("data.yaml", "names: [background, dent, hole]\n"),
        ("classes.txt", "background\r\ndent\r\nhole\r\n"),
        ("obj.names", "background\ndent\nhole\n"),
        ("notes.json", '{"categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "hole"}]}'),
    ],
)
def test_each_file_is_read(tmp_path, name, text):
    (tmp_path / name).write_bytes(text.encode())
    found = names_beside(tmp_path, [2, 1])
    assert found.names == {1: "dent", 2: "hole"}
    assert found.source == name


def test_names_of_classes_without_labels_are_left_out_and_told(tmp_path):
    (tmp_path / "classes.txt").write_text("dent\nhole\ncrack\n")
    found = names_beside(tmp_path, [0, 1])
    assert found.names == {0: "dent", 1: "hole"}
    assert found.notes == ("classes.txt: left out, as no label has them: 2 (crack)",)


def test_a_list_that_starts_at_another_number_is_not_guessed_at(tmp_path):
    (tmp_path / "classes.txt").write_text("dent\nhole\n")
    found = names_beside(tmp_path, [1, 2])
    assert found.names == {1: "1", 2: "2"}
    assert found.source == ""
    assert found.notes == ("classes.txt not used: it has no name for 2, only for 0 to 1",)


def test_the_next_file_is_taken_where_one_does_not_fit(tmp_path):
    (tmp_path / "data.yaml").write_text("names: [dent]\n")
    (tmp_path / "classes.txt").write_text("background\ndent\n")
    found = names_beside(tmp_path, [1])
    assert (found.names, found.source) == ({1: "dent"}, "classes.txt")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("classes.txt", b"\xff\xfe\x00"),
        ("data.yaml", b"names: ["),
        ("data.yaml", b"path: x\n"),
        ("notes.json", b"{}"),
        ("notes.json", b"["),
        ("classes.yaml", b"data: {classes: {x: 1}}\n"),
    ],
)
def test_files_that_say_nothing_are_passed_over(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert names_beside(tmp_path, [5]).names == {5: "5"}


def test_a_name_that_is_there_twice_is_no_name(tmp_path):
    (tmp_path / "classes.txt").write_text("dent\ndent\n")
    assert names_beside(tmp_path, [0, 1]).names == {0: "0", 1: "1"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notes.json", '{"categories": [{"id": 1e400, "name": "dent"}]}'),
        ("notes.json", "[]"),
        ("data.yaml", "names: dent\n"),
        ("data.yaml", "names: {0: null, 1: [a]}\n"),
        ("data.yaml", "names: [null, true]\n"),
        ("notes.json", '{"categories": [{"id": 0, "name": null}, {"id": 1, "name": ["a"]}]}'),
    ],
)
def test_what_is_no_name_is_not_used_and_told(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = names_beside(tmp_path, [0, 1])
    assert found.names == {0: "0", 1: "1"} and found.source == ""
    assert len(found.notes) == 1 and found.notes[0].startswith(f"{name} not used: ")


def test_classes_yaml_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "classes.yaml").write_text("data:\n  classes:\n    0: [a]\n")
    assert names_beside(tmp_path, [0]).notes == ("classes.yaml not used: no names of classes can be read from it",)


@pytest.mark.parametrize("name", ["classes.txt", "obj.names"])
def test_a_blank_line_keeps_the_numbers_of_the_others(tmp_path, name):
    (tmp_path / name).write_text("dent\n\nscratch\nhole\n")
    assert names_beside(tmp_path, [0, 2]).names == {0: "dent", 2: "scratch"}
    found = names_beside(tmp_path, [0, 1])
    assert found.names == {0: "0", 1: "1"}
    assert found.notes == (f"{name} not used: it has no name for 1, only for 0, 2, 3",)


def test_conversion_keeps_the_names_that_init_would_take(tmp_path):
    files = {"images/a.png": None, "labels/a.txt": "1 2 3 4 5\n", "classes.txt": "dent\nscratch\nhole\n"}
    done = run(write_files(tmp_path / "source", files), "anomdet", "coco", tmp_path / "out")
    assert done.names == {0: "dent", 1: "scratch", 2: "hole"}
    assert not done.notes
    write_files(tmp_path / "source", {"labels/a.txt": "7 2 3 4 5\n"})
    done = run(tmp_path / "source", "anomdet", "coco", tmp_path / "other")
    assert done.names == {7: "7"}
    (note,) = done.notes
    assert "file of class names: not used: it has no name for 7" in note
    write_files(tmp_path / "source", {"classes.yaml": "7: dent\n"})
    assert run(tmp_path / "source", "anomdet", "coco", tmp_path / "third").names == {7: "dent"}


def test_files_that_contradict_each_other_are_not_used(tmp_path):
    """Label Studio lists the classes in another order than it numbers them."""
    notes = {"categories": [{"id": "1", "name": "dent"}, {"id": "0", "name": "hole"}]}
    write_files(tmp_path, {"classes.txt": "dent\nhole\n", "notes.json": notes})
    found = names_beside(tmp_path, [0, 1])
    assert found.names == {0: "0", 1: "1"} and not found.source
    (note,) = found.notes
    assert note == "notes.json not used: classes.txt names the classes otherwise; delete the file that is wrong"
    write_files(tmp_path, {"data.yaml": "names: [crack, pore]\n"})
    assert names_beside(tmp_path, [0, 1]).names == {0: "crack", 1: "pore"}, "settings count"
    (tmp_path / "data.yaml").unlink()
    write_files(tmp_path, {"classes.txt": "hole\ndent\n"})
    assert names_beside(tmp_path, [0, 1]).names == {0: "hole", 1: "dent"}


@pytest.mark.parametrize("name", ["classes.txt", "obj.names", "data.yaml", "classes.yaml"])
def test_names_in_the_encoding_of_windows_say_so(name, tmp_path):
    """As Notepad saves them as ANSI: classes were called by their numbers, with no word of the encoding."""
    text = "names: [Brühe]\n" if name.endswith("yaml") else "Brühe\n"
    (tmp_path / name).write_bytes(text.encode("cp1252"))
    found = names_beside(tmp_path, [0])
    assert found.notes == (f"{name} not used: it is no text in UTF-8; save it so, and its names are taken",)
