"""Where the main thread of a process stands, in words: from the hook it passed last and from its stack."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from types import FrameType
from typing import NamedTuple

# Whose lines tell a reader nothing that the words do not.
_LIBRARIES = ("site-packages", "dist-packages", sysconfig.get_paths()["stdlib"], "<frozen", "<string>")
_FRAMEWORK = tuple(
    f"anomdet/{place}" for place in ("engine/loops.py", "engine/runner.py", "engine/distributed/", "workflows/", "cli/")
)
# Part of a path, function (empty: any), what it means. The innermost frame that fits tells it.
_MEANINGS = (
    ("torch/distributed/distributed_c10d.py", "", "waiting for other processes"),
    ("mmengine/dist/", "", "waiting for other processes"),
    ("torch/utils/data/dataloader.py", "", "loading a batch"),
    ("anomdet/engine/checkpoint.py", "save_atomically", "writing a checkpoint"),
    ("torch/autograd/graph.py", "_engine_run_backward", "in the backward pass"),
    ("torch/optim/", "", "in the optimizer's step"),
    ("mmengine/model/wrappers/distributed.py", "_run_forward", "in the forward pass"),
    ("anomdet/engine/predict_with_loss.py", "predict_with_loss", "predicting a batch"),
    ("mmengine/hooks/", "", "in a hook"),
    ("mmengine/runner/runner.py", "call_hook", "in a hook"),
)
_DEPTHS = {"in the forward pass": 1, "in the backward pass": 2, "in the optimizer's step": 3}
_POINTS = {
    "": "its start",
    "before_run": "its start",
    "before_train": "the start of the training",
    "before_train_epoch": "the start of epoch {epoch}",
    "before_train_iter": "batch {batch} of epoch {epoch}",
    "after_train_iter": "the end of batch {batch} of epoch {epoch}",
    "after_train_epoch": "the end of epoch {epoch}",
    "before_val_iter": "batch {batch} of a validation",
    "after_val_iter": "the end of batch {batch} of a validation",
    "before_test_iter": "batch {batch} of the test",
    "after_test_iter": "the end of batch {batch} of the test",
}


class Frame(NamedTuple):
    """One line of a stack."""

    path: str
    line: int
    function: str


class Stand(NamedTuple):
    """What a stack shows.

    Args:
        words: ``loading a batch (dataset.py:88, __getitem__)``.
        depth: how far within a step: 0 outside the passes, 1 forward, 2 backward, 3 optimizer.
        waits: in a call that waits for other processes.
    """

    words: str
    depth: int
    waits: bool


def frames_of(frame: FrameType | None) -> list[Frame]:
    """A thread's stack, outermost first; reads no source file."""
    found = []
    while frame is not None:
        found.append(Frame(frame.f_code.co_filename.replace("\\", "/"), frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return found[::-1]


def stand(frames: list[Frame]) -> Stand:
    """Where a stack stands."""
    meanings = [meaning for frame in frames if (meaning := _meaning(frame))]
    words = meanings[-1] if meanings else ""
    own = next((frame for frame in reversed(frames) if _is_telling(frame)), None)
    place = f"{Path(own.path).name}:{own.line}, {own.function}" if own else ""
    depth = max((_DEPTHS.get(meaning, 0) for meaning in meanings), default=0)
    text = f"{words} ({place})" if words and place else words or place
    return Stand(text, depth, words == "waiting for other processes")


def _is_telling(frame: Frame) -> bool:
    return frame.function != "<module>" and not any(part in frame.path for part in (*_LIBRARIES, *_FRAMEWORK))


def _meaning(frame: Frame) -> str:
    for part, function, words in _MEANINGS:
        if part in frame.path and function in ("", frame.function):
            return words
    return ""


def point(hook: str, epoch: int, batch: int) -> str:
    """The hook that was passed last, for a reader; epoch and batch count from 1."""
    known = _POINTS.get(hook)
    if known is None:
        part = "the validation" if "_val" in hook else "the test" if "_test" in hook else "the training"
        known = f"the {'start' if hook.startswith('before') else 'end'} of {part}"
    return known.format(epoch=epoch, batch=batch)
