"""Settings to an MMEngine config: pure, deterministic, and complete, so that the Python file alone repeats the run.

What only the data or the machine can say is left open (``num_classes=None``, the channels of a user's backbone) and
filled in by the command line before the Runner is built, for YAML and Python configs alike.
"""

from __future__ import annotations

import math
from typing import Any

from mmengine.config import Config

from anomdet.config.schema import NO_BOXES, Settings
from anomdet.config.translate_data import eval_loader, tile_arguments, train_loader, view_arguments
from anomdet.config.translate_model import model_config

_WARMUP_START = 0.01
_MIN_VALIDATIONS = 5  # of a run that draws images of its own accord
_ENVIRONMENT = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)


def to_mmengine(settings: Settings) -> Config:
    """The MMEngine config of a run.

    Args:
        settings: validated settings.

    Returns:
        A config for ``Runner.from_cfg``, once the classes are filled in.

    Raises:
        UserError: the model's name is unknown.
    """
    model, load_from = model_config(settings)
    training, logs = settings.training, settings.logging
    has_network = model.type != NO_BOXES
    later = {"tiles": tile_arguments(settings.data), "tta": view_arguments(settings.evaluation)}
    return Config(
        dict(
            default_scope="mmdet",
            custom_imports=dict(imports=["anomdet.registry", *settings.plugins], allow_failed_imports=False),
            runner_type="anomdet.InspectionRunner",
            model=model,
            train_dataloader=train_loader(settings) if has_network else eval_loader(settings, "train"),
            val_dataloader=eval_loader(settings, "val"),
            test_dataloader=eval_loader(settings, "test"),
            train_cfg=_train_loop(settings),
            val_cfg=dict(type="anomdet.InspectionValLoop", with_loss=training.val_loss),
            test_cfg=dict(type="anomdet.InspectionTestLoop"),
            val_evaluator=_evaluator(settings, complete=False),
            test_evaluator=_evaluator(settings, complete=True),
            optim_wrapper=_optim_wrapper(settings),
            param_scheduler=[dict(type="anomdet.IterationSchedule", convert_to_iter_based=True, **_schedule(settings))],
            default_hooks=_default_hooks(settings),
            custom_hooks=_hooks(settings),
            env_cfg=_ENVIRONMENT,
            channels_last=training.channels_last,
            **{key: value for key, value in later.items() if value is not None},  # put into the loaders by the data
            evaluation=settings.evaluation.model_dump(exclude={"operating_point", "tta"}),
            anomaly={**settings.anomaly.model_dump(), **({} if has_network else {"enabled": True})},
            report=settings.report.model_dump(),
            distributed=settings.distributed.model_dump(),
            minutes=training.minutes,
            scale_lr=training.scale_lr.model_dump() if training.scale_lr else None,
            randomness=dict(seed=training.seed, deterministic=False),
            visualizer=_visualizer(settings),
            log_level=logs.log_level,
            work_dir=logs.log_dir,
            load_from=load_from,
            resume=False,
        )
    )


def _train_loop(settings: Settings) -> dict[str, Any]:
    training = settings.training
    return dict(
        type="anomdet.InspectionTrainLoop",
        max_epochs=training.epochs,
        val_interval=training.val_interval,
        nan_limit=training.nan_limit,
    )


def _evaluator(settings: Settings, *, complete: bool) -> dict[str, Any] | list[dict[str, Any]]:
    values = settings.metrics.model_dump()
    extra = values.pop("extra")
    own = dict(
        type="anomdet.InspectionMetric",
        **values,
        operating_point=settings.evaluation.operating_point.model_dump(),
        group_by=settings.data.group_by,
        complete=complete,
    )
    return [own, *extra] if extra else own


def _optim_wrapper(settings: Settings) -> dict[str, Any]:
    training = settings.training
    kinds = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}
    optimizer: dict[str, Any] = dict(
        type=kinds[training.optimizer], lr=training.learning_rate, weight_decay=training.weight_decay
    )
    if training.optimizer == "sgd":
        optimizer["momentum"] = 0.9
    clip, share = training.gradient_clip_norm, training.backbone_lr_mult
    return dict(
        **(
            dict(type="anomdet.MixedPrecision", dtype=training.amp_dtype)
            if training.use_amp
            else dict(type="OptimWrapper")
        ),
        optimizer=optimizer,
        accumulative_counts=training.accumulation_steps,
        clip_grad=dict(max_norm=clip, norm_type=2) if clip else None,
        constructor="anomdet.TwoGroups",
        **({} if share == 1 else dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=share))))),
    )


def _schedule(settings: Settings) -> dict[str, Any]:
    scheduler = settings.training.scheduler.model_dump()
    return dict(**scheduler, warmup_start=_WARMUP_START, max_epochs=settings.training.epochs)


def _default_hooks(settings: Settings) -> dict[str, Any]:
    monitor = settings.training.monitor
    return dict(
        runtime_info=dict(type="RuntimeInfoHook"),
        timer=dict(type="IterTimerHook"),
        sampler_seed=dict(type="DistSamplerSeedHook"),
        param_scheduler=dict(type="ParamSchedulerHook"),
        logger=dict(type="anomdet.ProgressHook", monitor=monitor),
        checkpoint=dict(type="anomdet.BestAndLastHook", out_dir=settings.logging.checkpoint_dir, monitor=monitor),
    )


def _hooks(settings: Settings) -> list[dict[str, Any]]:
    training = settings.training
    hooks: list[dict[str, Any]] = [
        dict(type="anomdet.IterationSeedHook", seed=training.seed),
        dict(type="anomdet.ChangedFilesHook"),
        dict(type="anomdet.ScalarsHook"),
    ]
    if training.ema:
        # The window of the average grows to 1/momentum = 200 steps. Longer ones lag behind a short training: with 500
        # steps DeepPCB's 12 epochs ended at a validation mAP_50 of 0.839, the plain weights at 0.863.
        hooks.append(
            dict(type="anomdet.AverageHook", ema_type="ExpMomentumEMA", momentum=0.005, gamma=50, update_buffers=True)
        )
    if training.early_stopping.enabled:
        stopping = training.early_stopping
        values = stopping.model_dump(exclude={"enabled"})
        hooks.append(dict(type="anomdet.EarlyStopping", monitor=training.monitor, **values))
    validations = math.ceil(training.epochs / training.val_interval)
    wanted = settings.logging.visualize.model_dump()
    if (enabled := wanted.pop("enabled")) or (enabled is None and validations >= _MIN_VALIDATIONS):
        hooks.append(dict(type="anomdet.VisualizeHook", **wanted))
    if settings.logging.trackers:
        hooks.append(dict(type="anomdet.TrackerHook"))
    return [*hooks, *training.hooks]


def _visualizer(settings: Settings) -> dict[str, Any]:
    """The backends for images, losses and metrics; each writes below log_dir."""
    log_dir = settings.logging.log_dir.rstrip("/")
    backends = {
        "tensorboard": dict(type="TensorboardVisBackend", save_dir=f"{log_dir}/tensorboard"),
        "mlflow": dict(type="anomdet.MLflowTracker", save_dir=f"{log_dir}/mlflow"),
        "wandb": dict(type="anomdet.WandbTracker", save_dir=log_dir),
    }
    chosen = [backends[name] for name in settings.logging.trackers]
    # The name is for those who build it from config.py without a Runner, as MMDetection's browse_dataset.py does.
    images = dict(type="anomdet.RunImages", save_dir=log_dir)
    return dict(type="DetLocalVisualizer", name="visualizer", vis_backends=[images, *chosen])
