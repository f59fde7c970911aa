"""What tiles lose is said before a run, and refused where a class would have no object left."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config

from anomdet.data.dataset import TextLabelDataset
from anomdet.data.index.columns import ImageRecord, columns_of
from anomdet.data.labels import NO_OBJECTS
from anomdet.errors import UserError
from anomdet.tiles import Tiling
from anomdet.workflows.runs.tile_losses import check_num_tiles, look_at_tiles
from anomdet.workflows.runs.tiles import note_on_tiles
from tests.unit.workflows.test_tile import write_data

SIZE_HW = (300, 400)
SMALL, LARGE = (20, 20, 20, 20), (50, 60, 200, 180)


def looked(folder, objects, *, size=64, include_whole=False):
    """Of 10 images with the same objects each, whose training split has 8."""
    data = write_data(folder / "data", {f"{at}.png": (SIZE_HW, objects) for at in range(10)})
    tiles = {"size_hw": (size, size), "overlap_hw": (13, 13), "include_whole": include_whole, "min_visible": 0.3}
    dataset = TextLabelDataset(
        str(data), "train", (0.8, 0.1, 0.1), tiles={**tiles, "seen_hw": (64, 64)}, classes={3: "scratch", 9: "hole"}
    )
    dataset.full_init()
    return look_at_tiles(SimpleNamespace(train_dataloader=SimpleNamespace(dataset=dataset)))


def test_nothing_is_said_where_each_object_is_in_some_tile(tmp_path):
    assert looked(tmp_path, [(3, *SMALL), (9, *SMALL)]) == []


def test_objects_that_no_tile_keeps_are_a_warning(tmp_path):
    (note,) = looked(tmp_path, [(3, *SMALL), (3, *LARGE), (9, *SMALL)])
    assert "8 of 24 objects are kept in no tile, since each tile shows less than 0.3 of its area (" in note
    assert "and 5 more images)" in note
    assert "the detector does not learn them; set data.tiles.include_whole=true" in note


def test_the_whole_image_keeps_them(tmp_path):
    assert looked(tmp_path, [(3, *SMALL), (3, *LARGE), (9, *SMALL)], include_whole=True) == []


def test_a_class_without_an_object_in_any_tile_is_refused(tmp_path):
    with pytest.raises(
        UserError, match="class hole in some tile of the training split, got none of its 8 objects"
    ) as one:
        looked(tmp_path, [(3, *SMALL), (9, *LARGE)])
    assert len(one.value.problems) == 1
    assert "data.tiles.include_whole=true" in str(one.value)


def test_tiles_that_do_nothing_are_a_warning(tmp_path):
    (note,) = looked(tmp_path, [(3, *SMALL), (9, *SMALL)], size=4000)
    assert "each training image is one tile, as none is larger than 4,000 x 4,000 px: tiles do nothing" in note


@pytest.mark.parametrize(
    ("size_hw", "tiling", "count"),
    [
        ((1200, 1600), Tiling((640, 640), (639, 639)), "539,121"),
        ((1200, 1600), Tiling((64, 64), (55, 55)), "22,016"),
    ],
)
def test_absurdly_many_tiles_are_refused(size_hw, tiling, count):
    columns = columns_of([ImageRecord(0, "a.png", *size_hw, NO_OBJECTS), ImageRecord(1, "b.png", 30, 30, NO_OBJECTS)])
    with pytest.raises(UserError, match=f"at most 10,000 tiles of this image, got {count} tiles of a.png"):
        check_num_tiles(columns, tiling)


@pytest.mark.parametrize(
    ("size_hw", "tiling"),
    [((20_000, 20_000), Tiling((64, 64), (32, 32))), ((40_000, 40_000), Tiling((320, 320), (64, 64)))],
)
def test_large_images_may_have_many_tiles(size_hw, tiling):
    """An overlap of one half passes, however large the image is."""
    check_num_tiles(columns_of([ImageRecord(0, "a.png", *size_hw, NO_OBJECTS)]), tiling)


def test_an_evaluation_names_its_tiles_and_how_to_do_without():
    tiles = {"size_hw": (96, 128), "overlap_hw": (32, 16), "include_whole": True}
    pipeline = [{"type": "anomdet.PackTiles", "tiles": tiles}]
    config = Config({"test_dataloader": {"dataset": {"pipeline": pipeline}}})
    found = note_on_tiles(config)
    assert found.startswith("tiles as trained: 128 x 96 px, overlap 16 x 32 px, and the whole image; --tiles off ")
    config.test_dataloader.dataset.pipeline = [{"type": "anomdet.PackInspectionInputs"}]
    assert note_on_tiles(config) == ""
