"""What is proposed for a folder of tiles, and for images that need some."""

import cv2
import numpy as np
import pytest
import yaml

from anomdet.config.translate_data import split_arguments
from anomdet.data.index.scan import scan
from anomdet.data.splits.make import as_split_rule, make_splits
from anomdet.errors import UserError
from anomdet.tiles import GROUPS
from anomdet.workflows.propose import propose_settings
from anomdet.workflows.tile import tile


@pytest.fixture
def tiles(tmp_path):
    """Ten images of 100 x 150 px, in six tiles each."""
    for name in ("images", "labels"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for at in range(10):
        cv2.imwrite(str(tmp_path / f"data/images/part{at}.png"), np.full((100, 150, 3), at, dtype=np.uint8))
        (tmp_path / f"data/labels/part{at}.txt").write_text("1 20 20 30 30\n")
    return tile(tmp_path / "data", tmp_path / "tiles", size=64, overlap=16).written[0]


def groups_line(found):
    (line,) = [note for note in found.notes if note[2:].startswith("groups ")]
    return line


def test_the_tiles_of_an_image_stay_in_one_split(tiles):
    found = propose_settings(tiles, device="cpu")
    assert found.settings.data.split.group_regex == GROUPS
    assert groups_line(found).startswith(f"  groups        {GROUPS}: the images are tiles (tile_map.json)")
    index = scan(str(tiles))
    splits = make_splits(index, as_split_rule(**split_arguments(found.settings.data)))
    split_of = {
        (index.records[at].file_name.partition("_")[0], split) for split, ats in splits.positions.items() for at in ats
    }
    assert len(split_of) == 10
    assert {split for _, split in split_of} == {"train", "val", "test"}


def test_images_of_another_kind_among_the_tiles_are_a_warning(tiles):
    """The pattern would be refused for them, so it is not chosen without a word."""
    for name in ("images/part0_x0_y0.png", "labels/part0_x0_y0.txt"):
        (tiles / name).rename((tiles / name).with_stem("strange"))
    found = propose_settings(tiles, device="cpu")
    assert found.settings.data.split.group_regex is None
    assert groups_line(found).startswith("! groups        tile_map.json lies there, but 1 name as strange.png")


@pytest.mark.parametrize(
    ("override", "expected"),
    [(r"data.split.group_regex='^(part\d)_'", r"^(part\d)_"), ("data.split.by=ratio", None)],
)
def test_what_the_user_has_chosen_stays(tiles, override, expected):
    assert propose_settings(tiles, [override], device="cpu").settings.data.split.group_regex == expected


def test_lists_that_tear_an_image_apart_are_refused(tiles):
    names = sorted(path.name for path in (tiles / "images").iterdir())
    (tiles / "splits").mkdir()
    for split, own in (("train", names[:40]), ("val", names[40:])):  # six tiles an image: 40 is inside of one
        (tiles / f"splits/{split}.txt").write_text("\n".join(own) + "\n")
    with pytest.raises(UserError, match="expected all images of the group 'part6' in train"):
        propose_settings(tiles, device="cpu")


def test_a_folder_without_a_map_has_no_such_groups(tiles):
    (tiles / "tile_map.json").unlink()
    assert propose_settings(tiles, device="cpu").settings.data.split.group_regex is None


def test_proposed_tiles_are_printed_as_one_writes_them(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for at in range(3):
        cv2.imwrite(str(tmp_path / f"images/{at}.png"), np.zeros((2000, 2000), dtype=np.uint8))
        (tmp_path / f"labels/{at}.txt").write_text("1 20 20 9 9\n")
    found = propose_settings(tmp_path, device="cpu")
    (line,) = [note for note in found.notes if note[2:].startswith("tiles ")]
    text = line[16 : line.index("}") + 1]
    assert text == "{size: 320, overlap: 64}"
    tiles = found.settings.data.tiles
    assert yaml.safe_load(text) == {"size": tiles.size, "overlap": tiles.overlap}


@pytest.mark.parametrize(("overrides", "expected"), [([], 300), (["model.name=fcos"], 100)])
def test_a_crowd_is_reported_whole(tmp_path, overrides, expected):
    """Beside the preset's own overrides; another network's limit may stand elsewhere, and is left alone."""
    from anomdet.config.translate import to_mmengine

    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    boxes = "".join(f"1 {x} {y} 12 12\n" for x in range(0, 200, 16) for y in range(0, 176, 16))  # 143
    for at in range(3):
        cv2.imwrite(str(tmp_path / f"images/{at}.png"), np.zeros((220, 220), dtype=np.uint8))
        (tmp_path / f"labels/{at}.txt").write_text(boxes)
    settings = propose_settings(
        tmp_path, ["model.backbone=null", "model.overrides={}", *overrides], device="cpu"
    ).settings
    assert "test_cfg" not in settings.model.overrides  # the user's own
    settings = propose_settings(tmp_path, overrides, device="cpu").settings
    assert to_mmengine(settings).model.test_cfg.max_per_img == expected
