"""What one process does to learn a normal-only score; started with and without torchrun by test_shared_score.py.

python -m tests.integration.score_worker IMAGES OUT   the score from all images of a folder; rank 0 writes its arrays
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.config import Config

from anomdet.engine.distributed.shared_work import shared_work
from anomdet.errors import Problem, UserError
from anomdet.ranks import num_processes, rank
from anomdet.workflows.scores.learn import NormalImage, learn_score


def learned(images_dir: Path) -> dict[str, torch.Tensor] | None:
    """The arrays, the calibration and the threshold; None in all processes but the first."""
    anomaly = dict(features="efficientnet_lite0", layers=[10, 12], image_size=64, method="patchcore", memory=60)
    loaders = {f"{split}_dataloader": dict(dataset=dict()) for split in ("train", "val", "test")}
    config = Config(dict(anomaly=dict(anomaly, overkill=0.1, regions=True), randomness=dict(seed=3), **loaders))
    images = [NormalImage(path, at) for at, path in enumerate(sorted(images_dir.iterdir()))]
    scorer = learn_score(config, images, logging.getLogger("score_worker"))
    if scorer is None:
        return None
    arrays = {name: torch.from_numpy(values) for name, values in scorer.arrays().items()}
    return {**arrays, "threshold": torch.tensor(scorer.info.threshold, dtype=torch.float64)}


def failure_of_one() -> str:
    """What each process hears when only the last of them meets a bad item."""

    def work(item: int) -> int:
        if item == 7 and rank() == num_processes() - 1:
            raise UserError(Problem("item 7", "a good one", "a bad one"))
        return item

    try:
        return f"{list(shared_work(range(20), work))}"
    except UserError as error:
        return str(error)


def main(images_dir: str, out: str) -> None:
    torch.set_num_threads(1)
    if num_processes() > 1:
        dist.init_process_group("gloo")
    found = learned(Path(images_dir))
    torch.save({"arrays": found, "failure": failure_of_one()}, f"{out}.{rank()}")
    if num_processes() > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
