"""A plug-in: a hook, a transform and a metric, named in the settings like MMDetection's own.

Put this file as my_plugin.py into the folder where you run the command. In run.yaml::

    plugins: [my_plugin]
    training:
      hooks: [{type: Heartbeat, path: logs/heartbeat.txt}]
    data:
      transforms: [{type: Glare, strength: 0.3, p: 0.5}]
    metrics:
      extra: [{type: CountError}]

``data.dataset: {type: ...}`` and ``model.overrides: {backbone: {type: ...}}`` name data sets and networks the same way.
"""

import time
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, METRICS, TRANSFORMS


@HOOKS.register_module()
class Heartbeat(Hook):
    """Writes a line after each epoch, for whoever watches the machine."""

    def __init__(self, path):
        self.path = Path(path)

    def after_train_epoch(self, runner):
        if runner.rank == 0:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"epoch {runner.epoch + 1} {time.time():.0f}\n")


@TRANSFORMS.register_module()
class Glare:
    """Brightens one side of the image, as a lamp beside the part does.

    NumPy's generator is seeded for each sample, so the same run draws the same glare.
    """

    def __init__(self, strength, p):
        self.strength, self.p = strength, p

    def __call__(self, results):
        if np.random.rand() < self.p:
            image = results["img"]
            slope = np.linspace(0, 255 * self.strength, image.shape[1])[None, :, None]
            results["img"] = np.clip(image + slope, 0, 255).astype(image.dtype)
        return results


@METRICS.register_module()
class CountError(BaseMetric):
    """By how many the number of found defects is off, on average over the images."""

    default_prefix = ""

    def __init__(self, score_threshold=0.3, **kwargs):
        super().__init__(**kwargs)
        self.score_threshold = score_threshold

    def process(self, data_batch, data_samples):
        for sample in data_samples:
            found = int((sample["pred_instances"]["scores"] >= self.score_threshold).sum())
            self.results.append(abs(found - len(sample["instances"])))

    def compute_metrics(self, results):
        return {"count_error": float(np.mean(results))}
