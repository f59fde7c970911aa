"""Pictures of the same part are near-duplicates; pictures of another part from the same camera are not."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image

from anomdet.data.near_duplicates.audit import audit_images
from anomdet.data.near_duplicates.hashes import BLANK, HASHED, UNREADABLE, hash_files, hash_thumbnail, read_thumbnail
from anomdet.data.near_duplicates.kinds import MAX_DISTANCE
from anomdet.data.near_duplicates.likeness import MIN_LIKENESS, likeness, likeness_of_pairs
from tests.unit.data.near_duplicates.photographs import draw_surface, encode, photograph

DEEPPCB = Path(os.environ.get("ANOMDET_DEEPPCB", Path(__file__).parents[5] / "shared" / "data" / "deeppcb"))


def distance(first: bytes, second: bytes) -> int:
    return int(np.unpackbits(np.frombuffer(first, np.uint8) ^ np.frombuffer(second, np.uint8)).sum())


@pytest.fixture
def compare(tmp_path):
    """``(bits that differ, likeness)`` of two pictures as files."""

    def look(first: bytes, second: bytes) -> tuple[int, float]:
        for name, data in (("a.jpg", first), ("b.jpg", second)):
            (tmp_path / name).write_bytes(data)
        bits = hash_files(tmp_path, ["a.jpg", "b.jpg"]).bits
        like = likeness_of_pairs(tmp_path, ["a.jpg", "b.jpg"], np.array([[0, 1]]))
        return distance(bits[0].tobytes(), bits[1].tobytes()), float(like[0])

    return look


@pytest.mark.parametrize(
    ("change", "quality"),
    [
        ({"shift_px": 2.0}, 90),
        ({"gain": 1.15}, 90),
        ({"gain": 0.85, "shift_px": -1.5}, 90),
        ({}, 50),
        ({"defect": True}, 90),
        ({"defect": True, "shift_px": 1.0, "gain": 1.05}, 70),
    ],
)
def test_the_same_part_again(compare, change, quality):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        surface = draw_surface(rng)
        bits, like = compare(encode(photograph(surface, rng)), encode(photograph(surface, rng, **change), quality))
        assert bits <= MAX_DISTANCE and like >= MIN_LIKENESS + 0.05


def test_another_part_of_the_same_kind_hashes_alike_and_differs_in_detail(compare):
    hashed_alike = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        first, second = (encode(photograph(draw_surface(rng, contrast=4.0), rng)) for _ in range(2))
        bits, like = compare(first, second)
        hashed_alike += bits <= MAX_DISTANCE
        assert like < MIN_LIKENESS - 0.1
    assert hashed_alike >= 4  # a hash alone would call them near-duplicates


def test_the_hash_is_the_librarys(tmp_path):
    picture = photograph(draw_surface(np.random.default_rng(0)), np.random.default_rng(1))[:64, 90:154]
    expected = imagehash.phash(Image.fromarray(picture), hash_size=16).hash
    found = np.unpackbits(hash_thumbnail(np.ascontiguousarray(picture)))
    assert np.array_equal(found[:64], expected[:8, :8].ravel())
    assert sorted(found) == sorted(expected.ravel())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_a_reduced_picture_hashes_as_the_whole(tmp_path, suffix):
    picture = cv2.resize(photograph(draw_surface(np.random.default_rng(0)), np.random.default_rng(1)), (900, 600))
    (tmp_path / f"a{suffix}").write_bytes(cv2.imencode(suffix, picture)[1].tobytes())
    found = read_thumbnail(tmp_path / f"a{suffix}", 64)
    whole = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)
    assert found is not None and found.shape == (64, 64)
    assert distance(hash_thumbnail(found).tobytes(), hash_thumbnail(whole).tobytes()) <= 8
    assert np.abs(found.astype(int) - whole).mean() < 3


def test_blank_and_unreadable(tmp_path):
    (tmp_path / "blank.png").write_bytes(cv2.imencode(".png", np.full((80, 90), 200, np.uint8))[1].tobytes())
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    (tmp_path / "good.jpg").write_bytes(
        encode(photograph(draw_surface(np.random.default_rng(0)), np.random.default_rng(1)))
    )
    found = hash_files(tmp_path, ["bad.jpg", "blank.png", "gone.jpg", "good.jpg"])
    assert found.states.tolist() == [UNREADABLE, BLANK, UNREADABLE, HASHED]
    assert not found.bits[:3].any() and found.bits[3].any()


def test_likeness_is_symmetric_and_one_for_itself():
    rng = np.random.default_rng(0)
    first, second = (cv2.resize(photograph(draw_surface(rng), rng), (128, 128)) for _ in range(2))
    assert likeness(first, first) == pytest.approx(1, abs=1e-3)
    assert likeness(first, second) == pytest.approx(likeness(second, first), abs=0.05)


@pytest.mark.slow
@pytest.mark.skipif(not DEEPPCB.is_dir(), reason="DeepPCB is not here; ANOMDET_DEEPPCB names its folder")
def test_deeppcb_twins_are_found(tmp_path, monkeypatch):
    """``X_normal.jpg`` is the board of ``X.jpg`` without its defects; three of 250 are nearly blank or hardly alike."""
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path))
    names = sorted(path.name for path in (DEEPPCB / "images").iterdir())
    audit = audit_images(DEEPPCB, names)
    found = {(names[first], names[second]) for first, second in audit.pairs.tolist()}
    twins = {(name.replace("_normal", ""), name) for name in names if "_normal" in name}
    assert len(twins) == 250 and len(found & twins) >= 247
    assert len(found - twins) <= 25  # the same window of the next board on the panel


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_twelve_bits_in_sixteen_are_seen_like_eight(tmp_path, suffix):
    """Divided by 257 they would be 16 grey levels, and faint texture blank."""
    image = (np.random.default_rng(0).integers(0, 20, (120, 160)) + np.linspace(0, 200, 160)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), image.astype(np.uint16) * 16)
    cv2.imwrite(str(tmp_path / f"b{suffix}"), image)
    twelve, eight = (read_thumbnail(tmp_path / f"{name}{suffix}", 64) for name in "ab")
    assert twelve is not None and eight is not None
    assert np.abs(twelve.astype(int) - eight).max() <= 2
    hashes = hash_files(tmp_path, [f"a{suffix}", f"b{suffix}"])
    assert hashes.states.tolist() == [HASHED, HASHED]
    assert np.unpackbits(hashes.bits[0] ^ hashes.bits[1]).sum() <= 28  # half of what counts as near
