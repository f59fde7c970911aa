"""``model.weights``: what a run starts from, read and compared before any file of an earlier run is touched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.addresses import init_files
from anomdet.inference.artifact import Artifact
from anomdet.layout import PREVIOUS, SPLITS, SPLITS_DIR, TEST, TRAIN, VAL
from anomdet.workflows.runs.describe import use_normalization

# No network share: a stranger's checkpoint may name one, and Windows would sign in there.
_WORK_DIR = re.compile(r"^work_dir = '((?!//)[^'\\\\\n]+)'$", re.MULTILINE)

if TYPE_CHECKING:  # its type costs torch
    from anomdet.engine.checkpoint import CheckpointFile


def read_start(config: Any, fitted: Any, last: Path | None, notes: list[str]) -> CheckpointFile | None:
    """The weights that a run starts from.

    A checkpoint of AnomDet knows the normalisation of its pixels, which both configs then get.

    Args:
        config: complete; it is written beside the outputs.
        fitted: the same for this machine, with the weights as a local file.
        last: the checkpoint that is resumed: it decides in place of the weights; None: the run is new.
        notes: for the log; gets a line where the normalisation is another.

    Returns:
        None: the run starts from nothing, or is resumed.

    Raises:
        UserError: the file cannot be read.
    """
    from anomdet.engine.checkpoint import read_checkpoint

    if not fitted.get("load_from"):
        return None
    file = read_checkpoint(last or fitted.load_from)
    if file.meta.inference is not None:
        trained = Artifact.from_dict(file.meta.inference, f"{file.path}: inference").preprocessing
        note = use_normalization(config.model, trained)
        use_normalization(fitted.model, trained)
        notes += [f"{file.path}: {note}"] if note else []
    return None if last else file


def check_init_files(config: Any) -> None:
    """Read the files of the user's that the model's parts start from; MMEngine does so only when the training begins.

    Raises:
        UserError: one cannot be read, or holds more than weights.
    """
    from anomdet.engine.checkpoint import load_checkpoint

    for file in dict.fromkeys(init_files(config.model)):
        load_checkpoint(file)


def check_start(runner: Any, file: CheckpointFile | None) -> None:
    """Refuse weights of which none fits, or that are not finite; the Runner then need not read them again.

    Raises:
        UserError: the weights are another network's.
    """
    from mmengine.model import is_model_wrapper

    from anomdet.engine.checkpoint import load_weights

    if file is None:
        return
    runner.preloaded = file
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    load_weights(model, file.content, file.path, strict=False)


def learned_before(runner: Any, file: CheckpointFile | None) -> list[str]:
    """A sentence where the weights have learned from images that this run validates or is tested on.

    Known only where the lists of the run that made the weights still lie in its log_dir: a checkpoint has their hashes.
    """
    from anomdet.data.contracts import HasSplits
    from anomdet.engine.run_state import changed_splits

    dataset = runner.train_dataloader.dataset
    if file is None or not isinstance(dataset, HasSplits) or not changed_splits(file.meta, dataset):
        return []
    learned = _train_list(file)
    names = dataset.index.columns.file_names()
    measured = [names[at] for split in (VAL, TEST) for at in dataset.splits.positions[split]]
    number = len(learned.intersection(name.encode("utf-8", "surrogateescape") for name in measured))
    if not number:
        return []
    return [
        f"{file.path}, from which this run starts, has learned from {number:,} of the {len(measured):,} images of val "
        f"and test: metrics would be too good; give data.split_files copies of its lists {', '.join(SPLITS)} "
        f"(logging.log_dir/{SPLITS_DIR} of its run), with new images added"
    ]


def _train_list(file: CheckpointFile) -> set[bytes]:
    """The images that a checkpoint was trained on, by the list of its run; empty: it is gone."""
    from anomdet.workflows.runs.other_splits import kept_list

    work_dir = _WORK_DIR.search(str(file.content["meta"].get("cfg")))
    if work_dir is None:
        return set()
    folders = [Path(work_dir[1]), *sorted(Path(work_dir[1], PREVIOUS).glob("*"))]
    hashed = file.meta.split_hashes.get(TRAIN, "")
    lists = (kept_list(folder / SPLITS_DIR / f"{TRAIN}.txt", hashed) for folder in folders)
    return next((names for names in lists if names is not None), set())
