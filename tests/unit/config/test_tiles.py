"""What ``data.tiles`` takes, and what it refuses with one message."""

import pytest

from anomdet.config.load import load_settings
from anomdet.config.translate_data import tile_arguments
from anomdet.errors import UserError

SHARE = "a share up to 0.9, or whole pixels"
SIDE = "an integer >= 32, [height, width] of such, or null"


@pytest.mark.parametrize(
    ("written", "size_hw", "overlap_hw"),
    [
        ("{}", [640, 640], [128, 128]),
        ("{size: 500, overlap: 0.5}", [500, 500], [250, 250]),
        ("{size: [300, 400], overlap: 64}", [300, 400], [64, 64]),
        ("{size: 32, overlap: 0.001}", [32, 32], [1, 1]),
        ("{size: 32, overlap: 0.9}", [32, 32], [29, 29]),
        ("{size: 32, overlap: 31}", [32, 32], [31, 31]),
    ],
)
def test_sizes_in_pixels(written, size_hw, overlap_hw):
    tiles = tile_arguments(load_settings({}, [f"data.tiles={written}"]).data)
    assert (tiles["size_hw"], tiles["overlap_hw"]) == (size_hw, overlap_hw)


@pytest.mark.parametrize("written", ["null", "auto"])
def test_words(written):
    assert tile_arguments(load_settings({}, [f"data.tiles={written}"]).data) == (None if written == "null" else "auto")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("off", "expected null, auto or a section of keys, got off"),
        ("true", "expected null, auto or a section of keys, got true"),
        ("640", "expected null, auto or a section of keys, got 640"),
        ("[640, 640]", "expected null, auto or a section of keys"),
        ("{siz: 640}", "did you mean 'size'?"),
        ("{size: 0}", SIDE),
        ("{size: 31}", SIDE),
        ("{size: -640}", SIDE),
        ("{size: 640.5}", SIDE),
        ("{size: auto}", SIDE),
        ("{size: [640]}", "a list of 2 integers >= 32"),
        ("{size: [640, 0]}", "expected an integer >= 32, got 0"),
        ("{size: [1, 2, 3]}", "a list of 2 integers >= 32"),
        ("{overlap: 0}", SHARE),
        ("{overlap: -1}", SHARE),
        ("{overlap: 640}", f"{SHARE} below the tile's side, 640"),
        ("{size: [64, 128], overlap: 64}", f"{SHARE} below the tile's side, 64"),
        (
            "{overlap: 0.91}",
            f"{SHARE} below the tile's side, 640, got 0.91; an area of 10 x 10 tiles would be cut into",
        ),
        ("{overlap: 0.999}", "an area of 10 x 10 tiles would be cut into 33,189,121"),
        ("{overlap: 1.5}", f"{SHARE} below the tile's side, 640"),
        ("{overlap: .nan}", SHARE),
        ("{overlap: much}", SHARE),
        ("{min_visible: 0}", "a number > 0 and <= 1"),
        ("{min_visible: 1.01}", "a number > 0 and <= 1"),
        ("{empty_share: 1}", "a number >= 0 and < 1 or null, got 1"),
        ("{empty_share: 1.5}", "a number >= 0 and < 1 or null, got 1.5"),
        ("{empty_share: -0.1}", "a number >= 0 and < 1 or null"),
        ("{cache_gb: -1}", "a number >= 0"),
        ("{include_whole: maybe}", "true or false"),
    ],
)
def test_one_message_for_a_wrong_value(written, message):
    with pytest.raises(UserError) as caught:
        load_settings({}, [f"data.tiles={written}"])
    assert len(caught.value.problems) == 1
    assert message in str(caught.value)


def test_a_share_of_empty_tiles_needs_a_sampler_that_draws_by_shares():
    method = "training.class_imbalance_handling.method=none"
    with pytest.raises(UserError, match="empty_share: expected null with method: none"):
        load_settings({}, ["data.tiles={empty_share: 0.3}", method])
    load_settings({}, ["data.tiles={empty_share: 0.3}", "training.class_imbalance_handling.method=repeat_factor"])


def test_two_shares_that_differ_are_refused():
    ratio = "training.class_imbalance_handling.normal_ratio=0.4"
    with pytest.raises(UserError, match=r"empty_share: expected 0.4, as normal_ratio"):
        load_settings({}, ["data.tiles={empty_share: 0.3}", ratio])
    load_settings({}, ["data.tiles={empty_share: 0.4}", ratio])
