"""Stacks to words."""

from __future__ import annotations

import sys
import sysconfig

from anomdet.engine.distributed.stack_location import Frame, frames_of, point, stand

SITE = "/v/site-packages"
LOOP = [
    Frame("/home/u/train.py", 9, "<module>"),
    Frame(f"{SITE}/mmengine/runner/runner.py", 1777, "train"),
    Frame("/repo/anomdet/engine/loops.py", 40, "run_epoch"),
]
FORWARD = Frame(f"{SITE}/mmengine/model/wrappers/distributed.py", 176, "_run_forward")
BACKWARD = Frame(f"{SITE}/torch/autograd/graph.py", 800, "_engine_run_backward")
WAIT = Frame(f"{SITE}/torch/distributed/distributed_c10d.py", 2900, "all_reduce")


def test_the_innermost_meaning_and_the_users_own_line() -> None:
    own = Frame("/home/u/my_model.py", 33, "forward")
    assert stand([*LOOP, FORWARD, own, Frame(f"{SITE}/torch/nn/functional.py", 5, "conv2d")]) == (
        "in the forward pass (my_model.py:33, forward)",
        1,
        False,
    )
    assert stand([*LOOP, BACKWARD]) == ("in the backward pass", 2, False)
    loader = [
        Frame(f"{SITE}/torch/utils/data/dataloader.py", 7, "_next_data"),
        Frame("/repo/anomdet/data/x.py", 8, "get"),
    ]
    assert stand([*LOOP, *loader]) == ("loading a batch (x.py:8, get)", 0, False)
    hook = [
        Frame("/repo/anomdet/engine/runner.py", 9, "call_hook"),
        Frame(f"{SITE}/mmengine/runner/runner.py", 3, "call_hook"),
    ]
    sleeping = [
        Frame("/home/u/hooks.py", 12, "after_train_iter"),
        Frame(sysconfig.get_paths()["stdlib"] + "/x.py", 1, "f"),
    ]
    assert stand([*LOOP, *hook, *sleeping]).words == "in a hook (hooks.py:12, after_train_iter)"


def test_a_collective_waits_wherever_it_is_called() -> None:
    assert stand([*LOOP, WAIT]) == ("waiting for other processes", 0, True)
    assert stand([*LOOP, FORWARD, WAIT]) == ("waiting for other processes", 1, True)


def test_nothing_known() -> None:
    assert stand([]) == ("", 0, False)
    assert stand(LOOP) == ("", 0, False)


def test_a_real_stack_ends_where_it_was_taken() -> None:
    found = frames_of(sys._getframe())
    assert found[-1].function == "test_a_real_stack_ends_where_it_was_taken"
    assert stand(found).words.startswith("test_stack_location.py:")


def test_points() -> None:
    assert point("before_train_iter", 2, 17) == "batch 17 of epoch 2"
    assert point("after_train_epoch", 2, 17) == "the end of epoch 2"
    assert point("before_val", 2, 1) == "the start of the validation"
    assert point("after_load_checkpoint", 1, 1) == "the end of the training" or point("", 1, 1) == "its start"
