"""The splits of a run: looked at before it starts, the same in each process, and left beside its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.data.contracts import HasClassCounts, HasSplits
from anomdet.documents import read_split_record
from anomdet.engine.contracts import split_hashes
from anomdet.errors import Problem, UserError
from anomdet.layout import HARD_NORMALS
from anomdet.ranks import is_main_process, num_processes

if TYPE_CHECKING:
    from anomdet.data.near_duplicates.across import Looked
    from anomdet.documents.kinds import SplitFile


def check_objects(runner: Any) -> None:
    """Of a run with a network: without an object it learns to find nothing.

    Raises:
        UserError: the images to train on have none.
    """
    dataset = runner.train_dataloader.dataset
    if isinstance(dataset, HasClassCounts) and not dataset.image_class_counts.any():
        got = f"none in its {len(dataset.image_class_counts):,} images or tiles"
        hint = "put images with defects into it; of normal images alone only the normal-only score is learned"
        raise UserError(Problem("the train split", "at least one object", got, f"{hint}: model.name=null"))


def look_at_splits(runner: Any) -> Looked:
    """Look for near-duplicates, and for tiles of one image, in two splits.

    Of many processes one does, unless the run may be refused.

    Raises:
        UserError: ``data.split.on_leak`` does not allow those that there are; or the processes have other splits.
    """
    from anomdet.data.near_duplicates.across import Looked, look_at_start
    from anomdet.data.splits.lists import check_listable
    from anomdet.data.splits.tiles import torn_tiles

    dataset = runner.train_dataloader.dataset
    if not isinstance(dataset, HasSplits):
        return Looked()
    check_listable(dataset.index)
    _check_same(split_hashes(dataset))
    on_leak = dataset.split_rule.on_leak
    if not is_main_process() and on_leak not in ("error", "group"):
        return Looked()
    looked = look_at_start(dataset.index, dataset.splits.positions, on_leak, dataset.split_rule.by)
    torn = torn_tiles(dataset.index, dataset.splits.positions, dataset.split_rule.by)
    return replace(looked, warning="; ".join(filter(None, (torn, looked.warning))))


def _check_same(hashes: dict[str, str]) -> None:
    """Each process made its splits from the files that it sees."""
    if num_processes() <= 1:
        return
    from mmengine.dist import all_gather_object

    if any(other != hashes for other in all_gather_object(hashes)):
        hint = "give each the same files, or the lists of one in data.split_files"
        raise UserError(Problem("splits", "the same images in every process", "others in some", hint))


def log_splits(runner: Any, looked: Looked) -> None:
    """How groups were shared out, and what was found."""
    dataset = runner.train_dataloader.dataset
    for note in dataset.splits.notes if isinstance(dataset, HasSplits) else ():
        runner.logger.info(f"splits: {note}")
    if looked.note:
        runner.logger.info(f"splits: {looked.note}")
    if looked.warning:
        runner.logger.warning(f"splits: {looked.warning}")


def write_splits(runner: Any, looked: Looked, log_dir: Path) -> list[str]:
    """Leave the lists of images beside the outputs; nothing for a data set that is not ours.

    Returns:
        A sentence where the objects are others than those of the same images in the record that lies there.
    """
    dataset = runner.train_dataloader.dataset
    if not isinstance(dataset, HasSplits):
        return []
    from anomdet.data.splits.lists import freeze, write_names

    grouping = dataset.splits.grouping
    facts = {
        **asdict(dataset.split_rule),
        "num_groups": grouping.num_groups if grouping else None,
        "near_duplicates_joined": grouping.num_pairs if grouping else None,
        **looked.facts,
    }
    before = _record(log_dir)
    folder = freeze(log_dir, dataset.index, dataset.splits.positions, facts)
    if dataset.hard_normals is not None:
        write_names(folder / HARD_NORMALS, dataset.index, dataset.hard_normals.tolist())
    return _other_objects(before, _record(log_dir))


def _record(log_dir: Path) -> Mapping[str, SplitFile]:
    """What splits.json says of each split; empty where there is none that can be read."""
    try:
        return read_split_record(log_dir)["splits"]
    except UserError:
        return {}


def _other_objects(before: Mapping[str, SplitFile], now: Mapping[str, SplitFile]) -> list[str]:
    """Of a run that continues: one that begins anew has moved the record of the run before aside."""
    before = {name: old for name, old in before.items() if name in now and old["hash"] == now[name]["hash"]}
    changed = [name for name, old in before.items() if old.get("objects", now[name]["objects"]) != now[name]["objects"]]
    if not changed:
        return []
    best = "; best_model.pth and the patience go by metrics of the labels before" if "val" in changed else ""
    return [
        f"resumed with other labels than before, in the split {', '.join(changed)}: they hold from here on{best}; "
        "train without --resume to learn from these alone"
    ]
