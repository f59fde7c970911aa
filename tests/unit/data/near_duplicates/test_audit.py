"""What an audit keeps, and what it does not read again."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from anomdet.data.near_duplicates import audit as audit_module
from anomdet.data.near_duplicates.across import find_leaks, look_at_start
from anomdet.data.near_duplicates.audit import Audit, Postponed, audit_images
from anomdet.data.near_duplicates.cache import cache_file, load
from anomdet.errors import UserError
from tests.unit.data.near_duplicates.photographs import draw_surface, encode, photograph


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def data_dir(tmp_path, cache):
    """Four parts; of the second and third a picture more."""
    (tmp_path / "data" / "images").mkdir(parents=True)
    for part in range(4):
        rng = np.random.default_rng(part)
        surface = draw_surface(rng)
        for shot in range(1 + (part in (1, 2))):
            picture = photograph(surface, rng, gain=1 + 0.05 * shot)
            (tmp_path / "data" / "images" / f"{part}_{shot}.jpg").write_bytes(encode(picture))
    return tmp_path / "data"


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that were hashed, each time."""
    seen = []

    def hash_and_tell(folder, names, hash_files=audit_module.hash_files):
        seen.append(list(names))
        return hash_files(folder, names)

    monkeypatch.setattr(audit_module, "hash_files", hash_and_tell)
    return seen


def names_of(data_dir):
    return sorted(path.name for path in (data_dir / "images").iterdir())


def again(data_dir, **limits):
    """As in the next process."""
    audit_module._last.clear()
    return audit_images(data_dir, names_of(data_dir), **limits)


def pairs_of(found):
    return {(found.names[first], found.names[second]) for first, second in found.pairs.tolist()}


TWINS = {("1_0.jpg", "1_1.jpg"), ("2_0.jpg", "2_1.jpg")}


def test_finds_the_second_pictures_and_reads_once(data_dir, reads):
    first = again(data_dir)
    assert pairs_of(first) == TWINS and first.complete and not first.num_blank and not first.num_unreadable
    second = again(data_dir)
    assert pairs_of(second) == TWINS and reads == [names_of(data_dir)]
    assert np.array_equal(first.likeness, second.likeness)
    assert audit_images(data_dir, names_of(data_dir)) is second


def test_only_new_and_changed_files_are_read_again(data_dir, reads):
    again(data_dir)
    images = data_dir / "images"
    (images / "0_1.jpg").write_bytes((images / "0_0.jpg").read_bytes())
    (images / "1_1.jpg").unlink()
    (images / "2_1.jpg").write_bytes((images / "3_0.jpg").read_bytes())
    os.utime(images / "2_1.jpg", ns=(1, 1))
    assert pairs_of(again(data_dir)) == {("0_0.jpg", "0_1.jpg"), ("2_1.jpg", "3_0.jpg")}
    assert reads[1:] == [["0_1.jpg", "2_1.jpg"]]


@pytest.fixture
def compared(monkeypatch):
    """The pairs of file names whose detail was compared, each time."""
    seen = []

    def compare_and_tell(folder, names, pairs, likeness_of_pairs=audit_module.likeness_of_pairs):
        seen.append([(names[first], names[second]) for first, second in pairs.tolist()])
        return likeness_of_pairs(folder, names, pairs)

    monkeypatch.setattr(audit_module, "likeness_of_pairs", compare_and_tell)
    return seen


def test_pairs_that_were_compared_are_not_compared_again(data_dir, compared):
    again(data_dir)
    assert set(compared[0]) >= TWINS
    images = data_dir / "images"
    (images / "0_1.jpg").write_bytes((images / "0_0.jpg").read_bytes())
    assert pairs_of(again(data_dir)) == {*TWINS, ("0_0.jpg", "0_1.jpg")}
    assert compared[1] and all("0_1.jpg" in pair for pair in compared[1])
    (images / "0_1.jpg").unlink()
    assert pairs_of(again(data_dir, max_bytes=0)) == TWINS  # nothing has to be read for what is gone
    assert compared[2] == []


def test_hashes_are_kept_where_comparing_would_take_too_long(data_dir, reads, compared):
    size = sum(path.stat().st_size for path in (data_dir / "images").iterdir())
    postponed = again(data_dir, max_bytes=size + 1)  # enough to hash, not to compare
    assert isinstance(postponed, Postponed) and postponed.num_images == 4 and not compared
    assert pairs_of(again(data_dir)) == TWINS and len(reads[1:]) <= 1 and not any(reads[1:])


def test_a_file_that_could_not_be_read_is_tried_again(data_dir, reads):
    path = data_dir / "images" / "1_1.jpg"
    good = path.read_bytes()
    path.write_bytes(b"x" * len(good))
    os.utime(path, ns=(1, 1))
    assert again(data_dir).num_unreadable == 1
    path.write_bytes(good)
    os.utime(path, ns=(1, 1))
    found = again(data_dir)
    assert pairs_of(found) == TWINS and not found.num_unreadable
    assert reads[1:] == [["1_1.jpg"]]


def test_a_file_of_the_same_size_and_time_is_read_again(data_dir, reads):
    """As tar and touch leave it."""
    path = data_dir / "images/1_1.jpg"
    again(data_dir)
    before, data = path.stat(), path.read_bytes()
    time.sleep(0.02)  # a tick of the system's clock
    path.write_bytes(data[:-2][::-1] + data[-2:])
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    again(data_dir)
    assert reads[1:] == [["1_1.jpg"]]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", None])
def test_a_damaged_cache_is_made_anew(data_dir, reads, damage):
    again(data_dir)
    path = cache_file(data_dir)
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    assert pairs_of(again(data_dir)) == TWINS
    assert len(reads) == 2 and load(path).stamps.names == tuple(names_of(data_dir))


def test_a_cache_that_cannot_be_written(data_dir, monkeypatch, reads):
    monkeypatch.setattr("anomdet.data.near_duplicates.cache.cache_folder", lambda: None)
    assert pairs_of(again(data_dir)) == pairs_of(again(data_dir)) == TWINS
    assert len(reads) == 2


def test_what_takes_too_long_is_postponed_until_it_is_in_the_cache(data_dir, reads):
    size = sum(path.stat().st_size for path in (data_dir / "images").iterdir())
    assert again(data_dir, max_bytes=size - 1) == Postponed(6, size)
    assert not reads
    assert isinstance(again(data_dir), Audit)
    assert isinstance(again(data_dir, max_bytes=0), Audit)


def test_leaks_are_pairs_in_two_splits(data_dir):
    found = again(data_dir)
    # 0_0, 1_0, 1_1, 2_0, 2_1, 3_0
    leaks, num_within = find_leaks(found, {"train": (0, 2, 3, 4), "val": (1,), "test": (5,)})
    assert [(leak.names, leak.splits) for leak in leaks] == [(("1_1.jpg", "1_0.jpg"), ("train", "val"))]
    assert num_within == 1
    leaks, num_within = find_leaks(found, {"train": (0, 1, 5), "val": (), "test": (3, 4)})  # 1_1 is in no list
    assert (leaks, num_within) == ([], 1)


@pytest.fixture
def index(data_dir, make_index):
    index = make_index([[1]] * 6)
    for record, name in zip(index.records, names_of(data_dir), strict=True):
        object.__setattr__(record, "file_name", name)
    object.__setattr__(index, "data_dir", data_dir)
    return index


TORN = {"train": (0, 2, 3, 4), "val": (1,), "test": (5,)}


def test_the_start_of_a_training(index, reads, monkeypatch):
    looked = look_at_start(index, TORN, "ignore", "ratio")
    assert (looked.warning, looked.note, reads) == ("", "", [])
    monkeypatch.setattr("anomdet.data.near_duplicates.across.AFFORDABLE_BYTES", 10)
    assert "6 images (0.0 GB) that were not compared before" in look_at_start(index, TORN, "warn", "ratio").note
    with pytest.raises(UserError, match=r"1 pair of near-duplicates in two splits \(data.split.on_leak: error"):
        look_at_start(index, TORN, "error", "ratio")
    looked = look_at_start(index, TORN, "warn", "ratio")
    assert "1_1.jpg (train) and 1_0.jpg (val)" in looked.warning
    assert looked.facts == {"near_duplicates_across": 1, "near_duplicates_within": 1, "complete": True}
    assert not look_at_start(index, {"train": (0, 1, 2, 3, 4), "val": (5,), "test": ()}, "error", "ratio").warning


def test_an_audit_that_gave_up_is_told(index, monkeypatch):
    monkeypatch.setattr(audit_module, "_MIN_PAIRS", 0)
    monkeypatch.setattr(audit_module, "_PAIRS_PER_IMAGE", 0)
    audit_module._last.clear()
    looked = look_at_start(index, TORN, "error", "ratio")
    assert "not all pairs were compared" in looked.warning and not looked.facts["complete"]


@pytest.mark.parametrize(("by", "words"), [("files", "fix the lists of data.split_files"), ("ratio", "on_leak=group")])
def test_the_remedy_is_one_that_works(index, by, words):
    assert words in look_at_start(index, TORN, "warn", by).warning
    with pytest.raises(UserError, match=words):
        look_at_start(index, TORN, "error", by)
