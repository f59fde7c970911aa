"""10,000 label files of all manners: nothing crashes, every bad line is found, no good line is blamed."""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict

import cv2
import numpy as np
import pytest

from anomdet.data.labels import parse_label_file
from anomdet.quality.check.check import Rules, check_data
from anomdet.quality.check.findings import ERROR, Finding
from anomdet.quality.check.lines import read_labels
from anomdet.quality.check.text_format import show_text
from tests.unit.quality.check.fuzz import SIZE_WH, fuzzed_file

NUM_FILES = 10_000
NUM_ON_DISK = 600
WHOLE = ("label-encoding", "label-binary", "label-line-ends")


def judge(file: str, findings: list[Finding], bad: list[int], good: list[int], style: str) -> None:
    """The findings of one file against the truth."""
    whole = {found.code for found in findings if found.code in WHOLE}
    errors = {found.line for found in findings if found.severity == ERROR and found.code not in WHOLE}
    assert not set(good) & errors, (file, style)
    assert set(bad) <= errors or "label-binary" in whole, (file, style)
    if style in ("plain", "bom", "crlf"):
        assert set(bad) == errors and not whole, (file, style)
    if style == "bytes":
        assert whole, file


@pytest.mark.slow
def test_every_bad_line_is_found_and_no_good_one_blamed():
    rng = random.Random(0)
    styles: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    num_lines = num_bad = 0
    for at in range(NUM_FILES):
        data, bad, good, style = fuzzed_file(rng)
        findings = read_labels(data, f"{at}.txt", {}).findings
        judge(f"{at}.txt", findings, bad, good, style)
        styles[style] += bool(bad)
        codes.update(found.code for found in findings)
        num_lines, num_bad = num_lines + len(bad) + len(good), num_bad + len(bad)
    assert num_lines > 15_000 and num_bad > 5_000, (num_lines, num_bad)
    assert styles["plain"] > 2000 and min(styles.values()) > 300, styles
    assert min(codes.values()) >= 5 and len(codes) >= 12, codes


def test_the_whole_check_on_some_of_them(tmp_path):
    """With images; and the training's own reader refuses the same lines."""
    rng = random.Random(1)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((*SIZE_WH[::-1], 3), np.uint8))
    truth = {}
    for at in range(NUM_ON_DISK):
        data, *told = fuzzed_file(rng)
        truth[f"labels/{at:05}.txt"] = told
        (tmp_path / "labels" / f"{at:05}.txt").write_bytes(data)
        os.link(tmp_path / "image.png", tmp_path / "images" / f"{at:05}.png")
    checked = check_data(tmp_path, Rules())
    findings: dict[str, list[Finding]] = defaultdict(list)
    for found in checked.findings:
        findings[found.file].append(found)
    for file, (bad, good, style) in truth.items():
        judge(file, findings[file], bad, good, style)
        if style in ("plain", "bom", "crlf"):
            strict = parse_label_file(tmp_path / file, where="")
            assert {int(problem.where[1:]) for problem in strict.problems} == set(bad)
    codes = {found.code for found in checked.findings}
    assert not {code for code in codes if code.startswith(("boxes-", "box-"))}, "good lines are good boxes"
    assert show_text(checked, checked.findings, everything=True).replace("\n", "").isprintable()
