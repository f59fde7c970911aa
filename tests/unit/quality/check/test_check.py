"""The check of a whole folder: files without partners, bad images, and that it agrees with what training accepts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from anomdet.data.index.scan import scan
from anomdet.errors import UserError
from anomdet.images import decode
from anomdet.quality.check.check import Checked, Rules, check_data
from anomdet.quality.check.findings import ERROR, count_severities, make_strict
from anomdet.quality.check.fix import write_fixed
from anomdet.quality.check.machine_formats import show_json, show_sarif
from anomdet.quality.check.text_format import show_text, verdict

TEXTS = {f"{stem}.png": "1 5 6 20 10\n2 30 20 12 13\n" for stem in "abcdef"}


def found_in(checked: Checked) -> set[tuple[str, str]]:
    return {(found.code, found.where) for found in checked.findings}


def refused(data_dir: Path, rules: Rules) -> bool:
    """Whether training would refuse the folder."""
    verify = "decode" if rules.decode else "header"
    try:
        scan(data_dir, missing_labels=rules.missing_labels, classes=rules.classes, verify_images=verify)
    except UserError:
        return True
    return False


def image(folder: Path, name: str, pixels: np.ndarray) -> None:
    (folder / "images" / name).write_bytes(cv2.imencode(Path(name).suffix, pixels)[1].tobytes())


def cut(folder: Path, name: str) -> None:
    path = folder / "images" / name
    path.write_bytes(path.read_bytes()[:-40])


def spoil_pixels(folder: Path, name: str) -> None:
    path = folder / "images" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(bytes(data))


GREY16 = np.full((40, 60), 65535, np.uint16)
CASES: dict[str, tuple[Callable[[Path], object], set[tuple[str, str]], Rules]] = {
    "good": (lambda d: None, set(), Rules()),
    "missing label": (lambda d: (d / "labels/a.txt").unlink(), {("image-without-label", "images/a.png")}, Rules()),
    "missing label is normal": (
        lambda d: (d / "labels/a.txt").unlink(),
        {("image-without-label", "images/a.png")},
        Rules(missing_labels="normal"),
    ),
    "missing label is left out": (
        lambda d: (d / "labels/a.txt").unlink(),
        {("image-without-label", "images/a.png")},
        Rules(missing_labels="skip"),
    ),
    "missing image": (lambda d: (d / "images/a.png").unlink(), {("label-without-image", "labels/a.txt")}, Rules()),
    "list of classes": (
        lambda d: (d / "labels/classes.txt").write_text("dent\n"),
        {("label-without-image", "labels/classes.txt"), ("label-field-count", "labels/classes.txt:1")},
        Rules(),
    ),
    "twins": (lambda d: image(d, "a.jpg", np.zeros((40, 60, 3), np.uint8)), {("image-twins", "images/a.png")}, Rules()),
    "truncated image": (lambda d: cut(d, "a.png"), {("image-truncated", "images/a.png")}, Rules()),
    "empty image": (lambda d: (d / "images/a.png").write_bytes(b""), {("image-empty", "images/a.png")}, Rules()),
    "no image": (
        lambda d: (d / "images/a.png").write_bytes(b"<html>"),
        {("image-unreadable", "images/a.png")},
        Rules(),
    ),
    "pixels unseen": (lambda d: spoil_pixels(d, "a.png"), set(), Rules()),
    "pixels seen": (lambda d: spoil_pixels(d, "a.png"), {("image-unreadable", "images/a.png")}, Rules(decode=True)),
    "depth": (
        lambda d: image(d, "a.png", GREY16),
        {("images-mixed-depth", "images/a.png"), ("images-mixed-channels", "images/a.png")},
        Rules(),
    ),
    "few bits": (
        lambda d: [image(d, f"{name}.png", GREY16 // 17) for name in "abcdef"],
        {("images-few-bits", "images/a.png")},
        Rules(),
    ),
    "few bits, decoded": (
        lambda d: [image(d, f"{name}.png", GREY16 // 17) for name in "abcdef"],
        {("images-few-bits", "images/a.png")},
        Rules(decode=True),
    ),
    "over bits": (
        lambda d: [image(d, f"{name}.png", GREY16) for name in "abcdef"],
        {("images-over-bits", "images/a.png")},
        Rules(bit_depth=12),
    ),
    "as many bits as said": (
        lambda d: [image(d, f"{name}.png", GREY16 // 17) for name in "abcdef"],
        set(),
        Rules(bit_depth=12),
    ),
    "size": (
        lambda d: image(d, "a.png", np.zeros((50, 70, 3), np.uint8)),
        {("images-mixed-size", "images/a.png")},
        Rules(),
    ),
    "another file": (lambda d: (d / "images/notes.md").write_text(""), {("file-ignored", "images/notes.md")}, Rules()),
    "suffix": (lambda d: (d / "images/a.png").rename(d / "images/a.bmp"), {("image-suffix", "images/a.bmp")}, Rules()),
    "case": (
        lambda d: (d / "labels/a.txt").rename(d / "labels/A.txt"),
        {("image-without-label", "images/a.png"), ("label-without-image", "labels/A.txt")},
        Rules(),
    ),
    "label twins": (
        lambda d: (d / "labels/a.TXT").write_text("1 5 5 5 5\n"),
        {("label-twins", "labels/a.txt")},
        Rules(),
    ),
    "blank": (lambda d: (d / "labels/a.txt").write_text("\n\n"), {("label-blank", "labels/a.txt")}, Rules()),
    "dangling label": (
        lambda d: [(d / "labels/a.txt").unlink(), (d / "labels/a.txt").symlink_to(d / "none")],
        {("label-unreadable", "labels/a.txt")},
        Rules(),
    ),
    "pointer of git": (
        lambda d: (d / "labels/a.txt").write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n"
        ),
        {("label-unreadable", "labels/a.txt")},
        Rules(),
    ),
    "outside": (
        lambda d: (d / "labels/a.txt").write_text("1 60 5 5 5\n"),
        {("box-outside", "labels/a.txt:1")},
        Rules(),
    ),
    "reaching out": (
        lambda d: (d / "labels/a.txt").write_text("1 50 5 15 5\n"),
        {("box-reaches-out", "labels/a.txt:1")},
        Rules(),
    ),
    "unknown class": (
        lambda d: (d / "labels/a.txt").write_text("7 5 5 5 5\n7 9 9 9 9\n"),
        {("class-unknown", "labels/a.txt:1"), ("class-unknown", "labels/a.txt:2")},
        Rules(classes={1: "x", 2: "y"}),
    ),
    "class once": (
        lambda d: (d / "labels/a.txt").write_text("7 5 5 5 5\n"),
        {("class-once", "labels/a.txt:1")},
        Rules(),
    ),
    "no objects": (
        lambda d: [path.write_text("") for path in (d / "labels").iterdir()],
        {("no-objects", "labels")},
        Rules(),
    ),
    "no images": (
        lambda d: [path.unlink() for folder in ("images", "labels") for path in (d / folder).iterdir()],
        {("no-images", "images")},
        Rules(),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_found_alone_and_training_agrees(make_data, case):
    spoil, expected, rules = CASES[case]
    data_dir = make_data(TEXTS)
    spoil(data_dir)
    checked = check_data(data_dir, rules)
    assert found_in(checked) == expected
    assert refused(data_dir, rules) == any(found.severity == ERROR for found in checked.findings)
    assert verdict(checked, checked.findings) == show_text(checked, checked.findings).splitlines()[-1]


@pytest.mark.parametrize(
    ("image", "label", "how"),
    [
        ("Pr\u00fcfling", "Pru\u0308fling", "how its letters are encoded (Unicode NFC or NFD)"),
        ("Pr\u00fcfling 1", "Pr%C3%BCfling%201", "its url-encoding"),
        ("z", "Z", "upper and lower case"),
        ("\u00dcber 1", "u\u0308ber%201", "letter case, Unicode form or url-encoding"),
    ],
)
def test_another_spelling_is_hinted_by_check_and_training(make_data, image, label, how):
    data_dir = make_data(TEXTS)
    (data_dir / "images/a.png").rename(data_dir / f"images/{image}.png")
    (data_dir / "labels/a.txt").rename(data_dir / f"labels/{label}.txt")
    hints = {found.code: found.hint for found in check_data(data_dir, Rules()).findings}
    assert how in hints["image-without-label"]
    assert how in hints["label-without-image"]
    with pytest.raises(UserError) as refusal:
        scan(data_dir)
    assert str(refusal.value).count(how) == 2


def test_a_folder_in_another_letter_case_is_hinted(make_data):
    data_dir = make_data(TEXTS)
    (data_dir / "labels").rename(data_dir / "Labels")
    for look in (lambda: check_data(data_dir, Rules()), lambda: scan(data_dir)):
        with pytest.raises(
            UserError, match="expected a folder, got nothing; Labels differs only in upper and lower case"
        ):
            look()


def test_case_is_hinted(make_data):
    data_dir = make_data(TEXTS)
    (data_dir / "labels/a.txt").rename(data_dir / "labels/A.txt")
    hints = {found.code: found.hint for found in check_data(data_dir, Rules()).findings}
    assert hints["image-without-label"] == "labels/A.txt differs only in upper and lower case"
    assert hints["label-without-image"] == "images/a.* differs only in upper and lower case"


def test_missing_labels_are_told_from_empty_ones(make_data):
    data_dir = make_data({**TEXTS, "empty.png": "", "missing.png": None})
    (found,) = check_data(data_dir, Rules()).findings
    assert found.where == "images/missing.png" and "empty file for a normal image (there are 1)" in found.hint


def test_a_missing_folder_is_bad_input(tmp_path):
    with pytest.raises(UserError, match="images: expected a folder, got nothing"):
        check_data(tmp_path, Rules())
    archive = tmp_path / "parts.zip"
    archive.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"parts\.zip, which is a file; unpack it, or run: anomdet convert"):
        check_data(archive, Rules())


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_the_inks_of_a_print_are_no_alpha(make_data, suffix):
    data_dir = make_data(TEXTS)
    (data_dir / "images/a.png").unlink()
    Image.new("CMYK", (60, 40), (200, 20, 20, 0)).save(data_dir / f"images/a.{suffix}")
    (found,) = [one for one in check_data(data_dir, Rules()).findings if one.code == "images-mixed-channels"]
    assert found.got == "CMYK, the inks of a print here"


def test_names_that_no_text_can_hold(make_data, tmp_path):
    """A name on a disk is bytes; findings of it are still shown and written in every format."""
    data_dir = make_data(TEXTS)
    for name in (b"\xff.txt", b"a\nb.txt", b"\x1b[2J.txt"):
        (data_dir / "labels" / os.fsdecode(name)).write_text("1 2 3\n")
    checked = check_data(data_dir, Rules())
    text = show_text(checked, checked.findings)
    assert "labels/\\xff.txt:1" in text and "labels/a\\nb.txt:1" in text and "\x1b" not in text
    assert "%FF.txt" in show_sarif(checked, checked.findings) and "udcff" in show_json(checked, checked.findings)
    assert "udcff" in (write_fixed(checked, tmp_path / "out").out_dir / "changes.csv").read_text(encoding="utf-8")


def test_a_name_with_a_line_break_is_reported(make_data):
    """Training refuses it after a scan that finds nothing: no list of a split can hold it."""
    folder = make_data({**TEXTS, "a\nb.png": ""})
    assert found_in(check_data(folder, Rules())) == {("image-name", r"images/a\nb.png")}


def test_strict(make_data):
    data_dir = make_data({**TEXTS, "g.png": "1 50 5 15 5\n"})
    findings = check_data(data_dir, Rules()).findings
    assert count_severities(findings) == {"error": 0, "warning": 1, "note": 0}
    assert count_severities(make_strict(findings)) == {"error": 1, "warning": 0, "note": 0}


def test_text_shows_twenty_of_a_kind(make_data):
    data_dir = make_data({"a.png": "1 2 3\n" * 25, "b.png": "1 2 3 4 5\n"})
    checked = check_data(data_dir, Rules())
    text = show_text(checked, checked.findings)
    assert text.startswith(
        "error label-field-count: lines with a wrong count of fields (25)\n  labels/a.txt:1: expected"
    )
    assert text.count("labels/a.txt:") == 20 and "and 5 more; --all shows them" in text
    assert show_text(checked, checked.findings, everything=True).count("labels/a.txt:") == 25
    assert "26" not in text and text.splitlines()[-1].startswith(
        "2 images (0 normal), 2 label files, 1 object: 25 errors"
    )


def test_the_look_at_pixels_leaves_out_images_that_are_too_large(make_data, monkeypatch):
    """A few kilobytes can claim 50,000 x 50,000 pixels."""
    line = "1 10 20 30 40\n1 50 5 20 9\n1 5 60 20 30\n"
    data_dir = make_data({f"{at}.png": line for at in range(4)})
    for at in range(4):
        cv2.imwrite(str(data_dir / f"images/{at}.png"), np.zeros((100 * (1 + 9 * (at == 2)),) * 2, np.uint8))
    read: list[str] = []
    pixels = np.zeros((100, 100, 3), np.uint8)
    monkeypatch.setattr(decode, "read_image", lambda path, **_: read.append(path.name) or pixels)
    check_data(data_dir, Rules(decode=True, max_image_megapixels=0.5))
    assert sorted(read) == ["0.png", "1.png", "3.png"]


@pytest.mark.parametrize(("text", "more"), [("1 1 1 5 5", ""), ("", "; 1 label files of zero bytes count as normal")])
def test_what_emptied_an_image_may_have_emptied_label_files(text, more, make_data):
    """Cloud folders and crashes leave files of zero bytes: an image is an error, a label file is a normal part."""
    data_dir = make_data({"a.png": "1 1 1 5 5", "b.png": text})
    (data_dir / "images/a.png").write_bytes(b"")
    found = next(one for one in check_data(data_dir, Rules()).findings if one.code == "image-empty")
    assert found.hint.startswith(f"copy it again{more}") and ("label files" in found.hint) == bool(more)
