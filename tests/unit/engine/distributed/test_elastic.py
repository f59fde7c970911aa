"""A checkpoint's batches and iterations in those of another number of processes."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from anomdet.engine.distributed.elastic import draws_done, fit_to_processes


class Loader:
    """Of one rank: 67 draws in all."""

    def __init__(self, batch_size: int, world_size: int) -> None:
        self.batch_size = batch_size
        self.sampler = SimpleNamespace(num_draws=67, skip=print)
        self.length = math.ceil(math.ceil(67 / world_size) / batch_size)

    def __len__(self) -> int:
        return self.length


def checkpoint(epoch: int, batch: int, iteration: int, images: int = 8, world: int = 2) -> dict[str, Any]:
    return {
        "meta": dict(epoch=epoch, batch=batch, iter=iteration, images_a_step=images, world_size=world),
        "param_schedulers": [dict(last_step=iteration, _global_step=iteration + 1)],
        "optimizer": {"param_groups": [dict(initial_lr=0.1)]},
    }


def fitted(state: dict[str, Any], batch_size: int, world_size: int, *, scale_lr: bool = False) -> tuple[str, Any]:
    loader: Any = Loader(batch_size, world_size)
    note = fit_to_processes(state, loader, world_size, scale_lr=scale_lr)
    return note, SimpleNamespace(**state["meta"])


def test_the_same_processes_change_nothing() -> None:
    state = checkpoint(1, 4, 13)
    note, meta = fitted(state, 4, 2)
    assert note == ""
    assert (meta.epoch, meta.batch, meta.iter, meta.draws) == (1, 4, 13, 32)
    assert state["param_schedulers"] == [dict(last_step=13, _global_step=14)]


@pytest.mark.parametrize(
    ("batch_size", "world_size", "batch", "iteration"),
    # 32 of 67 draws are done. Alone with 4 images a batch: 9 of 17 batches are left. With 3 ranks: 12 draws of each.
    [(4, 1, 8, 25), (4, 3, 3, 9), (8, 2, 2, 7)],
)
def test_within_an_epoch(batch_size: int, world_size: int, batch: int, iteration: int) -> None:
    state = checkpoint(1, 4, 13)
    note, meta = fitted(state, batch_size, world_size)
    assert "the checkpoint had 2" in note and "the learning rate stays" in note
    assert (meta.batch, meta.iter, meta.draws) == (batch, iteration, 32)
    assert state["param_schedulers"][0] == dict(last_step=iteration, _global_step=iteration + 1)
    assert state["optimizer"]["param_groups"][0]["initial_lr"] == 0.1


def test_at_the_end_of_an_epoch() -> None:
    _, meta = fitted(checkpoint(2, 0, 18), 4, 1)
    assert (meta.batch, meta.iter, meta.draws) == (0, 34, 0)
    _, meta = fitted(checkpoint(1, 9, 18), 4, 1)  # its validation is left
    assert (meta.batch, meta.iter) == (17, 34)


def test_the_linear_rule_follows() -> None:
    state = checkpoint(2, 0, 18)
    note, _ = fitted(state, 4, 1, scale_lr=True)
    assert state["optimizer"]["param_groups"][0]["initial_lr"] == 0.05
    assert "learning rate times 0.5" in note


def test_an_old_checkpoint_is_left_as_it_is() -> None:
    state = {"meta": dict(epoch=1, batch=3, iter=20)}
    assert fitted(state, 4, 1)[0] == "" and state["meta"] == dict(epoch=1, batch=3, iter=20, draws=12)


def test_a_schedule_by_epochs_stays() -> None:
    state = checkpoint(2, 0, 18)
    state["param_schedulers"] = [dict(last_step=2, _global_step=3, by_epoch=True)]
    fitted(state, 4, 1)
    assert state["param_schedulers"] == [dict(last_step=2, _global_step=3, by_epoch=True)]


def test_a_second_interruption_of_an_epoch_that_was_resumed_with_others() -> None:
    """67 draws in steps of 8: after 3 steps 24 are done; then in steps of 6, of which one is done."""
    state = checkpoint(1, 3, 12)
    _, meta = fitted(state, 2, 3)
    assert (meta.batch, meta.draws) == (4, 24)  # of 12 batches, of which 43 draws leave 8
    loop = SimpleNamespace(first_batch=meta.batch, first_draw=meta.draws)
    state["meta"].update(batch=5, draws=draws_done(loop, 5, 6), images_a_step=6, world_size=3)
    assert fitted(state, 2, 3)[1].draws == 30
    _, meta = fitted(state, 4, 2)
    assert (meta.draws, meta.batch) == (30, 4)  # 37 draws are left: 5 of 9 batches
    assert draws_done(loop, 0, 6) == 0  # the epoch is over
