"""Data that changed since the training: how many images it measures on and has learned from, and how to avoid that."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from anomdet.layout import SPLITS, SPLITS_DIR, TRAIN
from anomdet.strict_files import MAX_LIST_BYTES, read_regular


def warn_of_other_splits(runner: Any, loaded: Any) -> str:
    """The warning that is logged: images that the network has learned from give better metrics than new ones.

    Args:
        runner: that tests.
        loaded: the config, the checkpoint and the split that it tests.
    """
    from anomdet.data.dataset import TextLabelDataset
    from anomdet.engine.run_state import changed_splits

    dataset, meta = runner.test_dataloader.dataset, loaded.file.meta
    if not (changed := changed_splits(meta, dataset)):
        return ""
    found = ""
    if isinstance(dataset, TextLabelDataset) and loaded.split != TRAIN:
        names = [dataset.index.records[at].file_name for at in dataset.positions]
        found = advice(loaded.config.work_dir, meta.split_hashes, names)
    otherwise = (
        "if data.split, the ratios or the images changed, it may have learned from some that it is measured on now"
    )
    changes = f"{', '.join(changed)}: other images than when {loaded.file.path} was trained"
    note = f"{changes}; {found or otherwise}"
    runner.logger.warning(note)
    return note


def advice(log_dir: str | Path, hashes: Mapping[str, str], measured: Iterable[str]) -> str:
    """Images that were trained on, and the setting that keeps the splits of the run; empty: its lists are not there.

    Args:
        log_dir: where the run may have left its lists.
        hashes: of the splits, as the checkpoint has them.
        measured: names of the images.
    """
    folder = Path(log_dir) / SPLITS_DIR
    texts = {split: _text(folder / f"{split}.txt", hashes.get(split, "")) for split in SPLITS}
    if None in texts.values():
        return ""
    names = [name.encode("utf-8", "surrogateescape") for name in measured]
    learned = set((texts[TRAIN] or b"").split(b"\n")).intersection(names)
    lists = ", ".join(f"{split}: {folder / split}.txt" for split in SPLITS)
    add = f"to measure on images that it has not seen add data.split.by=files 'data.split_files={{{lists}}}'"
    return f"{len(learned):,} of these {len(names):,} images are in {folder / TRAIN}.txt; {add}"


def _text(path: Path, expected: str) -> bytes | None:
    """What a list holds; None: it is not the one with this hash."""
    try:
        text = read_regular(path, MAX_LIST_BYTES).removesuffix(b"\n")
    except OSError:
        return None
    return text if hashlib.sha256(text).hexdigest() == expected else None


def kept_list(path: Path, expected: str) -> set[bytes] | None:
    """The names of images in a list of a run; None: it is not the one with this hash."""
    text = _text(path, expected)
    return None if text is None else set(text.split(b"\n"))
