"""Which number a class gets where the source has only its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.formats.cases import run, write_files

_BOX = "<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>50</xmax><ymax>60</ymax></bndbox>"


def _voc(*names: str) -> str:
    return f"<annotation>{''.join(f'<object><name>{name}</name>{_BOX}</object>' for name in names)}</annotation>"


def _cvat(*names: str) -> str:
    labels = "".join(f"<label><name>{name}</name></label>" for name in names)
    boxes = "".join(f'<box label="{name}" xtl="10" ytl="20" xbr="50" ybr="60"/>' for name in names)
    image = f'<image name="a.png" width="160" height="100">{boxes}</image>'
    return f"<annotations><meta><task><labels>{labels}</labels></task></meta>{image}</annotations>"


@pytest.mark.parametrize(("format_name", "file", "write"), [("voc", "a.xml", _voc), ("cvat", "annotations.xml", _cvat)])
@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (("2", "10", "0"), {2: "2", 10: "10", 0: "0"}),  # by name, 10 would be class 2, and 2 class 3
        (("-1", "7"), {-1: "-1", 7: "7"}),
        (("dent", "7"), None),
        (("01", "2"), None),
    ],
)
def test_names_that_are_numbers_are_their_own(format_name, file, write, names, numbers, tmp_path: Path) -> None:
    done = run(
        write_files(tmp_path / "in", {file: write(*names), "a.png": None}), format_name, "anomdet", tmp_path / "o"
    )
    assert done.names == numbers or (numbers is None and sorted(done.names) == [1, 2])
    lines = (tmp_path / "o/labels/a.txt").read_text().splitlines()
    assert [done.names[int(line.split()[0])] for line in lines] == list(names)
    again = run(tmp_path / "o", "anomdet", "voc", tmp_path / "v")
    assert run(tmp_path / "v", "voc", "anomdet", tmp_path / "o2").names == again.names == done.names
