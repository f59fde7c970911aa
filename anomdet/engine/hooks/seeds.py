"""One seed for each epoch, so that a resumed training draws what an uninterrupted one would have drawn."""

from __future__ import annotations

import random

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from anomdet.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds torch, numpy and random before each epoch from (seed, epoch, rank).

    The data has its own streams (:class:`anomdet.data.draw.Draw`); these serve what the model itself draws:
    the sampling of proposals, noise, dropout.
    """

    priority = "VERY_HIGH"

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_train_epoch(self, runner: Runner) -> None:
        state = np.random.SeedSequence((self.seed, runner.epoch, runner.rank)).generate_state(3)
        torch.manual_seed(int(state[0]))
        np.random.seed(int(state[1]))
        random.seed(int(state[2]))
