"""Frames of videos and cameras."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.inference.item import UnreadableImageError
from anomdet.inference.sources import open_sources
from anomdet.inference.video import Camera, video_items, without_password


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """30 frames, 25 a second; each is as bright as eight times its number."""
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    for number in range(30):
        writer.write(np.full((48, 64, 3), 8 * number, np.uint8))
    writer.release()
    return path


def test_each_nth_frame_with_its_time(video: Path) -> None:
    sources = open_sources(video, every=10)
    items = list(sources)
    assert [(item.key, item.frame, item.time_s) for item in items] == [
        ("line/frame_000000", 0, 0.0),
        ("line/frame_000010", 10, 0.4),
        ("line/frame_000020", 20, 0.8),
    ]
    assert [round(float(item.read(None).mean())) for item in items] == [0, 80, 160]
    assert {item.name for item in items} == {str(video)}
    assert sources.count() is None


def test_videos_that_differ_by_their_suffix_only_are_both_judged(video: Path) -> None:
    other = video.with_suffix(".mov")
    other.write_bytes(video.read_bytes())
    items = list(open_sources([video, other, video], every=10))
    assert [item.key for item in items] == [
        f"{stem}/frame_0000{number}0" for stem in ("line", "line.mov") for number in range(3)
    ]
    assert [item.name for item in items] == [str(video)] * 3 + [str(other)] * 3


def test_a_video_that_is_cut_off_ends_in_a_failure(video: Path) -> None:
    class Cut:
        """As OpenCV's, of a file whose header says more frames than it has."""

        def __init__(self, path: str) -> None:
            self._capture, self._left = cv2.VideoCapture(path), 5

        def grab(self) -> bool:
            self._left -= 1
            return self._left >= 0 and self._capture.grab()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._capture, name)

    *frames, last = video_items(str(video), "line", 1, Cut)
    assert len(frames) == 5
    with pytest.raises(UnreadableImageError, match="ends after 5 frames, where its header has 30"):
        last.read(None)


@pytest.mark.parametrize(("frames", "expected"), [(30, 31), (30, 30), (29, 30)])
def test_a_count_of_one_too_many_is_no_failure(video: Path, frames: int, expected: int) -> None:
    assert not _failures(video, frames, expected, per_s=25.0)
    assert _failures(video, frames - 1, expected + 1, per_s=25.0)


def test_frames_of_different_lengths_are_a_whole_video(video: Path) -> None:
    """Of Matroska and WebM, OpenCV takes length times rate for the number of frames: a whole video was said cut off."""
    for expected, per_s in ((120, 100.0), (1200, 1000.0)):  # of 1.2 s
        assert not _failures(video, 30, expected, per_s)
        assert _failures(video, 20, expected, per_s)


def _failures(video: Path, frames: int, expected: int, per_s: float) -> list[str | None]:
    """The items that fail of the first frames of a video, whose header says other things."""

    class Other:
        def __init__(self, path: str) -> None:
            self._capture, self._left = cv2.VideoCapture(path), frames

        def grab(self) -> bool:
            self._left -= 1
            return self._left >= 0 and self._capture.grab()

        def get(self, number: int) -> float:
            said = {cv2.CAP_PROP_FRAME_COUNT: float(expected), cv2.CAP_PROP_FPS: per_s}
            return said[number] if number in said else float(self._capture.get(number))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._capture, name)

    return [item.name for item in video_items(str(video), "line", 1, Other) if item.frame is None]


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match="a video that OpenCV can decode"):
        open_sources(tmp_path / "x.mp4")


def test_no_password_in_results() -> None:
    assert without_password("rtsp://admin:secret@10.0.0.7:554/live?a@b") == "rtsp://10.0.0.7:554/live?a@b"
    with pytest.raises(UserError) as refused:
        open_sources("ftp://me:secret@host/x")
    assert "secret" not in str(refused.value)


class FakeCamera:
    """Frames on demand: each connection gives those of one list, then it is lost."""

    def __init__(self, connections: list[int]) -> None:
        self.connections, self.opened, self.wanted = connections, 0, threading.Semaphore(0)

    def __call__(self, _address: str) -> Any:
        camera, left = self, self.connections[self.opened] if self.opened < len(self.connections) else 0
        self.opened += 1

        class Capture:
            def __init__(self) -> None:
                self.left = left

            def isOpened(self) -> bool:
                return self.left > 0

            def read(self) -> tuple[bool, Any]:
                if self.left == 0:
                    return False, None
                camera.wanted.acquire(timeout=5)
                self.left -= 1
                return True, np.zeros((4, 4, 3), np.uint8)

            def release(self) -> None:
                pass

        return Capture()


def until(condition: Any) -> None:
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


@pytest.mark.slow
def test_a_slow_judge_gets_the_newest_frame_and_knows_what_was_dropped() -> None:
    fake = FakeCamera([100])
    camera = Camera("rtsp://me:secret@host/live", 1, fake)
    items = camera.items()
    fake.wanted.release()
    first = next(items)
    assert (first.name, first.key, first.frame, first.warnings) == (
        "rtsp://host/live",
        "host_live/frame_000000",
        0,
        (),
    )
    for _ in range(4):
        fake.wanted.release()
    until(lambda: camera.dropped == 3)
    fourth = next(items)
    assert fourth.frame == 4
    assert fourth.warnings == ("3 frames before this one were dropped: judging took too long",)
    items.close()
    assert camera.summary() == "rtsp://host/live: 3 frames dropped"


@pytest.mark.slow
def test_a_lost_camera_is_connected_to_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="anomdet")
    logging.getLogger("anomdet").propagate = True
    fake = FakeCamera([1, 0, 1])
    camera = Camera("camera:0", 1, fake)
    items = camera.items()
    for _ in range(2):
        fake.wanted.release()
    assert [next(items).frame, next(items).frame] == [0, 1]
    items.close()
    assert camera.reconnects >= 1
    assert "camera:0: the connection is lost; connecting again" in caplog.text
    assert "connected again 1 times" in caplog.text


def test_a_name_that_is_no_utf8_never_reaches_opencv(tmp_path: Path) -> None:
    """Its binding ends the process by a segmentation fault."""
    path = tmp_path / os.fsdecode(b"b\xff.avi")
    path.write_bytes(b"x")
    with pytest.raises(UserError, match="a video whose name is in UTF-8"):
        open_sources(path)


@pytest.mark.slow
def test_an_address_that_takes_the_call_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomdet.inference.video._ANSWER_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"rtsp://admin:secret@127.0.0.1:{silent.getsockname()[1]}/live"
        with pytest.raises(UserError) as refused:
            open_sources(address)
    assert "expected a camera that answers within 1 s, got 'rtsp://127.0.0.1" in str(refused.value)
    assert "secret" not in str(refused.value)
