"""A data folder as one of tiles, and results on tiles as results on images."""

import json

import cv2
import numpy as np
import pytest

from anomdet.data.index.scan import scan
from anomdet.errors import UserError
from anomdet.tiles import Tiling, plan
from anomdet.workflows.evaluate_files import evaluate_files
from anomdet.workflows.tile import tile
from anomdet.workflows.tile_map import read_map

SIZE_HW = (200, 300)
OBJECTS = {
    "a/one.png": [(3, 10, 20, 40, 30), (3, 80, 60, 60, 60), (9, 5, 150, 280, 20), (3, 120, 5, 60, 9)],
    "two.png": [],
    "three.png": [(9, 100, 50, 8, 8)],
}


@pytest.fixture
def data_dir(tmp_path):
    rng = np.random.default_rng(0)
    for name, objects in OBJECTS.items():
        image, label = tmp_path / "data/images" / name, (tmp_path / "data/labels" / name).with_suffix(".txt")
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(image), rng.integers(0, 255, (*SIZE_HW, 3), dtype=np.uint8))
        label.write_text("".join(" ".join(map(str, row)) + "\n" for row in objects))
    return tmp_path / "data"


def coco_of(folder, names=None):
    """A COCO data set of a folder of tiles, and perfect results on it."""
    index = scan(str(folder))
    images, rows = [], []
    for record in index.records:
        if names is not None and record.file_name not in names:
            continue
        images.append(
            {"id": record.img_id, "file_name": record.file_name, "height": record.height, "width": record.width}
        )
        for num, (x1, y1, x2, y2) in zip(
            record.labels.class_nums.tolist(), record.labels.bboxes_xyxy.tolist(), strict=True
        ):
            row = {"image_id": record.img_id, "category_id": num, "bbox": [x1, y1, x2 - x1, y2 - y1]}
            rows.append({**row, "score": 0.9})
    categories = [{"id": num, "name": str(num)} for num in index.class_nums]
    return {"images": images, "annotations": [], "categories": categories}, rows


def written(tmp_path, folder, names=None, change=lambda truth, rows: None):
    truth, rows = coco_of(folder, names)
    change(truth, rows)
    paths = tmp_path / "truth.json", tmp_path / "rows.json"
    for path, content in zip(paths, (truth, rows), strict=True):
        path.write_text(json.dumps(content))
    return paths


def test_the_tiles_are_the_images_and_their_labels_are_sound(data_dir, tmp_path):
    done = tile(data_dir, tmp_path / "tiles", size=128, overlap=32)
    windows = plan(SIZE_HW, Tiling((128, 128), (32, 32)))
    assert (done.num_images, done.num_tiles) == (3, 3 * len(windows))
    index = scan(str(tmp_path / "tiles"))
    assert len(index.records) == done.num_tiles
    assert index.class_nums == (3, 9)
    for name in ("two", "three", "a/one"):
        image = cv2.imread(str(data_dir / "images" / f"{name}.png"))
        for left, top, right, bottom in windows.tolist():
            own = cv2.imread(str(tmp_path / "tiles/images" / f"{name}_x{left}_y{top}.png"))
            differs = (own != image[top:bottom, left:right]).any(axis=2)
            assert not differs.any() or name == "a/one", "only parts of objects are blanked out"
    assert done.num_hidden > 0


def test_perfect_results_on_tiles_are_perfect_results_on_images(data_dir, tmp_path):
    """Among them an object over three tiles, and one that no tile shows whole."""
    tile(data_dir, tmp_path / "tiles", size=128, overlap=32)
    truth, rows = written(tmp_path, tmp_path / "tiles")
    found = evaluate_files(
        rows,
        truth,
        tile_map=tmp_path / "tiles/tile_map.json",
        overrides=["metrics.score_threshold=0.5"],
        out=tmp_path / "out",
    )
    assert found.metrics["recall"] == found.metrics["precision"] == 1
    assert found.metrics["mAP"] > 0.95
    boxes = sorted(row["bbox"] for row in found.predictions)
    wanted = sorted([x, y, w, h] for objects in OBJECTS.values() for _, x, y, w, h in objects)
    assert np.abs(np.subtract(boxes, wanted)).max() < 0.01


def test_a_split_of_whole_images_is_measured_and_a_torn_one_refused(data_dir, tmp_path):
    tile(data_dir, tmp_path / "tiles", size=128, overlap=32)
    names = [
        one["file_name"] for image in read_map(tmp_path / "tiles/tile_map.json").images[:1] for one in image["tiles"]
    ]
    tile_map = tmp_path / "tiles/tile_map.json"
    truth, rows = written(tmp_path, tmp_path / "tiles", names)
    found = evaluate_files(
        rows, truth, tile_map=tile_map, overrides=["metrics.score_threshold=0.5"], out=tmp_path / "out"
    )
    assert {row["image_id"] for row in found.predictions} == {0}
    truth, rows = written(tmp_path, tmp_path / "tiles", names[1:])
    with pytest.raises(UserError, match=r"expected all 6 tiles of a/one\.png, got 1 missing"):
        evaluate_files(rows, truth, tile_map=tile_map, out=tmp_path / "out2")


def test_a_tile_of_another_data_set_is_refused(data_dir, tmp_path):
    tile(data_dir, tmp_path / "tiles", size=128, overlap=32)

    def rename(truth, rows):
        truth["images"][0]["file_name"] = "strange.png"

    truth, rows = written(tmp_path, tmp_path / "tiles", change=rename)
    with pytest.raises(UserError, match=r"got 'strange\.png'; give the map of this very data set"):
        evaluate_files(rows, truth, tile_map=tmp_path / "tiles/tile_map.json", out=tmp_path / "out")


def test_nothing_is_overwritten(data_dir, tmp_path):
    mine = tmp_path / "tiles/mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(UserError, match="a new or empty folder"):
        tile(data_dir, tmp_path / "tiles")
    assert mine.read_text() == "mine"
    with pytest.raises(UserError):
        tile(data_dir, data_dir / "images/tiles")
    assert not list(tmp_path.glob(".*partial*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "data.tiles.size: expected an integer >= 32"),
        ({"size": 31}, "data.tiles.size: expected an integer >= 32"),
        ({"overlap": 0}, "data.tiles.overlap: expected a share below 1"),
        ({"overlap": -0.5}, "data.tiles.overlap: expected a share below 1"),
        ({"overlap": 640}, "whole pixels below the tile's side, 640"),
        ({"overlap": 1.5}, "whole pixels below the tile's side, 640"),
        ({"overlap": float("nan")}, "data.tiles.overlap"),
        ({"min_visible": 0}, "data.tiles.min_visible"),
        ({"min_visible": 1.1}, "data.tiles.min_visible"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_written(data_dir, tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        tile(data_dir, tmp_path / "tiles", **arguments)
    assert not (tmp_path / "tiles").exists()
