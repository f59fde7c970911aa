"""The end of a watch: what is left in the store for the others, with one process and its own store."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch.distributed as dist

from anomdet.engine.distributed import watch as watch_module
from anomdet.engine.distributed.verdict import Report
from anomdet.engine.distributed.watch import Watch


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    store = dist.TCPStore("127.0.0.1", 0, 1, is_master=True)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    watch = Watch(0, 1, 600.0)
    watch.interval_s = 0.2
    watch.start()
    yield watch
    watch.close()
    dist.destroy_process_group()


@pytest.mark.parametrize(("code", "is_done", "interrupted"), [(0, True, False), (143, True, True), (1, False, False)])
def test_what_the_others_are_told_of_the_end(here: Watch, code: int, is_done: bool, interrupted: bool) -> None:
    here.close(code)
    report = here.board.reports()[0]
    assert (report.is_done, here.board.is_marked("interrupted")) == (is_done, interrupted)
    assert here.board.is_marked("finished")


def test_the_last_warnings_of_others_are_told(here: Watch) -> None:
    lines: list[str] = []
    logger = logging.Logger("test")
    logger.addFilter(lambda record: lines.append(record.getMessage()) is not None)
    here.runner = SimpleNamespace(logger=logger, epoch=0)
    here.board.post(Report(1, "b", 7, is_done=True))
    here.board.rank = 1
    here.board.warn(logging.WARNING, "at the very end")
    here.board.rank = 0
    here.close()
    assert lines == ["rank 1: at the very end"]


def test_others_leave_when_the_first_has_finished(here: Watch) -> None:
    here.rank = 1
    started = time.monotonic()
    here.board.mark("finished")
    here.wait_for_the_first()
    assert time.monotonic() - started < watch_module._FINISHES_S / 2
