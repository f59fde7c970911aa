"""Running MMDetection's own tools."""

from __future__ import annotations

import multiprocessing
import multiprocessing.pool
import os

from anomdet.workflows.mmdet_tool import mmdet_tool


def process_of(_: int) -> int:
    return os.getpid()


def test_a_tools_pool_forks_no_process_that_has_threads() -> None:
    before = multiprocessing.Pool
    with mmdet_tool("coco_error_analysis.py"), multiprocessing.Pool(processes=48) as pool:
        assert isinstance(pool, multiprocessing.pool.ThreadPool)
        assert set(pool.map(process_of, range(96))) == {os.getpid()}
    assert multiprocessing.Pool == before
