"""``model.weights``: what a run starts from, read and compared before any file of an earlier run is touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.addresses import init_files
from anomdet.inference.artifact import Artifact
from anomdet.workflows.runs.describe import use_normalization

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
