"""The store's keys, with one process and its own store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch.distributed as dist

from anomdet.engine.distributed.store import Board
from anomdet.engine.distributed.verdict import Report


@pytest.fixture
def board() -> Iterator[Board]:
    store = dist.TCPStore("127.0.0.1", 0, 1, is_master=True)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield Board(0, 1)
    dist.destroy_process_group()


def test_what_one_writes_all_read(board: Board) -> None:
    assert board.reports() == {}
    board.post(Report(0, "b", 7, beat=2))
    assert board.reports() == {0: Report(0, "b", 7, beat=2)}
    assert not board.is_marked("ended")
    board.mark("ended")
    assert board.is_marked("ended")
    assert board.is_first("told") and not board.is_first("told")
    assert board.stop_requested() == 0 and board.held() == []
    board.request_stop(15)
    board.request_stop(2)
    assert board.stop_requested() == 15
    board.hold(17)
    assert board.held() == [17]
    board.warn(30, "first")
    board.warn(30, "second")
    assert board.new_warnings() == [(0, 30, "first"), (0, 30, "second")]
    assert board.new_warnings() == []


def test_an_earlier_start_is_not_read(board: Board) -> None:
    board.mark("ended")
    assert not Board(0, 1).is_marked("ended")
