"""Of many processes: who says what of an error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from anomdet.engine.distributed import last_words as peers
from anomdet.errors import UserError

GLOO = "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:545] Read error: Connection reset by peer"


class Board:
    """In place of the store."""

    def __init__(self) -> None:
        self.marks: list[str] = []
        self.counts: dict[str, int] = {}

    def mark(self, name: str) -> None:
        self.marks.append(name)

    def count(self, name: str, increment: int = 0) -> int:
        self.counts[name] = self.counts.get(name, 0) + increment
        return self.counts[name]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(peers, "_ALIKE_S", 0.0)
    monkeypatch.setattr(peers.signal, "signal", lambda *_: None)
    watch = SimpleNamespace(
        board=Board(),
        stop=SimpleNamespace(last=None),
        guard=SimpleNamespace(explain_loss=lambda patience_s: watch.lost, resume_hint="; --resume goes on from c"),
        was_interrupted=lambda: watch.interrupted,
        close=lambda code: watch.codes.append(code),
        interrupted=False,
        codes=[],
        others_ended=lambda: watch.ended,
        lost=None,
        ended=False,
        has_begun=True,
        name="rank 0 (host b, pid 7)",
    )
    monkeypatch.setattr(peers, "watch", lambda: watch)
    return watch


def test_what_a_lost_process_looks_like(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not peers.lost_another(RuntimeError(GLOO))  # one process alone loses nobody
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert peers.lost_another(RuntimeError(GLOO))
    assert not peers.lost_another(RuntimeError("shapes do not match")) and not peers.lost_another(None)
    wrapped = UserError("wrong")
    wrapped.__cause__ = RuntimeError("NCCL communicator was aborted")
    assert peers.lost_another(wrapped)


def test_an_own_error_has_the_name_of_its_process(here: Any) -> None:
    assert peers.own_words(ValueError("x"), "error: x", 1) == "rank 0 (host b, pid 7): error: x"
    assert here.board.marks == ["ended"]
    assert peers.own_words(ValueError("x"), "error: x", 1) == ""  # the other one, a moment later
    here.ended = True
    assert peers.own_words(ValueError("y"), "error: y", 1) == ""  # because the other one has ended


def test_what_all_find_has_nobodys_name(here: Any) -> None:
    counts = iter([1, 2])
    here.board.count = lambda *_: next(counts)
    assert peers.own_words(ValueError("x"), "error: x", 1) == "error: x"


def test_a_lost_process_is_explained_once(here: Any) -> None:
    here.lost = "rank 1 (host b, pid 8) ended"
    assert peers.own_words(RuntimeError(GLOO), "error: gloo", 1) == "error: rank 1 (host b, pid 8) ended"
    here.lost = ""
    assert peers.own_words(RuntimeError(GLOO), "error: gloo", 1) == ""
    here.lost = None
    assert "though each of them lives; gloo" in peers.own_words(RuntimeError(GLOO), "error: gloo", 1)


def test_another_that_was_interrupted_is_not_taken_for_killed(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here.interrupted = True
    told = peers.own_words(RuntimeError(GLOO), "error: gloo", 1)
    assert told == "interrupted: a signal ended another process; --resume goes on from c"
    assert here.board.marks == []
    monkeypatch.setenv("RANK", "1")
    assert peers.own_words(RuntimeError(GLOO), "error: gloo", 1) == ""


def test_the_others_hear_of_the_end_before(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[tuple[int, list[int]]] = []
    monkeypatch.setattr(peers.os, "_exit", lambda code: ended.append((code, list(here.codes))))
    peers.leave(143)
    assert ended == [(143, [143])]
    assert peers.leave(0) == 0 and here.codes == [143, 0] and len(ended) == 1


def test_an_interruption(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert peers.own_words(KeyboardInterrupt(), "interrupted", 143) == "interrupted"
    here.ended = True  # torchrun's, since another process has failed
    assert peers.own_words(KeyboardInterrupt(), "interrupted", 143) == ""
    here.stop.last = 17  # agreed on before
    assert peers.own_words(KeyboardInterrupt(), "interrupted", 143) == "interrupted"
    monkeypatch.setenv("RANK", "1")
    assert peers.own_words(KeyboardInterrupt(), "interrupted", 143) == ""
