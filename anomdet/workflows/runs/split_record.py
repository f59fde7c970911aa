"""The splits of a run: looked at before it starts, the same in each process, and left beside its outputs."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.data.contracts import HasSplits
from anomdet.engine.contracts import split_hashes
from anomdet.errors import Problem, UserError
from anomdet.layout import HARD_NORMALS
from anomdet.ranks import is_main_process, num_processes

if TYPE_CHECKING:
    from anomdet.data.near_duplicates.across import Looked


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


def write_splits(runner: Any, looked: Looked, log_dir: Path) -> None:
    """Leave the lists of images beside the outputs; nothing for a data set that is not ours."""
    dataset = runner.train_dataloader.dataset
    if not isinstance(dataset, HasSplits):
        return
    from anomdet.data.splits.lists import freeze, write_names

    grouping = dataset.splits.grouping
    facts = {
        **asdict(dataset.split_rule),
        "num_groups": grouping.num_groups if grouping else None,
        "near_duplicates_joined": grouping.num_pairs if grouping else None,
        **looked.facts,
    }
    folder = freeze(log_dir, dataset.index, dataset.splits.positions, facts)
    if dataset.hard_normals is not None:
        write_names(folder / HARD_NORMALS, dataset.index, dataset.hard_normals.tolist())
