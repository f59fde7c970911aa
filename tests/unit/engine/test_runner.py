"""What the log shows: our lines from INFO on, the libraries' from DEBUG on, and their warnings always."""

from __future__ import annotations

import logging
from pathlib import Path

import mmdet
import mmengine
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from anomdet.engine.log_handlers import OwnLines
from anomdet.engine.runner import InspectionRunner

OWN = "/somewhere/anomdet/cli/train.py"
LIBRARIES = [str(Path(module.__file__ or "").parent / "runner.py") for module in (mmengine, mmdet)]


def shown(pathname: str, level: int, log_level: int) -> bool:
    record = logging.LogRecord("anomdet", level, pathname, 1, "text", None, None)
    return bool(OwnLines(log_level).filter(record))


def test_our_lines_are_shown() -> None:
    for level in (logging.DEBUG, logging.INFO, logging.ERROR):
        assert shown(OWN, level, logging.INFO)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_libraries_lines_are_detail(library: str) -> None:
    assert not shown(library, logging.INFO, logging.INFO)
    assert shown(library, logging.INFO, logging.DEBUG)
    for log_level in (logging.DEBUG, logging.INFO, logging.ERROR):
        assert shown(library, logging.WARNING, log_level)


def test_the_initialisation_of_each_parameter_is_nobodys_detail() -> None:
    path = str(Path(mmengine.__file__).parent / "model" / "base_module.py")
    assert not shown(path, logging.INFO, logging.DEBUG)


def test_no_gradient_is_lost_where_an_accumulating_run_is_resumed() -> None:
    """MMEngine says so of an iteration that is no multiple of the batches of a step; our loop counts by epochs."""
    wrapper = OptimWrapper(torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0), accumulative_counts=3)
    said: list[logging.LogRecord] = []
    logger = MMLogger.get_instance("resumed", logger_name="resumed")
    logger.handlers[:] = [handler := logging.Handler()]
    handler.addFilter(OwnLines(logging.INFO))
    handler.emit = said.append  # type: ignore[method-assign]
    wrapper.initialize_count_status(nn.Identity(), 5, 10)
    assert not said
    wrapper.initialize_count_status(nn.BatchNorm2d(1), 6, 10)
    assert [record.getMessage()[:22] for record in said] == ["Gradient accumulative "]


@pytest.mark.parametrize("optim_wrapper", [None, {}])
def test_buckets_are_settled_for_a_training_only(monkeypatch: pytest.MonkeyPatch, optim_wrapper: dict | None) -> None:
    settled: list[object] = []
    monkeypatch.setattr(Runner, "wrap_model", lambda self, cfg, model: model)
    monkeypatch.setattr("anomdet.engine.runner.settle_buckets", settled.append)
    runner = InspectionRunner.__new__(InspectionRunner)
    runner._distributed, runner._world_size, runner.optim_wrapper, runner.cfg = True, 1, optim_wrapper, Config()
    model = nn.Linear(1, 1)
    assert runner.wrap_model(None, model) is model
    assert settled == ([] if optim_wrapper is None else [model])
