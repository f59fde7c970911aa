"""One seed for each iteration, so that a resumed training draws what an uninterrupted one would have drawn."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from anomdet.registry import HOOKS


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seeds torch, numpy and random before each iteration from (seed, iteration, rank): 40 us.

    The data has its own streams (:class:`anomdet.data.draw.Draw`); these serve what the model itself draws:
    the sampling of proposals, noise, dropout. No generator's state need be kept in a checkpoint.
    """

    priority = "VERY_HIGH"

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        state = np.random.SeedSequence((self.seed, runner.iter, runner.rank)).generate_state(3)
        torch.manual_seed(int(state[0]))
        np.random.seed(int(state[1]))
        random.seed(int(state[2]))
