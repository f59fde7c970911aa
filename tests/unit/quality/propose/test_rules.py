"""The rules of ``anomdet init`` on data sets of a few numbers, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.quality.propose.choices import Choice, Given, Machine, Preset
from anomdet.quality.propose.facts import DataFacts
from anomdet.quality.propose.image_size import choose_clear_size, choose_size
from anomdet.quality.propose.learning import choose_augmentations, choose_sampling, choose_schedule, choose_splits
from anomdet.quality.propose.network import CPU, GPU, choose_batch, choose_workers
from anomdet.quality.propose.rules import choose, nested
from anomdet.quality.propose.tiles import choose_tiles, input_for_tiles, size_for_small

LAPTOP = Machine(cores=8, memory_gb=16.0)
SERVER = Machine(cores=32, memory_gb=200.0, gpu="NVIDIA A100", gpu_memory_gb=42.9)
PRESET = Preset(
    "x", batch_size=4, smallest_px=320, largest_px=640, fixed_gb=1, gb_per_megapixel=1, steps=0, min_epochs=0
)


def facts(sizes_hw=((640, 640),), bboxes_wh=((100, 100),), images=None, num_normal=0, num_images=None, **more):
    """A box in each image, in turn."""
    sizes = np.array(sizes_hw)
    boxes = np.array(bboxes_wh, dtype=float)
    images = images or {1: 1}
    num_images = num_images or len(sizes)
    image_at = np.arange(len(boxes)) % len(sizes)
    return DataFacts(num_images, num_normal, dict(images), dict(images), sizes, boxes, image_at, **more)


@pytest.mark.parametrize(
    ("short_px", "expected"),
    [
        (16, 320),  # 8 px at 320 of 640
        (15.9, 352),  # 7.95 px at 320, 8.7 at 352
        (12.8, 416),  # 8 px at 400: the next multiple of 32
        (8, 640),  # the images' own size
        (5, 640),  # and no more than that
    ],
)
def test_size_follows_the_boxes_up_to_the_images_own(short_px, expected):
    choice, size_hw = choose_size(facts(bboxes_wh=[(short_px, 50)]), PRESET)
    assert choice.value == expected
    assert size_hw == (expected, expected)
    assert choice.warning == (short_px < 8)


def test_long_images_may_have_as_many_pixels_as_a_square():
    """Scratches 20 px wide on steel of 1600 x 256 px: 10 px at 800 x 128, whose pixels are those of 320 x 320."""
    assert choose_size(facts([(256, 1600)], [(20, 100)]), PRESET)[0].value == [128, 800]
    assert choose_size(facts([(256, 1600)], [(8, 100)]), PRESET)[0].value == [256, 1600]
    choice, _ = choose_size(facts([(256, 1600)], [(5, 100)]), PRESET)
    assert choice.value == [256, 1600] and choice.warning and "no more is to be gained" in choice.reason


@pytest.mark.parametrize(("short_px", "expected"), [(50, 640), (48, 672), (37, 896), (35, 640)])
def test_up_to_twice_the_pixels_where_the_other_way_would_be_tiles(short_px, expected):
    """Of images of 4000 px, objects too long for tiles; at 896 px 37 of them are 8.3. Beyond, tiles are cheaper."""
    found = choose(facts([(4000, 4000)], [(short_px, 3000)]), LAPTOP)
    assert found["data.image_size"].value == expected
    assert ("data.tiles" in found) == (short_px == 35)


@pytest.mark.parametrize(
    ("short_px", "num_boxes", "size_px", "tiles"),
    [
        (88, 1, 384, None),  # 14.1 px at 640, the largest size: whole, at 8 px
        (87, 1, 320, {"size": 2304, "overlap": 461}),  # 7.2 of its pixels as one, which leaves 12
        (60, 1, 320, {"size": 1600, "overlap": 320}),  # 9 tiles
        (60, 9, 320, {"size": 1600, "overlap": 320}),
        (60, 10, 544, None),  # more objects than tiles: most would show one, and nothing would be saved
    ],
)
def test_few_small_objects_in_large_images_are_seen_in_tiles(short_px, num_boxes, size_px, tiles):
    """Though each could be found in the whole image: docs/recipes.md, "Small images, and large ones"."""
    found = choose(facts([(4000, 4000)], [(short_px, short_px)] * num_boxes, num_images=1), LAPTOP)
    assert found["data.image_size"].value == size_px
    assert (found["data.tiles"].value if "data.tiles" in found else None) == tiles


@pytest.mark.parametrize(("side_px", "tiled"), [(752, False), (753, True)])
def test_images_little_larger_than_is_trained_stay_whole(side_px, tiled):
    """Objects of 12.7 px in the largest whole image, of 640 px: in tiles they would have 12, as many as elsewhere."""
    found = choose(facts([(side_px, side_px)], [(15, 15)]), LAPTOP)
    assert ("data.tiles" in found) == tiled
    assert not tiled or "12 px, and few objects in large images are learned faster so" in found["data.tiles"].reason


def test_tiles_are_drawn_by_shares():
    """Else most of the drawn ones would show no object: of 16 tiles of an image of one object 12 and more."""
    section = "training.class_imbalance_handling"
    for short_px, method, ratio in ((200, "none", None), (30, "balanced_sampler", 0.33)):
        found = choose(facts([(4000, 4000)], [(short_px, short_px)]), LAPTOP)
        assert (found[f"{section}.method"].value, found[f"{section}.normal_ratio"].value) == (method, ratio)
    assert "share of tiles without objects" in found[f"{section}.method"].reason
    # of what the network sees of a tile: whole ones of 640 x 640 would cost four times as much
    assert found["data.tiles"].reason.endswith("is about 36 tiles, and costs as much as 36 images of 320 x 320")


@pytest.mark.parametrize(
    ("num_train", "tiles", "epochs", "epoch_images"),
    [(100, 1, 96, 200), (875, 1, 22, None), (100, 10, 19, None), (100, 19, 10, None), (100, 20, 10, 1920)],
)
def test_an_epoch_of_many_tiles_is_a_tenth_of_the_run(num_train, tiles, epochs, epoch_images):
    """2,400 steps of 8, as of whole images: a pass over 20 tiles of each of 100 images is 250 steps."""
    chosen = choose_schedule(num_train, 8, CPU, None, tiles)
    assert (chosen["training.epochs"].value, chosen["training.epoch_images"].value) == (epochs, epoch_images)


def test_a_short_run_sees_tiles_where_the_size_that_it_has_time_for_shows_nothing():
    """At 480 px seven of ten boxes are seen; in less time 1,000 images are at 320 px, where none are."""
    boxes = [(15, 15)] * 3 + [(36, 36)] * 7
    for megapixels, size_px in ((1_050 * 0.48**2, 480), (1_050 * 0.32**2, 320)):
        found = choose(facts([(2000, 2000)], boxes), LAPTOP, None, megapixels)
        assert found["data.image_size"].value == size_px
        assert ("data.tiles" in found) == (size_px == 320)


@pytest.mark.parametrize(("num_boxes", "drawn"), [(196, ("balanced_sampler", 0.33)), (197, ("none", None))])
def test_tiles_of_many_objects_are_drawn_as_they_come(num_boxes, drawn):
    """A third for empty ones would be more than there are. A box of 12 px: 196 tiles of 320 px, 64 of them shared."""
    found = choose(facts([(3648, 3648)], [(12, 12)] * num_boxes), LAPTOP)
    assert found["data.tiles"].value == {"size": 320, "overlap": 64}
    section = "training.class_imbalance_handling"
    assert (found[f"{section}.method"].value, found[f"{section}.normal_ratio"].value) == drawn


def test_few_images_that_are_seen_often_are_shown_as_mosaics():
    few, many = facts(num_images=60), facts(num_images=6000)
    chosen = choose(few, LAPTOP)["data.augmentations.mosaic"]  # 2,400 steps of 8 images, of 36 to learn from
    assert chosen.value == 0.5 and "each of 36 images is seen about 533 times" in chosen.reason
    assert "data.augmentations.mosaic" not in choose(many, LAPTOP)
    passes = 42 * 320**2 / 1e6  # megapixels of a pass over 42 images
    assert "data.augmentations.mosaic" not in choose(few, LAPTOP, Given(num_train=42), 39 * passes)
    assert "data.augmentations.mosaic" in choose(few, LAPTOP, Given(num_train=42), 40.1 * passes)


def test_one_box_of_ten_may_be_small_and_two_may_not():
    small, large = (4, 9), (100, 100)
    assert choose_size(facts(bboxes_wh=[small] + [large] * 9), PRESET)[0].value == 320
    choice, _ = choose_size(facts(bboxes_wh=[small] * 2 + [large] * 8), PRESET)
    assert choice.value == 640
    assert "2 of 10 boxes have a side below 8 px" in choice.reason


def test_small_images_are_not_blown_up_and_large_ones_are_bounded():
    assert choose_size(facts([(100, 90)]), PRESET)[0].value == 128
    choice, _ = choose_size(facts([(4000, 4000)], [(30, 30)]), PRESET)  # 4.8 px at 640
    assert choice.value == 640
    assert choice.warning
    assert "tiles" in choice.reason


def test_tiles_are_proposed_where_the_machine_trains_no_larger_size():
    """30 px of 4000 are 4.8 px at 640: tiles of 800 px, seen at 320, of which each axis needs six."""
    found = choose(facts([(4000, 4000)], [(30, 30)]), LAPTOP)
    tiles = found["data.tiles"]
    assert tiles.value == {"size": 800, "overlap": 160}
    assert found["data.image_size"].value == 320
    assert "show nine of ten with 12 px; an image of 4000 x 4000 is about 36 tiles" in tiles.reason
    assert not found["data.image_size"].warning
    assert "of a tile" in found["data.image_size"].reason


def test_the_overlap_holds_nineteen_boxes_of_twenty_and_the_whole_image_what_no_tile_holds():
    boxes = [(30, 30)] * 90 + [(30, 700)] * 9 + [(30, 3000)]
    tiles = choose(facts([(4000, 4000)], boxes), LAPTOP)["data.tiles"].value
    assert tiles == {"size": 1600, "overlap": 700, "include_whole": True}


@pytest.mark.parametrize(
    ("size_hw", "box_wh", "input_hw", "tile_hw"),
    [
        ((3000, 4000), (18, 20), 320, 480),  # 12 px at 2 of 3 pixels
        ((3000, 4000), (7, 15), 320, 320),  # not enlarged to show 12 px: no more would be seen, for more steps
        ((3000, 4000), (18, 100), 352, 512),  # a fifth of 352 holds 100 px / 1.5
        ((512, 4096), (4, 400), [512, 800], [512, 800]),  # a scratch of a line camera: the whole height
        ((256, 8192), (7, 20), [256, 416], [256, 416]),
        ((8192, 256), (7, 20), [416, 256], [416, 256]),
    ],
)
def test_a_tile_is_of_the_images_own_pixels_and_no_larger_than_its_boxes_call_for(size_hw, box_wh, input_hw, tile_hw):
    found = choose(facts([size_hw], [box_wh]), LAPTOP)
    assert found["data.image_size"].value == input_hw
    assert found["data.tiles"].value["size"] == tile_hw


@pytest.mark.parametrize(("limit_px", "side"), [(None, 576), (700, 576), (384, 384), (32, 320), (0, 320)])
def test_little_time_makes_small_tiles_in_which_half_still_holds_the_boxes(limit_px, side):
    found = input_for_tiles(np.array([(4000, 4000)]), np.tile([[8.0, 110.0]], (20, 1)), 320, 640, limit_px)
    assert found == (side, side)


def test_no_tiles_where_the_whole_image_fits_at_its_own_pixels():
    """Of 800 x 800 px four tiles of 544, enlarged to 640, were proposed for boxes of 7 px."""
    found = choose(facts([(800, 800)], [(7, 9)]), LAPTOP)
    assert found["data.image_size"].value == 800 and "data.tiles" not in found
    assert found["data.image_size"].warning and "no more is to be gained" in found["data.image_size"].reason


@pytest.mark.parametrize(
    ("side", "short_px", "expected"),
    [
        (64, 8, 128),
        (33, 2, 96),
        (64, 7.9, 160),
        (64, 4, 192),
        (64, 17, 64),
        (200, 17, 224),
        (200, 10, 320),
        (320, 4, 320),
    ],
)
def test_small_images_are_enlarged_for_their_small_boxes(side, short_px, expected):
    """To 16 px, three times at most, and not above the smallest size of larger images."""
    choice, size_hw = choose_size(facts([(side, side)], [(short_px, 20)]), PRESET)
    assert choice.value == expected and size_hw == (expected, expected)
    assert ("enlarged" in choice.reason) == (expected > 32 * -(-side // 32))


@pytest.mark.parametrize(
    ("sizes_hw", "bboxes_wh"),
    [([(640, 640)], [(27, 29)]), ([(200, 200)], [(20, 60)]), ([(640, 640)], [(5, 5)]), ([(4000, 4000)], [(200, 200)])],
)
def test_no_tiles_where_a_larger_image_does_it_or_nothing_would_be_gained(sizes_hw, bboxes_wh):
    assert "data.tiles" not in choose(facts(sizes_hw, bboxes_wh), LAPTOP)


def test_size_for_small_is_the_least_step_that_does_it():
    rng = np.random.default_rng(3)
    for _ in range(200):
        height, width = rng.integers(1, 40, 2) * 32
        tenth = rng.uniform(1, 8)
        found = size_for_small((int(height), int(width)), tenth, 8.0)
        for now, then in zip((height, width), found, strict=True):
            enough = [side for side in range(32, 32 * 400, 32) if tenth * side / now >= 8 - 1e-9]
            assert then == enough[0]


def test_specks_are_no_reason_for_tiles():
    sizes, at = np.array([(4000, 4000)]), np.zeros(9, np.int64)
    choice = choose_tiles(sizes, np.full((9, 2), 0.1), at, (640, 640))
    assert choice.value is None
    assert "specks" in choice.reason


@pytest.mark.parametrize(
    ("sizes_hw", "expected"),
    [
        ([(1000, 2000)] * 10, [256, 480]),  # the pixels of 320 x 320, or some more
        ([(2000, 1000)] * 10, [480, 256]),
        ([(750, 1000)] * 10, [288, 384]),
        ([(850, 1000)] * 10, 320),  # 0.85: nearly a square
        ([(1000, 2000)] * 5 + [(2000, 1000)] * 5, 320),  # both ways
        ([(256, 1600)] * 10, [128, 800]),  # not a strip of 64 px
        ([(200, 400)] * 10, [224, 416]),  # their own size, in steps of 32 px
    ],
)
def test_long_images_have_a_long_input(sizes_hw, expected):
    choice, size_hw = choose_size(facts(sizes_hw), PRESET)
    assert choice.value == expected
    assert list(size_hw) == (expected if isinstance(expected, list) else [expected] * 2)


def batch_of(num_train=1000, size_hw=(1000, 1000), machine=LAPTOP, loading_gb=0.0):
    chosen = choose_batch(num_train, size_hw, machine, loading_gb)
    return [chosen[f"training.{key}"].value for key in ("batch_size", "accumulation_steps")]


def test_batch_is_halved_until_it_fits_and_gradients_make_up_for_it():
    megapixel, fixed = CPU.gb_per_megapixel, CPU.fixed_gb
    just = (8 * megapixel + fixed) / 0.8
    assert batch_of(machine=Machine(8, just + 0.01)) == [8, 1]
    assert batch_of(machine=Machine(8, just - 0.01)) == [4, 2]
    assert batch_of(machine=Machine(8, just + 0.01), loading_gb=0.1) == [4, 2]
    assert batch_of(machine=Machine(8, 0.5)) == [1, 8]
    assert choose_batch(1000, (1000, 1000), Machine(8, 0.5), 0)["training.batch_size"].warning
    assert batch_of(machine=SERVER, size_hw=(320, 320), loading_gb=1e9) == [16, 1]  # loading is not on the GPU


def test_few_images_make_a_small_batch_only_of_the_users_epochs():
    """Ours are many passes over few images; batches of 4 in place of 8 taught less."""
    assert batch_of(num_train=15) == [8, 1]
    assert batch_of(num_train=1) == [8, 1]

    def given(num_train, machine):
        chosen = choose_batch(num_train, (320, 320), machine, 0, Given(epochs=10))
        return chosen["training.batch_size"].value

    assert [given(32, SERVER), given(31, SERVER), given(1, LAPTOP)] == [16, 8, 1]


def test_more_boxes_are_reported_where_an_image_has_more_than_the_limit():
    """Of 150 objects the preset would report 100."""
    crowd = facts(bboxes_wh=[(30, 30)] * 150)
    assert choose(crowd, LAPTOP)["model.overrides"].value == {"test_cfg": {"max_per_img": 300}}
    assert choose(crowd, SERVER)["model.overrides"].value == {"test_cfg": {"rcnn": {"max_per_img": 300}}}
    assert "model.overrides" not in choose(facts(bboxes_wh=[(30, 30)] * 100), LAPTOP)


def test_too_few_defective_images_to_measure_are_said():
    choice = choose_splits(facts(num_images=312, num_normal=300, images={1: 6, 2: 6}))["data.train_split"]
    assert choice.warning and "only 12 images with objects: about 2 of them to validate" in choice.reason
    assert not choose_splits(facts(num_images=400, num_normal=300, images={1: 100}))["data.train_split"].warning


def test_unknown_memory_is_said():
    reason = choose_batch(1000, (320, 320), Machine(8, None), 0)["training.batch_size"].reason
    assert "memory unknown, 8 GB assumed" in reason


def test_workers_by_cores_and_memory():
    assert choose_workers(facts(), Machine(1, 16)).value == 1
    assert choose_workers(facts(), Machine(6, 16)).value == 3
    assert choose_workers(facts(), SERVER).value == 8
    large = facts([(10_000, 10_000)])  # 0.3 + 7 * 0.3 = 2.4 GB each, of 16 / 4
    assert choose_workers(large, SERVER).value == 8
    assert choose_workers(large, Machine(8, 16)).value == 1
    assert "2.4 GB" in choose_workers(large, Machine(8, 16)).reason


def test_splits_by_the_number_of_images():
    def ratios(count, **more):
        return [choice.value for choice in choose_splits(facts(num_images=count, **more)).values()]

    assert ratios(299, images={1: 9}) == [0.6, 0.2, 0.2]
    assert ratios(300, images={1: 9}) == [0.7, 0.15, 0.15]
    assert ratios(20_000, images={1: 9}) == [0.8, 0.1, 0.1]
    choice = choose_splits(facts(num_images=500, images={1: 400, 8: 2}))["data.train_split"]
    assert choice.warning
    assert "class 8 is in fewer than three images" in choice.reason


@pytest.mark.parametrize(
    ("short_px", "images", "expected"),
    [
        (32, 21_000, 416),  # 20.8 px at 416, 19.2 at 384: clear
        (32, 60_000, 416),  # clear is enough, whatever the time
        (32, 18_000, 384),  # 12,500 of 384 x 384 px, but 10,651 of 416 x 416
        (16, 60_000, 640),  # never clear: the images' own size
        (64, 60_000, 320),  # clear as it is
    ],
)
def test_a_long_run_sees_larger_images(short_px, images, expected):
    found = choose_clear_size(facts(bboxes_wh=[(90, short_px)]), PRESET, (320, 320), images * 320**2 / 1e6)
    assert (found[1] if found else (320, 320)) == (expected, expected)


def test_a_size_is_not_larger_than_the_time_allows():
    small = facts(bboxes_wh=[(30, 20)])
    assert choose_clear_size(small, PRESET, (320, 320), 12_000 * 352**2 / 1e6 - 1) is None
    choice, size_hw = choose_clear_size(small, PRESET, (320, 320), 12_000 * 352**2 / 1e6)
    assert size_hw == (352, 352) and choice.value == 352
    assert "320 is enough, but there is time for about 12,000 images of this size" in choice.reason
    assert choose(small, LAPTOP, None, 12_000 * 352**2 / 1e6)["data.image_size"].value == 352
    assert choose(small, LAPTOP)["data.image_size"].value == 320


@pytest.mark.parametrize(("images", "expected"), [(1_000, 640), (999, 608), (250, 320), (10, 320), (0, 320)])
def test_a_short_run_sees_smaller_images(images, expected):
    """1,000 images at least, of which the boxes call for 640 x 640 px; never below the smallest size."""
    found = choose(facts(bboxes_wh=[(8, 30)]), LAPTOP, None, images * 640**2 / 1e6)["data.image_size"]
    assert found.value == expected and found.warning == (expected < 640)
    if expected == 608:
        assert "640 would show the boxes better, but in so short a run 1,107 images teach more than 999" in found.reason
    assert ("there is no time for it" in found.reason) == (not images)


@pytest.mark.parametrize(
    ("boxes_wh", "megapixels", "tiled"),
    [
        ([(9, 9)] * 3 + [(60, 60)] * 7, None, True),
        ([(9, 9)] * 3 + [(60, 60)] * 7, 2_501 * 0.1024, True),
        ([(9, 9)] * 3 + [(60, 60)] * 7, 2_499 * 0.1024, False),  # three of ten are not seen, seven are
        ([(9, 9)] * 7 + [(60, 60)] * 3, 1.0, True),  # most are not: nothing would be learned without
    ],
)
def test_a_short_run_sees_tiles_only_where_most_boxes_call_for_them(boxes_wh, megapixels, tiled):
    found = choose(facts([(2000, 2000)], boxes_wh), LAPTOP, None, megapixels)
    assert ("data.tiles" in found) == tiled
    assert found["data.image_size"].warning != tiled


def test_schedule_aims_at_the_presets_steps():
    chosen = choose_schedule(875, 8, CPU)  # 110 steps; 2400 / 110 = 21.8
    assert chosen["training.epochs"].value == 22
    assert chosen["training.epoch_images"].value is None
    assert chosen["training.val_interval"].value == 2
    assert chosen["training.early_stopping.patience"].value == 5
    assert chosen["training.scheduler.warmup_iterations"].value == 50
    assert choose_schedule(10**6, 8, CPU)["training.epochs"].value == CPU.min_epochs
    assert choose_schedule(10**6, 16, GPU)["training.epochs"].value == GPU.min_epochs


def test_an_epoch_of_few_images_is_many_passes():
    tiny = choose_schedule(5, 2, CPU)
    assert tiny["training.epoch_images"].value == 50  # 25 steps
    assert tiny["training.epochs"].value == 96
    assert tiny["training.val_interval"].value == 10
    given = choose_schedule(5, 2, CPU, Given(epochs=7))
    assert given["training.epoch_images"].value is None
    assert given["training.epochs"].value == 7


def sampling(images, num_normal, num_images):
    chosen = choose_sampling(facts(images=images, num_normal=num_normal, num_images=num_images))
    return [choice.value for choice in chosen.values()]


def test_sampling_by_imbalance_and_normal_share():
    assert sampling({1: 100, 2: 51}, 20, 170) == ["none", None]
    assert sampling({1: 100}, 20, 120) == ["none", None]
    assert sampling({1: 100, 2: 50}, 20, 170) == ["balanced_sampler", None]
    assert sampling({1: 100, 2: 50}, 80, 230) == ["balanced_sampler", 0.25]
    assert sampling({1: 100}, 100, 200) == ["balanced_sampler", 0.25]
    # 1,000 images with objects, two classes: 500 draws of the rare class over its images
    assert sampling({1: 950, 2: 50}, 0, 1000) == ["balanced_sampler", None]  # 10 times each
    assert sampling({1: 951, 2: 49}, 0, 1000) == ["repeat_factor", None]


def test_augmentations_by_colour_and_shape():
    assert set(choose_augmentations(facts())) == {"data.augmentations.horizontal_flip"}
    grey = choose_augmentations(facts(grey=True))
    assert [grey[f"data.augmentations.{key}"].value for key in ("saturation", "hue")] == [0, 0]
    thin = [(30, 10), (10, 10), (10, 10)]
    assert choose_augmentations(facts(bboxes_wh=thin))["data.augmentations.rotation_degrees"].value == 5
    assert "data.augmentations.rotation_degrees" not in choose_augmentations(facts(bboxes_wh=[*thin, (10, 29)]))


def test_all_of_it_for_both_devices():
    some = facts(images={1: 100, 2: 90}, num_images=190)
    assert choose(some, LAPTOP)["model.name"].value == "rtmdet_tiny"
    on_gpu = choose(some, SERVER)
    assert on_gpu["model.name"].value == "fasterrcnn_resnet50_fpn"
    assert "NVIDIA A100" in on_gpu["model.name"].reason
    assert all(choice.reason for choice in on_gpu.values())


def test_nested():
    assert nested({"a.b.c": Choice(1, ""), "a.d": Choice(2, "")}) == {"a": {"b": {"c": 1}, "d": 2}}


@pytest.mark.parametrize(("batch", "steps"), [(1, 8), (4, 2), (6, 1), (16, 1)])
def test_accumulation_follows_a_batch_that_is_given(batch, steps):
    chosen = choose_batch(1000, (320, 320), LAPTOP, 0, Given(batch_size=batch))  # a step is meant for 8
    assert chosen["training.accumulation_steps"].value == steps


def test_the_batch_follows_accumulation_that_is_given():
    chosen = choose_batch(1000, (320, 320), LAPTOP, 0, Given(accumulation_steps=2))
    assert chosen["training.batch_size"].value == 4
