"""DeepPCB's own layout."""

from __future__ import annotations

from pathlib import Path

from tests.unit.formats.cases import boxes_of, notes_of, problems_of, read, write_files

FILES = {
    "PCBData/trainval.txt": "group20085/20085/20085291.jpg group20085/20085_not/20085291.txt\n",
    "PCBData/test.txt": "group12100/12100/12100001.jpg group12100/12100_not/12100001.txt\n",
    "PCBData/group20085/20085/20085291_test.jpg": None,
    "PCBData/group20085/20085/20085291_temp.jpg": None,
    "PCBData/group20085/20085_not/20085291.txt": "10 20 30 50 3\n40 20 42 24 6\n",
    "PCBData/group12100/12100/12100001_test.jpg": None,
    "PCBData/group12100/12100_not/12100001.txt": "1,2,3,4,1\n",
}


def test_layout(tmp_path: Path) -> None:
    write_files(tmp_path, FILES)
    for path in (tmp_path, tmp_path / "PCBData"):
        dataset, findings = read("deeppcb", path)
        assert not findings.problems
        assert boxes_of(dataset) == {
            "12100001_test.jpg": [(1, 1, 2, 2, 2)],
            "20085291_test.jpg": [(3, 10, 20, 20, 30), (6, 40, 20, 2, 4)],
            "20085291_temp.jpg": [],
        }
        assert [picture.split for picture in dataset.pictures] == ["test", "train", "train"]
        assert dataset.names[6] == "pin-hole"
        assert notes_of(findings) == {"defect-free template": 1}


def test_problems(tmp_path: Path) -> None:
    files = dict(FILES)
    files["PCBData/test.txt"] = "one\na.jpg gone.txt\n"
    files["PCBData/group12100/12100_not/12100001.txt"] = "1 2 3 4\n1 2 3 4 0\n5 6 5 9 1\n"
    told = "\n".join(problems_of(read("deeppcb", write_files(tmp_path, files))[1]))
    for text in (
        "PCBData/test.txt:1: expected an image and its label file, got 'one'",
        "expected the label file gone.txt, got nothing",
        "12100001.txt:1: expected 'x1 y1 x2 y2 type', got '1 2 3 4'",
        "12100001.txt:2: expected a type from 1 to 6, got '0'",
        "12100001.txt:3: expected a box with a width and a height > 0",
    ):
        assert text in told, told
    (tmp_path / "other").mkdir()
    assert "group*/" in problems_of(read("deeppcb", tmp_path / "other")[1])[0]
