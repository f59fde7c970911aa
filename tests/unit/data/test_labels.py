from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from anomdet.data.labels import Labels, parse_labels, write_labels


def parse(tmp_path: Path, content: bytes | str):
    path = tmp_path / "a.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return parse_labels(path)


def test_corner_boxes_become_two_corners(tmp_path):
    labels, problems = parse(tmp_path, "3 10 20 30 40\n-7 1.5 .5 2. 1e1\n")
    assert problems == []
    np.testing.assert_array_equal(labels.bboxes_xyxy, [[10, 20, 40, 60], [1.5, 0.5, 3.5, 10.5]])
    np.testing.assert_array_equal(labels.class_nums, [3, -7])
    assert labels.bboxes_xyxy.dtype == np.float32 and labels.class_nums.dtype == np.int64


@pytest.mark.parametrize("content", ["", "\n", "  \r\n\t\n", b"\xef\xbb\xbf"])
def test_nothing_is_a_normal_image(tmp_path, content):
    labels, problems = parse(tmp_path, content)
    assert problems == [] and labels.bboxes_xyxy.shape == (0, 4) and labels.class_nums.shape == (0,)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf1 2 3 4 5\n", "1 2 3 4 5\r\n", " 1\t2  3 4 5 ", "+1 2 3 4 5"])
def test_editors_manners_are_accepted(tmp_path, content):
    labels, problems = parse(tmp_path, content)
    assert problems == [] and labels.class_nums.tolist() == [1]


@pytest.mark.parametrize(
    ("line", "expected", "got"),
    [
        ("1 2 3 4", "5 numbers", "4: '1 2 3 4'"),
        ("1 2 3 4 5 0.9", "5 numbers", "6:"),
        ("1,2,3,4,5", "5 numbers", "1:"),
        ("1.0 2 3 4 5", "an integer as class_num", "'1.0'"),
        ("scratch 2 3 4 5", "an integer as class_num", "'scratch'"),
        ("1_0 2 3 4 5", "an integer as class_num", "'1_0'"),
        ("99999999999999999999 2 3 4 5", "an integer as class_num", "'99999999999999999999'"),
        ("1 x 3 4 5", "pixels as x_corner", "'x'"),
        ("1 2 nan 4 5", "pixels as y_corner", "'nan'"),
        ("1 2 3 inf 5", "pixels as width", "'inf'"),
        ("1 2 3 1e999 5", "pixels as width", "'1e999'"),
        ("1 2 3 4 1_0", "pixels as height", "'1_0'"),
        ("1 2 3 ٤ 5", "pixels as width", "'٤'"),
        ("1 2 3 0 5", "a width > 0", "0"),
        ("1 2 3 4 -5", "a height > 0", "-5"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_kept(tmp_path, line, expected, got):
    labels, problems = parse(tmp_path, f"1 1 1 1 1\n\n{line}\n2 2 2 2 2\n")
    assert len(problems) == 1
    assert problems[0].where == f"{tmp_path / 'a.txt'}:3"
    assert expected in problems[0].expected and problems[0].got.startswith(got)
    assert labels.class_nums.tolist() == [1, 2]


def test_all_problems_of_a_file_at_once(tmp_path):
    _, problems = parse(tmp_path, "1 2\n1 2 3 4 5\n1 2 3 -4 5\nx\n")
    assert [problem.where.rsplit(":", 1)[1] for problem in problems] == ["1", "3", "4"]


@pytest.mark.parametrize("content", [b"1 2 3 4 5\n\xff\xfe", "1 2 3 4 5\n".encode("utf-16")])
def test_other_encodings_are_a_problem(tmp_path, content):
    labels, problems = parse(tmp_path, content)
    assert len(labels) == 0 and problems[0].expected == "UTF-8 text"


def test_missing_file_is_a_problem(tmp_path):
    _, problems = parse_labels(tmp_path / "none.txt")
    assert problems[0].got == "No such file or directory"


def test_written_labels_read_back_equal(tmp_path):
    rng = np.random.default_rng(0)
    corners = rng.uniform(-5, 4000, (500, 2))
    boxes = np.hstack([corners, corners + rng.uniform(0.01, 900, (500, 2))]).astype(np.float32)
    labels = Labels(boxes, rng.integers(-(10**12), 10**12, 500))
    write_labels(tmp_path / "a.txt", labels)
    again, problems = parse_labels(tmp_path / "a.txt")
    assert problems == []
    np.testing.assert_array_equal(again.bboxes_xyxy, boxes)
    np.testing.assert_array_equal(again.class_nums, labels.class_nums)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("space", ["\u00a0", "\x1c", "\u3000", "\x85"])
def test_a_space_that_is_none_is_named(tmp_path, space):
    """str.split() takes these for spaces, the format does not."""
    _, problems = parse(tmp_path, f"1{space}2 3 4 5\n")
    assert len(problems) == 1 and f"U+{ord(space):04X}" in problems[0].got


@pytest.mark.parametrize("line", ["1" + " 1111111111" * 4 * 100 + "x", "1" + f" {'1' * 2000}" * 4 + "x"])
def test_long_digits_take_no_time(tmp_path, line):
    """A number that a pattern can match in many ways takes time to the fourth power of its length."""
    start = time.perf_counter()
    _, problems = parse(tmp_path, line)
    assert len(problems) == 1 and time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("2.0 2 3 4 5", "write 2; anomdet check --fix does it in a copy"),
        ("-1.200000000000000000e+01 2 3 4 5", "write -12; anomdet check --fix does it in a copy"),
        ("2.5 2 3 4 5", ""),
        ("1e400 2 3 4 5", ""),
        ("-1 0 0 0.0 0e5", "if it stands for a normal part, delete the line: an empty file is one"),
        ("1 2 3 4 5\0\0", ""),
        ("\0\0\0\0", "zero bytes, as a crash leaves them: write the file anew"),
        ("0 0 0 0 x", "the box is a corner and a size, not two corners"),
    ],
)
def test_hints_of_tables_of_numbers_and_of_stand_ins(tmp_path, line, hint):
    """numpy.savetxt writes class numbers as fractions; other tools want a box of no size for an image without any."""
    _, problems = parse(tmp_path, line)
    assert [problem.hint for problem in problems] == [hint]
