"""Which images are read before a run: the large ones that are kept, and are not yet."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from anomdet.data.dataset import TextLabelDataset
from anomdet.data.kept import note_on_kept, read_ahead, unread
from anomdet.data.pipeline import steps
from anomdet.data.pipeline.donors import load_whole
from anomdet.data.tiles import decoded
from anomdet.errors import UserError
from anomdet.images import strips

PIPELINE = [
    {"type": "anomdet.LoadInspectionImage", "cache_gb": 1.0},
    {"type": "mmdet.LoadAnnotations", "with_bbox": True},
    {"type": "anomdet.FitInside", "size_hw": (32, 32)},
    {"type": "anomdet.PackInspectionInputs", "meta_keys": ()},
]
LISTS = {"train": "train.txt", "val": "val.txt", "test": "test.txt"}
pytestmark = pytest.mark.usefixtures("small_images_are_kept")


@pytest.fixture
def root(tmp_path):
    """Three large images and a small one to learn from."""
    for folder in ("images", "labels"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for at, side in enumerate((80, 90, 100, 20, 120, 30)):
        pixels = np.random.default_rng(at).integers(0, 255, (side, side, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"data/images/{at}.png"), pixels)
        (tmp_path / f"data/labels/{at}.txt").write_text("1 2 2 9 9\n")
    (tmp_path / "train.txt").write_text("0.png\n1.png\n2.png\n3.png\n")
    (tmp_path / "val.txt").write_text("4.png\n")
    (tmp_path / "test.txt").write_text("5.png\n")
    return tmp_path / "data"


def build(root, cache_gb=1.0, **more):
    lists = {name: str(root.parent / file) for name, file in LISTS.items()}
    pipeline = [{**PIPELINE[0], "cache_gb": cache_gb}, *PIPELINE[1:]]
    return TextLabelDataset(str(root), "train", split_files=lists, pipeline=pipeline, **more)


def names(records):
    return [record["file_name"] for record in records]


def test_large_images_are_read_once(root):
    dataset = build(root)
    assert names(unread(dataset)) == ["0.png", "1.png", "2.png"]
    dataset[1]
    assert names(unread(dataset)) == ["0.png", "2.png"]
    read_ahead(dataset, unread(dataset), num_threads=2)
    assert not unread(dataset) and not unread(build(root)) and len(list(root.parent.glob("cache/fitted/*.npy"))) == 3


def test_where_not_all_fit_none_is_read_first(root):
    assert not unread(build(root, cache_gb=2 * 3 * 32 * 32 / 1e9)) and len(unread(build(root, cache_gb=1e-5))) == 3
    assert not unread(build(root, cache_gb=0.0))


TILES = {"size_hw": (40, 40), "overlap_hw": (4, 4), "seen_hw": (32, 32), "include_whole": False, "min_visible": 0.3}


def test_tiles_are_cut_from_images_that_are_kept_as_stored(root, monkeypatch):
    dataset = build(root, tiles=TILES)
    assert names(unread(dataset)) == ["0.png", "1.png", "2.png"], "images, not tiles"
    wanted = build(root, cache_gb=0.0, tiles=TILES)[0]["inputs"]
    read_ahead(dataset, unread(dataset), num_threads=2)
    assert not unread(dataset) and len(list(root.parent.glob("cache/decoded/*.npy"))) == 3
    monkeypatch.setattr(decoded, "read_noted", None)  # nothing is decoded again
    monkeypatch.setattr(strips, "bytes_of", None)  # nor is the file read
    assert (dataset[0]["inputs"] == wanted).all()


def test_the_room_for_images_of_tiles_is_that_of_their_stored_size(root):
    num_bytes = 3 * (80 * 80 + 90 * 90 + 100 * 100)
    assert len(unread(build(root, cache_gb=num_bytes / 1e9, tiles=TILES))) == 3
    small = build(root, cache_gb=(num_bytes - 1) / 1e9, tiles=TILES)
    assert not unread(small) and "(data.tiles.cache_gb) are kept" in note_on_kept(small)


def test_of_an_image_whose_rows_are_read_alone_nothing_is_kept(root):
    pixels = cv2.imread(str(root / "images/0.png"))
    (root / "images/0.png").unlink()
    cv2.imwrite(str(root / "images/0.tif"), pixels)
    (root.parent / "train.txt").write_text("0.tif\n1.png\n2.png\n3.png\n")
    assert names(unread(build(root, tiles=TILES))) == ["1.png", "2.png"]
    assert names(unread(build(root))) == ["0.tif", "1.png", "2.png"]


@pytest.mark.parametrize(
    ("tiles", "is_kept"),
    [({}, False), ({"include_whole": True}, True), ({"size_hw": (80, 40)}, True), ({"size_hw": (40, 80)}, False)],
)
def test_a_tiff_file_of_which_a_tile_has_all_rows_is_read_first(root, tiles, is_kept):
    """Its pixels are kept when that tile is drawn, so that a plan must not count the decoding as lasting."""
    (root / "images/0.png").unlink()
    cv2.imwrite(str(root / "images/0.tif"), np.random.default_rng(0).integers(0, 255, (80, 120, 3), dtype=np.uint8))
    (root.parent / "train.txt").write_text("0.tif\n3.png\n")
    dataset = build(root, tiles={**TILES, **tiles})
    assert names(unread(dataset)) == ["0.tif"] * is_kept
    for at in range(len(dataset)):
        dataset[at]
    assert not unread(dataset) and len(list(root.parent.glob("cache/decoded/*.npy"))) == is_kept


@pytest.mark.parametrize("tiles", [None, TILES])
def test_no_record_is_made_of_images_that_do_not_fit_anyway(root, monkeypatch, tiles):
    """Of a million large images they would take gigabytes at each start."""
    for at in range(6, 30):
        cv2.imwrite(str(root / f"images/{at}.png"), np.zeros((80, 80, 3), np.uint8))
        (root / f"labels/{at}.txt").write_text("")
    (root.parent / "train.txt").write_text("".join(f"{at}.png\n" for at in [0, *range(6, 30)]))
    dataset, made = build(root, cache_gb=1e-6, tiles=tiles), []
    record_of = type(dataset).image_info
    monkeypatch.setattr(type(dataset), "image_info", lambda self, at: made.append(at) or record_of(self, at))
    assert not unread(dataset) and note_on_kept(dataset).startswith("25 large images") and len(made) == 2


def test_another_data_set_reads_as_it_likes():
    assert unread(object()) == [] and note_on_kept(object()) == ""


def test_an_image_that_cannot_be_read_is_named(root):
    dataset = build(root)
    records = unread(dataset)
    (root / "images/1.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"1\.png"):
        read_ahead(dataset, records, num_threads=2)


def test_the_note_says_how_much_disk_and_where(root):
    note = note_on_kept(build(root))
    assert note.startswith("3 large images decoded once and kept as seen in ") and "cache_gb" not in note
    assert str(root.parent / "cache/fitted") in note
    assert "at most 1e-09 GB (data.cache_gb) are kept" in note_on_kept(build(root, cache_gb=1e-9))
    assert note_on_kept(build(root, cache_gb=0.0)) == ""


def test_a_donor_is_as_stored_where_its_own_image_is_kept_fitted(root):
    dataset = build(root)
    read_ahead(dataset, unread(dataset), num_threads=1)
    assert load_whole(dataset, 0)["img"].shape == (80, 80, 3), "its boxes are in stored pixels"


def test_a_donor_of_tiles_is_not_decoded_again(root, monkeypatch):
    dataset = build(root, tiles=TILES)
    wanted = [load_whole(build(root, cache_gb=0.0, tiles=TILES), at)["img"] for at in range(4)]
    read_ahead(dataset, unread(dataset), num_threads=1)
    monkeypatch.setattr(decoded, "read_noted", lambda path, **options: pytest.fail(path))
    monkeypatch.setattr(steps, "read_image", decoded.read_noted)
    for at in range(3):
        assert np.array_equal(load_whole(dataset, at)["img"], wanted[at])
