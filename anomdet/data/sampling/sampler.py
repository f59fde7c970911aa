"""The order of the images in an epoch: plain, or with rare classes drawn more often. All yield :class:`Draw`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from numpy.typing import NDArray
from torch.utils.data import Sampler

from anomdet.data.contracts import HasClassCounts
from anomdet.data.draw import Draw
from anomdet.data.sampling.hard_normals import marked_hard
from anomdet.data.sampling.probabilities import cap_at_one, image_probabilities, share_hard_normals
from anomdet.errors import Problem, UserError
from anomdet.registry import DATA_SAMPLERS

_ORDER_STREAM = 2  # apart from those of the draws


class _EpochSampler(Sampler[int]):
    """Shares one global order of an epoch over the ranks: rank r takes the positions r, r + world, ...

    The order is the same for any number of ranks; where it does not go into them, its first draws come again at last.

    Attributes:
        num_draws: of the order, without those that come again.
    """

    def __init__(self, dataset: Any, seed: int | None, num_draws: int, *, round_up: bool) -> None:
        self.dataset = dataset
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self.rank, self.world_size = get_dist_info()
        self.num_draws, self.round_up = num_draws, round_up
        self.total_size = self._rounded(num_draws)
        self.skipped = 0

    def _rounded(self, num_draws: int) -> int:
        return math.ceil(num_draws / self.world_size) * self.world_size if self.round_up else num_draws

    def set_epoch(self, epoch: int) -> None:
        """Another epoch, another order, from its start."""
        self.epoch, self.skipped = epoch, 0

    def skip(self, num_draws: int) -> None:
        """Leave out the first draws of all ranks in this epoch, which an interrupted training has had already."""
        self.skipped = num_draws

    def expected_draws(self) -> NDArray[np.float64]:
        """How often each image ``(N,)`` is drawn in an epoch over all ranks, on average."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Draws of this rank."""
        return len(range(self.rank, self.total_size, self.world_size))

    def __iter__(self) -> Iterator[int]:
        epoch = self.epoch
        end = self.skipped + self._rounded(max(self.num_draws - self.skipped, 0))
        positions = range(self.skipped + self.rank, end, self.world_size)
        order = np.resize(self._order(epoch), end)[positions.start :: self.world_size]
        for index, position in zip(order, positions, strict=True):
            yield Draw(index, self.seed, epoch, position)

    def _generator(self, number: int) -> np.random.Generator:
        """Of an epoch, or of a pass over the images."""
        seeds = np.random.SeedSequence((self.seed, number), spawn_key=(_ORDER_STREAM,))
        return np.random.Generator(np.random.PCG64(seeds))

    def _order(self, epoch: int) -> NDArray[np.integer]:
        raise NotImplementedError


@DATA_SAMPLERS.register_module()
class DrawSampler(_EpochSampler):
    """Every image once in a pass; an epoch is one pass, or so many draws of a row of passes.

    Args:
        dataset: anything with a length.
        shuffle: a new order each pass.
        seed: the same on all ranks; None: agreed between them.
        round_up: repeat the first images so that all ranks have equally many.
        num_samples: draws in an epoch over all ranks; None: as many as images. An epoch begins in the pass where the
            one before it ended: no image comes a second time before every other has come once.
    """

    def __init__(
        self,
        dataset: Any,
        shuffle: bool = True,
        seed: int | None = 0,
        round_up: bool = True,
        num_samples: int | None = None,
    ) -> None:
        super().__init__(dataset, seed, num_samples or len(dataset), round_up=round_up)
        self.shuffle = shuffle

    def _order(self, epoch: int) -> NDArray[np.integer]:
        if not self.num_draws:
            return np.arange(0)
        first, count = epoch * self.num_draws, len(self.dataset)
        passes = range(first // count, (first + self.num_draws - 1) // count + 1)
        order: NDArray[np.integer] = np.concatenate([self._pass(number) for number in passes])
        return order[first % count :][: self.num_draws]

    def _pass(self, number: int) -> NDArray[np.integer]:
        count = len(self.dataset)
        return self._generator(number).permutation(count) if self.shuffle else np.arange(count)

    def expected_draws(self) -> NDArray[np.float64]:
        """The same of each image."""
        return np.full(len(self.dataset), self.num_draws / len(self.dataset))


class _WeightedSampler(_EpochSampler):
    """Draws each image the whole number of times next below or above its expected number (Madow 1949).

    Attributes:
        expected: draws of each image ``(N,)`` in an epoch, up to a common factor.
        is_normal: images without objects ``(N,)``, which have their expected number as a group.
        is_hard: of these, the hard ones ``(N,)``, which have theirs too; None: there is no such group.
    """

    expected: NDArray[np.float64]
    is_normal: NDArray[np.bool_]
    is_hard: NDArray[np.bool_] | None = None

    def expected_draws(self) -> NDArray[np.float64]:
        """Of the plan; the draws of one epoch differ from it by less than one for each image."""
        result: NDArray[np.float64] = self.expected * (self.num_draws / self.expected.sum())
        return result

    def _order(self, epoch: int) -> NDArray[np.integer]:
        """Systematic sampling over a random order of the normal images and, behind them, of the others."""
        generator = self._generator(epoch)
        shuffled = generator.permutation(len(self.expected)).astype(np.int32)
        normal = self.is_normal[shuffled]
        parts = [shuffled[normal], shuffled[~normal]]
        if self.is_hard is not None:
            hard = self.is_hard[parts[0]]
            parts[:1] = [parts[0][hard], parts[0][~hard]]
        images = np.concatenate(parts)
        del shuffled, normal, parts  # a million images, and many ranks: no array is kept longer than it is needed
        edges = np.cumsum(self.expected[images])
        edges *= self.num_draws / edges[-1]
        ticks = np.arange(self.num_draws, dtype=np.float64)
        ticks += generator.random()
        at = np.searchsorted(edges, ticks, side="right")
        del edges, ticks
        order = images[np.minimum(at, len(images) - 1, out=at)]
        del at
        generator.shuffle(order)
        result: NDArray[np.integer] = order
        return result


@DATA_SAMPLERS.register_module()
class BalancedSampler(_WeightedSampler):
    """Images are drawn by inverse class frequency; normal images keep a share of their own.

    An image with objects has the weight ``max over its classes of 1 / (number of images with that class)``. So each of
    C classes is in at least 1/C of the drawn images with objects. Normal images share ``normal_ratio`` evenly; of their
    draws, those that the data set marks as hard have the share ``hard_normals``. The
    draws are systematic (Madow 1949): an image is drawn the whole number of times next below or above its expected
    number, and normal images have their share to within one.

    Args:
        dataset: has ``image_class_counts`` ``(N, C)``; no image is decoded.
        seed: the same on all ranks; None: agreed between them.
        normal_ratio: share of normal images among the drawn, 0 to 1; None: as in the data.
        replacement: False: an image at most once an epoch.
        most_normal: where ``normal_ratio`` is None, the share of normal images is no larger than this.
        num_samples: draws in an epoch over all ranks. None: with replacement as many as images; without, the effective
            sample size ``(sum w)^2 / sum w^2`` (Kish 1965), which is smaller the rarer the rarest class is.
        hard_normals: share of ``dataset.is_hard_normal`` among the drawn normal images, above their own; None: as any.

    Raises:
        UserError: a data set without counts; a ratio or number that cannot be.
    """

    def __init__(
        self,
        dataset: Any,
        seed: int | None = 0,
        normal_ratio: float | None = None,
        replacement: bool = True,
        num_samples: int | None = None,
        most_normal: float | None = None,
        hard_normals: float | None = None,
    ) -> None:
        counts = _class_counts(dataset, "BalancedSampler")
        if normal_ratio is None and most_normal is not None:
            share = float((counts.sum(axis=1) == 0).mean())
            normal_ratio = min(share, most_normal)
        self.probabilities = image_probabilities(counts, normal_ratio)
        self.is_normal = counts.sum(axis=1) == 0
        if hard_normals is not None:
            self.is_hard = marked_hard(dataset, self.is_normal)
            share_hard_normals(self.probabilities, self.is_normal, self.is_hard, hard_normals)
        num_possible = int(np.count_nonzero(self.probabilities))
        if num_samples is None:
            num_samples = len(dataset) if replacement else round(1 / float(np.square(self.probabilities).sum()))
        if num_samples < 1 or (not replacement and num_samples > num_possible):
            limit = "" if replacement else f" and <= {num_possible}, as each image comes once"
            raise UserError(Problem("num_samples", f"a number >= 1{limit}", str(num_samples)))
        super().__init__(dataset, seed, num_samples, round_up=True)
        self.expected = self.probabilities * self.num_draws
        if not replacement:
            self.expected = cap_at_one(self.expected)


@DATA_SAMPLERS.register_module()
class RepeatFactorSampler(_WeightedSampler):
    """Every image with objects at least once an epoch, with rare classes more often (Gupta et al., LVIS, 2019, sec. 3).

    An image comes ``max over its classes of max(1, sqrt(threshold / f))`` times, f being the share of images with that
    class; a normal image comes once, or as ``normal_ratio`` says. What is left of a whole number is drawn anew in each
    epoch. MMDetection's ClassBalancedDataset has the same factors, but rounds each one above 1 up to a whole number.

    Args:
        dataset: has ``image_class_counts`` ``(N, C)``; no image is decoded.
        threshold: classes in a smaller share of the images than this are repeated.
        seed: the same on all ranks; None: agreed between them.
        num_samples: draws in an epoch over all ranks; None: the sum of all images' factors.
        normal_ratio: share of normal images among the drawn; None: each comes once.
        most_normal: where ``normal_ratio`` is None, their share is no larger than this.

    Raises:
        UserError: a data set without counts; a threshold or a share that cannot be.
    """

    def __init__(
        self,
        dataset: Any,
        threshold: float,
        seed: int | None = 0,
        num_samples: int | None = None,
        normal_ratio: float | None = None,
        most_normal: float | None = None,
    ) -> None:
        counts = _class_counts(dataset, "RepeatFactorSampler")
        if not 0 < threshold <= 1:
            raise UserError(Problem("repeat_threshold", "a share above 0, at most 1", f"{threshold:g}"))
        if normal_ratio is not None and not 0 <= normal_ratio < 1:
            raise UserError(Problem("normal_ratio", "a share from 0 to below 1", f"{normal_ratio:g}"))
        self.is_normal = counts.sum(axis=1) == 0
        self.expected = repeat_factors(counts, threshold)
        num_normal, defects = int(self.is_normal.sum()), float(self.expected[~self.is_normal].sum())
        if normal_ratio is None and most_normal is not None:
            normal_ratio = min(num_normal / (num_normal + defects), most_normal)
        if normal_ratio is not None and num_normal and defects:
            self.expected[self.is_normal] = defects * normal_ratio / (1 - normal_ratio) / num_normal
        super().__init__(dataset, seed, num_samples or math.ceil(self.expected.sum()), round_up=True)


def _class_counts(dataset: Any, sampler: str) -> NDArray[np.integer]:
    if not isinstance(dataset, HasClassCounts):
        got = type(dataset).__name__
        raise UserError(Problem(sampler, "a data set with image_class_counts", got, "use DrawSampler"))
    counts = dataset.image_class_counts
    assert len(counts) == len(dataset)
    return counts


def repeat_factors(counts: NDArray[np.integer], threshold: float) -> NDArray[np.float64]:
    """How often each image ``(N,)`` comes in an epoch, from objects per image and class ``(N, C)``."""
    factors = np.ones(len(counts))
    for column in counts.T:
        images = column > 0
        share = int(images.sum()) / len(counts)
        if 0 < share < threshold:
            np.maximum(factors, math.sqrt(threshold / share), out=factors, where=images)
    return factors


def class_exposure(counts: NDArray[np.integer], draws: NDArray[np.float64]) -> list[tuple[int, float]]:
    """For each class, and at the end for normal images: how many images show it, and how often they are drawn.

    Args:
        counts: objects per image and class ``(N, C)``.
        draws: of each image in an epoch ``(N,)``.
    """
    normal = counts.sum(axis=1) == 0
    masks = [*(column > 0 for column in counts.T), normal]
    return [(int(images.sum()), float(draws[images].sum())) for images in masks]
