"""What stands twice in the files of another tool: each copy is measured, as a false alarm or as a missed object."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from anomdet.evaluation.results import Numbers, Results
from anomdet.words import counted

_SHOWN = 3


def repeated(results: Results, gt_file: str, predictions_file: str) -> list[str]:
    """A sentence for each kind of entry that is there twice.

    Args:
        results: as the files were read.
        gt_file, predictions_file: their names, for messages.
    """
    gt, pred = results.gt, results.pred
    objects = np.column_stack([gt.image, gt.label, gt.bboxes_xywh])[~gt.crowd]
    found = np.column_stack([pred.image, pred.label, pred.bboxes_xywh, pred.score])
    notes = []
    if copies := _num_copies(objects):
        copy = counted(copies, "object is there twice", "objects are there twice")
        notes.append(f"{gt_file}: {copy}, of the same image, class and box: the copy counts as missed")
    if copies := _num_copies(found):
        copy = counted(copies, "prediction is there twice", "predictions are there twice")
        same = "of the same image, class, box and score"
        notes.append(
            f"{predictions_file}: {copy}, {same}: the copy counts as a false alarm; was a part predicted twice?"
        )
    return notes + [f"{gt_file}: {note}" for note in (*_shared_files(results), *_shared_names(results))]


def _num_copies(rows: Numbers) -> int:
    return len(rows) - len(np.unique(rows, axis=0)) if len(rows) else 0


def _shared_files(results: Results) -> list[str]:
    """Images of one file: where annotations were merged, the second often has no objects."""
    uses = Counter(results.file_names)
    names = [name for name, count in uses.items() if count > 1]
    if not names:
        return []
    shown = ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
    several = counted(len(names), "file is that of several images", "files are those of several images")
    return [f"{several} ({shown}): each counts, and one without objects as a good part"]


def _shared_names(results: Results) -> list[str]:
    """Classes of one name that both have boxes."""
    used = set(results.gt.label.tolist()) | set(results.pred.label.tolist())
    nums_of: dict[str, list[str]] = defaultdict(list)
    for label in sorted(used):
        nums_of[results.class_names[label]].append(str(results.class_nums[label]))
    shared = {name: nums for name, nums in nums_of.items() if len(nums) > 1}
    return [
        f"categories {' and '.join(nums)} are both called {name!r}: measured apart" for name, nums in shared.items()
    ]
