"""When the guard speaks, with a watch of its own making."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from torch.distributed import DistNetworkError

from anomdet.engine.distributed import guard as guard_module
from anomdet.engine.distributed.guard import Guard, limit
from anomdet.engine.distributed.verdict import Report


class Left(BaseException):
    """In place of the end of the process."""


class Board:
    """In place of the store."""

    address = "b:29500"

    def __init__(self) -> None:
        self.marks: list[str] = []
        self.told = False

    def is_first(self, _: str) -> bool:
        return not self.told

    def mark(self, name: str) -> None:
        self.marks.append(name)


class LostBoard(Board):
    """It ended in between."""

    def is_first(self, _: str) -> bool:
        raise DistNetworkError("Broken pipe")

    def mark(self, name: str) -> None:
        raise DistNetworkError("Broken pipe")


class Watch:
    """Rank 0 of two."""

    rank, interval_s, checkpoint = 0, 0.001, None
    armed = has_ended = is_closing = interrupted = False
    signal = 0

    def __init__(self) -> None:
        self.board = Board()
        self.stands = (7, 2, False, "in the backward pass")
        self.stop = type("Stop", (), {"has_failed": False})
        self.wake = type("Event", (), {"set": lambda _: None})()
        self.reports = {0: Report(0, "b", 1, step=5, depth=2), 1: Report(1, "c", 2, step=4, stood_s=541.0)}
        self.dead: tuple[int, ...] = ()
        self.beat = 0
        self.codes: list[int] = []

    def finish(self, code: int) -> None:
        self.codes.append(code)

    def others_ended(self) -> bool:
        return self.has_ended

    def was_interrupted(self) -> bool:
        return self.interrupted

    def read(self, _: float) -> dict[int, Report]:
        self.beat += 1
        found = {}
        for rank, report in self.reports.items():
            beat = 0 if rank in self.dead else self.beat
            found[rank] = replace(report, pid=1, beat=beat)
        return found


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    lines: list[str] = []

    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr(guard_module, "say", lines.append)
    monkeypatch.setattr(guard_module, "_leave", leave)
    yield lines


def looked(watch: Any, after_s: float) -> int:
    """The exit code; 0: it stays."""
    guard = Guard(watch, 600.0)
    now = time.monotonic()
    guard._look(now)
    try:
        guard._look(now + after_s)
    except Left as left:
        return int(left.args[0])
    return 0


def test_it_speaks_before_the_backend_and_not_earlier() -> None:
    assert limit(600) == 540 and limit(30) == 25 and limit(4) == 2


def test_one_that_is_behind_is_named_after_the_limit_only(said: list[str]) -> None:
    watch = Watch()
    assert looked(watch, 530) == 0 and not said
    assert looked(watch, 541) == 1
    assert said[0].startswith("error: rank 1 (host c, pid 1) has not moved for 9.0 min since its start")
    assert watch.board.marks == ["ended"] and watch.codes == [1]


def test_it_leaves_though_the_store_ends_in_between(said: list[str]) -> None:
    watch = Watch()
    watch.board = LostBoard()
    assert looked(watch, 541) == 1
    assert said[0].startswith("error: rank 1 (host c, pid 1) has not moved")


def test_another_has_told_it(said: list[str]) -> None:
    watch = Watch()
    watch.board.told = True
    assert looked(watch, 541) == 1 and not said


def test_the_culprit_itself_is_silent_and_stays(said: list[str]) -> None:
    watch = Watch()
    watch.reports[1], watch.reports[0] = Report(1, "c", 2, step=5), Report(0, "b", 1, step=4)
    assert looked(watch, 541) == 0 and not said


def test_all_busy_at_one_place_is_no_alarm(said: list[str]) -> None:
    watch = Watch()
    watch.reports[1] = Report(1, "c", 2, step=5, depth=2)
    assert looked(watch, 5000) == 0 and not said


def test_no_sign_of_life(said: list[str]) -> None:
    watch = Watch()
    watch.reports[1] = Report(1, "c", 2, step=5, depth=2)
    watch.dead = (1,)
    assert looked(watch, 541) == 1
    assert said[0].startswith("error: rank 1 (host c, pid 1) shows no sign of life")


def test_a_store_that_does_not_answer(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    watch: Any = Watch()
    watch.read = lambda _: {}
    assert looked(watch, 541) == 1
    assert "nothing has moved for 541 s, and the store of all processes, b:29500" in said[0]


def test_one_that_begins_to_wait_has_moved(said: list[str]) -> None:
    guard = Guard(watch := Watch(), 600.0)  # type: ignore[arg-type]
    now = time.monotonic()
    guard._look(now)
    watch.stands = (7, 0, True, "waiting for other processes")
    guard._look(now + 500)
    guard._look(now + 1000)
    assert not said


def test_signals(said: list[str]) -> None:
    guard = Guard(watch := Watch(), 600.0)  # type: ignore[arg-type]
    guard._heed(bytes([signal.SIGCHLD, signal.SIGTERM]))
    assert watch.signal == 0  # not in a validation: the main thread leaves by itself
    watch.armed = True
    guard._heed(bytes([signal.SIGTERM]))
    assert watch.signal == signal.SIGTERM
    watch.has_ended = True
    with pytest.raises(Left, match="143"):
        guard._look(time.monotonic())


def explained(watch: Any, patience_s: float = 0.0) -> str | None:
    return Guard(watch, 600.0).explain_loss(patience_s)


def test_a_lost_store_is_explained_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    watch: Any = Watch()
    watch.read = lambda _: {}
    started = time.monotonic()
    told = explained(watch, 30.0)
    assert told and told.startswith("the store of all processes, b:29500 on the machine of rank 0, is gone")
    assert time.monotonic() - started < 10
    monkeypatch.setenv("LOCAL_RANK", "3")
    watch.rank = 3
    assert explained(watch, 30.0) == ""  # another process of this machine tells it
    watch.interrupted = True
    assert explained(watch, 30.0) is None
    watch.has_ended = True
    assert explained(watch, 30.0) == ""


def test_one_that_says_goodbye_while_it_is_looked_for_was_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    gone = {1: "gone"}
    monkeypatch.setattr(guard_module, "states", lambda reports, _: {} if reports[1].is_done else gone)
    assert "rank 1 (host c, pid 1) ended without a word" in (explained(watch) or "")
    read = watch.read

    def read_then_done(patience_s: float) -> dict[int, Report]:
        found = read(patience_s)
        watch.reports[1] = replace(watch.reports[1], is_done=True)
        return found

    watch.board.marks.clear()
    monkeypatch.setattr(watch, "read", read_then_done)
    assert explained(watch) is None and watch.board.marks == []
