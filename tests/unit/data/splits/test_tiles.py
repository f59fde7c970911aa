"""Tiles of one image in two splits are reported: they share pixels, and near-duplicates they are not."""

from __future__ import annotations

from types import SimpleNamespace

from anomdet.data.splits.tiles import torn_tiles

NAMES = ["a_x0_y0.png", "a_x40_y0.png", "line/b_x0_y0.png", "line/b_x0_y40.png", "other.png"]


def sentence(folder, by="ratio", **positions):
    index = SimpleNamespace(data_dir=folder, columns=SimpleNamespace(file_names=lambda: NAMES))
    return torn_tiles(index, positions, by)


def test_only_tiles_in_several_splits_are_reported(tmp_path):
    assert sentence(tmp_path, train=[0], test=[1]) == "", "no map: the names say nothing"
    (tmp_path / "tile_map.json").write_text("{}")
    assert sentence(tmp_path, train=[0, 1], test=[2, 3, 4]) == ""
    assert sentence(tmp_path, train=[0, 2], val=[1, 4], test=[3]) == (
        "the tiles of 2 images are in several splits (a in train and val): they overlap, which makes metrics too good; "
        r"set data.split.group_regex='^(.*)_x\d+_y\d+'"
    )
    assert sentence(tmp_path, by="files", train=[0], val=[1]).endswith("correct the lists of data.split_files")
