"""``anomdet predict``: a verdict on each image, written as it is reached."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.ranks import is_main_process
from anomdet.workflows.predictions.job import PredictJob, check_job
from anomdet.workflows.predictions.result import Predicted, Progress

if TYPE_CHECKING:
    from anomdet.workflows.predictions.folder import OutFolder
    from anomdet.workflows.predictions.run import Run


def predict(
    job: PredictJob,
    *,
    stdin: Iterable[str] | None = None,
    emit: Callable[[str], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    same_command: str = "the same call",
) -> Predicted:
    """Judge images; what is finished is on the disk at once and stays whole, whatever ends the process.

    Args:
        job: what to do.
        stdin: names of images, for the source ``-``.
        emit: takes each JSON line where ``job.out`` is None.
        on_progress: is called after each batch.
        same_command: what to repeat, for the message of an interrupted job.

    Raises:
        UserError: anything wrong with what the user gave.
        KeyboardInterrupt: interrupted; says what is done.

    >>> anomdet.predict(anomdet.PredictJob("best_model.pth", ("images",))).exit_code  # doctest: +SKIP
    """
    sources = check_job(job, stdin)
    places = [*sources.places, *([Path(job.model)] if job.is_file else [])]
    _folder(job, places)  # before the seconds that the detector takes
    detector = _detector(job)
    from anomdet.workflows.predictions.run import Run

    with _alone_in(job.out):
        run = Run(job, sources, detector, _folder(job, ()), emit)  # apart from the sources it is already
        return _judged(run, job, on_progress, same_command)


def _folder(job: PredictJob, places: Sequence[Path]) -> OutFolder | None:
    """Where the outputs go, checked; None: nowhere."""
    if job.out is None:
        return None
    from anomdet.workflows.predictions.folder import OutFolder, check_folder

    # The main process is the first to touch the folder: what another one finds there may be its work already.
    return check_folder(job.out, places) if is_main_process() else OutFolder(job.out, None)


@contextlib.contextmanager
def _alone_in(out: Path | None) -> Iterator[None]:
    """Within, no other job writes into the folder: it would move these results aside, or mix them with its own."""
    if out is None or not is_main_process():
        yield
        return
    from anomdet.outputs import make_folder
    from anomdet.run_lock import one_run_in

    with one_run_in({"--out": make_folder(out, "--out")}):
        yield


def _judged(run: Run, job: PredictJob, on_progress: Callable[[Progress], None] | None, same_command: str) -> Predicted:
    """All images; an interruption says how to continue."""
    try:
        run.all(on_progress)
    except KeyboardInterrupt as interrupted:
        if job.watch:
            run.finish()
        again = same_command if job.watch else f"{same_command} and --skip-done (skip_done=True)"
        where = f" in {job.out}; continue with {again}" if job.out else ""
        raise type(interrupted)(f"interrupted; {run.num_images} images are done{where}") from None
    return run.finish()


def _detector(job: PredictJob) -> Any:
    if not job.is_file:
        return job.model if job.threshold is None else job.model.with_threshold(job.threshold)
    from anomdet.workflows.load import load

    own = job.custom_file
    return load(job.model, device=job.device, backend=job.backend, threshold=job.threshold, custom_file=own)
