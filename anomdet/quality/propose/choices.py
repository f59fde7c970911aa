"""What the rules speak of: the machine, a preset to start from, a choice with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Machine:
    """What there is to train on.

    Args:
        cores: that this process may use.
        memory_gb: that is free; None: unknown.
        gpu: its name; None: none.
        gpu_memory_gb: its memory; None: unknown.
    """

    cores: int
    memory_gb: float | None
    gpu: str | None = None
    gpu_memory_gb: float | None = None


@dataclass(frozen=True)
class Preset:
    """A file of configs/ to start from, and what it takes.

    Args:
        config: name of the file.
        batch_size: that its learning rate is meant for.
        smallest_px, largest_px: the longer side of the network's input.
        fixed_gb: memory of a run without any image; weights, optimizer and libraries.
        gb_per_megapixel: of the network's input, for each image of a batch, in float32.
        steps: of a run, unless there are many images.
        min_epochs: however many images there are.
    """

    config: str
    batch_size: int
    smallest_px: int
    largest_px: int
    fixed_gb: float
    gb_per_megapixel: float
    steps: int
    min_epochs: int


@dataclass(frozen=True)
class Given:
    """What the user has chosen, as far as other choices follow from it; None: not chosen.

    Args:
        size_hw: of the network's input.
        num_train: images to learn from, by the shares or the lists of the splits.
        num_workers: processes that load images.
        batch_size: images of a batch.
        accumulation_steps: batches of a step.
        epochs: of the training.
        val_interval: epochs from one validation to the next.
        imbalance: how classes are balanced.
    """

    size_hw: tuple[int, int] | None = None
    num_train: int | None = None
    num_workers: int | None = None
    batch_size: int | None = None
    accumulation_steps: int | None = None
    epochs: int | None = None
    val_interval: int | None = None
    imbalance: str | None = None


@dataclass(frozen=True)
class Choice:
    """A value and why; a warning is for the user's eyes at once."""

    value: Any
    reason: str
    warning: bool = False
