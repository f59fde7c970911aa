"""Each kind of bad line, its code, and what can still be read of it."""

from __future__ import annotations

import time

import pytest

from anomdet.quality.check.lines import read_labels
from anomdet.quality.check.text import read_text


@pytest.mark.parametrize(
    ("line", "code", "values"),
    [
        ("1 2 3 4", "label-field-count", None),
        ("1 2 3 4 5 0.9", "label-field-count", None),
        ("1,2,3,4", "label-field-count", None),
        ("1,2,3,4,5", "label-separator", (2, 3, 4, 5)),
        ("1, 2, 3, 4, 5,", "label-separator", (2, 3, 4, 5)),
        ("1;2;3;4;5", "label-separator", (2, 3, 4, 5)),
        ("1 2,5 3 4,25 5", "label-separator", (2.5, 3, 4.25, 5)),
        ("1;2,5;3;4;5", "label-separator", (2.5, 3, 4, 5)),
        ("1,2,x,4,5", "label-separator", None),
        ("1\u00a02 3 4 5", "label-odd-space", (2, 3, 4, 5)),
        ("1.0 2 3 4 5", "label-class-not-integer", (2, 3, 4, 5)),
        ("1.000e+00 2.0e0 3 4 5", "label-class-not-integer", (2, 3, 4, 5)),
        ("1.5 2 3 4 5", "label-class-not-integer", None),
        ("dent 2 3 4 5", "label-class-not-integer", (2, 3, 4, 5)),
        ("bump 2 3 4 5", "label-class-not-integer", None),
        ("1 2 3 4 5px", "label-not-a-number", None),
        ("1 nan 3 4 5", "label-not-finite", None),
        ("1 2 3 -Inf 5", "label-not-finite", None),
        ("1 2 3 4 1e7", "label-too-large", None),
        ("1 2 3 4 -5", "label-size-not-positive", None),
        ("1 2 3 0 5", "label-size-not-positive", None),
        ("1.0,2,3,4,5", "label-separator", None),
        ("1,0 2 3 4 5", "label-separator", None),
    ],
)
def test_a_bad_line(line, code, values):
    read = read_labels(f"1 1 1 1 1\n{line}\n1 9 9 9 9\n".encode(), "labels/a.txt", {"dent": 1})
    assert [(found.code, found.where) for found in read.findings] == [(code, "labels/a.txt:2")]
    assert str(read.findings[0]).startswith("labels/a.txt:2: expected ")
    rows = {row.line: row for row in read.rows}
    assert rows.keys() == ({1, 2, 3} if values else {1, 3})
    assert read.complete == bool(values)
    if values:
        assert rows[2].values == values and rows[2].class_num == 1
        assert [(rewrite.line, rewrite.before) for rewrite in read.rewrites] == [(2, line)]


@pytest.mark.parametrize("line", ["1\t2\t3\t4\t5", " +1  2. .5 4e0 5 "])
def test_tabs_and_number_styles_are_fine(line):
    read = read_labels(f"{line}\n".encode(), "a.txt", {})
    assert not read.findings and len(read.rows) == 1


GOOD = "1 2 3 4 5\n2 3 4 5 6\n"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xef\xbb\xbf" + GOOD.encode(), "label-bom"),
        (GOOD.replace("\n", "\r\n").encode(), "label-crlf"),
        (GOOD.replace("\n", "\r").encode(), "label-line-ends"),
        (GOOD.encode("utf-16"), "label-encoding"),
        (GOOD.encode("utf-16-be"), "label-encoding"),
        (GOOD.encode("utf-32"), "label-encoding"),
    ],
)
def test_odd_bytes_are_told_and_read(data, code):
    read = read_labels(data, "a.txt", {})
    assert [found.code for found in read.findings] == [code]
    assert [(row.line, row.class_num) for row in read.rows] == [(1, 1), (2, 2)]
    assert read.complete and read.rewrites[0].line == 0


@pytest.mark.parametrize("length", [1, 2, 30])
def test_zero_bytes_alone_are_no_utf_16(length):
    read = read_labels(b"\0" * length, "a.txt", {})
    assert [(found.code, found.got) for found in read.findings] == [
        ("label-binary", "zero bytes alone, as a crash leaves a file")
    ]
    assert not read.rows and not read.complete


def test_latin_1_names_the_first_line_that_is_not_utf_8():
    read = read_labels("1 2 3 4 5\n# größe\n".encode("latin-1"), "a.txt", {})
    assert [(found.code, found.line) for found in read.findings] == [("label-encoding", 2), ("label-field-count", 2)]


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" * 9, b"\xff\xfe\x00\xd8", bytes(range(128, 256))]
)
def test_binary_is_told_once(data):
    read = read_labels(data, "a.txt", {})
    assert [found.code for found in read.findings] == ["label-binary"] and not read.rows and not read.complete


@pytest.mark.parametrize(
    ("data", "blank"), [(b"", False), (b"\n \t\n", True), (b"\xef\xbb\xbf", True), (b"1 2 3 4 5", False)]
)
def test_blank(data, blank):
    assert read_labels(data, "a.txt", {}).blank == blank


LONG = 300_000


@pytest.mark.parametrize(
    "line",
    [
        "1 2 3 4 " + "5" * LONG + "x",
        "1," * LONG,
        " " * LONG + "x",
        "1" + " " * LONG + ";",
        "[" * LONG,
        "1;2,3" * LONG,
        "1 " * LONG,
        "1," + "9" * LONG + ",3,4,5",
        "nan" * LONG,
        "1 2" + "," * LONG + " 3",
    ],
    ids=lambda line: f"{line[:12]!r}",
)
def test_long_lines_take_no_time(line):
    start = time.perf_counter()
    assert read_labels(line.encode(), "a.txt", {}).findings[0].line == 1
    assert time.perf_counter() - start < 2


def test_one_line_with_a_carriage_return_is_a_line():
    assert not read_text(b"1 2 3 4 5\r").oddities
    assert not read_text(b"1 2\r3 4 5").oddities
