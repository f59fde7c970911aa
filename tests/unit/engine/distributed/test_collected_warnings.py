"""Warnings of several ranks in one log."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from anomdet.engine.distributed.collected_warnings import Warned


class Board:
    """In place of the store."""

    def __init__(self) -> None:
        self.left: list[tuple[int, int, str]] = []
        self.rank = 0

    def warn(self, level: int, text: str) -> None:
        self.left.append((self.rank, level, text))

    def new_warnings(self) -> list[tuple[int, int, str]]:
        found, self.left = self.left, []
        return found


def logger_with(*handlers: logging.Handler) -> logging.Logger:
    logger = logging.Logger("test")
    for handler in handlers:
        logger.addHandler(handler)
    return logger


class Lines(logging.Handler):
    """What a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_each_warning_once_and_with_its_ranks() -> None:
    board: Any = Board()
    shown, own = Lines(), Warned()
    first = logger_with(shown, own)
    others = [Warned() for _ in range(2)]
    for rank, warned in enumerate(others, start=1):
        logger = logger_with(warned)
        logger.warning("all have it")
        logger.warning("all have it")
        logger.warning("two have it")
        logger.warning("%s has it", f"rank {rank}")
        logger.info("no warning")
        logger.error("shown by itself")
        board.rank = rank
        warned.send(board)
        warned.send(board)
    own.tell(board, first)  # they have come
    first.warning("all have it")
    for _ in range(3):
        own.tell(board, first)
    assert shown.lines == ["all have it", "ranks 1, 2: two have it", "rank 1: rank 1 has it", "rank 2: rank 2 has it"]


class Counted(BaseMetric):
    """MMEngine's, whose words these are."""

    default_prefix = "own"

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(data_batch)

    def compute_metrics(self, results: list) -> dict[str, float]:
        return {"count": len(results)}


def test_a_process_without_a_batch_to_evaluate_warns_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, warned, board = Lines(), Warned(), Board()
    logger: Any = logger_with(shown, warned)
    monkeypatch.setattr(MMLogger, "get_current_instance", lambda: logger)
    assert Counted().evaluate(0) == {"own/count": 0}
    logger.warning("its own")
    warned.send(board)  # type: ignore[arg-type]
    assert len(shown.lines) == 2 and "Counted got empty" in shown.lines[0]  # which only rank 0 would show
    assert board.left == [(0, logging.WARNING, "its own")]
