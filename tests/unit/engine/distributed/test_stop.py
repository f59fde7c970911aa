"""Many threads in lockstep, as processes with a collective in each step, agree on the last one."""

from __future__ import annotations

import random
import threading
import time

import pytest

from anomdet.engine.distributed import stop as stop_module
from anomdet.engine.distributed.stop import Stop, round_up


def train(stop: Stop, barrier: threading.Barrier, done: list[int], steps: int) -> None:
    """A rank: every step waits for all others."""
    for step in range(1, steps + 1):
        if not stop.begin(step):
            return
        barrier.wait(timeout=10)
        time.sleep(random.random() * 1e-3)
        done.append(step)
        if stop.is_due(step):
            return


@pytest.mark.parametrize("seed", range(20))
def test_all_stop_after_the_same_step(seed: int) -> None:
    random.seed(seed)
    world = 4
    stops = [Stop() for _ in range(world)]
    barrier = threading.Barrier(world)
    done: list[list[int]] = [[] for _ in range(world)]
    for stop in stops:
        stop.epoch_length, stop.accumulated = 1000, 1 + seed % 3
    ranks = [
        threading.Thread(target=train, args=(stop, barrier, d, 10_000)) for stop, d in zip(stops, done, strict=True)
    ]
    for rank in ranks:
        rank.start()
    begun = []
    for stop in random.sample(stops, world):  # the signal comes to each at its own time
        time.sleep(random.random() * 0.02)
        begun.append(stop.hold(15))
    for stop in random.sample(stops, world):
        time.sleep(random.random() * 0.005)
        stop.agree(begun)
    for rank in ranks:
        rank.join(timeout=10)
        assert not rank.is_alive()
    assert {d[-1] if d else 0 for d in done} == {stops[0].last}
    assert stops[0].last is not None and stops[0].last % stops[0].accumulated == 0


def test_no_agreement_within_the_patience_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_module, "PATIENCE_S", 0.0)
    stop = Stop()
    assert stop.begin(1) and not stop.is_due(1)
    stop.hold(15)
    assert stop.is_open
    time.sleep(0.01)
    stop.agree([])
    assert stop.has_failed and not stop.begin(2) and stop.is_due(2) and stop.last is None


def test_a_step_behind_the_last_is_not_begun() -> None:
    stop = Stop()
    stop.hold(15)
    stop.agree([0, 0])  # before the first step
    assert stop.last == 0 and not stop.begin(1)


@pytest.mark.parametrize(
    ("step", "length", "accumulated", "expected"),
    [(0, 5, 2, 0), (1, 5, 1, 1), (1, 5, 2, 2), (4, 5, 2, 4), (5, 5, 2, 5), (6, 5, 2, 7), (9, 5, 4, 9), (10, 5, 4, 10)],
)
def test_gradients_are_used_up_at_the_last_step(step: int, length: int, accumulated: int, expected: int) -> None:
    assert round_up(step, length, accumulated) == expected
