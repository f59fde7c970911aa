"""A "detector" that knows the answers: it recognises each image and returns its label file, shaken if asked.

Trained in no time and right by construction, it tests the way from a model's output to the numbers. As a custom model
it is also what a user would write; its folder and its shake come from the environment.
"""

import os
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class CustomModel(nn.Module):
    """Answers in the pixels of the image that it is given."""

    def __init__(self, config):
        super().__init__()
        assert config["model"]["num_classes"] == 4
        self.weight = nn.Parameter(torch.ones(2, 2))
        self.shake = float(os.environ["ORACLE_SHAKE"])
        self.known = [self._read(path) for path in sorted(Path(os.environ["ORACLE_DATA"], "images").iterdir())]

    @staticmethod
    def _read(path):
        image = cv2.imread(str(path))[:, :, ::-1] / 255.0
        rows = np.loadtxt(path.parents[1] / "labels" / f"{path.stem}.txt", ndmin=2).reshape(-1, 5)
        boxes = np.concatenate([rows[:, 1:3], rows[:, 1:3] + rows[:, 3:5]], axis=1) / image.shape[0]
        return thumbnail(torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))), boxes, rows[:, 0]

    def forward(self, images, targets=None):
        if self.training:
            assert len(targets) == len(images)
            return {"loss": (self.weight**2).sum()}
        return [self._answer(image) for image in images]

    def _answer(self, image):
        found = min(range(len(self.known)), key=lambda i: float((self.known[i][0] - thumbnail(image)).abs().sum()))
        _, boxes, numbers = self.known[found]
        rng = np.random.default_rng(found)
        boxes = boxes + self.shake * rng.normal(size=boxes.shape)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 0.01)
        labels = numbers + (self.shake > 0) * (rng.random(len(numbers)) < 0.2)  # now and then the next class
        scores = rng.uniform(0.2, 1.0, len(numbers))
        return {
            "boxes": torch.from_numpy(boxes * image.shape[-1]).float(),
            "labels": torch.from_numpy(np.minimum(labels, 4)).long(),
            "scores": torch.from_numpy(scores).float(),
        }


def thumbnail(image):
    """``(3, 8, 8)``, the same at every scale."""
    return F.adaptive_avg_pool2d(image, 8)
