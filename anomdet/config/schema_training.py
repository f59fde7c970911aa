"""The settings of ``training:``, with their defaults and meanings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from anomdet.config.key_types import Fraction, MonitorName, OpenFraction, Section, Seed


class SchedulerSettings(Section):
    """How the learning rate falls."""

    name: Literal["cosine_annealing_warm_restarts", "cosine_annealing", "step_lr", "constant"] = (
        "cosine_annealing_warm_restarts"
    )
    """Updated at each iteration; `step_lr` at the end of an epoch."""
    T_0: PositiveInt = 10
    """Warm restarts: epochs until the first restart."""
    T_mult: PositiveInt = 1
    """Warm restarts: each period is so many times as long as the one before."""
    eta_min: Annotated[float, Field(ge=0)] = 0.0
    """The lowest learning rate of both cosine schedules."""
    step_size: PositiveInt = 3
    """step_lr: epochs between two steps."""
    gamma: OpenFraction = 0.1
    """step_lr: the factor at each step."""
    warmup_iterations: NonNegativeInt = 0
    """Iterations of a linear rise from a hundredth of the learning rate, before any schedule."""


class EarlyStoppingSettings(Section):
    """When to stop before the last epoch."""

    enabled: bool = True
    """Whether to stop early at all."""
    patience: PositiveInt = 5
    """Validations without a better `training.monitor` before the run stops; those at 0, at its start, are some too."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """How much better counts as better; 0: strictly better."""
    warmup_epochs: NonNegativeInt = 0
    """Epochs at the start whose validations do not use up the patience, as where nothing is found so soon."""
    nan_limit: PositiveInt = 3
    """Validations in a row whose metric is no number before the run stops; each is a bad one too."""


class ImbalanceSettings(Section):
    """How rare classes get their share."""

    method: Literal["none", "balanced_sampler", "repeat_factor"] = "balanced_sampler"
    """`balanced_sampler`: images are drawn by inverse class frequency; `repeat_factor`: rare ones are repeated."""
    normal_ratio: Fraction | None = None
    """balanced_sampler: the share of normal images among the drawn; null: as in the data."""
    replacement: bool = True
    """balanced_sampler: false draws an image at most once an epoch, and the epoch is shorter."""
    repeat_threshold: OpenFraction = 0.3
    """repeat_factor: images of a class in a smaller share f of all images come sqrt(this / f) times."""
    hard_normals: Annotated[float, Field(gt=0, lt=1)] | None = None
    """balanced_sampler: the share of confirmed hard normals among the drawn normal images; null: as the others."""
    hard_normals_file: str | None = None
    """Their list, an image name a line; null: hard_normals.txt in data_dir, as `anomdet review --apply` writes it."""


class ScaleLrSettings(Section):
    """The learning rate grows with the batch (Goyal et al. 2017)."""

    base_batch_size: PositiveInt
    """The batch, over all processes and accumulated batches, that `learning_rate` is meant for."""


class TrainingSettings(Section):
    """How to train."""

    minutes: PositiveFloat | None = None
    """How long a run may take: it times its own steps, then sets `epochs`, `epoch_images` and `val_interval`."""
    epochs: PositiveInt = 10
    """How often the training split is gone through."""
    epoch_images: PositiveInt | None = None
    """Images drawn in an epoch, by all processes together; null: as many as the sampler draws for one pass."""
    batch_size: PositiveInt = 16
    """Images in a step, for each process."""
    learning_rate: PositiveFloat = 0.001
    """Of the optimizer, before the scheduler lowers it."""
    backbone_lr_mult: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the learning rate for the backbone: below 1, what it knows already is kept better."""
    scale_lr: ScaleLrSettings | None = None
    """Linear scaling: the learning rate is meant for a batch of `base_batch_size` images over all processes."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0001
    """Not applied to norms and biases."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """`sgd` runs with momentum 0.9."""
    scheduler: SchedulerSettings = Field(default_factory=SchedulerSettings)
    """How the learning rate falls."""
    seed: Seed = 42
    """Of the weights' initial values, the drawing of images and the augmentation."""
    use_amp: bool = True
    """Mixed precision, where the device computes it faster; elsewhere the log says that full precision is used."""
    amp_dtype: Literal["auto", "float16", "bfloat16"] = "auto"
    """Of mixed precision; auto: float16 on a GPU, bfloat16 on a CPU that is faster in it. bfloat16 runs on any CPU."""
    accumulation_steps: PositiveInt = 1
    """Batches whose gradients are averaged for one step."""
    gradient_clip_norm: PositiveFloat | None = 35.0
    """Largest L2 norm of the gradient; null: no clipping."""
    nan_limit: PositiveInt = 5
    """Steps in a row with a loss or gradient that is not finite before the run ends; each of them is skipped."""
    ema: bool = False
    """Evaluate and keep an exponential moving average of the weights."""
    channels_last: bool = False
    """Store images with the channels innermost: faster for small networks on a CPU and for most on a GPU."""
    val_interval: PositiveInt = 1
    """Epochs between two validations; the last epoch always ends with one."""
    val_loss: bool = True
    """Compute the loss on the validation split too."""
    monitor: MonitorName = "mAP"
    """The metric of the validation that decides about best_model.pth and the early stop."""
    early_stopping: EarlyStoppingSettings = Field(default_factory=EarlyStoppingSettings)
    """When to stop before the last epoch."""
    class_imbalance_handling: ImbalanceSettings = Field(default_factory=ImbalanceSettings)
    """How rare classes get their share."""
    hooks: list[dict[str, Any]] = Field(default_factory=list)
    """Registered hooks of MMEngine's, MMDetection's or a plug-in's: `[{type: Heartbeat, every: 5}]`."""
