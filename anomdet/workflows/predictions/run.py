"""The loop of predict: images in, a line, its files and its counts out."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.inference.arrivals import Arrivals
from anomdet.inference.item import Item, stamped
from anomdet.inference.outcome import FailedImage
from anomdet.inference.parts import compile_group, part_of
from anomdet.inference.sources import Sources, without_password
from anomdet.inference.stream import Judged, judge_all
from anomdet.layout import CROPS_DIR, JOB, LABELS_DIR, PICTURES_DIR, RESULTS
from anomdet.ranks import after_main, is_last, is_main_process, num_processes, rank
from anomdet.words import counted
from anomdet.workflows.predictions.files import NEED_PIXELS, PER_IMAGE, ImageFiles
from anomdet.workflows.predictions.folder import OutFolder, write_job
from anomdet.workflows.predictions.job import LEAST_SCORE, PredictJob, names_are_known
from anomdet.workflows.predictions.journal import Journal, Order, finished, merge, own_file
from anomdet.workflows.predictions.result import Predicted, Progress, exit_code
from anomdet.workflows.predictions.tables import Counts, write_tables

_log = logging.getLogger("anomdet")
_FOLDERS = {"labels": LABELS_DIR, "crops": CROPS_DIR, "pictures": PICTURES_DIR}


class Run:
    """One job.

    Args:
        job: what to do.
        sources: of the images.
        detector: with the threshold that counts.
        folder: of the outputs; None: lines go to ``emit``.
        emit: takes a line.
    """

    def __init__(
        self, job: PredictJob, sources: Sources, detector: Any, folder: OutFolder | None, emit: Callable | None
    ) -> None:
        self._job, self._sources, self._detector, self._folder, self._emit = job, sources, detector, folder, emit
        self._pattern = None if job.group_by is None else compile_group(job.group_by)
        self._counts, self._order = Counts(), Order()
        self._done: dict[str, Any] = {}
        self._changed: dict[str, tuple[int, int]] = {}
        self._num_met = 0
        # Only the main process has looked for an earlier job; what it leaves in its place is there for the others.
        has_earlier = folder is not None and (folder.earlier is not None or not is_main_process())
        self._goes_on = (job.skip_done or job.watch) and has_earlier
        self._must_merge = (self._goes_on and not job.watch) or num_processes() > 1
        self._seconds, self.num_images, self._num_without_part = 0.0, 0, 0
        self._arrivals: Arrivals | None = None

    def all(self, on_progress: Callable[[Progress], None] | None) -> None:
        """Judge all images."""
        journal = self._begin()
        job = self._job
        done = None if names_are_known(job, self._sources) else self._done
        classes = self._detector.classes
        files = None if journal is None else ImageFiles(journal.path.parent, job.kinds, classes, done)
        batches = judge_all(
            self._detector,
            self._items(),
            batch_size=job.batch_size if isinstance(job.batch_size, int) else None,
            live=self._sources.live or job.watch,
            keep_pixels=bool(NEED_PIXELS & set(job.kinds)),
            min_score=LEAST_SCORE if job.min_score is None else job.min_score,
            reading=self._detector.reading,
        )
        total = self._total() if on_progress else None
        start = time.monotonic()
        try:
            for batch in batches:
                self._write(batch, journal, files)
                self._seconds = time.monotonic() - start
                if on_progress:
                    verdicts = self._counts.verdicts
                    most = None if total is None else max(total, self.num_images)
                    on_progress(Progress(self.num_images, most, verdicts["reject"], verdicts["failed"], self._seconds))
        finally:
            if self._arrivals:
                self._arrivals.stop()
            batches.close()
            if journal:
                journal.close()

    def _begin(self) -> Journal | None:
        if self._folder is None:
            return None
        folder, job = self._folder, self._about("running")

        def begin() -> None:
            moved = folder.begin(job, goes_on=self._goes_on)
            if moved:
                _log.info(f"earlier results were moved to {moved}")

        after_main("predict/begin", begin)
        if self._goes_on:
            for document in finished(folder.path, with_failed=self._job.watch):
                self._done[document["key"]] = tuple(document.get("stamp") or ())
                if not self._must_merge:
                    self._counts.add(document)
            _log.info(f"{len(self._done)} images are done already")
        return Journal(folder.path, sync=self._job.watch)

    def _about(self, state: str) -> dict[str, Any]:
        """predict.json."""
        job, info = self._job, self._detector.info
        thresholds = self._detector.thresholds
        return {
            "state": state,
            "model": info["file"],
            "model_sha256": info["sha256"],
            "threshold": {str(k): v for k, v in thresholds.items()} if isinstance(thresholds, dict) else thresholds,
            "min_score": job.min_score,
            "every": job.every,
            "save": list(job.kinds),
            "group_by": job.group_by,
            "sources": [
                without_password(str(source)) if isinstance(source, (str, Path)) else "array" for source in job.sources
            ],
        }

    def _items(self) -> Iterator[Item]:
        if self._job.watch:
            self._arrivals = Arrivals(str(self._job.sources[0]), self._done, self._job.patience)
            yield from self._arrivals
            return
        world, own = num_processes(), rank()
        for at, source in enumerate(self._sources):
            is_own = at % world == own
            item = stamped(source) if is_own or source.key in self._done else source
            if self._must_merge:
                self._order.add(item.key)
            if not self._is_done(item) and is_own:
                yield item

    def _is_done(self, item: Item) -> bool:
        """Whether an earlier job judged this image, and not another one of its name."""
        before = self._done.get(item.key)
        if before is None:
            return False
        self._num_met += 1
        if item.stamp is None or before == item.stamp:  # without: gone since, as a line moves away what was judged
            return True
        self._changed[item.key] = item.stamp
        return False

    def _total(self) -> int | None:
        count = None if self._job.watch else self._sources.count()
        return None if count is None else max(0, -(-(count - rank()) // num_processes()) - len(self._done))

    def _write(self, batch: list[Judged], journal: Journal | None, files: ImageFiles | None) -> None:
        """Each image's files first, then its line, which says that it is done."""
        ready = [judged for judged in batch if not judged.not_yet]
        documents = [self._document(judged) for judged in ready]
        lines = [json.dumps(document, allow_nan=False) for document in documents]
        if journal is not None and files is not None:
            for judged in ready:
                if self._job.watch or judged.item.key in self._changed:
                    files.remove(judged.item.key)
                files.write(judged)
            journal.write(lines)
        elif self._emit:
            for line in lines:
                self._emit(line)
        for document in documents:
            self._counts.add(document)
        self.num_images += len(documents)
        if self._arrivals:
            for judged in batch:
                self._arrivals.settled(judged.item, not_yet=judged.not_yet)

    def _document(self, judged: Judged) -> dict[str, Any]:
        item, outcome = judged.item, judged.outcome
        if not isinstance(outcome, FailedImage) and self._job.min_score is None:
            outcome = outcome.above_threshold()
        document = {"key": item.key, **outcome.to_dict()}
        if self._pattern is not None:
            part = part_of(self._pattern, item.key)
            self._num_without_part += part is None
            document["part"] = item.key if part is None else part
        if item.stamp is not None:
            document["stamp"] = list(item.stamp)
        return document

    def finish(self) -> Predicted:
        """Merge, write the tables, say what was left out."""
        if self._sources.left_out:
            found = ", ".join(f"{count} {suffix}" for suffix, count in self._sources.left_out.most_common(5))
            _log.info(f"left out, by their names no images: {found}")
        self._report_earlier()
        if self._num_without_part:
            _log.warning(f"{self._num_without_part} names have no part in them: each is a part of its own")
        written, is_whole = self._tables() if self._folder is not None else ([], True)
        counts = self._counts
        if counts.num_warned:
            _log.warning(f"the results of {counted(counts.num_warned, 'image')} have warnings; {counts.first_warning}")
        if is_whole and not counts.num_images and not self._job.watch:
            raise UserError(Problem("SOURCE", "at least one image", "none"))
        return Predicted(
            verdicts=dict(counts.verdicts),
            classes=dict(counts.classes),
            rejected_by=dict(counts.rejected_by),
            part_verdicts=dict(counts.part_verdicts()),
            failures=tuple(counts.failures),
            num_images=self.num_images,
            seconds=self._seconds,
            written=written,
            is_whole=is_whole,
            exit_code=exit_code(self._job.fail_on, counts.verdicts, is_whole=is_whole),
        )

    def _report_earlier(self) -> None:
        """What an earlier job judged and this one did not meet as it was."""
        if self._changed:
            noted = "or it did not note the size and time of their files"
            _log.warning(f"{counted(len(self._changed), 'image')} changed since the earlier job, {noted}: judged again")
        num_gone = len(self._done) - self._num_met
        if num_gone > 0 and not self._job.watch and not self._sources.live:
            _log.warning(
                f"the results of {counted(num_gone, 'image')} that the sources do not hold now are kept, and counted"
            )

    def _tables(self) -> tuple[list[Path], bool]:
        assert self._folder is not None
        folder = self._folder.path
        if self._must_merge:
            if not is_last("predict"):
                _log.info(f"results of this process: {own_file(folder)}")
                return [], False
            self._counts = Counts()
            merge(folder, self._order, self._counts.add, self._changed)
        written = [folder / RESULTS, *write_tables(folder, self._job.kinds, self._detector.classes, self._counts.parts)]
        written += [folder / _FOLDERS[name] for name in self._job.kinds if name in PER_IMAGE]
        summary = {"verdicts": self._counts.verdicts, "classes": self._counts.classes}
        write_job(folder, {**self._about("done"), **{key: dict(value) for key, value in summary.items()}})
        return [*written, folder / JOB], True
