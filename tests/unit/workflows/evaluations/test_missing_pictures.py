"""A folder of images that does not hold those of a report is said."""

from __future__ import annotations

from pathlib import Path

from anomdet.workflows.evaluations.files import missing_pictures


def test_images_that_are_not_there_are_counted_and_looked_for(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "images" / name).write_bytes(b"1")
    assert missing_pictures(tmp_path / "images", ["a.png", "b.png", "a.png"]) == ""
    assert missing_pictures(tmp_path / "images", []) == ""
    assert missing_pictures(tmp_path / "images", ["a.png", "c.png", "\0"]) == (
        f"2 of 3 images are not in {tmp_path / 'images'}, c.png first: the report shows none of them"
    )
    said = missing_pictures(tmp_path, ["a.png", "b.png"])
    assert said.endswith(f"; {tmp_path / 'images' / 'a.png'} is there: give the folder that the names start from")
