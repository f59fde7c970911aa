"""What befalls a training from outside: changed data, a full disk under its log, a terminal that is gone."""

from __future__ import annotations

import errno
import io
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anomdet.engine.hooks import ChangedFilesHook, TrackerHook
from anomdet.engine.log_handlers import FORMAT, Console, LogFile


class Full(io.StringIO):
    """A file on a full disk."""

    name = "logs/training.log"

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def runner(**parts: Any) -> Any:
    lines: list[str] = []
    optim = SimpleNamespace(get_lr=lambda: {"lr": [0.1]})
    parts = {"rank": 0, "iter": 9, "optim_wrapper": optim, "lines": lines, **parts}
    return SimpleNamespace(logger=SimpleNamespace(warning=lines.append), **parts)


def data(*changes: list[str]) -> Any:
    """A loop whose data set tells of these changes, one look after the other."""
    looks = iter(changes)
    stamps = SimpleNamespace(changed=lambda budget_s: next(looks, []))
    return SimpleNamespace(dataloader=SimpleNamespace(dataset=SimpleNamespace(file_stamps=lambda: stamps)))


def test_changed_data_is_said_at_the_next_validation() -> None:
    names = [f"labels/{at}.txt" for at in range(5)]
    here = runner(train_loop=data([], names), val_loop=data([]))
    hook = ChangedFilesHook()
    hook.before_train(here)
    hook.before_val_epoch(here)
    assert here.lines == []
    hook.before_val_epoch(here)
    hook.before_val_epoch(here)
    (line,) = here.lines
    assert "labels/0.txt, labels/1.txt, labels/2.txt and 2 more; the boxes stay those of the start" in line


def test_data_sets_of_others_and_other_ranks_are_not_looked_at() -> None:
    theirs = SimpleNamespace(dataloader=SimpleNamespace(dataset=SimpleNamespace()))
    for here in (
        runner(train_loop=theirs, val_loop=theirs),
        runner(train_loop=theirs, val_loop=None),  # a Python config without validation
        runner(rank=1, train_loop=data(["a"]), val_loop=data(["b"])),
    ):
        hook = ChangedFilesHook()
        hook.before_train(here)
        hook.before_val_epoch(here)
        assert here.lines == []


class FullVisualizer:
    """Of a tracker whose disk is full."""

    def __init__(self) -> None:
        self.calls = 0

    def add_scalars(self, *_: Any, **__: Any) -> None:
        self.calls += 1
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_tracker_on_a_full_disk_is_given_up_and_the_training_goes_on() -> None:
    here = runner(visualizer=FullVisualizer())
    hook = TrackerHook(interval=1)
    hook.before_train(here)
    for _ in range(3):
        hook.after_train_iter(here, 0, outputs={"loss": 1.0})
        hook.after_val_epoch(here, {"mAP": 0.5})
    hook.close()
    assert here.lines == [
        "logging.trackers: the numbers from step 10 on are not recorded (No space left on device); the run continues"
    ]
    assert here.visualizer.calls == 1


def emit(handler: logging.Handler, *texts: str, path: str = "/anomdet/train.py") -> None:
    handler.setFormatter(FORMAT)
    for text in texts:
        handler.handle(logging.LogRecord("anomdet", logging.INFO, path, 1, text, None, None))


def test_a_log_on_a_full_disk_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    emit(LogFile(Full()), "one", "two")
    said = "warning: logs/training.log cannot be written any more: No space left on device; the run continues\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO, errno.ENOSPC])
def test_a_console_that_is_gone_ends_no_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(number, "gone")

    monkeypatch.setattr(sys, "stdout", Gone())
    emit(Console(), "one")
    said = "stdout cannot be written any more: gone; the work continues\n"
    assert capsys.readouterr().err == (said if number == errno.ENOSPC else "")


def test_a_closed_stdout_ends_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # as Python makes it
    emit(Console(), "one")


def test_names_are_escaped_and_fit_the_encoding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        emit(Console(), "日 a\x1b[2J\nerror: b\udcff")
    line = (tmp_path / "out").read_text(encoding="ascii")
    assert line.endswith("INFO    \\u65e5 a\\x1b[2J\\nerror: b\\xff\n")


def test_line_breaks_of_the_libraries_stay() -> None:
    import mmengine

    path = str(Path(mmengine.__file__ or "").parent / "runner.py")
    record = logging.LogRecord("mmengine", logging.WARNING, path, 1, "a\nb\x1b[2J", None, None)
    assert FORMAT.format(record).endswith("a\nb\\x1b[2J")
