"""Frames of video files, and of cameras, which are connected to again when they go away."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from numbers import Integral
from typing import Any
from urllib.parse import urlsplit

from anomdet.errors import Problem
from anomdet.images.read_header import IMAGE_SUFFIXES
from anomdet.inference.item import Item, Reading, failed_item
from anomdet.inference.video_length import num_shown

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv", ".ts")
_CAMERA = re.compile(r"camera:(\d{1,3})")
_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")
_ENDLESS_SUFFIX = ".ts"  # of a stream, too
_LONGEST_PAUSE_S = 10.0
_ANSWER_S = 10  # OpenCV waits half a minute for an address that is silent
log = logging.getLogger("anomdet")


def is_address(source: str) -> bool:
    """Whether a source is a camera: ``rtsp://...`` and its like, or ``camera:0``, the first of this machine."""
    return bool(_CAMERA.fullmatch(source)) or "://" in source


def camera_hint(source: str) -> str:
    """What a camera of this machine is called here, of what names one in other tools; else empty.

    >>> camera_hint("/dev/video2")
    'a camera of this machine is camera:2'
    """
    number = re.fullmatch(r"(?:/dev/video)?(\d{1,3})", source)
    return f"a camera of this machine is camera:{int(number[1])}" if number else ""


def open_capture(address: str) -> Any:
    """OpenCV's capture of a file, an address or a camera of this machine."""
    import cv2

    if camera := _CAMERA.fullmatch(address):
        return cv2.VideoCapture(int(camera[1]))
    limits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC) if is_address(address) else ()
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, [x for limit in limits for x in (limit, _ANSWER_S * 1000)])


def check_video(path: str, shown: str) -> Problem | None:
    """Why a video cannot be opened; None if it can."""
    if is_address(path) and not _CAMERA.fullmatch(path) and _scheme(path) not in _SCHEMES:
        expected = f"an address that begins with camera:0, {', '.join(f'{scheme}://' for scheme in _SCHEMES)}"
        return Problem("SOURCE", expected, repr(shown))
    if _is_one_file(path):
        expected = "a file on this machine, or the stream of a camera, which has no end"
        return Problem("SOURCE", expected, repr(shown), "download it first")
    if os.fsencode(path) != path.encode("utf-8", "replace"):  # bytes that are no UTF-8: OpenCV's binding dies of them
        return Problem("SOURCE", "a video whose name is in UTF-8", repr(shown), "rename it")
    capture = open_capture(path)
    opened = capture.isOpened()
    capture.release()
    if opened:
        return None
    what = f"a camera that answers within {_ANSWER_S} s" if is_address(path) else "a video that OpenCV can decode"
    return Problem("SOURCE", what, repr(shown), "check address, password and network" if is_address(path) else "")


def _scheme(address: str) -> str:
    """In lower case; nothing of what is no address at all, as ``http://[``."""
    try:
        return urlsplit(address).scheme.lower()
    except ValueError:
        return ""


def _is_one_file(path: str) -> bool:
    """Whether an address is that of an image or a video, which would be judged again and again, as a lost camera."""
    if not path.lower().startswith(("http://", "https://")):  # a drive of Windows is a scheme, too
        return False
    suffix = os.path.splitext(urlsplit(path).path)[1].lower()  # noqa: PTH122 (no path of this machine)
    return suffix in {*IMAGE_SUFFIXES, *VIDEO_SUFFIXES} - {_ENDLESS_SUFFIX}


def video_items(path: str, stem: str, every: int, capture_of: Callable[[str], Any] = open_capture) -> Iterator[Item]:
    """Each ``every``-th frame of a file. One that ends before its header says so ends in a failed item.

    Args:
        path: the file.
        stem: the frames' keys lie below it.
        every: 1 takes all frames.
        capture_of: opens it.
    """
    import cv2

    capture = capture_of(path)
    expected = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    frame, time_s = 0, 0.0
    try:
        while capture.grab():
            time_s = round(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, 6)
            if frame % every == 0:
                is_whole, pixels = capture.retrieve()
                yield _frame_item(path, stem, frame, time_s, pixels if is_whole else None)
            frame += 1
    finally:
        per_s = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
    if not _is_whole(frame, time_s, expected, per_s) and not 0 < (num_shown(path) or 0) <= frame + 1:
        reason = f"a video that ends after {frame} frames, where its header has {expected}"
        yield failed_item(path, f"{stem}/frame_{frame:06d}", reason)


def _is_whole(frames: int, last_s: float, expected: int, per_s: float) -> bool:
    """Whether a video was read to its end: by the number of its frames, or by its length.

    Containers count one frame too many now and then. Matroska and WebM have a length alone: where frames last
    differently, as a browser and a screen recorder write them, the number that is expected of it is far too large.

    >>> _is_whole(12, 4.1, 42, 10.0), _is_whole(12, 1.1, 42, 10.0)
    (True, False)
    """
    if frames >= expected - 1 or frames < 2 or not per_s > 0:
        return 0 < frames >= expected - 1
    return expected / per_s - last_s < 2.5 * max(1 / per_s, last_s / (frames - 1))


def _frame_item(name: str, stem: str, frame: int, time_s: float, pixels: Any, warnings: tuple[str, ...] = ()) -> Item:
    key = f"{stem}/frame_{frame:06d}"
    if pixels is None:
        failed = failed_item(name, key, "a frame that cannot be decoded")
        return Item(name, key, failed.read, frame=frame, time_s=time_s)
    return Item(name, key, partial(_given, pixels), frame=frame, time_s=time_s, warnings=warnings)


def _given(pixels: Any, _reading: Reading | None) -> Any:
    return pixels


def without_password(address: str) -> str:
    """The address without user and password, for results and logs.

    >>> without_password("rtsp://admin:secret@10.0.0.7:554/live")
    'rtsp://10.0.0.7:554/live'
    """
    return re.sub(r"(?<=://)[^/]*@", "", address)


class Camera:
    """The newest frames of a camera. A thread reads all of them, so that none is old when it is judged.

    Args:
        address: ``rtsp://...`` or ``camera:0``.
        every: judge each ``every``-th frame at most.
        capture_of: opens it.

    Attributes:
        dropped: frames that were read and not judged, since the network was busy; those between two taken ones that
            ``every`` leaves out are not among them.
        reconnects: how often it was connected to again.
        lost_s: for how long there was no connection.
    """

    def __init__(self, address: str, every: int = 1, capture_of: Callable[[str], Any] = open_capture) -> None:
        self.address, self.name, self.every = address, without_password(address), every
        self.dropped, self.reconnects, self.lost_s = 0, 0, 0.0
        self._capture_of = capture_of
        self._newest: tuple[int, float, Any] | None = None
        self._arrived = threading.Condition()
        self._stop = threading.Event()

    def items(self) -> Iterator[Item]:
        """Frames for as long as anybody asks."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", self.name.split("://")[-1]).strip("._") or "camera"
        thread = threading.Thread(target=self._read, name="camera", daemon=True)
        thread.start()
        reported = 0
        try:
            while True:
                with self._arrived:
                    while self._newest is None:
                        assert thread.is_alive(), "the thread that reads the camera died"
                        self._arrived.wait(0.2)
                    (frame, time_s, pixels), self._newest = self._newest, None
                    dropped, reported = self.dropped - reported, self.dropped
                warnings = (f"{dropped} frames before this one were dropped: judging took too long",) if dropped else ()
                yield _frame_item(self.name, stem, frame, time_s, pixels, warnings)
        finally:
            self._stop.set()
            thread.join(1.0)
            log.info(self.summary())

    def summary(self) -> str:
        """What was dropped and lost."""
        again = f", connected again {self.reconnects} times, {self.lost_s:.1f} s without a connection"
        return f"{self.name}: {self.dropped} frames dropped{again if self.reconnects else ''}"

    def _read(self) -> None:
        frame, start, pause_s = 0, time.monotonic(), 0.5
        capture = self._capture_of(self.address)
        while not self._stop.is_set():
            is_whole, pixels = capture.read()
            if is_whole:
                pause_s = 0.5
                if frame % self.every == 0:
                    self._put((frame, round(time.monotonic() - start, 3), pixels))
                frame += 1
                continue
            capture.release()
            lost_at = time.monotonic()
            log.warning(f"{self.name}: the connection is lost; connecting again")
            while not self._stop.wait(pause_s):
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                capture = self._capture_of(self.address)
                if capture.isOpened():
                    break
                capture.release()
            self.reconnects += 1
            self.lost_s += time.monotonic() - lost_at
            log.warning(self.summary())
        capture.release()

    def _put(self, newest: tuple[int, float, Any]) -> None:
        with self._arrived:
            self.dropped += self._newest is not None
            self._newest = newest
            self._arrived.notify()


def camera_items(address: str, every: int) -> Iterator[Item]:
    """Frames of a camera, as :class:`Camera` gives them."""
    return Camera(address, every).items()


def check_every(every: int, *, has_video: bool) -> Problem | None:
    """Why ``--every`` does not fit; None if it does."""
    if not isinstance(every, Integral) or every < 1:  # of 2.5 each fifth frame would be taken
        return Problem("--every", "an integer >= 1", repr(every))
    if every > 1 and not has_video:
        return Problem("--every", "a video or a camera among the sources", "images only", "leave it out")
    return None
