"""Label files beside the images: reported by any rule for images without one, never a normal part."""

from __future__ import annotations

import pytest

from anomdet.data.index.lost_labels import lost_labels
from anomdet.data.index.scan import scan
from anomdet.errors import UserError
from anomdet.quality.check.check import Rules, check_data
from anomdet.quality.check.findings import ERROR


@pytest.mark.parametrize("rule", ["error", "normal", "skip"])
def test_a_label_file_with_objects_beside_its_image_is_no_normal_part(rule, make_data):
    data_dir = make_data({"a.png": "1 1 1 5 5", "sub/b.png": None, "c.png": ""})
    (data_dir / "images/sub/b.txt").write_text("1 1 1 5 5\n")
    hint = "images/sub/b.txt beside it has objects: move it to labels/sub/b.txt"
    with pytest.raises(UserError) as raised:
        scan(data_dir, missing_labels=rule)
    assert [(problem.where, problem.hint) for problem in raised.value.problems] == [("images/sub/b.png", hint)]
    found = [one for one in check_data(data_dir, Rules(missing_labels=rule)).findings if one.severity == ERROR]
    assert [(one.code, one.hint) for one in found] == [("image-without-label", hint)]


@pytest.mark.parametrize("text", ["", "\n", "exposure 3 ms\n", "1 2 3\n"])
def test_other_text_beside_an_image_is_none(text, make_data):
    data_dir = make_data({"a.png": "1 1 1 5 5", "b.png": None})
    (data_dir / "images/b.txt").write_text(text)
    assert scan(data_dir, missing_labels="normal").notes[-1] == "1 images without a label file counted as normal"


def test_shares_polygons_and_scores_are_objects(tmp_path):
    for name, text in {"a.txt": "0 0.5 0.5 0.1 0.1", "b.TXT": "\r\n0 1 2 3 4 0.9", "c.txt": "0 1 2 3 4"}.items():
        (tmp_path / name).write_text(text)
    names = ["a.txt", "b.TXT", "c.txt", "gone.txt", "d.png"]
    assert lost_labels(str(tmp_path), names, {"c"}) == {"a": "a.txt", "b": "b.TXT"}
