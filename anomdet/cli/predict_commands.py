"""``anomdet predict``. Nothing heavy is imported before it runs."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from anomdet.cli.app import Debug, app, log_to_stderr, name_files
from anomdet.terminal import give, say

if TYPE_CHECKING:
    from anomdet.workflows.predictions.result import Predicted, Progress


@app.command(epilog="Example: anomdet predict checkpoints/best_model.pth data/images --save json,csv,pictures")
def predict(  # noqa: PLR0913 (its arguments are the command's options)
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="best_model.pth, or an exported folder.", metavar="MODEL")],
    source: Annotated[
        list[str],
        typer.Argument(
            help="Images, folders, globs, lists (.txt, .csv), videos, cameras; - reads names from stdin.",
            metavar="SOURCE...",
        ),
    ],
    out: Annotated[str, typer.Option(help="A folder; - prints JSON lines.")] = "predictions",
    save: Annotated[str, typer.Option(help="Some of json,csv,coco,labels,crops,pictures; default: json,csv.")] = "",
    threshold: Annotated[Optional[float], typer.Option(help="Default: the operating point in the model.")] = None,  # noqa: UP045
    min_score: Annotated[Optional[float], typer.Option(help="Write detections below the threshold too.")] = None,  # noqa: UP045
    group_by: Annotated[Optional[str], typer.Option(help="Regex of the part in a name: one verdict a part.")] = None,  # noqa: UP045
    every: Annotated[int, typer.Option(help="Take each N-th frame of a video or camera.")] = 1,
    batch: Annotated[str, typer.Option(help="Images, or tiles, at once; auto: 8 on a CPU, 32 on a GPU.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    backend: Annotated[str, typer.Option(help="auto, torch, onnx or openvino.")] = "auto",
    custom_file: Annotated[Optional[Path], typer.Option(help="Python file of a custom model; it is run.")] = None,  # noqa: UP045
    skip_done: Annotated[bool, typer.Option("--skip-done", help="Continue the job in the output folder.")] = False,
    fail_on: Annotated[str, typer.Option(help="reject: end with 1 if a part was rejected.")] = "never",
    watch: Annotated[bool, typer.Option("--watch", help="Judge files as they arrive in the folder SOURCE.")] = False,
    idle: Annotated[Optional[float], typer.Option(help="With --watch: end after so many quiet seconds.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Judge images with a trained detector.

    Ends with 0 when done, 1 if a part was rejected and --fail-on reject is given, 2 if it could not run, 3 if some
    images could not be read (the others are done).
    """
    _silence_opencv(not debug)
    from anomdet.inference.lists import lines_of
    from anomdet.workflows.predict import predict as run
    from anomdet.workflows.predictions.job import PredictJob

    job = PredictJob.from_options(context.params)
    log_to_stderr(job.out is None)
    bar = _Bar()
    try:
        done = run(job, stdin=lines_of(0), emit=give, on_progress=bar, same_command="the same command")
    finally:
        bar.close()
    _end(done, err=job.out is None)


def _end(done: Predicted, *, err: bool) -> None:
    say(done.table, err=err)
    name_files(list(done.written))
    raise typer.Exit(done.exit_code)


def _silence_opencv(is_wanted: bool) -> None:
    """Before it is imported: what is wrong with a video or camera is said once, by us."""
    for name, value in (("OPENCV_LOG_LEVEL", "SILENT"), ("OPENCV_FFMPEG_LOGLEVEL", "-8")):
        if is_wanted:
            os.environ.setdefault(name, value)


class _Bar:
    """One line on a terminal, renewed five times a second; nothing elsewhere."""

    def __init__(self) -> None:
        self._last, self._is_shown = 0.0, sys.stderr.isatty()

    def __call__(self, progress: Progress) -> None:
        is_last = progress.num_images == progress.total
        if self._is_shown and (is_last or time.monotonic() - self._last >= 0.2):
            self._last = time.monotonic()
            with contextlib.suppress(OSError):  # a terminal that was closed
                sys.stderr.write(f"\r\033[K{progress}")
                sys.stderr.flush()

    def close(self) -> None:
        if self._last:
            say(err=True)
