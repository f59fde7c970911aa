"""The stopwatch of a timing run: which steps count, and when it has seen enough."""

from __future__ import annotations

import pytest

from anomdet.engine import timing
from anomdet.engine.timing import MAX_STEPS, MIN_STEPS, StopwatchHook


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    return now


def run(hook, clock, steps):
    """Step after step, until the hook leaves; returns how many there were."""
    hook.before_train(None)
    for number, seconds in enumerate(steps, start=1):
        clock[0] += seconds
        try:
            hook.after_train_iter(None, number)
        except timing._Timed:
            return number
    raise AssertionError("the hook did not leave")


def test_the_first_steps_do_not_count(clock):
    hook = StopwatchHook(seconds=0.0, num_skipped=2)
    assert run(hook, clock, [9.0, 5.0, 3.0, *[1.0] * 99]) == 2 + 1 + MIN_STEPS
    assert hook.step_s() == pytest.approx(1.0)


def test_it_goes_on_for_its_seconds_but_not_for_ever(clock):
    hook = StopwatchHook(seconds=30.0, num_skipped=0)
    assert run(hook, clock, [1.0] * 99) == 30
    hook = StopwatchHook(seconds=1e9, num_skipped=0)
    assert run(hook, clock, [1.0] * 999) == MAX_STEPS + 1


def test_slow_steps_are_not_waited_for_beyond_a_limit(clock):
    hook = StopwatchHook(seconds=2.0, num_skipped=9, limit_s=10.0)
    assert run(hook, clock, [30.0] * 99) == 2
    assert hook.step_s() == pytest.approx(30.0)
    hook = StopwatchHook(seconds=2.0, num_skipped=3, limit_s=10.0)
    assert run(hook, clock, [0.1] * 999) == 20


def test_one_slow_step_in_twenty_does_not_count(clock):
    hook = StopwatchHook(seconds=20.0, num_skipped=0)
    run(hook, clock, [1.0] * 10 + [7.0] + [1.0] * 40)
    assert len(hook.ends) < 20
    assert hook.step_s() > 1.0
    hook = StopwatchHook(seconds=60.0, num_skipped=0)
    run(hook, clock, [1.0] * 10 + [7.0] + [1.0] * 60)
    assert hook.step_s() == pytest.approx(1.0)


def test_validation_is_timed_without_its_first_batch(clock):
    hook = StopwatchHook(seconds=4.0)
    hook.before_val_epoch(None)
    with pytest.raises(timing._Timed):
        for seconds, images in ((5.0, 4), (2.0, 4), (1.0, 2), (1.0, 2)):
            clock[0] += seconds
            hook.after_val_iter(None, 0, outputs=[None] * images)
    assert len(hook.val_ends) == 3
    assert hook.val_image_s() == pytest.approx(3.0 / 6)


def test_a_validation_of_one_batch_is_timed_too(clock):
    hook = StopwatchHook(seconds=4.0)
    hook.before_val_epoch(None)
    clock[0] += 2.0
    hook.after_val_iter(None, 0, outputs=[None] * 4)
    assert hook.val_image_s() == pytest.approx(0.5)
