"""The output folder of predict: nothing of the user's is overwritten, an interrupted job continues."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.layout import (
    COCO,
    CROPS_DIR,
    HOLDER,
    JOB,
    LABELS_DIR,
    LOCK,
    PARTS_CSV,
    PICTURES_DIR,
    PREVIOUS,
    RESULTS,
    RESULTS_CSV,
)
from anomdet.output_rule import check_apart, check_new_folder, move_aside
from anomdet.outputs import make_folder, remove_leftovers, write_text
from anomdet.strict_files import read_regular
from anomdet.workflows.predictions.files import PER_IMAGE
from anomdet.workflows.predictions.journal import result_files

JOB_VERSION = 1
_KIND = "anomdet predict"
_MAX_BYTES = 10 * 2**20
_NO_RESULTS = {PREVIOUS, LOCK, HOLDER}
_NAMES = (JOB, RESULTS, RESULTS_CSV, COCO, PARTS_CSV, LABELS_DIR, CROPS_DIR, PICTURES_DIR)
# What must be the same for results of two runs to stand in one folder; of ``save``, what is written for each image.
SAME = ("model_sha256", "threshold", "min_score", "every", "group_by", "save")


@dataclass(frozen=True)
class OutFolder:
    """Checked, and not touched yet.

    Args:
        path: the folder; need not exist.
        earlier: predict.json of an earlier job in it; None: there is none.
    """

    path: Path
    earlier: dict[str, Any] | None

    def begin(self, job: dict[str, Any], *, goes_on: bool) -> Path | None:
        """Make the folder and write predict.json.

        Args:
            job: for predict.json.
            goes_on: continue an earlier job; else its results are moved aside.

        Returns:
            Where earlier results went; None if there were none.

        Raises:
            UserError: the earlier job had another model, threshold or the like.
        """
        if goes_on and self.earlier is not None:
            _check_same(self.path, self.earlier, job)
        make_folder(self.path, "--out")
        moved = None
        if not goes_on or self.earlier is None:
            names = {*_NAMES, *(path.name for path in result_files(self.path))}
            moved = move_aside(self.path, sorted(names))
        remove_leftovers(self.path, _NAMES)
        write_job(self.path, job)
        return moved


def check_folder(out: str | Path, places: Sequence[Path]) -> OutFolder:
    """Whether results may be written there.

    Args:
        out: the folder of the outputs.
        places: files and folders of the sources, and the model file.

    Raises:
        UserError: it is, holds, or lies within a source; or it holds other things than an earlier job's.
    """
    folder = Path(out)
    check_apart(folder, places, "--out")
    earlier = read_job(folder) if folder.is_dir() else None
    if earlier is None and not (folder.is_dir() and {entry.name for entry in os.scandir(folder)} <= _NO_RESULTS):
        check_new_folder(folder, "--out")
    return OutFolder(folder, earlier)


def _check_same(folder: Path, earlier: dict[str, Any], job: dict[str, Any]) -> None:
    hint = "name another --out, or leave out --skip-done: earlier results are then moved aside"
    now, before = ({**one, "save": _per_image(one.get("save"))} for one in (job, earlier))
    problems = [
        Problem(str(folder / JOB), f"{key} {now[key]}, as now", f"{before.get(key)}", hint)
        for key in SAME
        if before.get(key) != now[key]
    ]
    if problems:
        raise UserError(problems)


def _per_image(save: Any) -> str:
    """Of what is saved, what images that are done already would lack."""
    return ",".join(name for name in PER_IMAGE if isinstance(save, list) and name in save) or "without files of images"


def read_job(folder: Path) -> dict[str, Any] | None:
    """predict.json; None if there is none that AnomDet wrote."""
    try:
        job = json.loads(read_regular(folder / JOB, _MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    is_ours = isinstance(job, dict) and job.get("kind") == _KIND
    if is_ours and job.get("version") != JOB_VERSION:
        hint = "name another --out"
        raise UserError(Problem(str(folder / JOB), f"version {JOB_VERSION}", str(job.get("version")), hint))
    return job if is_ours else None


def write_job(folder: Path, job: dict[str, Any]) -> None:
    """Write predict.json."""
    about = {"version": JOB_VERSION, "kind": _KIND, **job}
    write_text(folder / JOB, json.dumps(about, indent=2, allow_nan=False) + "\n")
