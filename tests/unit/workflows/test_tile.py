"""A data folder as one of tiles, and results on tiles as results on images."""

import json

import cv2
import numpy as np
import pytest
import yaml

from anomdet.data.index.scan import scan
from anomdet.errors import UserError
from anomdet.tiles import Tiling, plan
from anomdet.workflows.evaluate_files import evaluate_files
from anomdet.workflows.evaluations.tile_map import read_map
from anomdet.workflows.tile import tile

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
    for inner in ("images/tiles", "labels/tiles", "images/a/tiles", "labels"):
        with pytest.raises(UserError, match="--out"):
            tile(data_dir, data_dir / inner)
    assert not list(tmp_path.glob(".*partial*"))


def write_data(folder, images):
    """Images of noise, or of given pixels, each with its lines of labels."""
    rng = np.random.default_rng(1)
    for name, (pixels, rows) in images.items():
        for kind in ("images", "labels"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (*pixels, 3), dtype=np.uint8) if isinstance(pixels, tuple) else pixels
        cv2.imwrite(str(folder / "images" / name), pixels)
        label = (folder / "labels" / name).with_suffix(".txt")
        label.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_images_of_16_bit_are_scaled_by_the_bits_that_the_data_uses(tmp_path, caplog, bits):
    """As a run scales them; tiles have 8 bits a channel, of which the brightest pixel uses all."""
    white = (1 << bits) - 1
    pixels = np.linspace(white // 8, white, 100 * 120).reshape(100, 120).astype(np.uint16)
    data = write_data(tmp_path / "data", {"deep.png": (pixels, []), "other.png": ((100, 120), [])})
    with caplog.at_level("INFO", "anomdet"):
        tile(data, tmp_path / "tiles", size=64)
    found = cv2.imread(str(tmp_path / "tiles/images/deep_x56_y36.png"), cv2.IMREAD_UNCHANGED)
    assert found.dtype == np.uint8
    assert np.abs(found[..., 0].astype(float) - pixels[36:100, 56:120] / white * 255).max() <= 1
    assert found.max() == 255
    used = "16 bit uses all of them" if bits == 16 else f"16 bit uses {bits} bits"
    assert used in caplog.text and "tiles have 8 bits" in caplog.text


LARGE = {
    "large.png": ((300, 400), [(3, 50, 60, 200, 180), (3, 5, 5, 20, 20)]),
    "other.png": ((300, 400), [(3, 100, 100, 20, 20), (9, 60, 60, 30, 30)]),
}


def test_an_object_that_no_tile_keeps_is_counted_and_makes_no_good_part(tmp_path, caplog):
    """Its tiles have no label: written, they would count as good parts; the one with another object is kept."""
    data = write_data(tmp_path / "data", LARGE)
    with caplog.at_level("INFO", "anomdet"):
        done = tile(data, tmp_path / "tiles", size=64, overlap=13)
    x1, y1, x2, y2 = 50, 60, 250, 240
    windows = plan((300, 400), Tiling((64, 64), (13, 13))).tolist()
    shows = [left < x2 and right > x1 and top < y2 and bottom > y1 for left, top, right, bottom in windows]
    assert shows[0], "the first tile shows a corner of it, and the small object"
    shows[0] = False
    assert done.num_lost == 1
    assert done.num_left_out == sum(shows)
    assert done.num_tiles == 2 * len(windows) - sum(shows)
    content = json.loads((tmp_path / "tiles/tile_map.json").read_text())
    left_out = {f"large_x{w[0]}_y{w[1]}.png" for w, is_shown in zip(windows, shows, strict=True) if is_shown}
    assert set(content["left_out"]["tiles"]) == left_out
    on_disk = {path.name for path in (tmp_path / "tiles/images").iterdir()}
    assert on_disk == {one["file_name"] for image in content["images"] for one in image["tiles"]}
    assert not on_disk & left_out
    assert len(on_disk) == len(list((tmp_path / "tiles/labels").iterdir()))
    assert len(content["images"][0]["objects"]) == 2, "it stays an object of its image, so that it counts as missed"
    warning = next(one.getMessage() for one in caplog.records if one.levelname == "WARNING")
    for text in ("1 of 4 objects is kept in no tile", "(large.png)", "--size", "--overlap", "data.tiles.include_whole"):
        assert text in warning
    assert "1 object in no tile" in caplog.text


def test_a_tile_with_another_object_hides_a_part_of_the_large_one(tmp_path):
    """It has a label, so it is no good part."""
    objects = [(3, 50, 60, 200, 180), (9, 90, 90, 20, 20)]
    data = write_data(tmp_path / "data", {"large.png": ((300, 400), objects)})
    tile(data, tmp_path / "tiles", size=64, overlap=13)
    labelled = [path for path in (tmp_path / "tiles/labels").iterdir() if path.read_text()]
    assert labelled
    assert all(path.read_text().split()[0] == "9" for path in labelled)
    image = cv2.imread(str(tmp_path / "tiles/images" / f"{labelled[0].stem}.png"))
    counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)[1]
    assert counts.max() > 0.4 * 64 * 64, "the large object is blanked out"


def test_an_image_without_a_tile_is_named_and_none_at_all_is_an_error(tmp_path, caplog):
    data = write_data(tmp_path / "data", {**LARGE, "all.png": ((200, 200), [(3, 0, 0, 200, 200)])})
    tile(data, tmp_path / "tiles", size=64)
    assert "1 image (all.png) with no tile left" in caplog.text
    content = json.loads((tmp_path / "tiles/tile_map.json").read_text())
    assert content["left_out"]["images"] == ["all.png"]
    assert len(read_map(tmp_path / "tiles/tile_map.json").images) == 2
    alone = write_data(tmp_path / "alone", {"all.png": ((200, 200), [(3, 0, 0, 200, 200)])})
    with pytest.raises(UserError, match=r"at least one tile that can be labelled"):
        tile(alone, tmp_path / "none", size=64)
    assert not (tmp_path / "none").exists()


def test_four_images_with_large_objects_are_three_names_and_a_count(tmp_path, caplog):
    data = write_data(tmp_path / "data", {f"{at}.png": ((300, 400), LARGE["large.png"][1]) for at in range(5)})
    tile(data, tmp_path / "tiles", size=64)
    assert "5 of 10 objects are kept in no tile" in caplog.text
    assert "(0.png, 1.png, 2.png and 2 more images)" in caplog.text


def test_the_names_of_the_classes_come_along(tmp_path):
    data = write_data(tmp_path / "data", LARGE)
    assert not (data / "classes.yaml").exists()
    assert not (tile(data, tmp_path / "none", size=128).written[0] / "classes.yaml").exists()
    (data / "classes.txt").write_text("".join(f"name{num}\n" for num in range(10)))
    tile(data, tmp_path / "lines", size=128)
    assert yaml.safe_load((tmp_path / "lines/classes.yaml").read_text())["data"]["classes"] == {3: "name3", 9: "name9"}
    text = "# mine\ndata:\n  classes: {3: open, 9: short, 11: never}\n"
    (data / "classes.yaml").write_text(text)
    done = tile(data, tmp_path / "same", size=128)
    assert (tmp_path / "same/classes.yaml").read_text() == text
    assert tmp_path / "same/classes.yaml" in done.written


def test_an_overlap_of_absurdly_many_tiles_is_refused(tmp_path):
    data = write_data(tmp_path / "data", LARGE)
    with pytest.raises(
        UserError, match=r"at most 10,000 tiles of this image, got 12,141 tiles of large\.png"
    ) as caught:
        tile(data, tmp_path / "tiles", size=230, overlap=229)
    assert "(400 x 300 px)" in str(caught.value)
    assert not (tmp_path / "tiles").exists()


def test_the_summary_has_size_overlap_and_tiles(tmp_path, caplog):
    data = write_data(tmp_path / "data", LARGE)
    with caplog.at_level("INFO", "anomdet"):
        done = tile(data, tmp_path / "tiles", size=320, overlap=0.25)
    assert f"2 images in {done.num_tiles} tiles of 320 x 320 px, overlap 80 x 80 px" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "data.tiles.size: expected an integer >= 32"),
        ({"size": 31}, "data.tiles.size: expected an integer >= 32"),
        ({"overlap": 0}, "data.tiles.overlap: expected a share up to 0.9"),
        ({"overlap": -0.5}, "data.tiles.overlap: expected a share up to 0.9"),
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


def test_lists_of_splits_and_hard_normals_come_along(data_dir, tmp_path):
    lists = {
        "splits/train.txt": "a/one.png\ntwo.png\n",
        "splits/val.txt": "./three.png\r\n",
        "hard_normals.txt": "two.png\n",
    }
    (data_dir / "splits").mkdir()
    for name, text in lists.items():
        (data_dir / name).write_text(text)
    done = tile(data_dir, tmp_path / "tiles", size=160, overlap=20)
    names = {record.file_name for record in scan(str(tmp_path / "tiles")).records}
    for name, images in (("splits/train.txt", ("a/one", "two")), ("splits/val.txt", ("three",))):
        listed = (tmp_path / "tiles" / name).read_text().split()
        assert listed and set(listed) == {one for one in names if one.startswith(images)}
        assert tmp_path / "tiles" / name in done.written
    hard = (tmp_path / "tiles/hard_normals.txt").read_text().split()
    assert set(hard) == {one for one in names if one.startswith("two")}


def test_lists_that_do_not_fit_are_refused_before_anything_is_cut(data_dir, tmp_path):
    (data_dir / "splits").mkdir()
    (data_dir / "splits/train.txt").write_text("gone.png\ntwo.png\ntwo.png\n")
    with pytest.raises(UserError, match="The lists in splits/ do not fit the data") as caught:
        tile(data_dir, tmp_path / "tiles", size=160)
    assert len(caught.value.problems) == 2
    assert not list(tmp_path.glob("*tiles*"))


def test_tiles_of_images_with_long_names(data_dir, tmp_path):
    """The numbers of a tile do not fit behind a name of 250 letters."""
    for end in "12":
        for kind, suffix in (("images", ".png"), ("labels", ".txt")):
            source = (data_dir / kind / "three").with_suffix(suffix)
            (data_dir / kind / f"{'n' * 249}{end}{suffix}").write_bytes(source.read_bytes())
    done = tile(data_dir, tmp_path / "tiles", size=128, overlap=32)
    assert done.num_images == 5 and len(scan(str(tmp_path / "tiles")).records) == done.num_tiles
    truth, rows = written(tmp_path, tmp_path / "tiles")
    thr = ["metrics.score_threshold=0.5"]
    assert evaluate_files(rows, truth, tile_map=tmp_path / "tiles/tile_map.json", overrides=thr).metrics["recall"] == 1
