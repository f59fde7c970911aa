"""What predict is asked to do, checked before anything heavy is imported."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.inference.arrivals import Patience

if TYPE_CHECKING:
    from anomdet.inference.sources import Sources

SAVE = ("json", "csv", "coco", "labels", "crops", "pictures")
LEAST_SCORE = 0.05  # of a detection that is looked at: lower ones cost time and say little
_SHOWN_NAMES = 5


@dataclass(frozen=True)
class PredictJob:
    """What to predict, with what, and what to write.

    Args:
        model: the model file, or a detector.
        sources: see :func:`anomdet.inference.sources.open_sources`; with ``watch`` one folder.
        out: folder of the outputs; None: none, each line goes to ``emit``.
        save: of :data:`SAVE`; the JSON lines are always written, since a job continues from them; None: json and csv.
        threshold: in place of the operating point in the model.
        min_score: write all detections from this score on; None: those from the threshold on.
        group_by: regular expression that finds the part in an image's name, relative to its source.
        every: take each so many-th frame of videos and cameras.
        batch_size: images or tiles that the network sees at once; ``auto``: 8 on a CPU, 32 on a GPU.
        device: as of :func:`anomdet.load`.
        backend: likewise.
        custom_file: likewise.
        skip_done: continue the job in ``out``.
        fail_on: ``reject``: the exit code reports rejects; or ``never``.
        watch: judge files as they arrive in the folder.
        patience: how long to wait for them.
    """

    model: Any
    sources: tuple[Any, ...]
    out: Path | None = Path("predictions")
    save: tuple[str, ...] | None = None
    threshold: float | None = None
    min_score: float | None = None
    group_by: str | None = None
    every: int = 1
    batch_size: int | str = "auto"
    device: str = "auto"
    backend: str = "auto"
    custom_file: Path | None = None
    skip_done: bool = False
    fail_on: str = "never"
    watch: bool = False
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        """A single source, a text for ``save`` and one for ``out``, and numbers of numpy are taken too."""
        object.__setattr__(self, "sources", (self.sources,) if _is_one(self.sources) else tuple(self.sources))
        for name in ("threshold", "min_score"):
            score = getattr(self, name)
            if isinstance(score, Real) and not isinstance(score, bool):
                object.__setattr__(self, name, float(score))
        if isinstance(self.save, str):
            object.__setattr__(self, "save", tuple(self.save.split(",")))
        if self.out is not None:
            object.__setattr__(self, "out", Path(self.out))

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> PredictJob:
        """From the options of the command line, which have the names of the fields where they mean the same.

        Args:
            options: also ``source``; ``out``, where ``-`` means none; ``save``, joined by commas; ``batch``; ``idle``.
        """
        same = {key: value for key, value in options.items() if key in cls.__dataclass_fields__}
        batch = str(options["batch"])
        own = {
            "sources": options["source"],
            "out": None if options["out"] == "-" else options["out"],
            "save": options["save"] or None,
            "batch_size": int(batch) if batch.isdecimal() else batch,
            "patience": Patience(idle_s=options["idle"]),
        }
        return cls(**{**same, **own})

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is written."""
        if self.save is None:
            return ("json",) if self.out is None else ("json", "csv")
        return tuple(name.strip() for name in self.save)

    @property
    def is_file(self) -> bool:
        """Whether the model is still to be loaded."""
        return isinstance(self.model, (str, os.PathLike))


def _is_one(sources: Any) -> bool:
    """Whether it is one source; the rows of an array are no images."""
    if isinstance(sources, (str, os.PathLike)):
        return True
    if isinstance(sources, (tuple, list)):
        return False
    from anomdet.inference.pixels import is_one_image, is_tensor

    return is_one_image(sources) or is_tensor(sources)


def check_job(job: PredictJob, stdin: Iterable[str] | None) -> Sources:
    """The sources, opened.

    Raises:
        UserError: all that is wrong with the options and the sources.
    """
    from anomdet.inference.sources import open_sources

    problems: list[Problem | str] = list(_problems(job))
    sources = None
    try:
        sources = open_sources(list(job.sources), every=job.every, stdin=stdin)
    except UserError as error:
        if not job.watch or not _is_folder(job):  # a folder that is watched may still be empty
            problems += error.problems
    if sources is not None and not problems:
        problems += _name_problems(job, sources)
    if problems:
        raise UserError(problems)
    if sources is None:
        from anomdet.inference.sources import Sources

        sources = Sources((), live=True, places=(Path(job.sources[0]),), countable=False)
    return sources


def _is_folder(job: PredictJob) -> bool:
    return len(job.sources) == 1 and isinstance(job.sources[0], (str, os.PathLike)) and Path(job.sources[0]).is_dir()


def _problems(job: PredictJob) -> Iterable[Problem]:
    if job.is_file and not Path(job.model).exists():
        yield Problem("MODEL", "best_model.pth or an exported folder", f"{str(job.model)!r}, which is not there")
    for name, score in (("--threshold", job.threshold), ("--min-score", job.min_score)):
        if score is not None and not (isinstance(score, float) and 0 <= score <= 1):
            hint = "with_threshold of a detector takes one for each class" if isinstance(score, Mapping) else ""
            got = f"{score:g}" if isinstance(score, float) else repr(score)
            yield Problem(name, "a score from 0 to 1", got, hint)
    if job.batch_size != "auto" and not (isinstance(job.batch_size, int) and job.batch_size >= 1):
        yield Problem("--batch", "auto or an integer >= 1", repr(job.batch_size))
    if job.fail_on not in ("never", "reject"):
        yield Problem("--fail-on", "never or reject", repr(job.fail_on))
    yield from _output_problems(job)
    yield from _watch_problems(job)
    if job.group_by is not None:
        from anomdet.inference.parts import compile_group

        try:
            compile_group(job.group_by, where="--group-by")
        except UserError as error:
            yield from (problem for problem in error.problems if isinstance(problem, Problem))


def _output_problems(job: PredictJob) -> Iterable[Problem]:
    unknown = [name for name in job.kinds if name not in SAVE]
    if unknown:
        yield Problem("--save", f"some of {', '.join(SAVE)}", ", ".join(map(repr, unknown)))
    if job.out is None and (more := [name for name in job.kinds if name != "json" and name in SAVE]):
        yield Problem("--save", "json alone with --out -", ", ".join(more), "name a folder with --out")
    if job.out is None and job.skip_done:
        yield Problem("--skip-done", "a folder to continue in, --out DIR", "--out -")


def _watch_problems(job: PredictJob) -> Iterable[Problem]:
    idle_s = job.patience.idle_s
    if idle_s is not None and not (job.watch and 0 < idle_s < float("inf")):
        yield Problem("--idle", "seconds, a number > 0, with --watch", f"{idle_s:g}{'' if job.watch else ' alone'}")
    if not job.watch:
        return
    from anomdet.ranks import num_processes

    if not _is_folder(job):
        yield Problem("--watch", "one folder as the source", " ".join(map(str, job.sources)) or "nothing")
    if job.out is None:
        yield Problem("--watch", "a folder for the journal, --out DIR", "--out -")
    if num_processes() > 1:
        yield Problem("--watch", "one process", f"{num_processes()}", "start it without torchrun")


def names_are_known(job: PredictJob, sources: Sources) -> bool:
    """Whether all names can be looked through before an image is judged."""
    return sources.countable and not sources.live and not job.watch


def _name_problems(job: PredictJob, sources: Sources) -> Iterable[Problem]:
    """Names that must say something, or differ, looked through where they are known beforehand."""
    if not names_are_known(job, sources):
        return
    if job.group_by is not None:
        yield from _without_part(job.group_by, sources)
    if {"labels", "crops", "pictures"} & set(job.kinds):
        yield from _twins(sources)


def _without_part(group_by: str, sources: Sources) -> Iterable[Problem]:
    from anomdet.inference.parts import compile_group, part_of

    pattern, shown, count, total = compile_group(group_by), [], 0, 0
    for item in sources:
        total += 1
        if part_of(pattern, item.key) is None:
            count += 1
            if count <= _SHOWN_NAMES:
                shown.append(item.key)
    if count:
        got = f"{count} of {total} names that {group_by!r} does not match: {', '.join(shown)}"
        hint = "if each of these is a part of its own, add |^(.+)$ to the pattern"
        yield Problem(
            "--group-by", "a part in the name of each image", f"{got}{', ...' if count > len(shown) else ''}", hint
        )


def _twins(sources: Sources) -> Iterable[Problem]:
    """Two images that differ by their suffix only would share their label file."""
    import numpy as np

    from anomdet.workflows.predictions.files import output_stem

    hashes = np.fromiter((hash(output_stem(item.key)) for item in sources), dtype=np.int64)
    values, counts = np.unique(hashes, return_counts=True)
    double = set(values[counts > 1].tolist())
    if double:
        names = [item.key for item in sources if hash(output_stem(item.key)) in double]
        more = ", ..." if len(names) > _SHOWN_NAMES else ""
        got = f"{len(names)} that share one: {', '.join(names[:_SHOWN_NAMES])}{more}"
        yield Problem(
            "--save", "a name of its own for each image's files", got, "predict them into folders of their own"
        )
