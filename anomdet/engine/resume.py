"""Whether a run may continue from a checkpoint; asked before a file of an earlier run is touched."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from mmengine.model import is_model_wrapper

from anomdet.engine.checkpoint import CheckpointFile, load_weights, read_checkpoint
from anomdet.engine.contracts import HasBitDepth, StopsEarly
from anomdet.engine.distributed.agreement import agree, checksum
from anomdet.engine.hooks.checkpoints import BestAndLastHook
from anomdet.engine.optimizer_state import check_optimizer
from anomdet.engine.plain_state import history_from_plain
from anomdet.engine.run_state import Progress, changed_splits
from anomdet.errors import Problem, UserError
from anomdet.layout import HARD_NORMALS, LAST, SPLITS, SPLITS_DIR
from anomdet.ranks import num_processes

_NEEDED = ("state_dict", "optimizer", "param_schedulers", "message_hub")


def agree_on_resume(runner: Any, last: Path, resume: bool) -> str:
    """All processes continue from the same checkpoint, or all begin anew; before a file of an earlier run is touched.

    Returns:
        What to say if the checkpoint leaves nothing to do; else empty.

    Raises:
        UserError: the processes see different files; or, in all of them, nothing can be gone on from.
    """
    seen, finished, failure = "nothing there", "", None
    try:
        if resume:
            seen, finished = _check_resume(runner, str(last))
    except UserError as error:
        failure, seen = error, str(error) if last.is_file() else seen
    if num_processes() > 1:
        agree(f"--resume: {LAST}", seen, last)
    if failure is not None:
        raise failure
    return finished


def must_exist(last: Path) -> None:
    if not last.is_file():
        raise UserError(Problem("--resume", str(last), "nothing there", "train without --resume first"))


def _check_resume(runner: Any, path: str) -> tuple[str, str]:
    """Refuse to continue from the checkpoint of another model, of other classes or of other splits.

    Returns:
        What the checkpoint holds; and what to say if that leaves nothing to do, else empty.

    Raises:
        UserError: no such file; or all differences.
    """
    must_exist(Path(path))
    file = read_checkpoint(path)
    missing = [key for key in _NEEDED if key not in file.content]
    if missing:
        hint = f"resume from {LAST}; or start a new run from these weights: model.weights={path}"
        raise UserError(Problem(path, "a checkpoint to resume from", f"no {', '.join(missing)} in it", hint))
    meta, dataset = file.meta, runner.train_dataloader.dataset
    known = list(meta.dataset_meta.class_nums)
    found = list(dataset.metainfo.get("class_nums", known))
    if known and known != found:  # before the weights, of which those of the classes would not fit
        raise UserError(Problem(path, f"the classes {found} of the data", str(known), "train without --resume"))
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    load_weights(model, file.content, path, strict=True)
    check_optimizer(runner, file.content["optimizer"], path)
    history_from_plain(file.content["message_hub"], path)
    problems = _other_names(meta.dataset_meta.names, dataset, path)
    changed = changed_splits(meta, dataset)
    if changed:
        got = f"other images in {', '.join(changed)}"
        lists = ", ".join(f"{name}: {Path(runner.work_dir) / SPLITS_DIR / name}.txt" for name in SPLITS)
        hint = f"to keep them add data.split.by=files 'data.split_files={{{lists}}}'; or train without --resume"
        if changed == ["hard_normals"]:
            frozen = Path(runner.work_dir) / SPLITS_DIR / HARD_NORMALS
            keep = f"training.class_imbalance_handling.hard_normals_file={frozen}"
            hint = f"to keep them add {keep}; or train without --resume"
        problems.append(Problem(path, "the splits that the training began with", got, hint))
    problems += _other_bits(meta.inference or {}, dataset, path)
    problems += _other_monitor(meta.best.monitor if meta.best else "", runner, path)
    if problems:
        raise UserError(problems)
    holds = f"{Progress.of(meta)}, iteration {meta.iter}, weights {checksum(model.parameters())}"
    return holds, _finished(runner, file, path)


def _other_names(known: dict[int, str], dataset: Any, path: str) -> list[Problem]:
    """The same numbers under other names: the network would learn on as one class what it has learned as another.

    A class that had no name may have one now: its number was its name.
    """
    found = dict(zip(known, dataset.metainfo.get("classes", known.values()), strict=bool(known)))
    changed = {num for num in known if known[num] != found[num]}
    if named := {num for num in changed if str(num) in (known[num], found[num])}:
        shown = ", ".join(f"{known[num]} is {found[num]}" for num in sorted(named))
        logging.getLogger("anomdet").warning(f"the names of classes are others than in {path}: {shown}")
    if not changed - named:
        return []
    then, now = (", ".join(f"{num}: {names[num]}" for num in sorted(changed - named)) for names in (known, found))
    hint = f"write data.classes as they were ({then}); or train without --resume"
    return [Problem(path, f"the class names of the data, {now}", then, hint)]


def _other_bits(document: dict[str, Any], dataset: Any, path: str) -> list[Problem]:
    """``data.bit_depth: auto`` may find other bits where images have changed since the run began."""
    known = document.get("preprocessing", {}).get("bit_depth")
    steps = getattr(getattr(dataset, "pipeline", None), "transforms", ())
    found = next((step.bit_depth for step in steps if isinstance(step, HasBitDepth)), known)
    if known is None or known == found:
        return []
    hint = f"add data.bit_depth={known} to continue with it; or train without --resume"
    return [Problem(path, f"data.bit_depth {found}, as the data uses", f"{known}, from the start of the run", hint)]


def _other_monitor(known: str, runner: Any, path: str) -> list[Problem]:
    """The best value so far is of another metric: no later one could be compared with it."""
    found = next((hook.monitor for hook in runner.hooks if isinstance(hook, BestAndLastHook)), known)
    if known in ("", found):
        return []
    hint = f"add training.monitor={known} to continue with it; or train without --resume"
    return [
        Problem(path, f"training.monitor {found}, as the settings say", f"{known}, from the start of the run", hint)
    ]


def _finished(runner: Any, file: CheckpointFile, path: str) -> str:
    progress = Progress.of(file.meta)
    if progress.epoch >= runner.max_epochs:
        found = f"{path} holds {progress} of {runner.max_epochs}"
        return f"nothing is left to do: {found}; to continue, raise the number of epochs"
    for hook in (hook for hook in runner.hooks if isinstance(hook, StopsEarly)):
        hook.after_load_checkpoint(runner, file.content)
        if why := hook.reason():
            hint = "to continue, raise training.early_stopping.patience"
            return f"nothing is left to do: {path} holds a run that stopped early, {progress}: {why}; {hint}"
    return ""
