"""How far a run is, and all of it that a checkpoint holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.checkpoint import weights_to_cpu

import anomdet
from anomdet.addresses import without_secrets
from anomdet.engine.checkpoint_meta import Meta
from anomdet.engine.contracts import split_hashes
from anomdet.engine.distributed.elastic import draws_done, images_a_step
from anomdet.engine.plain_state import to_plain


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Args:
        epoch: epochs done, their validations included.
        batch: batches done of the next one; all of them: only its validation is left.
        iter: batches done since the start.
    """

    epoch: int
    batch: int
    iter: int

    @classmethod
    def of(cls, meta: Meta) -> Progress:
        """As a checkpoint's ``meta`` says."""
        return cls(meta.epoch, meta.batch, meta.iter)

    def __str__(self) -> str:
        return f"epoch {self.epoch}" if not self.batch else f"epoch {self.epoch + 1} up to batch {self.batch}"


def collect_checkpoint(
    runner: Runner,
    *,
    progress: Progress,
    best: dict[str, Any] | None,
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
        split_hashes=split_hashes(dataset),
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
    left_out: list[str] = []
    plain: dict[str, Any] = to_plain(checkpoint, "", left_out)
    if left_out:
        _warn_once(runner, f"not kept in the checkpoints, since only plain values can be: {', '.join(left_out)}")
    return plain


def _warn_once(runner: Runner, message: str) -> None:
    if vars(runner).get("_anomdet_left_out") != message:
        vars(runner)["_anomdet_left_out"] = message
        runner.logger.warning(message)


def _document(runner: Runner, operating_point: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the training's workflow says of the detector, with the newest operating point."""
    document: dict[str, Any] | None = getattr(runner, "inference", None)
    if document is None or operating_point is None:
        return document
    return {**document, "operating_point": {**operating_point["point"], "criterion": operating_point["criterion"]}}


def changed_splits(meta: Meta, dataset: Any) -> list[str]:
    """The splits that hold other images than in the training of a checkpoint; none where either side does not say.

    Args:
        meta: of the checkpoint.
        dataset: with ``split_hashes``.
    """
    hashes = split_hashes(dataset)
    return [name for name, value in meta.split_hashes.items() if hashes.get(name, value) != value]


def _config_text(runner: Runner) -> str:
    """The config as Python, formatted once a run: that takes a third of a second, and swallows a Ctrl-C meanwhile."""
    text = vars(runner).get("_anomdet_config_text")
    if text is None:
        text = vars(runner)["_anomdet_config_text"] = without_secrets(runner.cfg.pretty_text)
    return str(text)
