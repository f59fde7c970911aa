"""The tiles of a split: where they lie, what is in them, and how they move from draw to draw."""

import numpy as np
import pytest

from anomdet.data.draw import Draw
from anomdet.data.index.columns import ImageRecord, columns_of
from anomdet.data.labels import NO_OBJECTS, Labels
from anomdet.data.tiles import index
from anomdet.data.tiles.cut import cut_boxes, visible_shares
from anomdet.data.tiles.index import TileIndex, TileRule
from anomdet.tiles import Tiling, plan

RULE = TileRule(Tiling((100, 120), (20, 30)), 0.3, (64, 64))
WITH_WHOLE = TileRule(Tiling((100, 120), (20, 30), include_whole=True), 0.3, (64, 64))


def record(number, size_hw, boxes=(), nums=()):
    labels = Labels(np.array(boxes, np.float32).reshape(-1, 4), np.array(nums, np.int64)) if len(boxes) else NO_OBJECTS
    return ImageRecord(number, f"{number}.png", *size_hw, labels)


def random_images(seed, count=30):
    rng = np.random.default_rng(seed)
    records = []
    for number in range(count):
        height, width = rng.choice([80, 200, 333]), rng.choice([90, 300])
        corner = rng.uniform(0, 0.9, (rng.integers(0, 5), 2)) * (width, height)
        boxes = np.concatenate([corner, corner + rng.uniform(2, 150, corner.shape)], axis=1)
        boxes = np.minimum(boxes, np.tile((width, height), 2))
        records.append(record(number, (height, width), boxes, rng.choice([3, 8, 9], len(boxes))))
    return columns_of(records)


@pytest.mark.parametrize("rule", [RULE, WITH_WHOLE])
def test_the_classes_of_each_tile_are_those_of_the_boxes_in_it(rule):
    """Against one tile after the other, box by box."""
    columns = random_images(0)
    rows = np.array([5, 2, 9, 20, 21, 0, 29], np.int32)
    tiles = TileIndex(columns, rows, rule)
    found = tiles.class_counts((3, 8, 9))
    wanted = []
    for row in rows.tolist():
        height, width = columns.sizes_hw[row].tolist()
        windows, labels = plan((height, width), rule.tiling), columns.labels(row)
        for number, (x1, y1, x2, y2) in enumerate(windows.tolist()):
            counts = dict.fromkeys((3, 8, 9), 0)
            for (bx1, by1, bx2, by2), num in zip(labels.bboxes_xyxy.tolist(), labels.class_nums.tolist(), strict=True):
                inside = max(0, min(x2, bx2) - max(x1, bx1)) * max(0, min(y2, by2) - max(y1, by1))
                seen = min(bx2 - bx1, by2 - by1) * min(64 / height, 64 / width)
                is_whole = rule.tiling.include_whole and len(windows) > 1 and number == len(windows) - 1
                if inside >= 0.3 * (bx2 - bx1) * (by2 - by1) and not (is_whole and seen < 4):
                    counts[num] += 1
            wanted.append(list(counts.values()))
    assert len(tiles) == len(wanted) > 20
    assert found.tolist() == wanted
    assert found.any()


@pytest.mark.parametrize("rule", [RULE, WITH_WHOLE, TileRule(Tiling((40, 30), (8, 6)), 0.3, (64, 64))])
def test_an_object_that_no_tile_keeps_is_found(rule):
    """Against the tiles one after the other."""
    columns = random_images(3)
    rows = np.array([5, 2, 9, 20, 21, 0, 29], np.int32)
    tiles = TileIndex(columns, rows, rule)
    kept = set()
    for at in range(len(tiles)):
        cut = tiles.cut(at, tiles.window(at))
        kept |= {int(columns.box_starts[tiles.locate(at)[0]]) + int(row) for row in cut.rows[cut.is_kept]}
    every = {box for row in rows for box in range(columns.box_starts[row], columns.box_starts[row + 1])}
    assert tiles.objects_in_no_tile().tolist() == sorted(every - kept)
    assert bool(every - kept) == (rule.tiling.size_hw == (40, 30))


def test_thousands_of_boxes_in_images_of_many_tiles_are_counted_a_few_at_a_time(monkeypatch):
    """All of them beside all windows would fill the memory."""
    columns, rows = random_images(1), np.arange(30, dtype=np.int32)
    wanted, in_none = TileIndex(columns, rows, RULE).class_counts((3, 8, 9)), TileIndex(columns, rows, RULE)
    at_once: list[int] = []

    def counted(boxes, windows):
        at_once.append(len(boxes) * len(windows))
        return visible_shares(boxes, windows)

    monkeypatch.setattr(index, "visible_shares", counted)
    monkeypatch.setattr(index, "_BOXES_IN_WINDOWS", 50)
    tiles = TileIndex(columns, rows, RULE)
    assert (tiles.class_counts((3, 8, 9)) == wanted).all() and max(at_once) < 50 + 4 * 12 and len(at_once) > 6
    assert tiles.objects_in_no_tile().tolist() == in_none.objects_in_no_tile().tolist()


def test_each_tile_is_found_by_its_number():
    columns = random_images(1)
    rows = np.arange(30, dtype=np.int32)[::-1].copy()
    tiles = TileIndex(columns, rows, RULE)
    located = [tiles.locate(at) for at in range(len(tiles))]
    wanted = [
        (row, number)
        for row in rows.tolist()
        for number in range(len(plan(tuple(columns.sizes_hw[row].tolist()), RULE.tiling)))
    ]
    assert located == wanted


def test_a_tile_moves_by_its_draw_alone_by_half_the_overlap_within_the_image():
    tiles = TileIndex(columns_of([record(0, (300, 400))]), np.array([0], np.int32), RULE)
    still = [tiles.window(at) for at in range(len(tiles))]
    assert np.array_equal(still, plan((300, 400), RULE.tiling))
    moved = {}
    for at, own in enumerate(still):
        for epoch in range(40):
            window = tiles.window(at, Draw(at, seed=3, epoch=epoch, position=at))
            assert np.array_equal(window, tiles.window(at, Draw(at, seed=3, epoch=epoch, position=at)))
            assert (window[2:] - window[:2]).tolist() == [120, 100]
            assert (window[:2] >= 0).all() and (window[2:] <= [400, 300]).all()
            assert (np.abs(window[:2] - own[:2]) <= [15, 10]).all()
            moved.setdefault(at, set()).add(tuple(window))
    assert min(map(len, moved.values())) > 10


def test_what_made_it_a_tile_with_a_defect_stays_in_it():
    """At the corner of four tiles, just visible enough: the balance of the classes holds whatever the jitter is."""
    box = [[88, 78, 130, 118]]
    tiles = TileIndex(columns_of([record(0, (180, 210), box, [3])]), np.array([0], np.int32), RULE)
    counts = tiles.class_counts((3,))[:, 0]
    assert counts.sum() >= 2
    for at in np.flatnonzero(counts):
        for epoch in range(50):
            window = tiles.window(int(at), Draw(int(at), epoch=epoch))
            assert visible_shares(np.array(box), window[None])[0, 0] >= 0.3


def test_the_whole_image_does_not_move_and_shows_what_can_be_seen():
    boxes = [[10, 10, 13, 13], [10, 10, 300, 200]]
    tiles = TileIndex(columns_of([record(0, (300, 400), boxes, [3, 8])]), np.array([0], np.int32), WITH_WHOLE)
    last = len(tiles) - 1
    window = tiles.window(last, Draw(last, epoch=5))
    assert window.tolist() == [0, 0, 400, 300]
    assert tiles.cut(last, window).is_kept.tolist() == [False, True], "3 px of 400 are nothing at 64 px"
    assert tiles.class_counts((3, 8))[last].tolist() == [0, 1]


def test_a_record_of_a_tile_has_its_objects_in_its_own_pixels():
    columns = columns_of([record(0, (180, 210), [[88, 10, 130, 40], [0, 0, 95, 9]], [3, 8])])
    tiles = TileIndex(columns, np.array([0], np.int32), RULE)
    image = {"img_id": 0, "height": 180, "width": 210, "instances": [{"bbox_label": 0}, {"bbox_label": 1}]}
    found = tiles.cut_record(lambda _: image, 1, None)
    assert found["window"].tolist() == [90, 0, 210, 100]
    assert (found["height"], found["width"]) == (100, 120)
    assert found["instances"] == [
        {"bbox_label": 0, "bbox": [0.0, 10.0, 40.0, 40.0], "ignore_flag": 0},
        {"bbox_label": 1, "bbox": [0.0, 0.0, 5.0, 9.0], "ignore_flag": 1},
    ]


def test_a_million_images_need_no_room_for_their_tiles():
    """16 bytes an image are kept; the counts are a byte a tile and class."""
    columns = columns_of([record(0, (180, 210), [[88, 10, 130, 40]], [3]), record(1, (180, 210))])
    rows = np.tile(np.array([0, 1], np.int32), 50_000)
    tiles = TileIndex(columns, rows, RULE)
    assert len(tiles) == 400_000
    assert tiles.starts.nbytes + tiles._size_of.nbytes <= 13 * len(rows)
    assert tiles.class_counts((3, 8)).nbytes == 2 * len(tiles)


@pytest.mark.parametrize("share", [0.2, 0.3, 0.31, 1.0])
def test_a_box_is_kept_from_the_least_visible_share_on(share):
    box = np.array([[0.0, 0.0, 100.0, 10.0]])
    cut = cut_boxes(box, np.array([round(100 - 100 * share), 0, 300, 300]), 0.3)
    assert cut.is_kept.tolist() == [share >= 0.3]
    assert cut.bboxes_xyxy.tolist() == [[0, 0, round(100 * share), 10]]
