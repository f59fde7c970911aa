"""A corrected copy: nothing in place, every change listed, and nothing left for a second check."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from anomdet.data.index.scan import scan
from anomdet.errors import UserError
from anomdet.quality.check.check import Rules, check_data
from anomdet.quality.check.findings import ERROR
from anomdet.quality.check.fix import write_fixed
from tests.unit.quality.check.plant import plant

GOOD = "1 5 6 20 10\n2 30 20 12 13\n"


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "changes.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def left_out(folder: Path) -> list[tuple[str, str]]:
    return [(row["file"], row["code"]) for row in rows(folder) if row["action"] == "left out"]


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_class_names_and_splits_come_along_without_images_that_are_left_out(make_data, tmp_path):
    data_dir = make_data({"good.png": GOOD, "broken.png": "1 5 6 20\n", "more.png": GOOD})
    (data_dir / "splits").mkdir()
    (data_dir / "splits/train.txt").write_text("images/broken.png\r\nimages/good.png\r\n")
    (data_dir / "splits/test.txt").write_bytes(b"\xef\xbb\xbfmore.png\n")
    (data_dir / "hard_normals.txt").write_text("more.png\nbroken.png\n")
    (data_dir / "classes.yaml").write_text("data: {classes: {1: dent, 2: hole}}\n")
    write_fixed(check_data(data_dir, Rules()), tmp_path / "out")
    assert (tmp_path / "out/splits/train.txt").read_text() == "images/good.png\n"
    assert (tmp_path / "out/splits/test.txt").read_text() == "more.png\n"
    assert (tmp_path / "out/hard_normals.txt").read_text() == "more.png\n"
    assert (tmp_path / "out/classes.yaml").read_bytes() == (data_dir / "classes.yaml").read_bytes()
    (data_dir / "splits/val.txt").write_bytes("more.png\n".encode("utf-16"))
    with pytest.raises(UserError, match=r"val\.txt: expected UTF-8 text"):
        write_fixed(check_data(data_dir, Rules()), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_list_names_images_as_training_reads_it(make_data, tmp_path):
    """Names that are no UTF-8, with line ends of Unicode, or with images/ as their own folder."""
    odd = (os.fsdecode(b"\xe4.png"), "a\u2028b.png")
    data_dir = make_data({"x.png": GOOD, "images/x.png": "1 5 6 20\n", "good.png": GOOD})
    for name in odd:
        shutil.copy(data_dir / "images/good.png", data_dir / "images" / name)
        shutil.copy(data_dir / "labels/good.txt", data_dir / "labels" / f"{name[:-4]}.txt")
    (data_dir / "splits").mkdir()
    lines = ["images/x.png", *odd, "x.png"]
    (data_dir / "splits/train.txt").write_bytes(os.fsencode("".join(f"{line}\n" for line in lines)))
    write_fixed(check_data(data_dir, Rules()), tmp_path / "out")
    assert os.fsdecode((tmp_path / "out/splits/train.txt").read_bytes()).split("\n")[:-1] == lines[1:]


def test_what_happens_to_each_fault(make_data, tmp_path):
    texts = {
        "good.png": GOOD,
        "comma.png": "1,5,6,20,10\n2 30 20 12 13\n",
        "decimal.png": "1 5,5 6 20 10\n",
        "name.png": "dent 5 6 20 10\n",
        "twice.png": "1 5 6 20 10\n1 5 6 20 10\n",
        "out.png": "1 50 6 20 10\n2 30 20 12 13\n",
        "outside.png": "1 70 6 20 10\n2 30 20 12 13\n",
        "broken.png": "1 5 6 20\n2 30 20 12 13\n",
        "near.png": "1 5 6 20 10\n1 5 6 20.5 10\n",
        "lost.png": None,
    }
    data_dir = make_data(texts)
    (data_dir / "labels/crlf.txt").write_bytes(GOOD.replace("\n", "\r\n").encode())
    (data_dir / "images/crlf.png").write_bytes((data_dir / "images/good.png").read_bytes())
    (data_dir / "labels/orphan.txt").write_text(GOOD)
    before = fingerprint(data_dir)
    corrected = write_fixed(check_data(data_dir, Rules(classes={1: "dent", 2: "hole"})), tmp_path / "out")

    assert fingerprint(data_dir) == before, "never in place"
    labels = {path.name: path.read_text() for path in (tmp_path / "out/labels").iterdir()}
    assert labels == {
        "good.txt": GOOD,
        "comma.txt": GOOD,
        "decimal.txt": "1 5.5 6 20 10\n",
        "name.txt": "1 5 6 20 10\n",
        "twice.txt": "1 5 6 20 10\n",
        "out.txt": "1 50 6 10 10\n2 30 20 12 13\n",
        "near.txt": texts["near.png"],
        "crlf.txt": GOOD,
    }
    assert {path.stem for path in (tmp_path / "out/images").iterdir()} == {name[:-4] for name in labels}
    assert corrected.num_images == 8
    listed = {(row["file"], row["line"], row["action"], row["code"]) for row in rows(tmp_path / "out")}
    assert listed == {
        ("labels/comma.txt", "1", "rewritten", "label-separator"),
        ("labels/decimal.txt", "1", "rewritten", "label-separator"),
        ("labels/name.txt", "1", "rewritten", "label-class-not-integer"),
        ("labels/twice.txt", "2", "removed", "box-exact-duplicate"),
        ("labels/out.txt", "1", "clipped", "box-reaches-out"),
        ("labels/outside.txt", "", "left out", "box-outside"),
        ("images/outside.png", "", "left out", "box-outside"),
        ("labels/broken.txt", "", "left out", "label-field-count"),
        ("images/broken.png", "", "left out", "label-field-count"),
        ("labels/near.txt", "2", "kept", "box-near-duplicate"),
        ("images/lost.png", "", "left out", "image-without-label"),
        ("labels/crlf.txt", "", "rewritten", "label-crlf"),
        ("labels/orphan.txt", "", "left out", "label-without-image"),
    }
    changed = next(row for row in rows(tmp_path / "out") if row["action"] == "clipped")
    assert (changed["before"], changed["after"]) == ("1 50 6 20 10", "1 50 6 10 10")
    scan(tmp_path / "out", classes={1: "dent", 2: "hole"})


def test_a_missing_label_that_means_normal_becomes_an_empty_file(make_data, tmp_path):
    data_dir = make_data({"a.png": "1 5 6 20 10\n1 30 20 12 13\n", "b.png": None})
    write_fixed(check_data(data_dir, Rules(missing_labels="normal")), tmp_path / "out")
    assert (tmp_path / "out/labels/b.txt").read_bytes() == b""
    assert [row["action"] for row in rows(tmp_path / "out")] == ["added"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_a_second_check_finds_no_errors(any_dir, tmp_path, seed):
    plant(any_dir, tmp_path / "data", seed)
    checked = check_data(tmp_path / "data", Rules())
    corrected = write_fixed(checked, tmp_path / "out")
    again = check_data(tmp_path / "out", Rules())
    assert not [str(found) for found in again.findings if found.severity == ERROR]
    scan(tmp_path / "out")
    listed = {(change.file, change.line) for change in corrected.changes} | {
        (change.file, 0) for change in corrected.changes
    }
    serious = [found for found in checked.findings if found.severity != "note"]
    assert all((found.file, found.line) in listed or (found.file, 0) in listed for found in serious)


def test_the_folder_must_be_empty_and_outside(make_data, tmp_path):
    checked = check_data(make_data({"a.png": GOOD}), Rules())
    with pytest.raises(UserError, match="an empty or new folder"):
        write_fixed(checked, checked.data_dir)
    with pytest.raises(UserError, match="a place outside of the data"):
        write_fixed(checked, checked.data_dir / "labels" / "corrected")
    (tmp_path / "empty").mkdir()
    assert write_fixed(checked, tmp_path / "empty").num_images == 1
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--fix"):
        write_fixed(checked, tmp_path / "file")
    with pytest.raises(UserError, match="can be written"):
        write_fixed(checked, tmp_path / "file" / "below")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "empty", "file"], "nothing half done is left"


def test_an_image_with_two_label_files_is_left_out(make_data, tmp_path):
    """One of them may hold the defect that the other does not."""
    data_dir = make_data({"a.png": "", "good.png": GOOD})
    (data_dir / "labels/a.TXT").write_text(GOOD)
    write_fixed(check_data(data_dir, Rules()), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out/images").iterdir()] == ["good.png"]
    assert left_out(tmp_path / "out") == [("images/a.png", "label-twins"), ("labels/a.txt", "label-twins")]


def test_an_image_that_the_settings_skip_is_left_out_for_that_reason(make_data, tmp_path):
    data_dir = make_data({"a.png": GOOD, "good.png": GOOD})
    (data_dir / "labels/a.txt").unlink()
    write_fixed(check_data(data_dir, Rules(missing_labels="skip")), tmp_path / "out")
    assert left_out(tmp_path / "out") == [("images/a.png", "image-without-label")]


@pytest.mark.parametrize("overlap_px", [0.3, 0.0004, 1e-6])
def test_what_training_has_of_a_sliver_is_what_the_check_says(make_data, tmp_path, overlap_px):
    """Of the last nothing is left in single precision; the second is nothing where it is rounded."""
    data_dir = make_data({"good.png": GOOD, "sliver.png": f"1 {60 - overlap_px:.10g} 5 6 7\n"})
    checked = check_data(data_dir, Rules())
    codes = {found.code for found in checked.findings}
    write_fixed(checked, tmp_path / "out")
    records = scan(tmp_path / "out").records
    assert ("box-outside" in codes) == (overlap_px == 1e-6)
    if overlap_px == 1e-6:
        assert [record.file_name for record in records] == ["good.png"]
        with pytest.raises(UserError, match="a box within the image"):
            scan(data_dir)
    else:
        x1, _, x2, _ = records[1].labels.bboxes_xyxy[0].tolist()
        assert len(scan(data_dir).records) == 2 and 0 < x2 - x1 <= overlap_px + 1e-3


def test_a_box_thinner_than_single_precision_holds_is_refused_by_check_and_training_alike(make_data):
    data_dir = make_data({"a.png": GOOD + "1 50 5 0.0000001 9\n"})
    assert ("box-outside", 3) in {(found.code, found.line) for found in check_data(data_dir, Rules()).findings}
    with pytest.raises(UserError, match=r"a\.txt:3: expected a box within the image"):
        scan(data_dir)
