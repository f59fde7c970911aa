"""The training and validation loops: an epoch that can be entered in its middle, and a validation with its loss."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, TestLoop, ValLoop
from mmengine.runner.amp import autocast
from torch import nn

from anomdet.engine.contracts import SkipsDraws
from anomdet.engine.equal_sizes import Tiles, predict_equal_sizes
from anomdet.engine.finite_steps import FiniteSteps, blame_losses
from anomdet.engine.predict_with_loss import predict_with_loss
from anomdet.errors import Problem, UserError
from anomdet.registry import LOOPS, TASK_UTILS

_REMEDY = (
    "lower training.learning_rate (now {lr}) or set training.scheduler.warmup_iterations=500; training.use_amp=false "
    "rules mixed precision out"
)

_ONE_VALUE = "Expected more than 1 value per channel"  # how PyTorch's batch norm begins to say so


@LOOPS.register_module()
class InspectionTrainLoop(EpochBasedTrainLoop):
    """MMEngine's loop, which a resume may enter in the middle of an epoch.

    Gradient accumulation is counted anew in each epoch, and from the batch where it is entered, which need not end a
    step where the number of processes has changed: the last batches make a step of their own.

    A step whose loss or gradient is not finite is not made; too many of them in a row end the training.

    Args:
        nan_limit: how many are too many.
        args, kwargs: of MMEngine's EpochBasedTrainLoop.

    Attributes:
        first_batch: batches of the epoch under way that an interrupted training has done already.
        first_draw: draws of all processes in these batches.
        steps: the optimizer wrapper's stand-in, from the first batch on.
        skipped_in_a_row: steps not made since the newest that was.
    """

    first_batch = first_draw = skipped_in_a_row = 0
    steps: FiniteSteps | None = None

    def __init__(self, *args: Any, nan_limit: int = 5, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.nan_limit = nan_limit

    def run_epoch(self) -> None:
        """The rest of one epoch."""
        runner, first = self.runner, self.first_batch
        # The Runner has looked for batch norms in the model: here, their warning would come again in each epoch.
        runner.optim_wrapper.initialize_count_status(nn.Identity(), 0, len(self.dataloader) - first)
        runner.call_hook("before_train_epoch")
        runner.model.train()
        for idx, data_batch in enumerate(self._batches(first), start=first):
            self.run_iter(idx, data_batch)
        runner.call_hook("after_train_epoch")
        self.first_batch = self.first_draw = 0
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Sequence[dict]) -> None:
        """One batch.

        Raises:
            UserError: ``nan_limit`` steps in a row had a loss or gradient that is not finite; or a batch of one image
                leaves a batch norm without anything to average.
        """
        runner = self.runner
        runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
        self.steps = self.steps or FiniteSteps(runner.optim_wrapper, runner.model)
        self.steps.begin()
        try:
            outputs = runner.model.train_step(data_batch, optim_wrapper=self.steps)
        except ValueError as error:
            if not str(error).startswith(_ONE_VALUE):
                raise
            raise UserError(self._one_value(idx)) from error
        if self.steps.outcome == "stepped":
            self.skipped_in_a_row = 0
        elif self.steps.outcome == "skipped":
            self.skipped_in_a_row += 1
            self._report_skipped(idx, outputs)
        runner.call_hook("after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1

    def _one_value(self, idx: int) -> Problem:
        """Why batch norm cannot learn from a batch: a single image, of which a deep layer sees one pixel."""
        size, last = self.dataloader.batch_size, len(self.dataloader)
        where = f"epoch {self._epoch + 1}, batch {idx + 1} of {last}"
        got = "a batch of one image, of which a layer sees one pixel"
        other = f"another training.batch_size than {size}, so that the last batch of an epoch has more than one image"
        more = other if size and size > 1 else "training.batch_size=2 or more"
        return Problem(
            where, "more than one value for batch norm to average", got, f"{more}; or a larger data.image_size"
        )

    def _report_skipped(self, idx: int, outputs: dict[str, Any]) -> None:
        assert self.steps is not None
        what = blame_losses(self.steps.losses_finite, idx, outputs)
        where = f"epoch {self._epoch + 1}, {what}"
        if self.skipped_in_a_row >= self.nan_limit:
            lr = self.runner.optim_wrapper.get_lr()["lr"][0]
            got = f"{self.skipped_in_a_row} steps in a row without (training.nan_limit)"
            raise UserError(Problem(where, "a finite loss and gradient", got, _REMEDY.format(lr=f"{lr:.3g}")))
        if self.runner.rank == 0:
            self.runner.logger.warning(
                f"{where}: step skipped, nothing was learned from it "
                f"({self.skipped_in_a_row} in a row; the run ends at training.nan_limit={self.nan_limit})"
            )

    def _batches(self, first: int) -> Iterator[Any]:
        """Those of the epoch from ``first`` on; our samplers leave the earlier ones out before any image is read."""
        sampler = self.dataloader.sampler
        if first and isinstance(sampler, SkipsDraws):
            sampler.skip(self.first_draw)
            return iter(self.dataloader)
        return itertools.islice(self.dataloader, first, None)


@LOOPS.register_module()
class InspectionValLoop(ValLoop):
    """Adds ``val_loss`` and its parts to the metrics: the training's loss on the validation images, not augmented.

    Norms use their running statistics and nothing is dropped, as in prediction; what a model draws (proposals) is drawn
    from one seed at each validation. The backbone and neck run once for both. Averaged over images, of all processes.

    Args:
        runner, dataloader, evaluator, fp16: of MMEngine's ValLoop.
        with_loss: False: the metrics alone.
        tiles: see :class:`Tiles`.
        views: config of a registered function that merges them; see :func:`predict_equal_sizes`.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        evaluator: Any,
        fp16: bool = False,
        with_loss: bool = True,
        tiles: dict | None = None,
        views: dict | None = None,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16=fp16)
        self.with_loss = with_loss
        self.tiles = None if tiles is None else Tiles(**tiles)
        self.merge_views = None if views is None else TASK_UTILS.build(views)
        self.totals: dict[str, list[tuple[float, int]]] = {}  # loss to its sum over a batch's images, and their number

    def run(self) -> dict:
        """One validation; returns the metrics."""
        if not self.with_loss:
            result: dict = super().run()
            return result
        self.runner.call_hook("before_val")
        self.runner.call_hook("before_val_epoch")
        self.runner.model.eval()
        self.totals.clear()
        with torch.random.fork_rng(devices=_cuda_devices()):
            torch.manual_seed(0)
            for idx, data_batch in enumerate(self.dataloader):
                self.run_iter(idx, data_batch)
        metrics: dict = self.evaluator.evaluate(len(self.dataloader.dataset))
        metrics.update(_averages(self.totals))
        self.runner.call_hook("after_val_epoch", metrics=metrics)
        self.runner.call_hook("after_val")
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Sequence[dict]) -> None:
        """Predict one batch and compute its loss."""
        self.runner.call_hook("before_val_iter", batch_idx=idx, data_batch=data_batch)
        outputs = predict_equal_sizes(self.runner.model, data_batch, self._predict, self.tiles, self.merge_views)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook("after_val_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)

    def _predict(self, batch: Any) -> Sequence[Any]:
        """Of images of one size."""
        if not self.with_loss or _is_further_view(batch):
            with autocast(enabled=self.fp16 and not self.with_loss):
                found: Sequence[Any] = self.runner.model.val_step(batch)
            return found
        model = self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model
        data = model.data_preprocessor(batch, False)
        samples = data["data_samples"]
        outputs, losses = predict_with_loss(model, data["inputs"], samples)
        for name, value in losses.items():
            if "loss" in name:
                self.totals.setdefault(name, []).append((_number(value) * len(samples), len(samples)))
        return list(outputs)


@LOOPS.register_module()
class InspectionTestLoop(TestLoop):
    """MMEngine's loop, in which the result of an image does not depend on the others in its batch.

    Args:
        runner, dataloader, evaluator, fp16: of MMEngine's TestLoop.
        tiles: arguments of :class:`Tiles`, where a batch holds the tiles of its images.
        views: config of what merges them, where a batch holds the views of its images.

    Attributes:
        ms_per_image: of each batch but the first, which chooses kernels: preprocessing, network and postprocessing, not
            the reading of the files.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        evaluator: Any,
        fp16: bool = False,
        tiles: dict | None = None,
        views: dict | None = None,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16=fp16)
        self.tiles = None if tiles is None else Tiles(**tiles)
        self.merge_views = None if views is None else TASK_UTILS.build(views)
        self.ms_per_image: list[float] = []

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Sequence[dict]) -> None:
        """Predict one batch."""
        self.runner.call_hook("before_test_iter", batch_idx=idx, data_batch=data_batch)
        started = time.perf_counter()
        with autocast(enabled=self.fp16):
            predict = self.runner.model.test_step
            outputs = predict_equal_sizes(self.runner.model, data_batch, predict, self.tiles, self.merge_views)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)  # reads the boxes: a GPU is waited for
        if idx or len(self.dataloader) == 1:
            self.ms_per_image.append(1000 * (time.perf_counter() - started) / max(len(outputs), 1))
        self.runner.call_hook("after_test_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)


def _is_further_view(batch: Any) -> bool:
    """Whether it is no plain view, which alone knows its objects."""
    samples = batch.get("data_samples") if isinstance(batch, dict) else None
    return samples is not None and len(samples) > 0 and samples[0].get("view", 0) > 0


def _number(loss: Any) -> float:
    """One loss of a batch; a list, one for each level, is summed, as MMEngine does in training."""
    return sum(float(part.mean()) for part in loss) if isinstance(loss, (list, tuple)) else float(loss.mean())


def _averages(totals: dict[str, list[tuple[float, int]]]) -> dict[str, float]:
    """``val_loss`` and its parts, over the images of all ranks; their order does not show in the sums."""
    everywhere = all_gather_object(totals)
    means = {}
    for name in dict.fromkeys(itertools.chain.from_iterable(everywhere)):
        sums, numbers = zip(*(batch for rank in everywhere for batch in rank.get(name, ())), strict=True)
        means[f"val_{name}"] = math.fsum(sums) / sum(numbers)
    return {"val_loss": sum(means.values()), **means} if means else {}


def _cuda_devices() -> list[int]:
    return [torch.cuda.current_device()] if torch.cuda.is_available() else []
