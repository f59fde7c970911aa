"""The page of the images to label next: what is on it, and that names stay text."""

from __future__ import annotations

from pathlib import Path

from anomdet.report.to_label_page import write_to_label_page
from tests.unit.report.page import Page

HOSTILE = "<img src=x onerror=alert(1)>\"'.png"


def test_each_image_with_its_reason_and_boxes(tmp_path: Path) -> None:
    boxes = [{"name": "scratch", "score": 0.456, "bbox_xywh": [1, 2, 30.5, 4]}]
    rows = [
        {"rank": 1, "image": HOSTILE, "address": "a%20b.png", "size_wh": [40, 30], "score": 0.8, "reason": "rare"},
        {"rank": 2, "image": "deep.tif", "address": "", "size_wh": [40, 30], "score": 0.4, "reason": "new"},
    ]
    shown = [{**rows[0], "boxes": boxes}, {**rows[1], "boxes": []}]
    path = write_to_label_page("Next: <b>", shown, "2 of 9", tmp_path / "to_label.html")
    text = path.read_text(encoding="utf-8")
    page = Page(text).root
    first, second = page.all("li")
    assert HOSTILE in first.one("h2").text
    assert first.one("p", class_="note").text == "score 0.80; 1 box: scratch 0.46"
    rect = first.one("rect").attributes
    assert [rect[name] for name in ("x", "y", "width", "height")] == ["1", "2", "30.5", "4"]
    assert first.one("image").attributes["href"] == "a%20b.png"
    assert not second.all("image") and "a browser cannot show this image" in second.one("p", class_="note").text
    assert page.one("h1").text == "Next: <b>" and not page.all("img"), "names stay text"
    assert "default-src 'none'" in text
