from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from anomdet.data.index import cache as index_cache
from anomdet.data.index import cache_folder, listing
from anomdet.data.index import scan as index_module
from anomdet.data.index.cache import open_stored, remembered
from anomdet.data.index.listing import is_unchanged, list_folder
from anomdet.data.index.scan import scan
from anomdet.data.index.scan_once import one_look
from anomdet.errors import UserError
from tests.unit.data.index.test_scan import make_old

TEXTS = {"a.png": "1 1 2 3 4\n7 5 6 7 8\n", "b.png": "", "sub/c.png": "7 50 30 20 20\n", "sub/d.png": "1 2 2 9 9\n"}
ROOT = Path(__file__).parents[4]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Where the index of even the smallest folder is kept; nothing is remembered by the process."""
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(index_module, "_MIN_CACHED", 1)
    monkeypatch.setattr(index_cache, "_COARSE_NS", 0)  # no test can put a file's ctime back
    return tmp_path / "cache"


@pytest.fixture
def data_dir(make_data):
    data_dir = make_data(TEXTS)
    make_old(data_dir)
    return data_dir


@pytest.fixture
def builds(monkeypatch):
    """How often a folder is read in full."""
    calls = []
    build = index_module.build
    monkeypatch.setattr(index_module, "build", lambda *arguments: calls.append(1) or build(*arguments))
    return calls


def contents(index) -> tuple:
    columns = index.columns
    names = ("names", "name_starts", "sizes_hw", "bit_depths", "box_starts", "bboxes_xyxy", "class_nums")
    arrays = [(getattr(columns, name).dtype.str, getattr(columns, name).tolist()) for name in names]
    return index.class_nums, index.notes, arrays


def scan_afresh(data_dir, **options):
    """As another process would."""
    index_module._RECENT.clear()
    return scan(data_dir, **options)


def index_files(cache) -> list[Path]:
    return sorted(cache.glob("*.index"))


def test_the_second_process_reads_the_file_of_the_first(data_dir, cache, builds, monkeypatch):
    first = contents(scan_afresh(data_dir))
    assert len(index_files(cache)) == 1 and first[1] == ("1 boxes in 1 images clipped to their image",)
    index = scan_afresh(data_dir)
    assert len(builds) == 1 and contents(index) == first
    assert isinstance(index.columns.bboxes_xyxy.base, np.ndarray) and not index.columns.bboxes_xyxy.flags.writeable
    assert index.records[2].file_name == "sub/c.png"
    monkeypatch.setattr(index_module, "_MIN_CACHED", 5)
    assert contents(scan_afresh(data_dir)) == first and len(builds) == 1
    index_files(cache)[0].unlink()
    assert contents(scan_afresh(data_dir)) == first and len(builds) == 2 and not index_files(cache)


def test_classes_are_checked_on_what_is_stored(data_dir, cache, builds):
    scan_afresh(data_dir)
    index = scan_afresh(data_dir, classes={1: "x", 7: "y", 9: "z"})
    assert len(builds) == 1 and index.class_nums == (1, 7, 9)
    assert index.notes == ("no objects of class 9 (z)", "1 boxes in 1 images clipped to their image")
    with pytest.raises(UserError) as caught:
        scan_afresh(data_dir, classes={1: "x"})
    assert [problem.where for problem in caught.value.problems] == ["labels/a.txt:2"]


def edit_same_size(data_dir):
    (data_dir / "labels/a.txt").write_text("2 1 2 3 4\n7 5 6 7 8\n")


def edit_other_size_same_time(data_dir):
    path = data_dir / "labels/a.txt"
    before = path.stat()
    path.write_text("2 1 2 3 4\n")
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))


def add(data_dir):
    (data_dir / "labels/sub/e.txt").write_text("3 1 1 5 5\n")
    (data_dir / "images/sub/e.png").write_bytes((data_dir / "images/a.png").read_bytes())


def remove(data_dir):
    (data_dir / "labels/b.txt").unlink()
    (data_dir / "images/b.png").unlink()


def rename(data_dir):
    (data_dir / "labels/b.txt").rename(data_dir / "labels/z.txt")
    (data_dir / "images/b.png").rename(data_dir / "images/z.png")


def turn_image(data_dir):
    path = data_dir / "images/b.png"
    path.write_bytes((data_dir / "images/a.png").read_bytes() + b"padding")


def edit_same_size_same_time(data_dir):
    path = data_dir / "labels/a.txt"
    before = path.stat()
    edit_same_size(data_dir)
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))


def unpack(data_dir):
    """As tar does, which sets the times of files and of folders when all is there."""
    folders = (data_dir / "images/sub", data_dir / "labels/sub")
    before = [folder.stat().st_mtime_ns for folder in folders]
    add(data_dir)
    for path, modified_ns in zip(folders, before, strict=True):
        for one in (*path.glob("e.*"), path):
            os.utime(one, ns=(modified_ns, modified_ns))


CHANGES = (edit_same_size, edit_other_size_same_time, add, remove, rename, turn_image)
CHANGES += (edit_same_size_same_time, unpack)


@pytest.mark.parametrize("with_statx", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(data_dir, cache, builds, change, with_statx, monkeypatch):
    if not with_statx:
        monkeypatch.setattr(listing, "_STATX", None)
    scan_afresh(data_dir)
    time.sleep(0.02)  # a tick of the system's clock
    change(data_dir)
    changed = contents(scan_afresh(data_dir))
    assert len(builds) == 2
    make_old(data_dir)
    assert contents(scan_afresh(data_dir)) == changed and len(builds) == 3
    assert contents(scan_afresh(data_dir)) == changed and len(builds) == 3
    assert len(index_files(cache)) == 1


def test_stamps_are_the_systems(data_dir, monkeypatch):
    (data_dir / "images/dangling").symlink_to("nowhere")
    (data_dir / "images/\udcff\n.png").write_bytes(b"x")
    found = list_folder(str(data_dir / "images"))
    for name, stamps in zip(found.names, found.stamps.tolist(), strict=True):
        path = data_dir / "images" / name
        stat = path.stat() if path.exists() else None
        assert stamps == ([stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] if stat else [0, 0, 0])
    assert len(found.names) == 6 and found.folders == ["", "sub"]
    for statx in (listing._STATX, None):
        monkeypatch.setattr(listing, "_STATX", statx)
        assert is_unchanged(str(data_dir / "images"), found.arrays())
        assert not is_unchanged(str(data_dir / "labels"), found.arrays())
        assert not is_unchanged(str(data_dir / "none"), found.arrays())
        monkeypatch.undo()


def test_a_file_of_this_moment_is_not_trusted(data_dir, cache, builds, monkeypatch):
    os.utime(data_dir / "labels/b.txt")
    with monkeypatch.context() as coarse:
        coarse.setattr(index_cache, "_COARSE_NS", 2 * 10**9)
        scan_afresh(data_dir)
        make_old(data_dir)  # that the content was not touched says nothing: the file was
        scan(data_dir)
    assert len(builds) == 2 and not index_files(cache)
    later = time.time_ns() + 3 * 3600 * 10**9  # a clock that is hours ahead must not forbid the cache for ever
    os.utime(data_dir / "labels/b.txt", ns=(later, later))
    scan_afresh(data_dir)
    assert len(index_files(cache)) == 1


def test_a_folder_with_problems_is_not_kept(data_dir, cache):
    (data_dir / "labels/a.txt").write_text("1 2 3\n")
    make_old(data_dir)
    for _ in range(2):
        with pytest.raises(UserError, match="5 numbers"):
            scan_afresh(data_dir)
    assert not index_files(cache)


def test_a_damaged_file_is_replaced(data_dir, cache, builds):
    expected = contents(scan_afresh(data_dir))
    path = index_files(cache)[0]
    whole = path.read_bytes()
    header_end = whole.index(b"}}") if b"}}" in whole else 400
    damages = [b"", whole[:10], whole[:200], whole[:-1], b"x" * len(whole), whole + b"x"]
    damages += [
        whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :] for at in (3, 15, 20, header_end, len(whole) - 70)
    ]
    damages.append(whole[:-65] + bytes([whole[-65] ^ 1]) + whole[-64:])
    for count, damaged in enumerate(damages, 2):
        path.write_bytes(damaged)
        assert contents(scan_afresh(data_dir)) == expected
        assert len(builds) == count, damaged[:30]
        assert open_stored(path).is_intact()
    assert contents(scan_afresh(data_dir)) == expected and len(builds) == 1 + len(damages)


@pytest.mark.parametrize("place", ["a file", "read only"])
def test_where_nothing_can_be_written(data_dir, cache, builds, place, monkeypatch, tmp_path):
    """Root may write everywhere, so that access is asked of a stand-in."""
    if place == "a file":
        cache.write_text("in the way")
    else:
        monkeypatch.setattr(cache_folder.os, "access", lambda *_: False)
    monkeypatch.setattr(cache_folder.tempfile, "gettempdir", lambda: str(cache / "none"))
    first = contents(scan_afresh(data_dir))
    assert contents(scan_afresh(data_dir)) == first and len(builds) == 2
    scan(data_dir)
    assert len(builds) == 2  # this process knows it still
    if place == "a file":
        monkeypatch.setattr(cache_folder.tempfile, "gettempdir", lambda: str(tmp_path))
        for _ in range(2):
            assert contents(scan_afresh(data_dir)) == first
        assert len(builds) == 3 and list(tmp_path.glob("anomdet-*/*.index"))


def test_a_full_disk_costs_the_cache_alone(data_dir, cache, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(index_cache, "atomic_write", full)
    assert len(scan_afresh(data_dir).records) == 4 and not index_files(cache)


def test_nothing_is_written_into_the_data_folder(data_dir, cache):
    before = {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")}
    scan_afresh(data_dir)
    assert before == {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")}


def test_caches_do_not_pile_up(make_data, data_dir, cache):
    gone = make_data({"x.png": "1 1 1 5 5"}, name="gone")
    make_old(gone)
    scan_afresh(gone)
    scan_afresh(data_dir)
    assert len(index_files(cache)) == 2
    index = scan_afresh(data_dir)
    remembered(index.columns, "thing", lambda: np.arange(3))
    assert len(list(cache.glob("*.npy"))) == 1
    gone.rename(gone.with_name("elsewhere"))
    edit_same_size(data_dir)
    make_old(data_dir)
    scan_afresh(data_dir)
    assert len(index_files(cache)) == 1 and not list(cache.glob("*.npy"))
    old = list(cache.glob("*.old"))
    assert len(old) == 1 and time.time() - old[0].stat().st_mtime < 60  # a day from now
    os.utime(old[0], (0, 0))
    remove(data_dir)
    make_old(data_dir)
    scan_afresh(data_dir)
    assert len(list(cache.glob("*.old"))) == 1 and list(cache.glob("*.old")) != old


def renew(data_dir):
    edit_same_size(data_dir)
    make_old(data_dir)
    scan_afresh(data_dir)


def test_an_index_of_long_ago_is_kept_for_a_day_too(data_dir, cache):
    index = scan_afresh(data_dir)
    os.utime(index_files(cache)[0], (0, 0))
    parcel, before = pickle.dumps(index), contents(index)
    renew(data_dir)
    assert contents(pickle.loads(parcel)) == before


def test_what_is_used_is_not_forgotten(data_dir, cache):
    scan_afresh(data_dir)
    path = index_files(cache)[0]
    forgotten = [path.with_name(f"{'0' * 24}-error-header-100{suffix}") for suffix in (".index", f".{'1' * 32}.old")]
    for one in (path, *forgotten):
        one.touch()
        os.utime(one, (0, 0))
    scan_afresh(data_dir)
    assert time.time() - path.stat().st_mtime < 60
    renew(data_dir)
    assert path.exists() and not any(one.exists() for one in forgotten)


def test_what_is_not_ours_is_left_alone(data_dir, cache):
    """ANOMDET_CACHE_DIR may be any folder, even the user's home."""
    scan_afresh(data_dir)
    ours = index_files(cache)[0].stem
    names = ("letters.old", "x.index", f"{'0' * 32}.old", f"{ours}.old", f"{ours}.{'0' * 31}.old", "folder.old/x")
    named_as_ours = cache / f"{ours}.{'0' * 32}.old"
    for path in (*(cache / name for name in names), named_as_ours / "x"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("dear")
        for one in (path, path.parent):
            os.utime(one, (0, 0))
    os.utime(cache)
    renew(data_dir)
    assert all((cache / name).read_text() == "dear" for name in names)
    assert (named_as_ours / "x").exists() and open_stored(index_files(cache)[0]) is not None
    assert len([path for path in cache.glob("*.old") if path.is_file() and open_stored(path)]) == 1


def test_machines_do_not_touch_each_others_indexes(make_data, data_dir, cache, builds, monkeypatch):
    """They share a home, and have folders of the same name on disks of their own."""
    gone = make_data({"x.png": "1 1 1 5 5"}, name="gone")
    make_old(gone)
    scan_afresh(gone)
    scan_afresh(data_dir)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("platform.node", lambda: "another")
        gone.rename(gone.with_name("elsewhere"))
        scan_afresh(data_dir)
        renew(data_dir)
    assert len(builds) == 4 and len(index_files(cache)) == 3


@pytest.mark.parametrize("failure", ["vanished", "no such call"])
def test_a_look_that_fails_is_no_look(data_dir, cache, builds, failure, monkeypatch):
    first = contents(scan_afresh(data_dir))
    if failure == "vanished":
        is_current = index_cache.Stored.is_current
        monkeypatch.setattr(index_cache.Stored, "is_current", lambda self: self.path.unlink() or is_current(self))
        assert contents(scan_afresh(data_dir)) == first and len(builds) == 2
        return
    monkeypatch.setattr(listing, "_HAS_DIR_FD", False)  # as on Windows
    monkeypatch.delattr(os, "O_CLOEXEC")
    assert contents(scan_afresh(data_dir)) == first and len(builds) == 1


def test_columns_travel_as_a_name_and_outlive_their_replacement(data_dir, cache):
    index = scan_afresh(data_dir)
    before = contents(index)
    parcel = pickle.dumps(index)
    assert len(parcel) < 1200
    assert copy.deepcopy(index) is index
    edit_same_size(data_dir)
    make_old(data_dir)
    assert contents(scan_afresh(data_dir)) != before
    assert contents(index) == before and contents(pickle.loads(parcel)) == before
    for old in cache.glob("*.old"):
        old.unlink()
    with pytest.raises(FileNotFoundError, match="replaced while it was in use"):
        pickle.loads(parcel)


def test_a_thing_is_made_once(data_dir, cache):
    columns = scan_afresh(data_dir).columns
    made = []

    def make():
        made.append(1)
        return np.arange(5, dtype=np.int8)

    for name in ("a", "a", "b"):
        np.testing.assert_array_equal(remembered(columns, name, make), np.arange(5))
    assert len(made) == 2
    next(cache.glob("*.npy")).write_bytes(b"garbage")
    for name in ("a", "b"):
        np.testing.assert_array_equal(remembered(columns, name, make), np.arange(5))
    assert len(made) == 3


def test_one_look_is_enough_for_a_command(data_dir, cache, builds, monkeypatch):
    with one_look():
        first = scan(data_dir)
        monkeypatch.setattr(index_module, "_check_folders", None)  # whoever looks again fails
        edit_same_size(data_dir)
        with one_look():
            assert scan(data_dir) is first
        assert scan(data_dir) is first
        monkeypatch.undo()
    assert contents(scan(data_dir)) != contents(first)


PROGRAM = """
import json, sys
from anomdet.data.index import scan as index
from anomdet.data.index import cache as index_cache
from anomdet.data.index.scan_once import one_look
index._MIN_CACHED = 1
index_cache._COARSE_NS = 0
looks, builds = [], []
is_current, build = index_cache.Stored.is_current, index.build
index_cache.Stored.is_current = lambda self: looks.append(1) or is_current(self)
index.build = lambda *arguments: builds.append(1) or build(*arguments)
with one_look():
    found = index.scan(sys.argv[1])
print(json.dumps([len(builds), len(looks), found.class_nums, len(found.records)]))
"""


def start(data_dir, **environment) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(data_dir)], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_processes_that_build_at_once_build_once(data_dir, cache):
    answers = [json.loads(process.communicate()[0]) for process in [start(data_dir) for _ in range(3)]]
    assert sorted(builds for builds, *_ in answers) == [0, 0, 1]
    assert [answer[2:] for answer in answers] == [[[1, 7], 4]] * 3
    assert len(index_files(cache)) == 1 and not list(cache.glob(".*"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a run is known by /proc")
def test_of_the_ranks_of_a_machine_one_looks(data_dir, cache):
    ranks = {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "2"}
    first = json.loads(start(data_dir, **ranks).communicate()[0])
    edit_same_size(data_dir)
    make_old(data_dir)
    second = json.loads(start(data_dir, **ranks).communicate()[0])
    assert first == [1, 0, [1, 7], 4] and second == [0, 0, [1, 7], 4]
    again = json.loads(start(data_dir, **ranks, TORCHELASTIC_RESTART_COUNT="1").communicate()[0])
    alone = json.loads(start(data_dir).communicate()[0])
    assert again == [1, 1, [1, 2, 7], 4] and alone == [0, 1, [1, 2, 7], 4]
