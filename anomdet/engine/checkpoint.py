"""Checkpoints: written atomically, and read with weights only, so that loading one never runs its code."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader, get_torch_safe_globals, weights_to_cpu
from torch import nn

import anomdet
from anomdet.engine.distributed.elastic import draws_done, images_a_step
from anomdet.errors import Problem, UserError
from anomdet.outputs import atomic_write

_DAMAGED = "a file of another kind or a damaged one"


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Args:
        epoch: epochs done, their validations included.
        batch: batches done of the next one; all of them: only its validation is left.
        iter: batches done since the start.
    """

    epoch: int
    batch: int
    iter: int

    @classmethod
    def of(cls, meta: dict[str, Any]) -> Progress:
        """As a checkpoint's ``meta`` tells it."""
        return cls(meta.get("epoch", 0), meta.get("batch", 0), meta.get("iter", 0))

    def __str__(self) -> str:
        return f"epoch {self.epoch}" if not self.batch else f"epoch {self.epoch + 1} up to batch {self.batch}"


def collect_checkpoint(
    runner: Runner,
    *,
    progress: Progress,
    best: dict[str, Any],
    for_resume: bool,
    operating_point: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What a checkpoint holds, in MMEngine's layout.

    Args:
        runner: the training.
        progress: how far it is.
        best: the best score so far, its epoch and metric.
        for_resume: with optimizer, schedules and history; without them it serves inference at half the size.
        operating_point: ``point`` and ``criterion`` of the validation that chose it; None: none did.

    Returns:
        ``meta`` (epoch, batch and draws of the next, iter, processes, images a step, seed, config, classes, hashes of
        the splits, versions, best, and ``inference``, the document of a detector), ``state_dict``, and for a resume
        ``optimizer``, ``param_schedulers`` and ``message_hub``.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    dataset, images = runner.train_dataloader.dataset, images_a_step(runner.train_dataloader, runner.world_size)
    meta = dict(
        **asdict(progress),
        draws=draws_done(runner.train_loop, progress.batch, images),
        world_size=runner.world_size,
        images_a_step=images,
        seed=runner.seed,
        cfg=_config_text(runner),
        dataset_meta=dict(dataset.metainfo),
        split_hashes=dict(getattr(dataset, "split_hashes", {})),
        anomdet_version=anomdet.__version__,
        torch_version=str(torch.__version__),
        best=best,
        inference=_document(runner, operating_point),
        **({"operating_point": operating_point} if operating_point else {}),
    )
    checkpoint: dict[str, Any] = {"meta": meta, "state_dict": weights_to_cpu(model.state_dict())}
    if for_resume:
        checkpoint["message_hub"] = runner.message_hub.state_dict()
        checkpoint["optimizer"] = runner.optim_wrapper.state_dict()
        checkpoint["param_schedulers"] = [scheduler.state_dict() for scheduler in runner.param_schedulers or []]
    runner.call_hook("before_save_checkpoint", checkpoint=checkpoint)
    if not for_resume:
        checkpoint.pop("ema_state_dict", None)
    return checkpoint


def _document(runner: Runner, operating_point: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the training's workflow says of the detector, with the newest operating point."""
    document: dict[str, Any] | None = getattr(runner, "inference", None)
    if document is None or operating_point is None:
        return document
    return {**document, "operating_point": {**operating_point["point"], "criterion": operating_point["criterion"]}}


def changed_splits(meta: dict[str, Any], dataset: Any) -> list[str]:
    """The splits that hold other images than in the training of a checkpoint; none where either side cannot tell.

    Args:
        meta: of the checkpoint.
        dataset: with ``split_hashes``.
    """
    hashes = getattr(dataset, "split_hashes", {})
    return [name for name, value in meta.get("split_hashes", {}).items() if hashes.get(name, value) != value]


def _config_text(runner: Runner) -> str:
    """The config as Python, formatted once a run: that takes a third of a second, and swallows a Ctrl-C meanwhile."""
    text = vars(runner).get("_anomdet_config_text")
    if text is None:
        text = vars(runner)["_anomdet_config_text"] = runner.cfg.pretty_text
    return str(text)


def save_atomically(checkpoint: dict[str, Any], path: Path) -> None:
    """Write beside the target, flush to the disk, then rename: a kill or a full disk leaves the old file whole.

    Raises:
        UserError: the disk is full or not writable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            torch.save(checkpoint, file)
    except (OSError, RuntimeError) as error:
        hint = "free some space or set logging.checkpoint_dir; an earlier file is untouched"
        raise UserError(Problem(str(path), "room to write the checkpoint", str(error), hint)) from error


def load_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint of AnomDet, MMEngine or plain weights; nothing in it is executed.

    Returns:
        The checkpoint's dict.

    Raises:
        UserError: no such file, not a checkpoint, cut short, or one that holds code.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        got = "a folder" if path.is_dir() else "nothing there"
        raise UserError(Problem(str(path), "a checkpoint file", got, "train first, or give --checkpoint"))
    try:
        with torch.serialization.safe_globals(get_torch_safe_globals()):
            checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(_refused(path, error)) from error
    except (RuntimeError, EOFError, ValueError, LookupError, TypeError, OSError, AttributeError) as error:
        got = f"a file that cannot be read ({error.strerror})" if isinstance(error, OSError) else _DAMAGED
        raise UserError(Problem(str(path), "a checkpoint written by torch.save", got)) from error
    if not isinstance(checkpoint, dict):
        raise UserError(Problem(str(path), "a dict of weights", type(checkpoint).__name__))
    return checkpoint


def _refused(path: Path, error: Exception) -> Problem:
    text = str(error)
    if "Unsupported global" in text or "GLOBAL" in text:
        name = text.split("GLOBAL ", 1)[-1].split(" ", 1)[0]
        return Problem(
            str(path), "weights only", f"the Python object {name}", "it was not loaded: such a file can run any code"
        )
    return Problem(str(path), "a checkpoint written by torch.save", _DAMAGED)


def load_weights(model: nn.Module, checkpoint: dict[str, Any], path: str | Path, *, strict: bool) -> str:
    """Put a checkpoint's weights into a model.

    Args:
        model: not wrapped.
        checkpoint: with ``state_dict``, or the weights themselves.
        path: where it came from, for messages.
        strict: every weight must have its place; otherwise those of another shape or name are left out, as the
            classifier of COCO's 80 classes.

    Returns:
        One line for the log.

    Raises:
        UserError: the weights are not this model's.
    """
    weights = {key.removeprefix("module."): value for key, value in checkpoint.get("state_dict", checkpoint).items()}
    own = model.state_dict()
    fitting = {key: value for key, value in weights.items() if key in own and _same_shape(own[key], value)}
    missing = [key for key in own if key not in fitting and not key.endswith("num_batches_tracked")]
    strange = [key for key in weights if key not in own]
    if not fitting or (strict and (missing or strange)):
        got = f"{len(fitting)} of {len(own)} weights that fit"
        example = next(iter(missing or strange), "")
        hint = f"for example {example!r} does not; give the config that it was trained with"
        raise UserError(Problem(str(path), "the weights of this model", got, hint))
    model.load_state_dict(fitting, strict=False)
    left = sorted({key.split(".")[0] for key in missing})
    note = f"; newly begun: {len(missing)} in {', '.join(left)}" if missing else ""
    return f"{len(fitting)} of {len(own)} weights from {path}{note}"


def _same_shape(own: torch.Tensor, value: Any) -> bool:
    return isinstance(value, torch.Tensor) and own.shape == value.shape


def use_safe_loading() -> None:
    """Make MMEngine load local files through :func:`load_checkpoint`; by itself it falls back to running pickles."""

    def load_from_safe(filename: str, map_location: Any = None) -> dict[str, Any]:
        return load_checkpoint(filename, map_location)

    CheckpointLoader.register_scheme(prefixes="", loader=load_from_safe, force=True)
