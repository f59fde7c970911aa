"""The runs of ``anomdet evaluate --leave-class-out``: which images, which settings, and whether one is done already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.config.load import load_settings
from anomdet.config.problems import did_you_mean, nearest
from anomdet.config.schema import Settings
from anomdet.config.translate_data import split_arguments
from anomdet.data.index.scan import DataIndex
from anomdet.data.splits.lists import split_hash
from anomdet.data.splits.make import as_split_rule, make_splits
from anomdet.data.splits.positions import Positions
from anomdet.documents import read_json
from anomdet.errors import Problem, UserError
from anomdet.evaluation.results import part_names
from anomdet.layout import (
    LAST,
    LEFT_OUT_CLASS,
    LEFT_OUT_ROW,
    RUN_DIR,
    SPLIT_RECORD,
    SPLITS,
    SPLITS_DIR,
    TEST,
    TRAIN,
    VAL,
)
from anomdet.workflows.scores.learn import MIN_NORMALS

ALL = "all"
TRAINING_SHARE = 0.9  # of the minutes; the rest is for the evaluation


@dataclass(frozen=True)
class Job:
    """One class to leave out.

    Args:
        num, name: of the class.
        positions: of the images of each split: no part with the class in train and val, all of them in test.
        values: of the settings of the run.
        key: hash of all that its row depends on.
        folder: of its lists, its run and its row.
    """

    num: int
    name: str
    positions: Mapping[str, Sequence[int]]
    values: Mapping[str, Any]
    key: str
    folder: Path

    @property
    def settings(self) -> Settings:
        """Of the run; its lists must be there."""
        return load_settings(self.values)


def named_classes(index: DataIndex, settings: Settings) -> dict[int, str]:
    """Number and name of each class that is in the labels."""
    names = settings.data.classes or {}
    counts = index.columns.class_totals(np.arange(len(index.records)), index.class_nums)
    return {num: names.get(num, str(num)) for num, count in zip(index.class_nums, counts, strict=True) if count}


def chosen_classes(classes: str, named: Mapping[int, str]) -> dict[int, str]:
    """One class by its name or number, or all.

    Raises:
        UserError: there is no such class, or only one.
    """
    if len(named) < 2:
        got = f"only {', '.join(named.values())}"
        hint = "for one class, train with model.name=null and evaluate"
        raise UserError(Problem("--leave-class-out", "data with two classes or more", got, hint))
    if classes == ALL and ALL not in named.values():
        return dict(named)
    found = {num: name for num, name in named.items() if name == classes}
    found = found or {num: name for num, name in named.items() if str(num) == classes}
    if not found:
        known = [*named.values(), ALL]
        near = nearest(classes, known)
        expected = f"one of {', '.join(known)}"
        raise UserError(Problem("--leave-class-out", expected, repr(classes), did_you_mean(near) if near else ""))
    return found


def job_of(num: int, name: str, given: tuple[Settings, DataIndex, float | None], out: Path) -> Job:
    """Its splits and settings, checked.

    Raises:
        UserError: too little is left to train or to measure on.
    """
    settings, index, minutes = given
    folder = out / LEFT_OUT_CLASS.format(num=num)
    positions = _positions(index, settings, num, name)
    own = _own_values(settings, folder, minutes)
    places = {"logging": None, "data": {**own["data"], "split_files": None, "data_dir": None}}
    digest = hashlib.sha256(json.dumps({**own, **places}, sort_keys=True).encode())
    for split in SPLITS:
        digest.update(split_hash(index, positions[split]).encode())
    for column in ("box_starts", "bboxes_xyxy", "class_nums"):
        digest.update(getattr(index.columns, column).tobytes())
    return Job(num, name, positions, own, digest.hexdigest(), folder)


def _positions(index: DataIndex, settings: Settings, num: int, name: str) -> dict[str, Sequence[int]]:
    """All images of parts that show the class go into the test split; nothing of them stays in train or val."""
    counts = index.columns.class_counts(np.arange(len(index.records)), index.class_nums)
    shows: NDArray[np.bool_] = counts[:, index.class_nums.index(num)] > 0
    if settings.data.group_by:
        parts = np.array(part_names(index.columns.file_names(), settings.data.group_by))
        shows = np.isin(parts, parts[shows])
    splits = make_splits(index, as_split_rule(**split_arguments(settings.data))).positions
    kept = {split: np.array([at for at in ats if not shows[at]], dtype=np.int64) for split, ats in splits.items()}
    normal = counts.sum(axis=1) == 0
    wanted = (
        (TRAIN, "labelled images of other classes", ~normal, 1),
        (TRAIN, "normal images", normal, MIN_NORMALS),
        (VAL, "images", np.ones_like(normal), 1),
        (TEST, "good images", normal, 1),
    )
    hint = "share out the images otherwise, or add some"
    problems = [
        Problem(f"--leave-class-out {name}: {split} split", f"{least} or more {what}", str(number), hint)
        for split, what, mask, least in wanted
        if (number := int(mask[kept[split]].sum())) < least
    ]
    if problems:
        raise UserError(problems)
    unseen = [at for ats in splits.values() for at in ats if shows[at]]
    test = np.sort(np.concatenate([kept[TEST], np.array(unseen, dtype=np.int64)]))
    return {TRAIN: Positions(kept[TRAIN]), VAL: Positions(kept[VAL]), TEST: Positions(test)}


def _own_values(settings: Settings, folder: Path, minutes: float | None) -> dict[str, Any]:
    """The settings of one run: its lists, its folder, its share of the minutes, and the normal-only score."""
    values = settings.model_dump(mode="json")
    lists, run = folder / SPLITS_DIR, str(folder / RUN_DIR)
    values["data"] |= {"split_files": {name: str(lists / f"{name}.txt") for name in SPLITS}}
    values["data"]["split"] |= {"by": "files", "group_regex": None, "on_leak": "ignore"}
    values["logging"] |= {"log_dir": run, "checkpoint_dir": run, "trackers": []}
    values["anomaly"] |= {"enabled": True}
    values["evaluation"] |= {"review": None}
    no_list = {"hard_normals": None, "hard_normals_file": None}  # some of them may not be in the training split
    values["training"]["class_imbalance_handling"] |= no_list
    if minutes is not None:
        values["training"]["minutes"] = TRAINING_SHARE * minutes
    return values


def row_of_before(job: Job) -> dict[str, Any] | None:
    """Of a class that is done; None: it is not.

    Raises:
        UserError: the folder holds the results of other settings or data, or a run that was begun with others.
    """
    path, hint = job.folder / LEFT_OUT_ROW, "name another --out, or move this folder away"
    if not path.is_file():
        if _begun_with(job) != job.key:
            begun = "a run that was begun with these settings and data"
            raise UserError(Problem(str(job.folder / RUN_DIR), begun, "others", hint))
        return None
    content = read_json(path)
    if isinstance(content, dict) and content.get("key") == job.key and isinstance(content.get("row"), dict):
        return dict(content["row"])
    raise UserError(Problem(str(path), "a class that was done with these settings and data", "others", hint))


def _begun_with(job: Job) -> str:
    """The key of a run that was interrupted, and would be resumed; the job's own where there is none."""
    record = job.folder / SPLITS_DIR / SPLIT_RECORD
    if not (job.folder / RUN_DIR / LAST).is_file() or not record.is_file():
        return job.key
    content = read_json(record)
    made_by = content.get("made_by") if isinstance(content, dict) else None
    return str(made_by.get("key", job.key)) if isinstance(made_by, dict) else job.key
