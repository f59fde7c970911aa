"""Which images a run draws, and when."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from anomdet.engine.hooks import VisualizeHook
from anomdet.engine.hooks.visualize import choose_images

IMAGE = np.array([0, 1, 2, 3, 4, 4, 5])  # of each object
LABEL = np.array([0, 0, 0, 0, 0, 1, 2])
NUM_IMAGES, NUM_CLASSES = 9, 4  # three images are normal, one class has no object


@pytest.mark.parametrize("number", range(1, 12))
def test_the_rarest_classes_come_first_and_one_image_is_normal(number: int) -> None:
    chosen = choose_images(IMAGE, LABEL, NUM_IMAGES, NUM_CLASSES, number)
    assert len(chosen) == len(set(chosen)) == min(max(number - 1, 1), NUM_IMAGES)
    shown = {int(label) for image, label in zip(IMAGE, LABEL, strict=True) if image in chosen}
    if number >= 5:
        assert shown == {0, 1, 2}
        assert set(chosen) & {6, 7, 8}
    assert chosen == choose_images(IMAGE, LABEL, NUM_IMAGES, NUM_CLASSES, number)


def test_a_split_without_objects_or_without_normal_images() -> None:
    nothing = np.zeros(0, dtype=int)
    assert choose_images(nothing, nothing, 3, 2, 9) == [0, 1, 2]
    assert choose_images(np.array([0, 1]), np.array([0, 0]), 2, 1, 3) == [0, 1]


def runner(epoch: int, val_interval: int = 1) -> Any:
    return SimpleNamespace(epoch=epoch, max_epochs=7, train_loop=SimpleNamespace(val_interval=val_interval))


def test_with_an_interval_every_so_many_validations_and_the_last() -> None:
    hook = VisualizeHook(interval=2)
    assert [epoch for epoch in range(1, 8) if hook._is_due(runner(epoch))] == [2, 4, 6, 7]
    assert [epoch for epoch in (3, 6, 7) if hook._is_due(runner(epoch, 3))] == [6, 7]


def test_without_one_while_drawing_costs_less_than_two_percent() -> None:
    hook = VisualizeHook()
    hook.started = time.monotonic() - 100
    assert hook._is_due(runner(1))
    hook.spent_s, hook.last_s = 1.4, 0.5
    assert hook._is_due(runner(2))
    hook.spent_s, hook.last_s = 1.9, 0.5
    assert not hook._is_due(runner(3))
