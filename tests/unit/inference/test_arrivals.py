"""Files that arrive: complete ones, once each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from anomdet.errors import UserError
from anomdet.inference import arrivals
from anomdet.inference.arrivals import Arrivals, Patience
from anomdet.inference.item import Item, NotYetError, UnreadableImageError
from tests.unit.inference.fake_detector import image_bytes


class Clock:
    """Time that passes when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(arrivals, "time", clock)
    return clock


def looks(watched: Arrivals, clock: Clock, times: int, step_s: float = 1.0) -> Iterator[list[Item]]:
    """What each of some looks at the folder finds, a second after each other."""
    for _ in range(times):
        found = list(watched._complete())
        yield found
        clock.now += step_s


def keys(found: list[Item]) -> list[str]:
    return [item.key for item in found]


def test_a_file_is_handed_on_once_it_has_settled(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(image_bytes(0.5))
    watched = Arrivals(str(tmp_path), {}, Patience(settle_s=1.0))
    found = list(looks(watched, clock, 4))
    assert list(map(keys, found)) == [[], ["a/x.png"], [], []]
    assert found[1][0].read(None).shape == (16, 16, 3)
    look = (tmp_path / "a" / "x.png").stat()
    assert found[1][0].stamp == (look.st_size, look.st_mtime_ns)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_half_a_file_is_not_whole_however_long_the_writer_pauses(tmp_path: Path, clock: Clock, suffix: str) -> None:
    data, path = image_bytes(0.5, suffix), tmp_path / f"x{suffix}"
    watched = Arrivals(str(tmp_path), {}, Patience())
    for length in range(0, len(data), max(1, len(data) // 7)):
        path.write_bytes(data[:length])
        assert not any(looks(watched, clock, 5))
    path.write_bytes(data)
    assert list(map(keys, looks(watched, clock, 3))) == [[], [f"x{suffix}"], []]


def test_half_a_file_that_nobody_completes_fails_in_the_end(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "x.png").write_bytes(image_bytes(0.5)[:-10])
    watched = Arrivals(str(tmp_path), {}, Patience(give_up_s=10))
    found = [item for look in looks(watched, clock, 30) for item in look]
    assert keys(found) == ["x.png"]
    with pytest.raises(UnreadableImageError, match=r"no end chunk.*, and it has not changed for 10 s"):
        found[0].read(None)


def test_a_file_that_changes_while_it_is_read_comes_again(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(image_bytes(0.5))
    watched = Arrivals(str(tmp_path), {}, Patience())
    (item,) = [item for look in looks(watched, clock, 2) for item in look]
    path.write_bytes(image_bytes(0.6, size=20))
    with pytest.raises(NotYetError):
        item.read(None)
    watched.settled(item, not_yet=True)
    (item,) = [item for look in looks(watched, clock, 3) for item in look]
    assert item.read(None).shape == (20, 20, 3)


def test_pixels_that_cannot_be_decoded_get_another_chance_until_patience_ends(tmp_path: Path, clock: Clock) -> None:
    data = bytearray(image_bytes(0.5, size=64))
    data[60:80] = bytes(20)
    (tmp_path / "x.png").write_bytes(data)
    watched = Arrivals(str(tmp_path), {}, Patience(give_up_s=5))
    errors = []
    for look in looks(watched, clock, 12):
        for item in look:
            with pytest.raises(UnreadableImageError) as failed:
                item.read(None)
            errors.append(type(failed.value))
            watched.settled(item, not_yet=isinstance(failed.value, NotYetError))
    assert errors[0] is NotYetError
    assert errors[-1] is UnreadableImageError
    assert errors.count(UnreadableImageError) == 1


def test_what_was_judged_before_a_restart_is_not_judged_again(tmp_path: Path, clock: Clock) -> None:
    for name in ("x.png", "y.png"):
        (tmp_path / name).write_bytes(image_bytes(0.5))
    look = (tmp_path / "x.png").stat()
    watched = Arrivals(str(tmp_path), {"x.png": (look.st_size, look.st_mtime_ns)}, Patience())
    assert [key for found in looks(watched, clock, 4) for key in keys(found)] == ["y.png"]
    os.utime(tmp_path / "x.png", ns=(1, 1))  # another part under the same name
    assert [key for found in looks(watched, clock, 4) for key in keys(found)] == ["x.png"]


def test_renamed_into_place_and_hidden_until_then(tmp_path: Path, clock: Clock) -> None:
    watched = Arrivals(str(tmp_path), {}, Patience())
    (tmp_path / ".x.png.part").write_bytes(image_bytes(0.5))
    (tmp_path / "y.tmp").write_bytes(image_bytes(0.5))
    assert not any(looks(watched, clock, 3))
    (tmp_path / ".x.png.part").rename(tmp_path / "x.png")
    assert [key for found in looks(watched, clock, 3) for key in keys(found)] == ["x.png"]


def test_idle_ends_only_when_all_that_was_handed_on_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(arrivals, "time", clock)
    (tmp_path / "x.png").write_bytes(image_bytes(0.5))
    watched = Arrivals(str(tmp_path), {}, Patience(idle_s=3))
    monkeypatch.setattr(watched._stop, "wait", lambda seconds: setattr(clock, "now", clock.now + seconds))
    items = iter(watched)
    item = next(items)
    began = clock.now

    def judge(seconds: float) -> None:
        clock.now += seconds
        if clock.now > began + 20:
            watched.settled(item, not_yet=False)

    monkeypatch.setattr(watched._stop, "wait", judge)
    assert next(items, None) is None
    assert clock.now >= began + 20 + 3


def test_a_network_drive_that_comes_back_is_not_judged_again(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """chokidar 1089, watchfiles 35: all files were reported anew; watchdog 489: nobody heard of the loss."""
    folder, gone = tmp_path / "incoming", tmp_path / "gone"
    folder.mkdir()
    (folder / "x.png").write_bytes(image_bytes(0.5))
    watched = Arrivals(str(folder), {}, Patience())
    assert [key for found in looks(watched, clock, 3) for key in keys(found)] == ["x.png"]
    folder.rename(gone)
    assert not any(looks(watched, clock, 3))
    folder.mkdir()  # where it was mounted
    assert not any(looks(watched, clock, 3))
    folder.rmdir()
    gone.rename(folder)
    (folder / "y.png").write_bytes(image_bytes(0.5))
    assert [key for found in looks(watched, clock, 3) for key in keys(found)] == ["y.png"]
    said = [record.message.removeprefix(f"{folder}: ") for record in caplog.records]
    assert said == ["it cannot be read (No such file or directory); waiting for its files", "it is back"]


def test_before_a_drive_is_mounted_nothing_is_forgotten(tmp_path: Path, clock: Clock) -> None:
    source = tmp_path / "x.png"
    source.write_bytes(image_bytes(0.5))
    folder = tmp_path / "incoming"
    folder.mkdir()
    look = source.stat()
    watched = Arrivals(str(folder), {"x.png": (look.st_size, look.st_mtime_ns)}, Patience())
    assert not any(looks(watched, clock, 3))
    source.rename(folder / "x.png")
    assert not any(looks(watched, clock, 3))


def test_idle_is_not_the_end_of_a_drive_that_is_lost(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Arrivals(str(tmp_path / "gone"), {}, Patience(idle_s=3))
    monkeypatch.setattr(watched._stop, "wait", lambda seconds: setattr(clock, "now", clock.now + seconds))
    with pytest.raises(UserError, match=r"expected a folder that can be read, got No such file or directory"):
        list(watched)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_opened_and_fails_in_the_end(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who opens it waits until somebody writes, and no other file of the line would be judged."""
    os.mkfifo(tmp_path / "a.png")
    monkeypatch.setattr(arrivals, "header_of", lambda path: pytest.fail(f"{path} was opened"))
    watched = Arrivals(str(tmp_path), {}, Patience(settle_s=1.0, give_up_s=10.0))
    _, (item,) = looks(watched, clock, 2)
    with pytest.raises(NotYetError, match="a named pipe, where a regular file is expected"):
        item.read(None)
    watched.settled(item, not_yet=True)
    clock.now += 10.0
    (again,) = watched._complete()
    with pytest.raises(UnreadableImageError, match="a named pipe") as failed:
        again.read(None)
    assert not isinstance(failed.value, NotYetError)
